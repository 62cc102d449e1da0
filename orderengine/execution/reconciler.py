"""Find the orders that nobody works on, and wake workers for them again.

A wake-up may be lost: the queue was wiped, its server was away, the process that held it died. So
nothing depends on one. What is open and not leased is in the store, and this looks for it again and
again; an order that waits in the queue already is dropped there.
"""

from __future__ import annotations

import anyio

from orderengine.errors import QueueFull, Unavailable
from orderengine.execution.ports import EventStore, WorkQueue

__all__ = ["Reconciler"]

_PAUSE_S_MAX = 5.0


class Reconciler:
    """Put open orders into the queue that this process's workers take from.

    Args:
        store: knows which orders are open and not leased.
        queue: this process's own, in memory.
        period_s: seconds from one look to the next.
        limit: how many orders one look finds at most; the most urgent and oldest come first.
    """

    def __init__(
        self, store: EventStore, queue: WorkQueue, period_s: float = 0.5, limit: int = 1_000
    ) -> None:
        self._store = store
        self._queue = queue
        self._period_s = period_s
        self._limit = limit

    async def run(self) -> None:
        """Look every period until cancelled; less and less often while the store is unavailable."""
        pause_s = self._period_s
        while True:
            try:
                await self.once()
            except Unavailable:
                pause_s = max(min(2 * pause_s, _PAUSE_S_MAX), self._period_s)
            else:
                pause_s = self._period_s
            await anyio.sleep(pause_s)

    async def once(self) -> None:
        """Look once. What finds no room in its lane is left for a later look.

        Running it again before workers have taken anything adds nothing. Raises ``Unavailable``.
        """
        for order in await self._store.claimable(self._limit):
            try:
                self._queue.require_room(order.priority)
            except QueueFull:
                continue  # other lanes may have room
            await self._queue.put(order.priority, order.order_id)
