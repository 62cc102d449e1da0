"""Check that readers of the live log miss nothing, whatever fails and in whatever order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import Unavailable, UnknownOrder
from orderengine.execution.ports import Position, StoredEvent
from orderengine.service.clock import WallClock
from orderengine.service.sockets import live_log
from orderengine.service.sockets.feed import Feed
from orderengine.service.sockets.live_log import LiveLog

SOON_S = 10.0


class FakeHistory:
    """Keep a log that the test writes, and fail when it says so."""

    def __init__(self) -> None:
        self.stored: list[StoredEvent] = []
        self.is_away = False
        self.reads = 0
        """How often an order's log was read."""
        self.told = 0
        """The number of the newest event that ``since`` told."""
        self.meanwhile: Callable[[], object] | None = None
        """Done once, and followed, after an order's log is looked up and before it is told."""

    def add(self, order_id: str, user: str = "user", type_: str = "requoting") -> None:
        """Store an order's next event."""
        seq = 1 + sum(event.order_id == order_id for event in self.stored)
        body = f'{{"order_id":"{order_id}","seq":{seq}}}'
        self.stored.append(StoredEvent(order_id, user, seq, type_, body))

    async def raw(self, order_id: str, from_seq: int = 1) -> Sequence[StoredEvent]:
        """Return an order's log."""
        self._require_there()
        self.reads += 1
        log = [event for event in self.stored if event.order_id == order_id]
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
            await until(lambda: self.told == len(self.stored))
        await anyio.lowlevel.checkpoint()
        if not log:
            raise UnknownOrder(order_id)
        return log[from_seq - 1 :]

    async def position(self) -> Position:
        """Return where the log ends."""
        self._require_there()
        return Position(len(self.stored))

    async def since(self, position: Position, limit: int) -> tuple[Sequence[StoredEvent], Position]:
        """Return what comes after a position."""
        self._require_there()
        found = self.stored[position.number : position.number + limit]
        await anyio.lowlevel.checkpoint()
        self.told = position.number + len(found)
        return found, Position(self.told)

    def _require_there(self) -> None:
        if self.is_away:
            raise Unavailable("away")

    async def orders(self, *_: object, **__: object) -> Sequence[tuple[int, str]]:
        """Not asked."""
        raise AssertionError("no test may come to ask this")

    async def logs(self, _: object) -> dict[str, Sequence[object]]:
        """Not asked."""
        raise AssertionError("no test may come to ask this")

    async def due(self, *_: object) -> Sequence[tuple[int, str]]:
        """Not asked."""
        raise AssertionError("no test may come to ask this")


class Listener:
    """Take all messages, and remember the bodies."""

    def __init__(self, feed: Feed, cursor: int) -> None:
        self.cursor = cursor
        self.is_ready = True
        self.bodies: list[str] = []
        self.is_finished = self.is_dropped = False
        self.feed = feed
        feed.readers[self] = None
        feed.give(self)

    def take(self, messages: list[bytes]) -> None:
        """Take messages; these are short, so a frame's head has two bytes."""
        self.bodies += [message[2:].decode() for message in messages]

    def finish(self) -> None:
        """End well."""
        self.is_finished = True

    def drop(self) -> None:
        """End because it was too slow."""
        self.is_dropped = True
        self.feed.readers.pop(self, None)


@asynccontextmanager
async def followed(history: FakeHistory, behind_max: int = 10_000) -> AsyncIterator[LiveLog]:
    """Give a log that is followed, and knows where it ended."""
    log = LiveLog(history, WallClock(), behind_max=behind_max)  # type: ignore[arg-type]
    async with anyio.create_task_group() as group:
        group.start_soon(log.run)
        await until(lambda: log._position is not None)
        yield log
        group.cancel_scope.cancel()


async def until(is_true: Callable[[], bool]) -> None:
    """Wait for a condition."""
    with anyio.fail_after(SOON_S):
        while not is_true():  # noqa: ASYNC110  (many kinds of condition)
            await anyio.sleep(0.001)


async def join_order(log: LiveLog, order_id: str, from_seq: int = 1) -> Listener:
    """Read an order's feed."""
    async with log.order(order_id) as feed:
        return Listener(feed, from_seq)


def join_user(log: LiveLog, user: str = "user") -> Listener:
    """Read the feed of a user's orders."""
    with log.user(user) as feed:
        return Listener(feed, feed.end)


def bodies_of(history: FakeHistory, order_id: str, from_seq: int = 1) -> list[str]:
    """Return what a socket has to send of an order."""
    found = [event.body for event in history.stored if event.order_id == order_id]
    return found[from_seq - 1 :]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 2)),
        st.tuples(st.just("race"), st.integers(0, 2)),
        st.tuples(st.just("join"), st.integers(0, 2)),
        st.tuples(st.just("leave"), st.integers(0, 9)),
        st.tuples(st.just("away"), st.integers(0, 1)),
        st.tuples(st.just("turn"), st.integers(1, 4)),
    ),
    max_size=40,
)


