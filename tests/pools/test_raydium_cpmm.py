"""Check Raydium CPMM against exact quotients, its invariants and its errors."""

from __future__ import annotations

from math import ceil

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orderengine.errors import (
    AmountOverflow,
    InsufficientLiquidity,
    InvalidAmount,
    InvalidData,
    OrderEngineError,
)
from orderengine.pools import CreatorFeeOn, Direction, RaydiumCpmmPool
from orderengine.pools.fixed_point import Q64, U64_MAX
from tests.pools import laws
from tests.pools.strategies import SOL, USDC, amounts, cpmm_pools, directions, untimed

MILLION = 1_000_000
A_TO_B, B_TO_A = Direction.A_TO_B, Direction.B_TO_A


def pool_of(
    reserve_a: int,
    reserve_b: int,
    *,
    trade_fee_rate: int = 0,
    creator_fee_rate: int = 0,
    creator_fee_on: CreatorFeeOn = CreatorFeeOn.BOTH,
) -> RaydiumCpmmPool:
    """Return a pool of round numbers."""
    return RaydiumCpmmPool(
        address="p",
        token_a=SOL,
        token_b=USDC,
        reserve_a=reserve_a,
        reserve_b=reserve_b,
        trade_fee_rate=trade_fee_rate,
        protocol_fee_rate=120_000,
        fund_fee_rate=40_000,
        creator_fee_rate=creator_fee_rate,
        creator_fee_on=creator_fee_on,
    )


@pytest.mark.parametrize(
    ("reserve_in", "reserve_out", "amount_in", "amount_out"),
    [
        pytest.param(10, 4_000_000, 5, 1_333_333, id="1333333.33 down"),
        pytest.param(20, 79_999, 10, 26_666, id="26666.33 down"),
        pytest.param(4_000_000, 10, 4_000_000, 5, id="5 exactly"),
        pytest.param(70_000_000_000, 4_000_000, 10, 0, id="0.00057 down to nothing"),
        pytest.param(3, 2, 5, 1, id="1.25 down"),
    ],
)
def test_swap_exact_in_floors_the_output(
    reserve_in: int, reserve_out: int, amount_in: int, amount_out: int
) -> None:
    """Without fees the output is out * in / (reserve_in + in) rounded down, either way round."""
    forth = pool_of(reserve_in, reserve_out).swap_exact_in(A_TO_B, amount_in, 0)
    back = pool_of(reserve_out, reserve_in).swap_exact_in(B_TO_A, amount_in, 0)
    assert forth.amount_out == back.amount_out == amount_out


@pytest.mark.parametrize(
    ("reserve_in", "reserve_out", "amount_out", "amount_in"),
    [
        pytest.param(10, 4_000_000, 1_333_333, 5, id="4.999997 up"),
        pytest.param(100, 1_000, 1, 1, id="0.1001 up"),
        pytest.param(100, 1_000, 500, 100, id="100 exactly"),
        pytest.param(100, 1_000, 501, 101, id="100.4 up"),
    ],
)
def test_swap_exact_out_ceils_the_input(
    reserve_in: int, reserve_out: int, amount_out: int, amount_in: int
) -> None:
    """Without fees the input is in * out / (reserve_out - out) rounded up."""
    swap = pool_of(reserve_in, reserve_out).swap_exact_out(A_TO_B, amount_out, 0)
    assert (swap.amount_in, swap.amount_out) == (amount_in, amount_out)


