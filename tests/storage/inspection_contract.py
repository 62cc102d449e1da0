"""Say what every database must answer to operators: which orders there are, and how it is."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

import anyio
import pytest
from msgspec.structs import replace

from orderengine.model.order import Priority
from orderengine.storage.database import Database, OrderQuery
from tests.execution.store_contract import accepted, cancelled, claimed
from tests.storage.databases import DatabaseTest


async def _filled(database: Database) -> None:
    """Store six orders: of two users, every third one cancelled, accepted at 10, 20, ..."""
    for number in range(6):
        event = accepted(f"o-{number}", user="ann" if number < 4 else "bob")
        await database.orders.create(replace(event, at_ns=10 * (number + 1)))
        if number % 3 == 2:
            await database.orders.append(cancelled(2, f"o-{number}"))


class InspectionContract(ABC):
    """Hold the tests; subclass it."""

    @abstractmethod
    def run(self, test: DatabaseTest) -> None:
        """Run a test with an empty database, whose leases are short."""

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            (OrderQuery(), "543210"),
            (OrderQuery(is_oldest_first=True), "012345"),
            (OrderQuery(limit=2), "54"),
            (OrderQuery(limit=0), ""),
            (OrderQuery(limit=-1), ""),
            (OrderQuery(user="bob"), "54"),
            (OrderQuery(user="' OR 1 = 1 --"), ""),
            (OrderQuery(is_open=True), "4310"),
            (OrderQuery(is_open=False), "52"),
            (OrderQuery(statuses=("cancelled",)), "52"),
            (OrderQuery(statuses=("cancelled", "pending"), user="ann"), "3210"),
            (OrderQuery(accepted_before_ns=30), "10"),
            (OrderQuery(order_id="o-3"), "3"),
            (OrderQuery(order_id="o-3", user="bob"), ""),
        ],
        ids=str,
    )
    def test_orders_are_found(self, query: OrderQuery, expected: str) -> None:
        """By all that is asked together."""

        async def test(database: Database) -> None:
            await _filled(database)
            found = await database.operations.find(query)
            assert [row.order_id for row in found] == [f"o-{number}" for number in expected]

        self.run(test)

    def test_a_row_says_how_an_order_stands(self) -> None:
        """Its lease runs down on the database's clock, and ends with the order."""

        async def test(database: Database) -> None:
            await database.orders.create(accepted(priority=Priority.URGENT, user="ann"))
            (row,) = await database.operations.find(OrderQuery())
            assert (row.user, row.priority, row.status) == ("ann", Priority.URGENT, "pending")
            assert (row.fence, row.lease_ms, row.ended_at_ns) == (0, 0, None)
            lease = await database.orders.claim("o-1", "w")
            assert lease is not None
            (row,) = await database.operations.find(OrderQuery(order_id="o-1"))
            assert (row.fence, row.takeovers) == (1, 0)
            assert 0 < row.lease_ms <= 3_000
            await database.orders.append(claimed(), fence=1)
            await database.orders.append(cancelled(3), fence=1)
            (row,) = await database.operations.find(OrderQuery())
            assert (row.status, row.seq, row.lease_ms, row.ended_at_ns) == ("cancelled", 3, 0, 3)

        self.run(test)

    def test_takeovers_are_counted_as_all_counts_are(self) -> None:
        """Of open, ended, freed and pruned orders; a lease that is given back is none."""

        async def test(database: Database) -> None:
            store, operations = database.orders, database.operations

            async def require(expected: int) -> None:
                assert await operations.takeovers() == expected
                assert (await operations.counts()).takeovers == expected

            await require(0)
            for number in range(3):
                await store.create(accepted(f"o-{number}"))
                await store.claim(f"o-{number}", "dies")
            await store.release("o-2", 1)
            await anyio.sleep(0.3)  # leases last 250 ms
            for number in range(3):
                assert await store.claim(f"o-{number}", "next") is not None
            await require(2)
            await operations.free("o-0")
            await require(2)
            await store.append(cancelled(2, "o-1"))
            await require(2)
            assert await operations.prune(2**62, 10) == 1
            await require(2)

        self.run(test)

    def test_the_database_says_what_it_is(self) -> None:
        """Its clock is a date; a file has no limit of connections, a server has."""

        async def test(database: Database) -> None:
            server = await database.operations.server()
            assert server.version.startswith(("SQLite 3.", "PostgreSQL 1"))
            assert abs(server.clock_ns - time.time_ns()) < 60 * 10**9
            if server.version.startswith("SQLite"):
                assert server.connections_max is None
            else:
                assert server.connections_max is not None
                assert server.connections_a_process is not None
                assert 0 < server.connections_a_process < server.connections_max

        self.run(test)
