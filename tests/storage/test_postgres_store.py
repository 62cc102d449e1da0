"""Hold the store on PostgreSQL to the contracts, on a real server and in real time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from orderengine.storage.database import Database
from tests.execution.history_contract import HistoryContract, HistoryTest
from tests.execution.store_contract import EventStoreContract, StoreTest
from tests.servers import PostgresServer
from tests.storage.databases import SharedDatabase, shared_database


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
