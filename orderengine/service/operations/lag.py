"""Measure how late the event loop is: a wait that ends late says that something kept it busy."""

from __future__ import annotations

import time
from collections import deque

import anyio

__all__ = ["LoopLag"]

_PERIOD_S = 0.1
_WINDOW_S = 10.0


class LoopLag:
    """Hold how late waits of 100 ms returned within the last ten seconds."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque()

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = time.monotonic() + _PERIOD_S
            await anyio.sleep(_PERIOD_S)
            self.note(time.monotonic(), due)

    def note(self, now: float, due: float) -> None:
        """Take one measurement: when a wait ended, and when it should have."""
        self._late.append((now, max(now - due, 0.0)))
        while self._late[0][0] < now - _WINDOW_S:
            self._late.popleft()

    @property
    def max_s(self) -> float:
        """The longest delay, seconds."""
        return max((late for _, late in self._late), default=0.0)

    @property
    def p99_s(self) -> float:
        """The delay that 99 of 100 waits stayed within, seconds."""
        late = sorted(late for _, late in self._late)
        return late[-(-99 * len(late) // 100) - 1] if late else 0.0
