"""Say what an order costs as a service, seen by our own client: one process, orders in a file.

The client takes more CPU than the service does, and is in every figure. ``make bench-service``
loads with a generator that costs little, and runs a peer beside ours.
"""

from __future__ import annotations

import os
import platform
import statistics
from pathlib import Path

import anyio
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.service.processes import cpu_ms
from orderengine.study.live import Client
from orderengine.study.load_report import LoadReport
from tests.service.serving import serving

ROUNDS = int(os.environ.get("ORDERENGINE_BENCH_ROUNDS", "5"))
AT_ONCE = 50
FAULTS = ("lost", "duplicated", "out_of_order", "missing")


def load(url: str, orders: int) -> LoadReport:
    """Send orders with our own client, closed loop, one socket for all events."""

    async def main() -> LoadReport:
        async with Client(url) as client:
            result = await client.load(orders=orders, concurrency=AT_ONCE, progress=False)
            assert result.load is not None
            return result.load

    return anyio.run(main)


def require_whole(found: LoadReport, orders: int) -> None:
    """Check that every order was accepted and ended, and every event came once."""
    assert (found.accepted, sum(found.ended.values())) == (orders, orders), found
    assert found.is_whole, found


@pytest.mark.benchmark(group="service")
@pytest.mark.parametrize("orders", [1_000, 5_000])
def test_orders_through_the_service(
    benchmark: BenchmarkFixture, tmp_path: Path, orders: int
) -> None:
    """One process that serves and works, a fresh file each round, 50 orders at once."""
    rounds: list[dict[str, float | None]] = []

    def one_round() -> None:
        folder = tmp_path / str(len(rounds))
        folder.mkdir()
        with serving(folder, ORDERENGINE_SIM_PROFILE="instant") as process:
            began_ms = cpu_ms(process.pid)
            found = load(process.url, orders)
            ended_ms = cpu_ms(process.pid)
        require_whole(found, orders)
        used = None if began_ms is None or ended_ms is None else (ended_ms - began_ms) / orders
        rounds.append(_figures(found, used))

    benchmark.pedantic(one_round, rounds=ROUNDS, iterations=1)  # type: ignore[no-untyped-call]
    benchmark.extra_info.update(_medians(rounds) | dict.fromkeys(FAULTS, 0) | _machine())


def _figures(found: LoadReport, cpu_ms_an_order: float | None) -> dict[str, float | None]:
    accepted, ended = found.latency_ms["accepted"], found.latency_ms["ended"]
    return {
        "orders_per_s": found.orders_per_s,
        "accepted_p50_ms": accepted["p50"],
        "accepted_p99_ms": accepted["p99"],
        "ended_p50_ms": ended["p50"],
        "ended_p99_ms": ended["p99"],
        "cpu_ms_an_order": cpu_ms_an_order,
        "client_cpu_ms_an_order": found.cpu_seconds * 1e3 / found.orders,
    }


def _medians(rounds: list[dict[str, float | None]]) -> dict[str, float]:
    """Return each figure's median over the rounds; one that could not be measured is left out."""
    medians = {}
    for name in rounds[0]:
        values = [found[name] for found in rounds]
        known = [value for value in values if value is not None]
        if known:
            medians[name] = round(statistics.median(known), 3)
    return medians


def _machine() -> dict[str, object]:
    return {
        "at_once": AT_ONCE,
        "rounds": ROUNDS,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
