"""Place a study's orders: when the arrival model says, whatever the engine is doing.

In an open loop each order is placed at its intended instant, which is the ``at`` of its
``accepted`` event. Nothing puts it off: an order either waits inside the engine, where it is seen,
or is refused because the queue is full. So latency from ``accepted`` on is latency from the
intended start.

A refused order is not tried again. A service would store nothing of it; a study writes ``accepted``
and, at the same instant, ``failed`` with the code QUEUE_FULL, so that an engine which refuses half
of its orders does not look cheap: they count as unfilled, with what that cost. Where it misleads:
it has no latency, so look at the others' beside the share that was refused.

In a closed loop a user's next order is placed a time to think after the last one ended; it is
accepted as it is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from orderengine.errors import QueueFull, UnknownOrder
from orderengine.market.draws import Draws
from orderengine.model.events import Failed
from orderengine.model.order import Order
from orderengine.study.orders import OrderSource, arrival_times
from orderengine.study.scenario import Scenario
from orderengine.study.wiring import Wired, latency_of

__all__ = ["place_orders"]

_CANCELLER = "cancel"


async def place_orders(study: Scenario, wired: Wired, group: TaskGroup) -> None:
    """Place all orders of a study; those who cancel some do so from the task group."""
    placing = _Placing(study, wired, group)
    if study.arrivals.model == "closed":
        await placing.closed_loop()
    else:
        await placing.open_loop()


class _Placing:
    def __init__(self, study: Scenario, wired: Wired, group: TaskGroup) -> None:
        self._study = study
        self._wired = wired
        self._group = group
        self._source = OrderSource(study)
        self._turn = anyio.Lock() if study.engine.queue_capacity else None
        self._draw_cancel = Draws(study.seed, _CANCELLER)
        self._cancels_after = latency_of(
            study.order.cancel_after, study.seed, "cancel/after", wired.clock
        )

    async def open_loop(self) -> None:
        study, wired, clock = self._study, self._wired, self._wired.clock
        arrives = arrival_times(study.arrivals, study.seed, study.orders)
        after_ns, start_ns = 0, wired.world.start_ns
        for number in range(study.orders):
            after_ns = arrives(number, after_ns)
            at_ns = start_ns + after_ns
            if at_ns > clock.now_ns():
                await clock.sleep_until(at_ns)
            await self._place(number)

    async def closed_loop(self) -> None:
        arrivals, numbers = self._study.arrivals, iter(range(self._study.orders))
        async with anyio.create_task_group() as users:
            for user in range(min(arrivals.users, self._study.orders)):
                users.start_soon(self._one_user, user, numbers)

    async def _one_user(self, user: int, numbers: Iterator[int]) -> None:
        """Think and send, again and again; orders are numbered as they are sent."""
        study, clock, ends = self._study, self._wired.clock, self._wired.ends
        thinks = latency_of(study.arrivals.think, study.seed, "arrivals/think", clock)
        turn = 0
        while True:
            await clock.sleep_until(clock.now_ns() + thinks(user, turn))
            number = next(numbers, None)
            if number is None:
                return
            turn += 1
            ended = ends.of(self._source.id_of(number))
            await self._place(number)
            await ended.wait()

    async def _place(self, number: int) -> None:
        """Place one order now.

        Where room is bounded, an idle worker takes it before the next one of the same instant asks
        for room: it need not wait, so it takes none.
        """
        if self._turn is None:
            await self._submit(number)
            return
        async with self._turn:
            await self._submit(number)
            await anyio.lowlevel.checkpoint()

    async def _submit(self, number: int) -> None:
        study, wired = self._study, self._wired
        world, now_ns = wired.world, wired.clock.now_ns()
        world.advance(now_ns)
        order = self._source.make(number, world.price_x64, now_ns)
        world.fund(order)
        try:
            await wired.engine.submit(order)
        except QueueFull as error:
            await self._refuse(order, error)
            return
        if self._draw_cancel.happens(study.order.cancel_share, number):
            self._group.start_soon(self._cancel_later, order.order_id, number)

    async def _refuse(self, order: Order, error: QueueFull) -> None:
        journal, clock = self._wired.journal, self._wired.clock
        price = self._wired.world.reference_price_x64(order.sell, order.buy)
        state = await journal.open(order, price)
        failed = Failed(
            order_id=order.order_id,
            seq=state.seq + 1,
            at_ns=clock.now_ns(),
            code=error.code,
            reason=str(error),
            reference_price_x64=price,
        )
        await journal.record(state, failed)

    async def _cancel_later(self, order_id: str, number: int) -> None:
        clock = self._wired.clock
        await clock.sleep_until(clock.now_ns() + self._cancels_after(number, 0))
        with suppress(UnknownOrder):  # it has ended and was forgotten
            await self._wired.engine.cancel(order_id)
