"""Decide whether this process should be sent requests, and say what stands in the way of work."""

from __future__ import annotations

from enum import IntEnum

import anyio
from msgspec import Struct

from orderengine.errors import Unavailable
from orderengine.execution.ports import Clock
from orderengine.service.operations.heartbeat import ALIVE_S, Process
from orderengine.service.operations.instruments import Instruments
from orderengine.service.operations.pauses import ALL

__all__ = ["Finding", "Grade", "Readiness", "readiness"]

_ANSWER_S_MAX = 1.0
_STUCK_S = 30.0
"""Orders that wait so long while nothing ends anywhere are stuck."""


class Grade(IntEnum):
    """Say how bad a finding is."""

    FINE = 0
    POOR = 1
    """Something is wrong and requests are welcome."""
    LOST = 2
    """Orders are accepted and end, but late: others should be asked first."""
    UNFIT = 3
    """No requests, please."""


class Finding(Struct, frozen=True):
    """Hold what was found of one thing."""

    grade: Grade
    said: str


class Readiness(Struct, frozen=True):
    """Hold all findings."""

    findings: dict[str, Finding]

    @property
    def grade(self) -> Grade:
        """The worst."""
        return max(finding.grade for finding in self.findings.values())

    @property
    def checks(self) -> dict[str, str]:
        """What was found, by name."""
        return {name: finding.said for name, finding in self.findings.items()}

    @property
    def trouble(self) -> str:
        """What is worst, in words."""
        worst = [name for name, finding in self.findings.items() if finding.grade == self.grade]
        return "; ".join(f"{name}: {self.findings[name].said}" for name in worst)


async def readiness(instruments: Instruments, clock: Clock) -> Readiness:
    """Look at everything; the database has a second to answer."""
    findings = {"process": Finding(Grade.FINE, "ok"), "store": Finding(Grade.FINE, "ok")}
    if instruments.is_draining:
        findings["process"] = Finding(Grade.UNFIT, "it is about to end")
    try:
        with anyio.fail_after(_ANSWER_S_MAX):
            await instruments.standing.require_store()
            findings["workers"] = await _workers(instruments, clock)
    except (Unavailable, TimeoutError):
        # Anybody may ask this: where the database is stands in the log only.
        findings["store"] = Finding(Grade.UNFIT, "the database does not answer")
    findings["queue"] = _queue(instruments)
    resting = [*([ALL] if instruments.halt.is_paused else []), *instruments.halt.paused_venues]
    if resting:
        findings["paused"] = Finding(Grade.POOR, ", ".join(sorted(resting)))
    return Readiness(findings)


def _queue(instruments: Instruments) -> Finding:
    if instruments.is_redis_up is None:
        return Finding(Grade.FINE, "memory")
    if instruments.is_redis_up:
        return Finding(Grade.FINE, "redis")
    return Finding(Grade.LOST, "redis is down, polling SQL")


async def _workers(instruments: Instruments, clock: Clock) -> Finding:
    lanes = await instruments.standing.lanes()
    processes = await instruments.standing.processes()
    oldest_ns = min((lane.oldest_ns for lane in lanes.values() if lane.oldest_ns), default=None)
    waits_s = 0.0 if oldest_ns is None else (clock.now_ns() - oldest_ns) / 1e9
    return judged([process for process in processes if process.works], waits_s, instruments)


def judged(working: list[Process], waits_s: float, instruments: Instruments) -> Finding:
    """Return what it means that an order has waited so long while these processes work."""
    if instruments.halt.is_paused:
        return Finding(Grade.FINE, "paused")
    if not working:
        if waits_s > ALIVE_S:
            said = f"none has given a sign of life for {ALIVE_S:g} s, and orders wait"
            return Finding(Grade.UNFIT, said)
        return Finding(Grade.FINE, "none, and no order waits for one")
    if waits_s > _STUCK_S and all(_age_of_progress(process) > _STUCK_S for process in working):
        said = f"an order has waited for {waits_s:.0f} s and none has ended for {_STUCK_S:g} s"
        return Finding(Grade.POOR, said)
    return Finding(Grade.FINE, "ok")


def _age_of_progress(process: Process) -> float:
    """Return how long ago an order ended there; for ever if none has."""
    age_s = process.vitals.progress_age_s
    return float("inf") if age_s is None else age_s + process.age_s
