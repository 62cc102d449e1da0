"""Be the face of the core: submit, cancel, status, subscribe.

Accepting stores the order first and wakes a worker second, so an order whose wake-up is lost is
still there to be found.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from orderengine.errors import InvariantViolated, SequenceConflict
from orderengine.execution.deadlines import Deadlines
from orderengine.execution.journal import Journal
from orderengine.execution.ports import Clock, IdempotencyKey, PriceFeed, WorkQueue
from orderengine.model.events import Cancelled, CancelRequested, Event
from orderengine.model.lifecycle import OrderState
from orderengine.model.order import Order

__all__ = ["Engine"]

_CANCEL_TRIES_MAX = 100


class Engine:
    """Accept orders and answer for them."""

    def __init__(
        self,
        *,
        clock: Clock,
        journal: Journal,
        queue: WorkQueue,
        prices: PriceFeed,
        deadlines: Deadlines,
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._queue = queue
        self._prices = prices
        self._deadlines = deadlines

    async def submit(self, order: Order, key: IdempotencyKey | None = None) -> OrderState:
        """Accept the order: once this returns it is stored and will end exactly once.

        A request that is sent again under its key makes no second order: the state of the first is
        returned, whatever it is by now.

        Raises:
            QueueFull: nothing was accepted; try later.
            DuplicateOrder: an order with this id exists.
            KeyReused: the key was used for another request.
        """
        self._queue.require_room(order.priority)
        price = self._prices.reference_price_x64(order.sell, order.buy)
        state = await self._journal.open(order, price, key)
        if state.order_id == order.order_id:
            self._deadlines.watch(order)
            await self._queue.put(order.priority, order.order_id)
        return state

    async def answered(self, key: IdempotencyKey) -> OrderState | None:
        """Return the order that a key made before, or None. Raises ``KeyReused``."""
        return await self._journal.made_by(key)

    async def cancel(self, order_id: str) -> OrderState:
        """Cancel the order if no transaction of it is out, else note the request.

        Before submission cancelling wins at once. After it the returned state says ``submitted``
        with ``cancel_requested``: the order is cancelled only if that transaction does not land. A
        repeated call, or one that comes too late, changes nothing and returns the state.

        Raises:
            UnknownOrder: no order has this id.
        """
        for _ in range(_CANCEL_TRIES_MAX):
            state = await self._journal.load(order_id)
            if state.is_terminal or state.cancel_requested:
                return state
            seq, now_ns = state.seq + 1, self._clock.now_ns()
            event: Event
            if state.submitted is not None:
                event = CancelRequested(order_id=order_id, seq=seq, at_ns=now_ns)
            else:
                price = self._prices.reference_price_x64(state.order.sell, state.order.buy)
                event = Cancelled(
                    order_id=order_id, seq=seq, at_ns=now_ns, reference_price_x64=price
                )
            try:
                return await self._journal.record(state, event)
            except SequenceConflict:
                continue  # the order moved on meanwhile: look again
        raise InvariantViolated(f"order {order_id} moved on {_CANCEL_TRIES_MAX} times in a row")

    async def status(self, order_id: str) -> OrderState:
        """Return the order's state. Raises ``UnknownOrder``."""
        return await self._journal.load(order_id)

    def subscribe(self, order_id: str, from_seq: int = 1) -> AsyncIterator[Event]:
        """Yield the order's events from ``from_seq`` on, inclusive, to the terminal one."""
        return self._journal.follow(order_id, from_seq)
