"""Turn account bytes into pools: one module a program, each knowing that program's layouts.

Pure functions of bytes. Needs the extra ``solana``, for addresses.
"""

from __future__ import annotations

from orderengine.venues.accounts.meteora_damm_v2 import METEORA_DAMM_V2
from orderengine.venues.accounts.meteora_dlmm import METEORA_DLMM
from orderengine.venues.accounts.orca_whirlpool import ORCA_WHIRLPOOL
from orderengine.venues.accounts.program import Decoded, Program
from orderengine.venues.accounts.raydium_amm_v4 import RAYDIUM_AMM_V4
from orderengine.venues.accounts.raydium_clmm import RAYDIUM_CLMM
from orderengine.venues.accounts.raydium_cpmm import RAYDIUM_CPMM

__all__ = ["PROGRAMS", "Decoded", "Program"]

PROGRAMS: tuple[Program, ...] = (
    METEORA_DAMM_V2,
    METEORA_DLMM,
    ORCA_WHIRLPOOL,
    RAYDIUM_AMM_V4,
    RAYDIUM_CLMM,
    RAYDIUM_CPMM,
)
"""Every program whose pools can be read."""
