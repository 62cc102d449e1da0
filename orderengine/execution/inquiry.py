"""Ask all venues about an order at once, and make a route of what they say.

A router chooses among quotes, one a pool. A strategy computes a route from the pools themselves, so
venues are asked to hand these out instead; that takes them as long, and the deadline is the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import cast

import anyio
from msgspec import Struct
from msgspec.structs import replace

from orderengine.errors import NoRoute, QuoteTimeout, Rejected, Unavailable
from orderengine.execution.halt import TradingHalt
from orderengine.execution.policy import ExecutionPolicy, Router
from orderengine.execution.ports import Clock, Reading, Venue
from orderengine.model.order import Declined, Order, Quote, Route
from orderengine.pools import Pool
from orderengine.routing.choose import choose, losers, reasons_of, require_flow, usable
from orderengine.routing.request import Request, Strategy
from orderengine.routing.view import MarketView

__all__ = ["Answer", "Choice", "Inquiry"]

Answer = Quote | Declined | Reading

_VIEWS_MAX = 64
"""Markets kept, half a megabyte each. Venues answer at different instants, so orders in flight
together see the same pools in some dozens of combinations."""


class Choice(Struct, frozen=True, gc=False):
    """Hold a route, and what it was chosen from."""

    route: Route
    quotes: tuple[Quote, ...]
    """Every usable quote; none where a strategy computed the route."""
    declined: tuple[Declined, ...]
    """Every pool that did not win and every venue that did not answer, and why."""


class Inquiry:
    """Ask venues for what the policy's router needs, and let it choose.

    It keeps the markets that were seen last, for orders that see the same; that changes no route.
    A venue that the halt says is paused is not asked.
    """

    def __init__(
        self,
        venues: Sequence[Venue],
        clock: Clock,
        policy: ExecutionPolicy,
        halt: TradingHalt | None = None,
    ) -> None:
        self._venues = tuple(venues)
        self._is_immediate = all(venue.is_immediate for venue in venues)
        self._clock = clock
        self._policy = policy
        self._halt = halt
        router = policy.router
        self._strategy = router if isinstance(router, Strategy) else None
        self._views: dict[tuple[int, ...], MarketView] = {}
        """The one asked for last at the end."""
        self._latest: MarketView | None = None

    def ask(self, order: Order, attempt: int) -> Awaitable[Sequence[Answer]]:
        """Ask all venues at once under one deadline; their answers stand in the venues' order.

        Where all answer at once, one is asked after the other.
        """
        now_ns, budget_ns = self._clock.now_ns(), self._policy.quote_deadline_ns
        if order.deadline_ns is not None:
            budget_ns = min(budget_ns, order.deadline_ns - now_ns)
        if len(self._venues) == 1:  # no need of tasks
            return self._ask(self._venues[0], order, attempt, now_ns, budget_ns)
        return self._ask_all(order, attempt, now_ns, budget_ns)

    async def _ask_all(
        self, order: Order, attempt: int, now_ns: int, budget_ns: int
    ) -> Sequence[Answer]:
        heard: list[Sequence[Answer]] = [()] * len(self._venues)
        if self._is_immediate:  # tasks would cost more than the answers
            for index, venue in enumerate(self._venues):
                heard[index] = await self._ask(venue, order, attempt, now_ns, budget_ns)
            return [answer for answers in heard for answer in answers]

        async def ask(index: int, venue: Venue) -> None:
            heard[index] = await self._ask(venue, order, attempt, now_ns, budget_ns)

        async with anyio.create_task_group() as group:
            for index, venue in enumerate(self._venues):
                group.start_soon(ask, index, venue)
        return [answer for answers in heard for answer in answers]

    async def _ask(
        self, venue: Venue, order: Order, attempt: int, now_ns: int, budget_ns: int
    ) -> Sequence[Answer]:
        if self._halt is not None and venue.name in self._halt.paused_venues:
            said = "an operator has paused this venue"
            return (Declined(venue=venue.name, pool="", code="PAUSED", reason=said),)
        try:
            if self._strategy is not None:
                reading = await venue.read(order, attempt, now_ns + budget_ns)
                answers: Sequence[Answer] | None = None if reading is None else (reading,)
            else:
                answers = await venue.quote(order, attempt, now_ns + budget_ns)
        except (Unavailable, Rejected) as error:
            return (_no_answer(venue, error),)
        if answers is None:
            return (_no_answer(venue, QuoteTimeout(venue.name, budget_ns)),)
        return answers

    def choose(self, order: Order, answers: Sequence[Answer], attempt: int = 1) -> Choice:
        """Return the router's choice, checked, or the strategy's route.

        Raises:
            NoRoute: nothing usable was said, or the router took nothing; says each venue's reason.
            Rejected: as the strategy says.
            InvalidRequest: the router or the strategy returned what is no route for the order.
        """
        declined = [answer for answer in answers if type(answer) is Declined]
        if self._strategy is not None:
            readings = [answer for answer in answers if type(answer) is Reading]
            return self._computed(self._strategy, order, attempt, readings, declined)
        quotes = [answer for answer in answers if type(answer) is Quote]
        route = choose(order, quotes, declined, cast("Router", self._policy.router))
        lost = losers(order, quotes, route)
        return Choice(route, usable(quotes), (*declined, *lost))

    def _computed(
        self,
        strategy: Strategy,
        order: Order,
        attempt: int,
        readings: Sequence[Reading],
        declined: Sequence[Declined],
    ) -> Choice:
        view = self._seen(readings)
        try:
            if order.sell not in view.tokens or order.buy not in view.tokens:
                raise NoRoute({f"{order.sell} for {order.buy}": "no pool that was read has both"})
            route = strategy.route(
                Request(
                    view=view,
                    sell=order.sell,
                    buy=order.buy,
                    amount=order.amount,
                    mode=order.mode,
                    terms=self._policy.terms(order, attempt),
                )
            )
        except NoRoute as error:
            raise NoRoute(reasons_of(declined) | error.reasons) from None
        require_flow(order, route, view.pools)
        left_out = route.left_out or ()
        return Choice(replace(route, left_out=None), (), (*declined, *left_out))

    def _seen(self, readings: Sequence[Reading]) -> MarketView:
        """Return the pools as one market, of the oldest slot that was read, at the present time."""
        pools: list[Pool] = [pool for reading in readings for pool in reading.pools]
        slot = min([reading.slot for reading in readings if reading.pools], default=0)
        now_s = self._clock.now_ns() // 1_000_000_000
        # A view holds its pools, so while it is kept no other object has the identity of one.
        key = (now_s, slot, *[id(pool) for pool in pools])
        view = self._views.pop(key, None)
        if view is None:
            view = MarketView(pools, slot=slot, now_s=now_s, earlier=self._latest)
        self._views[key] = self._latest = view
        if len(self._views) > _VIEWS_MAX:
            del self._views[next(iter(self._views))]
        return view


def _no_answer(venue: Venue, error: Unavailable | Rejected) -> Declined:
    return Declined(venue=venue.name, pool="", code=error.code, reason=str(error))
