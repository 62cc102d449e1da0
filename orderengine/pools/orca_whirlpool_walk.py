"""Walk a swap through an Orca Whirlpool step by step, as the program does.

For every pool: adaptive fees, price limits, liquidity so large that the program's products may
overflow. ``orca_whirlpool_quote`` is the short way for the usual case.

Source: orca-so/whirlpools programs/whirlpool/src/manager/swap_manager.rs at 630c0e0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orderengine.errors import InsufficientLiquidity
from orderengine.pools.fixed_point import require_u64_result
from orderengine.pools.orca_whirlpool_fee import AdaptiveRate, ConstantRate
from orderengine.pools.orca_whirlpool_map import PROTOCOL_SHARE_ONE
from orderengine.pools.orca_whirlpool_step import step_in, step_out
from orderengine.pools.orca_whirlpool_swap import (
    OrcaWhirlpoolSwap,
    out_of_liquidity,
    require_payable,
)
from orderengine.pools.orca_whirlpool_ticks import SQRT_PRICE_MAX_X64, SQRT_PRICE_MIN_X64

if TYPE_CHECKING:
    from orderengine.pools.orca_whirlpool import OrcaWhirlpoolPool

__all__ = ["stretches", "walk"]


def walk(
    pool: OrcaWhirlpoolPool,
    a_to_b: bool,
    amount: int,
    now_s: int,
    limit_x64: int | None,
    *,
    exact_in: bool,
) -> OrcaWhirlpoolSwap:
    """Swap an amount; the caller has checked it and the limit.

    Args:
        pool: the pool before.
        a_to_b: whether token A goes in.
        amount: of the input for ``exact_in``, or else of the output.
        now_s: Unix seconds.
        limit_x64: the sqrt price to stop at, leaving the rest of the amount; None to refuse a swap
            that is not filled.
        exact_in: whether ``amount`` is an input.

    Raises:
        InsufficientLiquidity: the known liquidity or the vault is not enough, or trading has not
            been enabled yet.
        AmountOverflow: the program's integers cannot hold a result.
    """
    rates = _rates(pool, a_to_b, amount, now_s)
    take_step = step_in if exact_in else step_out
    way, start = pool.ahead(a_to_b)
    sign = -1 if a_to_b else 1
    bound = SQRT_PRICE_MIN_X64 if a_to_b else SQRT_PRICE_MAX_X64
    limit = bound if limit_x64 is None else limit_x64
    left, at, price, liquidity = amount, start, pool.sqrt_price_x64, pool.liquidity
    tick: int | None = pool.tick_current
    calculated = fee = protocol_fee = 0
    while left and price != limit:
        if at == len(way.keys):
            raise out_of_liquidity(pool, a_to_b, amount, amount - left)
        next_price, next_tick = way.prices_x64[at], way.keys[at] * sign
        target = max(next_price, limit) if a_to_b else min(next_price, limit)
        while True:
            rate = rates.enter_group()
            net, out, end, step_fee = take_step(
                left, rate, liquidity, price, rates.bound(target, liquidity)
            )
            fee += step_fee
            protocol_fee += step_fee * pool.protocol_fee_rate // PROTOCOL_SHARE_ONE
            spent, gained = (net + step_fee, out) if exact_in else (out, net + step_fee)
            left -= spent
            calculated += gained
            if end == next_price:
                tick, liquidity = way.landing_ticks[at], way.liquidities[at]
                at += 1
            elif end != price:
                tick = None
            price = end
            rates.leave_group(price, next_price, next_tick)
            if not left or price == target:
                break
    if left and limit_x64 is None:
        raise out_of_liquidity(pool, a_to_b, amount, amount - left)
    amount_in, amount_out = amount - left, calculated
    if not exact_in:
        amount_in, amount_out = amount_out, amount_in
    require_u64_result("amount_in", amount_in)
    require_u64_result("amount_out", amount_out)
    require_payable(pool, a_to_b, amount_out)
    return OrcaWhirlpoolSwap(
        pool,
        a_to_b,
        amount_in,
        amount_out,
        fee,
        protocol_fee,
        rates.lowest,
        rates.highest,
        price,
        liquidity,
        way.crossed[at] - way.crossed[start],
        left > 0,
        tick,
        rates.after(pool.sqrt_price_x64, price),
    )


def stretches(
    pool: OrcaWhirlpoolPool, a_to_b: bool, now_s: int
) -> Iterator[tuple[int, int, int, int]]:
    """Yield (start, end, liquidity, fee rate) of each step that a swap without end would take.

    Start and end are sqrt prices. Steps that move nothing are left out. Nothing is yielded before
    trading is enabled.
    """
    try:
        rates = _rates(pool, a_to_b, 1, now_s)
    except InsufficientLiquidity:
        return
    way, start = pool.ahead(a_to_b)
    sign = -1 if a_to_b else 1
    price, liquidity = pool.sqrt_price_x64, pool.liquidity
    for at in range(start, len(way.keys)):
        target, tick = way.prices_x64[at], way.keys[at] * sign
        while True:
            rate = rates.enter_group()
            end = rates.bound(target, liquidity)
            if liquidity and end != price:
                yield price, end, liquidity, rate
            price = end
            rates.leave_group(price, target, tick)
            if price == target:
                break
        liquidity = way.liquidities[at]


def _rates(
    pool: OrcaWhirlpoolPool, a_to_b: bool, amount: int, now_s: int
) -> AdaptiveRate | ConstantRate:
    """Return what sets the rate of a swap."""
    fee = pool.adaptive_fee
    if fee is None:
        return ConstantRate(pool.fee_rate)
    if now_s < fee.trade_enable_timestamp:
        error = InsufficientLiquidity(pool.address, amount, 0)
        error.args = (f"{error}: it trades from {fee.trade_enable_timestamp} (Unix seconds) on",)
        raise error
    return AdaptiveRate(fee, pool.fee_rate, pool.tick_current, a_to_b, now_s)
