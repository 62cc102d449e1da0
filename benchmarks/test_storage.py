"""Say how many orders a second each store takes, and what each costs in CPU."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
from anyio import to_thread
from pytest_benchmark.fixture import BenchmarkFixture

from orderengine.execution.memory_store import MemoryEventStore
from orderengine.execution.ports import EventStore, Position, Signed
from orderengine.model.events import (
    Accepted,
    CancelRequested,
    Claimed,
    Confirmed,
    Event,
    Routed,
    Status,
    Submitted,
)
from orderengine.model.order import Leg, Order, Quote, Route
from orderengine.service.clock import WallClock
from orderengine.storage.database import OrderStore
from orderengine.storage.opening import open_database
from orderengine.storage.sqlite.connections import Synchronous
from orderengine.storage.sqlite.store import SqliteEventStore
from tests.servers import PostgresServer, running_postgres

ROUNDS = 5
ORDERS = 5_000
AT_ONCE = 200
BACKLOG = 100_000


def life(order_id: str) -> list[Event]:
    """Return the log of an order that is filled while its user cancels: six events."""
    order = Order(order_id=order_id, sell="SOL", buy="USDC", amount=10**9)
    leg = Leg(pool="p", venue="raydium_cpmm", sell="SOL", buy="USDC", amount_in=1, amount_out=1)
    quote = Quote(venue="raydium_cpmm", pool="p" * 44, amount_in=10**9, amount_out=15 * 10**7)
    common: dict[str, Any] = {"order_id": order_id, "at_ns": 1_767_225_600 * 10**9}
    price: dict[str, Any] = {"reference_price_x64": 2**64}
    attempt: dict[str, Any] = {"attempt": 1, **common}
    return [
        Accepted(seq=1, order=order, **common, **price),
        Claimed(seq=2, worker="w", **common),
        Routed(
            seq=3,
            route=Route(legs=(leg,), amount_in=10**9, amount_out=15 * 10**7),
            quotes=(quote, quote),
            declined=(),
            **attempt,
            **price,
        ),
        Submitted(
            seq=4,
            signature="s" * 88,
            last_valid_height=150,
            amount_in_max=10**9,
            amount_out_min=149 * 10**6,
            network_fee=5_000,
            **attempt,
        ),
        CancelRequested(seq=5, status=Status.SUBMITTED, **common),
        Confirmed(
            seq=6,
            signature="s" * 88,
            slot=3,
            landed_at_ns=common["at_ns"],
            amount_in=10**9,
            amount_out=15 * 10**7,
            fee_in=1,
            fee_out=0,
            network_fee=5_000,
            **attempt,
            **price,
        ),
    ]


def signed(order_id: str) -> Signed:
    """Return a transaction of the usual size."""
    return Signed(
        order_id=order_id,
        attempt=1,
        signature="s" * 88,
        payload=bytes(800),
        last_valid_height=150,
        network_fee=5_000,
    )


async def _live(store: EventStore, order_id: str) -> None:
    first, *rest = life(order_id)
    assert isinstance(first, Accepted)
    await store.create(first)
    lease = await store.claim(order_id, "w")
    assert lease is not None
    for event in rest:
        transaction = signed(order_id) if isinstance(event, Submitted) else None
        await store.append(event, fence=lease.fence, signed=transaction)


async def _live_all(store: EventStore) -> None:
    ids = iter([f"order-{number:026d}" for number in range(ORDERS)])

    async def one_after_another() -> None:
        for order_id in ids:
            await _live(store, order_id)

    async with anyio.create_task_group() as group:
        for _ in range(AT_ONCE):
            group.start_soon(one_after_another)


Store = TypeVar("Store")


@asynccontextmanager
async def _memory() -> AsyncIterator[EventStore]:
    yield MemoryEventStore(WallClock())


@asynccontextmanager
async def _sqlite(synchronous: Synchronous) -> AsyncIterator[SqliteEventStore]:
    with tempfile.TemporaryDirectory(dir=os.environ.get("ORDERENGINE_BENCH_DISK")) as folder:
        async with SqliteEventStore(Path(folder) / "o.db", synchronous=synchronous) as store:
            yield store


@asynccontextmanager
async def _postgres(server: PostgresServer) -> AsyncIterator[OrderStore]:
    url = await to_thread.run_sync(server.create_database)
    async with open_database(url, upgrade=True) as database:
        yield database.orders


def _timed(
    work: Callable[[Store], Awaitable[None]],
    opened: Callable[[], AbstractAsyncContextManager[Store]],
) -> tuple[float, float]:
    """Return the seconds, and the CPU seconds of this process, of work with a new store."""

    async def main() -> tuple[float, float]:
        async with opened() as store:
            began, used = time.perf_counter(), time.process_time()
            await work(store)
            return time.perf_counter() - began, time.process_time() - used

    return anyio.run(main, backend="asyncio")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Give a PostgreSQL that waits for the disk, as in production."""
    with running_postgres() as server:
        yield server


