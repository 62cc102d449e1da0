"""Read Meteora DLMM cases, and prices of bins."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from orderengine.pools.meteora_dlmm import MeteoraDlmmPool
from orderengine.pools.meteora_dlmm_fee import DlmmFeeParameters, DlmmVolatility
from orderengine.pools.meteora_dlmm_price import bin_price_x64
from orderengine.pools.meteora_dlmm_spec import MeteoraDlmmSpec
from orderengine.pools.verify.rules import (
    CaseResult,
    Figures,
    Mismatch,
    SwapMode,
    SwapRequest,
    VenueRules,
    decode_as,
    result_of,
)

__all__ = ["RULES"]


class _BinPricePoint(Struct, frozen=True, kw_only=True):
    bin_id: int
    bin_step: int
    price_x64: int


def _pool(described: Mapping[str, object]) -> MeteoraDlmmPool:
    return MeteoraDlmmPool.from_spec(decode_as(described, MeteoraDlmmSpec, "pool", "a DLMM pool"))


def _figures(pool: MeteoraDlmmPool, request: SwapRequest) -> Figures:
    quote = pool.swap_exact_in if request.mode is SwapMode.EXACT_IN else pool.swap_exact_out
    swap = quote(
        request.direction,
        request.amount,
        request.timestamp,
        partial_fill=request.partial_fill,
    )
    return {
        "amount_in": swap.amount_in,
        "amount_out": swap.amount_out,
        "fee": swap.lp_fee + swap.protocol_fee,
        "lp_fee": swap.lp_fee,
        "protocol_fee": swap.protocol_fee,
        "fee_on_input": int(swap.fee_on_input),
        "end_bin": swap.end_bin_id,
        "bins_touched": swap.bins_touched,
        "end_volatility_accumulator": swap.pool.volatility.volatility_accumulator,
    }


def _check_bin_price(case: Mapping[str, object], source: str) -> CaseResult:
    point = decode_as(case, _BinPricePoint, source, "bin_id, bin_step and price_x64")
    case_id = f"bin {point.bin_id} at {point.bin_step} bps"
    got = bin_price_x64(point.bin_id, point.bin_step)
    if got == point.price_x64:
        return result_of(case_id, ())
    return result_of(case_id, (Mismatch("price_x64", str(point.price_x64), str(got)),))


RULES = VenueRules(
    pool=_pool,
    figures=_figures,
    required_keys={
        "pool": ("collect_fee_mode", "supports_limit_order"),
        "pool.parameters": DlmmFeeParameters.__struct_fields__,
        "pool.v_parameters": DlmmVolatility.__struct_fields__,
        "swap": ("timestamp",),
    },
    point_key="bin_id",
    check_point=_check_bin_price,
    skipped_tags={
        "sdk_quirk_zero_net_bin": "the SDK leaves out the cost of a bin whose output the fee "
        "eats, an under-quote; this engine charges it",
    },
)
