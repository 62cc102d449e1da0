"""Read Raydium CPMM cases."""

from __future__ import annotations

from collections.abc import Mapping

from orderengine.pools.raydium_cpmm import RaydiumCpmmPool
from orderengine.pools.verify.rules import (
    Figures,
    SwapMode,
    SwapRequest,
    VenueRules,
    decode_as,
)

__all__ = ["RULES"]


def _pool(described: Mapping[str, object]) -> RaydiumCpmmPool:
    return decode_as(described, RaydiumCpmmPool, "pool", "a Raydium CPMM pool")


def _figures(pool: RaydiumCpmmPool, request: SwapRequest) -> Figures:
    if request.mode is SwapMode.EXACT_IN:
        swap = pool.swap_exact_in(request.direction, request.amount, request.timestamp)
    else:
        swap = pool.swap_exact_out(request.direction, request.amount, request.timestamp)
    return {
        "amount_in": swap.amount_in,
        "amount_out": swap.amount_out,
        "fee": swap.trade_fee,
        "protocol_fee": swap.protocol_fee,
        "fund_fee": swap.fund_fee,
        "creator_fee": swap.creator_fee,
        "curve_reserve_in_after": swap.curve_reserve_in_after,
        "curve_reserve_out_after": swap.curve_reserve_out_after,
    }


RULES = VenueRules(
    pool=_pool,
    figures=_figures,
    required_keys={"pool": ("creator_fee_rate", "creator_fee_on")},
)
