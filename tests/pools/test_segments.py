"""Check marginal prices, depth and the arithmetic of price segments, by hand and on drawn pools."""

from __future__ import annotations

from math import inf, sqrt

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orderengine.errors import InvalidAmount, OrderEngineError
from orderengine.pools import (
    CreatorFeeOn,
    Depth,
    Direction,
    DlmmBinSpec,
    DlmmFeeParameters,
    MeteoraDlmmPool,
    MeteoraDlmmSpec,
    Pool,
    depth_within,
    marginal_price_x64,
)
from orderengine.pools.fixed_point import Q64, U64_MAX
from orderengine.pools.segments import bin_segment, curve_segment, output_of
from tests.pools.strategies import NOW_S, SOL, USDC, cpmm_pools, directions, dlmm_pools, untimed
from tests.pools.test_raydium_cpmm import pool_of as cpmm

A_TO_B, B_TO_A = Direction.A_TO_B, Direction.B_TO_A
MILLION = 10**6


def dlmm(
    *bins: tuple[int, int, int], bin_step: int = 100, base_factor: int = 0, fee_in_b: bool = False
) -> MeteoraDlmmPool:
    """Return a pool of (id, amount A, amount B) bins whose active bin is 0."""
    return MeteoraDlmmPool.from_spec(
        MeteoraDlmmSpec(
            address="p",
            token_a=SOL,
            token_b=USDC,
            bin_step=bin_step,
            active_id=0,
            parameters=DlmmFeeParameters(base_factor=base_factor),
            collect_fee_mode=int(fee_in_b),
            bins=tuple(DlmmBinSpec(id=id_, amount_a=a, amount_b=b) for id_, a, b in bins),
        )
    )


def test_marginal_price_is_the_price_less_the_fee() -> None:
    """At 4 B per A with 25 % fee, A earns 3 and costs 5 1/3; without a fee both are 4."""
    free = cpmm(MILLION, 4 * MILLION)
    assert marginal_price_x64(free, A_TO_B, 0) == 4 * Q64
    assert marginal_price_x64(free, B_TO_A, 0) == 4 * Q64
    dear = cpmm(MILLION, 4 * MILLION, trade_fee_rate=250_000)
    assert marginal_price_x64(dear, A_TO_B, 0) == 3 * Q64
    assert marginal_price_x64(dear, B_TO_A, 0) == pytest.approx(Q64 * 16 / 3, rel=1e-15)


def test_marginal_price_counts_a_fee_on_the_output() -> None:
    """Half of the output for the creator leaves 2 of 4; the other way half of the input goes."""
    pool = cpmm(MILLION, 4 * MILLION, creator_fee_rate=500_000, creator_fee_on=CreatorFeeOn.ONLY_B)
    assert marginal_price_x64(pool, A_TO_B, 0) == 2 * Q64
    assert marginal_price_x64(pool, B_TO_A, 0) == 8 * Q64


@pytest.mark.parametrize("fee_in_b", [False, True])
def test_marginal_price_of_a_bin_is_that_of_the_first_that_pays(fee_in_b: bool) -> None:
    """Bin 0 sells no B, so A earns 1 / 1.01^2 less 1 % wherever it is charged."""
    pool = dlmm((-2, 0, 1_000), (0, 500, 0), (3, 700, 0), base_factor=10_000, fee_in_b=fee_in_b)
    assert marginal_price_x64(pool, A_TO_B, 0) == pytest.approx(Q64 * 0.99 / 1.01**2, rel=1e-14)
    assert marginal_price_x64(pool, B_TO_A, 0) == pytest.approx(Q64 / 0.99, rel=1e-14)


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("pool", [cpmm(0, 0), cpmm(5, 0), dlmm(), dlmm((0, 0, 0))])
def test_a_pool_that_does_not_trade_has_no_price_and_no_depth(
    pool: Pool, direction: Direction
) -> None:
    """Neither is an error."""
    assert marginal_price_x64(pool, direction, 0) == 0
    assert depth_within(pool, direction, 100, 0) == Depth(0, 0)


def test_depth_of_a_constant_product_by_hand() -> None:
    """19 % below the price means x / 0.9: in = 10^9 / 9, out = a tenth of y."""
    pool = cpmm(10**9, 10**9)
    assert depth_within(pool, A_TO_B, 1_900, 0) == Depth(111_111_111, 99_999_999)
    assert depth_within(pool, B_TO_A, 1_900, 0) == Depth(111_111_111, 99_999_999)


