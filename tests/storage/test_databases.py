"""Hold both databases to what the service needs beside orders: keys, operations, the record."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import ClassVar

import anyio
import pytest

from orderengine.storage.opening import open_database
from tests.servers import PostgresServer
from tests.storage.databases import DatabaseTest, SharedDatabase, shared_database
from tests.storage.inspection_contract import InspectionContract
from tests.storage.keys_contract import KeysContract
from tests.storage.operations_contract import OperationsContract, StorageContract


def _in_file(test: DatabaseTest, lease_ns: int) -> None:
    async def main(folder: str) -> None:
        async with open_database(f"sqlite:///{folder}/o.db", lease_ns=lease_ns) as database:
            await test(database)

    with tempfile.TemporaryDirectory() as folder:
        anyio.run(main, folder, backend="asyncio")


class TestSqlite(KeysContract, OperationsContract, StorageContract, InspectionContract):
    """Hold SQLite to it, in a new file each time."""

    def run(self, test: DatabaseTest) -> None:
        """Open a new file."""
        _in_file(test, self.lease_ns)


class TestPostgres(KeysContract, OperationsContract, StorageContract, InspectionContract):
    """Hold PostgreSQL to it, in one database that is emptied each time."""

    database: ClassVar[SharedDatabase]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _opened(cls, postgres: PostgresServer) -> Iterator[None]:
        with shared_database(postgres, lease_ns=cls.lease_ns) as cls.database:
            yield

    def run(self, test: DatabaseTest) -> None:
        """Empty the database."""
        self.database.run(test)
