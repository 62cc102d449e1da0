"""Describe what a pool pays as pieces of its price curve: what a router merges and searches.

Theory. Write a pool's curve in the direction of the swap: its price p in units of output for one
unit of input, after all fees, as the next unit is traded. Two shapes of piece exist.

- On a curve (a constant product, or a range between two ticks) the input is linear in 1 / sqrt(p):

      in(p)  = liquidity * (1 / sqrt(p) - 1 / sqrt(price_start))
      out(p) = liquidity * (sqrt(price_start) - sqrt(p))

  A fee that keeps g of the input and h of the output only scales: a curve of liquidity L and price
  P before fees has liquidity L * sqrt(h / g) and price P * g * h after them.
- In a bin the price stands still, and ``liquidity`` is 0.

These are real numbers in double precision (about 15 digits), for searching: rounding is left out,
so a piece pays a little more than the program does, never less than it by more than that precision.
What a route states is then computed by the pools themselves, in integers.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, sqrt

from msgspec import Struct

from orderengine.errors import InvalidAmount, Rejected
from orderengine.pools.base import Direction, Pool, Segment
from orderengine.pools.fixed_point import Q64, U64_MAX

__all__ = [
    "Depth",
    "bin_segment",
    "curve_segment",
    "depth_within",
    "marginal_price_x64",
    "output_of",
]


class Depth(Struct, frozen=True):
    """Hold what a pool trades before its price after fees has moved by so many basis points."""

    amount_in: int
    amount_out: int


def curve_segment(
    liquidity: float, root_start: float, root_end: float, keep_in: float, keep_out: float
) -> Segment:
    """Return a piece of curve.

    Args:
        liquidity: before fees: sqrt(x * y), or a tick range's liquidity, in base units.
        root_start: sqrt of the price before fees at its start, output a unit of input.
        root_end: at its end, not above ``root_start``; 0 if it never ends.
        keep_in: what fees leave of the input, above 0 and at most 1.
        keep_out: what fees leave of the output.
    """
    kept = keep_in * keep_out
    return Segment(
        root_start * root_start * kept,
        root_end * root_end * kept,
        liquidity * sqrt(keep_out / keep_in),
        liquidity * (1 / root_end - 1 / root_start) / keep_in if root_end else inf,
        liquidity * (root_start - root_end) * keep_out,
    )


def bin_segment(price: float, amount_in: float, amount_out: float) -> Segment:
    """Return a piece of one price (after fees), with all that it takes and pays (after fees)."""
    return Segment(price, price, 0.0, amount_in, amount_out)


def output_of(segments: Iterable[Segment], amount_in: float) -> float:
    """Return what pieces pay for an input, traded in turn; what they cannot take pays nothing."""
    paid, left = 0.0, amount_in
    for segment in segments:
        if left >= segment.amount_in:
            paid += segment.amount_out
            left -= segment.amount_in
            continue
        if segment.liquidity:
            root = sqrt(segment.price_start)
            # liquidity * (root - 1 / (1 / root + left / liquidity)), without the cancellation.
            return paid + left * root * root / (1 + left * root / segment.liquidity)
        return paid + left * segment.price_start
    return paid


def marginal_price_x64(pool: Pool, direction: Direction, now_s: int) -> int:
    """Return the price of the first unit after all fees, B per A in Q64.64; 0 if none trades.

    Selling A earns less than ``price_x64`` by the fee, selling B pays more than it. About 15 digits
    are right; the rest is rounded towards the pool's good.
    """
    first = next(iter(pool.segments(direction, now_s)), None)
    if first is None or not first.price_start:
        return 0
    if direction is Direction.A_TO_B:
        return int(first.price_start * Q64)
    return -int(-Q64 / first.price_start // 1)


def depth_within(pool: Pool, direction: Direction, bps: int, now_s: int) -> Depth:
    """Return what trades before the price after fees is ``bps`` worse than that of the first unit.

    In a pool of bins that is every bin within the limit, whole. An input above u64 counts as u64's
    maximum, and (0, 0) is the depth of a pool that does not trade at all in this direction.

    Args:
        pool: the pool.
        direction: which token is sold.
        bps: basis points, from 1 to 9999.
        now_s: Unix seconds.

    Raises:
        InvalidAmount: ``bps`` is outside its range.
    """
    if not 1 <= bps <= 9_999:
        raise InvalidAmount("bps", bps, "from 1 to 9999 basis points")
    price_x64 = marginal_price_x64(pool, direction, now_s)
    if direction is Direction.A_TO_B:
        limit_x64 = price_x64 * (10_000 - bps) // 10_000
    else:
        limit_x64 = price_x64 * 10_000 // (10_000 - bps)
    if not price_x64:
        return Depth(0, 0)
    amount_in = min(pool.amount_in_to_price(direction, limit_x64, now_s), U64_MAX)
    if not amount_in:
        return Depth(0, 0)
    try:
        swap = pool.swap_exact_in(direction, amount_in, now_s)
    except (InvalidAmount, Rejected):
        return Depth(0, 0)
    return Depth(swap.amount_in, swap.amount_out)
