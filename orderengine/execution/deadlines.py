"""Expire orders on time, also those that no worker has come to yet.

An order that waits in a lane has nobody who looks at its deadline. This does: it writes ``expired``
as a user's cancellation is written, guarded by the sequence number, so whoever else writes first
wins. An order whose signature is out is left alone; the executor ends it by what becomes of that.
"""

from __future__ import annotations

from heapq import heappop, heappush

import anyio

from orderengine.errors import SequenceConflict, Unavailable, UnknownOrder
from orderengine.execution.journal import Journal
from orderengine.execution.ports import Clock, PriceFeed
from orderengine.model.events import Expired
from orderengine.model.order import Order

__all__ = ["Deadlines"]


_PAUSE_S = 0.5
"""Before a store that was unavailable is asked again."""


class Deadlines:
    """Watch the deadlines of accepted orders."""

    def __init__(self, *, journal: Journal, clock: Clock, prices: PriceFeed) -> None:
        self._journal = journal
        self._clock = clock
        self._prices = prices
        self._heap: list[tuple[int, str]] = []
        self._earlier: anyio.Event | None = None

    def watch(self, order: Order) -> None:
        """Expire the order at its deadline, if it has one and is not over by then."""
        if order.deadline_ns is None:
            return
        heappush(self._heap, (order.deadline_ns, order.order_id))
        if self._earlier is not None and self._heap[0][1] == order.order_id:
            self._earlier.set()

    async def run(self) -> None:
        """Expire orders as their deadlines pass, until cancelled."""
        while True:
            self._earlier = anyio.Event()
            wait_ns = self._heap[0][0] - self._clock.now_ns() if self._heap else None
            if wait_ns is None or wait_ns > 0:
                with anyio.move_on_after(None if wait_ns is None else wait_ns / 1e9):
                    await self._earlier.wait()
                continue
            deadline_ns, order_id = heappop(self._heap)
            try:
                await self._expire(order_id)
            except Unavailable:
                heappush(self._heap, (deadline_ns, order_id))
                await anyio.sleep(_PAUSE_S)

    async def _expire(self, order_id: str) -> None:
        while True:
            try:
                state = await self._journal.load(order_id)
                if state.is_terminal or state.submitted is not None:
                    return
                price = self._prices.reference_price_x64(state.order.sell, state.order.buy)
                expired = Expired(
                    order_id=order_id,
                    seq=state.seq + 1,
                    at_ns=self._clock.now_ns(),
                    reference_price_x64=price,
                )
                await self._journal.record(state, expired)
            except SequenceConflict:
                continue  # the order moved on meanwhile: look again
            except UnknownOrder:
                return
