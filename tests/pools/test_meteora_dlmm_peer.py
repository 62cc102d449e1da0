"""Compare DLMM quotes with the package meteora-dlmm 0.5, which others wrote, to the unit.

It quotes exact inputs over bins, limit orders and both fee modes. It reads accounts; here its
objects are filled directly. It checks no u64 and tells no fee.
"""

from __future__ import annotations

import meteora_dlmm
from hypothesis import given, settings
from hypothesis import strategies as st
from meteora_dlmm.constants import BINS_PER_ARRAY
from meteora_dlmm.decode import Bin, PoolState
from meteora_dlmm.fees import StaticParams, VariableParams

from orderengine.errors import AmountOverflow
from orderengine.pools import (
    Direction,
    DlmmBinSpec,
    DlmmFeeParameters,
    DlmmVolatility,
    MeteoraDlmmPool,
    MeteoraDlmmSpec,
)
from orderengine.pools.fixed_point import U64_MAX
from tests.pools.strategies import NOW_S, SOL, USDC, amounts, directions, dlmm_pools

_balances = st.just(0) | st.integers(1, 100) | st.integers(1, 10**9) | st.integers(1, 10**16)


def peer_of(pool: MeteoraDlmmPool) -> PoolState:
    """Return the same pool as the peer holds it, knowing every bin array."""
    parameters, volatility = pool.parameters, pool.volatility
    return PoolState(
        active_id=pool.active_id,
        bin_step=pool.bin_step,
        decimals_x=0,
        decimals_y=0,
        static_params=StaticParams(
            base_factor=parameters.base_factor,
            base_fee_power_factor=parameters.base_fee_power_factor,
            variable_fee_control=parameters.variable_fee_control,
            max_volatility_accumulator=parameters.max_volatility_accumulator,
            filter_period=parameters.filter_period,
            decay_period=parameters.decay_period,
            reduction_factor=parameters.reduction_factor,
            protocol_share=parameters.protocol_share,
        ),
        variable_params=VariableParams(
            volatility_accumulator=volatility.volatility_accumulator,
            volatility_reference=volatility.volatility_reference,
            index_reference=volatility.index_reference,
            last_update_timestamp=volatility.last_update_timestamp,
        ),
        bins={
            id_: Bin(
                id_,
                held.amount_a,
                held.amount_b,
                price_x64,
                held.open_order_amount,
                held.processed_order_amount,
                int(held.orders_sell_a),
            )
            for id_, price_x64, held in zip(
                pool.bin_ids, pool.bin_prices_x64, pool.bins, strict=True
            )
        },
        loaded_arrays={id_ // BINS_PER_ARRAY for id_ in (*pool.bin_ids, pool.active_id)},
        exhaustive=True,
        collect_fee_mode=int(pool.fee_always_in_b),
    )


@st.composite
def wide_pools(draw: st.DrawFn) -> MeteoraDlmmPool:
    """Draw bins over several arrays of 70, in runs and far apart, with any state of the fee."""
    active_id = draw(st.integers(-2_000, 2_000))
    offsets = set(draw(st.lists(st.integers(-250, 250), max_size=20)))
    first, length = draw(st.integers(-100, 100)), draw(st.integers(1, 40))
    offsets.update(range(first, first + length))
    has_orders = draw(st.booleans())
    evenly = draw(_balances)
    bins = []
    for offset in sorted(offsets):
        amount = evenly if draw(st.booleans()) else draw(_balances)
        bins.append(
            DlmmBinSpec(
                id=active_id + offset,
                amount_a=amount if offset >= 0 else 0,
                amount_b=amount if offset <= 0 else 0,
                open_order_amount=draw(_balances) if has_orders and offset % 3 == 0 else 0,
                processed_order_remaining=draw(_balances) if has_orders and offset % 4 == 0 else 0,
                limit_order_ask_side=int(offset > 0),
            )
        )
    return MeteoraDlmmPool.from_spec(
        MeteoraDlmmSpec(
            address="wide",
            token_a=SOL,
            token_b=USDC,
            bin_step=draw(st.sampled_from([1, 4, 10, 25, 80])),
            active_id=active_id,
            parameters=DlmmFeeParameters(
                base_factor=draw(st.integers(0, 65_535)),
                base_fee_power_factor=draw(st.sampled_from([0, 0, 1])),
                variable_fee_control=draw(st.sampled_from([0, 7_500, 120_000, 2_000_000])),
                max_volatility_accumulator=draw(st.sampled_from([0, 150_000, 350_000])),
                filter_period=draw(st.sampled_from([0, 10, 30])),
                decay_period=draw(st.sampled_from([30, 600])),
                reduction_factor=draw(st.integers(0, 10_000)),
            ),
            volatility=DlmmVolatility(
                volatility_accumulator=draw(st.integers(0, 350_000)),
                volatility_reference=draw(st.integers(0, 350_000)),
                index_reference=active_id + draw(st.integers(-40, 40)),
                last_update_timestamp=NOW_S - draw(st.integers(0, 700)),
            ),
            collect_fee_mode=draw(st.sampled_from([0, 1])),
            supports_limit_order=has_orders,
            bins=tuple(bins),
        )
    )


@settings(deadline=None, max_examples=300)
@given(wide_pools() | dlmm_pools(), directions, amounts, st.integers(1, 10_000))
def test_exact_in_is_what_the_peer_quotes(
    pool: MeteoraDlmmPool, direction: Direction, amount: int, per_myriad: int
) -> None:
    """Any amount, and a share of all that the bins take."""
    takes = pool.amount_in_to_price(
        direction, 0 if direction is Direction.A_TO_B else U64_MAX << 64, NOW_S
    )
    for amount_in in {amount, max(takes * per_myriad // 10_000, 1)}:
        theirs = meteora_dlmm.quote(
            peer_of(pool), amount_in, direction is Direction.A_TO_B, timestamp=NOW_S
        )
        try:
            ours = pool.swap_exact_in(direction, amount_in, NOW_S, partial_fill=True)
        except AmountOverflow:
            assert theirs.amount_out > U64_MAX
            continue
        left = amount_in - ours.amount_in
        assert (ours.amount_out, left) == (theirs.amount_out, theirs.remaining_in)
