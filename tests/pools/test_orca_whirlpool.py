"""Check Orca Whirlpools: hand-computed swaps, limits, the known ticks, the adaptive fee, laws."""

from __future__ import annotations

import pickle
from fractions import Fraction
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
from orderengine.pools import (
    Direction,
    OrcaWhirlpoolPool,
    OrcaWhirlpoolSpec,
    OrcaWhirlpoolSwap,
    WhirlpoolAdaptiveFee,
    WhirlpoolTick,
)
from orderengine.pools.fixed_point import Q64, U64_MAX, U128_MAX
from orderengine.pools.orca_whirlpool_ticks import (
    SPLASH_TICK_SPACING,
    SQRT_PRICE_MAX_X64,
    SQRT_PRICE_MIN_X64,
    TICK_MIN,
    sqrt_price_at_tick,
)
from orderengine.pools.orca_whirlpool_walk import stretches
from tests.pools import laws
from tests.pools.strategies import NOW_S, SOL, USDC, amounts, directions, untimed
from tests.pools.strategies_whirlpool import whirlpool_pools

A_TO_B, B_TO_A = Direction.A_TO_B, Direction.B_TO_A
MILLION = 1_000_000
BOUNDS = {A_TO_B: SQRT_PRICE_MIN_X64, B_TO_A: SQRT_PRICE_MAX_X64}
TWO_POSITIONS = OrcaWhirlpoolSpec(
    address="p",
    token_a=SOL,
    token_b=USDC,
    tick_spacing=64,
    fee_rate=0,
    protocol_fee_rate=1_300,
    tick_current=0,
    sqrt_price_x64=Q64,
    liquidity=2 * MILLION,
    ticks=tuple(
        WhirlpoolTick(tick, net, MILLION)
        for tick, net in ((64, -MILLION), (-128, MILLION), (-64, MILLION), (128, -MILLION))
    ),
)
"""A million of liquidity from tick -128 to 128, another from -64 to 64, at price 1, no fee."""
INNER_TICKS = (WhirlpoolTick(-64, MILLION, MILLION), WhirlpoolTick(64, -MILLION, MILLION))
ADAPTIVE = WhirlpoolAdaptiveFee(
    filter_period=30,
    decay_period=600,
    reduction_factor=5_000,
    adaptive_fee_control_factor=10_000,
    max_volatility_accumulator=350_000,
    tick_group_size=64,
    major_swap_threshold_ticks=64,
)


def pool_of(**changes: object) -> OrcaWhirlpoolPool:
    """Return the two positions with some fields changed."""
    return OrcaWhirlpoolPool.from_spec(msgspec.structs.replace(TWO_POSITIONS, **changes))


def one_range(liquidity: int, **changes: object) -> OrcaWhirlpoolPool:
    """Return a pool of one position from tick -128 to 128 at price 1."""
    ticks = (WhirlpoolTick(-128, liquidity), WhirlpoolTick(128, -liquidity))
    return pool_of(liquidity=liquidity, ticks=ticks, **changes)


@pytest.mark.parametrize(
    ("direction", "fee_rate", "amount_in", "amount_out", "fee"),
    [
        # 10^6 - 10^6 / (1 + 0.001) = 999.0009...
        pytest.param(A_TO_B, 0, 1_000, 999, 0, id="A, no fee"),
        pytest.param(B_TO_A, 0, 1_000, 999, 0, id="B, no fee"),
        # net = 990; 10^6 - 10^6 / 1.00099 = 989.02...
        pytest.param(A_TO_B, 10_000, 1_000, 989, 10, id="A, 1 %"),
        # net = 1978.02 down; 10^6 - 10^6 / 1.001978 = 1974.09...
        pytest.param(B_TO_A, 11_000, 2_000, 1_974, 22, id="B, 1.1 %"),
        pytest.param(A_TO_B, 10_000, 1, 0, 1, id="the fee eats the input"),
    ],
)
def test_swap_exact_in_within_a_range(
    direction: Direction, fee_rate: int, amount_in: int, amount_out: int, fee: int
) -> None:
    """The net input is floored, the output too, and what is not taken is the fee."""
    swap = one_range(MILLION, fee_rate=fee_rate).swap_exact_in(direction, amount_in, 0)
    assert (swap.amount_in, swap.amount_out, swap.fee_in) == (amount_in, amount_out, fee)
    assert (swap.fee_out, swap.crossed, swap.is_partial) == (0, 0, False)
    assert (swap.fee_rate_min, swap.fee_rate_max) == (fee_rate, fee_rate)
    assert swap.end_liquidity == MILLION


