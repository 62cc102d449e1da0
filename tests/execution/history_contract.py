"""Say what every history of orders must do; a store joins as it joins ``store_contract``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orderengine.errors import DuplicateOrder, UnknownOrder
from orderengine.execution.ports import EventStore, History, StoredEvent
from orderengine.model.canonical import tag_of
from orderengine.model.events import Accepted, Event
from orderengine.model.wire import encode
from tests.execution.store_contract import accepted, cancelled, claimed, key
from tests.strategies import logs


class Recorded(EventStore, History, Protocol):
    """Be a store that tells its history."""


HistoryTest = Callable[[Recorded], Awaitable[None]]

_USERS = ("ann", "bob")

in_every_store = settings(suppress_health_check=[HealthCheck.differing_executors])
"""Mark a property that is checked of more than one store."""

writes = st.lists(st.tuples(st.sampled_from(_USERS), st.booleans()), max_size=6)
"""Orders that come: whose, and whether they are cancelled at once."""


stored_logs = logs().filter(lambda log: "\0" not in log[0].order_id + _first(log).order.user)
"""PostgreSQL holds no NUL in a name; bodies are JSON, which writes it in other letters."""


def _first(log: list[Event]) -> Accepted:
    (first, *_) = log
    assert isinstance(first, Accepted)
    return first


def stored(event: Event, user: str = "user") -> StoredEvent:
    """Return what lies in the log for an event."""
    body, tag = encode(event).decode(), str(tag_of(type(event)))
    return StoredEvent(event.order_id, user, event.seq, tag, body)


class _Book:
    """Write orders to a store and remember what it should tell of them."""

    def __init__(self, store: Recorded) -> None:
        self._store = store
        self.ids: dict[str, list[str]] = {user: [] for user in _USERS}
        self.open: set[str] = set()
        self.events: list[Event] = []
        self.user_of: dict[str, str] = {}

    async def write(self, orders: list[tuple[str, bool]]) -> None:
        """Create orders; cancel some."""
        for user, is_cancelled in orders:
            order_id = f"{user}-{len(self.ids[user])}"
            await self.add(accepted(order_id, user=user))
            self.ids[user].append(order_id)
            self.open.add(order_id)
            if is_cancelled:
                await self.add(cancelled(2, order_id))
                self.open.remove(order_id)

    async def add(self, event: Event) -> None:
        """Store one event."""
        if isinstance(event, Accepted):
            await self._store.create(event)
            self.user_of[event.order_id] = event.order.user
        else:
            await self._store.append(event)
        self.events.append(event)

    def expected(self, user: str, is_open: bool | None) -> list[str]:
        """Return the ids of a user's orders, the newest first."""
        ids = reversed(self.ids[user])
        return [found for found in ids if is_open in (None, found in self.open)]


