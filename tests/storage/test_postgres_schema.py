"""Check what PostgreSQL itself guarantees, how it finds rows, and how its schema is upgraded."""

from __future__ import annotations

import re

import anyio
import asyncpg
import pytest

from orderengine.errors import InvalidData, InvariantViolated, Unavailable
from orderengine.storage.database import Database
from orderengine.storage.migrations import Migration, migrations_of
from orderengine.storage.opening import open_database
from orderengine.storage.postgres import (
    connections,
    keys,
    leases,
    migrations,
    operations,
    reads,
    tail,
    writes,
)
from tests.execution.store_contract import accepted, cancelled, claimed, key
from tests.servers import PostgresServer
from tests.storage.databases import run_in_database

INSERT = "INSERT INTO events (order_id, seq, type, body) VALUES "
FORBIDDEN = {
    "an event's number twice": INSERT + "('o-1', 2, 'claimed', '{}')",
    "a second end": INSERT + "('o-1', 4, 'expired', '{}')",
    "an event of no order": INSERT + "('o-9', 1, 'accepted', '{}')",
    "an event before the first": INSERT + "('o-1', 0, 'claimed', '{}')",
    "a key of no order": "INSERT INTO idempotency_keys VALUES ('u', 'k', 'a', 'o-9')",
    "an order twice": "INSERT INTO orders (order_id, user_id, priority, status, seq,"
    " accepted_at_ns) VALUES ('o-1', 'u', 1, 'pending', 1, 0)",
    "an order with events removed": "DELETE FROM orders",
}


def test_the_database_refuses(postgres: PostgresServer) -> None:
    """Whatever the code above it does."""
    url = postgres.create_database()

    async def test(database: Database) -> None:
        store = database.orders
        await store.create(accepted(), key())
        await store.append(claimed())
        await store.append(cancelled(3))
        link = connections.Link(url)
        for statement in FORBIDDEN.values():
            with pytest.raises(InvariantViolated, match="refused a statement"):
                await link.fetch(statement)
        await link.close()
        assert list(await store.events("o-1")) == [accepted(), claimed(), cancelled(3)]

    run_in_database(test, url)


_IS_STATEMENT = re.compile(r"\s*(WITH|SELECT|INSERT|UPDATE|DELETE)\b")
STATEMENTS = {
    name: statement
    for module in (keys, leases, operations, reads, tail, writes)
    for name, statement in vars(module).items()
    if isinstance(statement, str) and _IS_STATEMENT.match(statement)
} | {f"_ORDERS {is_open}": statement for is_open, statement in reads._ORDERS.items()}
WHOLE_TABLES = {"_ALL", "_BEAT", "_BEATS", "_COUNTS", "_PAUSES", "_VERSION", "_HORIZON"}
"""Small ones, and what is asked once."""


def test_every_statement_finds_its_rows_by_an_index(postgres: PostgresServer) -> None:
    """And joins no list row by row, also by the plan that is made while all is empty."""
    url = postgres.create_database()

    async def test(database: Database) -> None:
        del database
        connection = await connections.connect(url)
        for name, statement in STATEMENTS.items():
            if name in WHOLE_TABLES:
                continue
            await connection.execute(f"PREPARE asked AS {statement}")
            count = len(set(re.findall(r"\$\d+", statement)))
            values = f"({', '.join(['NULL'] * count)})" if count else ""
            rows = await connection.fetch(f"EXPLAIN EXECUTE asked{values}")
            plan = "\n".join(row[0] for row in rows)
            assert "Seq Scan" not in plan, (name, plan)
            assert "Join Filter" not in plan, (name, plan)
            for line in plan.splitlines():
                # An index without a condition is read from end to end, which a limit must bound.
                if re.search(r"Index (Only )?Scan using (orders|events)_pkey", line):
                    assert "Limit" in plan or "Index Cond" in plan, (name, plan)
            await connection.execute("DEALLOCATE asked")
        await connection.close()

    assert len(STATEMENTS) > 25
    run_in_database(test, url)


KNOWN = migrations_of("orderengine.storage.postgres")
ADDED = Migration(len(KNOWN) + 1, 1, "CREATE TABLE added (name text)")


