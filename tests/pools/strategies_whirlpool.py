"""Draw Orca Whirlpools: one range or many, on a tick or beside it, constant fee or adaptive."""

from __future__ import annotations

from collections import Counter

from hypothesis import strategies as st

from orderengine.pools import (
    OrcaWhirlpoolPool,
    OrcaWhirlpoolSpec,
    WhirlpoolAdaptiveFee,
    WhirlpoolTick,
)
from orderengine.pools.orca_whirlpool_ticks import (
    ARRAY_TICKS,
    SPLASH_TICK_SPACING,
    TICK_MAX,
    TICK_MIN,
    array_start,
    sqrt_price_at_tick,
)
from tests.pools.strategies import NOW_S, SOL, USDC

_liquidities = st.integers(1, 1_000) | st.integers(1, 10**9) | st.integers(1, 10**18)


@st.composite
def whirlpool_pools(
    draw: st.DrawFn, *, is_adaptive: bool | None = None, liquidity_min: int = 0
) -> OrcaWhirlpoolPool:
    """Draw a pool of up to five positions near its price, and one over the full range or not.

    ``liquidity_min`` makes the full range hold at least so much. Half of the pools know the ticks
    of up to two arrays on each side only. The filter period is at least one second, so that two
    swaps at one time share references.
    """
    spacing = draw(st.sampled_from([1, 4, 64, SPLASH_TICK_SPACING]))
    widest = TICK_MAX // spacing
    tick = draw(st.integers(-2_000, 2_000) | st.integers(-400_000, 400_000))
    nets: Counter[int] = Counter()
    gross: Counter[int] = Counter()
    liquidity = 0

    def add(lower: int, upper: int, added: int) -> None:
        nonlocal liquidity
        lower, upper = max(lower, -widest) * spacing, min(upper, widest) * spacing
        if lower >= upper:
            return
        nets[lower] += added
        nets[upper] -= added
        gross[lower] += added
        gross[upper] += added
        if lower <= tick < upper:
            liquidity += added

    if draw(st.booleans()) or liquidity_min:
        add(-widest, widest, liquidity_min + draw(_liquidities))
    for _ in range(draw(st.integers(0, 5))):
        middle = tick // spacing + draw(st.integers(-30, 30))
        add(middle, middle + draw(st.integers(1, 40)), draw(_liquidities))
    price = sqrt_price_at_tick(tick)
    tick_current = tick
    match draw(st.sampled_from(["on the tick", "left it downwards", "beside it"])):
        case "beside it":
            beyond = sqrt_price_at_tick(tick + 1)
            price = draw(st.integers(price, beyond - 1))
        case "left it downwards":
            tick_current = tick - 1
            liquidity -= nets[tick]
        case _:
            pass
    known_ticks = None
    if draw(st.booleans()):
        size, start = ARRAY_TICKS * spacing, array_start(tick_current, spacing)
        first = max(start - draw(st.integers(0, 2)) * size, TICK_MIN)
        last = min(start + (1 + draw(st.integers(0, 2))) * size - 1, TICK_MAX)
        known_ticks = (first, last)
    first, last = known_ticks or (TICK_MIN, TICK_MAX)
    if is_adaptive is None:
        is_adaptive = draw(st.booleans())
    return OrcaWhirlpoolPool.from_spec(
        OrcaWhirlpoolSpec(
            address="whirlpool",
            token_a=SOL,
            token_b=USDC,
            tick_spacing=spacing,
            fee_rate=draw(st.sampled_from([0, 1, 400, 10_000, 60_000])),
            protocol_fee_rate=draw(st.sampled_from([0, 1_300, 2_500])),
            tick_current=tick_current,
            sqrt_price_x64=price,
            liquidity=liquidity,
            ticks=tuple(
                WhirlpoolTick(at, nets[at], gross[at]) for at in gross if first <= at <= last
            ),
            known_ticks=known_ticks,
            adaptive_fee=draw(adaptive_fees(tick_current, spacing)) if is_adaptive else None,
            accrued_fee_a=draw(st.integers(0, 1_000)),
            accrued_fee_b=draw(st.integers(0, 1_000)),
        )
    )


@st.composite
def adaptive_fees(draw: st.DrawFn, tick: int, spacing: int) -> WhirlpoolAdaptiveFee:
    """Draw an oracle whose reference group is near a tick, of few enough groups to walk through."""
    divisors = [size for size in (1, 4, 32, 64, spacing) if spacing % size == 0]
    size = draw(st.sampled_from(divisors))
    maximum = draw(st.sampled_from([0, 30_000, 350_000]))
    return WhirlpoolAdaptiveFee(
        filter_period=draw(st.sampled_from([1, 30])),
        decay_period=600,
        reduction_factor=5_000,
        adaptive_fee_control_factor=draw(st.sampled_from([0, 1_000, 99_999])),
        max_volatility_accumulator=min(maximum, 0xFFFF_FFFF // size),
        tick_group_size=size,
        major_swap_threshold_ticks=draw(st.sampled_from([1, 64])),
        last_reference_update_timestamp=NOW_S - draw(st.sampled_from([0, 20, 100, 5_000])),
        last_major_swap_timestamp=NOW_S - draw(st.sampled_from([0, 20, 100, 5_000])),
        volatility_reference=min(draw(st.integers(0, 30_000)), maximum),
        tick_group_index_reference=min(
            max(tick // size + draw(st.integers(-2, 2)), -(-TICK_MIN // size)), TICK_MAX // size
        ),
        volatility_accumulator=min(draw(st.integers(0, 30_000)), maximum),
    )
