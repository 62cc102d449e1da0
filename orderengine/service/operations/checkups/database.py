"""Ask the database how it is, and what stands in it of processes, keys and lanes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from orderengine.model.api_key import Role
from orderengine.model.instants import rfc3339
from orderengine.service.clock import WallClock
from orderengine.service.operations.checkups.finding import Finding, failed, fine, worth
from orderengine.service.operations.heartbeat import Process
from orderengine.service.operations.pauses import ALL
from orderengine.service.settings import Settings
from orderengine.storage.database import Database

__all__ = ["DATABASE_CHECKS"]

_CLOCK_LOOK_S, _CLOCK_FAILED_S = 0.5, 5.0
_YEAR_NS = 365 * 86_400 * 1_000_000_000
_WAITS_LOOK_S, _WAITS_FAILED_S = 10.0, 60.0
_CONNECTIONS_SPARED = 5
"""For people, dumps and monitors."""


async def _kind(database: Database, settings: Settings) -> Finding:
    del settings
    server = await database.operations.server()
    version = await database.operations.schema_version()
    said = f"{server.version}, schema version {version}"
    if server.version.startswith("PostgreSQL"):
        return fine("database kind", said)
    return worth("database kind", f"{said}: for one machine only", "use PostgreSQL for more")


async def _connections(database: Database, settings: Settings) -> Finding:
    del settings
    server = await database.operations.server()
    most, each = server.connections_max, server.connections_a_process
    if most is None or each is None:
        return fine("connections", "not limited")
    count = sum(process.is_alive for process in await _processes(database))
    need = (count + 1) * each + _CONNECTIONS_SPARED
    said = f"{count} processes open up to {each} each of the {most} that the server allows"
    if need > most:
        return failed("connections", said, f"raise max_connections above {need}")
    return fine("connections", said)


async def _clock(database: Database, settings: Settings) -> Finding:
    del settings
    clock = WallClock()
    before_ns = clock.now_ns()
    theirs_ns = (await database.operations.server()).clock_ns
    apart_s = abs(theirs_ns - (before_ns + clock.now_ns()) // 2) / 1e9
    said = f"the database's clock and this one are {apart_s:.3f} s apart"
    if apart_s > _CLOCK_FAILED_S:
        return failed("clocks", said, "run NTP on both machines: deadlines depend on it")
    return worth("clocks", said, "run NTP") if apart_s > _CLOCK_LOOK_S else fine("clocks", said)


async def _keys(database: Database, settings: Settings) -> Finding:
    now_ns = WallClock().now_ns()
    keys = [key for key in await database.keys.all() if not key.is_dead(now_ns)]
    operators = sum(key.role is Role.OPERATOR for key in keys)
    said = f"{len(keys)} alive, {operators} of them operators'"
    if settings.auth == "keys" and not operators:
        do = "make one: orderengine keys create --user NAME --role operator"
        return failed("keys", f"{said}: nobody can read metrics", do)
    old = [
        key.key_id
        for key in keys
        if key.expires_at_ns is None and now_ns - key.created_at_ns > _YEAR_NS
    ]
    if old:
        shown = ", ".join(old[:3]) + (", …" if len(old) > 3 else "")
        return worth("keys", f"{said}; older than a year: {shown}", "replace them")
    return fine("keys", said)


async def _processes(database: Database) -> list[Process]:
    found = [Process.of(beat) for beat in await database.operations.beats()]
    return [process for process in found if process is not None]


async def _workers(database: Database, settings: Settings) -> Finding:
    del settings
    working = [process for process in await _processes(database) if process.works]
    if not working:
        return failed("workers", "no process executes orders", "start one: orderengine work")
    at_hand = sum(process.vitals.at_hand for process in working)
    capacity = sum(process.vitals.capacity for process in working)
    late_s = max(process.vitals.lag_max_s for process in working)
    said = f"{len(working)} alive, {at_hand} of {capacity} orders at hand"
    if late_s > 0.5:
        said += f", an event loop was {late_s:.1f} s late"
        return worth("workers", said, "give them more CPU, or lower ORDERENGINE_WORKER_CONCURRENCY")
    return fine("workers", said)


async def _pauses(database: Database, settings: Settings) -> Finding:
    del settings
    found = await database.operations.pauses()
    if not found:
        return fine("pauses", "nothing is paused")
    said = ", ".join(
        f"{pause.name} since {rfc3339(pause.since_ns)[:19]}Z ({pause.reason or 'no reason given'})"
        for pause in found
    )
    ends = (f" --venue {pause.name}" if pause.name != ALL else "" for pause in found)
    do = " and ".join(f"orderengine resume{end}" for end in ends)
    return worth("pauses", f"paused: {said}", f"end with {do}")


async def _waiting(database: Database, settings: Settings) -> Finding:
    del settings
    lanes = await database.operations.lanes()
    waiting = sum(lane.waiting for lane in lanes.values())
    oldest_ns = min((lane.oldest_ns for lane in lanes.values() if lane.oldest_ns), default=None)
    if oldest_ns is None:
        return fine("waiting orders", "none")
    age_s = (WallClock().now_ns() - oldest_ns) / 1e9
    said = f"{waiting}, the oldest for {age_s:.0f} s"
    do = "see orderengine orders list --open, and add workers"
    if age_s > _WAITS_FAILED_S:
        return failed("waiting orders", said, do)
    return (
        worth("waiting orders", said, do) if age_s > _WAITS_LOOK_S else fine("waiting orders", said)
    )


DATABASE_CHECKS: Mapping[str, Callable[[Database, Settings], Awaitable[Finding]]] = {
    "database kind": _kind,
    "connections": _connections,
    "clocks": _clock,
    "keys": _keys,
    "workers": _workers,
    "pauses": _pauses,
    "waiting orders": _waiting,
}
"""By name, in the order of the checklist."""
