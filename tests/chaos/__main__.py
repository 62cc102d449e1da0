"""Run a storm and judge it: ``python -m tests.chaos --seed N --orders N --faults N``.

Exit code 0 if every invariant held, 1 if one was violated. A violation is told with the seed, the
plan, and the command that runs the same again: the same faults at the same orders, and the same
clients. What the processes do meanwhile is their own. Exit code 2 if it could not run.
"""

from __future__ import annotations

import sys
import tempfile
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from signal import SIGTERM, default_int_handler, signal
from time import monotonic

import pytest

from tests.chaos.fleet import Fleet
from tests.chaos.judge import judge
from tests.chaos.plan import KINDS, plan
from tests.chaos.record import Record
from tests.chaos.report import markdown, report, write
from tests.chaos.storm import storm

_TELL_S = 5.0
_NOT_RUN, _STOPPED = 2, 130


class _Teller:
    """Say how far it is: one line that changes on a terminal, else one every few seconds."""

    def __init__(self, orders: int, faults: int) -> None:
        self._began_s = monotonic()
        self._orders = orders
        self._faults = faults
        self._told_s = 0.0

    def __call__(self, record: Record, fleet: Fleet) -> None:
        del fleet
        now_s = monotonic()
        if not sys.stderr.isatty() and now_s - self._told_s < _TELL_S:
            return
        self._told_s = now_s
        active = ", ".join(f"{f.kind} {f.target}" for f in record.faults if not f.healed_s)
        line = (
            f"{now_s - self._began_s:5.0f} s  {len(record.accepted_s)}/{self._orders} accepted"
            f"  {len(record.ended_s)} ended  {len(record.faults)}/{self._faults} faults  {active}"
        )
        sys.stderr.write(f"\r\033[K{line[:150]}" if sys.stderr.isatty() else f"{line}\n")
        sys.stderr.flush()


def main() -> int:
    """Run it; return the exit code."""
    asked = _arguments()
    kinds = asked.kinds or tuple(KINDS)
    faults = plan(asked.seed, asked.faults, asked.orders, kinds)
    command = (
        f"python -m tests.chaos --seed {asked.seed} --orders {asked.orders} --faults {asked.faults}"
    )
    command += f" --kinds {','.join(asked.kinds)}" if asked.kinds else ""
    try:
        with tempfile.TemporaryDirectory(prefix="orderengine-chaos-") as folder:
            evidence = storm(
                faults,
                seed=asked.seed,
                orders=asked.orders,
                folder=Path(folder),
                tell=_Teller(asked.orders, asked.faults),
            )
        verdicts = judge(evidence)
    except KeyboardInterrupt:
        sys.stdout.write(f"\nStopped. Again: {command}\n")
        return _STOPPED
    except Exception:  # raised again, but first whoever reads it can have it again
        sys.stdout.write(f"\nThe run did not come to its end. Again: {command}\n")
        sys.stdout.writelines(f"  {fault}\n" for fault in faults)
        raise
    found = report(command, faults, evidence, verdicts)
    if asked.report is not None:
        write(found, asked.report)
    sys.stdout.write("\n" + markdown(found))
    if found["is_sound"]:
        return 0
    sys.stdout.write(f"\nSeed {asked.seed}. Again: {command}\nThe plan:\n")
    sys.stdout.writelines(f"  {fault}\n" for fault in faults)
    return 1


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the plan and of the clients")
    parser.add_argument("--orders", type=int, default=2_000, help="how many clients send")
    parser.add_argument("--faults", type=int, default=25, help="how many; 0 for none")
    parser.add_argument(
        "--kinds", type=_kinds, help=f"of {', '.join(KINDS)}; commas between; all if left out"
    )
    parser.add_argument("--report", type=Path, help="a JSON file; Markdown is written beside it")
    asked = parser.parse_args()
    if asked.seed < 0 or asked.orders < 1 or asked.faults < 0:
        parser.error("there must be an order at least, and no number below 0")
    return asked


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(text.split(","))
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise ArgumentTypeError(f"unknown: {', '.join(unknown)}")
    return kinds


if __name__ == "__main__":
    signal(SIGTERM, default_int_handler)  # so that what was started is ended
    try:
        sys.exit(main())
    except (pytest.skip.Exception, pytest.fail.Exception) as missing:
        sys.stderr.write(f"chaos: {missing}\n")
        sys.exit(_NOT_RUN)
