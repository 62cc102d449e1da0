"""Open the database that ``DATABASE_URL`` names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from orderengine.errors import InvalidData
from orderengine.storage.database import Database
from orderengine.storage.sqlite.connections import open_existing
from orderengine.storage.sqlite.keys import SqliteKeys
from orderengine.storage.sqlite.migrations import version_in
from orderengine.storage.sqlite.operations import SqliteOperations
from orderengine.storage.sqlite.store import SqliteEventStore

__all__ = ["LEASE_NS", "is_postgres", "open_database", "sqlite_path", "upgrade_database"]

LEASE_NS = 3_000_000_000
_SQLITE = "sqlite:///"


def is_postgres(url: str) -> bool:
    """Return whether a URL names a PostgreSQL database."""
    return url.startswith(("postgresql://", "postgres://"))


def sqlite_path(url: str) -> str:
    """Return the path of an SQLite database's URL.

    Raises:
        InvalidData: it is another URL; it is not repeated, for it may hold a password.
    """
    path = unquote(urlsplit(url).path[1:]) if url.startswith(_SQLITE) else ""
    if not path.strip("/") or "\0" in path:
        expected = "sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        raise InvalidData("DATABASE_URL", "an address that cannot be used", expected)
    return path


def open_database(
    url: str, *, lease_ns: int = LEASE_NS, upgrade: bool = False
) -> AbstractAsyncContextManager[Database]:
    """Open a database, and do what waits at the end.

    Args:
        url: as in ``DATABASE_URL``.
        lease_ns: how long a claim holds.
        upgrade: whether a PostgreSQL database's schema may be brought up to date; an SQLite file's
            always is.

    Raises:
        InvalidData: it is none of ours, or of a version that this code cannot work with.
        Unavailable: it cannot be reached, or is locked.
    """
    if is_postgres(url):
        return _postgres(url, lease_ns, upgrade)
    return _sqlite(sqlite_path(url), lease_ns)


async def upgrade_database(url: str) -> tuple[int, int]:
    """Bring a schema up to date; return the version before, and the version now.

    Raises as ``open_database``.
    """
    if is_postgres(url):
        from orderengine.storage.postgres import migrations  # noqa: PLC0415  (needs asyncpg)

        return await migrations.upgrade(url)
    before = _version_of(Path(sqlite_path(url)))
    async with open_database(url) as database:
        return before, await database.operations.schema_version()


def _version_of(path: Path) -> int:
    if not path.exists():
        return 0
    with closing(open_existing(path)) as db:
        return version_in(db, str(path))


@asynccontextmanager
async def _sqlite(path: str, lease_ns: int) -> AsyncIterator[Database]:
    async with SqliteEventStore(path, lease_ns=lease_ns) as store:
        yield Database(store, SqliteKeys(store.file), SqliteOperations(store.file), path)


@asynccontextmanager
async def _postgres(url: str, lease_ns: int, upgrade: bool) -> AsyncIterator[Database]:
    # Only who uses PostgreSQL needs asyncpg.
    from orderengine.storage.postgres import connections, migrations  # noqa: PLC0415
    from orderengine.storage.postgres.keys import PostgresKeys  # noqa: PLC0415
    from orderengine.storage.postgres.lines import PostgresLines  # noqa: PLC0415
    from orderengine.storage.postgres.operations import PostgresOperations  # noqa: PLC0415
    from orderengine.storage.postgres.store import PostgresEventStore  # noqa: PLC0415

    where = connections.describe(url)
    if upgrade:
        await migrations.upgrade(url)
    connection = await connections.connect(url)
    try:
        await migrations.require_version(connection, where)
    finally:
        await connections.close(connection)
    async with PostgresLines(url) as lines:
        store = PostgresEventStore(lines, lease_ns=lease_ns)
        yield Database(store, PostgresKeys(lines), PostgresOperations(lines), where)