def _upgraded(url: str, *known: Migration) -> tuple[int, int]:
    return anyio.run(migrations.upgrade, url, known, backend="asyncio")


def _opened(url: str) -> None:
    async def main() -> None:
        async with open_database(url) as database:
            await database.orders.position()

    anyio.run(main, backend="asyncio")


def test_a_schema_is_upgraded_only_on_request(postgres: PostgresServer) -> None:
    """Who finds an older one says which command helps."""
    url = postgres.create_database()
    with pytest.raises(InvalidData, match="orderengine db upgrade, found schema version 0"):
        _opened(url)
    assert _upgraded(url, *KNOWN) == (0, len(KNOWN))
    assert _upgraded(url, *KNOWN) == (len(KNOWN), len(KNOWN))
    _opened(url)


def test_older_code_goes_on_beside_a_newer_schema(postgres: PostgresServer) -> None:
    """Until a version says that it no longer can."""
    url = postgres.create_database()
    newest = len(KNOWN) + 1
    assert _upgraded(url, *KNOWN, ADDED) == (0, newest)
    _opened(url)
    assert _upgraded(url, *KNOWN) == (newest, newest), "older code leaves it as it is"
    postgres.execute("UPDATE schema_versions SET oldest_code = version", url)
    with pytest.raises(InvalidData, match=f"from version {newest} on"):
        _opened(url)
    with pytest.raises(InvalidData, match=f"from version {newest} on"):
        _upgraded(url, *KNOWN)


def test_a_step_is_taken_whole_or_not_at_all(postgres: PostgresServer) -> None:
    """One that fails leaves the version before it."""
    url = postgres.create_database()
    broken = ADDED._replace(script="CREATE TABLE added (name text); DROP TABLE nowhere")
    with pytest.raises(InvariantViolated, match="nowhere"):
        _upgraded(url, *KNOWN, broken)
    assert postgres.execute("SELECT to_regclass('added') IS NULL", url) == [(True,)]
    assert _upgraded(url, *KNOWN, ADDED) == (len(KNOWN), ADDED.version)


def test_processes_that_upgrade_together_do_it_once(postgres: PostgresServer) -> None:
    """All of them return with the newest version."""
    url = postgres.create_database()

    async def main() -> None:
        async def one() -> None:
            assert (await migrations.upgrade(url, (*KNOWN, ADDED)))[1] == ADDED.version

        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(one)

    anyio.run(main, backend="asyncio")
    found = postgres.execute("SELECT version FROM schema_versions ORDER BY 1", url)
    assert found == [(version,) for version in range(1, ADDED.version + 1)]


def test_a_step_waits_for_no_lock_for_long(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for a table keeps all others from it; another try costs less."""
    url = postgres.create_database()
    _upgraded(url, *KNOWN)
    monkeypatch.setattr(connections, "_LOCK_S", 0.2)
    alters = ADDED._replace(script="ALTER TABLE orders ADD COLUMN memo text")

    async def main() -> None:
        other = await asyncpg.connect(url)
        async with other.transaction():
            await other.execute("SELECT FROM orders")
            with pytest.raises(Unavailable, match="lock"):
                await migrations.upgrade(url, (*KNOWN, alters))
        assert await migrations.upgrade(url, (*KNOWN, alters)) == (len(KNOWN), alters.version)
        await other.close()

    anyio.run(main, backend="asyncio")


def test_another_programs_tables_are_left_alone(postgres: PostgresServer) -> None:
    """Nothing is added beside them."""
    url = postgres.create_database()
    postgres.execute("CREATE TABLE orders (theirs text)", url)
    with pytest.raises(InvalidData, match="another program"):
        _upgraded(url, *KNOWN)
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert postgres.execute(tables, url) == [("orders",)]


@pytest.mark.parametrize("package", ["sqlite", "postgres"])
def test_every_step_says_what_code_it_is_for(package: str) -> None:
    """Numbered from 1 on, and none is for code that is newer than itself."""
    steps = migrations_of(f"orderengine.storage.{package}")
    assert [step.version for step in steps] == list(range(1, len(steps) + 1))
    assert all(1 <= step.oldest_code <= step.version for step in steps)
