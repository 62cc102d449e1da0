"""Check that pools open at the price and with the depth that they were asked for."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.errors import InvalidScenario
from orderengine.market.pools import DEFAULT_POOLS, PoolConfig, open_pool
from orderengine.model.amounts import U64_MAX
from orderengine.model.tokens import token
from orderengine.pools import MeteoraDlmmPool, RaydiumCpmmPool
from orderengine.pools.meteora_dlmm_price import bin_price_x64
from tests.market.worlds import A_TO_B, B_TO_A, CPMM, DLMM, PRICE_X64, SOL, USDC

BASE, QUOTE = token("SOL"), token("USDC")
NOW_S = 1_783_355_400

prices = st.integers(2**54, 2**74)  # about 0.001 to 1,000 base units a base unit
depths = st.integers(10**6, 10**13)


@given(prices, depths, st.integers(0, 999_999))
def test_constant_product_pool_opens_within_a_unit(
    price_x64: int, depth: int, trade_fee_rate: int
) -> None:
    """It holds the stated depth, and one base unit more would put its price below the outside."""
    config = replace(CPMM, depth=depth, trade_fee_rate=trade_fee_rate)
    pool = open_pool(config, price_x64, BASE, QUOTE)
    assert isinstance(pool, RaydiumCpmmPool)
    assert (pool.token_a, pool.token_b, pool.address) == ("SOL", "USDC", "cpmm")
    assert pool.vault_b == depth
    assert pool.vault_a * price_x64 <= depth << 64 < (pool.vault_a + 1) * price_x64
    assert pool.price_x64 >= price_x64
    assert pool.trade_fee_rate == trade_fee_rate


@given(prices, depths, st.sampled_from([1, 4, 10, 80, 400]), st.integers(1, 60))
def test_binned_pool_opens_within_a_bin(
    price_x64: int, depth: int, bin_step: int, bins: int
) -> None:
    """The active bin is the one that holds the price."""
    config = replace(DLMM, depth=depth, bin_step=bin_step, bins=bins)
    pool = open_pool(config, price_x64, BASE, QUOTE)
    assert isinstance(pool, MeteoraDlmmPool)
    assert bin_price_x64(pool.active_id, bin_step) <= price_x64
    assert price_x64 < bin_price_x64(pool.active_id + 1, bin_step)
    assert pool.price_x64 == bin_price_x64(pool.active_id, bin_step)


@given(prices, depths, st.sampled_from([1, 4, 80]), st.integers(1, 60))
def test_binned_pool_is_as_deep_as_stated(
    price_x64: int, depth: int, bin_step: int, bins: int
) -> None:
    """Each side of the active bin is worth the depth, spread evenly; the active bin holds half."""
    config = replace(DLMM, depth=depth, bin_step=bin_step, bins=bins)
    pool = open_pool(config, price_x64, BASE, QUOTE)
    assert isinstance(pool, MeteoraDlmmPool)
    share = depth // bins
    assert pool.vault_b == bins * share + share // 2
    dearest = bin_price_x64(pool.active_id + bins, bin_step)
    worth_least = (bins * share << 64) // dearest - 2 * bins
    worth_most = ((bins * share + share) << 64) // pool.price_x64
    assert worth_least <= pool.vault_a <= worth_most


def test_binned_pool_pays_out_both_sides() -> None:
    """All of the depth can be bought, bin after bin, from either side."""
    pool = open_pool(replace(DLMM, bins=20), PRICE_X64, BASE, QUOTE)
    sold = pool.swap_exact_out(A_TO_B, pool.vault_b, NOW_S)
    bought = pool.swap_exact_out(B_TO_A, pool.vault_a, NOW_S)
    assert (sold.crossed, bought.crossed) == (20, 20)
    assert (sold.pool.vault_b, bought.pool.vault_a) == (0, 0)


@pytest.mark.parametrize("config", DEFAULT_POOLS, ids=lambda config: config.name)
def test_default_pools_quote_about_the_outside_price(config: PoolConfig) -> None:
    """A sale of 1 SOL gets the outside price less the fee and a little impact."""
    pool = open_pool(config, PRICE_X64, BASE, QUOTE)
    out = pool.swap_exact_in(A_TO_B, SOL, NOW_S).amount_out
    assert 0.995 * 80 * USDC < out < 80 * USDC


def test_deeper_pools_pay_more() -> None:
    """The same sale gets more from each of a row of deeper pools."""
    for config in (CPMM, DLMM):
        outs = [
            open_pool(replace(config, depth=f"{depth}USDC"), PRICE_X64, BASE, QUOTE)
            .swap_exact_in(A_TO_B, 300 * SOL, NOW_S)
            .amount_out
            for depth in (100_000, 1_000_000, 10_000_000)
        ]
        assert all(shallow < deep for shallow, deep in pairwise(outs))


@pytest.mark.parametrize(
    ("config", "price_x64", "field"),
    [
        pytest.param(replace(CPMM, depth=1), 2**66, "depth", id="no unit of base"),
        pytest.param(replace(CPMM, depth=U64_MAX), 2**63, "depth", id="base above u64"),
        pytest.param(replace(DLMM, depth=799), 2**60, "depth", id="less than 2 units a bin"),
        pytest.param(replace(DLMM, bins=5_000, bin_step=400), 2**60, "bins", id="bins too far"),
    ],
)
def test_pool_that_cannot_open_names_its_field(
    config: PoolConfig, price_x64: int, field: str
) -> None:
    """What depends on the price is refused when the pool opens, by the field's name."""
    with pytest.raises(InvalidScenario) as caught:
        open_pool(config, price_x64, BASE, QUOTE)
    assert caught.value.field == field
    assert caught.value.found == getattr(config, field)


LEAST_AND_MOST = {
    "trade_fee_rate": (0, 999_999),
    "bin_step": (1, 400),
    "base_factor": (0, 65_535),
    "bins": (1, 5_000),
}


@pytest.mark.parametrize("field", LEAST_AND_MOST)
@pytest.mark.parametrize("end", [0, 1], ids=["least", "most"])
def test_every_bound_opens_and_its_neighbour_is_refused(field: str, end: int) -> None:
    """The last value that a field's check allows gives a pool that trades; the next is refused."""
    bound = LEAST_AND_MOST[field][end]
    base = CPMM if field == "trade_fee_rate" else replace(DLMM, depth="100000000USDC")
    if field == "bin_step":
        base = replace(base, bins=100)
    pool = open_pool(replace(base, **{field: bound}), PRICE_X64, BASE, QUOTE)
    pool.swap_exact_in(B_TO_A, USDC, NOW_S)
    with pytest.raises(InvalidScenario) as caught:
        PoolConfig(
            name="p",
            venue="raydium_cpmm",
            depth="1USDC",
            **{field: bound + (1 if end else -1)},
        )
    assert caught.value.field == field


def test_pool_must_have_a_name() -> None:
    """Orders and events name pools."""
    with pytest.raises(InvalidScenario, match="name: expected a name, found ''"):
        replace(CPMM, name="")
