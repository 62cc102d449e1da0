"""Run many seeds, count what struck, and say of each that fails how to see it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from time import process_time

from msgspec import Struct, field

from tests.chaos.virtual.judge import CHECKED
from tests.chaos.virtual.plan import API_PLACES, RECORD_PLACES, WORK_PLACES, Plan, plan_of
from tests.chaos.virtual.shrink import shrink
from tests.chaos.virtual.world import run_plan

__all__ = ["Failure", "Tally", "explain", "run_seeds", "violations_of"]

_SHRUNK_MAX = 3
"""Failing seeds of one batch whose plans are made small: that takes many runs."""


class Failure(Struct, frozen=True):
    """Hold a seed that failed."""

    seed: int
    violations: tuple[str, ...]
    kept: tuple[int, ...]
    """The items of its plan that are enough for it to fail; empty if it was not made small."""


class Tally(Struct):
    """Hold what many seeds came to."""

    seeds: int = 0
    orders: int = 0
    events: int = 0
    virtual_s: float = 0.0
    cpu_s: float = 0.0
    struck: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count what other seeds came to."""
        self.seeds += other.seeds
        self.orders += other.orders
        self.events += other.events
        self.virtual_s += other.virtual_s
        self.cpu_s += other.cpu_s
        self.struck.update(other.struck)
        self.failures += other.failures

    def summary(self) -> dict[str, object]:
        """Return what a report says."""
        places = sorted({*API_PLACES, *WORK_PLACES, *RECORD_PLACES})
        return {
            "seeds": self.seeds,
            "failed": len(self.failures),
            "orders": self.orders,
            "events": self.events,
            "virtual_seconds": round(self.virtual_s, 1),
            "cpu_seconds": round(self.cpu_s, 1),
            "cpu_ms_per_seed": round(1e3 * self.cpu_s / max(self.seeds, 1), 2),
            "invariants": CHECKED,
            "kills_by_place": {place: self.struck[f"kill: {place}"] for place in places},
            "struck": dict(sorted(self.struck.items())),
            "failures": [
                {"seed": failure.seed, "violations": failure.violations, "kept": failure.kept}
                for failure in self.failures
            ],
        }


def violations_of(plan: Plan) -> tuple[str, ...]:
    """Run a plan and return what it broke."""
    return run_plan(plan).violations


def run_seeds(first: int, count: int) -> Tally:
    """Run seeds one after another; those that fail first are made small."""
    tally, began_s = Tally(seeds=count), process_time()
    for seed in range(first, first + count):
        report = run_plan(plan_of(seed))
        tally.orders += report.orders
        tally.events += report.events
        tally.virtual_s += report.virtual_s
        tally.struck.update(report.struck)
        if report.violations:
            small = len(tally.failures) < _SHRUNK_MAX
            kept = shrink(plan_of(seed), violations_of) if small else ()
            tally.failures.append(Failure(seed, report.violations, kept))
    tally.cpu_s = process_time() - began_s
    return tally


def explain(seed: int, violations: Collection[str], kept: Collection[int]) -> str:
    """Return what a seed broke, the items that it takes, and the command that shows it again."""
    plan = plan_of(seed)
    world = "the simulated market" if plan.is_real else f"{plan.venues} venues"
    lines = [f"seed {seed} ({', '.join(plan.roles)}; {world}):"]
    lines += [f"  {violation}" for violation in violations]
    lines += [f"  {number}: {plan.items[number]}" for number in kept]
    keep = f" --keep {','.join(map(str, kept))}" if kept else ""
    lines.append(f"  python -m tests.chaos.virtual --seed {seed}{keep}")
    return "\n".join(lines)
