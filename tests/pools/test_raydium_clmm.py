"""Check Raydium CLMM: by hand, against its laws, and the short way against the walk."""

from __future__ import annotations

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
    ClmmDynamicFee,
    ClmmTickSpec,
    Direction,
    RaydiumClmmPool,
    RaydiumClmmSpec,
    RaydiumClmmSwap,
    depth_within,
    marginal_price_x64,
)
from orderengine.pools.fixed_point import Q64, U64_MAX
from orderengine.pools.raydium_clmm_ticks import (
    SQRT_PRICE_MAX,
    SQRT_PRICE_MIN,
    TICK_MAX,
    TICK_MIN,
    sqrt_price_at_tick,
)
from tests.pools import laws
from tests.pools.strategies import NOW_S, amounts, directions, untimed
from tests.pools.strategies_clmm import clmm_pools, spec_of_positions

MILLION = 1_000_000
A_TO_B, B_TO_A = Direction.A_TO_B, Direction.B_TO_A
WIDE = [(-20_000, 20_000, MILLION)]
STEPS = [(-20, 20, 10**9), (-10, 10, 10**9)]
"""Liquidity 2 * 10^9 between ticks -10 and 10, half of it ten ticks further out."""


FIGURES = [
    *(name for name, of in vars(RaydiumClmmSwap).items() if isinstance(of, property)),
    *("before", "a_to_b", "amount_in", "amount_out", "end_sqrt_price_x64", "end_range"),
]
"""All that a swap says of itself, but for the way on which it was found."""


def figures(swap: RaydiumClmmSwap) -> list[object]:
    """Return them in order."""
    return [getattr(swap, figure) for figure in FIGURES]


def wide(trade_fee_rate: int = 0, fee_on: int = 0) -> RaydiumClmmPool:
    """Return one range at price 1, where 10^6 units of a token halve or double its square root."""
    return RaydiumClmmPool.from_spec(
        spec_of_positions(WIDE, tick_current=0, trade_fee_rate=trade_fee_rate, fee_on=fee_on)
    )


def stepped() -> RaydiumClmmPool:
    """Return four ticks around price 1, without a fee."""
    return RaydiumClmmPool.from_spec(spec_of_positions(STEPS, tick_current=0))


