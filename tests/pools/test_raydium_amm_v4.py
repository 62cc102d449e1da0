"""Check Raydium AMM v4 against exact quotients, its invariants and its errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import AmountOverflow, InsufficientLiquidity, InvalidAmount, InvalidData
from orderengine.pools import Direction, RaydiumAmmV4Pool
from orderengine.pools.fixed_point import Q64, U64_MAX
from tests.pools import laws
from tests.pools.strategies import SOL, USDC, amounts, directions, untimed
from tests.pools.strategies_amm_v4 import amm_v4_pools

A_TO_B, B_TO_A = Direction.A_TO_B, Direction.B_TO_A


def pool_of(
    reserve_a: int,
    reserve_b: int,
    *,
    fee_numerator: int = 25,
    fee_denominator: int = 10_000,
    accrued_a: int = 0,
    open_time_s: int = 0,
) -> RaydiumAmmV4Pool:
    """Return a pool of round numbers."""
    return RaydiumAmmV4Pool(
        address="p",
        token_a=SOL,
        token_b=USDC,
        reserve_a=reserve_a,
        reserve_b=reserve_b,
        fee_numerator=fee_numerator,
        fee_denominator=fee_denominator,
        accrued_a=accrued_a,
        open_time_s=open_time_s,
    )


@pytest.mark.parametrize(
    ("reserve_in", "reserve_out", "amount_in", "fee", "amount_out"),
    [
        pytest.param(10_000, 10_000, 10_000, 25, 4_993, id="fee 25, 4993.74 down"),
        pytest.param(10_000, 10_000, 10_001, 26, 4_993, id="fee 25.0025 up, net 9975"),
        pytest.param(100, 4_000_000, 1, 1, 0, id="the fee eats the swap"),
        pytest.param(9_975, 2_000, 10_000, 25, 1_000, id="1000 exactly"),
        pytest.param(70_000_000_000, 4_000_000, 10, 1, 0, id="0.0005 down to nothing"),
    ],
)
def test_swap_exact_in_ceils_the_fee_and_floors_the_output(
    reserve_in: int, reserve_out: int, amount_in: int, fee: int, amount_out: int
) -> None:
    """The output is out * net / (reserve_in + net) rounded down, either way round."""
    forth = pool_of(reserve_in, reserve_out).swap_exact_in(A_TO_B, amount_in, 0)
    back = pool_of(reserve_out, reserve_in).swap_exact_in(B_TO_A, amount_in, 0)
    assert forth.amount_out == back.amount_out == amount_out
    assert forth.fee_in == back.fee_in == fee
    assert (forth.fee_out, forth.crossed) == (0, 0)


@pytest.mark.parametrize(
    ("reserve_in", "reserve_out", "amount_out", "net_in", "amount_in"),
    [
        pytest.param(9_975, 2_000, 1_000, 9_975, 10_000, id="both exactly"),
        pytest.param(9_975, 2_000, 1_001, 9_995, 10_021, id="9994.97 up, 10020.05 up"),
        pytest.param(100, 1_000, 1, 1, 2, id="0.1001 up, 1.0025 up"),
    ],
)
def test_swap_exact_out_ceils_twice(
    reserve_in: int, reserve_out: int, amount_out: int, net_in: int, amount_in: int
) -> None:
    """The net input is ceiled, and so is the input that leaves it after the fee."""
    swap = pool_of(reserve_in, reserve_out).swap_exact_out(A_TO_B, amount_out, 0)
    assert (swap.net_in, swap.amount_in, swap.amount_out) == (net_in, amount_in, amount_out)


def test_swap_keeps_the_fee_in_the_reserve() -> None:
    """All of the input joins the reserve; what the protocol may collect stays as it was."""
    pool = pool_of(9_975, 2_000, accrued_a=7)
    swap = pool.swap_exact_in(A_TO_B, 10_000, 0)
    after = swap.pool
    assert (after.reserve_a, after.reserve_b) == (19_975, 1_000)
    assert (after.accrued_a, after.vault_a, after.vault_b) == (7, 19_982, 1_000)
    assert swap.end_price_x64 == after.price_x64 == 1_000 * Q64 // 19_975


def test_what_the_protocol_may_collect_takes_no_part_in_the_price() -> None:
    """Two pools that differ in it alone quote the same."""
    quotes = {
        pool_of(9_975, 2_000, accrued_a=accrued).swap_exact_in(A_TO_B, 500, 0).amount_out
        for accrued in (0, 10**6)
    }
    assert len(quotes) == 1


def test_swap_waits_for_the_pool_to_open() -> None:
    """A second before its opening time a pool neither swaps nor shows a price curve."""
    pool = pool_of(1_000, 1_000, open_time_s=100)
    assert pool.swap_exact_in(A_TO_B, 500, 100).amount_out > 0
    with pytest.raises(InsufficientLiquidity, match="can pay 0"):
        pool.swap_exact_in(A_TO_B, 500, 99)
    with pytest.raises(InsufficientLiquidity, match="can pay 0"):
        pool.swap_exact_out(A_TO_B, 500, 99)
    assert pool.amount_in_to_price(A_TO_B, 1, 99) == 0
    assert list(pool.segments(A_TO_B, 99)) == []


@pytest.mark.parametrize("amount", [0, -5, U64_MAX + 1, True])
def test_swap_refuses_an_impossible_amount(amount: int) -> None:
    """Zero, negative and above-u64 amounts name their field."""
    pool = pool_of(1_000, 1_000)
    with pytest.raises(InvalidAmount, match="amount_in must be"):
        pool.swap_exact_in(A_TO_B, amount, 0)
    with pytest.raises(InvalidAmount, match="amount_out must be"):
        pool.swap_exact_out(A_TO_B, amount, 0)


@pytest.mark.parametrize(("reserve_a", "reserve_b"), [(0, 0), (0, 1_000), (1_000, 0)])
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("amount", [1, 10])
def test_swap_refuses_an_empty_pool(
    reserve_a: int, reserve_b: int, direction: Direction, amount: int
) -> None:
    """A pool that lacks a token has no price curve, not even for an input that its fee eats."""
    pool = pool_of(reserve_a, reserve_b)
    with pytest.raises(InsufficientLiquidity):
        pool.swap_exact_out(direction, amount, 0)
    with pytest.raises(InsufficientLiquidity):
        pool.swap_exact_in(direction, amount, 0)
    assert pool.amount_in_to_price(direction, Q64, 0) == 0
    assert list(pool.segments(direction, 0)) == []


def test_swap_exact_out_refuses_the_whole_reserve() -> None:
    """One unit must stay; the error says how much could be had."""
    with pytest.raises(InsufficientLiquidity) as caught:
        pool_of(1_000, 500).swap_exact_out(A_TO_B, 500, 0)
    assert (caught.value.required, caught.value.available) == (500, 499)


def test_swap_at_the_bounds_of_u64() -> None:
    """The largest amounts are exact; an input above u64 is refused."""
    pool = pool_of(U64_MAX, U64_MAX)
    swap = pool.swap_exact_in(A_TO_B, U64_MAX, 0)
    net = U64_MAX - (U64_MAX * 25 + 9_999) // 10_000
    assert (swap.net_in, swap.amount_out) == (net, U64_MAX * net // (U64_MAX + net))
    with pytest.raises(AmountOverflow):
        pool.swap_exact_out(A_TO_B, U64_MAX - 1, 0)


@pytest.mark.parametrize(
    ("numerator", "denominator", "reserve"), [(1, 1, 1), (-1, 10, 1), (0, 0, 1), (25, 10_000, -1)]
)
def test_pool_refuses_senseless_numbers(numerator: int, denominator: int, reserve: int) -> None:
    """A fee that takes all of an input, a fee over nothing, and negative balances."""
    with pytest.raises(InvalidData):
        pool_of(reserve, 1, fee_numerator=numerator, fee_denominator=denominator)


def test_amount_in_to_price_by_hand() -> None:
    """From 1000 : 1000 without fee, A sells until X = sqrt(10^6 / 0.25) = 2000."""
    pool = pool_of(1_000, 1_000, fee_numerator=0)
    assert pool.amount_in_to_price(A_TO_B, Q64 // 4, 0) == 1_000
    assert pool.amount_in_to_price(B_TO_A, Q64 * 4, 0) == 1_000
    assert pool.amount_in_to_price(A_TO_B, Q64, 0) == 0
    assert pool.amount_in_to_price(A_TO_B, 0, 0) == U64_MAX
    assert pool.amount_in_to_price(B_TO_A, 0, 0) == 0
    with pytest.raises(InvalidAmount):
        pool.amount_in_to_price(A_TO_B, -1, 0)


@untimed
@given(amm_v4_pools(), directions, amounts)
def test_swap_exact_in_of_a_cost_gives_at_least_the_output(
    pool: RaydiumAmmV4Pool, direction: Direction, amount_out: int
) -> None:
    """Paying the quoted input buys the wanted output."""
    cost = laws.swap_of(pool, direction, amount_out, 0, exact_in=False)
    assert pool.swap_exact_in(direction, cost.amount_in, 0).amount_out >= amount_out


@untimed
@given(amm_v4_pools(), directions, amounts, st.integers(1, 1_000))
def test_more_buys_no_less(
    pool: RaydiumAmmV4Pool, direction: Direction, amount: int, more: int
) -> None:
    """Output grows with input, and input with output."""
    laws.more_buys_no_less(pool, direction, amount, more, 0)


@untimed
@given(amm_v4_pools(), directions, st.integers(100, 4_000))
def test_amount_in_to_price_stops_at_the_limit(
    pool: RaydiumAmmV4Pool, direction: Direction, thousandths: int
) -> None:
    """The curve stands within the limit after the input, and past it one net unit later."""
    limit = max(pool.price_x64 * thousandths // 1_000, 1)
    amount_in = pool.amount_in_to_price(direction, limit, 0)
    a_to_b = direction is A_TO_B
    reserve_in = pool.reserve_a if a_to_b else pool.reserve_b
    keep, whole = pool.fee_denominator - pool.fee_numerator, pool.fee_denominator

    def keeps_the_limit(curve_in: int) -> bool:
        """Compare k * keep / X^2, out for in, with the limit, multiplied out."""
        kept = pool.reserve_a * pool.reserve_b * keep
        spread = curve_in**2 * whole
        return kept * Q64 >= limit * spread if a_to_b else kept * limit >= spread * Q64

    if amount_in:
        swap = pool.swap_exact_in(direction, amount_in, 0)
        assert keeps_the_limit(reserve_in + swap.net_in)
    if amount_in < U64_MAX:
        swap = pool.swap_exact_in(direction, amount_in + 1, 0)
        if swap.net_in or amount_in:
            assert not keeps_the_limit(reserve_in + swap.net_in)


@untimed
@given(amm_v4_pools(), directions, amounts)
def test_segments_bound_the_swap(pool: RaydiumAmmV4Pool, direction: Direction, amount: int) -> None:
    """The ceiled fee keeps up to a unit of input, a net unit of which may be two; flooring one.

    Another unit of output is for a swap that asks for all but nothing of a reserve.
    """
    laws.segments_bound_the_swap(pool, direction, amount, 0, 3, 2)