@pytest.mark.parametrize(
    ("direction", "fee_rate", "amount_out", "amount_in"),
    [
        # 10^6 * 0.000999 / 0.999001 = 999.998... up
        pytest.param(A_TO_B, 0, 999, 1_000, id="A, no fee"),
        pytest.param(B_TO_A, 0, 999, 1_000, id="B, no fee"),
        # 989.978... up is 990, and 1 % on top is 10
        pytest.param(A_TO_B, 10_000, 989, 1_000, id="A, 1 %"),
        pytest.param(B_TO_A, 0, 1, 2, id="1.000001 up"),
    ],
)
def test_swap_exact_out_within_a_range(
    direction: Direction, fee_rate: int, amount_out: int, amount_in: int
) -> None:
    """The net input is ceiled, and the fee on top too."""
    swap = one_range(MILLION, fee_rate=fee_rate).swap_exact_out(direction, amount_out, 0)
    assert (swap.amount_in, swap.amount_out) == (amount_in, amount_out)


def test_swap_crosses_a_tick() -> None:
    """Down to tick -64 costs 6409.93 up and pays 6389.45 down; 1590 more pay 1577.36 down there."""
    pool = pool_of()
    swap = pool.swap_exact_in(A_TO_B, 8_000, 0)
    assert (swap.amount_in, swap.amount_out) == (8_000, 6_389 + 1_577)
    assert (swap.crossed, swap.end_liquidity) == (1, MILLION)
    after = swap.pool
    # 1 / sqrt(p) = 1.0032049... + 0.00159, so p = 0.990470..., tick -95.8.
    assert (after.tick_current, swap.end_tick) == (-96, -96)
    assert after.liquidity == MILLION
    back = after.swap_exact_in(B_TO_A, 7_966, 0)
    assert (back.crossed, back.end_liquidity) == (1, 2 * MILLION)
    assert back.amount_out <= 8_000


def test_swap_that_ends_on_a_tick_has_crossed_it() -> None:
    """6410 A reach tick -64 with nothing left: the pool stands one tick lower, on its price."""
    swap = pool_of().swap_exact_in(A_TO_B, 6_410, 0)
    assert (swap.end_sqrt_price_x64, swap.end_tick) == (sqrt_price_at_tick(-64), -65)
    assert (swap.crossed, swap.end_liquidity, swap.amount_out) == (1, MILLION, 6_389)
    up = pool_of().swap_exact_in(B_TO_A, 6_410, 0)
    assert (up.end_tick, up.crossed, up.end_liquidity) == (64, 1, MILLION)
    again = swap.pool.swap_exact_in(B_TO_A, 1, 0)
    assert (again.crossed, again.end_liquidity) == (1, 2 * MILLION)


def test_protocol_fee_is_floored_at_each_step() -> None:
    """A fee of 1 % on 6410 is 64.7 up, on 1525 left 15.25 up; 13 % of each, down, is 8 and 2."""
    pool = pool_of(fee_rate=10_000)
    swap = pool.swap_exact_in(A_TO_B, 8_000, 0)
    assert (swap.fee, swap.protocol_fee) == (65 + 16, 8 + 2)
    assert (swap.pool.accrued_fee_a, swap.pool.accrued_fee_b) == (10, 0)
    assert pool.swap_exact_in(B_TO_A, 8_000, 0).pool.accrued_fee_b == 10


@pytest.mark.parametrize("direction", Direction)
def test_swap_refuses_more_than_there_is(direction: Direction) -> None:
    """6410 and 3216 go in, 6389 and 3184 come out; then nothing is left to the last price."""
    pool = pool_of()
    filled = pool.swap_exact_in(direction, 6_410 + 3_216, 0)
    assert (filled.crossed, filled.end_liquidity, filled.amount_out) == (2, 0, 6_389 + 3_184)
    with pytest.raises(InsufficientLiquidity) as caught:
        pool.swap_exact_in(direction, 10**6, 0)
    assert (caught.value.required, caught.value.available) == (10**6, 9_626)
    with pytest.raises(InsufficientLiquidity) as caught:
        pool.swap_exact_out(direction, 10**6, 0)
    assert (caught.value.required, caught.value.available) == (10**6, 9_573)
    assert "known" not in str(caught.value)


@pytest.mark.parametrize("direction", Direction)
def test_limit_of_the_lowest_or_highest_price_fills_in_part(direction: Direction) -> None:
    """That is what the program does without a limit."""
    bound = BOUNDS[direction]
    swap = pool_of().swap_exact_in(direction, 10**6, 0, sqrt_price_limit_x64=bound)
    assert (swap.amount_in, swap.amount_out, swap.is_partial) == (9_626, 9_573, True)
    assert (swap.end_sqrt_price_x64, swap.pool.price_x64) == (bound, bound * bound >> 64)
    out = pool_of().swap_exact_out(direction, 10**6, 0, sqrt_price_limit_x64=bound)
    assert (out.amount_in, out.amount_out, out.is_partial) == (9_626, 9_573, True)
    assert out.pool == swap.pool
    with pytest.raises(InsufficientLiquidity):
        swap.pool.swap_exact_in(direction, 1, 0)
    assert swap.pool.amount_in_to_price(direction, Q64, 0) == 0


