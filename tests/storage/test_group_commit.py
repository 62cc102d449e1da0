"""Break groups of writes in every way, and see that the next ones pass."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import anyio
import pytest

from orderengine.errors import (
    DuplicateOrder,
    InvariantViolated,
    SequenceConflict,
    Unavailable,
    UnknownOrder,
)
from orderengine.execution.ports import Position
from orderengine.storage.sqlite import group_commit
from orderengine.storage.sqlite.store import SqliteEventStore
from tests.execution.store_contract import accepted, cancelled, claimed, submitted
from tests.storage.crowds import at_once
from tests.storage.files import run_in_file

MS = 1_000_000


def _writer(store: SqliteEventStore) -> sqlite3.Connection:
    assert store.file._connections is not None
    return store.file._connections.writer


async def _stored(store: SqliteEventStore) -> int:
    """Return how many events are stored."""
    return (await store.position()).number


def test_writes_at_once_share_transactions() -> None:
    """A thousand take a handful."""

    async def test(store: SqliteEventStore) -> None:
        said: list[str] = []
        _writer(store).set_trace_callback(said.append)
        await at_once(*(lambda n=n: store.create(accepted(f"o-{n}")) for n in range(1_000)))
        _writer(store).set_trace_callback(None)
        assert await _stored(store) == 1_000
        assert said.count("COMMIT") < 10

    run_in_file(test)


def test_a_refused_write_leaves_its_neighbours_alone() -> None:
    """Each of a group has its own outcome, and sees what those before it wrote."""

    async def test(store: SqliteEventStore) -> None:
        assert await at_once(
            lambda: store.create(accepted("o-1")),
            lambda: store.create(accepted("o-1")),
            lambda: store.append(cancelled(2)),
            lambda: store.append(claimed(2)),
            lambda: store.append(claimed(2, order_id="o-9")),
            lambda: store.create(accepted("o-2")),
        ) == ["o-1", DuplicateOrder, None, SequenceConflict, UnknownOrder, "o-2"]
        told, _ = await store.since(Position(0), 9)
        assert [(event.order_id, event.type) for event in told] == [
            ("o-1", "accepted"),
            ("o-1", "cancelled"),
            ("o-2", "accepted"),
        ]

    run_in_file(test)


def test_a_write_that_the_database_refuses_fails_alone() -> None:
    """The schema is the last guard: it holds where the code's checks are wrong."""

    def second_end(db: sqlite3.Connection) -> None:
        insert = "INSERT INTO events (order_id, seq, type, body) VALUES ('o-0', ?, 'expired', '')"
        db.execute(insert, (3,))
        db.execute(insert, (4,))

    async def test(store: SqliteEventStore) -> None:
        await store.create(accepted("o-0"))
        found = await at_once(
            lambda: store.create(accepted("o-1")),
            lambda: store.file.write(second_end),
            lambda: store.create(accepted("o-2")),
        )
        assert found == ["o-1", InvariantViolated, "o-2"]
        assert await _stored(store) == 3

    run_in_file(test)


def test_a_value_that_does_not_fit_fails_alone() -> None:
    """Nothing of it is stored."""

    async def test(store: SqliteEventStore) -> None:
        await store.create(accepted())
        await store.append(claimed())
        event, signed = submitted(3)
        with pytest.raises(InvariantViolated):
            await store.append(event, signed=type(signed)(**_fields(signed, network_fee=2**64)))
        assert len(await store.events("o-1")) == 2
        await store.append(event, signed=signed)

    run_in_file(test)


def _fields(value: Any, **changes: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__} | changes


def test_a_locked_file_is_unavailable_until_it_is_free(tmp_path: Path) -> None:
    """Reads go on meanwhile; nothing of what was refused is stored."""
    path = tmp_path / "orders.db"

    async def test(store: SqliteEventStore) -> None:
        await store.create(accepted("o-1"))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            await store.create(accepted("o-2"))
        assert await _stored(store) == 1
        other.execute("ROLLBACK")
        other.close()
        await store.create(accepted("o-2"))
        assert await _stored(store) == 2

    run_in_file(test, path, wait_ns=50 * MS)


def test_a_full_disk_is_unavailable_until_there_is_room() -> None:
    """All of the group are told, those that were refused for another reason too."""

    async def test(store: SqliteEventStore) -> None:
        await store.create(accepted("o-1"))
        db = _writer(store)
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages}")
        creates = [lambda n=n: store.create(accepted(f"f-{n}")) for n in range(200)]
        found = await at_once(lambda: store.create(accepted("o-1")), *creates)
        assert found[-1] is Unavailable
        stored = await _stored(store)
        db.execute("PRAGMA max_page_count = 1000000")
        again = await at_once(*creates)
        assert again.count(DuplicateOrder) == stored - 1
        assert await _stored(store) == 201

    run_in_file(test)


