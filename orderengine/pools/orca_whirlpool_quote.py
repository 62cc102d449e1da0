"""Swap on an Orca Whirlpool of constant fee rate, in two steps whatever the number of ticks.

Theory. The first range is computed from where the price stands. If the amount passes it, the sums
of the liquidity map say in which range it ends, and that range is computed. A range is passed if
the amount pays for all of it. With the program's rounding (a next price is ceiled for A and floored
for B) that is so exactly if the next price from the whole net input reaches the boundary.
The wanted output of exact_out passes a range if it is not below all that the range pays, floored.

``orca_whirlpool_walk`` goes step by step as the program does, for every pool; the two agree to the
unit wherever this one applies: constant rate, no price limit, and a liquidity below 2^96, under
which the program's products cannot overflow.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from orderengine.pools.fixed_point import U64_MAX, require_u64_result
from orderengine.pools.orca_whirlpool_map import PROTOCOL_SHARE_ONE, Way
from orderengine.pools.orca_whirlpool_step import (
    FEE_RATE_ONE,
    amounts_between,
    fee_on_top,
    price_after_in,
    price_after_out,
)
from orderengine.pools.orca_whirlpool_swap import (
    OrcaWhirlpoolSwap,
    out_of_liquidity,
    require_payable,
)

if TYPE_CHECKING:
    from orderengine.pools.orca_whirlpool import OrcaWhirlpoolPool

__all__ = ["quote_exact_in", "quote_exact_out"]


def quote_exact_in(pool: OrcaWhirlpoolPool, a_to_b: bool, amount: int) -> OrcaWhirlpoolSwap:
    """Swap all of an input; the caller has checked amount and pool.

    Raises:
        InsufficientLiquidity: the known liquidity takes less, or the vault holds too little.
        AmountOverflow: the output is above u64.
    """
    rate = pool.fee_rate
    kept = FEE_RATE_ONE - rate
    liquidity, price = pool.liquidity, pool.sqrt_price_x64
    tick: int | None = pool.tick_current
    way, start = pool.ahead(a_to_b)
    if start == len(way.keys):
        raise out_of_liquidity(pool, a_to_b, amount, 0)
    at, left = start, amount
    amount_out = fee = protocol_fee = 0
    end = target = way.prices_x64[start]
    if liquidity:
        end = price_after_in(liquidity, price, amount * kept // FEE_RATE_ONE, a_to_b)
    if end <= target if a_to_b else end >= target:
        at, left, amount_out, fee, protocol_fee = _pass_ranges(
            pool, way, start, amount, exact_in=True
        )
        if left:
            # The range before boundary ``at`` costs more than what is left: the swap ends in it.
            price, tick = way.prices_x64[at - 1], way.landing_ticks[at - 1]
            liquidity = way.liquidities[at - 1]
            end = price_after_in(liquidity, price, left * kept // FEE_RATE_ONE, a_to_b)
    if left:
        net, out = amounts_between(liquidity, price, end, a_to_b)
        amount_out += out
        last_fee = left - net
        fee += last_fee
        protocol_fee += last_fee * pool.protocol_fee_rate // PROTOCOL_SHARE_ONE
        if end != price:
            tick = None
    else:
        end, tick, liquidity = way.prices_x64[at], way.landing_ticks[at], way.liquidities[at]
        at += 1
    if amount_out > U64_MAX:
        require_u64_result("amount_out", amount_out)
    require_payable(pool, a_to_b, amount_out)
    return OrcaWhirlpoolSwap(
        pool,
        a_to_b,
        amount,
        amount_out,
        fee,
        protocol_fee,
        rate,
        rate,
        end,
        liquidity,
        way.crossed[at] - way.crossed[start],
        False,
        tick,
        None,
    )


def quote_exact_out(pool: OrcaWhirlpoolPool, a_to_b: bool, amount: int) -> OrcaWhirlpoolSwap:
    """Swap as little as pays for an output; the caller has checked amount and pool.

    Raises:
        InsufficientLiquidity: the known liquidity pays less, or the vault holds too little.
        AmountOverflow: the input is above u64.
    """
    rate = pool.fee_rate
    liquidity, price = pool.liquidity, pool.sqrt_price_x64
    way, start = pool.ahead(a_to_b)
    if start == len(way.keys):
        raise out_of_liquidity(pool, a_to_b, amount, 0)
    at, left = start, amount
    amount_in = fee = protocol_fee = 0
    end = way.prices_x64[start]
    if amounts_between(liquidity, price, end, a_to_b)[1] <= amount:
        at, left, amount_in, fee, protocol_fee = _pass_ranges(
            pool, way, start, amount, exact_in=False
        )
        end = way.prices_x64[at]
        if left:
            price, liquidity = way.prices_x64[at - 1], way.liquidities[at - 1]
    if left:
        end = price_after_out(liquidity, price, left, a_to_b)
        net, out = amounts_between(liquidity, price, end, a_to_b)
        if out > U64_MAX:
            # As in ``step_out``: a last place of the price that is worth more than is left.
            require_u64_result("amount_out", out)
        last_fee = fee_on_top(net, rate)
        fee += last_fee
        protocol_fee += last_fee * pool.protocol_fee_rate // PROTOCOL_SHARE_ONE
        amount_in += net + last_fee
    tick = None
    if end == way.prices_x64[at]:
        tick, liquidity = way.landing_ticks[at], way.liquidities[at]
        at += 1
    if amount_in > U64_MAX:
        require_u64_result("amount_in", amount_in)
    require_payable(pool, a_to_b, amount)
    return OrcaWhirlpoolSwap(
        pool,
        a_to_b,
        amount_in,
        amount,
        fee,
        protocol_fee,
        rate,
        rate,
        end,
        liquidity,
        way.crossed[at] - way.crossed[start],
        False,
        tick,
        None,
    )


def _pass_ranges(
    pool: OrcaWhirlpoolPool, way: Way, start: int, amount: int, *, exact_in: bool
) -> tuple[int, int, int, int, int]:
    """Pass the first range and all after it that the amount suffices for.

    Returns:
        (boundary at which the amount is used up or else in front of which it ends, what is left of
        the amount, sum of the other token, fee, protocol's part); sums are of the ranges passed.

    Raises:
        InsufficientLiquidity: something is left at the last boundary.
    """
    target, share = way.prices_x64[start], pool.protocol_fee_rate
    a_to_b = way is pool.liquidity_map.down
    net, out = amounts_between(pool.liquidity, pool.sqrt_price_x64, target, a_to_b)
    fee = fee_on_top(net, pool.fee_rate)
    protocol_fee = fee * share // PROTOCOL_SHARE_ONE
    spent, gained, spending, gaining = net + fee, out, way.costs, way.outputs
    if not exact_in:
        spent, gained, spending, gaining = gained, spent, gaining, spending
    if spent == amount:
        return start, 0, gained, fee, protocol_fee
    goal = spending[start] + amount - spent
    at = bisect_left(spending, goal, start)
    if at == len(spending):
        raise out_of_liquidity(pool, a_to_b, amount, amount - goal + spending[-1])
    passed = at if spending[at] == goal else at - 1
    return (
        at,
        goal - spending[passed],
        gained + gaining[passed] - gaining[start],
        fee + way.fees[passed] - way.fees[start],
        protocol_fee + way.protocol_fees[passed] - way.protocol_fees[start],
    )