def test_the_lowest_price_leaves_the_tick_below_the_first() -> None:
    """The program takes one from every tick that a swap down reaches; the pool can come back."""
    swap = pool_of().swap_exact_in(A_TO_B, 10**6, 0, sqrt_price_limit_x64=SQRT_PRICE_MIN_X64)
    assert swap.end_tick == TICK_MIN - 1
    assert swap.pool.swap_exact_in(B_TO_A, 9_573, 0).end_liquidity == 2 * MILLION


def test_price_limit_stops_a_swap() -> None:
    """At tick -64, where 6410 A have gone in; the tick is crossed, as the price is its own."""
    limit = sqrt_price_at_tick(-64)
    swap = pool_of().swap_exact_in(A_TO_B, 8_000, 0, sqrt_price_limit_x64=limit)
    assert (swap.amount_in, swap.amount_out, swap.is_partial) == (6_410, 6_389, True)
    assert (swap.end_tick, swap.crossed) == (-65, 1)
    beside = pool_of().swap_exact_in(A_TO_B, 8_000, 0, sqrt_price_limit_x64=limit + 1)
    assert (beside.end_tick, beside.crossed, beside.end_sqrt_price_x64) == (-64, 0, limit + 1)


@pytest.mark.parametrize(
    ("direction", "limit"),
    [
        (A_TO_B, Q64),
        (A_TO_B, Q64 + 1),
        (A_TO_B, SQRT_PRICE_MIN_X64 - 1),
        (A_TO_B, 0),
        (A_TO_B, True),
        (B_TO_A, Q64),
        (B_TO_A, Q64 - 1),
        (B_TO_A, SQRT_PRICE_MAX_X64 + 1),
    ],
)
def test_price_limit_must_lie_ahead(direction: Direction, limit: int) -> None:
    """And within the program's bounds."""
    for quote in (pool_of().swap_exact_in, pool_of().swap_exact_out):
        with pytest.raises(InvalidAmount, match="sqrt_price_limit_x64"):
            quote(direction, 10, 0, sqrt_price_limit_x64=limit)


@pytest.mark.parametrize("amount", [0, -1, U64_MAX + 1, True])
def test_swap_refuses_an_impossible_amount(amount: int) -> None:
    """Zero, negative and above-u64 amounts name their field."""
    with pytest.raises(InvalidAmount, match="amount_in must be"):
        pool_of().swap_exact_in(A_TO_B, amount, NOW_S)
    with pytest.raises(InvalidAmount, match="amount_out must be"):
        pool_of().swap_exact_out(A_TO_B, amount, NOW_S)
    with pytest.raises(InvalidAmount, match="limit_price_x64"):
        pool_of().amount_in_to_price(A_TO_B, -1, NOW_S)


@pytest.mark.parametrize(
    ("direction", "fits", "out"),
    # To tick -100: 6409.93 and 10^6 * (1.00501226 - 1.00320496) = 1807.3 in, up; out 6389.45 and
    # 10^6 * (0.99680527 - 0.99501274) = 1792.5, down; upwards the same.
    [(A_TO_B, 6_410 + 1_808, 6_389 + 1_792), (B_TO_A, 6_410 + 1_808, 6_389 + 1_792)],
)
def test_ticks_beyond_the_known_ones_are_not_guessed(
    direction: Direction, fits: int, out: int
) -> None:
    """A swap may end on the last known tick, crossing nothing there; one unit more says why not."""
    pool = pool_of(known_ticks=(-100, 100), ticks=INNER_TICKS)
    swap = pool.swap_exact_in(direction, fits, 0)
    assert (swap.amount_out, swap.crossed, swap.end_liquidity) == (out, 1, MILLION)
    assert swap.end_tick == (-101 if direction is A_TO_B else 100)
    for exact_in in (True, False):
        quote = pool.swap_exact_in if exact_in else pool.swap_exact_out
        with pytest.raises(InsufficientLiquidity) as caught:
            quote(direction, (fits if exact_in else out) + 1, 0)
        assert "ticks are known from -100 to 100 only" in str(caught.value)
        revived = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  (our own bytes)
        assert str(revived) == str(caught.value)
        with pytest.raises(InsufficientLiquidity, match="known from"):
            quote(direction, 10**6, 0, sqrt_price_limit_x64=BOUNDS[direction])
    with pytest.raises(InsufficientLiquidity, match="known from"):
        swap.pool.swap_exact_in(direction, 1, 0)


