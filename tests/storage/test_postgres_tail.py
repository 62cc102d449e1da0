"""Follow the log of all orders while transactions commit in every order, and are undone."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import asyncpg
from anyio import to_thread
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from orderengine.execution.ports import Position, StoredEvent
from orderengine.market.draws import Draws
from orderengine.storage.database import Database
from orderengine.storage.postgres import tail
from tests.execution.store_contract import accepted, cancelled, claimed
from tests.servers import PostgresServer
from tests.storage.databases import run_in_database


class Log(RuleBasedStateMachine):
    """Give out numbers to transactions that commit, or are undone, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.next_id = 1
        self.last_ended = 0
        self.next_number = 1
        self.open: dict[int, list[int]] = {}
        self.committed: set[int] = set()
        self.position = Position(0)
        self.told: list[int] = []

    @rule()
    def begin(self) -> None:
        """Let a transaction take its id."""
        self.open[self._take_id()] = []

    def _take_id(self) -> int:
        self.next_id += 1
        return self.next_id - 1

    @rule(which=st.integers(0, 20), count=st.integers(1, 4))
    def number(self, which: int, count: int) -> None:
        """Give numbers to one that has begun."""
        if self.open:
            owner = list(self.open)[which % len(self.open)]
            self.open[owner] += range(self.next_number, self.next_number + count)
            self.next_number += count

    @rule(which=st.integers(0, 20), is_undone=st.booleans())
    def end(self, which: int, is_undone: bool) -> None:
        """Commit one, or undo it."""
        if self.open:
            owner = list(self.open)[which % len(self.open)]
            numbers = self.open.pop(owner)
            self.committed.update(() if is_undone else numbers)
            self.last_ended = max(self.last_ended, owner)

    @rule(limit=st.integers(1, 5))
    def read(self, limit: int) -> None:
        """Ask what is new, as the statement does; its xmin looks no further than what ended."""
        missing = {number for number, _ in self.position.missing}
        new = {number for number in self.committed if number > self.position.number}
        page = sorted(new | (self.committed & missing))[:limit]
        xmin = min([self.last_ended + 1, *self.open])
        ends = 0
        if tail.skipped(self.position, page):
            ends = self.last_ended = self._take_id()
        is_all = len(page) < limit
        self.position = tail.after(self.position, page, is_all=is_all, xmin=xmin, ends=ends)
        self.told += page

    @invariant()
    def nothing_is_told_twice(self) -> None:
        """Nor what was never committed."""
        assert len(self.told) == len(set(self.told))
        assert self.committed.issuperset(self.told)

    def teardown(self) -> None:
        """Once all have ended, all is told and nothing is missing."""
        while self.open:
            self.end(0, is_undone=False)
        for _ in range(len(self.committed) + 2):
            self.read(5)
        assert set(self.told) == self.committed
        assert self.position.missing == ()


TestLog = Log.TestCase
TestLog.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)


def test_a_number_is_given_back_once_all_that_could_hold_it_have_ended() -> None:
    """Not while the last of them runs, which has the id just below the reader's."""
    found = tail.after(Position(0), [2], is_all=True, xmin=1, ends=3)
    assert found == Position(2, ((1, 3),))
    assert tail.after(found, [], is_all=True, xmin=2, ends=0) == found
    assert tail.after(found, [], is_all=True, xmin=3, ends=0) == Position(2)


@given(jump=st.integers(1, 10**12))
def test_a_jump_of_the_sequence_is_bounded(jump: int) -> None:
    """Whatever somebody does to it by hand."""
    after = tail.after(Position(5), [5 + jump], is_all=True, xmin=1, ends=2)
    assert after.number == 5 + jump
    assert len(after.missing) == min(jump - 1, tail.SKIPPED_MAX)


async def _insert(connection: asyncpg.Connection[asyncpg.Record], order_id: str, seq: int) -> None:
    """Give an event a number as the store's statements do: after its order is locked."""
    await connection.execute(
        "UPDATE orders SET seq = $2, status = 'routing' WHERE order_id = $1", order_id, seq
    )
    await connection.execute(
        "INSERT INTO events (order_id, seq, type, body) VALUES ($1, $2, 'claimed', '{}')",
        order_id,
        seq,
    )


async def _told(database: Database, position: Position) -> tuple[list[tuple[str, int]], Position]:
    found, position = await database.orders.since(position, 100)
    return [(stored.order_id, stored.seq) for stored in found], position


