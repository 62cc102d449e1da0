"""Check the ticks of Raydium CLMM: prices by hand, back again, and the program's own logarithm."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import InvalidData
from orderengine.pools.fixed_point import Q64
from orderengine.pools.raydium_clmm_ticks import (
    SQRT_PRICE_MAX,
    SQRT_PRICE_MIN,
    TICK_MAX,
    TICK_MIN,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)
from tests.pools.strategies import untimed

ticks = st.integers(TICK_MIN, TICK_MAX - 1) | st.integers(-300, 300)


def tick_by_the_programs_logarithm(sqrt_price_x64: int) -> int:
    """Take 16 binary digits of the logarithm, as the program does, and choose of two ticks."""
    top = sqrt_price_x64.bit_length() - 1
    mantissa = sqrt_price_x64 >> (top - 63) if top >= 64 else sqrt_price_x64 << (63 - top)
    log_x16 = top - 64
    for _ in range(16):
        square = mantissa * mantissa
        doubled = square >> 127
        mantissa = square >> (63 + doubled)
        log_x16 = log_x16 * 2 + doubled
    scaled = (log_x16 << 16) * 59543866431248
    low = (scaled - 184467440737095516) >> 64
    high = (scaled + 15793534762490258745) >> 64
    if low == high:
        return low
    return high if sqrt_price_at_tick(high) <= sqrt_price_x64 else low


def test_ends_of_the_table() -> None:
    """The program's published constants."""
    assert sqrt_price_at_tick(0) == Q64
    assert sqrt_price_at_tick(TICK_MIN) == SQRT_PRICE_MIN == 4295048016
    assert sqrt_price_at_tick(TICK_MAX) == SQRT_PRICE_MAX == 79226673521066979257578248091
    assert tick_at_sqrt_price(SQRT_PRICE_MIN) == TICK_MIN
    assert tick_at_sqrt_price(SQRT_PRICE_MAX - 1) == TICK_MAX - 1


@untimed
@given(ticks)
def test_price_is_the_root_of_the_base_to_the_tick(tick: int) -> None:
    """Within the program's rounding: its floors, and 10^-11 for the digits of its factors."""
    with localcontext() as context:
        context.prec = 60
        exact = Decimal("1.0001") ** (Decimal(tick) / 2) * Q64
        far = abs(sqrt_price_at_tick(tick) - exact)
        floors = 20 * max(exact / Q64, Decimal(1)) ** 2
        assert far <= floors + exact * Decimal("1e-11")


@untimed
@given(ticks, st.integers(-1, 1))
def test_a_tick_holds_from_its_price_to_the_next(tick: int, offset: int) -> None:
    """At its own price, one unit beside it, and up to the next tick's."""
    price = sqrt_price_at_tick(tick) + offset
    if price >= SQRT_PRICE_MIN:
        assert tick_at_sqrt_price(price) == (tick - 1 if offset < 0 else tick)
    assert tick_at_sqrt_price(sqrt_price_at_tick(tick + 1) - 1) == tick


@untimed
@given(st.integers(SQRT_PRICE_MIN, SQRT_PRICE_MAX - 1) | st.builds(sqrt_price_at_tick, ticks))
def test_the_tick_is_the_programs(price: int) -> None:
    """The program reaches it in another way, by binary digits of the logarithm."""
    for near in (price, price - 1, price + 1):
        if SQRT_PRICE_MIN <= near < SQRT_PRICE_MAX:
            assert tick_at_sqrt_price(near) == tick_by_the_programs_logarithm(near)


@pytest.mark.parametrize("tick", [TICK_MIN - 1, TICK_MAX + 1, 10**30, -(10**30)])
def test_no_price_beyond_the_ends(tick: int) -> None:
    """The program has none either."""
    with pytest.raises(InvalidData, match="a tick"):
        sqrt_price_at_tick(tick)


@pytest.mark.parametrize("price", [SQRT_PRICE_MIN - 1, SQRT_PRICE_MAX, 0, -1, 10**40])
def test_no_tick_beyond_the_ends(price: int) -> None:
    """The highest tick's price is no price of a pool."""
    with pytest.raises(InvalidData, match="a square root of a price"):
        tick_at_sqrt_price(price)
