"""Describe the way ahead of a Raydium CLMM pool: pieces of curve, and how much leads to a price.

The pieces are those that a swap without end would meet, each at one liquidity and one fee rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isqrt, sqrt

from msgspec import Struct

from orderengine.pools.base import Segment
from orderengine.pools.fixed_point import Q64, U64_MAX, mul_div_ceil, mul_div_floor
from orderengine.pools.raydium_clmm_fee import FEE_RATE_ONE
from orderengine.pools.raydium_clmm_ladder import ClmmLadder
from orderengine.pools.raydium_clmm_step import amounts_between
from orderengine.pools.raydium_clmm_walk import GroupFee, default_limit

__all__ = ["Piece", "amount_in_to_price", "pieces", "segments_of"]


class Piece(Struct, frozen=True, gc=False):
    """Hold a move between two square roots of price, Q64.64, in the direction of a swap."""

    start: int
    end: int
    liquidity: int
    rate: int
    """Of the fee, in parts per million."""
    is_end_open: bool
    """Whether a swap may come near the end but not reach it: the ticks are not known beyond."""


def pieces(ladder: ClmmLadder, group_fee: GroupFee, root: int, tick: int) -> Iterator[Piece]:
    """Yield what a swap from here meets until the ladder ends; ``group_fee`` is used up."""
    a_to_b = group_fee.a_to_b
    place, limit = ladder.range_of(tick), default_limit(a_to_b)
    while True:
        stop = place - 1 if a_to_b else place
        if not 0 <= stop < len(ladder.ticks):
            return
        target = max(ladder.roots[stop], limit) if a_to_b else min(ladder.roots[stop], limit)
        liquidity = ladder.liquidity[place]
        while True:
            end, _ = group_fee.bound(liquidity, target)
            if root != end:
                is_end_open = end == target and ladder.is_bound(stop)
                yield Piece(root, end, liquidity, group_fee.rate, is_end_open)
                root = end
            group_fee.advance(liquidity, ladder.ticks[stop])
            if root == target:
                break
        if root == limit:
            return
        place += -1 if a_to_b else 1


def amount_in_to_price(
    ahead: Iterable[Piece], limit_price_x64: int, a_to_b: bool, fee_on_input: bool
) -> int:
    """Return the largest input, never above u64, that trades no unit beyond a price after fees.

    Args:
        ahead: the pieces, in order.
        limit_price_x64: B per A in Q64.64, not negative.
        a_to_b: whether token A goes in.
        fee_on_input: whether the fee is charged in that token.
    """
    total = 0
    for piece in ahead:
        keep = FEE_RATE_ONE - piece.rate
        if a_to_b:
            # root^2 * keep >= limit, and roots are integers: the least is a ceiled square root.
            square = mul_div_ceil(limit_price_x64, Q64 * FEE_RATE_ONE, keep)
            bound = isqrt(square - 1) + 1 if square else 0
            is_worse, is_whole = piece.start <= bound, piece.end >= bound
        else:
            bound = isqrt(mul_div_floor(limit_price_x64, Q64 * keep, FEE_RATE_ONE))
            is_worse, is_whole = piece.start >= bound, piece.end <= bound
        if is_worse or not (piece.liquidity or is_whole):
            # Where there is no liquidity any input leads to the end.
            break
        end = piece.end if is_whole else bound
        low, high = (end, piece.start) if a_to_b else (piece.start, end)
        net_in, _ = amounts_between(piece.liquidity, low, high, a_to_b)  # ceiled
        if is_whole and not piece.is_end_open:
            total += mul_div_ceil(net_in, FEE_RATE_ONE, keep) if fee_on_input else net_in
        else:
            # The largest net input that does not reach the end, or does not pass it.
            if is_whole:
                net_in -= 1
            else:
                net_in = _floored(piece.liquidity, low, high, a_to_b)
            # floor(in * keep) <= net is in * keep < net + 1: the largest such in.
            if fee_on_input:
                net_in = mul_div_ceil(net_in + 1, FEE_RATE_ONE, keep) - 1
            total += max(net_in, 0)
        if total >= U64_MAX:
            return U64_MAX
        if not is_whole or piece.is_end_open:
            break
    return total


def segments_of(ahead: Iterable[Piece], a_to_b: bool, fee_on_input: bool) -> Iterator[Segment]:
    """Yield the pieces that pay as real numbers, neighbours of one rate and liquidity joined."""
    start: Piece | None = None
    end = 0
    for piece in ahead:
        if start is not None:
            if (piece.rate, piece.liquidity) == (start.rate, start.liquidity):
                end = piece.end
                continue
            yield _segment(start, end, a_to_b, fee_on_input)
        start, end = (piece, piece.end) if piece.liquidity else (None, 0)
    if start is not None:
        yield _segment(start, end, a_to_b, fee_on_input)


def _segment(piece: Piece, end: int, a_to_b: bool, fee_on_input: bool) -> Segment:
    keep = 1 - piece.rate / FEE_RATE_ONE
    keep_in, keep_out = (keep, 1.0) if fee_on_input else (1.0, keep)
    low, high = (end, piece.start) if a_to_b else (piece.start, end)
    # Divided as integers: the difference of two near roots would lose a double's digits.
    moved_x64 = piece.liquidity * (high - low)
    amount_a, amount_b = (moved_x64 << 64) / (low * high), moved_x64 / Q64
    amount_in, amount_out = (amount_a, amount_b) if a_to_b else (amount_b, amount_a)
    root_start, root_end = piece.start / Q64, end / Q64
    if not a_to_b:
        root_start, root_end = 1 / root_start, 1 / root_end
    return Segment(
        root_start * root_start * keep,
        root_end * root_end * keep,
        piece.liquidity * sqrt(keep_out / keep_in),
        amount_in / keep_in,
        amount_out * keep_out,
    )


def _floored(liquidity: int, low: int, high: int, a_to_b: bool) -> int:
    moved_x64 = liquidity * (high - low)
    return (moved_x64 << 64) // (low * high) if a_to_b else moved_x64 >> 64
