"""Compute what a comparison of paired blocks rests on: Welch's interval, the reduction, batches.

Blocks are means of replicates, or of spans of one run; ``study.compared`` has the formulas.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from orderengine.analysis.intervals import Estimate, mean_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["batches", "correlation", "deviation", "reduction", "welch"]

_BATCHES = 20


def batches(values: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Cut one run into spans of orders that follow one another, equally long up to one."""
    used = min(_BATCHES, len(values))
    return [values[k * len(values) // used : (k + 1) * len(values) // used] for k in range(used)]


def deviation(values: npt.NDArray[np.float64]) -> float:
    """Return the sample standard deviation; not a number for fewer than two values."""
    return float(values.std(ddof=1)) if len(values) > 1 else math.nan


def welch(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], confidence: float) -> Estimate:
    """Return mean b - mean a with the interval of independent samples (B. L. Welch, 1947)."""
    from scipy.special import stdtrit  # noqa: PLC0415  (part of the extra study)

    n, value = len(a), float(b.mean() - a.mean())
    half = math.inf
    if n > 1:
        of_a, of_b = deviation(a) ** 2 / n, deviation(b) ** 2 / n
        both = of_a + of_b
        share = of_a / both if both else 1.0
        freedom = (n - 1) / (share**2 + (1 - share) ** 2)
        half = float(stdtrit(freedom, (1 + confidence) / 2)) * math.sqrt(both)
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        confidence=confidence,
        count=n,
        method="welch",
    )


def reduction(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], confidence: float
) -> Estimate:
    """Return (s_A² + s_B²) / s_D² with the jackknife's interval on its logarithm."""
    import numpy as np  # noqa: PLC0415  (part of the extra study)

    def logarithm(of_a: npt.NDArray[np.float64], of_b: npt.NDArray[np.float64]) -> float:
        apart, together = deviation(of_a) ** 2 + deviation(of_b) ** 2, deviation(of_b - of_a) ** 2
        return math.log(apart / together) if apart > 0 and together > 0 else math.nan

    n, whole = len(a), logarithm(a, b)
    low, high = 0.0, math.inf
    value = math.exp(whole) if math.isfinite(whole) else math.inf
    if n > 2 and math.isfinite(whole):
        others = [logarithm(np.delete(a, k), np.delete(b, k)) for k in range(n)]
        if all(map(math.isfinite, others)):
            half = mean_of([n * whole - (n - 1) * other for other in others], confidence).half_width
            low, high = math.exp(whole - half), math.exp(whole + half)
    return Estimate(
        value=value, low=low, high=high, confidence=confidence, count=n, method="jackknife_log"
    )


def correlation(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """Return Pearson's; not a number where a sample has no spread."""
    import numpy as np  # noqa: PLC0415  (part of the extra study)

    if len(a) < 2 or not deviation(a) or not deviation(b):
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])
