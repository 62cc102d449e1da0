"""Check bin prices at the edges; a thousand more are in the oracle vectors."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import InvalidData
from orderengine.pools.fixed_point import Q64, U128_MAX
from orderengine.pools.meteora_dlmm_price import BIN_ID_MAX, bin_price_x64
from tests.pools.strategies import untimed


@pytest.mark.parametrize("bin_step", [1, 25, 10_000])
def test_bin_price_of_bin_0_is_one(bin_step: int) -> None:
    """Bin 0 is exactly 2^64, where the inverse power would be a unit off."""
    assert bin_price_x64(0, bin_step) == Q64


@pytest.mark.parametrize(
    ("bin_id", "bin_step", "price_x64"),
    [
        # (2^128 - 1) / (2^64 + 1844674407370955) = 18444899583751176498.51
        pytest.param(-1, 1, 18444899583751176498, id="inverse of the base, floored"),
        # 18444899583751176498^2 / 2^64 = 18443055278223354162.23
        pytest.param(-2, 1, 18443055278223354162, id="its square, floored"),
        # (2^128 - 1) / 18444899583751176498 = 18448588748116922571.51
        pytest.param(1, 1, 18448588748116922571, id="inverted at the end, floored"),
    ],
)
def test_bin_price_rounds_as_the_program(bin_id: int, bin_step: int, price_x64: int) -> None:
    """The units in the last place follow from each floor."""
    assert bin_price_x64(bin_id, bin_step) == price_x64


@untimed
@given(st.integers(-2_000, 2_000), st.sampled_from([1, 10, 80, 100]))
def test_bin_price_is_near_the_true_power(bin_id: int, bin_step: int) -> None:
    """The integer price is (1 + step)^id to nine digits, and rises with the id."""
    with localcontext() as context:
        context.prec = 60
        power = (1 + Decimal(bin_step) / 10_000) ** bin_id * Q64
        assert abs(bin_price_x64(bin_id, bin_step) / power - 1) < Decimal("1e-9")
    assert bin_price_x64(bin_id, bin_step) < bin_price_x64(bin_id + 1, bin_step) <= U128_MAX


@pytest.mark.parametrize(
    ("bin_id", "bin_step"),
    [
        (BIN_ID_MAX + 1, 1),
        (-BIN_ID_MAX - 1, 1),
        (1, 0),
        (1, 10_001),
        (BIN_ID_MAX, 100),
        (-BIN_ID_MAX, 100),
    ],
)
def test_bin_price_refuses_what_does_not_fit(bin_id: int, bin_step: int) -> None:
    """Ids and steps beyond the program's, and prices beyond Q64.64, are refused with both."""
    with pytest.raises(InvalidData, match=f"bin id {bin_id}, bin step {bin_step}"):
        bin_price_x64(bin_id, bin_step)


def test_bin_price_takes_the_outermost_bins() -> None:
    """The program's range is that of one-basis-point bins."""
    assert 0 < bin_price_x64(-BIN_ID_MAX, 1) < bin_price_x64(BIN_ID_MAX, 1) <= U128_MAX
