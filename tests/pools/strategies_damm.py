"""Draw Meteora DAMM v2 pools: of any fee mode, narrow and wide, at rest and moved of late."""

from __future__ import annotations

from hypothesis import strategies as st

from orderengine.pools import DammBaseFee, DammDynamicFee, MeteoraDammV2Pool, MeteoraDammV2Spec
from orderengine.pools.fixed_point import U128_MAX
from tests.pools.strategies import NOW_S, SOL, USDC

_balances = st.integers(1, 100) | st.integers(1, 10**9) | st.integers(1, 10**16)

base_fees = st.sampled_from(
    [
        DammBaseFee(cliff_fee_numerator=0),
        DammBaseFee(cliff_fee_numerator=2_500_000),
        DammBaseFee(cliff_fee_numerator=400_000_000),
        DammBaseFee(
            cliff_fee_numerator=300_000_000,
            number_of_period=10,
            period_frequency=60,
            reduction_factor=29_000_000,
        ),
        DammBaseFee(
            mode=1,
            cliff_fee_numerator=500_000_000,
            number_of_period=100,
            period_frequency=7,
            reduction_factor=300,
        ),
    ]
)


@st.composite
def dynamic_fees(draw: st.DrawFn, sqrt_price: int) -> DammDynamicFee:
    """Draw a dynamic fee that remembers a price within about a fifth of this one."""
    return DammDynamicFee(
        bin_step=1,
        variable_fee_control=draw(st.sampled_from([0, 956, 100_000])),
        max_volatility_accumulator=draw(st.sampled_from([50_000, 14_460_000])),
        filter_period=10,
        decay_period=120,
        reduction_factor=5_000,
        last_update_timestamp=NOW_S - draw(st.sampled_from([0, 9, 10, 119, 120, 10_000])),
        sqrt_price_reference=sqrt_price * draw(st.integers(80, 120)) // 100,
        volatility_accumulator=draw(st.integers(0, 1_000_000)),
        volatility_reference=draw(st.integers(0, 500_000)),
    )


@st.composite
def damm_pools(
    draw: st.DrawFn,
    *,
    is_compounding: bool | None = None,
    has_dynamic_fee: bool | None = None,
    balance_min: int = 0,
) -> MeteoraDammV2Pool:
    """Draw a pool that has been active for up to half an hour at ``NOW_S``.

    A range reaches from a thousandth to a million times away on either side, or nowhere.
    """
    compounds = draw(st.booleans()) if is_compounding is None else is_compounding
    is_dynamic = draw(st.booleans()) if has_dynamic_fee is None else has_dynamic_fee
    balance_a, balance_b = balance_min + draw(_balances), balance_min + draw(_balances)
    price = draw(st.integers(1 << 50, 1 << 54) | st.integers(1 << 60, 1 << 70))
    down, up = draw(_reach), draw(_reach)
    # The liquidity of which a price that doubles releases about one of the balances.
    liquidity = balance_a * price if draw(st.booleans()) else (balance_b << 128) // price
    return MeteoraDammV2Pool.from_spec(
        MeteoraDammV2Spec(
            address="damm",
            token_a=SOL,
            token_b=USDC,
            collect_fee_mode=2 if compounds else draw(st.sampled_from([0, 1])),
            fee_version=draw(st.sampled_from([0, 1])),
            activation_point=NOW_S - draw(st.sampled_from([0, 61, 650, 1_800])),
            sqrt_price=price,
            sqrt_min_price=max(price * 1_000 // (1_000 + down), 1),
            sqrt_max_price=price * (1_000 + up) // 1_000,
            liquidity=max(min(liquidity, U128_MAX), 1),
            base_fee=draw(base_fees),
            dynamic_fee=draw(dynamic_fees(price)) if is_dynamic else None,
            protocol_fee_percent=draw(st.sampled_from([0, 20, 50])),
            referral_fee_percent=draw(st.sampled_from([0, 20])),
            compounding_fee_bps=draw(st.sampled_from([0, 1, 5_000, 10_000])) if compounds else 0,
            token_a_amount=balance_a if compounds else None,
            token_b_amount=balance_b if compounds else None,
            protocol_fee_a=draw(st.just(0) | _balances),
            claimable_fee_b=draw(st.just(0) | _balances),
        )
    )


_reach = st.sampled_from([0, 1, 50, 1_000, 10**9])
"""Of the square root of the price, in thousandths."""
