"""Count orders by following the log, so that the figures agree with SQL on every process.

All orders are counted once, at a position of the log; from there on each event is read once and
adds one. Whoever wants the figures of this moment lets them catch up first.
"""

from __future__ import annotations

import logging

import anyio

from orderengine.errors import Unavailable
from orderengine.execution.ports import History, Position
from orderengine.model.events import Status
from orderengine.storage.database import Operations

__all__ = ["Tally"]

_PERIOD_S = 0.25
_PAUSE_S_MAX = 5.0
_BATCH = 1_000
_AWAY_S_MAX = 1_800.0
"""Who has not read the log for longer counts anew: what was pruned meanwhile is no longer in it."""
_TERMINAL = tuple(status.value for status in Status if status.is_terminal)
"""Each is reached by the event of the same name only."""
_log = logging.getLogger(__name__)


class Tally:
    """Hold how many orders were accepted and how many ended, by status.

    Args:
        operations: counts all orders once.
        history: tells what was stored since.
    """

    def __init__(self, operations: Operations, history: History) -> None:
        self._operations = operations
        self._history = history
        self._position: Position | None = None
        self._read_at = 0.0
        self._one_reader = anyio.Lock()
        self.accepted = 0
        self.ended = dict.fromkeys(_TERMINAL, 0)
        self.open_orders = 0
        """As of the last look at the log; asked for with each request."""

    @property
    def is_known(self) -> bool:
        """Whether all orders have been counted."""
        return self._position is not None

    async def run(self) -> None:
        """Follow the log until cancelled; less and less often while it cannot be read."""
        pause_s = _PERIOD_S
        while True:
            try:
                await self.catch_up()
                pause_s = _PERIOD_S
            except Unavailable as error:
                if pause_s == _PERIOD_S:
                    _log.warning("orders cannot be counted now: %s", error)
                pause_s = min(2 * pause_s, _PAUSE_S_MAX)
            await anyio.sleep(pause_s)

    async def catch_up(self) -> None:
        """Count what was stored until now. Raises ``Unavailable``."""
        async with self._one_reader:
            position = self._position
            if position is None or anyio.current_time() - self._read_at > _AWAY_S_MAX:
                position = self._position = await self._begin()
            is_behind = True
            while is_behind:
                asked_at = anyio.current_time()
                found, position = await self._history.since(position, _BATCH)
                for event in found:
                    if event.type == "accepted":
                        self.accepted += 1
                    elif event.type in self.ended:
                        self.ended[event.type] += 1
                self._position, self._read_at = position, asked_at
                self.open_orders = self.accepted - sum(self.ended.values())
                is_behind = len(found) >= _BATCH

    async def _begin(self) -> Position:
        counts = await self._operations.counts()
        self.accepted = sum(counts.by_status.values())
        self.ended = {status: counts.by_status.get(status, 0) for status in _TERMINAL}
        return counts.position
