"""Expire orders on time, also those that no worker has come to yet.

An order that waits in a lane has nobody who looks at its deadline. This does: it writes ``expired``
as a user's cancellation is written, guarded by the sequence number, so whoever else writes first
wins. An order whose signature is out is left alone; the executor ends it by what becomes of that.

Where several processes share a store, each of them looks in it for deadlines that are near, so an
order expires on time though the process that accepted it is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush

import anyio

from orderengine.errors import (
    InvalidData,
    InvariantViolated,
    SequenceConflict,
    Unavailable,
    UnknownOrder,
)
from orderengine.execution.journal import Journal
from orderengine.execution.ports import Clock, History, PriceFeed
from orderengine.model.events import Cancelled, Expired
from orderengine.model.order import Order

__all__ = ["Deadlines"]


_PAUSE_S = 0.5
"""Before a store that was unavailable is asked again."""
_LOOK_S = 1.0
_AHEAD_NS = 2_000_000_000
"""A look finds the deadlines of so long: two looks find each of them beforehand."""
_YIELD_NS = 30_000_000
"""An order that was found waits so much longer, so that not all processes write at once."""
_LOOK_MIN, _LOOK_MAX = 1_000, 128_000
_LEFT_NS = 5_000_000_000
"""An order that could not be expired, for its transaction is out, is left alone so long."""
_UNREADABLE_MAX = 10_000
_AT_ONCE = 256


class Deadlines:
    """Watch the deadlines of orders.

    Args:
        journal: where orders are read and ended.
        clock: the date.
        prices: the price that the end is dated with.
        history: where deadlines are found that nobody told of, and that are far away; None where
            all orders are watched from their acceptance on, as in a study.
        on_error: told once of an order whose log cannot be read; None lets that be raised.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        clock: Clock,
        prices: PriceFeed,
        history: History | None = None,
        on_error: Callable[[str, Exception], None] | None = None,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._prices = prices
        self._history = history
        self._on_error = on_error
        self._heap: list[tuple[int, str]] = []
        self._found: dict[str, int] = {}
        """Orders that a look has found, each with the date until which they are not taken again."""
        self._unreadable: set[str] = set()
        self._earlier: anyio.Event | None = None

    def watch(self, order: Order) -> None:
        """Expire the order at its deadline, if it has one and is not over by then."""
        if order.deadline_ns is None:
            return
        if self._history is not None:
            if order.deadline_ns - self._clock.now_ns() > _AHEAD_NS:
                return  # a look will find it
            self._found[order.order_id] = order.deadline_ns + _LEFT_NS
        self._push(order.deadline_ns, order.order_id)

    def _push(self, at_ns: int, order_id: str) -> None:
        heappush(self._heap, (at_ns, order_id))
        if self._earlier is not None and self._heap[0][1] == order_id:
            self._earlier.set()

    async def run(self) -> None:
        """Expire orders as their deadlines pass, until cancelled."""
        if self._history is None:
            await self._expire_each()
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(self._look, self._history)
                await self._expire_each()

    async def _look(self, history: History) -> None:
        """Find what is due soon, again and again."""
        limit = _LOOK_MIN
        while True:
            before_ns = self._clock.now_ns() + _AHEAD_NS
            try:
                due = await history.due(before_ns, limit)
            except Unavailable:
                due = ()
            else:
                self._take(due)
            # Those whose transactions are out stay due, and must not hide those behind them.
            limit = min(2 * limit, _LOOK_MAX) if len(due) >= limit else _LOOK_MIN
            await anyio.sleep(_LOOK_S)

    def _take(self, due: Sequence[tuple[int, str]]) -> None:
        now_ns, known = self._clock.now_ns(), self._found
        self._found = {order_id: at_ns for order_id, at_ns in known.items() if at_ns > now_ns}
        for deadline_ns, order_id in due:
            if order_id not in self._found and order_id not in self._unreadable:
                self._found[order_id] = max(deadline_ns, now_ns) + _LEFT_NS
                self._push(deadline_ns + _YIELD_NS, order_id)

    async def _expire_each(self) -> None:
        while True:
            self._earlier = anyio.Event()
            wait_ns = self._heap[0][0] - self._clock.now_ns() if self._heap else None
            if wait_ns is None or wait_ns > 0:
                with anyio.move_on_after(None if wait_ns is None else wait_ns / 1e9):
                    await self._earlier.wait()
                continue
            if self._history is None:
                await self._end(*heappop(self._heap))
            else:
                await self._end_many()

    async def _end_many(self) -> None:
        """Expire what is due, many orders at once: their writes share commits."""
        now_ns, due = self._clock.now_ns(), list[tuple[int, str]]()
        while self._heap and self._heap[0][0] <= now_ns and len(due) < _AT_ONCE:
            due.append(heappop(self._heap))
        async with anyio.create_task_group() as group:
            for deadline_ns, order_id in due:
                group.start_soon(self._end, deadline_ns, order_id)

    async def _end(self, deadline_ns: int, order_id: str) -> None:
        try:
            await self._expire(order_id)
        except Unavailable:
            heappush(self._heap, (deadline_ns, order_id))
            await anyio.sleep(_PAUSE_S)
        except (InvalidData, InvariantViolated) as error:
            if self._on_error is None:
                raise
            self._leave(order_id, error)

    def _leave(self, order_id: str, error: Exception) -> None:
        """Leave an order alone that cannot be read, and say so once."""
        if self._on_error is not None and order_id not in self._unreadable:
            self._on_error(order_id, error)
        if len(self._unreadable) >= _UNREADABLE_MAX:
            self._unreadable.clear()
        self._unreadable.add(order_id)

    async def _expire(self, order_id: str) -> None:
        while True:
            try:
                state = await self._journal.load(order_id)
                if state.is_terminal or state.submitted is not None:
                    return
                # A user may have asked first, and the worker that would have cancelled it is gone.
                end = Cancelled if state.cancel_requested else Expired
                price = self._prices.reference_price_x64(state.order.sell, state.order.buy)
                ended = end(
                    order_id=order_id,
                    seq=state.seq + 1,
                    at_ns=self._clock.now_ns(),
                    reference_price_x64=price,
                )
                await self._journal.record(state, ended)
            except SequenceConflict:
                continue  # the order moved on meanwhile: look again
            except UnknownOrder:
                return
