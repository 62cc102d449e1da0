"""Give a figure with its confidence interval: means, shares, quantiles, ratios and differences.

All but ``batch_mean_of`` take the values for independent draws of one distribution. The results of
replicates of a study (other seeds) are that; the orders of one run are not, for they share prices,
queues and blocks: intervals over them are too narrow. For one run use ``batch_mean_of``, for
several a mean over one figure a replicate.

Where the values cannot bound the figure, that side is infinite: with fewer than two values for a
mean, or too few for a quantile far out. With no value at all, the figure itself is not a number.

SciPy and NumPy come with the extra ``study``; they are loaded at the first call.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from math import ceil, floor, inf, isfinite, log10, nan, sqrt
from typing import TYPE_CHECKING

from msgspec import Struct

from orderengine.errors import InvalidData

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "Estimate",
    "batch_mean_of",
    "mean_of",
    "needed_count",
    "paired_difference_of",
    "quantile_of",
    "ratio_of",
    "share_of",
    "student_quantile",
]

_BATCHES = 20
"""Of a run: enough for a t interval near the normal one, few enough to be long (Law, 2015)."""


class Estimate(Struct, frozen=True, kw_only=True):
    """Hold a figure and the interval that covers the true one with probability ``confidence``."""

    value: float
    low: float
    high: float
    confidence: float
    count: int
    """Values behind it."""
    method: str
    """How the interval was made."""

    @property
    def half_width(self) -> float:
        """Half of the distance from ``low`` to ``high``."""
        return (self.high - self.low) / 2

    def __str__(self) -> str:
        """Show the half width to one or two digits: ``12.3 [11.8, 12.9]``."""
        if not self.count:
            return "-"
        sides = [side for side in (self.value - self.low, self.high - self.value) if isfinite(side)]
        width = max(sides, default=0.0)
        digits = -floor(log10(width / 2)) if width > 0 else 10
        if digits > 9:
            return f"{self.value:,.6g} [{self.low:,.6g}, {self.high:,.6g}]"
        digits = max(0, digits)
        low, value, high = (
            f"{round(at, digits) + 0.0:,.{digits}f}" if isfinite(at) else f"{at}"
            for at in (self.low, self.value, self.high)
        )
        return f"{value} [{low}, {high}]"


def mean_of(values: npt.ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return the mean with Student's t interval.

    Exact for normal values, and close for others once there are some dozens; heavy tails and few
    values make it too narrow.

    Raises:
        InvalidData: a value is not finite, or the confidence not between 0 and 1.
    """
    return _t_interval(_numbers(values), confidence, "student_t")


