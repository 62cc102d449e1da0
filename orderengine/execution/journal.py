"""Write an order's next event: check it, store it, then tell those who watch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial

import anyio

from orderengine.errors import UnknownOrder
from orderengine.execution.ports import Clock, EventStore, IdempotencyKey, Signed
from orderengine.model.events import Accepted, Event
from orderengine.model.lifecycle import OrderState, apply, fold
from orderengine.model.order import Order

__all__ = ["Journal"]


_LOOK_S = 1.0
"""Who follows an order reads its log at least this often: no wake-up that is lost can hang it."""


class Journal:
    """Join the store, the clock and the watchers of a log.

    Args:
        store: keeps the events.
        clock: dates them.
        observe: called with each event after it is stored, in the order of storing; it must not
            block and must not raise.
    """

    def __init__(
        self, store: EventStore, clock: Clock, observe: Callable[[Event], None] | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._observe = observe
        self._trace: Callable[[OrderState, Event], None] | None = None
        self._nudges: dict[str, anyio.Event] = {}

    def watch(self, observe: Callable[[Event], None]) -> None:
        """Call this from now on with each event, in the place of what was called before."""
        self._observe = observe

    def trace(self, trace: Callable[[OrderState, Event], None]) -> None:
        """Call this, too, with each event that is stored and the state after it."""
        self._trace = trace

    async def load(self, order_id: str) -> OrderState:
        """Return the order's state. Raises ``UnknownOrder``."""
        return fold(await self._store.events(order_id))

    async def open(
        self, order: Order, reference_price_x64: int, key: IdempotencyKey | None = None
    ) -> OrderState:
        """Store a new order; once this returns it will end exactly once.

        Where the key made an order before, that one's state is returned and nothing is stored.
        """
        event = Accepted(
            order_id=order.order_id,
            seq=1,
            at_ns=self._clock.now_ns(),
            order=order,
            reference_price_x64=reference_price_x64,
        )
        state = apply(None, event)
        stored_id = await self._store.create(event, key)
        if stored_id != order.order_id:
            return await self.load(stored_id)
        self._publish(state, event)
        return state

    async def made_by(self, key: IdempotencyKey) -> OrderState | None:
        """Return the state of the order that a key made, or None. Raises ``KeyReused``."""
        order_id = await self._store.made_by(key)
        return None if order_id is None else await self.load(order_id)

    async def record(
        self,
        state: OrderState,
        event: Event,
        *,
        fence: int | None = None,
        signed: Signed | None = None,
        after: object = None,
    ) -> OrderState:
        """Append the order's next event and return the state after it.

        ``after`` is what ``note`` returned for the event before.

        Raises:
            IllegalEvent: the lifecycle does not allow it; nothing is written.
            SequenceConflict: somebody else wrote first; load and decide anew.
            LeaseLost: another worker holds the order.
        """
        then = apply(state, event)
        await self._store.append(event, fence=fence, signed=signed, after=after)
        self._publish(then, event)
        return then

    async def note(
        self, state: OrderState, event: Event, *, fence: int, after: object = None
    ) -> tuple[OrderState, object]:
        """Append an event that promises nothing to anybody.

        Returns the state after it, and what the next event is to be recorded after. It need not be
        stored yet, and may never be: then what is recorded after it is refused. Raises as
        ``record`` does.
        """
        then = apply(state, event)
        stored = partial(self._publish, then, event)
        return then, await self._store.note(event, fence=fence, stored=stored, after=after)

    def _publish(self, state: OrderState, event: Event) -> None:
        if self._trace is not None:
            self._trace(state, event)
        if self._observe is not None:
            self._observe(event)
        if self._nudges:
            self.nudge(event.order_id)

    def nudge(self, order_id: str) -> None:
        """Let those who follow an order read its log again: another process has written to it."""
        nudge = self._nudges.pop(order_id, None)
        if nudge is not None:
            nudge.set()

    async def follow(self, order_id: str, from_seq: int = 1) -> AsyncIterator[Event]:
        """Yield the log from ``from_seq`` on, inclusive, then what is added, to the terminal event.

        What is yielded is read from the store; watching only tells when to read. So there is no gap
        and no repeat, and a slow reader costs nobody anything.
        """
        next_seq = max(from_seq, 1)
        while True:
            nudge = self._nudges.get(order_id)
            if nudge is None:
                nudge = self._nudges[order_id] = anyio.Event()
            try:
                events = await self._store.events(order_id, next_seq)
            except UnknownOrder:
                self.nudge(order_id)
                raise
            for event in events:
                yield event
                if event.status.is_terminal:
                    self.nudge(order_id)  # others may wait on it who have not read this yet
                    return
            next_seq += len(events)
            if not events:
                last = (await self._store.events(order_id))[-1]
                if last.status.is_terminal and last.seq < next_seq:
                    self.nudge(order_id)
                    return  # asked for what lies past the end
                with anyio.move_on_after(_LOOK_S):
                    await nudge.wait()
