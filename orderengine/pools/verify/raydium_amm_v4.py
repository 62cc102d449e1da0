"""Read Raydium AMM v4 cases."""

from __future__ import annotations

from collections.abc import Mapping

from orderengine.pools.raydium_amm_v4 import RaydiumAmmV4Pool
from orderengine.pools.verify.rules import (
    Figures,
    SwapMode,
    SwapRequest,
    Trade,
    VenueRules,
    decode_as,
)

__all__ = ["RULES"]


def _pool(pool: Mapping[str, object], name: str) -> RaydiumAmmV4Pool:
    named = {**pool, "address": name, "token_a": "A", "token_b": "B"}
    return decode_as(named, RaydiumAmmV4Pool, "pool", "a Raydium AMM v4 pool")


def _build(pool: Mapping[str, object], name: str) -> Trade:
    held = _pool(pool, name)

    def trade(request: SwapRequest) -> Figures:
        if request.mode is SwapMode.EXACT_IN:
            swap = held.swap_exact_in(request.direction, request.amount, request.timestamp)
        else:
            swap = held.swap_exact_out(request.direction, request.amount, request.timestamp)
        return {"amount_in": swap.amount_in, "amount_out": swap.amount_out, "fee": swap.fee_in}

    return trade


RULES = VenueRules(
    build=_build,
    pool=_pool,
    required_keys={"pool": ("fee_numerator", "fee_denominator")},
)
