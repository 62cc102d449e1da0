"""Say what every history of orders must do; a store joins as it joins ``store_contract``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Protocol

from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import DuplicateOrder, UnknownOrder
from orderengine.execution.ports import EventStore, History
from orderengine.model.events import Accepted, Event
from tests.execution.store_contract import accepted, cancelled, claimed, key
from tests.strategies import logs


class Recorded(EventStore, History, Protocol):
    """Be a store that tells its history."""


HistoryTest = Callable[[Recorded], Awaitable[None]]

_USERS = ("ann", "bob")

writes = st.lists(st.tuples(st.sampled_from(_USERS), st.booleans()), max_size=6)
"""Orders that come: whose, and whether they are cancelled at once."""


class _Book:
    """Write orders to a store and remember what it should tell of them."""

    def __init__(self, store: Recorded) -> None:
        self._store = store
        self.ids: dict[str, list[str]] = {user: [] for user in _USERS}
        self.open: set[str] = set()
        self.events: list[Event] = []

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
        """No order, no event, and the number before the first."""

        async def test(store: Recorded) -> None:
            assert await store.last() == 0
            assert list(await store.since(0, 10)) == []
            assert list(await store.orders("ann")) == []

        self.run(test)

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

    @given(log=logs(), limit=st.integers(1, 5), other=writes)
    def test_events_are_told_in_the_order_of_storing(
        self, log: list[Event], limit: int, other: list[tuple[str, bool]]
    ) -> None:
        """From any number on, each once, as they were written; the last one has the last number."""

        async def test(store: Recorded) -> None:
            book = _Book(store)
            for event in log:
                await book.add(event)
            await book.write(other)
            told, number = list[Event](), 0
            while page := await store.since(number, limit):
                assert len(page) <= limit
                numbers = [number, *(stored for stored, _ in page)]
                assert numbers == sorted(set(numbers))
                told += [event for _, event in page]
                number = page[-1][0]
            assert told == book.events
            assert await store.last() == number

        self.run(test)

    def test_what_was_refused_is_not_told(self) -> None:
        """Only what was stored has a number."""

        async def test(store: Recorded) -> None:
            await store.create(accepted(), key())
            before = await store.last()
            await store.create(accepted("o-2"), key())
            for refused in (store.create(accepted()), store.append(claimed(order_id="o-9"))):
                try:
                    await refused
                except (DuplicateOrder, UnknownOrder):
                    continue
            assert await store.last() == before
            await store.append(claimed())
            assert [event for _, event in await store.since(before, 10)] == [claimed()]
            assert await store.last() > before

        self.run(test)

    def test_numbers_out_of_range_find_what_is_there(self) -> None:
        """No limit below one means all, and no number is too large to ask for."""

        async def test(store: Recorded) -> None:
            await store.create(accepted())
            huge = 10**30
            for limit in (0, -1):
                assert list(await store.orders("user", limit=limit)) == []
                assert list(await store.since(0, limit)) == []
            assert len(await store.orders("user", before=huge, limit=huge)) == 1
            assert [event for _, event in await store.since(-1, huge)] == [accepted()]
            assert list(await store.since(huge, 1)) == []

        self.run(test)
