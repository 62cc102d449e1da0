"""Commands that look after a service's database: its schema, its size, its copies."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
import rich_click as click

from orderengine.cli.shared import age_ns, require_extra
from orderengine.errors import InvalidData

if TYPE_CHECKING:
    from orderengine.storage.database import Database

__all__ = ["COMMANDS"]

_DEFAULT = "sqlite:///orderengine.db"
_PRUNED_NS_MIN = 3_600_000_000_000
"""What is younger may still be unread by a process that follows the log, or be sent again."""
T = TypeVar("T")


def _url() -> str:
    """Return where the database is, and see that what it needs is installed."""
    from orderengine.storage.opening import is_postgres, sqlite_path  # noqa: PLC0415  (not always)

    url = os.environ.get("DATABASE_URL") or _DEFAULT
    if is_postgres(url):
        require_extra("service", "asyncpg")
    else:
        sqlite_path(url)
    return url


def _in_database(work: Callable[[Database], Awaitable[T]]) -> T:
    """Open a database that is there, and work with it."""
    import anyio  # noqa: PLC0415  (not for every command)

    from orderengine.storage.opening import (  # noqa: PLC0415
        is_postgres,
        open_database,
        sqlite_path,
    )

    url = _url()
    if not is_postgres(url) and not Path(sqlite_path(url)).exists():
        raise InvalidData(sqlite_path(url), "nothing", "the database of a service")

    async def main() -> T:
        async with open_database(url) as database:
            return await work(database)

    return anyio.run(main, backend="asyncio")


@click.group()
def db() -> None:
    """Look after the database that DATABASE_URL names."""


@db.command()
def upgrade() -> None:
    """Bring the schema up to date, or make it; older processes may go on meanwhile."""
    import anyio  # noqa: PLC0415  (not for every command)

    from orderengine.storage.opening import upgrade_database  # noqa: PLC0415

    before, now = anyio.run(upgrade_database, _url(), backend="asyncio")
    if before == now:
        click.echo(f"schema version {now}: nothing to do")
    else:
        click.echo(f"schema version {before} -> {now}")


@db.command()
@click.option("--older-than", metavar="AGE", required=True, help="Such as 30d, 12h; at least 1h.")
@click.option(
    "--batch",
    metavar="N",
    type=click.IntRange(1, 10_000),
    default=500,
    help="Orders deleted at once (500).",
)
def prune(older_than: str, batch: int) -> None:
    """Delete orders that ended long ago, with their events and idempotency keys.

    Open orders stay, and the counts of all orders too.
    """
    least_ns = age_ns("--older-than", older_than)
    if least_ns < _PRUNED_NS_MIN:
        raise InvalidData("--older-than", repr(older_than), "at least 1h")
    before_ns = time.time_ns() - least_ns

    async def delete(database: Database) -> int:
        total = 0
        while gone := await database.operations.prune(before_ns, batch):
            total += gone
            click.echo(f"{total:,} orders", err=True)
        return total

    click.echo(f"{_in_database(delete):,} orders deleted")


@db.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def status(as_json: bool) -> None:
    """Say what the database is, what it holds, and how large it is."""

    async def look(database: Database) -> tuple[str, int, int, dict[str, int]]:
        operations = database.operations
        version, size = await operations.schema_version(), await operations.size_bytes()
        counts = await operations.counts()
        return database.description, version, size, dict(sorted(counts.by_status.items()))

    where, version, size, orders = _in_database(look)
    if as_json:
        found = {"database": where, "schema_version": version, "size_bytes": size}
        click.echo(msgspec.json.encode(found | {"orders": orders}))
        return
    click.echo(f"{where}, schema version {version}, {size:,} bytes")
    click.echo("orders ever, pruned ones too:" if orders else "no orders")
    for name, count in orders.items():
        click.echo(f"{count:>12,} {name}")


@db.command()
@click.argument("file")
def backup(file: str) -> None:
    """Copy an SQLite database to FILE as it is at one moment, while the service goes on."""
    from orderengine.storage.opening import is_postgres, sqlite_path  # noqa: PLC0415  (not always)

    url = _url()
    if is_postgres(url):
        expected = 'an SQLite database; for this one: pg_dump -Fc -f FILE "$DATABASE_URL"'
        raise InvalidData("db backup", "PostgreSQL", expected)
    from orderengine.storage.sqlite.backup import back_up  # noqa: PLC0415

    click.echo(f"{file}: {back_up(sqlite_path(url), file):,} bytes")


COMMANDS = (db,)
