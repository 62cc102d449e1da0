"""Check Meteora DAMM v2 against hand-computed swaps, its laws and its errors."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orderengine.errors import AmountOverflow, InsufficientLiquidity, InvalidAmount, InvalidData
from orderengine.pools import (
    DammBaseFee,
    DammDynamicFee,
    Direction,
    MeteoraDammV2Pool,
    MeteoraDammV2Spec,
)
from orderengine.pools.fixed_point import Q64, U64_MAX, U128_MAX
from orderengine.pools.meteora_damm_v2_curve import amount_a_ceil, amount_b_ceil
from orderengine.pools.meteora_damm_v2_fees import FEE_RATE_ONE
from tests.pools import laws
from tests.pools.strategies import NOW_S, SOL, USDC, amounts, directions, untimed
from tests.pools.strategies_damm import damm_pools

A_TO_B, B_TO_A = Direction.A_TO_B, Direction.B_TO_A
MILLION = 1_000_000


def spec_of(**changes: Any) -> MeteoraDammV2Spec:
    """Return a pool of price 1 in the range 1/4 to 4, with 10^6 of liquidity, a fee of 0.25 %.

    So l = 10^6: amounts are l * (1 / r1 - 1 / r2) of A and l * (r2 - r1) of B, r the price's root.
    """
    spec = MeteoraDammV2Spec(
        address="p",
        token_a=SOL,
        token_b=USDC,
        sqrt_price=Q64,
        sqrt_min_price=Q64 // 2,
        sqrt_max_price=Q64 * 2,
        liquidity=MILLION * Q64,
        base_fee=DammBaseFee(cliff_fee_numerator=2_500_000),
        protocol_fee_percent=20,
        referral_fee_percent=25,
    )
    return msgspec.structs.replace(spec, **changes)


def pool_of(**changes: Any) -> MeteoraDammV2Pool:
    """Return that pool with other settings."""
    return MeteoraDammV2Pool.from_spec(spec_of(**changes))


def compounding(**changes: Any) -> MeteoraDammV2Pool:
    """Return a constant product of a million each; half of what providers earn compounds."""
    settings = {
        "collect_fee_mode": 2,
        "token_a_amount": MILLION,
        "token_b_amount": MILLION,
        "compounding_fee_bps": 5_000,
    }
    return pool_of(**(settings | changes))


def test_selling_a_takes_the_fee_from_the_output() -> None:
    """600000 A move r to 1 / 1.6, which pays 375000 B less a fee of 937.5 up."""
    swap = pool_of().swap_exact_in(A_TO_B, 600_000, 0)
    assert (swap.gross_out, swap.amount_out) == (375_000, 374_062)
    assert (swap.fee_in, swap.fee_out, swap.fees_on_input) == (0, 938, False)
    assert (swap.amount_left, swap.crossed) == (0, 0)
    # Protocol floor(187.6) = 187; the liquidity providers get the rest.
    assert swap.fees == (751, 0, 187, 0)
    assert swap.end_sqrt_price_x64 == -(-Q64 * 10 // 16)


@pytest.mark.parametrize(
    ("mode", "net_in", "gross_out", "amount_out"),
    [
        pytest.param(0, 600_000, 374_999, 374_061, id="output: 1.6 is no Q64.64, so one less"),
        pytest.param(1, 598_500, 374_413, 374_413, id="token B, the input: 374413.51 down"),
    ],
)
def test_buying_a_takes_the_fee_as_the_mode_says(
    mode: int, net_in: int, gross_out: int, amount_out: int
) -> None:
    """Mode 0 charges the output A; mode 1 the input B, ceil(1500) of 600000."""
    swap = pool_of(collect_fee_mode=mode).swap_exact_in(B_TO_A, 600_000, 0)
    assert (swap.net_in, swap.gross_out, swap.amount_out) == (net_in, gross_out, amount_out)
    assert swap.fees_on_input is (mode == 1)
    assert swap.end_sqrt_price_x64 == Q64 + net_in * Q64 // MILLION


@pytest.mark.parametrize(
    ("mode", "direction", "amount_out", "gross_out", "net_in", "amount_in"),
    [
        pytest.param(0, A_TO_B, 374_063, 375_001, 600_003, 600_003, id="375000.5 up, 600002.6 up"),
        pytest.param(1, B_TO_A, 375_000, 375_000, 600_001, 601_505, id="1.6 up, so one more"),
        pytest.param(
            1, A_TO_B, 374_062, 375_000, 600_000, 600_000, id="374999.5 up, 600000 exactly"
        ),
    ],
)
def test_swap_exact_out_ceils_the_fee_and_the_input(
    mode: int, direction: Direction, amount_out: int, gross_out: int, net_in: int, amount_in: int
) -> None:
    """The wanted output is grossed up and ceiled, or the input is; then l / (1 - out / l) - l."""
    swap = pool_of(collect_fee_mode=mode).swap_exact_out(direction, amount_out, 0)
    assert (swap.gross_out, swap.net_in, swap.amount_in) == (gross_out, net_in, amount_in)
    assert swap.amount_out == amount_out


def test_exact_in_refuses_to_leave_the_range() -> None:
    """A million A reach the end of the range exactly; one more is too much."""
    pool = pool_of()
    assert pool.swap_exact_in(A_TO_B, MILLION, 0).end_sqrt_price_x64 == Q64 // 2
    with pytest.raises(InsufficientLiquidity) as caught:
        pool.swap_exact_in(A_TO_B, MILLION + 1, 0)
    assert (caught.value.required, caught.value.available) == (MILLION + 1, MILLION)
    with pytest.raises(InsufficientLiquidity):
        pool.swap_exact_in(B_TO_A, MILLION + 1, 0)


def test_exact_out_refuses_to_leave_the_range() -> None:
    """500000 of each token lie in the range; the fee is part of what leaves it."""
    pool = pool_of()
    assert pool.swap_exact_out(A_TO_B, 498_750, 0).end_sqrt_price_x64 == Q64 // 2
    for direction in Direction:
        with pytest.raises(InsufficientLiquidity) as caught:
            pool.swap_exact_out(direction, 498_751, 0)
        assert (caught.value.required, caught.value.available) == (500_002, 500_000)
        with pytest.raises(InsufficientLiquidity):
            pool.swap_exact_out(direction, U64_MAX // 2, 0)


def test_partial_fill_stops_at_the_end_of_the_range() -> None:
    """What is left over is not paid; a fee on the input is grossed up again, 1002506.27 up."""
    sold = pool_of().swap_exact_in(A_TO_B, 1_500_000, 0, partial_fill=True)
    assert (sold.amount_in, sold.amount_left, sold.gross_out) == (MILLION, 500_000, 500_000)
    assert sold.end_sqrt_price_x64 == Q64 // 2
    bought = pool_of(collect_fee_mode=1).swap_exact_in(B_TO_A, 2_000_000, 0, partial_fill=True)
    assert (bought.amount_in, bought.net_in, bought.amount_left) == (1_002_507, MILLION, 995_000)
    assert (bought.fee_in, bought.amount_out) == (2_507, 500_000)
    within = pool_of().swap_exact_in(A_TO_B, 600_000, 0, partial_fill=True)
    assert within == pool_of().swap_exact_in(A_TO_B, 600_000, 0)


def test_referral_fee_leaves_the_vault() -> None:
    """A quarter of the protocol's 187 is paid out at once, on top of the trader's output."""
    pool = pool_of()
    swap = pool.swap_exact_in(A_TO_B, 600_000, 0, has_referral=True)
    assert swap.fees == (751, 0, 141, 46)
    after = swap.pool
    assert pool.vault_b - after.vault_b == swap.amount_out + 46
    assert (after.protocol_fee_b, after.claimable_fee_b) == (141, 751)
    wanted = pool.swap_exact_out(A_TO_B, 374_062, 0, has_referral=True)
    assert wanted.referral_fee == 46


def test_compounding_swap_by_hand() -> None:
    """250000 A buy 200000 B less 500: protocol 100, and 200 of 400 join the reserve."""
    swap = compounding().swap_exact_in(A_TO_B, 250_000, 0)
    assert (swap.gross_out, swap.amount_out, swap.fees) == (200_000, 199_500, (200, 200, 100, 0))
    after = swap.pool
    assert (after.reserve_a, after.reserve_b) == (1_250_000, 800_200)
    assert (after.protocol_fee_b, after.claimable_fee_b) == (100, 200)
    assert swap.end_price_x64 == after.price_x64 == 800_200 * Q64 // 1_250_000
    # floor(sqrt(0.64016)) in Q64.64, the program's own price.
    assert abs(swap.end_sqrt_price_x64 / Q64 - 0.64016**0.5) < 1e-15
    assert after.sqrt_price_x64 == swap.end_sqrt_price_x64


def test_compounding_fee_on_input_joins_the_reserve_beside_the_input() -> None:
    """Of 250627 B a fee of 627 is charged: 250000 trade, and 251 of the fee compound."""
    swap = compounding().swap_exact_in(B_TO_A, 250_627, 0)
    assert (swap.net_in, swap.amount_out, swap.fees) == (250_000, 200_000, (251, 251, 125, 0))
    assert (swap.pool.reserve_a, swap.pool.reserve_b) == (800_000, 1_250_251)


def test_compounding_exact_out_by_hand() -> None:
    """199500 B are 200000 with the fee, which cost 250000 A; all but one unit may be bought."""
    pool = compounding()
    swap = pool.swap_exact_out(A_TO_B, 199_500, 0)
    assert (swap.amount_in, swap.gross_out) == (250_000, 200_000)
    with pytest.raises(InsufficientLiquidity) as caught:
        pool.swap_exact_out(B_TO_A, MILLION, 0)
    assert (caught.value.required, caught.value.available) == (MILLION, MILLION - 1)


@pytest.mark.parametrize(
    ("elapsed", "rate"), [(0, 50), (59, 50), (60, 46), (599, 14), (600, 10), (10**9, 10)]
)
def test_linear_base_fee_falls_by_period(elapsed: int, rate: int) -> None:
    """From 5 % by 0.4 % a minute, ten times."""
    schedule = DammBaseFee(
        cliff_fee_numerator=50 * MILLION,
        number_of_period=10,
        period_frequency=60,
        reduction_factor=4 * MILLION,
    )
    pool = pool_of(base_fee=schedule, activation_point=1_000)
    assert pool.fee_rate_at(1_000 + elapsed) == rate * MILLION
    swap = pool.swap_exact_in(A_TO_B, 600_000, 1_000 + elapsed)
    assert swap.fee_out == 375_000 * rate // 1_000


@pytest.mark.parametrize(("elapsed", "rate"), [(0, 40), (60, 20), (179, 10), (180, 5), (10**9, 5)])
def test_exponential_base_fee_halves_by_period(elapsed: int, rate: int) -> None:
    """A reduction of 5000 basis points leaves exactly a half each time."""
    schedule = DammBaseFee(
        mode=1,
        cliff_fee_numerator=40 * MILLION,
        number_of_period=3,
        period_frequency=60,
        reduction_factor=5_000,
    )
    pool = pool_of(base_fee=schedule, activation_point=1_000)
    assert pool.fee_rate_at(1_000 + elapsed) == rate * MILLION


def test_pool_waits_for_its_activation() -> None:
    """A second before, it neither swaps nor shows a price curve."""
    pool = pool_of(activation_point=1_000)
    assert pool.swap_exact_in(A_TO_B, 600_000, 1_000).amount_out > 0
    with pytest.raises(InsufficientLiquidity, match="can pay 0"):
        pool.swap_exact_in(A_TO_B, 600_000, 999)
    with pytest.raises(InsufficientLiquidity, match="can pay 0"):
        pool.swap_exact_out(A_TO_B, 600, 999)
    assert pool.amount_in_to_price(A_TO_B, 1, 999) == 0
    assert list(pool.segments(A_TO_B, 999)) == []


@pytest.mark.parametrize(("version", "most"), [(0, 500_000_000), (1, 990_000_000)])
def test_fee_is_capped_by_version(version: int, most: int) -> None:
    """Half in version 0, 99 % in version 1."""
    pool = pool_of(fee_version=version, base_fee=DammBaseFee(cliff_fee_numerator=FEE_RATE_ONE))
    assert pool.fee_rate_at(0) == most


@pytest.mark.parametrize(("accumulator", "rate"), [(0, 0), (100_000, 750), (100_001, 751)])
def test_dynamic_fee_is_ceiled(accumulator: int, rate: int) -> None:
    """7500 * (10^5)^2 / 10^11 = 750 exactly; the stored accumulator counts as it is."""
    dynamic = DammDynamicFee(variable_fee_control=7_500, volatility_accumulator=accumulator)
    assert pool_of(dynamic_fee=dynamic).fee_rate_at(0) == 2_500_000 + rate


def _dynamic_after(elapsed: int, sqrt_after: int, **changes: int) -> DammDynamicFee:
    """Return what a swap from r = 1 leaves, by a pool that was moved to 80000 steps * 10^4."""
    remembered = {
        "max_volatility_accumulator": 10_000_000,
        "filter_period": 10,
        "decay_period": 120,
        "reduction_factor": 5_000,
        "last_update_timestamp": 1_000,
        "sqrt_price_reference": Q64 * 98 // 100,
        "volatility_accumulator": 80_001,
        "volatility_reference": 7,
    }
    dynamic = DammDynamicFee(**(remembered | changes))
    return dynamic.after(Q64, sqrt_after, 1_000 + elapsed)


@pytest.mark.parametrize(
    ("elapsed", "price_reference", "volatility_reference", "steps"),
    [
        # 1.0106 / 0.98 - 1 = 312.24 steps of a basis point, counted twice.
        pytest.param(9, Q64 * 98 // 100, 7, 624, id="within the filter period nothing decays"),
        pytest.param(10, Q64, 40_000, 212, id="then half of 80001 is left, rounded down"),
        pytest.param(119, Q64, 40_000, 212, id="until the decay period"),
        pytest.param(120, Q64, 0, 212, id="after which nothing is left"),
    ],
)
def test_swap_updates_the_volatility(
    elapsed: int, price_reference: int, volatility_reference: int, steps: int
) -> None:
    """The references move before the swap, the accumulator after it, with the new price."""
    after = _dynamic_after(elapsed, Q64 * 10_106 // 10_000 + 1)
    assert after.sqrt_price_reference == price_reference
    assert after.volatility_reference == volatility_reference
    assert after.volatility_accumulator == volatility_reference + 10_000 * steps
    assert after.last_update_timestamp == 1_000 + elapsed


def test_volatility_is_capped_and_small_moves_leave_the_time() -> None:
    """At most the pool's maximum; under one step the swap does not count as the latest."""
    assert _dynamic_after(0, Q64 * 3).volatility_accumulator == 10_000_000
    still = _dynamic_after(50, Q64 - Q64 // 20_000)
    assert (still.last_update_timestamp, still.volatility_accumulator) == (1_000, 40_000)
    assert _dynamic_after(0, Q64, sqrt_price_reference=0).sqrt_price_reference == Q64


def test_a_swap_pays_for_the_movement_before_it() -> None:
    """An old, high accumulator is charged once more, and is gone for the next swap."""
    dynamic = DammDynamicFee(
        variable_fee_control=10_000,
        max_volatility_accumulator=10**7,
        filter_period=10,
        decay_period=120,
        last_update_timestamp=NOW_S - 10_000,
        sqrt_price_reference=Q64,
        volatility_accumulator=10**7,
    )
    pool = pool_of(dynamic_fee=dynamic)
    first = pool.swap_exact_in(A_TO_B, 1_000, NOW_S)
    assert pool.fee_rate_at(NOW_S) == 2_500_000 + 10_000_000
    # 0.999 of r: 10.01 steps twice, so 20 * 10^4 of volatility and a rate of 4000 more.
    assert first.pool.fee_rate_at(NOW_S) == 2_500_000 + 4_000
    assert first.pool.dynamic_fee is not None
    assert first.pool.dynamic_fee.last_update_timestamp == NOW_S


@pytest.mark.parametrize("amount", [0, -5, U64_MAX + 1, True])
def test_swap_refuses_an_impossible_amount(amount: int) -> None:
    """Zero, negative and above-u64 amounts name their field."""
    with pytest.raises(InvalidAmount, match="amount_in must be"):
        pool_of().swap_exact_in(A_TO_B, amount, 0)
    with pytest.raises(InvalidAmount, match="amount_out must be"):
        pool_of().swap_exact_out(A_TO_B, amount, 0)


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("amount", [1, 10])
@pytest.mark.parametrize(
    "pool",
    [
        pool_of(liquidity=0),
        compounding(token_a_amount=0, token_b_amount=0),
        compounding(token_a_amount=0),
        compounding(token_b_amount=0),
    ],
)
def test_swap_refuses_an_empty_pool(
    pool: MeteoraDammV2Pool, amount: int, direction: Direction
) -> None:
    """Without liquidity nothing trades, not even an input that its fee eats; nothing is shown."""
    with pytest.raises(InsufficientLiquidity):
        pool.swap_exact_in(direction, amount, 0)
    with pytest.raises(InsufficientLiquidity):
        pool.swap_exact_out(direction, amount, 0)
    assert pool.amount_in_to_price(direction, Q64, 0) == 0
    assert list(pool.segments(direction, 0)) == []


def test_a_pool_at_the_end_of_its_range_trades_one_way() -> None:
    """Nothing of B is left to sell; A may be bought, and a partial fill of a sale is empty."""
    pool = pool_of(sqrt_price=Q64 // 2)
    with pytest.raises(InsufficientLiquidity):
        pool.swap_exact_in(A_TO_B, 1_000, 0)
    nothing = pool.swap_exact_in(A_TO_B, 1_000, 0, partial_fill=True)
    assert (nothing.amount_in, nothing.amount_out, nothing.amount_left) == (0, 0, 1_000)
    assert list(pool.segments(A_TO_B, 0)) == []
    assert pool.amount_in_to_price(A_TO_B, 0, 0) == 0
    assert pool.swap_exact_in(B_TO_A, 1_000, 0).amount_out > 0


def test_amounts_above_u64_are_refused() -> None:
    """A range may hold more than a token account can; so may the input that empties a pool."""
    deep = pool_of(liquidity=U128_MAX, sqrt_min_price=1, sqrt_max_price=U128_MAX)
    for direction in Direction:
        with pytest.raises(AmountOverflow):
            deep.swap_exact_out(direction, U64_MAX, 0)
    with pytest.raises(AmountOverflow):
        compounding(token_b_amount=U64_MAX).swap_exact_out(B_TO_A, MILLION - 1, 0)
    coarse = pool_of(liquidity=U128_MAX, sqrt_price=1 << 33, sqrt_min_price=1)
    with pytest.raises(AmountOverflow):
        coarse.swap_exact_in(B_TO_A, U64_MAX, 0)


def test_exact_out_within_the_reserve_only() -> None:
    """An account that counts less than its range should hold cannot pay the rest."""
    pool = pool_of(token_a_amount=1_000, token_b_amount=1_000)
    for direction in Direction:
        with pytest.raises(InsufficientLiquidity, match="can pay 1000"):
            pool.swap_exact_in(direction, 600_000, 0)
        with pytest.raises(InsufficientLiquidity, match="can pay 1000"):
            pool.swap_exact_out(direction, 2_000, 0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"collect_fee_mode": 3}, "collect_fee_mode 3"),
        ({"fee_version": 2}, "fee_version 2"),
        ({"protocol_fee_percent": 101}, "protocol_fee_percent"),
        ({"referral_fee_percent": -1}, "referral_fee_percent"),
        ({"compounding_fee_bps": 1}, "does not compound"),
        ({"base_fee": DammBaseFee(mode=2, cliff_fee_numerator=1)}, "rate limiter"),
        ({"base_fee": DammBaseFee(mode=3, cliff_fee_numerator=1)}, "market cap"),
        ({"base_fee": DammBaseFee(mode=4, cliff_fee_numerator=1)}, "market cap"),
        ({"base_fee": DammBaseFee(mode=9, cliff_fee_numerator=1)}, "unknown"),
        ({"base_fee": DammBaseFee(cliff_fee_numerator=-1)}, "cliff_fee_numerator -1"),
        (
            {
                "base_fee": DammBaseFee(
                    cliff_fee_numerator=9,
                    number_of_period=10,
                    period_frequency=1,
                    reduction_factor=1,
                )
            },
            "ends at 0 or more",
        ),
        (
            {
                "base_fee": DammBaseFee(
                    mode=1,
                    cliff_fee_numerator=9,
                    number_of_period=1,
                    period_frequency=1,
                    reduction_factor=10_000,
                )
            },
            "ends at 0 or more",
        ),
        ({"dynamic_fee": DammDynamicFee(bin_step=0)}, "bin_step 0"),
        ({"dynamic_fee": DammDynamicFee(volatility_accumulator=-1)}, "volatility_accumulator"),
        ({"sqrt_price": 0}, "square-root price 0"),
        (
            {"collect_fee_mode": 2, "sqrt_price": 0, "dynamic_fee": DammDynamicFee()},
            "square-root price 0",
        ),
        ({"sqrt_price": Q64 * 2 + 1}, "square-root price"),
        ({"sqrt_max_price": U128_MAX + 1}, "square-root price"),
        ({"liquidity": -1}, "liquidity -1"),
        ({"activation_point": -1}, "activation_point -1"),
        ({"protocol_fee_a": -1}, "protocol_fee_a -1"),
        ({"token_a_amount": -1}, "reserves of 0 or more"),
        ({"collect_fee_mode": 2}, "reserves of 0 or more"),
        (
            {"collect_fee_mode": 2, "token_a_amount": 1, "token_b_amount": U64_MAX + 1},
            "up to 2\\^64 - 1",
        ),
    ],
)
def test_pool_refuses_senseless_numbers(changes: dict[str, Any], said: str) -> None:
    """What is not covered, and what no account can hold, is refused by name."""
    with pytest.raises(InvalidData, match=said):
        pool_of(**changes)


