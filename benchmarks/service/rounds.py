"""Run the rounds: every target in turn, fresh each time, so that what else runs hits all alike."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from benchmarks.service.cases import COMPARED, ORIGINAL, SCALE, SCALING, Case
from benchmarks.service.generators import Generator
from benchmarks.service.peer import Peer
from benchmarks.service.processes import cpu_ms, memory_mb
from benchmarks.service.targets import Target, opener

__all__ = ["Measured", "Step", "run", "steps"]

_SCALING_ROUNDS_MAX = 3
_WORKERS = (1, 2, 3)
_WARM_UP = 1_000


class Step(Struct, frozen=True, kw_only=True):
    """Hold what is measured of one target between its start and its end."""

    round: int
    part: str
    """Which table it is for: a case that targets are compared in, or ``scaling``."""
    target: str
    workers: int
    cases: tuple[Case, ...]


class Measured(Struct, frozen=True, kw_only=True):
    """Hold what was measured of one target in one case of one round."""

    round: int
    part: str
    target: str
    workers: int
    case: str
    orders: int
    figures: dict[str, float]
    cpu_ms_an_order: dict[str, float]
    """By process; of PostgreSQL and all its children together."""
    memory_mb: dict[str, float]
    """By process, at the end."""
    faults: dict[str, int]
    facts: dict[str, str]


def steps(asked: Sequence[str], targets: Sequence[str], rounds: int) -> list[Step]:
    """Return what to run, in the order in which it is run."""
    found = []
    for number in range(1, rounds + 1):
        for case in COMPARED:
            if case.name in asked:
                found += [_step(number, case.name, target, (case,)) for target in targets]
        if ORIGINAL.name in asked and "postgres" in targets:
            found.append(_step(number, ORIGINAL.name, "postgres", (ORIGINAL,)))
        if SCALE in asked and "postgres" in targets and number <= _SCALING_ROUNDS_MAX:
            found += [_step(number, SCALE, "postgres", SCALING, many) for many in _WORKERS]
    return found


def _step(number: int, part: str, target: str, cases: tuple[Case, ...], workers: int = 1) -> Step:
    return Step(round=number, part=part, target=target, workers=workers, cases=cases)


def run(
    plan: Sequence[Step], generate: Generator, peer: Peer | None, orders: int
) -> Iterator[Measured]:
    """Run all steps, and yield what is measured as it comes."""
    for step in plan:
        opened = opener(step.target, peer, workers=step.workers, profile=step.cases[0].profile)
        with (
            tempfile.TemporaryDirectory(prefix="orderengine-bench-") as folder,
            opened(Path(folder)) as target,
        ):
            _warm_up(target, step, generate, orders)
            for case in step.cases:
                yield _measure(step, case, target, generate, orders)


def _warm_up(target: Target, step: Step, generate: Generator, orders: int) -> None:
    """Send orders that do not count: code is compiled, connections and statements are made.

    They are followed to their end whatever comes after, so that none is at hand then.
    """
    in_flight = max(case.in_flight for case in step.cases)
    case = Case("warm-up", "e2e", in_flight, step.cases[0].profile)
    generate(target, case, in_flight if ORIGINAL in step.cases else min(orders, _WARM_UP))


def _measure(step: Step, case: Case, target: Target, generate: Generator, orders: int) -> Measured:
    sent = case.in_flight if case is ORIGINAL else orders
    before = _cpu(target)
    answer = generate(target, case, sent)
    after = _cpu(target)
    sizes = {name: memory_mb(pid) for name, pid in target.pids.items()}
    figures = dict(answer.figures)
    used = {name: (after[name] - ms) / sent for name, ms in before.items() if name in after}
    if used:
        figures["engine_cpu_ms"] = sum(ms for name, ms in used.items() if _is_engine(name))
    return Measured(
        round=step.round,
        part=step.part,
        target=step.target,
        workers=step.workers,
        case=case.name,
        orders=sent,
        figures=_rounded(figures),
        cpu_ms_an_order=_rounded(used),
        memory_mb=_rounded({name: mb for name, mb in sizes.items() if mb is not None}),
        faults=answer.faults,
        facts=target.facts,
    )


def _is_engine(name: str) -> bool:
    """Return whether a process is the service's own, rather than a server that it uses."""
    return name == "api" or name.startswith("worker")


def _cpu(target: Target) -> dict[str, float]:
    told = {name: cpu_ms(pid) for name, pid in target.pids.items()}
    return {name: ms for name, ms in told.items() if ms is not None}


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}
