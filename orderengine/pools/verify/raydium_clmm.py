"""Read Raydium CLMM cases, and points of the tick table."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from orderengine.errors import InvalidData
from orderengine.pools.raydium_clmm import RaydiumClmmPool
from orderengine.pools.raydium_clmm_fee import ClmmDynamicFee
from orderengine.pools.raydium_clmm_spec import RaydiumClmmSpec
from orderengine.pools.raydium_clmm_ticks import sqrt_price_at_tick, tick_at_sqrt_price
from orderengine.pools.verify.rules import (
    CaseResult,
    Figures,
    Mismatch,
    SwapMode,
    SwapRequest,
    Trade,
    VenueRules,
    decode_as,
    result_of,
)

__all__ = ["RULES"]


class _TickPoint(Struct, frozen=True, kw_only=True):
    tick: int
    sqrt_price_x64: int
    probe_sqrt_price_x64: int | None = None
    tick_at_probe: int | None = None


class _WholeDynamicFee(Struct, frozen=True, kw_only=True):
    """Require of a case what the pool has defaults for."""

    tick_spacing_index_reference: int
    volatility_reference: int
    volatility_accumulator: int
    last_update_timestamp: int


def _pool(pool: Mapping[str, object], name: str) -> RaydiumClmmPool:
    named = {**pool, "address": name, "token_a": "A", "token_b": "B"}
    if named.get("dynamic_fee") is not None:
        expected = f"a dynamic_fee with {', '.join(ClmmDynamicFee.__struct_fields__)}"
        decode_as(named["dynamic_fee"], _WholeDynamicFee, "pool.dynamic_fee", expected)
    spec = decode_as(named, RaydiumClmmSpec, "pool", "a Raydium CLMM pool")
    return RaydiumClmmPool.from_spec(spec)


def _build(pool: Mapping[str, object], name: str) -> Trade:
    held = _pool(pool, name)

    def trade(request: SwapRequest) -> Figures:
        quote = held.swap_exact_in if request.mode is SwapMode.EXACT_IN else held.swap_exact_out
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

    return trade


def _check_tick(case: Mapping[str, object], source: str) -> CaseResult:
    keys = "tick and sqrt_price_x64, or also probe_sqrt_price_x64 and tick_at_probe"
    point = decode_as(case, _TickPoint, source, keys)
    compared = {"sqrt_price_x64": (point.sqrt_price_x64, sqrt_price_at_tick(point.tick))}
    probe = point.probe_sqrt_price_x64
    if (probe is None) != (point.tick_at_probe is None):
        raise InvalidData(source, "a probe without its tick, or a tick without its probe", keys)
    if probe is not None and point.tick_at_probe is not None:
        compared["tick_at_probe"] = point.tick_at_probe, tick_at_sqrt_price(probe)
    mismatches = [
        Mismatch(name, str(expected), str(got))
        for name, (expected, got) in compared.items()
        if expected != got
    ]
    return result_of(f"tick {point.tick}", tuple(mismatches))


RULES = VenueRules(
    build=_build,
    pool=_pool,
    required_keys={"pool": ("protocol_fee_rate", "fund_fee_rate", "fee_on")},
    point_key="tick",
    check_point=_check_tick,
)
