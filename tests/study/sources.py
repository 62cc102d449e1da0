"""Hold functions that a scenario can carry, one a definition, so that each has a source."""

from __future__ import annotations

from collections.abc import Sequence

from orderengine.errors import NoRoute
from orderengine.model.order import Leg, Order, Quote, Route
from orderengine.routing.request import Request
from orderengine.routing.strategies import STRATEGIES


def first(order: Order, quotes: Sequence[Quote]) -> Quote:
    """Take the first quote."""
    del order
    return quotes[0]


def last(order: Order, quotes: Sequence[Quote]) -> Quote:
    """Take the last quote."""
    del order
    return quotes[-1]


def nothing(order: Order, quotes: Sequence[Quote]) -> None:
    """Take no quote."""
    del order, quotes


class Nth:
    """Take the n-th quote."""

    def __init__(self, n: int) -> None:
        self._n = n

    def __call__(self, order: Order, quotes: Sequence[Quote]) -> Quote:
        """Return it, or the last there is."""
        del order
        return quotes[min(self._n, len(quotes) - 1)]


def by_way(request: Request) -> Route:
    """Route all of an exact input by way of USDT, over the first pools that lead there and on."""
    view, legs = request.view, []
    token, amount = request.sell, request.amount
    for bought in ("USDT", request.buy):
        pools = view.between(token, bought)
        if not pools:
            raise NoRoute({f"{token} for {bought}": "no pool"})
        pool, direction = pools[0]
        paid = pool.swap_exact_in(direction, amount, view.now_s).amount_out
        legs.append(
            Leg(
                pool=pool.address,
                venue=pool.venue,
                sell=token,
                buy=bought,
                amount_in=amount,
                amount_out=paid,
            )
        )
        token, amount = bought, paid
    return Route(legs=tuple(legs), amount_in=request.amount, amount_out=amount, slot=view.slot)


def directly(request: Request) -> Route:
    """Route as the strategy ``best``."""
    return STRATEGIES["best"].route(request)