@pytest.mark.parametrize("direction", Direction)
def test_the_last_known_tick_is_no_boundary_of_the_way_back(direction: Direction) -> None:
    """What comes from there walks to the next initialised tick in one step."""
    known = pool_of(known_ticks=(-100, 100), ticks=INNER_TICKS)
    whole = pool_of()
    limit = sqrt_price_at_tick(-100 if direction is A_TO_B else 100)
    at_end = known.swap_exact_in(direction, 6_410 + 1_808, 0).pool
    there = whole.swap_exact_in(direction, 10**6, 0, sqrt_price_limit_x64=limit).pool
    back = B_TO_A if direction is A_TO_B else A_TO_B
    for amount in (100, 1_794, 5_000):
        one, other = (pool.swap_exact_in(back, amount, 0) for pool in (at_end, there))
        assert (one.amount_out, one.end_sqrt_price_x64, one.crossed) == (
            other.amount_out,
            other.end_sqrt_price_x64,
            other.crossed,
        )


def test_splash_pool_has_one_range() -> None:
    """From tick -427648 to 427648; nearly a constant product of 10^6 and 10^6."""
    ends = (WhirlpoolTick(-427_648, MILLION), WhirlpoolTick(427_648, -MILLION))
    pool = pool_of(tick_spacing=SPLASH_TICK_SPACING, ticks=ends, liquidity=MILLION)
    assert pool.swap_exact_in(A_TO_B, MILLION, 0).amount_out == 500_000
    assert (pool.vault_a, pool.vault_b) == (MILLION, MILLION)


def test_vaults_come_from_the_liquidity_unless_given() -> None:
    """6389.45 up + 3184.52 up to each side, and accrued fees on top."""
    pool = pool_of(accrued_fee_a=7)
    assert (pool.vault_a, pool.vault_b) == (6_390 + 3_185 + 7, 6_390 + 3_185)
    given_too_little = pool_of(vault_b=100)
    assert given_too_little.swap_exact_in(A_TO_B, 101, 0).pool.vault_b == 0
    for quote in (given_too_little.swap_exact_in, given_too_little.swap_exact_out):
        with pytest.raises(InsufficientLiquidity) as caught:
            quote(A_TO_B, 150, 0)
        assert caught.value.available == 100


def test_swap_refuses_results_above_u64() -> None:
    """A price of 2^40 makes an input of A or an output of A worth too much B."""
    tick = 277_248
    pool = pool_of(
        tick_current=tick,
        sqrt_price_x64=sqrt_price_at_tick(tick),
        liquidity=1 << 95,
        ticks=(WhirlpoolTick(-427_648, 1 << 95), WhirlpoolTick(427_648, -(1 << 95))),
    )
    with pytest.raises(AmountOverflow, match="amount_out"):
        pool.swap_exact_in(A_TO_B, 1 << 50, 0)
    with pytest.raises(AmountOverflow, match="amount_in"):
        pool.swap_exact_out(B_TO_A, 1 << 50, 0)
    assert pool.amount_in_to_price(A_TO_B, 0, 0) == U64_MAX


def test_swap_refuses_products_above_256_bits() -> None:
    """Liquidity of 2^100 times a sqrt price of 2^93 and more, times 2^64, does not fit."""
    tick = 406_016
    ends = (WhirlpoolTick(-427_648, 1 << 100), WhirlpoolTick(427_648, -(1 << 100)))
    pool = pool_of(
        tick_current=tick, sqrt_price_x64=sqrt_price_at_tick(tick), liquidity=1 << 100, ticks=ends
    )
    with pytest.raises(AmountOverflow, match=r"2\^256"):
        pool.swap_exact_in(A_TO_B, 1, 0)
    with pytest.raises(AmountOverflow, match=r"2\^256"):
        pool.swap_exact_out(B_TO_A, 1, 0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tick_spacing": 0}, "from 1 to 65535"),
        ({"fee_rate": MILLION}, "from 0 to 999999"),
        ({"protocol_fee_rate": 10_001}, "from 0 to 10000"),
        ({"liquidity": -1}, "liquidity -1"),
        ({"sqrt_price_x64": 0}, "sqrt_price_x64 0"),
        ({"tick_current": 1}, "0, the tick of sqrt_price_x64"),
        ({"tick_current": -2}, "0, the tick of sqrt_price_x64"),
        ({"accrued_fee_a": -1}, "accrued_fee_a -1"),
        ({"vault_a": 5, "accrued_fee_a": 6}, "no less than the accrued fees"),
        ({"ticks": (WhirlpoolTick(1, 1),)}, "multiples of 64"),
        ({"ticks": (WhirlpoolTick(0, 1), WhirlpoolTick(0, 1))}, "each at most once"),
        ({"ticks": (WhirlpoolTick(64, -3 * MILLION),)}, "liquidity from -1000000 to 2000000"),
        ({"ticks": (WhirlpoolTick(64, U128_MAX),)}, "liquidity from"),
        ({"known_ticks": (-10, 10)}, "multiples of 64 from -10 to 10"),
        ({"known_ticks": (64, 10**6)}, "from -443636 to 443636"),
        ({"known_ticks": (100, 10)}, "a first and a last tick"),
        ({"known_ticks": (64, 128), "ticks": ()}, "one of the known ticks"),
        ({"adaptive_fee": msgspec.structs.replace(ADAPTIVE, tick_group_size=0)}, "a divisor"),
        ({"adaptive_fee": msgspec.structs.replace(ADAPTIVE, tick_group_size=3)}, "a divisor"),
        ({"adaptive_fee": msgspec.structs.replace(ADAPTIVE, filter_period=-1)}, "filter_period"),
        (
            {"adaptive_fee": msgspec.structs.replace(ADAPTIVE, volatility_reference=10**6)},
            "the maximum",
        ),
        (
            {"adaptive_fee": msgspec.structs.replace(ADAPTIVE, tick_group_index_reference=10**6)},
            "a group of ticks",
        ),
    ],
)
def test_from_spec_refuses_senseless_pools(changes: dict[str, object], expected: str) -> None:
    """A pool that no account could hold is refused with what was expected."""
    with pytest.raises(InvalidData, match=expected):
        pool_of(**changes)


