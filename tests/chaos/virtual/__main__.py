"""Run chaos in virtual time by the thousand, or one seed again: see ``--help``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from tests.chaos.report import provenance
from tests.chaos.virtual.plan import plan_of
from tests.chaos.virtual.soak import Tally, explain, run_seeds
from tests.chaos.virtual.world import run_plan

_BATCH = 100
_FAILED, _STOPPED = 1, 130


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.virtual", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000, help="how many, one after another")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--processes", type=int, default=1, help="how many work at it at once")
    parser.add_argument("--report", type=Path, help="where the summary is written as JSON")
    parser.add_argument("--seed", type=int, help="run this one only and show what happened")
    parser.add_argument("--keep", help="of its plan only the items with these numbers: 3,7")
    asked = parser.parse_args()
    if asked.seeds < 1 or asked.processes < 1 or asked.first < 0 or (asked.seed or 0) < 0:
        parser.error("there must be a seed and a process at least, and no seed below 0")
    if asked.keep is not None:
        if asked.seed is None:
            parser.error("--keep goes with --seed")
        asked.keep = _kept(parser, asked.keep, len(plan_of(asked.seed).items))
    return asked


def _kept(parser: argparse.ArgumentParser, text: str, count: int) -> tuple[int, ...]:
    numbers = text.split(",")
    if not all(number.isdecimal() and int(number) < count for number in numbers):
        parser.error(f"--keep takes numbers below {count} with commas between, not {text!r}")
    return tuple(map(int, numbers))


def _say(text: str, *, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()


def _one(seed: int, keep: tuple[int, ...] | None) -> int:
    plan = plan_of(seed)
    kept = tuple(range(len(plan.items))) if keep is None else keep
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
    command = f"python -m tests.chaos.virtual --first {arguments.first} --seeds {arguments.seeds}"
    summary = (
        provenance(command)
        | tally.summary()
        | {
            "first": arguments.first,
            "wall_seconds": round(wall_s, 1),
            "seeds_per_second": round(tally.seeds / wall_s, 1),
        }
    )
    text = json.dumps(summary, indent=2)
    if arguments.report is not None:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
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
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(_STOPPED)