@pytest.mark.parametrize(
    ("amount_in", "trade_fee", "protocol_fee", "fund_fee", "creator_fee"),
    [
        pytest.param(1_000_000, 2_500, 300, 100, 500, id="2500, 300, 100 and 500 exactly"),
        pytest.param(1_000_001, 2_501, 300, 100, 501, id="2500.0025 up, 300.12 down, 500.0005 up"),
        pytest.param(999_999, 2_500, 300, 100, 500, id="2499.9975 up and 499.9995 up"),
        pytest.param(2, 1, 0, 0, 1, id="0.005 up and 0.001 up eat the swap"),
    ],
)
def test_swap_exact_in_rounds_each_fee(
    amount_in: int, trade_fee: int, protocol_fee: int, fund_fee: int, creator_fee: int
) -> None:
    """Trade and creator fee are ceiled apart, the protocol's and fund's shares floored."""
    pool = pool_of(10**12, 10**12, trade_fee_rate=2_500, creator_fee_rate=500)
    swap = pool.swap_exact_in(A_TO_B, amount_in, 0)
    assert (swap.trade_fee, swap.protocol_fee, swap.fund_fee, swap.creator_fee) == (
        trade_fee,
        protocol_fee,
        fund_fee,
        creator_fee,
    )
    assert (swap.fee_in, swap.fee_out) == (trade_fee + creator_fee, 0)


def test_swap_exact_out_splits_one_fee_between_trade_and_creator() -> None:
    """Of a fee of 31 the creator gets floor(31 * 500 / 3000) = 5 and the trade fee 26."""
    pool = pool_of(10**9, 10**9, trade_fee_rate=2_500, creator_fee_rate=500)
    swap = pool.swap_exact_out(A_TO_B, 10_000, 0)
    # net = ceil(10000.1) = 10001, in = ceil(10031.09) = 10032.
    assert (swap.amount_in, swap.trade_fee, swap.creator_fee) == (10_032, 26, 5)


def test_creator_fee_on_output_is_ceiled_and_accrues_there() -> None:
    """Of 9999 B that leave the reserve, ceil(9.999) = 10 are the creator's."""
    pool = pool_of(10**9, 10**9, creator_fee_rate=1_000, creator_fee_on=CreatorFeeOn.ONLY_B)
    swap = pool.swap_exact_in(A_TO_B, 10_000, 0)
    assert (swap.amount_out, swap.fee_in, swap.fee_out) == (9_989, 0, 10)
    assert (swap.pool.reserve_b, swap.pool.accrued_fee_b) == (10**9 - 9_999, 10)


def test_creator_fee_on_output_is_grossed_up_for_exact_out() -> None:
    """A wanted 9989 costs the reserve ceil(9998.999) = 9999."""
    pool = pool_of(10**9, 10**9, creator_fee_rate=1_000, creator_fee_on=CreatorFeeOn.ONLY_B)
    swap = pool.swap_exact_out(A_TO_B, 9_989, 0)
    assert (swap.curve_reserve_out_after, swap.creator_fee) == (10**9 - 9_999, 10)


def test_swap_keeps_the_providers_part_of_the_fee_in_the_reserve() -> None:
    """Of 1000000 in, 300 + 100 accrue and 999600 join the reserve; the curve saw 997500."""
    pool = pool_of(10**12, 10**12, trade_fee_rate=2_500)
    swap = pool.swap_exact_in(A_TO_B, MILLION, 0)
    assert swap.pool.reserve_a == 10**12 + 999_600
    assert swap.pool.accrued_fee_a == 400
    assert swap.curve_reserve_in_after == 10**12 + 997_500
    assert (swap.crossed, swap.end_price_x64) == (0, swap.pool.price_x64)


@pytest.mark.parametrize("amount", [0, -5, U64_MAX + 1])
def test_swap_refuses_an_impossible_amount(amount: int) -> None:
    """Zero, negative and above-u64 amounts name their field."""
    pool = pool_of(1_000, 1_000)
    with pytest.raises(InvalidAmount, match="amount_in must be"):
        pool.swap_exact_in(A_TO_B, amount, 0)
    with pytest.raises(InvalidAmount, match="amount_out must be"):
        pool.swap_exact_out(A_TO_B, amount, 0)