class HistoryContract(ABC):
    """Hold the tests; subclass it."""

    @abstractmethod
    def run(self, test: HistoryTest) -> None:
        """Open an empty store, run the test with it, close it."""

    def test_an_empty_store_has_no_history(self) -> None:
        """No order, no event, no deadline."""

        async def test(store: Recorded) -> None:
            start = await store.position()
            assert await store.since(start, 10) == ([], start)
            assert list(await store.orders("ann")) == []
            assert await store.logs(["o-1"]) == {}
            assert list(await store.due(2**63 - 1, 10)) == []

        self.run(test)

    @in_every_store
    @given(first=writes, pages=st.lists(writes, min_size=1, max_size=8), limit=st.integers(1, 4))
    def test_paging_shows_each_order_once_while_others_come(
        self, first: list[tuple[str, bool]], pages: list[list[tuple[str, bool]]], limit: int
    ) -> None:
        """All that stood when the first page was read, newest first, and none of other users."""

        async def test(store: Recorded) -> None:
            book = _Book(store)
            await book.write(first)
            expected, seen = book.expected("ann", is_open=None), list[str]()
            before: int | None = None
            for more in [*pages, *[list[tuple[str, bool]]()] * len(first)]:
                page = await store.orders("ann", before=before, limit=limit)
                assert len(page) <= limit
                seen += [order_id for _, order_id in page]
                before = page[-1][0] if page else before
                if not page:
                    break
                await book.write(more)
            assert seen == expected

        self.run(test)

    @in_every_store
    @given(orders=writes)
    def test_orders_are_found_by_user_and_whether_they_are_open(
        self, orders: list[tuple[str, bool]]
    ) -> None:
        """Open, ended, or both; a user without orders has none."""

        async def test(store: Recorded) -> None:
            book = _Book(store)
            await book.write(orders)
            for user in _USERS:
                for is_open in (None, True, False):
                    found = await store.orders(user, is_open=is_open)
                    assert [order_id for _, order_id in found] == book.expected(user, is_open)
                    numbers = [number for number, _ in found]
                    assert numbers == sorted(numbers, reverse=True)
            assert list(await store.orders("nobody")) == []

        self.run(test)

    @in_every_store
    @given(log=stored_logs, limit=st.integers(1, 5), other=writes)
    def test_events_are_told_in_the_order_of_storing(
        self, log: list[Event], limit: int, other: list[tuple[str, bool]]
    ) -> None:
        """From any position on, each once, as they were written, to where the log ends."""

        async def test(store: Recorded) -> None:
            book, start = _Book(store), await store.position()
            for event in log:
                await book.add(event)
            await book.write(other)
            told, position = list[StoredEvent](), start
            while True:
                page, position = await store.since(position, limit)
                if not page:
                    break
                assert len(page) <= limit
                told += page
            assert told == [stored(event, book.user_of[event.order_id]) for event in book.events]
            assert await store.since(await store.position(), limit) == ([], position)

        self.run(test)

    def test_what_was_refused_is_not_told(self) -> None:
        """Only what was stored is, and nothing keeps what comes after it back."""

        async def test(store: Recorded) -> None:
            await store.create(accepted(), key())
            position = await store.position()
            await store.create(accepted("o-2"), key())
            for refused in (store.create(accepted()), store.append(claimed(order_id="o-9"))):
                try:
                    await refused
                except (DuplicateOrder, UnknownOrder):
                    continue
            found, position = await store.since(position, 10)
            assert found == []
            await store.append(claimed())
            found, position = await store.since(position, 10)
            assert found == [stored(claimed())]
            assert await store.since(position, 10) == ([], position)

        self.run(test)

    def test_numbers_out_of_range_find_what_is_there(self) -> None:
        """No limit below one means all, and no number is too large to ask for."""

        async def test(store: Recorded) -> None:
            start = await store.position()
            await store.create(accepted())
            huge = 10**30
            for limit in (0, -1):
                assert list(await store.orders("user", limit=limit)) == []
                assert await store.since(start, limit) == ([], start)
                assert list(await store.due(huge, limit)) == []
            assert len(await store.orders("user", before=huge, limit=huge)) == 1
            assert list(await store.orders("user", before=-huge)) == []
            assert (await store.since(start, huge))[0] == [stored(accepted())]
            assert list(await store.events("o-1", huge)) == []
            assert list(await store.raw("o-1", -huge)) == [stored(accepted())]

        self.run(test)

    @in_every_store
    @given(log=stored_logs, orders=writes)
    def test_logs_are_read_together(self, log: list[Event], orders: list[tuple[str, bool]]) -> None:
        """As each is alone; what is not known is left out, what is asked twice is told once."""

        async def test(store: Recorded) -> None:
            book = _Book(store)
            for event in log:
                await book.add(event)
            await book.write(orders)
            ids = [*book.user_of, "o-unknown", *book.user_of]
            found = await store.logs(ids)
            assert found.keys() == book.user_of.keys()
            for order_id, events in found.items():
                assert list(events) == list(await store.events(order_id))
                assert list(events) == [one for one in book.events if one.order_id == order_id]

        self.run(test)

    @in_every_store
    @given(log=stored_logs, from_seq=st.integers(-1, 9))
    def test_a_log_is_read_as_it_is_stored(self, log: list[Event], from_seq: int) -> None:
        """From a number on, inclusive, and with whose it is."""

        async def test(store: Recorded) -> None:
            book = _Book(store)
            for event in log:
                await book.add(event)
            order_id = log[0].order_id
            expected = [stored(event, book.user_of[order_id]) for event in log]
            found = await store.raw(order_id, from_seq)
            assert list(found) == expected[max(from_seq, 1) - 1 :]
            with pytest.raises(UnknownOrder):
                await store.raw("o-unknown")

        self.run(test)

    def test_deadlines_of_open_orders_are_found(self) -> None:
        """The first first, before an instant, no more than asked for; none of what has ended."""

        async def test(store: Recorded) -> None:
            for order_id, deadline_ns in (("a", 30), ("b", None), ("c", 10), ("d", 20), ("e", 5)):
                await store.create(accepted(order_id, deadline_ns=deadline_ns))
            await store.append(cancelled(2, "d"))
            assert list(await store.due(31, 9)) == [(5, "e"), (10, "c"), (30, "a")]
            assert list(await store.due(30, 9)) == [(5, "e"), (10, "c")]
            assert list(await store.due(31, 1)) == [(5, "e")]
            assert list(await store.due(5, 9)) == []

        self.run(test)