def test_depth_of_bins_is_every_bin_within_the_limit() -> None:
    """Of bins at 1, 1 / 1.01 and 1 / 1.01^2, 99 bps reach one, 100 two and 200 all."""
    pool = dlmm((-2, 0, 1_000), (-1, 0, 1_000), (0, 500, 1_000), (1, 500, 0), (2, 500, 0))
    outs = [depth_within(pool, A_TO_B, bps, 0).amount_out for bps in (1, 98, 100, 196, 198)]
    assert outs == [1_000, 1_000, 2_000, 2_000, 3_000]
    # 1000, 1010 and 1020.1 of A, ceiled bin by bin; 1 / 1.01 is a last place low, so 1010 is 1011.
    assert depth_within(pool, A_TO_B, 198, 0).amount_in == 1_000 + 1_011 + 1_021
    assert [depth_within(pool, B_TO_A, bps, 0).amount_out for bps in (1, 100, 200)] == [
        500,
        1_000,
        1_500,
    ]


@pytest.mark.parametrize("bps", [-1, 0, 10_000, 10**9])
def test_depth_refuses_a_distance_that_is_none(bps: int) -> None:
    """From 1 to 9999 basis points, and the error says so."""
    with pytest.raises(InvalidAmount, match="bps must be from 1 to 9999"):
        depth_within(cpmm(10, 10), A_TO_B, bps, 0)


pools = cpmm_pools() | dlmm_pools()


@untimed
@given(pools, directions)
def test_no_swap_earns_more_than_the_first_unit(pool: Pool, direction: Direction) -> None:
    """In a pool whose fee only rises: selling A earns at most the marginal price a unit."""
    if isinstance(pool, MeteoraDlmmPool):
        assume(pool.parameters.variable_fee_control == 0)
    price_x64 = marginal_price_x64(pool, direction, NOW_S)
    for amount_in in (1, 1_000, 10**9):
        try:
            paid = pool.swap_exact_in(direction, amount_in, NOW_S).amount_out
        except OrderEngineError:
            continue
        if direction is A_TO_B:
            assert paid * Q64 <= amount_in * price_x64 * (1 + 1e-12)
        else:
            assert paid * price_x64 <= amount_in * Q64 * (1 + 1e-12)


@untimed
@given(pools, directions, st.integers(1, 9_999), st.integers(1, 9_999))
def test_depth_grows_with_the_distance(
    pool: Pool, direction: Direction, bps: int, other: int
) -> None:
    """And it can be traded, at a price no worse than the limit but for rounding."""
    near = depth_within(pool, direction, min(bps, other), NOW_S)
    far = depth_within(pool, direction, max(bps, other), NOW_S)
    if far == Depth(0, 0):
        assert near == far
        return
    assert near.amount_in <= far.amount_in <= U64_MAX
    assert near.amount_out <= far.amount_out
    swap = pool.swap_exact_in(direction, far.amount_in, NOW_S)
    assert (swap.amount_in, swap.amount_out) == (far.amount_in, far.amount_out)
    if min(far.amount_in, far.amount_out) < 10**9:
        return
    start = marginal_price_x64(pool, direction, NOW_S)
    kept = 1 - max(bps, other) / 10_000
    earned = far.amount_out / far.amount_in
    first = start / Q64 if direction is A_TO_B else Q64 / start
    assert earned >= first * kept * (1 - 1e-6)


def test_output_of_pieces_by_hand() -> None:
    """A curve from price 4 to 1, then a bin: whole, in part, and more than there is."""
    curve = curve_segment(600.0, 2.0, 1.0, 1.0, 1.0)
    assert (curve.price_start, curve.price_end) == (4.0, 1.0)
    assert (curve.amount_in, curve.amount_out) == (300.0, 600.0)
    bin_ = bin_segment(0.5, 100.0, 50.0)
    assert output_of([curve, bin_], 300.0) == 600.0
    # Half the input: 1 / sqrt(p) = 1/2 + 150/600 = 3/4, so 600 * (2 - 4/3) comes out.
    assert output_of([curve, bin_], 150.0) == pytest.approx(400.0)
    assert output_of([curve, bin_], 340.0) == pytest.approx(620.0)
    assert output_of([curve, bin_], 10_000.0) == 650.0
    assert output_of([], 10.0) == 0.0


def test_fees_scale_a_curve() -> None:
    """Half of the input kept: twice the input for the same output, at half the price."""
    free = curve_segment(600.0, 2.0, 0.0, 1.0, 1.0)
    assert (free.amount_in, free.amount_out, free.price_end) == (inf, 1_200.0, 0.0)
    halved = curve_segment(600.0, 2.0, 0.0, 0.5, 1.0)
    assert halved.price_start == free.price_start / 2
    assert halved.liquidity == pytest.approx(600.0 * sqrt(2))
    assert output_of([halved], 200.0) == pytest.approx(output_of([free], 100.0))
    taxed = curve_segment(600.0, 2.0, 0.0, 1.0, 0.5)
    assert output_of([taxed], 100.0) == pytest.approx(output_of([free], 100.0) / 2)