def test_a_group_that_breaks_is_undone() -> None:
    """All of it is told so, nothing of it is stored, and the next group begins afresh."""

    async def test(store: SqliteEventStore) -> None:
        found = await at_once(
            lambda: store.create(accepted("o-1")),
            lambda: store.file.write(lambda db: db.execute("SELECT * FROM nowhere")),
            lambda: store.create(accepted("o-2")),
        )
        assert found == [Unavailable] * 3
        assert await _stored(store) == 0
        assert await store.create(accepted("o-1")) == "o-1"

    run_in_file(test)


def test_too_many_waiting_writes_are_refused() -> None:
    """At once, and the others are stored."""

    async def test(store: SqliteEventStore) -> None:
        creates = [lambda n=n: store.create(accepted(f"o-{n}")) for n in range(20)]
        found = await at_once(*creates)
        assert found.count(Unavailable) == 20 - await _stored(store) > 0

    run_in_file(test, capacity=5)


def test_a_write_that_waited_too_long_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its caller has been told before it could be stored."""
    monkeypatch.setattr(group_commit, "_PATIENCE_S", -1.0)

    async def test(store: SqliteEventStore) -> None:
        with pytest.raises(Unavailable, match="busy"):
            await store.create(accepted())
        assert await _stored(store) == 0

    run_in_file(test)


def test_leaving_commits_what_waits(tmp_path: Path) -> None:
    """Whatever was asked for before the end has its outcome, and what comes later has one too."""
    path = tmp_path / "orders.db"
    found: list[Any] = []

    async def main() -> None:
        store = SqliteEventStore(path)

        async def create(number: int) -> None:
            found.append(await store.create(accepted(f"o-{number}")))

        async with anyio.create_task_group() as group:
            async with store:
                for number in range(1_000):
                    group.start_soon(create, number)
                await anyio.lowlevel.checkpoint()
            for call in (store.create(accepted("late")), store.position(), store.claimable(1)):
                with pytest.raises(Unavailable):
                    await call

    anyio.run(main, backend="asyncio")
    assert len(found) == 1_000

    async def check(store: SqliteEventStore) -> None:
        assert await _stored(store) == 1_000

    run_in_file(check, path)


def test_a_cancelled_owner_leaves_nobody_waiting(tmp_path: Path) -> None:
    """Cancelling the block around the store still commits what others asked for before."""
    found: list[str] = []

    async def main() -> None:
        store, scope, is_open = (
            SqliteEventStore(tmp_path / "o.db"),
            anyio.CancelScope(),
            anyio.Event(),
        )

        async def own() -> None:
            with scope:
                async with store:
                    is_open.set()
                    await anyio.sleep_forever()

        async def create(number: int) -> None:
            found.append(await store.create(accepted(f"o-{number}")))

        async with anyio.create_task_group() as group:
            group.start_soon(own)
            await is_open.wait()
            for number in range(5_000):
                group.start_soon(create, number)
            await anyio.lowlevel.checkpoint()  # now all of them wait
            scope.cancel()

    anyio.run(main, backend="asyncio")
    assert len(found) == 5_000


def test_a_cancelled_caller_may_have_written() -> None:
    """It looks at the log to know; the store goes on in either case."""

    async def test(store: SqliteEventStore) -> None:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(store.create, accepted("o-1"))
                await anyio.lowlevel.checkpoint()
                scope.cancel()
        assert await store.create(accepted("o-2")) == "o-2"
        told, _ = await store.since(Position(0), 9)
        assert [event.order_id for event in told] == ["o-1", "o-2"]

    run_in_file(test)


def test_an_error_in_the_block_goes_on_as_it_is(tmp_path: Path) -> None:
    """Not wrapped in a group."""

    async def main() -> None:
        async with SqliteEventStore(tmp_path / "orders.db"):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        anyio.run(main, backend="asyncio")


def test_a_store_is_opened_again(tmp_path: Path) -> None:
    """After it was closed, but not twice at once."""

    async def main() -> None:
        store = SqliteEventStore(tmp_path / "orders.db")
        with pytest.raises(Unavailable):
            await store.create(accepted())
        async with store:
            await store.create(accepted())
            with pytest.raises(InvariantViolated):
                await store.__aenter__()
        async with store:
            assert list(await store.events("o-1")) == [accepted()]

    anyio.run(main, backend="asyncio")
