"""Choose one route among quotes, the best net output or what a router says; check strategies'.

Net output counts the network's fee: an exact-in order wants the greatest ``amount_out`` less
``network_cost``, an exact-out order the least ``amount_in`` plus ``network_cost``. Among equals the
first venue wins, so the choice never depends on chance.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from orderengine.errors import InvalidRequest, NoRoute
from orderengine.model.order import Declined, Mode, Order, Quote, Route, route_of
from orderengine.model.tokens import token
from orderengine.routing.request import Strategy
from orderengine.routing.strategies import STRATEGIES

__all__ = [
    "ROUTERS",
    "best",
    "choose",
    "losers",
    "net",
    "reasons_of",
    "require_flow",
    "usable",
]

_PAYS_NOTHING = "pays nothing for this amount"


def net(order: Order, quote: Quote) -> int:
    """Return what a quote is worth to the order, greater is better, in base units.

    Of ``buy`` for exact_in (received, less cost), of ``sell`` for exact_out (paid, plus cost,
    negative).
    """
    if order.mode is Mode.EXACT_IN:
        return quote.amount_out - quote.network_cost
    return -(quote.amount_in + quote.network_cost)


def usable(quotes: Sequence[Quote]) -> tuple[Quote, ...]:
    """Return the quotes that trade something for something."""
    return tuple([quote for quote in quotes if quote.amount_out > 0 and quote.amount_in > 0])


def best(order: Order, quotes: Sequence[Quote]) -> Quote:
    """Return the quote of the best net output; the first of equals."""
    chosen, highest = quotes[0], net(order, quotes[0])
    for quote in quotes[1:]:
        worth = net(order, quote)
        if worth > highest:
            chosen, highest = quote, worth
    return chosen


ROUTERS: Mapping[str, Strategy | Callable[[Order, Sequence[Quote]], Quote]] = {
    **STRATEGIES,
    "best": best,
}
"""The routers that a scenario or the service can name: every strategy, but ``best`` asks quotes."""


def choose(
    order: Order,
    quotes: Sequence[Quote],
    declined: Sequence[Declined],
    router: Callable[[Order, Sequence[Quote]], Quote | Route | None],
) -> Route:
    """Return the router's choice as a checked route.

    Quotes that pay nothing are not offered to the router: no route has ``amount_out`` zero. A
    route may use pools that declined the whole order, since they may take a part of it.

    Raises:
        NoRoute: no usable quote, or the router took none; says each venue's reason.
        InvalidRequest: the router returned something that is not a choice among the quotes, or
            chose a quote of another amount than was ordered.
    """
    offered = usable(quotes)
    chosen = router(order, offered) if offered else None
    if chosen is None:
        reasons = reasons_of(declined)
        for quote in quotes:
            why = "the router took no quote" if quote in offered else _PAYS_NOTHING
            reasons[f"{quote.venue} {quote.pool}"] = why
        raise NoRoute(reasons)
    if isinstance(chosen, Quote):
        if chosen not in offered:
            raise InvalidRequest("the router returned a quote that no venue gave")
        route = route_of(order, chosen)
        _require_amount(order, route)
        return route
    if not isinstance(chosen, Route):
        raise InvalidRequest(
            f"the router must return a Quote, a Route or None, returned {type(chosen).__name__}"
        )
    asked = {(quote.venue, quote.pool) for quote in quotes}
    _require_legs(order, chosen, asked | {(said.venue, said.pool) for said in declined})
    _require_amount(order, chosen)
    return chosen


def _require_legs(order: Order, route: Route, asked: set[tuple[str, str]]) -> None:
    for leg in route.legs:
        if (leg.venue, leg.pool) not in asked:
            raise InvalidRequest(
                f"the router's route uses pool {leg.pool!r} of {leg.venue!r}, which was not asked"
            )
        if token(leg.sell) != token(order.sell) or token(leg.buy) != token(order.buy):
            raise InvalidRequest(
                f"the router's route trades {leg.sell} for {leg.buy} on pool {leg.pool!r}, "
                f"the order {order.sell} for {order.buy}"
            )
        if leg.amount_in < 1 or leg.amount_out < 1:
            raise InvalidRequest(
                f"the router's route trades {leg.amount_in} → {leg.amount_out} on pool "
                f"{leg.pool!r}, each must be at least 1 base unit"
            )
    sums = (sum(leg.amount_in for leg in route.legs), sum(leg.amount_out for leg in route.legs))
    if not route.legs or sums != (route.amount_in, route.amount_out):
        raise InvalidRequest(
            f"the router's route says {route.amount_in} → {route.amount_out}, "
            f"its legs sum to {sums[0]} → {sums[1]}"
        )


def _require_amount(order: Order, route: Route) -> None:
    fixed = route.amount_in if order.mode is Mode.EXACT_IN else route.amount_out
    if fixed != order.amount:
        raise InvalidRequest(f"the chosen route trades {fixed}, the order asks {order.amount}")


def reasons_of(declined: Sequence[Declined]) -> dict[str, str]:
    """Return what was said, by venue and pool, as ``NoRoute`` takes it."""
    return {f"{said.venue} {said.pool}".strip(): said.reason for said in declined}


def require_flow(order: Order, route: Route, pools: Collection[str]) -> None:
    """Check that a strategy's route fills the order: each token is there before it is spent.

    Raises:
        InvalidRequest: a leg uses a pool that was not read, trades nothing, spends what no leg
            before it brings, or leaves that over; a leg brings what one before it has spent, which
            in the end is a cycle and might return another amount than planned; or the totals are
            not those of the legs, or not the order's amount.
    """
    held = {order.sell: 0, order.buy: 0}
    spent: set[str] = set()
    for leg in route.legs:
        spent.add(leg.sell)
        if leg.buy in spent:
            said = f"the strategy's route comes back to {leg.buy} after it was spent"
            raise InvalidRequest(f"{said}: the engine executes no cycles")
        traded = f"{leg.amount_in} {leg.sell} → {leg.amount_out} {leg.buy} on pool {leg.pool!r}"
        if leg.pool not in pools or leg.amount_in < 1 or leg.amount_out < 1:
            raise InvalidRequest(f"the strategy's route trades {traded}, which cannot be")
        held[leg.sell] = held.get(leg.sell, 0) - leg.amount_in
        held[leg.buy] = held.get(leg.buy, 0) + leg.amount_out
        if held[leg.sell] < 0 and leg.sell != order.sell:
            raise InvalidRequest(f"the strategy's route trades {traded}, and has not as much")
    sums = (-held.pop(order.sell), held.pop(order.buy))
    if any(held.values()):
        left = ", ".join(f"{amount} {name}" for name, amount in held.items() if amount)
        raise InvalidRequest(f"the strategy's route leaves {left} over on the way")
    if sums != (route.amount_in, route.amount_out):
        raise InvalidRequest(
            f"the strategy's route says {route.amount_in} → {route.amount_out}, "
            f"its legs come to {sums[0]} → {sums[1]}"
        )
    _require_amount(order, route)


def losers(order: Order, quotes: Sequence[Quote], route: Route) -> tuple[Declined, ...]:
    """Return why each quote outside the route did not win, compared with the best one inside."""
    taken = {leg.pool for leg in route.legs}
    if len(quotes) == 1 and quotes[0].pool in taken:
        return ()
    inside = [net(order, quote) for quote in quotes if quote.pool in taken]
    bar = max(inside, default=None)
    said = []
    for quote in quotes:
        if quote.pool in taken:
            continue
        code, reason = "NOT_CHOSEN", "the router passed it by"
        if quote.amount_out < 1 or quote.amount_in < 1:
            code, reason = "NO_OUTPUT", _PAYS_NOTHING
        elif bar is not None and bar > net(order, quote):
            code, short = "WORSE_PRICE", bar - net(order, quote)
            hundredths = short * 1_000_000 // max(abs(bar), 1)  # of a basis point, rounded down
            reason = f"{hundredths // 100}.{hundredths % 100:02d} bps worse, costs included"
        said.append(
            Declined(
                venue=quote.venue,
                pool=quote.pool,
                code=code,
                reason=reason,
                amount_in=quote.amount_in,
                amount_out=quote.amount_out,
            )
        )
    return tuple(said)
