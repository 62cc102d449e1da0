"""Check the Whirlpool tick table against powers computed with 60 digits, and the way back."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orderengine.errors import InvalidData
from orderengine.pools.orca_whirlpool_ticks import (
    SQRT_PRICE_MAX_X64,
    SQRT_PRICE_MIN_X64,
    TICK_MAX,
    TICK_MIN,
    array_start,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)
from tests.pools.strategies import untimed

ticks = st.integers(TICK_MIN, TICK_MAX)


def test_the_ends_are_the_programs_bounds() -> None:
    """The bounds that the program states are the sqrt prices of its first and last tick."""
    assert sqrt_price_at_tick(TICK_MIN) == SQRT_PRICE_MIN_X64
    assert sqrt_price_at_tick(TICK_MAX) == SQRT_PRICE_MAX_X64
    assert sqrt_price_at_tick(0) == 1 << 64


@untimed
@given(ticks)
def test_sqrt_price_is_near_the_power(tick: int) -> None:
    """Floors cost under 20 last places of 64 bits below tick 0, and under 2 above it."""
    with localcontext(prec=60):
        exact = Decimal("1.0001") ** (Decimal(tick) / 2) * 2**64
        error = exact - sqrt_price_at_tick(tick)
    # Below 0 each of 19 factors is off by under one place and so is each product; above 0 the
    # factors have 32 places more, whose errors grow with the price.
    assert abs(error) < (20 if tick < 0 else 2 + exact / 2**90)


@untimed
@given(ticks, st.integers(-2, 2))
@example(TICK_MIN, 0)
@example(TICK_MAX, 0)
@example(0, -1)
def test_tick_at_sqrt_price_is_the_largest_at_or_below(tick: int, places: int) -> None:
    """Right at a tick's sqrt price, and one or two last places beside it."""
    price = sqrt_price_at_tick(tick) + places
    if not SQRT_PRICE_MIN_X64 <= price <= SQRT_PRICE_MAX_X64:
        return
    found = tick_at_sqrt_price(price)
    assert sqrt_price_at_tick(found) <= price
    assert found == TICK_MAX or price < sqrt_price_at_tick(found + 1)


@untimed
@given(st.integers(SQRT_PRICE_MIN_X64, SQRT_PRICE_MAX_X64) | st.integers(SQRT_PRICE_MIN_X64, 2**64))
def test_tick_at_sqrt_price_is_right_anywhere(price: int) -> None:
    """Also where the estimate is taken without a check."""
    found = tick_at_sqrt_price(price)
    assert sqrt_price_at_tick(found) <= price
    assert found == TICK_MAX or price < sqrt_price_at_tick(found + 1)


@pytest.mark.parametrize("tick", [TICK_MIN - 1, TICK_MAX + 1, 10**9])
def test_sqrt_price_refuses_other_ticks(tick: int) -> None:
    """The error names the bounds."""
    with pytest.raises(InvalidData, match="from -443636 to 443636"):
        sqrt_price_at_tick(tick)


@pytest.mark.parametrize("price", [SQRT_PRICE_MIN_X64 - 1, SQRT_PRICE_MAX_X64 + 1, 0, -1])
def test_tick_refuses_other_prices(price: int) -> None:
    """Zero and negative ones too."""
    with pytest.raises(InvalidData, match="from 4295048016"):
        tick_at_sqrt_price(price)


@pytest.mark.parametrize(
    ("tick", "spacing", "start"),
    [(0, 4, 0), (351, 4, 0), (352, 4, 352), (-1, 4, -352), (-352, 4, -352), (-353, 4, -704)],
)
def test_array_start_floors(tick: int, spacing: int, start: int) -> None:
    """88 ticks of 4 are 352, counted from 0 both ways."""
    assert array_start(tick, spacing) == start
