"""Check that pools open at the price and with the depth that they were asked for."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.errors import InvalidScenario
from orderengine.market.described import open_pool
from orderengine.market.pools import DEFAULT_POOLS, PoolConfig
from orderengine.market.tick_profile import tick_profile
from orderengine.model.amounts import U64_MAX
from orderengine.model.tokens import token
from orderengine.pools import Direction, MeteoraDlmmPool, RaydiumCpmmPool, depth_within
from orderengine.pools.meteora_dlmm_price import bin_price_x64
from orderengine.pools.orca_whirlpool_ticks import sqrt_price_at_tick
from tests.market.worlds import A_TO_B, B_TO_A, CPMM, DLMM, PRICE_X64, SOL, USDC

BASE, QUOTE = token("SOL"), token("USDC")
NOW_S = 1_783_355_400
PRICE_2026_X64 = 818 * 2**64 // 10_000
"""81.80 USDC a SOL."""

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


@pytest.mark.parametrize("config", DEFAULT_POOLS, ids=lambda config: config.name)
@pytest.mark.parametrize("price", [2**50, PRICE_X64, 2**66 + 12_345], ids=["low", "80", "high"])
def test_pools_of_every_program_open_at_the_price(config: PoolConfig, price: int) -> None:
    """To within a unit of a reserve, or the bin that holds it, and both ways trade."""
    pool = open_pool(config, price, BASE, QUOTE)
    assert pool.venue == config.venue
    assert (pool.token_a, pool.token_b, pool.address) == ("SOL", "USDC", config.name)
    assert abs(pool.price_x64 - price) <= price // (
        2_000 if pool.venue == "meteora_dlmm" else 10**6
    )
    for direction in Direction:
        assert pool.swap_exact_in(direction, 10**6, NOW_S).amount_out > 0


@pytest.mark.parametrize(
    ("name", "sold", "bought"),
    [
        pytest.param("raydium-amm-25bps", 27_237_819_846, 27_443_648_072, id="58oQ"),
        pytest.param("raydium-clmm-4bps", 157_118_901_222, 156_313_688_333, id="3ucN"),
        pytest.param("meteora-damm-4bps", 9_928_374_716, 9_982_384_989, id="8Pm2"),
        pytest.param("meteora-dlmm-4bps", 511_917_967_116, 529_605_915_297, id="5rCf"),
        pytest.param("orca-4bps", 1_055_919_506_062, 1_206_448_784_516, id="Czfq"),
    ],
)
def test_default_pools_are_as_deep_as_the_recorded_ones(name: str, sold: int, bought: int) -> None:
    """What trades within 1 %, in USDC base units, of pools recorded from 2026-07-03 to 07-06.

    Measured by ``depth_within`` on the recorded accounts. The described pools are alike on both
    sides, the recorded ones are not; so the lower side agrees to 2 %, the upper one to 15 %.
    """
    config = next(config for config in DEFAULT_POOLS if config.name == name)
    pool = open_pool(config, PRICE_2026_X64, BASE, QUOTE)
    assert depth_within(pool, A_TO_B, 100, NOW_S).amount_out == pytest.approx(sold, rel=0.02)
    assert depth_within(pool, B_TO_A, 100, NOW_S).amount_in == pytest.approx(bought, rel=0.15)


def test_liquidity_over_ticks_halves_where_it_is_told_to() -> None:
    """At the price all of it, 600 ticks away half, beyond the width none; the nets sum to 0."""
    profile = tick_profile(
        sqrt_price_at_tick,
        sqrt_price_at_tick(-25_000),
        10**12,
        tick=-25_000,
        spacing=4,
        halves_at=600,
        width=1_000,
    )
    held, levels = 0, {}
    for tick, net in profile.ticks:
        held += net
        levels[tick] = held
    assert held == 0
    assert levels[-25_000] == profile.liquidity
    assert levels[-25_600] == pytest.approx(profile.liquidity / 2, rel=1e-6)
    assert levels[-24_400] == levels[-25_600]
    assert (min(levels), max(levels)) == (-26_000, -23_996)


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
    "tick_spacing": (1, 1_000),
    "halves_at": (1, 100_000),
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
    if field in {"tick_spacing", "halves_at"}:
        base = replace(DEFAULT_POOLS[-1], width=5_000)
    if field == "bin_step":
        base = replace(base, bins=100)
    pool = open_pool(replace(base, **{field: bound}), PRICE_X64, BASE, QUOTE)
    pool.swap_exact_in(B_TO_A, USDC, NOW_S)
    wrong: dict[str, Any] = {field: bound + (1 if end else -1)}
    with pytest.raises(InvalidScenario) as caught:
        PoolConfig(name="p", venue="raydium_cpmm", depth="1USDC", **wrong)
    assert caught.value.field == field


def test_pool_must_have_a_name() -> None:
    """Orders and events name pools."""
    with pytest.raises(InvalidScenario, match="name: expected a name, found ''"):
        replace(CPMM, name="")
