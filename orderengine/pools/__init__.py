"""Know what every pool would do with a swap, to the last unit.

A module a venue program, each with the program's own integers and rounding; pools are immutable and
a swap returns the next pool. No async, no I/O, no clock. ``verify`` checks the pools against cases
that the venues' own SDKs computed.
"""

from __future__ import annotations

from orderengine.pools.base import Direction, Pool, Segment, Swap, direction_of, tokens_of
from orderengine.pools.meteora_dlmm import MeteoraDlmmPool, MeteoraDlmmSwap
from orderengine.pools.meteora_dlmm_bin import DlmmBin
from orderengine.pools.meteora_dlmm_fee import DlmmFeeParameters, DlmmVolatility
from orderengine.pools.meteora_dlmm_spec import DlmmBinSpec, MeteoraDlmmSpec
from orderengine.pools.raydium_cpmm import CreatorFeeOn, RaydiumCpmmPool, RaydiumCpmmSwap
from orderengine.pools.segments import Depth, depth_within, marginal_price_x64

__all__ = [
    "CreatorFeeOn",
    "Depth",
    "Direction",
    "DlmmBin",
    "DlmmBinSpec",
    "DlmmFeeParameters",
    "DlmmVolatility",
    "MeteoraDlmmPool",
    "MeteoraDlmmSpec",
    "MeteoraDlmmSwap",
    "Pool",
    "RaydiumCpmmPool",
    "RaydiumCpmmSwap",
    "Segment",
    "Swap",
    "depth_within",
    "direction_of",
    "marginal_price_x64",
    "tokens_of",
]
