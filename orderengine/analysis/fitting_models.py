"""Hold the laws that durations are fitted to: distribution, quantiles and largest likelihood.

============================ ===========================================================
model                        a duration is
============================ ===========================================================
exponential(mean)            exponential
gamma(mean, shape)           gamma with scale mean / shape
lognormal(median, sigma)     median · exp(sigma · Z), Z standard normal
shifted_lognormal(offset, …) offset + a lognormal: durations have a floor
============================ ===========================================================

The likelihood of a shifted lognormal grows without bound as the offset nears the smallest value
(B. M. Hill, Journal of the American Statistical Association 58, 1963, pp. 72-84), so its fit is the
largest local maximum below that, as Hill advises; where there is none above 0, the offset is 0 and
the fit is the lognormal's.
"""

from __future__ import annotations

from math import inf, lgamma, log, nan, pi, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]
    Likelihood = Callable[[Numbers], float]

__all__ = ["PEAKS", "model_cdf", "model_quantile", "standard_errors"]

_OFFSETS = 400
"""Of the search for a shifted lognormal's offset, before it is made fine."""
_STEP = 1e-4
_LOG_2PI = log(2 * pi)


def model_cdf(model: str, parameters: dict[str, float], at: npt.ArrayLike) -> Numbers:
    """Return the share of durations up to each value."""
    import numpy as np  # noqa: PLC0415  (the extra ``study``)
    from scipy.special import gammainc, ndtr  # noqa: PLC0415  (the extra ``study``)

    above = np.asarray(at, dtype=np.float64) - parameters.get("offset", 0.0)
    if model in {"exponential", "gamma"}:
        shape = parameters.get("shape", 1.0)
        found = gammainc(shape, np.maximum(above, 0.0) * shape / parameters["mean"])
    else:
        logs = np.log(np.maximum(above, 1e-300) / parameters["median"])
        found = ndtr(logs / parameters["sigma"])
    return np.asarray(found, dtype=np.float64)


def model_quantile(model: str, parameters: dict[str, float], q: npt.ArrayLike) -> Numbers:
    """Return the duration that each share of durations does not exceed."""
    import numpy as np  # noqa: PLC0415  (the extra ``study``)
    from scipy.special import gammaincinv, ndtri  # noqa: PLC0415  (the extra ``study``)

    if model in {"exponential", "gamma"}:
        shape = parameters.get("shape", 1.0)
        above = gammaincinv(shape, np.asarray(q)) * parameters["mean"] / shape
    else:
        above = parameters["median"] * np.exp(parameters["sigma"] * ndtri(np.asarray(q)))
    return np.asarray(above + parameters.get("offset", 0.0), dtype=np.float64)


def _exponential(values: Numbers) -> tuple[list[str], Numbers, Likelihood]:
    import numpy as np  # noqa: PLC0415  (the extra ``study``)

    n, mean = len(values), float(values.mean())

    def likelihood(at: Numbers) -> float:
        return -n * (float(at[0]) + mean / float(np.exp(at[0])))

    return ["mean"], np.array([log(mean)]), likelihood


def _gamma(values: Numbers) -> tuple[list[str], Numbers, Likelihood]:
    import numpy as np  # noqa: PLC0415  (the extra ``study``)
    from scipy.special import digamma, polygamma  # noqa: PLC0415  (the extra ``study``)

    n, mean, logs = len(values), float(values.mean()), float(np.log(values).mean())
    # The shape solves log(shape) - digamma(shape) = gap, by Newton from Minka's start (2002).
    gap = max(log(mean) - logs, 1e-12)
    shape = (3 - gap + sqrt((gap - 3) ** 2 + 24 * gap)) / (12 * gap)
    for _ in range(60):
        slope = 1 / shape - float(polygamma(1, shape))
        step = (log(shape) - float(digamma(shape)) - gap) / slope
        shape = shape - step if step < shape else shape / 2
        if abs(step) < 1e-12 * shape:
            break

    def likelihood(at: Numbers) -> float:
        centre, k = float(np.exp(at[0])), float(np.exp(at[1]))
        return n * (k * log(k / centre) - lgamma(k) + (k - 1) * logs - k * mean / centre)

    return ["mean", "shape"], np.array([log(mean), log(shape)]), likelihood


