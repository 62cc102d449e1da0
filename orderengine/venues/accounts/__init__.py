"""Turn account bytes into pools: one module a program, each knowing that program's layouts.

Pure functions of bytes. Needs the extra ``solana``, for addresses.
"""

from __future__ import annotations

from orderengine.venues.accounts.program import Decoded, Program
from orderengine.venues.accounts.raydium_cpmm import RAYDIUM_CPMM

__all__ = ["PROGRAMS", "Decoded", "Program"]

PROGRAMS: tuple[Program, ...] = (RAYDIUM_CPMM,)
"""Every program whose pools can be read."""
