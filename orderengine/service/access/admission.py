"""Accept an order unless it is too large, or its user or the service has too many open.

Orders at once are counted by the database and, since it was asked last, here. So what this process
lets in never exceeds a user's limit; with several processes it may be exceeded by what the others
accept within ``FRESH_NS``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from orderengine.errors import OrderTooLarge, QueueFull, TooManyOpenOrders
from orderengine.execution.engine import Engine
from orderengine.execution.ports import Clock, IdempotencyKey
from orderengine.model.lifecycle import OrderState
from orderengine.model.order import Mode, Order
from orderengine.service.access.identity import Identity
from orderengine.service.access.questions import Questions

__all__ = ["FRESH_NS", "Admission", "OpenOrders"]

FRESH_NS = 500_000_000
"""How long a count holds while there is room."""
_FRESH_WHEN_FULL_NS = 50_000_000
"""How long one holds by which somebody is refused."""
_USERS_MAX = 10_000


class _Count:
    """Hold how many orders a user has open, at most."""

    __slots__ = ("accepted", "asked_at_ns", "in_flight", "stored")

    def __init__(self) -> None:
        self.asked_at_ns = -FRESH_NS
        self.stored = 0
        self.accepted = 0
        """Here, since the database was asked."""
        self.in_flight = 0
        """Here, being stored now."""

    @property
    def total(self) -> int:
        """Of all that is known here."""
        return self.stored + self.accepted + self.in_flight


class OpenOrders:
    """Bound how many orders are open.

    Args:
        clock: dates the counts.
        user_max: of one user.
        total_max: of all users together.
        of_user: counts a user's in the database.
        of_all: how many are open by what this process knows; None where nobody follows the log.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        user_max: int,
        total_max: int,
        of_user: Callable[[str], Awaitable[int]],
        of_all: Callable[[], int] | None = None,
    ) -> None:
        self._clock = clock
        self._user_max = user_max
        self._total_max = total_max
        self._of_user = of_user
        self._of_all = of_all
        self._counts: dict[str, _Count] = {}
        self._questions = Questions[None]("open orders")

    async def require_room(self, user: str) -> None:
        """Raise ``TooManyOpenOrders`` or ``QueueFull`` if one order more would be too many."""
        if self._of_all is not None and self._of_all() >= self._total_max:
            raise QueueFull("", self._total_max)
        count = self._counts.get(user) or self._new(user)
        fresh_ns = FRESH_NS if count.total < self._user_max else _FRESH_WHEN_FULL_NS
        if self._clock.now_ns() - count.asked_at_ns >= fresh_ns:
            await self._questions.ask(user, partial(self._ask, user, count))
        if count.total >= self._user_max:
            raise TooManyOpenOrders(self._user_max)

    @contextmanager
    def accepting(self, user: str) -> Iterator[None]:
        """Count an order while it is stored, and after that if it was."""
        count = self._counts.get(user) or self._new(user)
        count.in_flight += 1
        try:
            yield
            count.accepted += 1
        finally:
            count.in_flight -= 1

    async def _ask(self, user: str, count: _Count) -> None:
        # What is stored while the question is out may be counted twice, never missed.
        asked_at_ns, before = self._clock.now_ns(), count.accepted
        count.stored = await self._of_user(user)
        count.accepted -= before
        count.asked_at_ns = asked_at_ns

    def _new(self, user: str) -> _Count:
        if len(self._counts) >= _USERS_MAX:
            idle = [name for name, count in self._counts.items() if count.in_flight == 0]
            for name in idle[: _USERS_MAX // 2]:
                del self._counts[name]
        count = self._counts[user] = _Count()
        return count


class Admission:
    """Accept orders within the limits.

    Args:
        engine: accepts them.
        open_orders: bounds how many are open.
        order_max: most base units of an order by token; empty for no limit.
    """

    def __init__(
        self, engine: Engine, open_orders: OpenOrders, order_max: Mapping[str, int]
    ) -> None:
        self._engine = engine
        self._open_orders = open_orders
        self._order_max = order_max

    async def submit(
        self, identity: Identity, order: Order, key: IdempotencyKey | None
    ) -> OrderState:
        """Accept an order, or return the one that its key made before, limits or not.

        Raises:
            OrderTooLarge, TooManyOpenOrders: nothing was accepted.
            OrderEngineError: what ``Engine.submit`` raises.
        """
        try:
            self._require_size(identity, order)
            await self._open_orders.require_room(identity.user)
            with self._open_orders.accepting(identity.user):
                return await self._engine.submit(order, key)
        except (OrderTooLarge, TooManyOpenOrders, QueueFull):
            state = None if key is None else await self._engine.answered(key)
            if state is None:
                raise
            return state

    def _require_size(self, identity: Identity, order: Order) -> None:
        limits = self._order_max if identity.order_max is None else identity.order_max
        if not limits:
            return
        token = order.sell if order.mode is Mode.EXACT_IN else order.buy
        most = limits.get(token, 0)
        if order.amount > most:
            raise OrderTooLarge(token, order.amount, most)