def test_spec_reads_the_programs_names() -> None:
    """A decoded object converts directly, decimal strings and all."""
    spec = msgspec.convert(
        {
            "address": "p",
            "token_a": "SOL",
            "token_b": "USDC",
            "tick_spacing": 4,
            "fee_rate": 1,
            "protocol_fee_rate": 1,
            "tick_current": 0,
            "sqrt_price_x64": str(Q64),
            "liquidity": "0",
            "ticks": [{"tick": 4, "liquidity_net": "-5", "liquidity_gross": "5"}],
        },
        OrcaWhirlpoolSpec,
        strict=False,
    )
    assert (spec.sqrt_price_x64, spec.ticks) == (Q64, (WhirlpoolTick(4, -5, 5),))


def test_adaptive_fee_is_set_anew_in_each_group() -> None:
    """Group -1 is 10000 away: 10000 * (10000 * 64)^2 / 10^13 = 409.6, -2 has 1638.4; both up.

    At price 1 the swap down starts in group 0, which ends right there: its rate is charged on
    nothing.
    """
    pool = one_range(10**9, fee_rate=1_000, adaptive_fee=ADAPTIVE)
    swap = pool.swap_exact_in(A_TO_B, 1_000_000, NOW_S)
    # 0.141 % of 10^6 is 1410.
    assert (swap.fee, swap.fee_rate_min, swap.fee_rate_max) == (1_410, 1_000, 1_410)
    far = pool.swap_exact_in(A_TO_B, 4_000_000, NOW_S)
    # Down to tick -64 3204964.96 net up and 4525.42 up on top; of the 790510 left, 0.2639 %.
    assert (far.fee_rate_max, far.fee) == (2_639, 4_526 + 2_087)
    assert far.crossed == 0
    oracle = far.pool.adaptive_fee
    assert oracle is not None
    assert oracle.volatility_accumulator == 20_000
    assert (oracle.volatility_reference, oracle.tick_group_index_reference) == (0, 0)
    assert oracle.last_reference_update_timestamp == NOW_S


def test_adaptive_fee_decays_with_time() -> None:
    """Right after a swap the reference stays; after the filter period half of it; later nothing."""
    pool = one_range(10**9, fee_rate=1_000, adaptive_fee=ADAPTIVE)
    moved = pool.swap_exact_in(A_TO_B, 4_000_000, NOW_S).pool
    found = []
    for wait_s in (-5, 0, 29, 30, 599, 600):
        oracle = moved.swap_exact_in(A_TO_B, 1_000, NOW_S + wait_s).pool.adaptive_fee
        assert oracle is not None
        found.append((oracle.volatility_accumulator, oracle.tick_group_index_reference))
    assert found == [(20_000, 0)] * 3 + [(10_000, -2)] * 2 + [(0, -2)]