def test_swap_refuses_an_input_below_its_fees() -> None:
    """Two fees of one unit each cannot come out of one unit."""
    pool = pool_of(1_000, 1_000, trade_fee_rate=2_500, creator_fee_rate=500)
    with pytest.raises(InvalidAmount, match="at least its fees, 2"):
        pool.swap_exact_in(A_TO_B, 1, 0)


@pytest.mark.parametrize(("reserve_a", "reserve_b"), [(0, 0), (0, 1_000), (1_000, 0)])
@pytest.mark.parametrize("direction", Direction)
def test_swap_refuses_an_empty_pool(reserve_a: int, reserve_b: int, direction: Direction) -> None:
    """A pool that lacks a token cannot swap, and its price limit takes nothing."""
    pool = pool_of(reserve_a, reserve_b)
    with pytest.raises(InsufficientLiquidity):
        pool.swap_exact_in(direction, 10, 0)
    with pytest.raises(InsufficientLiquidity):
        pool.swap_exact_out(direction, 10, 0)
    assert pool.amount_in_to_price(direction, Q64, 0) == 0


def test_swap_waits_for_the_opening() -> None:
    """Before it nothing is paid, asked for, or shown to a router; from then on all is."""
    pool = msgspec.structs.replace(pool_of(1_000, 1_000), open_time_s=100)
    for swap in (pool.swap_exact_in, pool.swap_exact_out):
        with pytest.raises(InsufficientLiquidity, match="opens at Unix second 100"):
            swap(A_TO_B, 10, 99)
        assert swap(A_TO_B, 10, 100).amount_out > 0
    assert pool.amount_in_to_price(A_TO_B, 1, 99) == 0
    assert list(pool.segments(A_TO_B, 99)) == []
    assert list(pool.segments(A_TO_B, 100)) != []


def test_swap_exact_out_refuses_the_whole_reserve() -> None:
    """One unit must stay; the error says how much could be had."""
    with pytest.raises(InsufficientLiquidity) as caught:
        pool_of(1_000, 500).swap_exact_out(A_TO_B, 500, 0)
    assert (caught.value.required, caught.value.available) == (500, 499)


def test_swap_exact_out_refuses_an_input_above_u64() -> None:
    """The last unit but one of a reserve may cost more than u64 holds."""
    with pytest.raises(AmountOverflow):
        pool_of(10**18, 10**6).swap_exact_out(A_TO_B, 10**6 - 1, 0)


@pytest.mark.parametrize(
    ("trade", "creator", "reserve"),
    [(MILLION, 0, 1), (600_000, 400_000, 1), (-1, 0, 1), (0, 0, -1)],
)
def test_pool_refuses_senseless_numbers(trade: int, creator: int, reserve: int) -> None:
    """Fees that take all of an input, and negative numbers, are refused when the pool is made."""
    with pytest.raises(InvalidData):
        pool_of(reserve, 1, trade_fee_rate=trade, creator_fee_rate=creator)


def test_pool_refuses_shares_above_one() -> None:
    """The protocol and the fund cannot share more than the trade fee."""
    with pytest.raises(InvalidData, match="shares"):
        msgspec.structs.replace(pool_of(1, 1), protocol_fee_rate=MILLION, fund_fee_rate=1)