def _lognormal(values: Numbers) -> tuple[list[str], Numbers, Likelihood]:
    import numpy as np  # noqa: PLC0415  (the extra ``study``)

    logs = np.log(values)
    start = np.array([float(logs.mean()), log(float(logs.std()))])
    return ["median", "sigma"], start, lambda at: _normal_height(logs, at[0], at[1])


def _shifted(values: Numbers) -> tuple[list[str], Numbers, Likelihood]:
    import numpy as np  # noqa: PLC0415  (the extra ``study``)

    least, spread = float(values.min()), float(values.std())

    def profile(offset: float) -> float:
        logs = np.log(values - offset)
        return _normal_height(logs, logs.mean(), log(logs.std()))

    # From 0 to a thousandth of the spread below the smallest value, denser towards that.
    room = np.geomspace(least, min(1e-3 * spread, least / 2), _OFFSETS)
    heights = np.array([profile(least - gap) for gap in room])
    inner = [k for k in range(1, _OFFSETS - 1) if heights[k - 1] < heights[k] >= heights[k + 1]]
    if not inner:
        names, start, likelihood = _lognormal(values)
        return ["offset", *names], np.array([-inf, *start]), lambda at: likelihood(at[1:])
    best = max(inner, key=lambda k: heights[k])
    offset = _peak(profile, least - room[best - 1], least - room[best + 1])
    logs = np.log(values - offset)
    start = np.array([log(max(offset, 1e-300)), float(logs.mean()), log(float(logs.std()))])

    def height(at: Numbers) -> float:
        above = values - float(np.exp(at[0]))
        return -inf if above.min() <= 0 else _normal_height(np.log(above), at[1], at[2])

    return ["offset", "median", "sigma"], start, height


PEAKS = {
    "exponential": _exponential,
    "gamma": _gamma,
    "lognormal": _lognormal,
    "shifted_lognormal": _shifted,
}
"""Of each model: its parameters, the logarithms of them at which the likelihood is largest, and the
log-likelihood as a function of these."""


def _normal_height(logs: Numbers, centre: float, log_sigma: float) -> float:
    """Return the log-likelihood of a lognormal, given the logarithms of its values."""
    import numpy as np  # noqa: PLC0415  (the extra ``study``)

    scaled = (logs - float(centre)) / float(np.exp(log_sigma))
    rest = len(logs) * (float(log_sigma) + _LOG_2PI / 2)
    return -float(scaled @ scaled) / 2 - float(logs.sum()) - rest


def _peak(height: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function with one peak between two points is largest: golden section."""
    part = (sqrt(5) - 1) / 2
    left, right = high - part * (high - low), low + part * (high - low)
    at_left, at_right = height(left), height(right)
    for _ in range(60):
        if at_left < at_right:
            low, left, at_left = left, right, at_right
            right = low + part * (high - low)
            at_right = height(right)
        else:
            high, right, at_right = right, left, at_left
            left = high - part * (high - low)
            at_left = height(left)
    return (low + high) / 2


def standard_errors(likelihood: Likelihood, peak: Numbers) -> list[float]:
    """Return the standard errors at a maximum: the observed information, by central differences.

    A parameter at minus infinity (an offset of 0) is fixed and has none.
    """
    import numpy as np  # noqa: PLC0415  (the extra ``study``)

    free = [k for k in range(len(peak)) if np.isfinite(peak[k])]
    information = np.empty((len(free), len(free)))
    for row, i in enumerate(free):
        for column, j in enumerate(free):
            total = 0.0
            for sign_i in (1, -1):
                for sign_j in (1, -1):
                    at = peak.copy()
                    at[i] += sign_i * _STEP
                    at[j] += sign_j * _STEP
                    total += sign_i * sign_j * likelihood(at)
            information[row, column] = -total / (4 * _STEP * _STEP)
    errors = [nan] * len(peak)
    try:
        variances = np.diag(np.linalg.inv(information))
    except np.linalg.LinAlgError:
        return errors
    for k, variance in zip(free, variances, strict=True):
        errors[k] = sqrt(variance) if variance > 0 else nan
    return errors
