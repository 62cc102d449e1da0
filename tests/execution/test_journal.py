"""Check the journal: events made alike, stored before told, and followed without gap or repeat."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine import virtualtime
from orderengine.errors import IllegalEvent, LeaseLost, SequenceConflict, UnknownOrder
from orderengine.execution.journal import Journal
from orderengine.execution.memory_store import MemoryEventStore
from orderengine.model.events import (
    Cancelled,
    Claimed,
    Event,
    Expired,
    Requoting,
    Status,
)
from orderengine.model.lifecycle import OrderState, fold
from tests.execution.fakes import ORDER, PRICE_X64, START_NS, VirtualClock, next_event, soon

SECOND = 1_000_000_000


class SlowStore(MemoryEventStore):
    """Take a while to read, as a database does: the log may grow before and after the look."""

    def __init__(self, read_s: float) -> None:
        super().__init__(VirtualClock())
        self._read_s = read_s

    async def events(self, order_id: str, from_seq: int = 1) -> Sequence[Event]:
        """Look in the middle of the wait."""
        await anyio.sleep(self._read_s / 2)
        events = await super().events(order_id, from_seq)
        await anyio.sleep(self._read_s / 2)
        return events


class Book:
    """Hold a journal over a store in memory, and what it told."""

    def __init__(self, read_s: float = 0) -> None:
        self.told: list[Event] = []
        self.store = SlowStore(read_s)
        self.journal = Journal(self.store, VirtualClock(), self.told.append)

    async def open(self) -> OrderState:
        """Accept the order."""
        return await self.journal.open(ORDER, PRICE_X64)

    async def grow(self, length: int, *, ends: bool) -> None:
        """Let the log of a new order grow, an event a second."""
        state = await self.open()
        for number in range(2, length + 1):
            await anyio.sleep(1)
            if ends and number == length:
                await self.journal.record(
                    state, next_event(state, Cancelled, reference_price_x64=PRICE_X64)
                )
            elif number == 2:
                state = await self.journal.record(state, next_event(state, Claimed, worker="w"))
            else:
                state = await self.journal.record(
                    state, next_event(state, Requoting, reason=str(number))
                )


async def _follow(book: Book, seen: list[int], from_seq: int = 1, pause_s: float = 0) -> None:
    async for event in book.journal.follow(ORDER.order_id, from_seq):
        seen.append(event.seq)
        await anyio.sleep(pause_s)


def test_the_state_is_the_fold() -> None:
    """What is recorded is stored and told as it is, and gives the state of the log."""

    async def main() -> None:
        book = Book()
        state = await book.open()
        await anyio.sleep(2)
        state = await book.journal.record(state, next_event(state, Claimed, worker="w"))
        log = await book.store.events(ORDER.order_id)
        assert [(event.seq, event.status, event.at_ns) for event in log] == [
            (1, Status.PENDING, START_NS),
            (2, Status.ROUTING, START_NS + 2 * SECOND),
        ]
        assert state == fold(log) == await book.journal.load(ORDER.order_id)
        assert book.told == list(log)

    virtualtime.run(main)


def test_what_is_not_stored_is_not_told() -> None:
    """An illegal event, a conflict and a lost lease write nothing and tell nobody."""

    async def main() -> None:
        book = Book()
        old = await book.open()
        with pytest.raises(IllegalEvent):
            await book.journal.record(old, next_event(old, Requoting, reason="r"))
        with pytest.raises(LeaseLost):
            await book.journal.record(old, next_event(old, Claimed, worker="w"), fence=7)
        await book.journal.record(old, next_event(old, Claimed, worker="w"))
        with pytest.raises(SequenceConflict):
            await book.journal.record(old, next_event(old, Expired, reference_price_x64=1))
        assert [event.seq for event in book.told] == [1, 2]
        assert len(await book.store.events(ORDER.order_id)) == 2

    virtualtime.run(main)


def test_an_unknown_order_is_named() -> None:
    """Loading and following say which id is missing, and a later order under it is followed."""

    async def main() -> list[int]:
        book = Book()
        with pytest.raises(UnknownOrder, match="o-1"):
            await book.journal.load(ORDER.order_id)
        with pytest.raises(UnknownOrder, match="o-1"):
            await _follow(book, [])
        seen: list[int] = []
        async with anyio.create_task_group() as group:
            await book.open()
            group.start_soon(_follow, book, seen)
            state = await book.journal.load(ORDER.order_id)
            await book.journal.record(state, next_event(state, Cancelled, reference_price_x64=1))
        return seen

    assert virtualtime.run(main) == [1, 2]


@pytest.mark.parametrize("joins_after_s", [0, 0.5, 2, 3.5, 10], ids=str)
@pytest.mark.parametrize("from_seq", [-3, 0, 1, 2, 4, 5, 6, 9])
def test_a_follower_sees_its_range_whenever_it_comes(from_seq: int, joins_after_s: float) -> None:
    """From the number asked for, inclusive, to the terminal event; then it ends.

    One that asks for what lies past the end ends too, as one does that resumes after the last.
    """

    async def main() -> list[int]:
        book = Book()
        seen: list[int] = []
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: book.grow(5, ends=True))
            await anyio.sleep(joins_after_s)
            await soon()
            group.start_soon(_follow, book, seen, from_seq)
        return seen

    assert virtualtime.run(main) == list(range(max(from_seq, 1), 6))


@given(
    st.lists(
        st.tuples(st.integers(0, 8), st.integers(0, 9), st.sampled_from([0, 0.4, 2.5])),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([0, 0.3, 1.9, 5]),
)
def test_many_followers_see_the_same(
    followers: list[tuple[int, int, float]], read_s: float
) -> None:
    """Each gets every event of its range once and in order, however late or slow it is."""

    async def main() -> list[list[int]]:
        book = Book(read_s)
        seen: list[list[int]] = [[] for _ in followers]

        async def join(index: int, from_seq: int, after_s: int, pause_s: float) -> None:
            await anyio.sleep(after_s)
            await _follow(book, seen[index], from_seq, pause_s)

        async with anyio.create_task_group() as group:
            group.start_soon(lambda: book.grow(7, ends=True))
            await soon()
            for index, (from_seq, after_s, pause_s) in enumerate(followers):
                group.start_soon(join, index, from_seq, after_s, pause_s)
        return seen

    expected = [list(range(max(from_seq, 1), 8)) for from_seq, _, _ in followers]
    assert virtualtime.run(main) == expected


def test_a_follower_of_an_open_order_waits() -> None:
    """It is parked, not polling, and one that leaves disturbs no other."""

    async def main() -> None:
        book = Book()
        left: list[int] = []
        stayed: list[int] = []
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: book.grow(3, ends=False))
            await soon()
            group.start_soon(_follow, book, stayed)
            with anyio.move_on_after(1.5) as scope:
                await _follow(book, left)
            await anyio.sleep(10)
            assert scope.cancelled_caught
            assert (left, stayed) == ([1, 2], [1, 2, 3])
            group.cancel_scope.cancel()

    virtualtime.run(main)


def test_a_slow_follower_costs_nobody_anything() -> None:
    """The writer and the other followers keep their times."""

    async def main() -> tuple[int, list[int]]:
        book = Book()
        quick: list[int] = []
        slow: list[int] = []
        async with anyio.create_task_group() as group:
            group.start_soon(_follow_when_open, book, slow, 100)
            group.start_soon(_follow_when_open, book, quick, 0)
            await book.grow(5, ends=True)
            await soon()
            written_at_ns = virtualtime.now_ns()
            assert quick == [1, 2, 3, 4, 5]
        return written_at_ns, slow

    async def _follow_when_open(book: Book, seen: list[int], pause_s: float) -> None:
        await anyio.sleep(0.1)
        await _follow(book, seen, 1, pause_s)

    assert virtualtime.run(main) == (4 * SECOND, [1, 2, 3, 4, 5])


def test_a_followed_log_is_the_stored_one() -> None:
    """What is yielded are the stored events themselves."""

    async def main() -> None:
        book = Book()
        await book.grow(4, ends=True)
        followed = [event async for event in book.journal.follow(ORDER.order_id)]
        assert followed == list(await book.store.events(ORDER.order_id))

    virtualtime.run(main)


def test_followers_of_what_another_process_writes_all_end() -> None:
    """One reads the end before this process is told of it: it must not take the others' wake-up."""

    async def main() -> tuple[list[int], list[int]]:
        book = Book()
        state = await book.open()
        early: list[int] = []
        late: list[int] = []
        async with anyio.create_task_group() as group:
            group.start_soon(_follow, book, early)
            await soon()
            ended = next_event(state, Cancelled, reference_price_x64=1)
            await book.store.append(ended)  # as another process does: nobody here is told
            group.start_soon(_follow, book, late)
            await soon()
            book.journal.nudge(ORDER.order_id)
        return early, late

    assert virtualtime.run(main) == ([1, 2], [1, 2])


def test_a_follower_that_nobody_wakes_looks_by_itself() -> None:
    """A wake-up that is lost delays an event, and hangs nobody."""

    async def main() -> list[int]:
        book = Book()
        state = await book.open()
        seen: list[int] = []
        async with anyio.create_task_group() as group:
            group.start_soon(_follow, book, seen)
            await soon()
            await book.store.append(next_event(state, Cancelled, reference_price_x64=1))
        return seen

    assert virtualtime.run(main) == [1, 2]
