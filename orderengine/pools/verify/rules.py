"""Hold what checking any venue's cases needs: the request, the result, the venue's own rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from orderengine.errors import InvalidData
from orderengine.pools.base import Direction, Pool

__all__ = [
    "CaseResult",
    "CaseStatus",
    "Figures",
    "Mismatch",
    "SwapMode",
    "SwapRequest",
    "VenueRules",
    "decode_as",
    "result_of",
]


class CaseStatus(StrEnum):
    """Say how a case ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Mismatch(Struct, frozen=True):
    """Name one field that differs."""

    field: str
    expected: str
    got: str


class CaseResult(Struct, frozen=True, kw_only=True):
    """Hold how a case ended; ``reason`` says why it was skipped."""

    case_id: str
    status: CaseStatus
    mismatches: tuple[Mismatch, ...] = ()
    reason: str = ""


class SwapMode(StrEnum):
    """Say which side of the swap ``amount`` fixes."""

    EXACT_IN = "exact_in"
    EXACT_OUT = "exact_out"


class SwapRequest(Struct, frozen=True, kw_only=True):
    """Hold the ``swap`` of a case."""

    direction: Direction
    mode: SwapMode
    amount: int
    timestamp: int = 0
    partial_fill: bool = False
    sqrt_price_limit_x64: int | None = None
    current_point: int = 0
    """DAMM v2's name for the time, in Unix seconds."""
    has_referral: bool = False


_T = TypeVar("_T")

Figures = Mapping[str, int]
"""What a swap computed, under the names that ``expect`` uses; flags are 0 or 1."""


class VenueRules(Struct, frozen=True, kw_only=True):
    """Hold how to check one venue."""

    pool: Callable[[Mapping[str, object]], Pool]
    """Build the pool of a case from its description, which has an address and tokens by then."""
    figures: Callable[[Any, SwapRequest], Figures]
    """Swap on a pool that ``pool`` built, and return what came of it."""
    required_keys: Mapping[str, tuple[str, ...]]
    """Keys by dotted path of the object that must have them, for what a pool has defaults for."""
    point_key: str = ""
    """A key that only this venue's price points have."""
    check_point: Callable[[Mapping[str, object], str], CaseResult] | None = None
    skipped_tags: Mapping[str, str] = field(default_factory=dict)
    """Reasons by tag."""
    skipped_errors: Mapping[str, str] = field(default_factory=dict)
    """Reasons by kind of an expected error which a pool need not raise."""


def result_of(case_id: str, mismatches: tuple[Mismatch, ...]) -> CaseResult:
    """Return how a case ended: failed if anything differs."""
    status = CaseStatus.FAILED if mismatches else CaseStatus.PASSED
    return CaseResult(case_id=case_id, status=status, mismatches=mismatches)


def decode_as(value: object, wanted: type[_T], source: str, expected: str) -> _T:
    """Convert decoded JSON to a type, reading decimal strings as integers."""
    try:
        return msgspec.convert(value, wanted, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidData(source, str(error), expected) from error
