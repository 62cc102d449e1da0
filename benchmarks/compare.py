"""Time peers in turn, so that what else the machine does hits all of them alike."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture

__all__ = ["cpu_seconds", "interleave", "seconds_a_call"]

ROUNDS = 5

_PACKAGES = (
    "anyio",
    "clarabel",
    "cvxpy",
    "ecos",
    "numba",
    "numpy",
    "orderengine",
    "scipy",
    "simpy",
    "trio",
)


def interleave(
    benchmark: BenchmarkFixture, peers: dict[str, Callable[[], float]], per: int
) -> dict[str, float]:
    """Run each peer five times in turn; return and note medians of CPU µs a unit, and ratios.

    Args:
        benchmark: shows our rounds; the medians and our share of each peer's go to ``extra_info``.
        peers: what to run; each returns its CPU seconds. The first is ours.
        per: how many units a run has.
    """
    found: dict[str, list[float]] = {name: [] for name in peers}

    def one_round() -> None:
        for name, run in peers.items():
            found[name].append(run() / per * 1e6)

    benchmark.pedantic(one_round, rounds=ROUNDS, iterations=1)  # type: ignore[no-untyped-call]
    medians = {name: statistics.median(values) for name, values in found.items()}
    ours = next(iter(medians))
    benchmark.extra_info.update(
        {
            "cpu_us_median": {name: round(value, 3) for name, value in medians.items()},
            "ours_over_peer": {
                name: round(medians[ours] / value, 3) for name, value in medians.items()
            },
            "rounds": ROUNDS,
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "versions": {name: _version(name) for name in _PACKAGES},
        }
    )
    return medians


def cpu_seconds(function: Callable[..., Any], *args: object) -> float:
    """Return the CPU seconds that a call takes, whatever else the process holds in memory."""
    gc.collect()
    gc.freeze()  # what stands in memory already is not the call's to look through
    began = time.process_time()
    function(*args)
    used = time.process_time() - began
    gc.unfreeze()
    return used


def seconds_a_call(
    call: Callable[[Any], object], asked: Sequence[Any], round_cpu_s: float = 0.1
) -> Callable[[], float]:
    """Return what runs a round and returns the CPU seconds of one call.

    Args:
        call: what is timed.
        asked: its arguments, which take turns.
        round_cpu_s: how long a round takes, at least half of it; one pass may take longer.
    """

    def run(passes: int) -> None:
        for _ in range(passes):
            for one in asked:
                call(one)

    passes = 1
    while (took := cpu_seconds(run, passes)) < round_cpu_s / 2:
        passes = max(2 * passes, int(passes * round_cpu_s / max(took, 1e-4)))
    return lambda: cpu_seconds(run, passes) / (passes * len(asked))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