def test_adaptive_fee_remembers_major_swaps_and_forgets_old_references() -> None:
    """A move of 64 ticks restarts the wait; after an hour the reference goes all the same."""
    pool = one_range(10**9, fee_rate=1_000, adaptive_fee=ADAPTIVE)
    minor = pool.swap_exact_in(A_TO_B, 1_000, NOW_S).pool.adaptive_fee
    major = pool.swap_exact_in(A_TO_B, 4_000_000, NOW_S).pool
    assert minor is not None
    assert major.adaptive_fee is not None
    assert (minor.last_major_swap_timestamp, major.adaptive_fee.last_major_swap_timestamp) == (
        0,
        NOW_S,
    )
    old = msgspec.structs.replace(
        major.adaptive_fee, last_reference_update_timestamp=NOW_S + 10 - 3_601
    )
    kept = msgspec.structs.replace(
        major.adaptive_fee, last_reference_update_timestamp=NOW_S + 10 - 3_600
    )
    accumulators = []
    for fee in (old, kept):
        pool = OrcaWhirlpoolPool.from_spec(
            msgspec.structs.replace(major.to_spec(), adaptive_fee=fee)
        )
        oracle = pool.swap_exact_in(A_TO_B, 1_000, NOW_S + 10).pool.adaptive_fee
        assert oracle is not None
        accumulators.append(oracle.volatility_accumulator)
    assert accumulators == [0, 20_000]


def test_adaptive_fee_is_capped_at_a_tenth() -> None:
    """Static 6 % and a control factor at its most in a far group."""
    fee = msgspec.structs.replace(
        ADAPTIVE, adaptive_fee_control_factor=99_999, volatility_reference=350_000
    )
    pool = one_range(10**9, fee_rate=60_000, adaptive_fee=fee)
    recent = msgspec.structs.replace(fee, last_reference_update_timestamp=NOW_S)
    busy = one_range(10**9, fee_rate=60_000, adaptive_fee=recent)
    assert busy.swap_exact_in(A_TO_B, 1_000, NOW_S).fee == 100
    assert pool.swap_exact_in(B_TO_A, 1_000, NOW_S).fee == 60


def test_nothing_trades_before_it_is_enabled() -> None:
    """The error says from when on; there is no curve either."""
    fee = msgspec.structs.replace(ADAPTIVE, trade_enable_timestamp=NOW_S + 1)
    pool = one_range(10**9, adaptive_fee=fee)
    with pytest.raises(InsufficientLiquidity, match=f"trades from {NOW_S + 1}"):
        pool.swap_exact_in(A_TO_B, 1_000, NOW_S)
    assert list(pool.segments(A_TO_B, NOW_S)) == []
    assert pool.amount_in_to_price(A_TO_B, 1, NOW_S) == 0
    # Group -1 charges 410 ppm: of 999 net, 10^9 - 10^9 / (1 + 0.000000999) = 998.999...
    assert pool.swap_exact_in(A_TO_B, 1_000, NOW_S + 1).amount_out == 998


def test_segments_split_where_the_rate_differs() -> None:
    """Two groups below price 1, each with its rate; the same ranges are one piece without one."""
    pool = one_range(10**9, fee_rate=1_000, adaptive_fee=ADAPTIVE)
    prices = [segment.price_start for segment in pool.segments(A_TO_B, NOW_S)]
    root = sqrt_price_at_tick(-64) / Q64
    assert prices == pytest.approx([1 - 0.00141, root * root * (1 - 0.002639)])
    plain = one_range(10**9, fee_rate=1_000)
    assert len(list(plain.segments(A_TO_B, NOW_S))) == 1
    assert len(list(pool_of().segments(A_TO_B, NOW_S))) == 2


def test_segments_on_both_sides_of_a_gap_stay_apart() -> None:
    """The same liquidity from tick -64 to 0 and from -192 to -128 is two pieces."""
    gapped = ((-192, MILLION), (-128, -MILLION), (-64, MILLION), (0, -MILLION))
    pool = pool_of(liquidity=0, ticks=tuple(WhirlpoolTick(*tick) for tick in gapped))
    paid = [segment.amount_out for segment in pool.segments(A_TO_B, NOW_S)]
    # 10^6 * (1 - 0.99680527), and that times 1.0001^-64.
    assert paid == pytest.approx([3_194.726, 3_174.344])
    assert pool.swap_exact_in(A_TO_B, 3_205 + 3_226, 0).amount_out == 3_194 + 3_174


