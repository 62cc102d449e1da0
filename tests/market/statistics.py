"""Hold a sample to theory: how far off its mean is, in standard errors."""

from __future__ import annotations

import math
from collections.abc import Sequence

Z_MAX = 4.9
"""A true mean passes this once in a million."""


def mean_of(values: Sequence[float]) -> float:
    """Return the mean."""
    return math.fsum(values) / len(values)


def variance_of(values: Sequence[float], mean: float = 0.0) -> float:
    """Return the mean square around a known mean."""
    return math.fsum((value - mean) ** 2 for value in values) / len(values)


def require_mean(found: float, expected: float, standard_error: float) -> None:
    """Refuse what is more than ``Z_MAX`` standard errors off."""
    z = (found - expected) / standard_error
    assert abs(z) < Z_MAX, f"{found} against {expected}: {z:.1f} standard errors"
