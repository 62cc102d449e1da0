"""Say what one order's life costs: bare on our clock, in a whole study, and in SimPy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.compare import cpu_seconds, interleave
from benchmarks.peers import asyncio_jump, order_life_anyio, order_life_simpy
from benchmarks.peers.order_life import Outcome, World
from orderengine import virtualtime
from orderengine.study.run import simulate

ORDERS = [1_000, 5_000, *([100_000] if os.environ.get("ORDERENGINE_BENCH_LARGE") else [])]


def _on_simpy(orders: int) -> float:
    return cpu_seconds(order_life_simpy.run, World(orders))


@pytest.mark.benchmark(group="order life, bare")
@pytest.mark.parametrize("orders", ORDERS)
def test_bare_order_life(benchmark: BenchmarkFixture, orders: int) -> None:
    """The clock alone: one and the same model, as plain anyio code and as SimPy processes."""
    ours: Outcome = virtualtime.run(order_life_anyio.main, World(orders))
    assert ours == order_life_simpy.run(World(orders))  # the same work, or no comparison
    interleave(
        benchmark,
        {
            "virtualtime": lambda: cpu_seconds(
                virtualtime.run, order_life_anyio.main, World(orders)
            ),
            "simpy": lambda: _on_simpy(orders),
            "asyncio_jump": lambda: cpu_seconds(
                asyncio_jump.run, order_life_anyio.main, World(orders)
            ),
        },
        orders,
    )
    benchmark.extra_info["outcome"] = ours._asdict()


@pytest.mark.benchmark(group="order life, study")
@pytest.mark.parametrize("orders", ORDERS)
def test_study_order_life(benchmark: BenchmarkFixture, orders: int) -> None:
    """The production engine with exact pools and a full event log, beside SimPy's bare model."""
    interleave(
        benchmark,
        {
            "simpy_twin": lambda: simulate("simpy_twin", orders=orders, progress=False).cpu_seconds,
            "simpy": lambda: _on_simpy(orders),
        },
        orders,
    )


@pytest.mark.benchmark(group="memory")
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="/proc tells resident memory")
@pytest.mark.parametrize("workers", [1_024, 100_000], ids=["1024_workers", "all_at_once"])
def test_memory_of_an_order_in_flight(benchmark: BenchmarkFixture, workers: int) -> None:
    """What a process weighs for each of 100,000 open orders: most waiting, or all executed."""

    def run() -> None:
        command = [sys.executable, "-m", "benchmarks.orders_in_flight", str(workers)]
        ended = subprocess.run(command, capture_output=True, check=True)  # noqa: S603
        names = ("resident_bytes_an_order_in_flight", "resident_bytes_an_order_at_most")
        benchmark.extra_info.update(zip(names, map(int, ended.stdout.split()), strict=True))

    benchmark.pedantic(run, rounds=1, iterations=1)  # type: ignore[no-untyped-call]
