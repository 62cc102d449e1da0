"""Read Meteora DAMM v2 cases."""

from __future__ import annotations

from collections.abc import Mapping

from orderengine.pools.meteora_damm_v2 import MeteoraDammV2Pool
from orderengine.pools.meteora_damm_v2_spec import MeteoraDammV2Spec
from orderengine.pools.verify.rules import (
    Figures,
    SwapMode,
    SwapRequest,
    VenueRules,
    decode_as,
)

__all__ = ["RULES"]


def _pool(described: Mapping[str, object]) -> MeteoraDammV2Pool:
    return MeteoraDammV2Pool.from_spec(
        decode_as(described, MeteoraDammV2Spec, "pool", "a DAMM v2 pool")
    )


def _figures(pool: MeteoraDammV2Pool, request: SwapRequest) -> Figures:
    if request.mode is SwapMode.EXACT_IN:
        swap = pool.swap_exact_in(
            request.direction,
            request.amount,
            request.current_point,
            partial_fill=request.partial_fill,
            has_referral=request.has_referral,
        )
    else:
        swap = pool.swap_exact_out(
            request.direction,
            request.amount,
            request.current_point,
            has_referral=request.has_referral,
        )
    claiming_fee, compounding_fee, protocol_fee, referral_fee = swap.fees
    return {
        "amount_in": swap.amount_in,
        "amount_out": swap.amount_out,
        "fee": swap.fee_in + swap.fee_out,
        "claiming_fee": claiming_fee,
        "compounding_fee": compounding_fee,
        "protocol_fee": protocol_fee,
        "referral_fee": referral_fee,
        "amount_left": swap.amount_left,
        "excluded_fee_input": swap.net_in,
        "fees_on_input": int(swap.fees_on_input),
        "end_sqrt_price_x64": swap.end_sqrt_price_x64,
    }


RULES = VenueRules(
    pool=_pool,
    figures=_figures,
    required_keys={
        "pool": (
            "collect_fee_mode",
            "fee_version",
            "activation_point",
            "sqrt_price_x64",
            "protocol_fee_percent",
            "referral_fee_percent",
            "compounding_fee_bps",
        ),
        "pool.base_fee": (
            "mode",
            "number_of_period",
            "period_frequency",
            "reduction_factor",
        ),
        "swap": ("current_point", "has_referral"),
    },
)
