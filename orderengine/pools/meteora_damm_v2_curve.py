"""Move the price of a Meteora DAMM v2 pool and count what that takes, as the program rounds it.

Theory. All liquidity lies in one range of prices. With L the liquidity and p the square root of the
price (B per A, Q64.64), selling A moves p down and buying A moves it up:

    amount A between p1 < p2 = L * (p2 - p1) / (p1 * p2)        one division, so one rounding
    amount B between p1 < p2 = L * (p2 - p1) / 2^128

L is scaled so that p in Q64.64 needs no further factor. Amounts that come in are ceiled and amounts
that go out floored; the next price is rounded so that it never moves further than was paid for.

Source: MeteoraAg/damm-v2 programs/cp-amm/src/liquidity_handler/concentrated_liquidity.rs at
a3d3827.
"""

from __future__ import annotations

from orderengine.pools.fixed_point import U128_MAX, mul_div_ceil, mul_div_floor

__all__ = [
    "amount_a_ceil",
    "amount_a_floor",
    "amount_b_ceil",
    "amount_b_floor",
    "sqrt_price_after_in_a",
    "sqrt_price_after_in_b",
    "sqrt_price_after_out_a",
    "sqrt_price_after_out_b",
]

_SCALE_BITS = 128
_SCALE = 1 << _SCALE_BITS


def amount_a_floor(liquidity: int, lower: int, upper: int) -> int:
    """Return the token A between two square-root prices, rounded down; ``lower`` is above 0."""
    return mul_div_floor(liquidity, upper - lower, lower * upper)


def amount_a_ceil(liquidity: int, lower: int, upper: int) -> int:
    """Return the token A between two square-root prices, rounded up; ``lower`` is above 0."""
    return mul_div_ceil(liquidity, upper - lower, lower * upper)


def amount_b_floor(liquidity: int, lower: int, upper: int) -> int:
    """Return the token B between two square-root prices, rounded down."""
    return liquidity * (upper - lower) >> _SCALE_BITS


def amount_b_ceil(liquidity: int, lower: int, upper: int) -> int:
    """Return the token B between two square-root prices, rounded up."""
    return mul_div_ceil(liquidity, upper - lower, _SCALE)


def sqrt_price_after_in_a(liquidity: int, sqrt_price: int, amount: int) -> int:
    """Return the lower price after A came in, rounded up; ``liquidity`` is above 0."""
    return mul_div_ceil(liquidity, sqrt_price, liquidity + amount * sqrt_price)


def sqrt_price_after_in_b(liquidity: int, sqrt_price: int, amount: int) -> int:
    """Return the higher price after B came in, rounded down; ``liquidity`` is above 0."""
    return sqrt_price + mul_div_floor(amount, _SCALE, liquidity)


def sqrt_price_after_out_a(liquidity: int, sqrt_price: int, amount: int) -> int:
    """Return the higher price after A went out, rounded up; above u128 if no price gives so much.

    Rounding up means that a little more A than wanted is paid for.
    """
    left = liquidity - amount * sqrt_price
    return mul_div_ceil(liquidity, sqrt_price, left) if left > 0 else U128_MAX + 1


def sqrt_price_after_out_b(liquidity: int, sqrt_price: int, amount: int) -> int:
    """Return the lower price after B went out, rounded down; below 0 if no price gives so much."""
    return sqrt_price - mul_div_ceil(amount, _SCALE, liquidity)
