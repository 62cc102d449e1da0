"""Read Raydium CLMM cases, and points of the tick table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from msgspec import Struct

from orderengine.pools.raydium_clmm import RaydiumClmmPool
from orderengine.pools.raydium_clmm_fee import ClmmDynamicFee
from orderengine.pools.raydium_clmm_spec import RaydiumClmmSpec
from orderengine.pools.raydium_clmm_ticks import sqrt_price_at_tick, tick_at_sqrt_price
from orderengine.pools.verify.rules import (
    Figures,
    SwapMode,
    SwapRequest,
    VenueRules,
    decode_as,
)
from orderengine.pools.verify.tick_points import check_tick_point

__all__ = ["RULES"]


class _WholeDynamicFee(Struct, frozen=True, kw_only=True):
    """Require of a case what the pool has defaults for."""

    tick_spacing_index_reference: int
    volatility_reference: int
    volatility_accumulator: int
    last_update_timestamp: int


def _pool(described: Mapping[str, object]) -> RaydiumClmmPool:
    if described.get("dynamic_fee") is not None:
        expected = f"a dynamic_fee with {', '.join(ClmmDynamicFee.__struct_fields__)}"
        decode_as(described["dynamic_fee"], _WholeDynamicFee, "pool.dynamic_fee", expected)
    spec = decode_as(described, RaydiumClmmSpec, "pool", "a Raydium CLMM pool")
    return RaydiumClmmPool.from_spec(spec)


def _figures(pool: RaydiumClmmPool, request: SwapRequest) -> Figures:
    quote = pool.swap_exact_in if request.mode is SwapMode.EXACT_IN else pool.swap_exact_out
    swap = quote(
        request.direction,
        request.amount,
        request.timestamp,
        sqrt_price_limit_x64=request.sqrt_price_limit_x64,
    )
    return {
        "amount_in": swap.amount_in,
        "amount_out": swap.amount_out,
        "fee": swap.fee,
        "end_sqrt_price_x64": swap.end_sqrt_price_x64,
        "end_tick": swap.end_tick,
        "end_liquidity": swap.end_liquidity,
        "ticks_crossed": swap.crossed,
        "steps": swap.steps,
        "stopped_at_price_limit": int(swap.stopped_at_price_limit),
    }


RULES = VenueRules(
    pool=_pool,
    figures=_figures,
    required_keys={"pool": ("protocol_fee_rate", "fund_fee_rate", "fee_on")},
    point_key="tick",
    check_point=partial(check_tick_point, sqrt_price_at_tick, tick_at_sqrt_price),
)