def paired_difference_of(a: npt.ArrayLike, b: npt.ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return the mean of a - b, value by value, with Student's t interval of the differences.

    Below 0 where ``a`` is the smaller one. The k-th values belong together, such as the same seed
    under two policies; what they share then drops out.

    Raises:
        InvalidData: the two are not equally long, or as ``mean_of``.
    """
    left, right = _numbers(a), _numbers(b)
    _same_length(len(left), len(right))
    return _t_interval(left - right, confidence, "paired_t")


def share_of(successes: int, count: int, confidence: float = 0.95) -> Estimate:
    """Return successes / count with Wilson's score interval (1927); always within 0 and 1.

    With a count of 0 the interval is all of 0 to 1.

    Raises:
        InvalidData: successes are below 0 or above the count.
    """
    if not 0 <= successes <= count:
        raise InvalidData("the successes", str(successes), f"0 to {count}")
    z = _normal(confidence)
    if not count:
        return _estimate(nan, 0.0, 1.0, confidence, 0, "wilson")
    share = successes / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == count else min(1.0, middle + half)
    return _estimate(share, low, high, confidence, count, "wilson")


def quantile_of(values: npt.ArrayLike, q: float, confidence: float = 0.95) -> Estimate:
    """Return the q-quantile with the interval between two order statistics.

    The figure is the nearest rank ceil(q · n). The ranks of the bounds are the innermost ones for
    which the binomial law leaves at most half of 1 - confidence outside on each side, so the
    interval holds for every distribution and is never too narrow (David and Nagaraja 2003, 7.1).
    A side for which there are too few values is infinite.

    Raises:
        InvalidData: a value is not finite, or q or the confidence not between 0 and 1.
    """
    import numpy as np  # noqa: PLC0415  (the extra ``study``)
    from scipy.special import bdtr  # noqa: PLC0415  (the extra ``study``)

    ordered = np.sort(_numbers(values))
    _between("q", q)
    _between("the confidence", confidence)
    n, outside = len(ordered), (1 - confidence) / 2
    if not n:
        return _estimate(nan, -inf, inf, confidence, 0, "order_statistics")

    def below(rank: int) -> float:
        """Return the probability that fewer than ``rank`` of n values lie below the quantile."""
        return float(bdtr(rank - 1, n, q)) if rank else 0.0

    low = bisect_right(range(n + 1), outside, key=below) - 1
    high = bisect_left(range(n + 1), 1 - outside, key=below)
    return _estimate(
        float(ordered[max(1, ceil(q * n - 1e-9)) - 1]),
        float(ordered[low - 1]) if low >= 1 else -inf,
        float(ordered[high - 1]) if high <= n else inf,
        confidence,
        n,
        "order_statistics",
    )


def batch_mean_of(
    values: npt.ArrayLike, confidence: float = 0.95, *, batches: int = _BATCHES
) -> Estimate:
    """Return the mean of a series in time, with Student's t interval over means of batches.

    The series is cut into ``batches`` spans that follow one another and are equally long up to one
    value. Their means are nearly independent once a span is much longer than what one value does to
    later ones (A. M. Law, Simulation Modeling and Analysis, 5th ed. 2015, 9.5.3). Too short a run
    makes it too narrow. A series with fewer values than batches has a batch a value.

    Raises:
        InvalidData: ``batches`` is below 2, or as ``mean_of``.
    """
    import numpy as np  # noqa: PLC0415  (the extra ``study``)

    series = _numbers(values)
    if batches < 2:
        raise InvalidData("the batches", str(batches), "2 or more")
    n, used = len(series), min(batches, len(series))
    if not n:
        return _t_interval(series, confidence, "batch_means")
    spans = [series[k * n // used : (k + 1) * n // used] for k in range(used)]
    over = _t_interval(np.array([span.mean() for span in spans]), confidence, "batch_means")
    mean, half = float(series.mean()), over.half_width
    return _estimate(mean, mean - half, mean + half, confidence, n, "batch_means")


def ratio_of(
    numerators: npt.ArrayLike, denominators: npt.ArrayLike, confidence: float = 0.95
) -> Estimate:
    """Return sum(numerators) / sum(denominators), such as a mean weighted by value.

    The interval is Student's t with the delta method's variance: that of y - ratio · x, over the
    square of the sum of x (W. G. Cochran, Sampling Techniques, 3rd ed. 1977, 2.11). Too narrow
    where a few large denominators carry the sum. Not a number where the denominators add up to 0.

    Raises:
        InvalidData: the two are not equally long, or as ``mean_of``.
    """
    above, below = _numbers(numerators), _numbers(denominators)
    _same_length(len(above), len(below))
    n, total = len(above), float(below.sum())
    if not n or not total:
        return _estimate(nan, -inf, inf, confidence, n, "ratio_delta")
    ratio = float(above.sum()) / total
    if n < 2:
        return _estimate(ratio, -inf, inf, confidence, n, "ratio_delta")
    rest = above - ratio * below
    half = student_quantile(n - 1, confidence) * sqrt(float(rest @ rest) * n / (n - 1)) / abs(total)
    return _estimate(ratio, ratio - half, ratio + half, confidence, n, "ratio_delta")


def needed_count(values_or_sd: npt.ArrayLike, half_width: float, confidence: float = 0.95) -> int:
    """Return how many independent values a mean needs for an interval of ``half_width``.

    ``values_or_sd`` is a standard deviation, or at least two values of a pilot run to take it from.
    The least n with t(n - 1) · sd / sqrt(n) at most ``half_width``; at least 2.

    Raises:
        InvalidData: there are fewer than two values, or the half width is not above 0.
    """
    import numpy as np  # noqa: PLC0415  (the extra ``study``)

    if not half_width > 0:
        raise InvalidData("the half width", str(half_width), "more than 0")
    given = np.asarray(values_or_sd, dtype=float)
    if given.ndim and len(given) < 2:
        raise InvalidData("the values", str(len(given)), "two or more, or a standard deviation")
    sd = float(_numbers(given).std(ddof=1)) if given.ndim else float(given)
    if not (isfinite(sd) and sd >= 0):
        raise InvalidData("the standard deviation", str(sd), "a finite number from 0 up")

    def is_enough(n: int) -> bool:
        return student_quantile(n - 1, confidence) * sd <= half_width * sqrt(n)

    # t is above the normal quantile, so fewer can never do; twice that and some always does.
    least = max(2, floor((_normal(confidence) * sd / half_width) ** 2))
    most = least
    while not is_enough(most):
        most *= 2
    while least < most:  # by hand: a range of more than 2^63 has no length
        middle = (least + most) // 2
        least, most = (least, middle) if is_enough(middle) else (middle + 1, most)
    return least


def student_quantile(freedom: int, confidence: float) -> float:
    """Return how many standard errors a two-sided t interval reaches to each side."""
    from scipy.special import stdtrit  # noqa: PLC0415  (the extra ``study``)

    _between("the confidence", confidence)
    return float(stdtrit(freedom, (1 + confidence) / 2))


def _numbers(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    import numpy as np  # noqa: PLC0415  (the extra ``study``)

    found = np.asarray(values, dtype=np.float64).ravel()
    if not np.isfinite(found).all():
        raise InvalidData("the values", "one that is not finite", "finite numbers")
    return found


def _t_interval(values: npt.NDArray[np.float64], confidence: float, method: str) -> Estimate:
    n = len(values)
    mean = float(values.mean()) if n else nan
    if n < 2:
        _between("the confidence", confidence)
        return _estimate(mean, -inf, inf, confidence, n, method)
    half = student_quantile(n - 1, confidence) * float(values.std(ddof=1)) / sqrt(n)
    return _estimate(mean, mean - half, mean + half, confidence, n, method)


def _estimate(
    value: float, low: float, high: float, confidence: float, count: int, method: str
) -> Estimate:
    return Estimate(
        value=value, low=low, high=high, confidence=confidence, count=count, method=method
    )


def _normal(confidence: float) -> float:
    from scipy.special import ndtri  # noqa: PLC0415  (the extra ``study``)

    _between("the confidence", confidence)
    return float(ndtri((1 + confidence) / 2))


def _between(what: str, share: float) -> None:
    if not 0 < share < 1:
        raise InvalidData(what, str(share), "a number between 0 and 1")


def _same_length(left: int, right: int) -> None:
    if left != right:
        raise InvalidData("the values", f"{left} and {right} of them", "two equally long lists")
