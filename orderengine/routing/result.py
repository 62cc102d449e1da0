"""Make a route of what was decided, and say why pools were left out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import ceil, floor

from orderengine.model.order import Declined, Leg, Route
from orderengine.pools import Pool, Swap, tokens_of
from orderengine.pools.units import symbol_of
from orderengine.routing.costs import network_cost
from orderengine.routing.ladder import Ladder
from orderengine.routing.request import Request

__all__ = ["LegSwap", "bound_above", "bound_below", "floor_of", "left_out", "route_of_swaps"]

LegSwap = tuple[Ladder, Swap]
"""A pool in a direction, and what it does there."""

_PRECISION = 4e-12
"""Relative. Doubles hold 16 digits; a piece of one tick, the difference of two numbers that agree
in five, is exact to 11 or 12, and so are sums over pieces."""


def bound_above(value: float, gross: float = 0.0) -> int:
    """Return an integer that a computed maximum is not above, as sharp as doubles allow.

    ``gross`` is what the value is a difference of, where that is larger.
    """
    return floor(value + max(value, gross) * _PRECISION)


def bound_below(value: float, gross: float = 0.0) -> int:
    """Return an integer that a computed minimum is not below; as ``bound_above``."""
    return ceil(value - max(value, gross) * _PRECISION)


def floor_of(value: float) -> int:
    """Return an integer that is not above what a computed value stands for."""
    return floor(value * (1 - _PRECISION))


def route_of_swaps(  # noqa: PLR0913  (by name)
    request: Request,
    swaps: Sequence[LegSwap],
    *,
    amount_in: int,
    amount_out: int,
    bound: int,
    first_price: float,
    left_out: tuple[Declined, ...],
    net_bound: int | None = None,
) -> Route:
    """Return the route of swaps in the order in which they execute, with what it costs.

    Args:
        request: what was asked.
        swaps: the legs.
        amount_in: what the order pays in all.
        amount_out: what it receives in all.
        bound: as in ``Route``.
        first_price: of the first unit after fees, buy units a sell unit.
        left_out: the pools not used.
        net_bound: as in ``Route``, or looser than ``bound`` allows.
    """
    costs, cost = request.terms.costs, None
    if costs is not None:
        cost = network_cost(costs, [ladder.pool.venue for ladder, _ in swaps])
    # What was reached is possible, and no cost is below nothing: a bound beyond either would be an
    # error of the last digit.
    if request.is_exact_in:
        bound = max(bound, amount_out)
        if net_bound is not None:
            net_bound = max(min(net_bound, bound), amount_out - (cost or 0))
            net_bound = net_bound if net_bound > 0 else None
    else:
        bound = min(bound, amount_in)
        if net_bound is not None:
            net_bound = min(max(net_bound, bound), amount_in + (cost or 0))
    return Route(
        legs=tuple([_leg(ladder, swap) for ladder, swap in swaps]),
        amount_in=amount_in,
        amount_out=amount_out,
        slot=request.view.slot,
        mode=request.mode,
        bound=bound,
        price_x64=int(first_price * 2.0**64),
        network_cost=cost,
        net_bound=net_bound,
        left_out=left_out,
    )


def _leg(ladder: Ladder, swap: Swap) -> Leg:
    pool = ladder.pool
    sell, buy = tokens_of(pool, ladder.direction)
    return Leg(
        pool=pool.address,
        venue=pool.venue,
        sell=symbol_of(sell),
        buy=symbol_of(buy),
        amount_in=swap.amount_in,
        amount_out=swap.amount_out,
        fee_in=swap.fee_in,
        fee_out=swap.fee_out,
    )


def left_out(
    pools: Sequence[Ladder], used: Collection[str], last_s: float, why: str
) -> tuple[Declined, ...]:
    """Say of each pool of a pair that no leg uses why not.

    Args:
        pools: all that were asked.
        used: addresses of those that have a leg.
        last_s: 1 / sqrt(price) at which the route's last unit trades.
        why: what is said of a pool that would trade at a better price than that.
    """
    said = []
    for ladder in pools:
        pool = ladder.pool
        if pool.address in used:
            continue
        start = ladder.start
        if not ladder.columns.starts:
            code, reason = "NO_LIQUIDITY", "holds nothing to pay with in this direction"
        elif start > last_s:
            bps = 1e4 * (1 - (last_s / start) ** 2)
            code, reason = "WORSE_PRICE", f"its first unit is {bps:.2f} bps worse than the last"
        else:
            code, reason = "NOT_CHOSEN", why
        said.append(declined(pool, code, reason))
    return tuple(said)


def declined(pool: Pool, code: str, reason: str) -> Declined:
    """Return why a pool is left out."""
    return Declined(venue=pool.venue, pool=pool.address, code=code, reason=reason)
