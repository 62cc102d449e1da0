"""Check that pools are scaled exactly: same price, same shape, and all tokens accounted for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.errors import InsufficientLiquidity
from orderengine.market.described import open_pool
from orderengine.market.pools import DEFAULT_POOLS, PoolConfig
from orderengine.market.traders.scaled import recentred, scaled
from orderengine.model.tokens import token
from orderengine.pools import (
    DammBaseFee,
    Direction,
    MeteoraDammV2Pool,
    MeteoraDammV2Spec,
    Pool,
)
from tests.market.worlds import A_TO_B, B_TO_A, PRICE_X64

NOW_S = 1_783_355_400
CENTRED = ("raydium_clmm", "meteora_dlmm", "orca_whirlpool")

described = st.sampled_from([*DEFAULT_POOLS])
trades = st.lists(st.tuples(st.sampled_from([A_TO_B, B_TO_A]), st.floats(1e-6, 0.02)), max_size=4)


def traded(config: PoolConfig, done: list[tuple[Direction, float]]) -> Pool:
    """Return a pool of this description after trades of a share of its vaults each."""
    pool = open_pool(config, PRICE_X64, token("SOL"), token("USDC"))
    for number, (direction, share) in enumerate(done):
        vault = pool.vault_a if direction is A_TO_B else pool.vault_b
        try:
            pool = pool.swap_exact_in(direction, max(round(vault * share), 1), NOW_S + number).pool
        except InsufficientLiquidity:
            break
    return pool


def drained(pool: Pool, direction: Direction) -> Pool:
    """Return the pool after the largest trade that its liquidity can serve, by halving."""
    low, high = 0, 2**63
    while high - low > max(low >> 20, 1):
        middle = (low + high) // 2
        try:
            pool.swap_exact_in(direction, middle, NOW_S)
        except InsufficientLiquidity:
            high = middle
        else:
            low = middle
    return pool.swap_exact_in(direction, low, NOW_S).pool


@settings(max_examples=80)
@given(described, trades, st.integers(1, 2**34), st.integers(1, 2**34))
def test_scaling_keeps_the_price_and_scales_the_rest(
    config: PoolConfig, done: list[tuple[Direction, float]], numerator: int, denominator: int
) -> None:
    """The price stays to a part in a million, vaults grow by the ratio but for what is owed."""
    ratio = numerator / denominator
    if not 1 / 100 < ratio < 100:
        numerator, denominator, ratio = 3, 2, 1.5
    pool = traded(config, done)
    after = scaled(pool, numerator, denominator)
    assert after.price_x64 == pytest.approx(pool.price_x64, rel=1e-6)
    assert (after.address, after.venue) == (pool.address, pool.venue)
    for direction in Direction:
        vault = pool.vault_a if direction is A_TO_B else pool.vault_b
        amount = max(vault // 1_000, 1)
        try:
            plain = pool.swap_exact_in(direction, amount, NOW_S + 9)
        except InsufficientLiquidity:
            continue
        larger = after.swap_exact_in(direction, max(round(amount * ratio), 1), NOW_S + 9)
        assert larger.amount_out == pytest.approx(plain.amount_out * ratio, rel=1e-5, abs=20)
        assert larger.fee_in == pytest.approx(plain.fee_in * ratio, rel=1e-5, abs=20)


@settings(max_examples=40)
@given(described, trades, st.integers(1, 30), st.integers(1, 30))
def test_scaled_pool_can_pay_all_that_it_promises(
    config: PoolConfig, done: list[tuple[Direction, float]], numerator: int, denominator: int
) -> None:
    """Its vaults hold what its liquidity pays out, to the last trade, and nothing is negative."""
    pool = scaled(traded(config, done), numerator, denominator)
    for direction in Direction:
        end = drained(pool, direction)
        assert min(end.vault_a, end.vault_b) >= 0


@settings(max_examples=60)
@given(described, trades, st.integers(1, 1_000), st.integers(1, 1_000))
def test_there_and_back_gains_nobody_anything(
    config: PoolConfig, done: list[tuple[Direction, float]], numerator: int, denominator: int
) -> None:
    """Scaling up and down again leaves a pool with no less than before, but for a few units."""
    pool = traded(config, done)
    back = scaled(scaled(pool, numerator, denominator), denominator, numerator)
    many = 2_500  # ranges, each of which rounds by a unit
    for before, after in ((pool.vault_a, back.vault_a), (pool.vault_b, back.vault_b)):
        lost = many * max(denominator // numerator, 1)
        assert -lost <= after - before <= lost
    assert scaled(pool, 7, 7).vault_a == pool.vault_a


@settings(max_examples=30)
@given(described, trades)
def test_what_is_owed_stays(config: PoolConfig, done: list[tuple[Direction, float]]) -> None:
    """Fees of the protocol and others are no liquidity: they are there afterwards, to the unit."""
    pool = traded(config, done)
    for after in (scaled(pool, 1, 3), recentred(pool, config, 1, 3)):
        for name in pool.__struct_fields__:  # type: ignore[attr-defined]  # every pool is a Struct
            if "fee_a" in name or "fee_b" in name:
                assert getattr(after, name) == getattr(pool, name), name


def test_compounding_pool_is_a_constant_product() -> None:
    """Of the second kind of DAMM v2 pools the reserves are scaled."""
    pool = MeteoraDammV2Pool.from_spec(
        MeteoraDammV2Spec(
            address="damm",
            token_a="SOL",  # noqa: S106
            token_b="USDC",  # noqa: S106
            collect_fee_mode=2,
            base_fee=DammBaseFee(cliff_fee_numerator=400_000),
            token_a_amount=1_000_001,
            token_b_amount=80_000_001,
            sqrt_price=1,
        )
    )
    after = scaled(pool, 1, 2)
    assert (after.vault_a, after.vault_b) == (500_001, 40_000_001)


@pytest.mark.parametrize("venue", CENTRED)
def test_recentring_lays_the_description_around_the_price(venue: str) -> None:
    """Where the price has gone, the pool is as deep again as it was where it opened."""
    config = next(pool for pool in DEFAULT_POOLS if pool.venue == venue)
    opened = traded(config, [])
    moved = traded(config, [(A_TO_B, 0.3)])
    assert moved.price_x64 < opened.price_x64
    after = recentred(moved, config, 1, 1)
    assert after.price_x64 == pytest.approx(moved.price_x64, rel=1e-9)
    amount = opened.vault_b // 100
    bought = [pool.swap_exact_in(B_TO_A, amount, NOW_S + 99) for pool in (opened, after)]
    moves = [
        swap.end_price_x64 / pool.price_x64
        for swap, pool in zip(bought, (opened, after), strict=True)
    ]
    assert moves[1] == pytest.approx(moves[0], abs=5e-4)
    assert replace(config, depth=1).depth == 1  # base units are a depth, too


def test_a_curve_without_places_stays() -> None:
    """A constant product has nowhere to move to."""
    config = DEFAULT_POOLS[0]
    pool = traded(config, [(A_TO_B, 0.1)])
    assert recentred(pool, config, 1, 2) is pool
