"""Follow the log of all orders once a process, and hand on what is new to those who read it here.

Theory of operation. The log is the truth and this only reads it: one task asks the store for what
was stored after the last event it saw, whenever it is told that there is something, and at least
every period, because what tells it may be lost. An event goes out as it is stored: it is neither
decoded nor encoded, so one that this version does not know stops nobody. Each event becomes one
message, which all its readers share: those of its order, and those of all of its user's orders.

An order's readers start from its log as SQL has it, read once and kept while somebody reads it.
Where what is new does not follow on what is kept, the rest is read from SQL too. Those of a user's
orders start from now; what they have all had is forgotten, and who falls too far behind is dropped.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import anyio
import anyio.lowlevel
import msgspec
from msgspec import Struct
from websockets.frames import Frame, Opcode

from orderengine.errors import InvalidData, Unavailable, UnknownOrder
from orderengine.execution.ports import Clock, History, Position, StoredEvent
from orderengine.model.instants import parse_rfc3339
from orderengine.service.sockets.feed import Feed, Reader
from orderengine.service.sockets.nudges import Nudges

__all__ = ["LiveLog"]

_POLLED_S = 0.03
"""How late an event of another process is seen where nobody tells of it."""
_NUDGED_S = 0.25
"""The same where a nudge was lost."""
_LOST_S = 0.2
"""How long a database that does not answer is left alone."""
_GATHER_S = 0.005
"""The log is read at most this often: under load each reading then finds many events."""
_AWAY_S_MAX = 1_800.0
"""Who has not read the log for longer may lack events that were pruned meanwhile."""
_BATCH = 1_000
_GIVE_MAX = 50
"""Readers that are served before others of the process may go on."""
_TERMINAL = frozenset({"confirmed", "failed", "cancelled", "expired"})
_log = logging.getLogger(__name__)


class _Dated(Struct):
    at: str


class LiveLog:
    """Follow the log; ``run`` must run.

    Args:
        history: reads it.
        clock: tells how late events are handed on.
        behind_max: how many events a reader of a user's orders may be behind.
        behind_bytes_max: the same in bytes.
    """

    def __init__(
        self,
        history: History,
        clock: Clock,
        *,
        behind_max: int = 10_000,
        behind_bytes_max: int = 16_777_216,
    ) -> None:
        self.events = 0
        """How many events have been handed on."""
        self.errors = 0
        """How often the log could not be read."""
        self._history = history
        self._clock = clock
        self._behind_max = behind_max, behind_bytes_max
        self._nudges: Nudges | None = None
        self._orders: dict[str, Feed] = {}
        self._users: dict[str, Feed] = {}
        self._behind: dict[str, None] = {}
        """Orders whose feeds lack events that are stored."""
        self._position: Position | None = None
        self._read_at = 0.0
        self._newest: tuple[str, int] | None = None
        self._is_lost = False
        self._news = anyio.Event()

    @property
    def lag_s(self) -> float:
        """How old the newest event was, by its date, when all its readers had been served."""
        if self._newest is None:
            return 0.0
        body, told_ns = self._newest
        try:
            at_ns = parse_rfc3339(msgspec.json.decode(body, type=_Dated).at)
        except (msgspec.MsgspecError, InvalidData, ValueError):  # of a version to come
            return 0.0
        return (told_ns - at_ns) / 1e9

    def listen(self, nudges: Nudges) -> None:
        """Rely on nudges for what other processes store, as long as they are heard."""
        self._nudges = nudges

    def tell(self, event: object = None) -> None:
        """Say that something was stored; what it was is read from the log."""
        del event
        self._news.set()

    async def run(self) -> None:
        """Follow the log, until cancelled."""
        while True:
            self._news = anyio.Event()
            found = await self._read()
            if found:
                await self._hand_out(self._sort_in(found))
                self._newest = found[-1].body, self._clock.now_ns()
                self.events += len(found)
            await self._catch_up()
            await anyio.sleep(_LOST_S if self._is_lost else _GATHER_S)
            if not self._is_lost and len(found) < _BATCH:
                is_nudged = self._nudges is not None and self._nudges.is_listening
                with anyio.move_on_after(_NUDGED_S if is_nudged else _POLLED_S):
                    await self._news.wait()

    async def _read(self) -> Sequence[StoredEvent]:
        """Return what was stored since; nothing while the database does not answer."""
        asked_at = anyio.current_time()
        try:
            if self._position is None:
                self._position, self._read_at = await self._history.position(), asked_at
            found, self._position = await self._history.since(self._position, _BATCH)
        except Unavailable as error:
            self.errors += 1
            if not self._is_lost:
                _log.warning("the log cannot be read now: %s", error)
            self._is_lost = True
            return ()
        if self._is_lost:
            _log.warning("the log can be read again")
        self._is_lost = False
        if asked_at - self._read_at > _AWAY_S_MAX:
            self._doubt()
        self._read_at = asked_at
        return found

    def _doubt(self) -> None:
        """Have the logs of open orders read anew, and let readers of users' orders begin anew."""
        self._behind |= {name: None for name, feed in self._orders.items() if not feed.is_ended}
        for feed in list(self._users.values()):
            _drop_readers(feed)

    def _sort_in(self, found: Iterable[StoredEvent]) -> list[Feed]:
        """Add events to the feeds they belong to; return those that have grown."""
        grown: dict[Feed, None] = {}
        for event in found:
            order, user = self._orders.get(event.order_id), self._users.get(event.user)
            if order is None and user is None:
                continue
            message = _message(event)
            if order is not None and _follows(order, event, message):
                grown[order] = None
            elif order is not None and event.seq > order.end:
                self._behind[event.order_id] = None
            if user is not None:
                user.append(message)
                grown[user] = None
        return list(grown)

    async def _hand_out(self, grown: Iterable[Feed]) -> None:
        """Serve the readers, and let others of the process go on in between."""
        served = 0
        for feed in grown:
            for reader in list(feed.readers):
                feed.give(reader)
                served += 1
                if served % _GIVE_MAX == 0:
                    await anyio.lowlevel.checkpoint()
            feed.trim()

    async def _catch_up(self) -> None:
        """Read from SQL what feeds of orders lack."""
        for order_id in list(self._behind):
            feed = self._orders.get(order_id)
            if feed is not None:
                try:
                    await self._extend(order_id, feed)
                except Unavailable:
                    self.errors += 1
                    return  # it is tried again when the log is read next
                except UnknownOrder:
                    _log.warning("order %s is no longer there", order_id)
                    _drop_readers(feed)
            del self._behind[order_id]

    async def _extend(self, order_id: str, feed: Feed) -> None:
        for event in await self._history.raw(order_id, feed.end):
            _follows(feed, event, _message(event))
        await self._hand_out([feed])

    @asynccontextmanager
    async def order(self, order_id: str) -> AsyncIterator[Feed]:
        """Give the feed of an order, numbered by ``seq``, with all that is stored of it.

        It is kept while somebody reads it: join it within the block.

        Raises:
            UnknownOrder: there is no such order.
            Unavailable: its log cannot be read now.
        """
        # It is there before SQL is asked, so what is stored meanwhile is added to it.
        with self._held(self._orders, Feed(order_id)) as feed:
            if feed.user is None:
                await self._extend(order_id, feed)
            yield feed

    @contextmanager
    def user(self, user: str) -> Iterator[Feed]:
        """Give the feed of all of a user's orders; join it at its end, within the block.

        Raises:
            Unavailable: the log has not been read yet.
        """
        with self._held(self._users, Feed(user, *self._behind_max)) as feed:
            yield feed

    @contextmanager
    def _held(self, feeds: dict[str, Feed], new: Feed) -> Iterator[Feed]:
        if self._position is None:  # what comes next could be lost
            raise Unavailable("the log has not been read yet")
        feed = feeds.setdefault(new.name, new)
        feed.holds += 1
        try:
            yield feed
        finally:
            feed.holds -= 1
            self._drop_unread(feed)

    def leave(self, feed: Feed, reader: Reader) -> None:
        """Let a reader go; a feed that nobody reads is dropped."""
        feed.readers.pop(reader, None)
        self._drop_unread(feed)

    def _drop_unread(self, feed: Feed) -> None:
        if feed.readers or feed.holds:
            return
        for feeds in (self._orders, self._users):
            if feeds.get(feed.name) is feed:
                del feeds[feed.name]

    def trim(self) -> None:
        """Forget what slow readers have had since anything was stored."""
        for feed in list(self._users.values()):
            feed.trim()


def _follows(feed: Feed, event: StoredEvent, message: bytes) -> bool:
    """Add an event to its order's feed if it is the next one; return whether it was."""
    if event.seq != feed.end:
        return False
    feed.append(message)
    feed.user = event.user
    feed.is_ended = event.type in _TERMINAL
    return True


def _drop_readers(feed: Feed) -> None:
    for reader in list(feed.readers):
        reader.drop()


def _message(event: StoredEvent) -> bytes:
    """Return the frame that carries an event; not masked, so one does for all sockets."""
    return Frame(Opcode.TEXT, event.body.encode()).serialize(mask=False)
