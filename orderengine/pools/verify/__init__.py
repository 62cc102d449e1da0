"""Check the pools against oracle cases: swaps whose every number a venue's own SDK computed.

Pure: the caller reads files and hands over lines or decoded cases. Each venue has a module that
says how its cases are read; ``cases`` joins them.
"""

from __future__ import annotations

from orderengine.pools.verify.cases import check_case, check_line, pool_of, venue_of_file_name
from orderengine.pools.verify.rules import (
    CaseResult,
    CaseStatus,
    Mismatch,
    SwapMode,
    SwapRequest,
)

__all__ = [
    "CaseResult",
    "CaseStatus",
    "Mismatch",
    "SwapMode",
    "SwapRequest",
    "check_case",
    "check_line",
    "pool_of",
    "venue_of_file_name",
]
