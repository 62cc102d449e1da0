"""Find where an Orca Whirlpool reaches a price, and describe its curve in real numbers."""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt, sqrt
from typing import TYPE_CHECKING

from orderengine.pools.base import Segment
from orderengine.pools.fixed_point import U64_MAX, mul_div_ceil, mul_div_floor
from orderengine.pools.orca_whirlpool_step import (
    FEE_RATE_ONE,
    amount_a_ceil,
    amount_a_floor,
    amount_b_ceil,
    amount_b_floor,
    fee_on_top,
)
from orderengine.pools.orca_whirlpool_walk import stretches

if TYPE_CHECKING:
    from orderengine.pools.orca_whirlpool import OrcaWhirlpoolPool

__all__ = ["amount_in_to_price", "curve_pieces"]

_Q64, _Q128 = 1 << 64, 1 << 128


def amount_in_to_price(
    pool: OrcaWhirlpoolPool, a_to_b: bool, limit_price_x64: int, now_s: int
) -> int:
    """Return the largest input whose last unit still trades at the limit or better.

    Within a stretch of the curve the limit is the sqrt price s with, in integers,

        s = ceil(sqrt(limit * 2^64 / (1 - f))), A to B
        s = floor(sqrt(limit * 2^64 * (1 - f))), B to A

    A stretch that stays within its limit costs what the program charges for it; of the one that
    passes it, the input is the largest whose net does not move the price past s.
    """
    total = 0
    for start, end, liquidity, rate in stretches(pool, a_to_b, now_s):
        kept = FEE_RATE_ONE - rate
        if a_to_b:
            square = mul_div_ceil(limit_price_x64 << 64, FEE_RATE_ONE, kept)
            limit = isqrt(square - 1) + 1 if square else 0  # the root, ceiled
            is_within, is_whole = start > limit, end >= limit
        else:
            limit = isqrt(mul_div_floor(limit_price_x64 << 64, kept, FEE_RATE_ONE))
            is_within, is_whole = start < limit, end <= limit
        if not is_within:
            break
        if is_whole:
            if a_to_b:
                net = amount_a_ceil(liquidity, end, start)
            else:
                net = amount_b_ceil(liquidity, start, end)
            total += net + fee_on_top(net, rate)
            if total >= U64_MAX:
                return U64_MAX
            continue
        if a_to_b:
            net = amount_a_floor(liquidity, limit, start)
        else:
            net = amount_b_floor(liquidity, start, limit)
        # floor(in * kept) <= net is in * kept < net + 1: the largest such in.
        total += mul_div_ceil(net + 1, FEE_RATE_ONE, kept) - 1
        break
    return min(total, U64_MAX)


def curve_pieces(pool: OrcaWhirlpoolPool, a_to_b: bool, now_s: int) -> Iterator[Segment]:
    """Yield a piece for each stretch of one liquidity and one fee rate, gaps left out.

    Amounts are divided as integers first, because the difference of two near doubles is not exact.
    """
    joined: tuple[int, int, int, int] | None = None
    for start, end, liquidity, rate in stretches(pool, a_to_b, now_s):
        if joined is not None:
            if joined[1:] == (start, liquidity, rate):
                joined = joined[0], end, liquidity, rate
                continue
            yield _piece(a_to_b, *joined)
        joined = start, end, liquidity, rate
    if joined is not None:
        yield _piece(a_to_b, *joined)


def _piece(a_to_b: bool, start: int, end: int, liquidity: int, rate: int) -> Segment:
    kept = (FEE_RATE_ONE - rate) / FEE_RATE_ONE
    amount_a = (liquidity * abs(start - end) << 64) / (start * end)
    amount_b = liquidity * abs(start - end) / _Q64
    if a_to_b:
        first, last = start * start / _Q128, end * end / _Q128
        amount_in, amount_out = amount_a, amount_b
    else:
        first, last = _Q128 / (start * start), _Q128 / (end * end)
        amount_in, amount_out = amount_b, amount_a
    return Segment(first * kept, last * kept, liquidity / sqrt(kept), amount_in / kept, amount_out)