def test_no_more_is_paid_than_the_vault_holds() -> None:
    """Where an account says so, whatever the ticks promise; from both ways to a quote."""
    short = RaydiumClmmPool.from_spec(msgspec.structs.replace(wide().to_spec(), vault_b=499_999))
    for exact_in, limit in ((True, None), (False, None), (True, Q64 // 3)):

        def swap(
            pool: RaydiumClmmPool, exact_in: bool = exact_in, limit: int | None = limit
        ) -> RaydiumClmmSwap:
            if exact_in:
                return pool.swap_exact_in(A_TO_B, MILLION, NOW_S, sqrt_price_limit_x64=limit)
            return pool.swap_exact_out(A_TO_B, 500_000, NOW_S)

        assert swap(wide()).amount_out == 500_000
        with pytest.raises(InsufficientLiquidity, match="vault is short") as caught:
            swap(short)
        assert (caught.value.required, caught.value.available) == (500_000, 499_999)


def test_one_range_by_hand() -> None:
    """10^6 A into 10^6 : 10^6 halve the root: 500000 B, price 1/4, log(1/4) / log(1.0001) down."""
    swap = wide().swap_exact_in(A_TO_B, MILLION, NOW_S)
    assert (swap.amount_in, swap.amount_out, swap.fee) == (MILLION, 500_000, 0)
    assert (swap.end_sqrt_price_x64, swap.end_tick) == (Q64 // 2, -13_864)
    assert swap.end_price_x64 == swap.pool.price_x64 == Q64 // 4
    assert (swap.crossed, swap.steps, swap.end_liquidity) == (0, 1, MILLION)
    back = wide().swap_exact_in(B_TO_A, MILLION, NOW_S)
    assert (back.amount_out, back.end_sqrt_price_x64, back.end_tick) == (500_000, Q64 * 2, 13_863)


@pytest.mark.parametrize("direction", Direction)
def test_exact_out_by_hand(direction: Direction) -> None:
    """500000 cost 10^6 exactly; 333333 cost 10^6 * 0.333333 / 0.666667 = 499999.25, ceiled."""
    assert wide().swap_exact_out(direction, 500_000, NOW_S).amount_in == MILLION
    swap = wide().swap_exact_out(direction, 333_333, NOW_S)
    assert (swap.amount_in, swap.amount_out) == (500_000, 333_333)


def test_fee_on_the_input_by_hand() -> None:
    """2500 of 10^6; 997500 net give 10^12 * 0.9975 / 1997500 = 499374.2; shares 12 % and 4 %."""
    swap = wide(2_500).swap_exact_in(A_TO_B, MILLION, NOW_S)
    assert (swap.amount_out, swap.fee_in, swap.fee_out) == (499_374, 2_500, 0)
    assert (swap.protocol_fee, swap.fund_fee) == (300, 100)
    after = swap.pool
    assert (after.protocol_fee_a, after.fund_fee_a) == (300, 100)
    assert (after.protocol_fee_b, after.fund_fee_b) == (0, 0)


def test_fee_on_the_output_by_hand() -> None:
    """Always in A: selling B, 500000 A come out and 1250 of them are fee."""
    swap = wide(2_500, fee_on=1).swap_exact_in(B_TO_A, MILLION, NOW_S)
    assert (swap.amount_out, swap.fee_in, swap.fee_out) == (498_750, 0, 1_250)
    assert (swap.pool.protocol_fee_a, swap.pool.fund_fee_a) == (150, 50)
    again = wide(2_500, fee_on=1).swap_exact_out(B_TO_A, 498_750, NOW_S)
    assert (again.amount_in, again.fee_out) == (MILLION, 1_250)
    selling_a = wide(2_500, fee_on=1).swap_exact_in(A_TO_B, MILLION, NOW_S)
    assert selling_a == msgspec.structs.replace(
        wide(2_500).swap_exact_in(A_TO_B, MILLION, NOW_S), before=selling_a.before
    )


def test_crossing_downwards_leaves_one_tick_less() -> None:
    """What empties the inner range ends at tick -10's price with tick -11, at half the liquidity.

    2 * 10^9 * (1.0001^5 - 1) = 1000200.02 A, ceiled.
    """
    swap = stepped().swap_exact_in(A_TO_B, 1_000_201, NOW_S)
    assert (swap.end_tick, swap.end_sqrt_price_x64) == (-11, sqrt_price_at_tick(-10))
    assert (swap.crossed, swap.steps, swap.end_liquidity) == (1, 1, 10**9)
    one_less = stepped().swap_exact_in(A_TO_B, 1_000_200, NOW_S)
    assert (one_less.end_tick, one_less.crossed, one_less.end_liquidity) == (-10, 0, 2 * 10**9)
    onward = swap.pool.swap_exact_in(A_TO_B, 1_000, NOW_S)
    assert (onward.crossed, onward.end_tick, onward.end_liquidity) == (0, -11, 10**9)
    # Back up it meets the tick where it stands, which is no step.
    back = swap.pool.swap_exact_in(B_TO_A, 1_000, NOW_S)
    assert (back.crossed, back.steps, back.end_tick) == (1, 1, -10)
    assert back.end_liquidity == 2 * 10**9


def test_crossing_upwards_leaves_the_tick() -> None:
    """2 * 10^9 * (1.0001^5 - 1) = 1000200.02 B, ceiled, end at tick 10 itself."""
    swap = stepped().swap_exact_in(B_TO_A, 1_000_201, NOW_S)
    assert (swap.end_tick, swap.end_sqrt_price_x64) == (10, sqrt_price_at_tick(10))
    assert (swap.crossed, swap.end_liquidity) == (1, 10**9)


def test_an_input_that_is_all_fee_moves_nothing() -> None:
    """One unit at 4 %: nothing is left to trade, and the tick stays what a crossing made it."""
    pool = RaydiumClmmPool.from_spec(
        spec_of_positions(STEPS, tick_current=0, trade_fee_rate=40_000)
    )
    crossed = pool.swap_exact_in(A_TO_B, ceil(1_000_201 / 0.96), NOW_S).pool
    assert crossed.tick_current == -11
    swap = crossed.swap_exact_in(A_TO_B, 1, NOW_S)
    assert (swap.amount_out, swap.fee, swap.end_tick, swap.steps) == (0, 1, -11, 1)
    assert swap.end_sqrt_price_x64 == sqrt_price_at_tick(-10)


@pytest.mark.parametrize("direction", Direction)
def test_running_out_of_ticks_is_refused(direction: Direction) -> None:
    """With what the ticks do take; a limit beyond them changes nothing, as in the program."""
    pool, limit = stepped(), sqrt_price_at_tick(-30 if direction is A_TO_B else 30)
    for limited in (None, limit):
        with pytest.raises(InsufficientLiquidity) as caught:
            pool.swap_exact_in(direction, 10**7, NOW_S, sqrt_price_limit_x64=limited)
        most = caught.value.available
        assert "not known" not in str(caught.value)
    everything = pool.swap_exact_in(direction, most, NOW_S)
    assert (everything.crossed, everything.end_liquidity) == (2, 0)
    with pytest.raises(InsufficientLiquidity):
        pool.swap_exact_in(direction, most + 1, NOW_S)
    with pytest.raises(InsufficientLiquidity):
        pool.swap_exact_out(direction, everything.amount_out + 1, NOW_S)


@pytest.mark.parametrize("direction", Direction)
def test_nothing_is_traded_beyond_the_known_ticks(direction: Direction) -> None:
    """Ticks -15 to 14 are known: a swap may come near -16 and 15 and no further; it says so."""
    spec = spec_of_positions([(-10, 10, 10**9)], tick_current=0)
    spec = msgspec.structs.replace(spec, liquidity=2 * 10**9, known_from=-15, known_to=15)
    pool = RaydiumClmmPool.from_spec(spec)
    with pytest.raises(InsufficientLiquidity, match=r"beyond tick -?1[56] its liq"):
        pool.swap_exact_in(direction, 10**7, NOW_S)
    most = pool.amount_in_to_price(direction, 0 if direction is A_TO_B else 2 * Q64, NOW_S)
    swap = pool.swap_exact_in(direction, most, NOW_S)
    assert (swap.crossed, swap.end_tick) == (1, -16 if direction is A_TO_B else 14)
    with pytest.raises(InsufficientLiquidity, match="not known"):
        pool.swap_exact_in(direction, most + 1, NOW_S)
    with pytest.raises(InsufficientLiquidity, match="not known"):
        pool.swap_exact_out(direction, swap.amount_out + 10**6, NOW_S)
    limit = sqrt_price_at_tick(-12 if direction is A_TO_B else 12)
    limited = pool.swap_exact_in(direction, 10**7, NOW_S, sqrt_price_limit_x64=limit)
    assert (limited.end_sqrt_price_x64, limited.stopped_at_price_limit) == (limit, True)
    assert RaydiumClmmPool.from_spec(pool.to_spec()) == pool


def test_the_price_limit_stops_a_swap() -> None:
    """At tick -5's price, half way through the first range: 2 * 10^9 * (1.0001^2.5 - 1) A."""
    pool, limit = stepped(), sqrt_price_at_tick(-5)
    swap = pool.swap_exact_in(A_TO_B, 10**9, NOW_S, sqrt_price_limit_x64=limit)
    # 500037.50 ceiled.
    assert (swap.amount_in, swap.end_tick, swap.crossed) == (500_038, -5, 0)
    assert swap.stopped_at_price_limit
    assert swap.end_sqrt_price_x64 == limit
    less = pool.swap_exact_in(A_TO_B, 400_000, NOW_S, sqrt_price_limit_x64=limit)
    assert (less.amount_in, less.stopped_at_price_limit) == (400_000, False)
    bought = pool.swap_exact_out(A_TO_B, 10**9, NOW_S, sqrt_price_limit_x64=limit)
    assert (bought.amount_in, bought.amount_out) == (swap.amount_in, swap.amount_out)


@pytest.mark.parametrize("limit", [0, -1, SQRT_PRICE_MIN, Q64, Q64 + 1, 10**40, "1", 1.5])
def test_the_price_limit_must_lie_ahead(limit: int) -> None:
    """Below the price, and above the lowest of all, for a swap downwards."""
    with pytest.raises(InvalidAmount, match="sqrt_price_limit_x64"):
        wide().swap_exact_in(A_TO_B, 1, NOW_S, sqrt_price_limit_x64=limit)
    with pytest.raises(InvalidAmount, match="sqrt_price_limit_x64"):
        wide().swap_exact_out(B_TO_A, 1, NOW_S, sqrt_price_limit_x64=SQRT_PRICE_MAX)


def test_the_ends_of_all_prices() -> None:
    """A pool of all prices never gets there by itself; with a limit it stops one unit before."""
    spec = spec_of_positions([(TICK_MIN, TICK_MAX, 10)], tick_current=0)
    pool = RaydiumClmmPool.from_spec(spec)
    for direction, end in ((A_TO_B, SQRT_PRICE_MIN + 1), (B_TO_A, SQRT_PRICE_MAX - 1)):
        with pytest.raises(InsufficientLiquidity):
            pool.swap_exact_in(direction, 10**18, NOW_S)
        swap = pool.swap_exact_in(direction, 10**18, NOW_S, sqrt_price_limit_x64=end)
        assert (swap.end_sqrt_price_x64, swap.crossed) == (end, 0)
        assert swap.amount_out == 9
        with pytest.raises(InsufficientLiquidity):
            swap.pool.swap_exact_in(direction, 1, NOW_S)


def test_amounts_above_u64_are_refused() -> None:
    """An input that an output needs with its fee, and an output at a price of 22026."""
    deep = RaydiumClmmPool.from_spec(
        spec_of_positions([(-60, 60, 10**30)], tick_current=0, trade_fee_rate=2_500)
    )
    with pytest.raises(AmountOverflow, match="amount_in"):
        deep.swap_exact_out(A_TO_B, U64_MAX, NOW_S)
    dear = RaydiumClmmPool.from_spec(
        spec_of_positions([(99_000, 101_000, 10**30)], tick_current=100_000)
    )
    with pytest.raises(AmountOverflow, match="amount_out"):
        dear.swap_exact_in(A_TO_B, U64_MAX, NOW_S)
    in_b = RaydiumClmmPool.from_spec(
        spec_of_positions([(-60, 60, 10**30)], tick_current=0, trade_fee_rate=2_500, fee_on=2)
    )
    with pytest.raises(AmountOverflow, match="amount_out with its fee"):
        in_b.swap_exact_out(A_TO_B, U64_MAX, NOW_S)


@pytest.mark.parametrize("amount", [0, -1, U64_MAX + 1, 10**40, True])
def test_amounts_outside_u64_are_refused(amount: int) -> None:
    """Before anything is computed."""
    with pytest.raises(InvalidAmount, match="amount_in"):
        wide().swap_exact_in(A_TO_B, amount, NOW_S)
    with pytest.raises(InvalidAmount, match="amount_out"):
        wide().swap_exact_out(A_TO_B, amount, NOW_S)
    with pytest.raises(InvalidAmount, match="limit_price_x64"):
        wide().amount_in_to_price(A_TO_B, -1, NOW_S)


def changed(**fields: object) -> RaydiumClmmSpec:
    """Return the spec of four ticks with other fields."""
    return msgspec.structs.replace(spec_of_positions(STEPS, tick_current=0), **fields)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tick_spacing": 0}, "tick_spacing 0"),
        ({"tick_spacing": 1_001}, "tick_spacing 1001"),
        ({"tick_spacing": 7}, "a multiple of 7"),
        ({"fee_on": 3}, "fee_on 3"),
        ({"trade_fee_rate": MILLION}, "trade_fee_rate"),
        ({"trade_fee_rate": -1}, "trade_fee_rate"),
        ({"protocol_fee_rate": MILLION, "fund_fee_rate": 1}, "shares"),
        ({"fund_fee_rate": -1}, "shares"),
        ({"vault_a": -1}, "vault_a -1"),
        ({"fund_fee_b": -1}, "fund_fee_b -1"),
        ({"tick_current": TICK_MAX}, "tick_current 443636"),
        ({"tick_current": 1}, "sqrt_price_x64 18446744073709551616 at tick_current 1"),
        ({"sqrt_price_x64": 0}, "sqrt_price_x64 0"),
        ({"liquidity": 10**8}, "liquidity -1900000000 beside tick -20"),
        ({"liquidity": -1}, "liquidity -"),
        ({"liquidity": 2**128}, "liquidity 3402"),
        ({"known_from": 2}, "tick_current 0"),
        ({"known_to": 0}, "tick_current 0"),
        ({"known_to": 20}, "initialised tick 20"),
        ({"known_from": -19}, "initialised tick -20"),
        ({"ticks": (ClmmTickSpec(tick=1, liquidity_net=0),) * 2}, "tick 1 twice"),
        ({"ticks": (ClmmTickSpec(tick=TICK_MAX + 1, liquidity_net=0),)}, "initialised tick 443637"),
    ],
)
def test_a_senseless_spec_is_refused(fields: dict[str, object], said: str) -> None:
    """The error names what is wrong."""
    with pytest.raises(InvalidData, match=said):
        RaydiumClmmPool.from_spec(changed(**fields))


DYNAMIC = ClmmDynamicFee(
    filter_period=30,
    decay_period=600,
    reduction_factor=5_000,
    dynamic_fee_control=5_000,
    max_volatility_accumulator=20_000,
)


def dynamic(fee: ClmmDynamicFee = DYNAMIC) -> RaydiumClmmPool:
    """Return 10^9 of liquidity in groups of ten ticks, 0.1 % of base fee, price at tick 5."""
    return RaydiumClmmPool.from_spec(
        spec_of_positions(
            [(-100, 100, 10**9)],
            tick_current=5,
            tick_spacing=10,
            trade_fee_rate=1_000,
            dynamic_fee=fee,
        )
    )


def test_a_dynamic_fee_rises_from_group_to_group_by_hand() -> None:
    """1000, 1000 + 5000 * 100000^2 / 10^13 = 1005, 1000 + 5000 * 200000^2 / 10^13 = 1020 ppm.

    Two groups away the accumulator is at its maximum, and the rest is one step.
    """
    segments = list(dynamic().segments(A_TO_B, NOW_S))
    ends = [5, 0, -10, -100]
    assert len(segments) == 3
    for segment, rate, start, end in zip(
        segments, [1_000, 1_005, 1_020], ends, ends[1:], strict=False
    ):
        keep = 1 - rate / MILLION
        assert segment.price_start == pytest.approx(1.0001**start * keep, rel=1e-12)
        assert segment.price_end == pytest.approx(1.0001**end * keep, rel=1e-12)
    swap = dynamic().swap_exact_in(A_TO_B, 10**6, NOW_S)
    # To tick 0 250.0 thousand A, to -10 another 500.1 thousand, with their fees; then the rest.
    assert (swap.steps, swap.crossed) == (3, 0)
    net = [
        10**9 * (1 / 1.0001 ** (end / 2) - 1 / 1.0001 ** (start / 2))
        for start, end in ((5, 0), (0, -10))
    ]
    rest = 10**6 - net[0] / 0.999 - net[1] / 0.998995
    fees = net[0] / 0.999 * 0.001 + net[1] / 0.998995 * 0.001005 + rest * 0.00102
    assert swap.fee == pytest.approx(fees, abs=4)
    remembered = swap.pool.dynamic_fee
    assert remembered is not None
    assert (remembered.volatility_accumulator, remembered.volatility_reference) == (20_000, 0)
    assert remembered.tick_spacing_index_reference == 0
    assert remembered.last_update_timestamp == NOW_S


@pytest.mark.parametrize(
    ("elapsed_s", "reference", "index", "updated"),
    [(29, 7, 3, 0), (30, 9_000, 0, 30), (599, 9_000, 0, 599), (600, 0, 0, 600)],
)
def test_a_dynamic_fee_decays_in_steps(
    elapsed_s: int, reference: int, index: int, updated: int
) -> None:
    """Within 30 s nothing changes, then half of 18001 is left, floored, after 600 s nothing."""
    fee = msgspec.structs.replace(
        DYNAMIC,
        volatility_accumulator=18_001,
        volatility_reference=7,
        tick_spacing_index_reference=3,
    )
    after = dynamic(fee).swap_exact_in(B_TO_A, 1_000, elapsed_s).pool.dynamic_fee
    assert after is not None
    assert after.volatility_reference == reference
    assert after.tick_spacing_index_reference == index
    assert after.last_update_timestamp == updated
    assert after.volatility_accumulator == min(reference + 10_000 * index, 20_000)


def test_a_dynamic_fee_is_capped_at_a_tenth() -> None:
    """Base and dynamic part together, even where the base alone is above it."""
    spec = msgspec.structs.replace(dynamic().to_spec(), trade_fee_rate=200_000)
    swap = RaydiumClmmPool.from_spec(spec).swap_exact_in(A_TO_B, 1_000, NOW_S)
    assert swap.fee == 100


def test_a_dynamic_fee_out_of_its_integers_is_refused() -> None:
    """The error names the field."""
    with pytest.raises(InvalidData, match="dynamic_fee_control -1"):
        dynamic(msgspec.structs.replace(DYNAMIC, dynamic_fee_control=-1))


def test_a_pool_without_ticks_trades_nothing() -> None:
    """And has no price to offer."""
    pool = RaydiumClmmPool.from_spec(spec_of_positions([], tick_current=0))
    for direction in Direction:
        with pytest.raises(InsufficientLiquidity):
            pool.swap_exact_in(direction, 1, NOW_S)
        assert list(pool.segments(direction, NOW_S)) == []
        assert marginal_price_x64(pool, direction, NOW_S) == 0
        assert pool.amount_in_to_price(direction, Q64, NOW_S) == 0
        assert depth_within(pool, direction, 100, NOW_S).amount_in == 0


def test_the_price_limit_of_an_input_by_hand() -> None:
    """10^6 A take the price from 1 to 1/4; at 1/4 with a fee of 19 % the root goes to 5/9.

    10^6 * (9/5 - 1) = 800000 A net, 987654.3 with the fee.
    """
    pool = wide()
    assert pool.amount_in_to_price(A_TO_B, Q64 // 4, NOW_S) == MILLION
    assert pool.amount_in_to_price(B_TO_A, Q64 * 4, NOW_S) == MILLION
    assert pool.amount_in_to_price(A_TO_B, Q64, NOW_S) == 0
    assert pool.amount_in_to_price(B_TO_A, Q64, NOW_S) == 0
    assert pool.amount_in_to_price(B_TO_A, 0, NOW_S) == 0
    with_fee = wide(190_000)
    amount_in = with_fee.amount_in_to_price(A_TO_B, Q64 // 4, NOW_S)
    assert amount_in * 81 // 100 in {799_999, 800_000}
    everything = pool.amount_in_to_price(A_TO_B, 0, NOW_S)
    assert pool.swap_exact_in(A_TO_B, everything, NOW_S).end_liquidity == 0


def test_no_input_stops_where_there_is_no_liquidity() -> None:
    """Between two ranges any unit leads across; a limit there takes the first range only."""
    spec = spec_of_positions([(-20, -10, 10**9), (0, 10, 10**9)], tick_current=5)
    pool = RaydiumClmmPool.from_spec(spec)
    at_minus_5 = sqrt_price_at_tick(-5) ** 2 >> 64
    amount_in = pool.amount_in_to_price(A_TO_B, at_minus_5, NOW_S)
    swap = pool.swap_exact_in(A_TO_B, amount_in, NOW_S)
    assert (swap.end_sqrt_price_x64, swap.end_tick, swap.end_liquidity) == (Q64, -1, 0)
    onward = swap.pool
    assert onward.amount_in_to_price(A_TO_B, at_minus_5, NOW_S) == 0
    assert onward.swap_exact_in(A_TO_B, 1, NOW_S).crossed == 1


def needed(pool: RaydiumClmmPool) -> tuple[Fraction, Fraction]:
    """Return what the pool's liquidity is worth where the price stands, exactly."""
    need_a, need_b = Fraction(0), Fraction(0)
    ladder, here = pool.ladder, pool.sqrt_price_x64
    for index in range(1, len(ladder.ticks)):
        low, high = ladder.roots[index - 1], ladder.roots[index]
        held = ladder.liquidity[index]
        if high > here:
            bottom = max(low, here)
            need_a += Fraction(held * Q64 * (high - bottom), bottom * high)
        if low < here:
            need_b += Fraction(held * (min(high, here) - low), Q64)
    return need_a, need_b


def surplus(pool: RaydiumClmmPool) -> tuple[Fraction, Fraction]:
    """Return what the vaults hold beyond that and beyond the protocol's and the fund's fees."""
    need_a, need_b = needed(pool)
    return (
        pool.vault_a - pool.protocol_fee_a - pool.fund_fee_a - need_a,
        pool.vault_b - pool.protocol_fee_b - pool.fund_fee_b - need_b,
    )


@untimed
@given(clmm_pools(), directions, amounts, st.booleans())
def test_swap_moves_the_vaults_by_exactly_its_amounts(
    pool: RaydiumClmmPool, direction: Direction, amount: int, exact_in: bool
) -> None:
    """And never takes from what the liquidity needs at the new price, in either token (I11)."""
    swap = laws.moves_the_vaults_by_its_amounts(pool, direction, amount, NOW_S, exact_in=exact_in)
    after = swap.pool
    assert isinstance(after, RaydiumClmmPool)
    assert min(surplus(pool)) >= 0
    for before_, after_ in zip(surplus(pool), surplus(after), strict=True):
        assert after_ >= before_


@untimed
@given(clmm_pools(has_dynamic_fee=False), directions, amounts, st.booleans())
def test_the_short_way_ends_where_the_walk_does(
    pool: RaydiumClmmPool, direction: Direction, amount: int, exact_in: bool
) -> None:
    """A limit at the end of all prices changes nothing but the way: every figure is the walk's."""
    limit = SQRT_PRICE_MIN + 1 if direction is A_TO_B else SQRT_PRICE_MAX - 1
    ask = pool.swap_exact_in if exact_in else pool.swap_exact_out

    def outcome(sqrt_price_limit_x64: int | None) -> list[object] | str:
        try:
            return figures(ask(direction, amount, NOW_S, sqrt_price_limit_x64=sqrt_price_limit_x64))
        except OrderEngineError as error:
            return repr(error)

    assert outcome(None) == outcome(limit)


@pytest.mark.parametrize("ranges", [1, 2])
@pytest.mark.parametrize("trade_fee_rate", [0, 2_500])
@pytest.mark.parametrize("fee_on", [0, 1, 2])
@pytest.mark.parametrize("direction", Direction)
def test_the_short_way_ends_where_the_walk_does_at_a_tick(
    direction: Direction, fee_on: int, trade_fee_rate: int, ranges: int
) -> None:
    """A few units around what one range or two take or pay; a unit is less than the last place.

    A to B with so much liquidity a unit less than a range pays already moves the price to its end.
    """
    spec = spec_of_positions(
        [(-30, 30, 2**69), (-20, 20, 2**69), (-10, 10, 2**70)],
        tick_current=0,
        trade_fee_rate=trade_fee_rate,
        fee_on=fee_on,
    )
    pool = RaydiumClmmPool.from_spec(spec)
    limit, stop = (SQRT_PRICE_MIN + 1, -10) if direction is A_TO_B else (SQRT_PRICE_MAX - 1, 10)
    reached = pool.swap_exact_in(
        direction, 10**19, NOW_S, sqrt_price_limit_x64=sqrt_price_at_tick(stop * ranges)
    )
    assert reached.crossed == ranges
    for offset in range(-3, 4):
        for ask, amount in (
            (pool.swap_exact_in, reached.amount_in),
            (pool.swap_exact_out, reached.amount_out),
        ):
            swap = ask(direction, amount + offset, NOW_S)
            walked = ask(direction, amount + offset, NOW_S, sqrt_price_limit_x64=limit)
            assert figures(swap) == figures(walked)


@untimed
@given(clmm_pools(), directions, amounts, st.booleans())
def test_a_next_pool_is_what_its_spec_makes(
    pool: RaydiumClmmPool, direction: Direction, amount: int, exact_in: bool
) -> None:
    """So nothing in it is left over from the pool before."""
    swap = laws.swap_of(pool, direction, amount, NOW_S, exact_in=exact_in)
    after = swap.pool
    assert isinstance(after, RaydiumClmmPool)
    assert RaydiumClmmPool.from_spec(after.to_spec()) == after


@untimed
@given(clmm_pools(), directions, amounts)
def test_swap_exact_out_of_an_output_costs_at_most_its_input(
    pool: RaydiumClmmPool, direction: Direction, amount_in: int
) -> None:
    """Asking for what an input bought costs that input, and a unit of output more (I10).

    The program takes a range to its end for an output that equals the range's, floored. So it may
    charge for a fraction of a unit that nobody receives, at the range's dearest price.
    """
    roots = pool.ladder.roots
    dearest = Q64 / roots[0] if direction is A_TO_B else roots[-1] / Q64
    slack = ceil(dearest**2 / 0.9)  # No fee in these pools is above 10 %.
    laws.asking_for_an_output_costs_at_most_its_input(pool, direction, amount_in, NOW_S, slack)


def test_an_output_that_is_a_whole_range_is_charged_the_range() -> None:
    """1.69 A lie up to tick 0: 1 A takes the price there, and costs 2 B where 1 B had bought it."""
    price = 18441427040350254804
    spec = spec_of_positions([(-10, 0, 4_962)], tick_current=-6, sqrt_price_x64=price)
    pool = RaydiumClmmPool.from_spec(spec)
    assert pool.swap_exact_in(B_TO_A, 1, NOW_S).amount_out == 1
    swap = pool.swap_exact_out(B_TO_A, 1, NOW_S)
    assert (swap.amount_in, swap.amount_out, swap.crossed) == (2, 1, 1)


@untimed
@given(clmm_pools(has_dynamic_fee=False), directions, amounts, amounts)
def test_swapping_in_two_parts_never_gains(
    pool: RaydiumClmmPool, direction: Direction, first: int, second: int
) -> None:
    """Two swaps get at most what one of the sum gets, without slack, at a constant fee rate.

    Not with a dynamic fee: once at its maximum it stays there to the next initialised tick, and a
    second swap reckons anew.
    """
    laws.two_parts_never_gain(pool, direction, first, second, NOW_S)


@untimed
@given(clmm_pools(), directions, amounts, st.integers(1, 1_000))
def test_more_buys_no_less(
    pool: RaydiumClmmPool, direction: Direction, amount: int, more: int
) -> None:
    """Output grows with input, and input with output."""
    laws.more_buys_no_less(pool, direction, amount, more, NOW_S)


@untimed
@given(clmm_pools(), directions, amounts)
def test_quoting_changes_nothing(pool: RaydiumClmmPool, direction: Direction, amount: int) -> None:
    """And the pool cannot be changed."""
    laws.quoting_changes_nothing(pool, direction, amount, NOW_S)
    with pytest.raises(AttributeError):
        pool.vault_a = 1  # type: ignore[misc] # it must be refused at run time too


@untimed
@given(clmm_pools(), directions, amounts)
def test_segments_bound_the_swap(pool: RaydiumClmmPool, direction: Direction, amount: int) -> None:
    """Each of at most 12 ranges and 40 groups keeps up to two units by rounding, and a fee two."""
    laws.segments_bound_the_swap(pool, direction, amount, NOW_S, 200, 200)


@untimed
@given(clmm_pools(has_dynamic_fee=False), directions, st.integers(900, 1_100))
def test_amount_in_to_price_stops_at_the_limit(
    pool: RaydiumClmmPool, direction: Direction, thousandths: int
) -> None:
    """The price after fees stands within the limit after the input, and past it a unit later."""
    limit = max(pool.price_x64 * thousandths // 1_000, 1)
    amount_in = pool.amount_in_to_price(direction, limit, NOW_S)
    a_to_b, keep = direction is A_TO_B, MILLION - pool.terms.trade_rate

    def keeps_the_limit(root: int) -> bool:
        """Compare root^2 * keep with the limit, or root^2 / keep, multiplied out."""
        square = root * root
        if a_to_b:
            return square * keep >= limit * Q64 * MILLION
        return square * MILLION <= limit * Q64 * keep

    if amount_in:
        swap = pool.swap_exact_in(direction, amount_in, NOW_S)
        assert keeps_the_limit(swap.end_sqrt_price_x64)
    further = amount_in + ceil(MILLION / keep) + 1
    try:
        swap = pool.swap_exact_in(direction, further, NOW_S)
    except OrderEngineError:
        return
    assert not keeps_the_limit(swap.end_sqrt_price_x64)


@untimed
@given(clmm_pools(10**12, has_dynamic_fee=True), directions, st.integers(0, 100))
def test_a_dynamic_fee_keeps_the_price_limit_too(
    pool: RaydiumClmmPool, direction: Direction, thousandths: int
) -> None:
    """The last tenth of the input earns the limit; what lies beyond may have a lower fee again."""
    if direction is A_TO_B:
        limit = pool.price_x64 * (1_000 - thousandths) // 1_000
    else:
        limit = pool.price_x64 * (1_000 + thousandths) // 1_000
    amount_in = pool.amount_in_to_price(direction, limit, NOW_S)
    assume(amount_in > 10**6)
    step = amount_in // 10
    before = pool.swap_exact_in(direction, amount_in - step, NOW_S).amount_out
    earned = pool.swap_exact_in(direction, amount_in, NOW_S).amount_out - before
    # 50 steps may each keep four units.
    if direction is A_TO_B:
        assert (earned + 200) * Q64 >= limit * (step - 200)
    else:
        assert (earned + 200) * limit >= Q64 * (step - 200)


@untimed
@given(clmm_pools(10**12, has_dynamic_fee=False), directions, st.integers(1, 100))
def test_amount_in_to_price_is_where_trading_on_stops_paying(
    pool: RaydiumClmmPool, direction: Direction, thousandths: int
) -> None:
    """Measured by swaps alone: the last tenth earns the limit, another tenth does not."""
    if direction is A_TO_B:
        limit = pool.price_x64 * (1_000 - thousandths) // 1_000
    else:
        limit = pool.price_x64 * (1_000 + thousandths) // 1_000
    laws.stops_at_the_price(pool, direction, limit, NOW_S, slack_out=100)
