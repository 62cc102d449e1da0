"""Hold the store on PostgreSQL to the contracts, on a real server and in real time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import anyio
import asyncpg
import pytest

from orderengine.execution.ports import Lease
from orderengine.model.wire import decode_event
from orderengine.storage.database import Database
from tests.execution.history_contract import HistoryContract, HistoryTest
from tests.execution.store_contract import (
    EventStoreContract,
    StoreTest,
    accepted,
    claimed,
    routed,
    submitted,
)
from tests.servers import PostgresServer
from tests.storage.databases import SharedDatabase, run_in_database, shared_database


class TestPostgresEventStore(EventStoreContract):
    """Hold it to what every event store does."""

    lease_ns = 250_000_000  # of real time: a slow machine must not lose one before its test looks
    database: ClassVar[SharedDatabase]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _opened(cls, postgres: PostgresServer) -> Iterator[None]:
        with shared_database(postgres, lease_ns=cls.lease_ns) as cls.database:
            yield

    def run(self, test: StoreTest) -> None:
        """Open a store in an empty database."""

        async def in_orders(database: Database) -> None:
            await test(database.orders)

        self.database.run(in_orders)


def test_a_lease_tells_no_log_that_is_older_than_it(postgres: PostgresServer) -> None:
    """The holder before stores a transaction while the claim waits for the row."""

    async def main(database: Database) -> None:
        store = database.orders
        await store.create(accepted())
        first = await store.claim("o-1", "w-1")
        assert first is not None
        await store.append(claimed(2), fence=first.fence)
        await store.append(routed(3), fence=first.fence)
        await anyio.sleep(0.1)  # its lease runs out
        event, signed = submitted(4)
        leases: list[Lease | None] = []

        async def submit() -> None:
            await store.append(event, fence=first.fence, signed=signed)

        async def take() -> None:
            leases.append(await store.claim("o-1", "w-2"))

        other = await asyncpg.connect(url)
        try:
            held = other.transaction()
            await held.start()
            await other.execute("SELECT 1 FROM orders WHERE order_id = 'o-1' FOR NO KEY UPDATE")
            async with anyio.create_task_group() as group:
                for begin in (submit, take):
                    group.start_soon(begin)
                    await anyio.sleep(0.2)  # it waits for the row
                await held.rollback()
        finally:
            await other.close()
        (lease,) = leases
        assert lease is not None
        log = await store.events("o-1")
        assert log[-1] == event
        assert [decode_event(body) for body in lease.log] in ([], list(log))

    url = postgres.create_database()
    run_in_database(main, url, lease_ns=50_000_000)


class TestPostgresHistory(HistoryContract):
    """Hold it to what every history does."""

    database: ClassVar[SharedDatabase]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _opened(cls, postgres: PostgresServer) -> Iterator[None]:
        with shared_database(postgres) as cls.database:
            yield

    def run(self, test: HistoryTest) -> None:
        """Open a store in an empty database."""

        async def in_orders(database: Database) -> None:
            await test(database.orders)

        self.database.run(in_orders)