_SECONDS: dict[str, float] = {}
"""Medians of those that ran before, for ratios."""


@pytest.mark.benchmark(group="storage")
@pytest.mark.parametrize("kept", ["memory", "sqlite-full", "sqlite-normal", "postgres"])
def test_orders_stored(
    benchmark: BenchmarkFixture, kept: str, request: pytest.FixtureRequest
) -> None:
    """One create, one claim and five appends an order, 200 at once, each write awaited."""
    opened: Callable[[], AbstractAsyncContextManager[EventStore]] = _memory
    if kept == "postgres":
        server: PostgresServer = request.getfixturevalue("server")
        opened = partial(_postgres, server)
    elif kept != "memory":
        opened = partial(_sqlite, "FULL" if kept == "sqlite-full" else "NORMAL")
    found: list[tuple[float, float]] = []

    def one_round() -> None:
        found.append(_timed(_live_all, opened))

    benchmark.pedantic(one_round, rounds=ROUNDS, iterations=1)  # type: ignore[no-untyped-call]
    seconds, cpu = (statistics.median(values) for values in zip(*found, strict=True))
    _SECONDS[kept] = seconds
    benchmark.extra_info.update(
        {
            "orders_per_s_median": round(ORDERS / seconds),
            "cpu_us_an_order_median": round(cpu / ORDERS * 1e6, 1),
            "times_as_long_as": {
                other: round(seconds / taken, 2) for other, taken in _SECONDS.items()
            },
            "orders_at_once": AT_ONCE,
            "rounds": ROUNDS,
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
        }
    )


@pytest.mark.benchmark(group="storage reads")
@pytest.mark.parametrize("kept", ["sqlite-normal", "postgres"])
def test_reads_from_a_long_backlog(
    benchmark: BenchmarkFixture, kept: str, request: pytest.FixtureRequest
) -> None:
    """Look-ups among 100,000 open orders: free ones, and free ones behind as many held."""
    figures: dict[str, float] = {}

    async def median_us(read: Callable[[], Awaitable[object]]) -> float:
        taken = []
        for _ in range(21):
            began = time.perf_counter()
            await read()
            taken.append(time.perf_counter() - began)
        return round(statistics.median(taken) * 1e6, 1)

    async def work(store: OrderStore) -> None:
        ids = [f"order-{number:026d}" for number in range(BACKLOG)]
        fences: dict[str, int] = {}

        async def create(order_id: str) -> None:
            first = life(order_id)[0]
            assert isinstance(first, Accepted)
            await store.create(first)

        async def claim(order_id: str) -> None:
            lease = await store.claim(order_id, "w")
            assert lease is not None
            fences[order_id] = lease.fence

        for function, name in ((create, "claimable_100_free"), (claim, "claimable_all_held")):
            for start in range(0, BACKLOG, 10_000):
                async with anyio.create_task_group() as group:
                    for order_id in ids[start : start + 10_000]:
                        group.start_soon(function, order_id)
                await store.renew(fences)
            figures[f"{name}_us"] = await median_us(lambda: store.claimable(100))
        held = dict(list(fences.items())[:1_000])
        figures["renew_1000_us"] = await median_us(lambda: store.renew(held))
        figures["log_of_1_event_us"] = await median_us(lambda: store.events(ids[50_000]))
        figures["since_100_events_us"] = await median_us(lambda: store.since(Position(50_000), 100))
        figures["orders_page_of_50_us"] = await median_us(lambda: store.orders("user"))

    opened: Callable[[], AbstractAsyncContextManager[OrderStore]] = partial(_sqlite, "NORMAL")
    if kept == "postgres":
        opened = partial(_postgres, request.getfixturevalue("server"))
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: _timed(work, opened), rounds=1, iterations=1
    )
    benchmark.extra_info.update(figures)