def test_what_commits_late_is_told_and_what_is_undone_keeps_nothing_back(
    postgres: PostgresServer,
) -> None:
    """By a reader that was there, and by one that begins in the middle."""
    url = postgres.create_database()

    async def test(database: Database) -> None:
        for order_id in ("a", "b", "c", "d"):
            await database.orders.create(accepted(order_id))
        early = await database.orders.position()
        slow, undone = await asyncpg.connect(url), await asyncpg.connect(url)
        try:
            first, second = slow.transaction(), undone.transaction()
            await first.start()
            await second.start()
            await _insert(slow, "a", 2)
            await _insert(undone, "b", 2)
            await database.orders.append(cancelled(2, "c"))
            counts = await database.operations.counts()
            late = await database.orders.position()
            told, early = await _told(database, early)
            assert told == [("c", 2)]
            assert [number for number, _ in early.missing] == [early.number - 2, early.number - 1]
            assert await _told(database, late) == ([], late)
            await second.rollback()
            await database.orders.append(cancelled(2, "d"))
            told, early = await _told(database, early)
            assert told == [("d", 2)]
            await first.commit()
            assert await _told(database, early) == ([("a", 2)], Position(early.number))
            for position in (late, counts.position):
                assert (await _told(database, position))[0] == [("a", 2), ("d", 2)]
            assert counts.by_status == {"cancelled": 1, "pending": 3}
        finally:
            await slow.close()
            await undone.close()

    run_in_database(test, url)


def test_the_one_that_runs_may_be_younger_than_all_that_have_ended(
    postgres: PostgresServer,
) -> None:
    """Then a snapshot's bounds say that nothing is under way, and it is told all the same."""
    url = postgres.create_database()

    async def test(database: Database) -> None:
        for order_id in ("a", "b"):
            await database.orders.create(accepted(order_id))
        position = await database.orders.position()
        older, younger = await asyncpg.connect(url), await asyncpg.connect(url)
        try:
            first, second = older.transaction(), younger.transaction()
            await first.start()
            await older.execute("SELECT FROM orders WHERE order_id = 'b' FOR UPDATE")
            await second.start()
            await _insert(younger, "a", 2)
            await _insert(older, "b", 2)
            await first.commit()
            begun = await database.orders.position()
            told, position = await _told(database, position)
            assert told == [("b", 2)]
            for _ in range(3):
                assert await _told(database, position) == ([], position)
                assert await _told(database, begun) == ([], begun)
            await second.commit()
            for reader in (position, begun):
                assert (await _told(database, reader))[0] == [("a", 2)]
        finally:
            await older.close()
            await younger.close()

    run_in_database(test, url)


def test_a_reader_misses_nothing_of_many_writers(postgres: PostgresServer) -> None:
    """Several processes' worth of connections, commits that are held back, and some undone."""
    url, draws = postgres.create_database(), Draws(20_261_124, "tail")
    orders, writers = 40, 6

    async def write(database: Database, lane: int) -> None:
        connection = await asyncpg.connect(url)
        for number in range(orders):
            order_id = f"{lane}-{number}"
            await database.orders.create(accepted(order_id))
            lease = await database.orders.claim(order_id, "w")
            assert lease is not None
            await database.orders.append(claimed(order_id=order_id), fence=lease.fence)
            transaction = connection.transaction()
            await transaction.start()
            await _insert(connection, order_id, 3)
            for _ in range(draws.u64(lane, number) % 5):
                await anyio.lowlevel.checkpoint()
                await connection.execute("SELECT 1")
            await (transaction.rollback() if number % 3 == 0 else transaction.commit())
            seq = 3 if number % 3 == 0 else 4
            await database.orders.append(cancelled(seq, order_id), fence=lease.fence)
        await connection.close()

    async def test(database: Database) -> None:
        told: list[StoredEvent] = []
        is_over = False

        async def follow() -> None:
            position, page = start, list[StoredEvent]()
            while page or not is_over or position.missing:
                found, position = await database.orders.since(position, 50)
                page = list(found)
                told.extend(page)

        start = await database.orders.position()
        async with anyio.create_task_group() as readers:
            readers.start_soon(follow)
            async with anyio.create_task_group() as group:
                for lane in range(writers):
                    group.start_soon(write, database, lane)
            is_over = True
        _require_whole(told, await to_thread.run_sync(postgres.execute, _ALL, url))

    run_in_database(test, url)


_ALL = "SELECT order_id, seq FROM events"


def _require_whole(told: Sequence[StoredEvent], stored: Sequence[tuple[str, int]]) -> None:
    seen: dict[str, int] = {}
    for event in told:
        assert event.seq == seen.get(event.order_id, 0) + 1, "once each, in each order's turn"
        seen[event.order_id] = event.seq
    assert sorted((event.order_id, event.seq) for event in told) == sorted(stored)
