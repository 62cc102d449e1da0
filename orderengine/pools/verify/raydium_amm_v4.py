"""Read Raydium AMM v4 cases."""

from __future__ import annotations

from collections.abc import Mapping

from orderengine.pools.raydium_amm_v4 import RaydiumAmmV4Pool
from orderengine.pools.verify.rules import (
    Figures,
    SwapMode,
    SwapRequest,
    VenueRules,
    decode_as,
)

__all__ = ["RULES"]


def _pool(described: Mapping[str, object]) -> RaydiumAmmV4Pool:
    return decode_as(described, RaydiumAmmV4Pool, "pool", "a Raydium AMM v4 pool")


def _figures(pool: RaydiumAmmV4Pool, request: SwapRequest) -> Figures:
    if request.mode is SwapMode.EXACT_IN:
        swap = pool.swap_exact_in(request.direction, request.amount, request.timestamp)
    else:
        swap = pool.swap_exact_out(request.direction, request.amount, request.timestamp)
    return {"amount_in": swap.amount_in, "amount_out": swap.amount_out, "fee": swap.fee_in}


RULES = VenueRules(
    pool=_pool,
    figures=_figures,
    required_keys={"pool": ("fee_numerator", "fee_denominator")},
)
