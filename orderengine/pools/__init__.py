"""Know what every pool would do with a swap, to the last unit.

A module a venue program, each with the program's own integers and rounding; pools are immutable and
a swap returns the next pool. No async, no I/O, no clock. ``verify`` checks the pools against cases
that the venues' own SDKs computed.
"""

from __future__ import annotations

from orderengine.pools.base import Direction, Pool, Swap, direction_of, tokens_of
from orderengine.pools.meteora_dlmm import MeteoraDlmmPool, MeteoraDlmmSwap
from orderengine.pools.meteora_dlmm_bin import DlmmBin
from orderengine.pools.meteora_dlmm_fee import DlmmFeeParameters, DlmmVolatility
from orderengine.pools.meteora_dlmm_spec import DlmmBinSpec, MeteoraDlmmSpec
from orderengine.pools.raydium_cpmm import CreatorFeeOn, RaydiumCpmmPool, RaydiumCpmmSwap

__all__ = [
    "CreatorFeeOn",
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
    "Swap",
    "direction_of",
    "tokens_of",
]
