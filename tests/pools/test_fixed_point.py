"""Check the shared integer operations at their edges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import AmountOverflow, InvalidAmount
from orderengine.pools.fixed_point import (
    U64_MAX,
    U128_MAX,
    mul_div_ceil,
    mul_div_floor,
    require_u64_amount,
    require_u64_result,
)
from tests.pools.strategies import untimed


@pytest.mark.parametrize(
    ("left", "right", "divisor", "floor", "ceil"),
    [
        pytest.param(7, 1, 2, 3, 4, id="3.5"),
        pytest.param(6, 1, 2, 3, 3, id="3 exactly"),
        pytest.param(1, 1, 3, 0, 1, id="0.333"),
        pytest.param(2, 1, 3, 0, 1, id="0.667"),
        pytest.param(0, 5, 3, 0, 0, id="0"),
        pytest.param(U128_MAX, U128_MAX, U128_MAX, U128_MAX, U128_MAX, id="above 128 bits between"),
        pytest.param(U64_MAX, U64_MAX, 1 << 64, U64_MAX - 1, U64_MAX, id="just below 2^64 - 1"),
    ],
)
def test_mul_div_rounds_as_named(
    left: int, right: int, divisor: int, floor: int, ceil: int
) -> None:
    """The name of the function is the direction of its rounding."""
    assert mul_div_floor(left, right, divisor) == floor
    assert mul_div_ceil(left, right, divisor) == ceil


@untimed
@given(st.integers(0, U128_MAX), st.integers(0, U128_MAX), st.integers(1, U128_MAX))
def test_mul_div_brackets_the_quotient(left: int, right: int, divisor: int) -> None:
    """Floor and ceiling enclose the exact quotient and differ by at most one."""
    floor = mul_div_floor(left, right, divisor)
    ceil = mul_div_ceil(left, right, divisor)
    assert floor * divisor <= left * right <= ceil * divisor
    assert ceil - floor == (1 if left * right % divisor else 0)


@pytest.mark.parametrize("amount", [0, -1, U64_MAX + 1, True])
def test_require_u64_amount_refuses(amount: int) -> None:
    """An amount outside 1 to 2^64 - 1 is refused with its field's name."""
    with pytest.raises(InvalidAmount) as caught:
        require_u64_amount("amount_in", amount)
    assert caught.value.field == "amount_in"
    assert caught.value.found is amount


def test_require_u64_takes_the_edges() -> None:
    """The smallest and the largest amount are allowed."""
    require_u64_amount("amount_in", 1)
    require_u64_amount("amount_in", U64_MAX)
    require_u64_result("amount_out", U64_MAX)


def test_require_u64_result_refuses_more() -> None:
    """A result above u64 says by how many bits it may go."""
    with pytest.raises(AmountOverflow) as caught:
        require_u64_result("amount_out", U64_MAX + 1)
    assert (caught.value.value, caught.value.bits) == (U64_MAX + 1, 64)
