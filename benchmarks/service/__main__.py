"""Measure the service beside the peer, show medians and goals, and keep every round as JSON.

The exit code is 1 where something was lost, repeated, late or wrong; a goal that is missed is
shown, not an error.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.service.cases import CASES, COMPARED, ORIGINAL, SCALE, SCALING
from benchmarks.service.generators import own_generator, peer_generator
from benchmarks.service.machine import commit, machine, versions
from benchmarks.service.peer import Peer, find_peer
from benchmarks.service.report import Median, faults_of, goals, medians, ratios, table
from benchmarks.service.rounds import Measured, run, steps
from benchmarks.service.targets import PEER_CONCURRENCY, TARGETS, missing_servers

RESULTS = Path(__file__).parents[1] / "results"


def main() -> int:
    """Measure what the command line names."""
    asked = _arguments()
    found_peer = find_peer()
    peer = found_peer if isinstance(found_peer, Peer) else None
    missing = _missing(asked.targets, found_peer)
    cases = asked.cases or [case for case in CASES if case != SCALE]
    if peer is None:
        only_post = {case.name for case in COMPARED if case.mode == "post"}
        if left_out := [case for case in cases if case in only_post]:
            _say(f"NOT MEASURED without the peer's generator: {', '.join(left_out)}")
        cases = [case for case in cases if case not in only_post]
    targets = [target for target in asked.targets if target not in missing]
    _warn(missing)
    plan = steps(cases, targets, asked.rounds)
    if not plan:
        _say("nothing is left to measure")
        return 2
    told = {
        "machine": machine(),  # before there is load
        "orders": asked.orders,
        "lamports_an_order": asked.amount,
        "peer_concurrency": PEER_CONCURRENCY,
        "cases": {case.name: case.words for case in (*COMPARED, ORIGINAL, *SCALING)},
    }
    measured: list[Measured] = []
    total, began = sum(len(step.cases) for step in plan), time.monotonic()
    generate = own_generator if peer is None else peer_generator(peer, asked.amount)
    try:
        for one in run(plan, generate, peer, asked.orders):
            measured.append(one)
            took = time.monotonic() - began
            _say(_progress(one, len(measured), total, took))
    finally:
        if measured:
            name = _keep(asked.results, _document(measured, missing, peer, told))
    found = medians(measured)
    for line in (*table(found), "", *map(str, goals(found, _count(measured))), ""):
        _show(line)
    for line in faults_of(measured):
        _show(f"FAULT  {line}")
    _warn(missing)
    _show(f"every round is in {name}")
    return 1 if _count(measured) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service", description=__doc__)
    parser.add_argument(
        "cases",
        nargs="*",
        metavar="CASE",
        help=f"what to measure, of {', '.join(CASES)}; all but {SCALE} if left out",
    )
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    rounds = int(os.environ.get("ORDERENGINE_BENCH_ROUNDS", "5"))
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--orders", type=int, default=5_000, help="that count, a case and round")
    parser.add_argument("--amount", type=int, default=1_500_000_000, help="lamports an order sells")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder for the JSON")
    asked = parser.parse_args()
    if unknown := set(asked.cases) - set(CASES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(CASES)}")
    if min(asked.rounds, asked.orders, asked.amount) < 1:
        parser.error("rounds, orders and amount must be at least 1")
    return asked


def _missing(targets: Sequence[str], peer: Peer | str) -> dict[str, str]:
    """Return the targets that cannot be measured here, and why; and what else is missing."""
    found = {target: why for target in targets if (why := missing_servers(target))}
    if isinstance(peer, str):
        found |= {"peer": peer} if "peer" in targets else {}
        found["generator"] = f"{peer}: our own client loads, and bounds all figures"
    elif "peer" in targets and not peer.is_installed:
        found["peer"] = "its packages are not installed: npm install"
    return found


def _warn(missing: dict[str, str]) -> None:
    for name, why in missing.items():
        _say(f"NO {name.upper()}: {why}")


def _progress(one: Measured, done: int, total: int, took_s: float) -> str:
    left_min = took_s / done * (total - done) / 60
    workers = f", {one.workers} workers" if one.workers > 1 else ""
    rate = f"{one.figures.get('orders_per_s', 0):,.0f} orders/s"
    faults = f", FAULTS {one.faults}" if one.faults else ""
    return (
        f"[{done} of {total}, {left_min:.1f} min left] "
        f"round {one.round}, {one.case}, {one.target}{workers}: {rate}{faults}"
    )


def _document(
    measured: Sequence[Measured], missing: dict[str, str], peer: Peer | None, told: dict[str, Any]
) -> dict[str, Any]:
    found: list[Median] = medians(measured)
    reached = goals(found, _count(measured))
    return {
        "commit": commit(),
        **told,
        "versions": versions() | ({} if peer is None else {"peer": peer.versions()}),
        "generator": "ours" if peer is None else "the peer's",
        "missing": missing,
        "goals": [{**msgspec.to_builtins(goal), "is_met": goal.is_met} for goal in reached],
        "medians": found,
        "of_the_peers": ratios(found),
        "rounds": measured,
    }


def _count(measured: Sequence[Measured]) -> int:
    return sum(many for one in measured for many in one.faults.values())


def _keep(folder: Path, document: dict[str, Any]) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")  # noqa: TID251  (names a file)
    file = folder / f"{stamp}-service.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    return file.name


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _show(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except KeyboardInterrupt:
        _say(f"stopped; the rounds that were whole are in {RESULTS.name}, or in --results")
        raise SystemExit(130) from None
