"""Draw pools and swaps: small and skewed ones as often as real ones, where rounding shows."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from orderengine.pools import (
    CreatorFeeOn,
    Direction,
    DlmmBinSpec,
    DlmmFeeParameters,
    DlmmVolatility,
    MeteoraDlmmPool,
    MeteoraDlmmSpec,
    RaydiumCpmmPool,
)

SOL, USDC = "SOL", "USDC"

untimed = settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
"""Decorate property tests with it: a busy machine must not fail them, nor a pool that refuses many
of the swaps drawn for it. Where it refuses all of them hypothesis still fails the test."""

NOW_S = 1_767_225_600
"""The time that drawn pools are traded at, in Unix seconds."""

directions = st.sampled_from(Direction)
amounts = st.integers(1, 100) | st.integers(1, 10**9) | st.integers(1, 10**18)
_balances = st.integers(1, 100) | st.integers(1, 10**9) | st.integers(1, 10**16)
_maybe_balances = st.just(0) | _balances


@st.composite
def cpmm_pools(draw: st.DrawFn, reserve_min: int = 0) -> RaydiumCpmmPool:
    """Draw a pool with any side of creator fee, fees from none to a half."""
    rates = st.sampled_from([0, 1, 100, 2_500, 10_000, 250_000])
    return RaydiumCpmmPool(
        address="cpmm",
        token_a=SOL,
        token_b=USDC,
        reserve_a=reserve_min + draw(_balances),
        reserve_b=reserve_min + draw(_balances),
        trade_fee_rate=draw(rates),
        protocol_fee_rate=draw(st.sampled_from([0, 1, 120_000, 250_000])),
        fund_fee_rate=draw(st.sampled_from([0, 1, 40_000])),
        creator_fee_rate=draw(rates),
        creator_fee_on=draw(st.sampled_from(CreatorFeeOn)),
        accrued_fee_a=draw(_maybe_balances),
        accrued_fee_b=draw(_maybe_balances),
    )


@st.composite
def dlmm_pools(draw: st.DrawFn) -> MeteoraDlmmPool:
    """Draw up to 12 bins around an active one that may be absent, with and without orders.

    The filter period is at least one second, so that two swaps at one time share references.
    """
    active_id = draw(st.integers(-3_000, 3_000))
    offsets = draw(st.lists(st.integers(-15, 15), min_size=1, max_size=12, unique=True))
    has_orders = draw(st.booleans())
    bins = [
        DlmmBinSpec(
            id=active_id + offset,
            amount_a=draw(_maybe_balances) if offset >= 0 else 0,
            amount_b=draw(_maybe_balances) if offset <= 0 else 0,
            open_order_amount=draw(_maybe_balances) if has_orders else 0,
            processed_order_remaining=draw(_maybe_balances) if has_orders else 0,
            limit_order_ask_side=int(offset > 0 or (offset == 0 and draw(st.booleans()))),
        )
        for offset in offsets
    ]
    parameters = DlmmFeeParameters(
        base_factor=draw(st.sampled_from([0, 5_000, 20_000])),
        variable_fee_control=draw(st.sampled_from([0, 7_500, 2_000_000])),
        max_volatility_accumulator=draw(st.sampled_from([30_000, 350_000])),
        filter_period=draw(st.sampled_from([1, 30])),
        decay_period=600,
        reduction_factor=5_000,
        protocol_share=draw(st.sampled_from([0, 500, 2_500])),
    )
    volatility = DlmmVolatility(
        volatility_accumulator=draw(st.integers(0, 30_000)),
        volatility_reference=draw(st.integers(0, 30_000)),
        index_reference=active_id + draw(st.integers(-10, 10)),
        last_update_timestamp=NOW_S - draw(st.sampled_from([0, 1, 100, 1_000])),
    )
    return MeteoraDlmmPool.from_spec(
        MeteoraDlmmSpec(
            address="dlmm",
            token_a=SOL,
            token_b=USDC,
            bin_step=draw(st.sampled_from([1, 4, 25, 100])),
            active_id=active_id,
            parameters=parameters,
            volatility=volatility,
            collect_fee_mode=draw(st.sampled_from([0, 1])),
            supports_limit_order=has_orders,
            bins=tuple(bins),
            accrued_fee_a=draw(_maybe_balances),
            order_proceeds_b=draw(_maybe_balances),
        )
    )
