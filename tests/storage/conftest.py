"""Start one PostgreSQL for all tests of stores; a test that stops it starts its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import PostgresServer, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Give a server that does not wait for the disk."""
    with running_postgres(fsync=False) as server:
        yield server
