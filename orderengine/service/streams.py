"""Tell sockets what is new, from the log that all processes share.

Theory of operation. The log is the truth and this only reads it: one task asks the store for what
was stored after the last event it saw, whenever something in this process was stored, and at least
every ``PERIOD_S``, because other processes store too. What it finds wakes those who follow one
order, who then read that order's log themselves; those who watch all orders get the events through
a bounded buffer. A watcher that does not keep up is dropped: it reads what it missed from the log.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from orderengine.errors import Unavailable
from orderengine.execution.journal import Journal
from orderengine.execution.ports import History, Position, StoredEvent
from orderengine.model.events import Event
from orderengine.model.wire import decode_event

__all__ = ["Streams"]

PERIOD_S = 0.02
"""How late an event of another process is seen."""
_BATCH = 1_000
_BUFFER = 10_000
"""Events that a watcher may be behind."""
_log = logging.getLogger(__name__)


def _event(stored: StoredEvent) -> Event:
    return decode_event(stored.body)


class Streams:
    """Follow the whole log.

    Args:
        history: reads it.
        journal: wakes those who follow one order.
    """

    def __init__(self, history: History, journal: Journal) -> None:
        self._history = history
        self._journal = journal
        self._watchers: dict[MemoryObjectSendStream[Event], None] = {}
        self._news = anyio.Event()

    def tell(self, event: Event) -> None:
        """Say that something was stored; what it was is read from the log."""
        del event
        self._news.set()

    async def run(self) -> None:
        """Follow the log, until cancelled."""
        last: Position | None = None
        while True:
            self._news = anyio.Event()
            found: Sequence[StoredEvent]
            try:
                if last is None:
                    last = await self._history.position()
                found, last = await self._history.since(last, _BATCH)
            except Unavailable as error:
                _log.warning("the log cannot be read now: %s", error)
                found = ()
            for event in map(_event, found):
                self._journal.nudge(event.order_id)
                self._hand_out(event)
            if len(found) < _BATCH:
                with anyio.move_on_after(PERIOD_S):
                    await self._news.wait()

    def _hand_out(self, event: Event) -> None:
        for watcher in list(self._watchers):
            try:
                watcher.send_nowait(event)
            except (anyio.WouldBlock, anyio.BrokenResourceError):
                self._watchers.pop(watcher, None)
                watcher.close()  # what is buffered is still delivered, then the stream ends

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[MemoryObjectReceiveStream[Event]]:
        """Give the events of all orders from now on; the stream ends if its reader is too slow."""
        sender, receiver = anyio.create_memory_object_stream[Event](_BUFFER)
        self._watchers[sender] = None
        try:
            with receiver:
                yield receiver
        finally:
            self._watchers.pop(sender, None)
            sender.close()
