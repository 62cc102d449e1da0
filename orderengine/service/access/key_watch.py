"""Close the sockets of keys that were revoked or have expired, wherever that was done."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Protocol

import anyio

from orderengine.errors import Unavailable
from orderengine.execution.ports import Clock
from orderengine.storage.database import Keys

__all__ = ["PERIOD_S", "KeyWatch", "KeyedSockets"]

PERIOD_S = 0.5
"""With the time of a question and of closing this stays below a second."""
_ANSWER_S_MAX = 0.4
_log = logging.getLogger(__name__)


class KeyedSockets(Protocol):
    """Know by which keys sockets were opened."""

    @property
    def key_ids(self) -> Collection[str]:
        """The keys of all sockets that are open."""

    def close_key(self, key_ids: Collection[str]) -> int:
        """Close the sockets of some keys; return how many."""


class KeyWatch:
    """Ask again and again which keys of open sockets are dead.

    While the database is away sockets stay open: what they would tell is read from there too.

    Args:
        keys: the database's.
        clock: dates the ends of keys.
        sockets: those that are open here.
    """

    def __init__(
        self,
        keys: Keys,
        clock: Clock,
        sockets: KeyedSockets,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._sockets = sockets

    async def run(self) -> None:
        """Watch, until cancelled."""
        is_heard = True
        while True:
            await anyio.sleep(PERIOD_S)
            held = self._sockets.key_ids
            if not held:
                continue
            try:
                with anyio.fail_after(_ANSWER_S_MAX):
                    dead = await self._keys.dead(held, self._clock.now_ns())
            except (Unavailable, TimeoutError) as error:
                if is_heard:
                    _log.warning("keys of open sockets cannot be checked now: %s", error)
                is_heard = False
                continue
            is_heard = True
            if dead:
                self._sockets.close_key(dead)