def test_amount_in_to_price_by_hand() -> None:
    """Without fee A sells to r = 0.8 at 0.64: 10^6 / 0.8 - 10^6; or to the end of the range.

    0.8 is no Q64.64, and rounded up it is reached a unit earlier.
    """
    pool = pool_of(base_fee=DammBaseFee(cliff_fee_numerator=0))
    assert pool.amount_in_to_price(A_TO_B, Q64 * 64 // 100, 0) == 249_999
    # r = 1.5 is the root of 2.25, exactly.
    assert pool.amount_in_to_price(B_TO_A, Q64 * 225 // 100, 0) == 500_000
    assert pool.amount_in_to_price(A_TO_B, 0, 0) == MILLION
    assert pool.amount_in_to_price(B_TO_A, Q64 * 100, 0) == MILLION
    assert pool.amount_in_to_price(A_TO_B, Q64, 0) == 0
    assert pool.amount_in_to_price(B_TO_A, 0, 0) == 0
    product = compounding(base_fee=DammBaseFee(cliff_fee_numerator=0))
    assert product.amount_in_to_price(A_TO_B, Q64 // 4, 0) == MILLION
    assert product.amount_in_to_price(B_TO_A, Q64 * 4, 0) == MILLION
    assert product.amount_in_to_price(A_TO_B, 0, 0) == U64_MAX
    with pytest.raises(InvalidAmount):
        pool.amount_in_to_price(A_TO_B, -1, 0)


@untimed
@given(damm_pools(), directions, amounts, st.booleans())
def test_swap_moves_the_vaults_by_exactly_its_amounts(
    pool: MeteoraDammV2Pool, direction: Direction, amount: int, exact_in: bool
) -> None:
    """The fee is shared out whole, and the pool keeps what its curve needs (I11)."""
    laws.moves_the_vaults_by_its_amounts(pool, direction, amount, NOW_S, exact_in=exact_in)
    quote = pool.swap_exact_in if exact_in else pool.swap_exact_out
    swap = quote(direction, amount, NOW_S)
    after = swap.pool
    assert sum(swap.fees) == swap.fee_in + swap.fee_out
    assert min(swap.fees) >= 0
    assert after.sqrt_price_x64 == swap.end_sqrt_price_x64
    if pool.is_compounding:
        assert after.reserve_a * after.reserve_b >= pool.reserve_a * pool.reserve_b
        return
    lowest, price, highest = (
        after.sqrt_min_price_x64,
        after.sqrt_price_x64,
        after.sqrt_max_price_x64,
    )
    assert lowest <= price <= highest
    assert after.reserve_a >= amount_a_ceil(after.liquidity, price, highest)
    assert after.reserve_b >= amount_b_ceil(after.liquidity, lowest, price)


@untimed
@given(damm_pools(), directions, amounts)
def test_swap_exact_out_of_an_output_costs_at_most_its_input(
    pool: MeteoraDammV2Pool, direction: Direction, amount_in: int
) -> None:
    """Asking for what an input bought never costs more than that input (I10)."""
    laws.asking_for_an_output_costs_at_most_its_input(pool, direction, amount_in, NOW_S)


@untimed
@given(damm_pools(), directions, amounts)
def test_swap_exact_in_of_a_cost_gives_at_least_the_output(
    pool: MeteoraDammV2Pool, direction: Direction, amount_out: int
) -> None:
    """Paying the quoted input buys the wanted output, but where it rounds out of the range."""
    cost = laws.swap_of(pool, direction, amount_out, NOW_S, exact_in=False)
    assert laws.swap_of(pool, direction, cost.amount_in, NOW_S).amount_out >= amount_out


@untimed
@given(damm_pools(is_compounding=False, has_dynamic_fee=False), directions, amounts, amounts)
def test_swapping_in_two_parts_never_gains(
    pool: MeteoraDammV2Pool, direction: Direction, first: int, second: int
) -> None:
    """Two swaps get at most what one swap of the sum gets, without any slack for rounding.

    With a dynamic fee they may get more: the second finds another rate.
    """
    laws.two_parts_never_gain(pool, direction, first, second, NOW_S)


@untimed
@given(damm_pools(is_compounding=True, has_dynamic_fee=False), directions, amounts, amounts)
def test_compounding_in_two_parts_gains_at_most_what_compounded(
    pool: MeteoraDammV2Pool, direction: Direction, first: int, second: int
) -> None:
    """Selling A, the second swap finds the first one's compounding fee among the B it buys."""
    one = laws.swap_of(pool, direction, first, NOW_S)
    two = laws.swap_of(one.pool, direction, second, NOW_S)
    whole = laws.swap_of(pool, direction, first + second, NOW_S)
    compounded = pool.swap_exact_in(direction, first, NOW_S).compounding_fee
    slack = compounded if direction is A_TO_B else 0
    assert one.amount_out + two.amount_out <= whole.amount_out + slack


@untimed
@given(damm_pools(), directions, amounts, st.integers(1, 1_000))
def test_more_buys_no_less(
    pool: MeteoraDammV2Pool, direction: Direction, amount: int, more: int
) -> None:
    """Output grows with input, and input with output."""
    laws.more_buys_no_less(pool, direction, amount, more, NOW_S)


@untimed
@given(damm_pools(is_compounding=False), directions, amounts)
def test_partial_fill_takes_what_the_range_takes(
    pool: MeteoraDammV2Pool, direction: Direction, amount: int
) -> None:
    """It never takes more than offered, equals a whole swap or ends at the end of the range."""
    if pool.liquidity == 0:
        return
    try:
        swap = pool.swap_exact_in(direction, amount, NOW_S, partial_fill=True)
    except AmountOverflow:
        return
    assert swap.amount_in <= amount
    if swap.amount_left:
        end = pool.sqrt_min_price_x64 if direction is A_TO_B else pool.sqrt_max_price_x64
        assert swap.end_sqrt_price_x64 == end
        assert swap.net_in + swap.amount_left <= amount
    else:
        assert swap.amount_in == amount


@untimed
@given(damm_pools(), directions, st.integers(100, 4_000))
def test_amount_in_to_price_stops_at_the_limit(
    pool: MeteoraDammV2Pool, direction: Direction, thousandths: int
) -> None:
    """The curve stands within the limit after the input, and past it two net units later."""
    limit = max(pool.price_x64 * thousandths // 1_000, 1)
    amount_in = pool.amount_in_to_price(direction, limit, NOW_S)
    keep = FEE_RATE_ONE - pool.fee_rate_at(NOW_S)

    def keeps_the_limit(after: MeteoraDammV2Pool, net_in: int) -> bool:
        """Compare the marginal price after fees with the limit, multiplied out."""
        if after.is_compounding:
            product = pool.reserve_a * pool.reserve_b
            curve_in = net_in + (pool.reserve_a if direction is A_TO_B else pool.reserve_b)
            if direction is A_TO_B:
                return product * keep * Q64 >= limit * curve_in**2 * FEE_RATE_ONE
            return product * keep * limit >= curve_in**2 * FEE_RATE_ONE * Q64
        square = after.sqrt_price_x64**2
        if direction is A_TO_B:
            return square * keep >= limit * Q64 * FEE_RATE_ONE
        return square * FEE_RATE_ONE <= limit * Q64 * keep

    at = pool
    if amount_in:
        laws.swap_of(pool, direction, amount_in, NOW_S)
        swap = pool.swap_exact_in(direction, amount_in, NOW_S)
        assert keeps_the_limit(swap.pool, swap.net_in)
        at = swap.pool
    more = amount_in + 2 * FEE_RATE_ONE // keep + 1
    laws.swap_of(pool, direction, more, NOW_S)
    swap = pool.swap_exact_in(direction, more, NOW_S)
    if not pool.is_compounding:
        # Two units that move the price by no more than its last place may be rounded back.
        assume(abs(swap.pool.sqrt_price_x64 - at.sqrt_price_x64) > 1)
    assert not keeps_the_limit(swap.pool, swap.net_in)


@untimed
@given(damm_pools(balance_min=10**9), directions, st.integers(1_100, 4_000))
def test_amount_in_to_price_is_where_trading_on_stops_paying(
    pool: MeteoraDammV2Pool, direction: Direction, thousandths: int
) -> None:
    """Measured by swaps alone: the last tenth earns the limit, another tenth does not.

    A swap rounds the price, the curve's output and the fee each by up to a unit of output.
    """
    if direction is A_TO_B:
        limit = max(pool.price_x64 * 1_000 // thousandths, 1)
    else:
        limit = pool.price_x64 * thousandths // 1_000
    laws.stops_at_the_price(pool, direction, limit, NOW_S, slack_out=4)


@untimed
@given(damm_pools(), directions, amounts)
def test_quoting_changes_nothing(
    pool: MeteoraDammV2Pool, direction: Direction, amount: int
) -> None:
    """And the pool cannot be changed."""
    laws.quoting_changes_nothing(pool, direction, amount, NOW_S)
    with pytest.raises(AttributeError):
        pool.reserve_a = 1  # type: ignore[misc] # it must be refused at run time too


@untimed
@given(damm_pools(), directions, amounts)
def test_segments_bound_the_swap(
    pool: MeteoraDammV2Pool, direction: Direction, amount: int
) -> None:
    """A fee on the input keeps a net unit, up to two of the trader's; rounding the price another.

    Of the output the price, the curve and the fee keep a unit each.
    """
    laws.segments_bound_the_swap(pool, direction, amount, NOW_S, 8, 3)
