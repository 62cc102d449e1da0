"""Draw CLMM pools from positions, as liquidity providers make them."""

from __future__ import annotations

from collections import Counter

from hypothesis import strategies as st

from orderengine.pools import ClmmDynamicFee, ClmmTickSpec, RaydiumClmmPool, RaydiumClmmSpec
from orderengine.pools.raydium_clmm_ticks import sqrt_price_at_tick
from tests.pools.strategies import NOW_S, SOL, USDC

Positions = list[tuple[int, int, int]]
"""(lower tick, upper tick, liquidity)."""


def spec_of_positions(
    positions: Positions,
    *,
    tick_current: int,
    tick_spacing: int = 1,
    sqrt_price_x64: int | None = None,
    trade_fee_rate: int = 0,
    fee_on: int = 0,
    dynamic_fee: ClmmDynamicFee | None = None,
) -> RaydiumClmmSpec:
    """Return a spec of positions; the price is the current tick's own if not given."""
    nets: Counter[int] = Counter()
    for lower, upper, liquidity in positions:
        nets[lower] += liquidity
        nets[upper] -= liquidity
    return RaydiumClmmSpec(
        address="clmm",
        token_a=SOL,
        token_b=USDC,
        tick_spacing=tick_spacing,
        trade_fee_rate=trade_fee_rate,
        protocol_fee_rate=120_000,
        fund_fee_rate=40_000,
        fee_on=fee_on,
        tick_current=tick_current,
        sqrt_price_x64=(
            sqrt_price_at_tick(tick_current) if sqrt_price_x64 is None else sqrt_price_x64
        ),
        liquidity=sum(held for low, high, held in positions if low <= tick_current < high),
        ticks=tuple(ClmmTickSpec(tick=tick, liquidity_net=net) for tick, net in nets.items()),
        dynamic_fee=dynamic_fee,
    )


def dynamic_fees(index: int) -> st.SearchStrategy[ClmmDynamicFee]:
    """Draw a dynamic fee around a group of ticks, with references at rest and in movement.

    The filter period is at least one second, so that two swaps at one time share references.
    """
    return st.builds(
        ClmmDynamicFee,
        filter_period=st.sampled_from([1, 30]),
        decay_period=st.just(600),
        reduction_factor=st.just(5_000),
        dynamic_fee_control=st.sampled_from([1, 5_000, 99_999]),
        max_volatility_accumulator=st.sampled_from([30_000, 350_000]),
        tick_spacing_index_reference=st.integers(index - 10, index + 10),
        volatility_reference=st.integers(0, 30_000),
        volatility_accumulator=st.integers(0, 30_000),
        last_update_timestamp=st.sampled_from([NOW_S, NOW_S - 1, NOW_S - 100, NOW_S - 1_000]),
    )


@st.composite
def clmm_pools(
    draw: st.DrawFn, liquidity_min: int = 1, *, has_dynamic_fee: bool | None = None
) -> RaydiumClmmPool:
    """Draw up to 6 positions near the price, any fee, the price on a tick or between two.

    ``has_dynamic_fee`` None draws both kinds.
    """
    spacing = draw(st.sampled_from([1, 10, 60]))
    base = draw(st.integers(-20_000 // spacing, 20_000 // spacing))
    liquidities = st.integers(1, 10**6) | st.integers(1, 10**15)
    positions = []
    for _ in range(draw(st.integers(1, 6))):
        lower = base + draw(st.integers(-12, 8))
        upper = lower + draw(st.integers(1, 15))
        held = liquidity_min + draw(liquidities)
        positions.append((lower * spacing, upper * spacing, held))
    tick = base * spacing + draw(st.integers(-2 * spacing, 2 * spacing))
    low, high = sqrt_price_at_tick(tick), sqrt_price_at_tick(tick + 1)
    # The higher end is where a swap that crossed the tick above has left the price.
    price = draw(st.just(low) | st.just(high) | st.integers(low, high))
    fees = dynamic_fees(tick // spacing)
    if has_dynamic_fee is None:
        dynamic_fee = draw(st.none() | fees)
    else:
        dynamic_fee = draw(fees) if has_dynamic_fee else None
    return RaydiumClmmPool.from_spec(
        spec_of_positions(
            positions,
            tick_current=tick,
            tick_spacing=spacing,
            sqrt_price_x64=price,
            trade_fee_rate=draw(st.sampled_from([0, 1, 100, 2_500, 40_000])),
            fee_on=draw(st.sampled_from([0, 1, 2])),
            dynamic_fee=dynamic_fee,
        )
    )