@given(STEPS, st.integers(1, 5))
def test_a_reader_of_an_order_gets_its_log(steps: list[tuple[str, int]], from_seq: int) -> None:
    """Gapless and once, though it joins while events are stored and the database goes away."""

    async def run() -> None:
        history = FakeHistory()
        for order in range(3):
            history.add(f"{order}", user=f"user {order}")
        async with followed(history) as log:
            readers: list[tuple[str, Listener]] = []
            theirs = {order: join_user(log, f"user {order}") for order in range(3)}
            for step, number in steps:
                order_id, user = str(number), f"user {number}"
                if step == "add":
                    history.add(order_id, user)
                    log.tell()
                elif step == "join" and not history.is_away:
                    readers.append((order_id, await join_order(log, order_id, from_seq)))
                elif step == "race" and not history.is_away:
                    history.meanwhile = partial(history.add, order_id, user)
                    readers.append((order_id, await join_order(log, order_id, from_seq)))
                    history.meanwhile = None
                elif step == "leave" and readers:
                    _, gone = readers.pop(number % len(readers))
                    log.leave(gone.feed, gone)
                elif step == "away":
                    history.is_away = bool(number)
                else:
                    for _ in range(number):
                        await anyio.lowlevel.checkpoint()
            history.is_away = False
            log.tell()
            await until(lambda: log.events == len(history.stored) - 3)
            for order_id, reader in readers:
                expected = bodies_of(history, order_id, from_seq)
                await until(lambda r=reader, e=expected: len(r.bodies) >= len(e))  # type: ignore[misc]
                assert reader.bodies == expected
            for order, reader in theirs.items():
                assert reader.bodies == bodies_of(history, f"{order}", 2)

    anyio.run(run)


def test_an_order_is_read_once_for_all_and_dropped_with_the_last() -> None:
    """A hundred readers cost one reading; the next one after all have left costs another."""

    async def run() -> None:
        history = FakeHistory()
        history.add("a")
        async with followed(history) as log:
            readers = [await join_order(log, "a") for _ in range(100)]
            assert history.reads == 1
            history.add("a", type_="confirmed")
            log.tell()
            await until(lambda: all(reader.is_finished for reader in readers))
            assert history.reads == 1
            for reader in readers:
                assert reader.bodies == bodies_of(history, "a")
                log.leave(reader.feed, reader)
            late = await join_order(log, "a", 2)
            assert (history.reads, late.bodies) == (2, bodies_of(history, "a", 2))
            with pytest.raises(UnknownOrder):
                await join_order(log, "b")
            log.leave(late.feed, late)
            assert (log._orders, log._users) == ({}, {})

    anyio.run(run)


def test_nobody_is_let_in_before_the_end_of_the_log_is_known() -> None:
    """What is stored between joining and the first reading would be lost."""

    async def run() -> None:
        history = FakeHistory()
        history.is_away = True
        log = LiveLog(history, WallClock())  # type: ignore[arg-type]
        async with anyio.create_task_group() as group:
            group.start_soon(log.run)
            await until(lambda: log.errors > 0)
            with pytest.raises(Unavailable):
                join_user(log)
            with pytest.raises(Unavailable):
                await join_order(log, "a")
            history.is_away = False
            await until(lambda: log._position is not None)
            join_user(log)
            group.cancel_scope.cancel()

    anyio.run(run)


def test_what_it_cannot_read_it_hands_on() -> None:
    """An event of a version to come is sent as it is stored, and stops nobody."""

    async def run() -> None:
        history = FakeHistory()
        async with followed(history) as log:
            reader = join_user(log)
            strange = StoredEvent("a", "user", 1, "teleported", "\U0001f680 no JSON at all")
            history.stored.append(strange)
            history.add("b")
            log.tell()
            await until(lambda: log.events == 2)
            assert reader.bodies == [strange.body, history.stored[1].body]
            assert log.lag_s == 0  # the newest has no date here

    anyio.run(run)


def test_who_was_away_for_long_trusts_no_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was pruned meanwhile ends its readers, and those of users begin anew; others go on."""

    async def run() -> None:
        history = FakeHistory()
        for order_id in ("gone", "there", "ended"):
            history.add(order_id)
        history.add("ended", type_="confirmed")
        async with followed(history) as log:
            gone, there = await join_order(log, "gone"), await join_order(log, "there")
            ended, user = await join_order(log, "ended"), join_user(log)
            history.is_away = True
            log.tell()
            await until(lambda: log.errors > 0)
            monkeypatch.setattr(live_log, "_AWAY_S_MAX", 0.0)
            history.add("there")
            history.stored = [event for event in history.stored if event.order_id == "there"]
            history.is_away = False
            log.tell()
            await until(lambda: gone.is_dropped and user.is_dropped)
            monkeypatch.undo()
            await until(lambda: len(there.bodies) == 2)
            assert there.bodies == bodies_of(history, "there")
            assert ended.is_finished
            assert not any((there.is_dropped, ended.is_dropped, gone.is_finished))

    anyio.run(run)


def test_who_falls_too_far_behind_is_dropped() -> None:
    """And no other; who is behind within the bounds goes on where it was."""

    async def run() -> None:
        history = FakeHistory()
        async with followed(history, behind_max=10) as log:
            quick, slow, slower = (join_user(log) for _ in range(3))
            slow.is_ready = slower.is_ready = False
            for _ in range(10):
                history.add("a")
            log.tell()
            await until(lambda: log.events == 10)
            slow.is_ready = True
            slow.feed.give(slow)
            slow.is_ready = False
            history.add("a")
            log.tell()
            await until(lambda: log.events == 11)
            assert (slower.is_dropped, slow.is_dropped) == (True, False)
            slow.is_ready = True
            slow.feed.give(slow)
            assert slow.bodies == quick.bodies == bodies_of(history, "a")
            log.trim()
            assert quick.feed.first == quick.feed.end

    anyio.run(run)
