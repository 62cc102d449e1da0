"""Be the users: place orders, again if there is no answer, cancel, and read along."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

from orderengine.errors import KeyReused, OrderEngineError, Unavailable, UnknownOrder
from orderengine.execution.engine import Engine
from orderengine.execution.ports import IdempotencyKey
from orderengine.model.lifecycle import OrderState
from orderengine.model.order import Order
from tests.chaos.virtual.chain import START_NS
from tests.chaos.virtual.host import MS, Host, Process
from tests.chaos.virtual.items import Again, Cancel, Follow, Place
from tests.chaos.virtual.judge import Judge, Reading, Wish

__all__ = ["Users"]

T = TypeVar("T")

_PAUSE_S = 0.35
_TRIES_MAX = 80
_AMOUNT = 1_000_000_000


class Users:
    """Ask processes that answer requests, each time another one.

    Args:
        doors: those processes.
        judge: told of what must not be answered.
        places: the orders that are placed in this run.
    """

    def __init__(self, doors: Sequence[Process], judge: Judge, places: Sequence[Place]) -> None:
        self._doors = doors
        self._judge = judge
        self.wishes = {place.order: Wish(place) for place in places}
        self.readings: list[Reading] = []
        self._turn = 0

    async def _ask(self, handler: Callable[[Host, Engine], Awaitable[T]]) -> T:
        self._turn += 1
        return await self._doors[self._turn % len(self._doors)].request(handler)

    def _order_of(self, wish: Wish, *, is_other: bool = False) -> tuple[Order, IdempotencyKey]:
        """Return the next offer of a wish: every request makes an id of its own."""
        place, tries = wish.place, len(wish.bodies)
        order = Order(
            order_id=f"o{place.order}-{tries}",
            sell="SOL",
            buy="USDC",
            amount=_AMOUNT + place.order + (1_000 if is_other else 0),
            slippage_bps=100,
            priority=place.priority,
            deadline_ns=START_NS + place.due_ms * MS if place.due_ms else None,
            user=place.user,
        )
        body = f"{order.amount}/{order.deadline_ns}/{order.priority}"
        wish.bodies[order.order_id] = body
        return order, IdempotencyKey(user=place.user, key=place.key, request_sha256=body)

    async def place(self, place: Place) -> None:
        """Place an order; without a key only once, for it must not become two."""
        await anyio.sleep(place.at_ms / 1e3)
        wish = self.wishes[place.order]
        for _ in range(_TRIES_MAX if place.key else 1):
            if await self._offer(wish):
                return
            await anyio.sleep(_PAUSE_S)

    async def again(self, item: Again) -> None:
        """Send the request once more, or another one under its key."""
        await anyio.sleep(item.at_ms / 1e3)
        wish = self.wishes.get(item.order)
        if wish is not None:
            await self._offer(wish, is_other=item.is_other)

    async def _offer(self, wish: Wish, *, is_other: bool = False) -> bool:
        """Return whether it was answered."""
        order, key = self._order_of(wish, is_other=is_other)

        async def submit(host: Host, engine: Engine) -> OrderState:
            del host
            if not key.key:
                return await engine.submit(order)
            # As the service does: a key that made an order answers without room for another.
            known = await engine.answered(key)
            return known if known is not None else await engine.submit(order, key)

        try:
            state = await self._ask(submit)
        except KeyReused:
            wish.refusals.append(key.request_sha256)
            return True
        except Unavailable:
            return False
        wish.answers.append((order.order_id, key.request_sha256, state))
        await self._look(state.order_id)
        return True

    async def _look(self, order_id: str) -> None:
        """Read an order that was accepted just now, wherever that is asked."""

        async def status(host: Host, engine: Engine) -> OrderState:
            del host
            return await engine.status(order_id)

        try:
            await self._ask(status)
        except UnknownOrder:
            self._judge.violate("I1", order_id, "it was accepted and is not known")
        except Unavailable:
            return

    def _known(self, order: int) -> str:
        """Return the id that a user knows an order by; empty before an answer."""
        wish = self.wishes.get(order)
        return wish.answers[0][2].order_id if wish is not None and wish.answers else ""

    async def _known_in_time(self, order: int) -> str:
        for _ in range(10):
            order_id = self._known(order)
            if order_id:
                return order_id
            await anyio.sleep(_PAUSE_S)
        return ""

    async def cancel(self, item: Cancel) -> None:
        """Cancel an order until that is answered; then once more."""
        await anyio.sleep(item.at_ms / 1e3)
        order_id = await self._known_in_time(item.order)
        if not order_id:
            return

        async def cancel(host: Host, engine: Engine) -> OrderState:
            del host
            return await engine.cancel(order_id)

        answers = self.wishes[item.order].cancels
        for _ in range(_TRIES_MAX):
            try:
                answers.append((order_id, await self._ask(cancel)))
            except UnknownOrder:
                self._judge.violate("I1", order_id, "it was accepted and cannot be cancelled")
            except Unavailable:
                await anyio.sleep(_PAUSE_S)
                continue
            if len(answers) >= 2:
                return

    async def follow(self, item: Follow) -> None:
        """Read a log to its end; cut off, go on one above the last event that came."""
        await anyio.sleep(item.at_ms / 1e3)
        order_id = await self._known_in_time(item.order)
        if not order_id:
            return
        reading = Reading(order_id)
        self.readings.append(reading)
        for _ in range(_TRIES_MAX):
            try:
                reading.is_over = await self._read(reading, item.cut_after)
            except OrderEngineError:
                await anyio.sleep(_PAUSE_S)
            if reading.is_over:
                return

    async def _read(self, reading: Reading, cut_after: int) -> bool:
        """Return whether the log is over; False once cut off."""
        next_seq = reading.events[-1].seq + 1 if reading.events else 1
        reading.connections += 1
        connection = reading.connections

        async def stream(host: Host, engine: Engine) -> bool:
            got = 0
            async for event in engine.subscribe(reading.order_id, next_seq):
                await host.reach("stream<")
                if reading.connections != connection:
                    return False  # nobody listens on this one any more
                reading.events.append(event)
                got += 1
                if event.status.is_terminal:
                    return True
                if got >= cut_after:
                    return False
            return True

        return await self._ask(stream)
