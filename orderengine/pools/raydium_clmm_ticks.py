"""Turn ticks into square roots of prices and back, as Raydium CLMM does.

Theory. Tick t stands for the price 1.0001^t; a pool works with its square root in Q64.64. The
program multiplies one published 64-bit factor for each bit of the tick without its sign, which is
2^64 / 1.0001^(2^(bit - 1)), floors each product, and inverts the result for a positive tick. Other
programs have other tables: the results differ in the last digits.

Source: programs/amm/src/libraries/tick_math.rs of raydium-io/raydium-clmm at 03b44b7 (the
factors), and TickUtil of @raydium-io/raydium-sdk-v2 0.2.73-alpha (observed results).
"""

from __future__ import annotations

from math import log

from orderengine.errors import InvalidData
from orderengine.pools.fixed_point import Q64, U128_MAX

__all__ = [
    "SQRT_PRICE_MAX",
    "SQRT_PRICE_MIN",
    "TICK_MAX",
    "TICK_MIN",
    "sqrt_price_at_tick",
    "tick_at_sqrt_price",
]

TICK_MAX = 443_636
TICK_MIN = -TICK_MAX
SQRT_PRICE_MIN = 4_295_048_016
"""Of the lowest tick, in Q64.64."""
SQRT_PRICE_MAX = 79_226_673_521_066_979_257_578_248_091
"""Of the highest tick; a pool's own price stays below it."""

_FACTORS = (
    0xFFFCB933BD6FB800,
    0xFFF97272373D4000,
    0xFFF2E50F5F657000,
    0xFFE5CACA7E10F000,
    0xFFCB9843D60F7000,
    0xFF973B41FA98E800,
    0xFF2EA16466C9B000,
    0xFE5DEE046A9A3800,
    0xFCBE86C7900BB000,
    0xF987A7253AC65800,
    0xF3392B0822BB6000,
    0xE7159475A2CAF000,
    0xD097F3BDFD2F2000,
    0xA9F746462D9F8000,
    0x70D869A156F31C00,
    0x31BE135F97ED3200,
    0x09AA508B5B85A500,
    0x005D6AF8DEDC582C,
    0x00002216E584F5FA,
)
"""2^64 / 1.0001^(2^(bit - 1)) for each bit of a tick, as the program has them."""


def _products_of_low_bits(bits: int) -> tuple[int, ...]:
    """Return the ratio of every number of so many bits: the first half of the work, done once."""
    products = [Q64]
    for factor in _FACTORS[:bits]:
        products += [product * factor >> 64 for product in products]
    return tuple(products)


_LOW_BITS = 8
_LOW_PRODUCTS = _products_of_low_bits(_LOW_BITS)
_LOW_MASK = (1 << _LOW_BITS) - 1
_HIGH_FACTORS = tuple((1 << bit, factor) for bit, factor in enumerate(_FACTORS) if bit >= _LOW_BITS)

_TICKS_OF_ONE_E = 2 / log(1.0001)
_LOG_ONE = log(Q64)
_DOUBT = 0.001
"""How near a tick, in ticks, an estimate is checked. Flooring at the lowest price errs by 2^-32 of
it, which is 0.00001 ticks, and the logarithm of doubles by far less."""


def sqrt_price_at_tick(tick: int) -> int:
    """Return the square root of a tick's price in Q64.64.

    Raises:
        InvalidData: the tick is outside -443636 to 443636.
    """
    distance = -tick if tick < 0 else tick
    if distance > TICK_MAX:
        raise InvalidData("a tick", str(tick), f"from {TICK_MIN} to {TICK_MAX}")
    ratio = _LOW_PRODUCTS[distance & _LOW_MASK]
    for bit, factor in _HIGH_FACTORS:
        if distance & bit:
            ratio = ratio * factor >> 64
    return U128_MAX // ratio if tick > 0 else ratio


def tick_at_sqrt_price(sqrt_price_x64: int) -> int:
    """Return the greatest tick whose square root of price is not above this one.

    The logarithm of a double says it but next to a tick's own price; there the price is computed.

    Raises:
        InvalidData: the price is below the lowest tick's or not below the highest tick's.
    """
    if not SQRT_PRICE_MIN <= sqrt_price_x64 < SQRT_PRICE_MAX:
        raise InvalidData(
            "a square root of a price",
            str(sqrt_price_x64),
            f"from {SQRT_PRICE_MIN} to {SQRT_PRICE_MAX - 1}",
        )
    estimate = (log(sqrt_price_x64) - _LOG_ONE) * _TICKS_OF_ONE_E
    tick = int(estimate // 1)
    part = estimate - tick
    if part > 1 - _DOUBT:
        tick += 1
    elif part >= _DOUBT:
        return tick
    return tick if sqrt_price_at_tick(tick) <= sqrt_price_x64 else tick - 1
