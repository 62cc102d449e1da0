"""Fit distributions to measured durations by maximum likelihood, and say where they miss.

``analysis.fitting_models`` has the laws. ``empirical`` stands beside them: one of the measured
values, each with equal chance. Intervals of parameters are Wald's: from the inverse of the observed
information, on the logarithm of the parameter, so that they stay above 0.

Assumption: the values are independent draws of one distribution. Where it misleads: measured
latencies come in bursts, so intervals are too narrow, and a p99 from a quiet day is not that of a
busy one. ``lag_1`` says how alike neighbours in the file are. KS is the largest distance between
model and data; with fitted parameters the textbook's critical values do not hold, so no p-value is
given. Instead each percentile of the model is held against the data's interval: ``misses``.
"""

from __future__ import annotations

from math import atanh, inf, isnan, nan, sqrt, tanh
from typing import TYPE_CHECKING

from msgspec import Struct

from orderengine.analysis.fitting_models import (
    PEAKS,
    model_cdf,
    model_quantile,
    standard_errors,
)
from orderengine.analysis.intervals import Estimate, quantile_of
from orderengine.errors import InvalidData

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

__all__ = [
    "CHECKED",
    "MODELS",
    "Fit",
    "Miss",
    "fit_durations",
    "fit_model",
    "lag_1",
]

MODELS = ("exponential", "gamma", "lognormal", "shifted_lognormal", "empirical")
CHECKED = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
"""The percentiles at which a model is held against the data."""


class Miss(Struct, frozen=True, kw_only=True):
    """Say that a model's percentile lies outside the data's interval for it."""

    q: float
    model: float
    data: Estimate

    def __str__(self) -> str:
        where = "above" if self.model > self.data.high else "below"
        return (
            f"p{100 * self.q:g}: the model has {self.model:,.4g}, {where} "
            f"the data's {self.data.value:,.4g} [{self.data.low:,.4g}, {self.data.high:,.4g}]"
        )


class Fit(Struct, frozen=True, kw_only=True):
    """Hold one fitted model; durations are in the unit of the values, here ms."""

    model: str
    parameters: dict[str, Estimate]
    count: int
    log_likelihood: float
    """Not a number for ``empirical``, which has no density."""
    aic: float
    """2 · parameters - 2 · log-likelihood (Akaike 1974); less is better."""
    ks: float
    """Kolmogorov and Smirnov's distance: the largest gap between model and data."""
    misses: tuple[Miss, ...]

    def value(self, parameter: str) -> float:
        """Return a parameter's fitted value."""
        return self.parameters[parameter].value


def fit_durations(values: npt.ArrayLike, confidence: float = 0.95) -> list[Fit]:
    """Return a fit of each model, the one with the least AIC first and ``empirical`` last.

    Raises:
        InvalidData: fewer than 10 values, or one that is not finite and above 0, or all are equal.
    """
    fits = [fit_model(model, values, confidence) for model in MODELS]
    return sorted(fits, key=lambda fit: (fit.model == "empirical", fit.aic))


def fit_model(model: str, values: npt.ArrayLike, confidence: float = 0.95) -> Fit:
    """Return the fit of one model. Raises ``InvalidData`` as ``fit_durations``."""
    import numpy as np  # noqa: PLC0415  (the extra ``study``)

    found = _checked(values)
    if model not in MODELS:
        raise InvalidData("the model", model, f"one of {', '.join(MODELS)}")
    if model == "empirical":
        return Fit(
            model=model,
            parameters={},
            count=len(found),
            log_likelihood=nan,
            aic=nan,
            ks=0.0,
            misses=(),
        )
    names, start, likelihood = PEAKS[model](found)
    errors = standard_errors(likelihood, start)
    parameters = {
        name: _wald(at, error, confidence, len(found))
        for name, at, error in zip(names, start, errors, strict=True)
    }
    fitted = {name: estimate.value for name, estimate in parameters.items()}
    ordered = np.sort(found)
    free = sum(1 for estimate in parameters.values() if estimate.method != "fixed")
    height = likelihood(start)
    return Fit(
        model=model,
        parameters=parameters,
        count=len(found),
        log_likelihood=height,
        aic=2 * free - 2 * height,
        ks=_ks(model_cdf(model, fitted, ordered)),
        misses=_misses(model, fitted, ordered, confidence),
    )


def lag_1(values: npt.ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return the correlation of neighbours in the file's order; its interval is Fisher's.

    Near 0 for independent draws. Raises ``InvalidData`` as ``fit_durations``.
    """
    import numpy as np  # noqa: PLC0415  (the extra ``study``)
    from scipy.special import ndtri  # noqa: PLC0415  (the extra ``study``)

    logs = np.log(_checked(values))
    n = len(logs) - 1
    r = float(np.corrcoef(logs[:-1], logs[1:])[0, 1])
    z, half = atanh(max(-0.999999, min(0.999999, r))), float(ndtri((1 + confidence) / 2))
    half /= sqrt(n - 3)
    return Estimate(
        value=r,
        low=tanh(z - half),
        high=tanh(z + half),
        confidence=confidence,
        count=n,
        method="fisher_z",
    )


def _wald(at: float, error: float, confidence: float, count: int) -> Estimate:
    import numpy as np  # noqa: PLC0415  (the extra ``study``)
    from scipy.special import ndtri  # noqa: PLC0415  (the extra ``study``)

    value = float(np.exp(at))
    if at == -inf:
        return Estimate(
            value=0.0, low=0.0, high=0.0, confidence=confidence, count=count, method="fixed"
        )
    reach = float(ndtri((1 + confidence) / 2)) * error
    is_known = not isnan(reach)  # it is where the information is not regular
    return Estimate(
        value=value,
        low=value * float(np.exp(-reach)) if is_known else -inf,
        high=value * float(np.exp(reach)) if is_known else inf,
        confidence=confidence,
        count=count,
        method="wald",
    )


def _ks(shares: Numbers) -> float:
    import numpy as np  # noqa: PLC0415  (the extra ``study``)

    n = len(shares)
    steps = np.arange(n + 1) / n
    return float(max((steps[1:] - shares).max(), (shares - steps[:-1]).max()))


def _misses(
    model: str, fitted: dict[str, float], ordered: Numbers, confidence: float
) -> tuple[Miss, ...]:
    found = []
    for q in CHECKED:
        data = quantile_of(ordered, q, confidence)
        shown = float(model_quantile(model, fitted, q))
        if not data.low <= shown <= data.high:
            found.append(Miss(q=q, model=shown, data=data))
    return tuple(found)


def _checked(values: npt.ArrayLike) -> Numbers:
    import numpy as np  # noqa: PLC0415  (the extra ``study``)

    found = np.asarray(values, dtype=np.float64).ravel()
    if len(found) < 10:
        raise InvalidData("the values", f"{len(found)} of them", "at least 10 to fit a model to")
    if not (np.isfinite(found).all() and (found > 0).all()):
        raise InvalidData("the values", "one that is not above 0", "finite numbers above 0")
    if found.min() == found.max():
        raise InvalidData("the values", f"only {found[0]:g}", "values that differ")
    return found
