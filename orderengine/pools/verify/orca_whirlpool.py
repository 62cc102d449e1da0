"""Read Orca Whirlpool cases, and points of the tick table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from msgspec import Struct

from orderengine.errors import InsufficientLiquidity, InvalidData
from orderengine.pools.base import Direction
from orderengine.pools.orca_whirlpool import OrcaWhirlpoolPool
from orderengine.pools.orca_whirlpool_spec import OrcaWhirlpoolSpec
from orderengine.pools.orca_whirlpool_ticks import (
    ARRAY_TICKS,
    SQRT_PRICE_MAX_X64,
    SQRT_PRICE_MIN_X64,
    TICK_MAX,
    TICK_MIN,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)
from orderengine.pools.verify.rules import (
    Figures,
    SwapMode,
    SwapRequest,
    VenueRules,
    decode_as,
)
from orderengine.pools.verify.tick_points import check_tick_point

__all__ = ["RULES"]


class _Arrays(Struct, frozen=True, kw_only=True):
    tick_spacing: int
    tick_array_starts: tuple[int, ...] = ()


def _pool(described: Mapping[str, object]) -> OrcaWhirlpoolPool:
    arrays = decode_as(described, _Arrays, "pool", "a Whirlpool's tick arrays")
    whole = dict(described)
    if arrays.tick_array_starts and arrays.tick_spacing > 0:
        whole["known_ticks"] = _known_ticks(arrays)
    return OrcaWhirlpoolPool.from_spec(decode_as(whole, OrcaWhirlpoolSpec, "pool", "a Whirlpool"))


def _figures(pool: OrcaWhirlpoolPool, request: SwapRequest) -> Figures:
    quote = pool.swap_exact_in if request.mode is SwapMode.EXACT_IN else pool.swap_exact_out
    direction, amount, now_s = request.direction, request.amount, request.timestamp
    try:
        swap = quote(direction, amount, now_s)
    except InsufficientLiquidity:
        # The SDK fills a swap in part at the lowest and the highest price.
        bound = SQRT_PRICE_MIN_X64 if direction is Direction.A_TO_B else SQRT_PRICE_MAX_X64
        swap = quote(direction, amount, now_s, sqrt_price_limit_x64=bound)
    return {
        "amount_in": swap.amount_in,
        "amount_out": swap.amount_out,
        "fee": swap.fee,
        "fee_rate_min": swap.fee_rate_min,
        "fee_rate_max": swap.fee_rate_max,
        "partial": int(swap.is_partial),
    }


def _known_ticks(arrays: _Arrays) -> tuple[int, int]:
    """Return the first and the last tick of arrays that follow one another."""
    size = ARRAY_TICKS * arrays.tick_spacing
    starts = sorted(arrays.tick_array_starts)
    if starts != list(range(starts[0], starts[0] + size * len(starts), size)):
        found = f"tick_array_starts {starts}"
        raise InvalidData("pool", found, f"arrays of {size} ticks that follow one another")
    return max(starts[0], TICK_MIN), min(starts[-1] + size - 1, TICK_MAX)


RULES = VenueRules(
    pool=_pool,
    figures=_figures,
    required_keys={"swap": ("timestamp",)},
    point_key="tick",
    check_point=partial(check_tick_point, sqrt_price_at_tick, tick_at_sqrt_price),
    skipped_errors={
        "tick_array_sequence_exhausted": "the SDK ran off the tick arrays that it was given; this "
        "engine was told of no end of the known ticks and swaps on",
    },
)
