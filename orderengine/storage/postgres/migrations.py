"""Bring a PostgreSQL database to the version of the schema that this code knows.

Each step is one transaction under a lock of ours, so processes that begin together take it once,
and one that dies halfway leaves nothing of it. The table ``schema_versions`` says which steps were
taken, and what code each is for.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from orderengine.errors import InvalidData, InvariantViolated
from orderengine.storage.migrations import Migration, migrations_of, require_usable
from orderengine.storage.postgres.connections import (
    FAULTS,
    PostgresConnection,
    close,
    connect,
    describe,
    explained,
)

__all__ = ["newest_version", "require_version", "upgrade"]

_MIGRATIONS = migrations_of(__package__)
_LOCK = 0x4F524445  # "ORDE"
_STEP_S = 600.0
"""How long a step may take, and how long to wait for another process that takes it."""
_VERSIONS = """
CREATE TABLE IF NOT EXISTS schema_versions (
    version     bigint NOT NULL PRIMARY KEY,
    oldest_code bigint NOT NULL,
    taken_at    timestamptz NOT NULL DEFAULT clock_timestamp()
)"""
_STANDING = "SELECT version, oldest_code FROM schema_versions ORDER BY version DESC LIMIT 1"


def newest_version() -> int:
    """Return the version that ``upgrade`` brings a database to."""
    return len(_MIGRATIONS)


async def require_version(
    connection: PostgresConnection, source: str, known: Sequence[Migration] = _MIGRATIONS
) -> None:
    """Refuse a database that this code cannot work with. Raises ``InvalidData``."""
    version, oldest_code = await _standing(connection)
    hint = "; run orderengine db upgrade"
    require_usable(source, version, oldest_code, known, hint=hint)


async def _standing(connection: PostgresConnection) -> tuple[int, int]:
    try:
        row = await connection.fetchrow(_STANDING)
    except asyncpg.UndefinedTableError:
        return 0, 0
    except FAULTS as error:
        raise explained(error) from error
    return (0, 0) if row is None else (row[0], row[1])


async def upgrade(url: str, known: Sequence[Migration] = _MIGRATIONS) -> tuple[int, int]:
    """Take the steps that are missing; return the version before, and the version now.

    Raises:
        InvalidData: the database holds tables of another program, or is too new for this code.
        Unavailable: it cannot be reached, or a lock was not free in time; nothing is half done.
    """
    where = describe(url)
    connection = await connect(url, statement_s=_STEP_S)
    try:
        before, oldest_code = await _standing(connection)
        for step in known[before:]:
            await _take(connection, where, step)
        now, oldest_code = await _standing(connection)
    except FAULTS as error:
        raise explained(error) from error
    finally:
        await close(connection)
    require_usable(where, now, oldest_code, known)
    return before, now


async def _take(connection: PostgresConnection, where: str, step: Migration) -> None:
    """Take one step, unless another process has."""
    try:
        async with connection.transaction():
            # Whoever holds it is at work on a step, and may well take longer than a lock should.
            await connection.execute(f"SET LOCAL lock_timeout = {round(_STEP_S * 1000)}")
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute("SET LOCAL lock_timeout = DEFAULT")
            await connection.execute(_VERSIONS)
            row = await connection.fetchrow(_STANDING)
            version = 0 if row is None else row[0]
            if version >= step.version:
                return
            if version != step.version - 1:
                raise InvariantViolated(f"step {step.version} cannot follow version {version}")
            await connection.execute(step.script)
            insert = "INSERT INTO schema_versions (version, oldest_code) VALUES ($1, $2)"
            await connection.execute(insert, step.version, step.oldest_code)
    except (asyncpg.DuplicateTableError, asyncpg.DuplicateFunctionError) as error:
        found, expected = f"tables of another program ({error.message})", "an empty database"
        raise InvalidData(where, found, expected) from error