def test_amount_in_to_price_by_hand() -> None:
    """From 1000 : 1000 without fee, A sells until X = sqrt(10^6 / 0.25) = 2000."""
    pool = pool_of(1_000, 1_000)
    assert pool.amount_in_to_price(A_TO_B, Q64 // 4, 0) == 1_000
    assert pool.amount_in_to_price(B_TO_A, Q64 * 4, 0) == 1_000
    assert pool.amount_in_to_price(A_TO_B, Q64, 0) == 0
    assert pool.amount_in_to_price(A_TO_B, Q64 * 2, 0) == 0
    assert pool.amount_in_to_price(A_TO_B, 0, 0) == U64_MAX
    assert pool.amount_in_to_price(B_TO_A, 0, 0) == 0


def test_amount_in_to_price_refuses_a_negative_limit() -> None:
    """A price below zero is an error of the caller."""
    with pytest.raises(InvalidAmount):
        pool_of(1_000, 1_000).amount_in_to_price(A_TO_B, -1, 0)


@untimed
@given(cpmm_pools(), directions, amounts)
def test_swap_exact_in_of_a_cost_gives_at_least_the_output(
    pool: RaydiumCpmmPool, direction: Direction, amount_out: int
) -> None:
    """Paying the quoted input buys the wanted output.

    Two fees on the input are quoted as one and charged as two, so there it takes a net unit more.
    """
    try:
        swap = pool.swap_exact_out(direction, amount_out, 0)
    except OrderEngineError:
        assume(False)
    slack = 0
    if swap.fee_out == 0 and pool.trade_fee_rate and pool.creator_fee_rate:
        rate = pool.trade_fee_rate + pool.creator_fee_rate
        slack = ceil(MILLION / (MILLION - rate))
    assume(swap.amount_in + slack <= U64_MAX)
    assert pool.swap_exact_in(direction, swap.amount_in + slack, 0).amount_out >= amount_out


@untimed
@given(cpmm_pools(), directions, amounts, st.integers(2, 1_000))
def test_more_buys_no_less(
    pool: RaydiumCpmmPool, direction: Direction, amount: int, more: int
) -> None:
    """Output grows with input, and input with output (a step of 2 outruns two ceiled fees)."""
    laws.more_buys_no_less(pool, direction, amount, more * 2, 0)


@untimed
@given(cpmm_pools(), directions, st.integers(100, 4_000))
def test_amount_in_to_price_stops_at_the_limit(
    pool: RaydiumCpmmPool, direction: Direction, thousandths: int
) -> None:
    """The curve stands within the limit after the input, and past it a net unit later."""
    limit = max(pool.price_x64 * thousandths // 1_000, 1)
    amount_in = pool.amount_in_to_price(direction, limit, 0)
    a_to_b = direction is A_TO_B
    fee_on_input = pool.creator_fee_on is CreatorFeeOn.BOTH or (
        (pool.creator_fee_on is CreatorFeeOn.ONLY_A) == a_to_b
    )
    rate_in = pool.trade_fee_rate + (pool.creator_fee_rate if fee_on_input else 0)
    rate_out = 0 if fee_on_input else pool.creator_fee_rate
    product = pool.reserve_a * pool.reserve_b

    def keeps_the_limit(curve_in: int) -> bool:
        """Compare k * keep / X^2, out for in, with the limit, multiplied out."""
        kept = product * (MILLION - rate_in) * (MILLION - rate_out)
        spread = curve_in**2 * MILLION**2
        return kept * Q64 >= limit * spread if a_to_b else kept * limit >= spread * Q64

    if amount_in:
        try:
            swap = pool.swap_exact_in(direction, amount_in, 0)
        except InvalidAmount:
            assert amount_in < 2
        else:
            assert keeps_the_limit(swap.curve_reserve_in_after)
    else:
        reserve_in = pool.reserve_a if a_to_b else pool.reserve_b
        assert not keeps_the_limit(reserve_in + 1)
    if amount_in < U64_MAX - 10:
        # 2 net units: the one that crosses, and the one that two ceilings may hide.
        further = amount_in + ceil(2 * MILLION / (MILLION - rate_in)) + 1
        swap = pool.swap_exact_in(direction, further, 0)
        assert not keeps_the_limit(swap.curve_reserve_in_after)


@untimed
@given(cpmm_pools(), directions, amounts)
def test_segments_bound_the_swap(pool: RaydiumCpmmPool, direction: Direction, amount: int) -> None:
    """Two ceiled fees keep up to two units of input, flooring one of output; a fee there another.

    A unit of the curve's input is up to four of the trader's, where fees take three quarters.
    """
    laws.segments_bound_the_swap(pool, direction, amount, 0, 8, 2)
