"""Check what the database itself guarantees, how it finds rows, and the simulated chain's table."""

from __future__ import annotations

import sqlite3
import time

import pytest

from orderengine.errors import InvariantViolated
from orderengine.storage.sqlite import queries
from orderengine.storage.sqlite.store import SqliteEventStore
from tests.execution.store_contract import accepted, cancelled, claimed, key, submitted
from tests.storage.files import run_in_file

FORBIDDEN = {
    "an event's number twice": "INSERT INTO events VALUES (9, 'o-1', 2, 'claimed', '{}')",
    "a second end": "INSERT INTO events VALUES (9, 'o-1', 4, 'expired', '{}')",
    "an event of no order": "INSERT INTO events VALUES (9, 'o-9', 1, 'accepted', '{}')",
    "a key of no order": "INSERT INTO idempotency_keys VALUES ('u', 'k', 'a', 'o-9')",
    "an order twice": "INSERT INTO orders (order_id, user, priority, status, seq, accepted_at_ns)"
    " VALUES ('o-1', 'u', 1, 'pending', 1, 0)",
    "text for a number": "UPDATE orders SET fence = 'x'",
    "an order with events removed": "DELETE FROM orders",
}


@pytest.mark.parametrize("statement", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_the_database_refuses(statement: str) -> None:
    """Whatever the code above it does."""

    async def test(store: SqliteEventStore) -> None:
        await store.create(accepted(), key())
        await store.append(claimed())
        await store.append(cancelled(3))
        with pytest.raises(InvariantViolated, match="refused a write"):
            await store.file.write(lambda db: db.execute(statement))
        assert list(await store.events("o-1")) == [accepted(), claimed(), cancelled(3)]

    run_in_file(test)


QUERIES = [
    queries._LOG,
    queries._KNOWN,
    queries._SIGNED,
    queries._CLAIMABLE,
    queries._LAST,
    queries._SINCE,
    queries._DUE,
    queries._EXECUTION,
    *queries._ORDERS.values(),
]


@pytest.mark.parametrize("query", QUERIES)
def test_every_question_is_answered_from_an_index(query: str) -> None:
    """None sorts, and none looks at a whole table."""

    async def test(store: SqliteEventStore) -> None:
        values = (None,) * query.count("?")
        plan = store.file.reader.execute(f"EXPLAIN QUERY PLAN {query}", values)
        steps = [step for *_, step in plan.fetchall()]
        assert not [step for step in steps if "TEMP B-TREE" in step], steps
        tables = [step for step in steps if " orders" in step or " events" in step]
        is_bounded = "LIMIT" in query  # then reading a table or an index in its order will do
        assert all(step.startswith("SEARCH") or is_bounded for step in tables), steps

    run_in_file(test, synchronous="OFF")


def test_the_transactions_of_an_ended_order_are_removed() -> None:
    """They hold the most bytes, and nobody sends them again."""

    async def test(store: SqliteEventStore) -> None:
        await store.create(accepted())
        event, signed = submitted(2)
        await store.append(event, signed=signed)
        count = "SELECT count(*) FROM signed_transactions"
        assert await store.file.write(lambda db: db.execute(count).fetchall()) == [(1,)]
        await store.append(cancelled(3))
        assert await store.file.write(lambda db: db.execute(count).fetchall()) == [(0,)]

    run_in_file(test)


def test_the_database_tells_the_time() -> None:
    """Milliseconds since the epoch, to within the time that the question takes."""

    async def test(store: SqliteEventStore) -> None:
        def now(db: sqlite3.Connection) -> int:
            (ms,) = db.execute("SELECT ms FROM clock").fetchone()
            return int(ms)

        before = time.time_ns() // 1_000_000
        told = await store.file.write(now)
        assert before - 2 <= told <= time.time_ns() // 1_000_000 + 2

    run_in_file(test)


def test_an_execution_is_recorded_once() -> None:
    """Who comes second is told what stands."""

    async def test(store: SqliteEventStore) -> None:
        assert await store.execution("sig-1") is None
        assert await store.record_execution("sig-1", "o-1", b"\x00landed") == b"\x00landed"
        assert await store.record_execution("sig-1", "o-1", b"reverted") == b"\x00landed"
        assert await store.execution("sig-1") == b"\x00landed"
        assert await store.execution("sig-2") is None

    run_in_file(test)