def test_amount_in_to_price_counts_each_rate() -> None:
    """Just above what the second group earns at its start, the first is taken whole; no more."""
    pool = one_range(10**9, fee_rate=1_000, adaptive_fee=ADAPTIVE)
    root = sqrt_price_at_tick(-64)
    limit = (root * root >> 64) * (MILLION - 2_639) // MILLION
    whole = 3_204_965 + 4_526
    assert pool.amount_in_to_price(A_TO_B, limit + 2, NOW_S) == whole
    assert pool.amount_in_to_price(A_TO_B, limit * 999 // 1_000, NOW_S) > whole
    assert pool.amount_in_to_price(A_TO_B, Q64, NOW_S) == 0
    assert pool.amount_in_to_price(B_TO_A, Q64, NOW_S) == 0


def outcome(quote: object) -> object:
    """Return what a call gives, or that it is refused."""
    try:
        return quote()  # type: ignore[operator] # a function of no arguments
    except OrderEngineError:
        return "refused"


@untimed
@given(whirlpool_pools(is_adaptive=False), directions, amounts, st.booleans())
def test_the_short_way_is_the_programs_way(
    pool: OrcaWhirlpoolPool, direction: Direction, amount: int, exact_in: bool
) -> None:
    """With the outermost price as a limit the walk goes step by step: every figure is the same."""
    assert pool.liquidity_map.is_summed
    quote = pool.swap_exact_in if exact_in else pool.swap_exact_out
    short = outcome(lambda: quote(direction, amount, NOW_S))
    bound = BOUNDS[direction]
    walked = outcome(lambda: quote(direction, amount, NOW_S, sqrt_price_limit_x64=bound))
    if isinstance(walked, OrcaWhirlpoolSwap) and walked.is_partial:
        assert short == "refused"
    else:
        assert short == walked


@untimed
@given(whirlpool_pools(), directions, amounts, st.booleans())
def test_swap_moves_the_vaults_by_exactly_its_amounts(
    pool: OrcaWhirlpoolPool, direction: Direction, amount: int, exact_in: bool
) -> None:
    """And the next pool is one that a spec can describe, price, tick and liquidity in accord."""
    swap = laws.moves_the_vaults_by_its_amounts(pool, direction, amount, NOW_S, exact_in=exact_in)
    assert isinstance(swap, OrcaWhirlpoolSwap)
    assert swap.fee_rate_min <= swap.fee_rate_max <= 100_000
    assert 0 <= swap.protocol_fee <= swap.fee
    after = swap.pool
    assert OrcaWhirlpoolPool.from_spec(after.to_spec()) == after
    accrued = after.accrued_fee_a - pool.accrued_fee_a, after.accrued_fee_b - pool.accrued_fee_b
    assert sorted(accrued) == [0, swap.protocol_fee]


def liquidity_worth(pool: OrcaWhirlpoolPool) -> tuple[Fraction, Fraction]:
    """Return the exact amounts of A and B that the known liquidity is entitled to."""
    held_a = sum(
        Fraction((liquidity << 64) * (end - start), start * end)
        for start, end, liquidity, _ in stretches(pool, a_to_b=False, now_s=NOW_S)
    )
    held_b = sum(
        Fraction(liquidity * (start - end), Q64)
        for start, end, liquidity, _ in stretches(pool, a_to_b=True, now_s=NOW_S)
    )
    return Fraction(held_a), Fraction(held_b)


@untimed
@given(whirlpool_pools(), directions, amounts, st.booleans())
def test_value_never_falls(
    pool: OrcaWhirlpoolPool, direction: Direction, amount: int, exact_in: bool
) -> None:
    """What the vaults hold beyond the liquidity's claim shrinks in neither token (I11)."""
    after = laws.swap_of(pool, direction, amount, NOW_S, exact_in=exact_in).pool
    assert isinstance(after, OrcaWhirlpoolPool)
    before_a, before_b = liquidity_worth(pool)
    after_a, after_b = liquidity_worth(after)
    assert after.vault_a - after_a >= pool.vault_a - before_a
    assert after.vault_b - after_b >= pool.vault_b - before_b


@untimed
@given(whirlpool_pools(), directions, amounts)
def test_swap_exact_out_of_an_output_costs_at_most_its_input(
    pool: OrcaWhirlpoolPool, direction: Direction, amount_in: int
) -> None:
    """Asking for what an input bought never costs more than that input (I10), but at a boundary.

    The program takes a whole step if what is wanted is not below the step's output floored, though
    less of it would pay that: up to one more unit of output is paid for, at the price there, and
    with the fee of at most 10 %.
    """
    bought = laws.swap_of(pool, direction, amount_in, NOW_S)
    assume(bought.amount_out > 0)
    cost = pool.swap_exact_out(direction, bought.amount_out, NOW_S)
    slack = 0
    end = cost.end_sqrt_price_x64
    if end in {edge for _, edge, _, _ in stretches(pool, direction is A_TO_B, NOW_S)}:
        unit = Fraction(Q64, end) ** 2 if direction is A_TO_B else Fraction(end, Q64) ** 2
        slack = ceil(unit / Fraction(9, 10)) + 1
    assert cost.amount_in <= amount_in + slack


def test_exact_out_takes_the_whole_of_a_range_that_rounds_down_to_it() -> None:
    """The range pays 3.19 A; for 3 of them all of its 3.21 B go in, up, where 3.02 would do."""
    pool = pool_of(liquidity=1_000, ticks=(WhirlpoolTick(64, -1_000),))
    swap = pool.swap_exact_out(B_TO_A, 3, 0)
    assert (swap.amount_in, swap.end_tick, swap.crossed) == (4, 64, 1)


@untimed
@given(whirlpool_pools(), directions, amounts)
def test_swap_exact_in_of_a_cost_gives_at_least_the_output(
    pool: OrcaWhirlpoolPool, direction: Direction, amount_out: int
) -> None:
    """Paying the quoted input buys the wanted output, without any slack."""
    cost = laws.swap_of(pool, direction, amount_out, NOW_S, exact_in=False)
    assume(cost.amount_in > 0)
    assert pool.swap_exact_in(direction, cost.amount_in, NOW_S).amount_out >= amount_out


@untimed
@given(whirlpool_pools(), directions, amounts, amounts)
def test_swapping_in_two_parts_never_gains(
    pool: OrcaWhirlpoolPool, direction: Direction, first: int, second: int
) -> None:
    """Two swaps at one time get at most what one of the sum gets, without slack for rounding."""
    laws.two_parts_never_gain(pool, direction, first, second, NOW_S)


@untimed
@given(whirlpool_pools(), directions, amounts, st.integers(1, 1_000))
def test_more_buys_no_less(
    pool: OrcaWhirlpoolPool, direction: Direction, amount: int, more: int
) -> None:
    """Output grows with input, and input with output, from one unit on."""
    laws.more_buys_no_less(pool, direction, amount, more, NOW_S)


@untimed
@given(whirlpool_pools(), directions, amounts)
def test_quoting_changes_nothing(
    pool: OrcaWhirlpoolPool, direction: Direction, amount: int
) -> None:
    """And the pool cannot be changed."""
    laws.quoting_changes_nothing(pool, direction, amount, NOW_S)
    with pytest.raises(AttributeError):
        pool.liquidity = 1  # type: ignore[misc] # it must be refused at run time too


@untimed
@given(whirlpool_pools(), directions, amounts)
def test_segments_bound_the_swap(
    pool: OrcaWhirlpoolPool, direction: Direction, amount: int
) -> None:
    """Each step may keep two units of input (a ceiled amount, a ceiled fee) and one of output.

    A net unit is at most 1 / 0.9 of the trader's, as no rate passes 10 %. The last place of the
    price, 2^-64, is worth up to liquidity * 2^-64 of B and liquidity / price of A.
    """
    steps = list(stretches(pool, direction is A_TO_B, NOW_S))
    of_b = sum(liquidity / Q64 for _, _, liquidity, _ in steps)
    of_a = sum(liquidity * Q64 / min(start, end) ** 2 for start, end, liquidity, _ in steps)
    keeps_in, keeps_out = (of_a, of_b) if direction is A_TO_B else (of_b, of_a)
    slack_in = int((2 * len(steps) + 2 + keeps_in) / 0.9) + 1
    slack_out = len(steps) + 1 + int(keeps_out)
    laws.segments_bound_the_swap(pool, direction, amount, NOW_S, slack_in, slack_out)


@untimed
@given(whirlpool_pools(liquidity_min=10**12), directions, st.integers(1_100, 4_000))
def test_amount_in_to_price_is_where_trading_on_stops_paying(
    pool: OrcaWhirlpoolPool, direction: Direction, thousandths: int
) -> None:
    """Measured by swaps alone: the last tenth earns the limit, another tenth does not.

    Every range that is crossed rounds the output once and the input twice, and a fee that falls may
    make a group beyond the limit better than it, so the second half is for constant rates.
    """
    assume(pool.adaptive_fee is None)
    if direction is A_TO_B:
        limit = max(pool.price_x64 * 1_000 // thousandths, 1)
    else:
        limit = pool.price_x64 * thousandths // 1_000
    ranges = len(pool.liquidity_map.ticks) + 2
    worth = limit if direction is A_TO_B else Q64 * Q64 // max(limit, 1)
    laws.stops_at_the_price(pool, direction, limit, NOW_S, 2 + 2 * ranges * (2 + worth // Q64))


@untimed
@given(whirlpool_pools(), directions, st.integers(1_000, 2_000))
def test_amount_in_to_price_does_not_pass_the_price(
    pool: OrcaWhirlpoolPool, direction: Direction, thousandths: int
) -> None:
    """The swap goes through, and the price before fees does not pass the limit before fees."""
    a_to_b = direction is A_TO_B
    scale = (1_000, thousandths) if a_to_b else (thousandths, 1_000)
    limit = max(pool.price_x64 * scale[0] // scale[1], 1)
    amount_in = pool.amount_in_to_price(direction, limit, NOW_S)
    assume(0 < amount_in < U64_MAX)
    swap = laws.swap_of(pool, direction, amount_in, NOW_S)
    # Rates are at most 10 %, and the limit holds after them.
    if a_to_b:
        assert (swap.end_price_x64 + 1) * (MILLION - pool.fee_rate) >= limit * MILLION
    else:
        assert swap.end_price_x64 * MILLION <= limit * (MILLION - pool.fee_rate)
