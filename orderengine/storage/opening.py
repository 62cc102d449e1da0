"""Open the database that ``DATABASE_URL`` names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote, urlsplit

from orderengine.storage.database import Database
from orderengine.storage.sqlite.keys import SqliteKeys
from orderengine.storage.sqlite.operations import SqliteOperations
from orderengine.storage.sqlite.store import SqliteEventStore

__all__ = ["open_database"]


@asynccontextmanager
async def open_database(url: str, *, lease_ns: int = 3_000_000_000) -> AsyncIterator[Database]:
    """Open a database, and commit what waits at the end.

    Raises:
        InvalidData: it is none of ours, or of a version that this code cannot work with.
        Unavailable: it cannot be reached, or is locked.
    """
    path = unquote(urlsplit(url).path[1:])
    async with SqliteEventStore(path, lease_ns=lease_ns) as store:
        yield Database(store, SqliteKeys(store.file), SqliteOperations(store.file), path)
