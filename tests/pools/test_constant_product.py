"""Hold both programs of a constant product to what such a pool keeps without any slack."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.pools import Direction, RaydiumAmmV4Pool, RaydiumCpmmPool
from tests.pools import laws
from tests.pools.strategies import amounts, cpmm_pools, directions, untimed
from tests.pools.strategies_amm_v4 import amm_v4_pools

ConstantProduct = RaydiumAmmV4Pool | RaydiumCpmmPool
Pools = Callable[..., st.SearchStrategy[ConstantProduct]]

both = pytest.mark.parametrize("pools", [amm_v4_pools, cpmm_pools], ids=["amm_v4", "cpmm"])


@both
@untimed
@given(st.data(), directions, amounts, st.booleans())
def test_swap_moves_the_vaults_by_exactly_its_amounts(
    pools: Pools, data: st.DataObject, direction: Direction, amount: int, exact_in: bool
) -> None:
    """And k never falls (I11)."""
    pool = data.draw(pools())
    laws.moves_the_vaults_by_its_amounts(pool, direction, amount, 0, exact_in=exact_in)
    quote = pool.swap_exact_in if exact_in else pool.swap_exact_out
    after = quote(direction, amount, 0).pool
    assert after.reserve_a * after.reserve_b >= pool.reserve_a * pool.reserve_b


@both
@untimed
@given(st.data(), directions, amounts)
def test_swap_exact_out_of_an_output_costs_at_most_its_input(
    pools: Pools, data: st.DataObject, direction: Direction, amount_in: int
) -> None:
    """Asking for what an input bought never costs more than that input (I10)."""
    pool = data.draw(pools())
    laws.asking_for_an_output_costs_at_most_its_input(pool, direction, amount_in, 0)


@both
@untimed
@given(st.data(), directions, amounts, amounts)
def test_swapping_in_two_parts_never_gains(
    pools: Pools, data: st.DataObject, direction: Direction, first: int, second: int
) -> None:
    """Two swaps get at most what one swap of the sum gets."""
    laws.two_parts_never_gain(data.draw(pools()), direction, first, second, 0)


@both
@untimed
@given(st.data(), directions, st.integers(1_100, 4_000))
def test_amount_in_to_price_is_where_trading_on_stops_paying(
    pools: Pools, data: st.DataObject, direction: Direction, thousandths: int
) -> None:
    """Measured by swaps alone: the last tenth earns the limit, another tenth does not."""
    pool = data.draw(pools(reserve_min=10**7))
    if direction is Direction.A_TO_B:
        limit = max(pool.price_x64 * 1_000 // thousandths, 1)
    else:
        limit = pool.price_x64 * thousandths // 1_000
    laws.stops_at_the_price(pool, direction, limit, 0)


@both
@untimed
@given(st.data(), directions, amounts)
def test_quoting_changes_nothing(
    pools: Pools, data: st.DataObject, direction: Direction, amount: int
) -> None:
    """And the pool cannot be changed."""
    pool = data.draw(pools())
    laws.quoting_changes_nothing(pool, direction, amount, 0)
    with pytest.raises(AttributeError):
        pool.reserve_a = 1  # type: ignore[misc] # it must be refused at run time too
