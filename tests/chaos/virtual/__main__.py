"""Run chaos in virtual time by the thousand, or one seed again: see ``--help``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from tests.chaos.virtual.plan import plan_of
from tests.chaos.virtual.soak import Tally, explain, run_seeds
from tests.chaos.virtual.world import run_plan

_BATCH = 100
_FAILED = 1


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.virtual", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000, help="how many, one after another")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--processes", type=int, default=1, help="how many work at it at once")
    parser.add_argument("--report", type=Path, help="where the summary is written as JSON")
    parser.add_argument("--seed", type=int, help="run this one only and show what happened")
    parser.add_argument("--keep", help="of its plan only the items with these numbers: 3,7")
    return parser.parse_args()


def _say(text: str, *, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()


def _one(seed: int, keep: str | None) -> int:
    plan = plan_of(seed)
    kept = tuple(range(len(plan.items))) if keep is None else tuple(map(int, keep.split(",")))
    report = run_plan(plan.kept(kept))
    _say(explain(seed, report.violations, kept))
    for name, count in sorted(report.struck.items()):
        _say(f"  {count:5} {name}")
    _say(f"  {report.virtual_s:.1f} virtual seconds, event log {report.event_log_sha256}")
    return _FAILED if report.violations else 0


def _many(arguments: argparse.Namespace) -> int:
    tally, began_s = Tally(), time.monotonic()
    last = arguments.first + arguments.seeds
    # Not forked: a process that is the copy of another one is no witness for it.
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        batches = [
            pool.submit(run_seeds, first, min(_BATCH, last - first))
            for first in range(arguments.first, last, _BATCH)
        ]
        for batch in as_completed(batches):
            found = batch.result()
            tally.add(found)
            for failure in found.failures:
                _say("\n" + explain(failure.seed, failure.violations, failure.kept))
            rate = tally.seeds / (time.monotonic() - began_s)
            _say(
                f"\r{tally.seeds} of {arguments.seeds} seeds, {len(tally.failures)} failed,"
                f" {rate:.0f} a second ",
                end="",
            )
    wall_s = time.monotonic() - began_s
    summary = tally.summary() | {
        "first": arguments.first,
        "wall_seconds": round(wall_s, 1),
        "seeds_per_second": round(tally.seeds / wall_s, 1),
    }
    text = json.dumps(summary, indent=2)
    if arguments.report is not None:
        arguments.report.write_text(text + "\n", "utf-8")
    _say("\n" + text)
    return _FAILED if tally.failures else 0


def main() -> int:
    """Return 0 if nothing was broken."""
    arguments = _parsed()
    if arguments.seed is not None:
        return _one(arguments.seed, arguments.keep)
    return _many(arguments)


if __name__ == "__main__":
    sys.exit(main())
