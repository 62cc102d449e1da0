"""Say what one order's life costs: bare on our clock, in a whole study, and in SimPy."""

from __future__ import annotations

import os

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
