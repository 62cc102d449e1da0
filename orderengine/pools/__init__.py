"""Know what every pool would do with a swap, to the last unit.

A module a venue program, each with the program's own integers and rounding; pools are immutable and
a swap returns the next pool. No async, no I/O, no clock. ``verify`` checks the pools against cases
that the venues' own SDKs computed.
"""

from __future__ import annotations

from orderengine.pools.base import Direction, Pool, Segment, Swap, direction_of, tokens_of
from orderengine.pools.meteora_damm_v2 import MeteoraDammV2Pool
from orderengine.pools.meteora_damm_v2_fees import DammBaseFee, DammDynamicFee
from orderengine.pools.meteora_damm_v2_spec import MeteoraDammV2Spec
from orderengine.pools.meteora_damm_v2_swap import MeteoraDammV2Swap
from orderengine.pools.meteora_dlmm import MeteoraDlmmPool, MeteoraDlmmSwap
from orderengine.pools.meteora_dlmm_bin import DlmmBin
from orderengine.pools.meteora_dlmm_fee import DlmmFeeParameters, DlmmVolatility
from orderengine.pools.meteora_dlmm_spec import DlmmBinSpec, MeteoraDlmmSpec
from orderengine.pools.orca_whirlpool import OrcaWhirlpoolPool, OrcaWhirlpoolSwap
from orderengine.pools.orca_whirlpool_fee import WhirlpoolAdaptiveFee
from orderengine.pools.orca_whirlpool_spec import OrcaWhirlpoolSpec, WhirlpoolTick
from orderengine.pools.raydium_amm_v4 import RaydiumAmmV4Pool, RaydiumAmmV4Swap
from orderengine.pools.raydium_clmm import RaydiumClmmPool, RaydiumClmmSwap
from orderengine.pools.raydium_clmm_fee import ClmmDynamicFee
from orderengine.pools.raydium_clmm_spec import ClmmTickSpec, RaydiumClmmSpec
from orderengine.pools.raydium_cpmm import CreatorFeeOn, RaydiumCpmmPool, RaydiumCpmmSwap
from orderengine.pools.segments import Depth, depth_within, marginal_price_x64

__all__ = [
    "ClmmDynamicFee",
    "ClmmTickSpec",
    "CreatorFeeOn",
    "DammBaseFee",
    "DammDynamicFee",
    "Depth",
    "Direction",
    "DlmmBin",
    "DlmmBinSpec",
    "DlmmFeeParameters",
    "DlmmVolatility",
    "MeteoraDammV2Pool",
    "MeteoraDammV2Spec",
    "MeteoraDammV2Swap",
    "MeteoraDlmmPool",
    "MeteoraDlmmSpec",
    "MeteoraDlmmSwap",
    "OrcaWhirlpoolPool",
    "OrcaWhirlpoolSpec",
    "OrcaWhirlpoolSwap",
    "Pool",
    "RaydiumAmmV4Pool",
    "RaydiumAmmV4Swap",
    "RaydiumClmmPool",
    "RaydiumClmmSpec",
    "RaydiumClmmSwap",
    "RaydiumCpmmPool",
    "RaydiumCpmmSwap",
    "Segment",
    "Swap",
    "WhirlpoolAdaptiveFee",
    "WhirlpoolTick",
    "depth_within",
    "direction_of",
    "marginal_price_x64",
    "tokens_of",
]
