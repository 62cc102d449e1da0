"""Turn Orca Whirlpool ticks into sqrt prices and back, with the program's own rounding.

Theory. Tick t stands for the price 1.0001^t, so for the sqrt price 1.0001^(t/2), in Q64.64. The
program multiplies factors for the bits of t, lowest first, and floors after each: factors of
96 fractional bits for t above 0, floored to 64 at the end, and of 64 for t below 0. The tick of a
sqrt price is the largest tick whose sqrt price is not above it.

This is not Raydium's table: the two differ in the last places.

Source: FORMAT.md of the oracle vectors (computed by @orca-so/whirlpools-core 3.1.0), and the
factors in orca-so/whirlpools rust-sdk/core/src/math/tick.rs at 630c0e0.
"""

from __future__ import annotations

from math import floor, log2

from orderengine.errors import InvalidData

__all__ = [
    "ARRAY_TICKS",
    "SPLASH_TICK_SPACING",
    "SQRT_PRICE_MAX_X64",
    "SQRT_PRICE_MIN_X64",
    "TICK_MAX",
    "TICK_MIN",
    "array_start",
    "sqrt_price_at_tick",
    "tick_at_sqrt_price",
]

TICK_MIN, TICK_MAX = -443_636, 443_636
SQRT_PRICE_MIN_X64 = 4_295_048_016
SQRT_PRICE_MAX_X64 = 79_226_673_515_401_279_992_447_579_055

ARRAY_TICKS = 88
"""Ticks in one tick array account."""

SPLASH_TICK_SPACING = 32_896
"""The spacing of a splash pool, whose only positions are full range."""

_UP_FACTORS_X96 = (
    79232123823359799118286999567,
    79236085330515764027303304731,
    79244008939048815603706035061,
    79259858533276714757314932305,
    79291567232598584799939703904,
    79355022692464371645785046466,
    79482085999252804386437311141,
    79736823300114093921829183326,
    80248749790819932309965073892,
    81282483887344747381513967011,
    83390072131320151908154831281,
    87770609709833776024991924138,
    97234110755111693312479820773,
    119332217159966728226237229890,
    179736315981702064433883588727,
    407748233172238350107850275304,
    2098478828474011932436660412517,
    55581415166113811149459800483533,
    38992368544603139932233054999993551,
)
"""1.0001^(2^bit / 2) in Q96."""

_DOWN_FACTORS_X64 = (
    18445821805675392311,
    18444899583751176498,
    18443055278223354162,
    18439367220385604838,
    18431993317065449817,
    18417254355718160513,
    18387811781193591352,
    18329067761203520168,
    18212142134806087854,
    17980523815641551639,
    17526086738831147013,
    16651378430235024244,
    15030750278693429944,
    12247334978882834399,
    8131365268884726200,
    3584323654723342297,
    696457651847595233,
    26294789957452057,
    37481735321082,
)
"""1.0001^(-2^bit / 2) in Q64."""

_TICKS_A_DOUBLING = 2 / log2(1.0001)
"""Ticks in which the sqrt price doubles."""
_NEAR_A_TICK = 1e-4
"""Distance in ticks at which an estimate is checked. The table's last place is worth at most
5e-6 ticks (where the sqrt price has 32 bits), doubles are off by less than 1e-8."""


def sqrt_price_at_tick(tick: int) -> int:
    """Return the sqrt price of a tick in Q64.64, rounded as the program does.

    Raises:
        InvalidData: ``tick`` is outside -443636 to 443636.
    """
    if not TICK_MIN <= tick <= TICK_MAX:
        raise InvalidData("a Whirlpool tick", str(tick), f"from {TICK_MIN} to {TICK_MAX}")
    bit = 0
    if tick >= 0:
        ratio = 1 << 96
        while tick:
            if tick & 1:
                ratio = ratio * _UP_FACTORS_X96[bit] >> 96  # floored
            tick >>= 1
            bit += 1
        return ratio >> 32  # floored
    ratio, tick = 1 << 64, -tick
    while tick:
        if tick & 1:
            ratio = ratio * _DOWN_FACTORS_X64[bit] >> 64  # floored
        tick >>= 1
        bit += 1
    return ratio


def tick_at_sqrt_price(sqrt_price_x64: int) -> int:
    """Return the largest tick whose sqrt price is at most ``sqrt_price_x64`` (Q64.64).

    Raises:
        InvalidData: the sqrt price is outside the program's bounds.
    """
    if not SQRT_PRICE_MIN_X64 <= sqrt_price_x64 <= SQRT_PRICE_MAX_X64:
        expected = f"from {SQRT_PRICE_MIN_X64} to {SQRT_PRICE_MAX_X64}"
        raise InvalidData("a Whirlpool sqrt price", str(sqrt_price_x64), expected)
    estimate = (log2(sqrt_price_x64) - 64) * _TICKS_A_DOUBLING
    tick = floor(estimate)
    if _NEAR_A_TICK < estimate - tick < 1 - _NEAR_A_TICK:
        return tick
    tick = round(estimate)
    return tick if sqrt_price_at_tick(tick) <= sqrt_price_x64 else tick - 1


def array_start(tick: int, tick_spacing: int) -> int:
    """Return the first tick of the array that holds ``tick``."""
    size = ARRAY_TICKS * tick_spacing
    return tick // size * size  # floored, also below 0
