"""Open databases on PostgreSQL, for one test each or for a class of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import asyncpg
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, settings

from orderengine.storage.database import Database
from orderengine.storage.opening import LEASE_NS, open_database
from tests.servers import PostgresServer

in_every_database = settings(suppress_health_check=[HealthCheck.differing_executors])
"""Mark a property that is checked of more than one database."""

DatabaseTest = Callable[[Database], Awaitable[None]]

TABLES = (
    "idempotency_keys",
    "signed_transactions",
    "chain",
    "events",
    "orders",
    "api_keys",
    "tickets",
    "heartbeats",
    "pauses",
    "bygone",
)
"""In an order in which they can be emptied."""


def run_in_database(test: DatabaseTest, url: str, **options: Any) -> None:
    """Run a test on asyncio with a database, brought up to date."""

    async def main() -> None:
        async with open_database(url, upgrade=True, **options) as database:
            await test(database)

    anyio.run(main, backend="asyncio")


class SharedDatabase:
    """Hold one database open for many tests, and empty it before each."""

    def __init__(self, portal: BlockingPortal, database: Database, url: str) -> None:
        self._portal = portal
        self._database = database
        self._url = url

    def run(self, test: DatabaseTest) -> None:
        """Run a test with the database."""
        self._portal.call(self._empty)
        self._portal.call(test, self._database)

    async def _empty(self) -> None:
        connection = await asyncpg.connect(self._url)
        for table in TABLES:
            await connection.execute(f"DELETE FROM {table}")  # noqa: S608  (constants)
        await connection.close()


@contextmanager
def shared_database(
    server: PostgresServer, *, lease_ns: int = LEASE_NS
) -> Iterator[SharedDatabase]:
    """Open a new database once."""
    url = server.create_database()
    with start_blocking_portal("asyncio") as portal:
        opened = open_database(url, lease_ns=lease_ns, upgrade=True)
        with portal.wrap_async_context_manager(opened) as database:
            yield SharedDatabase(portal, database, url)
