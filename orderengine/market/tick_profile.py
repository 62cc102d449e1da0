"""Lay liquidity over ticks as concentrated pools hold it: deepest at the price, less further out.

Assumption: at a distance d from the price (in ticks, which are basis points to within 0.005 %)
liquidity is 1 / (1 + d / halves_at) of that at the price, in steps of the pool's tick spacing, and
there is none beyond a width. Real pools are lumpier; what the shape keeps is how much trades within
one per cent, how that grows with distance, and how many ticks a swap crosses. All in integers, so
that every machine opens the same pool.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt

from msgspec import Struct

from orderengine.pools.fixed_point import Q64

__all__ = ["TickProfile", "tick_profile"]

_WEIGHT = 1 << 32


class TickProfile(Struct, frozen=True):
    """Hold liquidity in the range of the price, and how it changes at each tick upwards."""

    liquidity: int
    ticks: tuple[tuple[int, int], ...]
    """(tick, net liquidity), ascending; the nets sum to 0."""


def tick_profile(  # noqa: PLR0913  (a shape and its measures)
    sqrt_at: Callable[[int], int],
    sqrt_price_x64: int,
    depth: int,
    *,
    tick: int,
    spacing: int,
    halves_at: int,
    width: int,
) -> TickProfile:
    """Return ticks that hold ``depth`` of token B from the price down to 1 % below it.

    Args:
        sqrt_at: the program's sqrt price of a tick, Q64.64.
        sqrt_price_x64: the pool's.
        depth: base units of token B; about the same value of token A lies above.
        tick: the tick that holds the price.
        spacing: of the pool's ticks.
        halves_at: ticks from the price at which liquidity is half of that at the price.
        width: ticks from the price beyond which there is none; at least one spacing counts.
    """
    first = tick // spacing * spacing
    reach = max(width // spacing, 1) * spacing
    starts = range(first - reach, first + reach + spacing, spacing)
    weights = [_WEIGHT * halves_at // (halves_at + abs(start - first)) for start in starts]
    # How much of token B one unit of weight holds within 1 %, times 2^64.
    lowest = isqrt(sqrt_price_x64 * sqrt_price_x64 * 99 // 100)
    near_x64 = 0
    for start, weight in zip(starts, weights, strict=True):
        lower = max(sqrt_at(start), lowest)
        upper = min(sqrt_at(start + spacing), sqrt_price_x64)
        near_x64 += weight * max(upper - lower, 0)
    held = [weight * depth * Q64 // near_x64 for weight in weights]
    nets, before = [], 0
    for start, liquidity in zip(starts, held, strict=True):
        nets.append((start, liquidity - before))
        before = liquidity
    nets.append((starts[-1] + spacing, -before))
    ticks = tuple((at, net) for at, net in nets if net)
    return TickProfile(held[starts.index(first)], ticks)
