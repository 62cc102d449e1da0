"""Model how long an answer takes: a distribution, or measured values, with slow periods if wanted.

Assumption: within a period draws are independent of each other, and of the load always. Where it
misleads: real servers slow down because of load, so the tail of many orders at once is too thin
here; slow periods stand in for that, but do not know how much is asked.

``shifted_lognormal`` and ``gamma`` are what measured latencies are usually fitted with: an offset
that distance sets, and a skewed rest. ``exponential`` is that of queueing theory, hardly of any
server. Source of gamma deviates: Marsaglia and Tsang, "A simple method for generating gamma
variables", ACM TOMS 26 (2000).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from orderengine.market.draws import Draws
from orderengine.market.fields import Duration, FieldError, check, duration_ns

__all__ = ["LatencyConfig", "LatencyModel", "LatencyOf", "latency_model"]

LatencyModel = Callable[[int, int], int]
"""Return a latency in ns for an order key and a count."""


LatencyOf = Callable[["LatencyConfig", str], LatencyModel]
"""Return the latency of a description, drawn under the name of a concern."""

_DRAWS_A_ROUND = 2
_SLOW = -1
"""The count under which a period is drawn; those of answers are 0 and more."""


class LatencyConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe a distribution of durations. A model reads its own fields and leaves the others."""

    model: Literal[
        "constant",
        "uniform",
        "lognormal",
        "shifted_lognormal",
        "exponential",
        "gamma",
        "empirical",
    ] = "constant"
    median: Duration = "0ms"
    """The value of ``constant``, the median of ``lognormal``; of ``shifted_lognormal`` that of the
    part above the offset."""
    sigma: float = 0.0
    """Of both lognormals: standard deviation of the logarithm."""
    mean: Duration = "0ms"
    """Of ``exponential`` and ``gamma``, above 0; of the part above the offset."""
    shape: float = 1.0
    """Of ``gamma``: 1 is exponential, more is narrower. The scale is mean / shape."""
    offset: Duration = "0ms"
    """Of ``shifted_lognormal``, ``exponential`` and ``gamma``: added to each draw."""
    low: Duration = "0ms"
    high: Duration = "0ms"
    """Of ``uniform``: both ends, included."""
    file: str = ""
    """Of ``empirical``: a CSV or Parquet file, plain or gzip."""
    column: str = ""
    """Of ``empirical``: the column of milliseconds."""
    slow_share: float = 0.0
    """Share of time that is slow, whatever the model: time is cut into periods, and each is slow
    with this chance, for all that is drawn in it."""
    slow_factor: float = 5.0
    """What a draw in a slow period is multiplied by. Assumption."""
    slow_period: Duration = "2s"
    """Length of a period. Assumption."""

    @property
    def is_none(self) -> bool:
        """Whether nothing ever takes any time."""
        return self.model == "constant" and duration_ns("median", self.median) == 0

    def __post_init__(self) -> None:
        for name in ("median", "mean", "offset"):
            duration_ns(name, getattr(self, name))
        has_mean = self.model not in {"exponential", "gamma"} or duration_ns("mean", self.mean) > 0
        check("mean", self.mean, has_mean, f"above 0 with the model {self.model}")
        check("sigma", self.sigma, 0 <= self.sigma <= 5, "from 0 to 5")
        check("shape", self.shape, 0.01 <= self.shape <= 10_000, "from 0.01 to 10000")
        low_ns, high_ns = duration_ns("low", self.low), duration_ns("high", self.high)
        check("high", self.high, low_ns <= high_ns, f"at least low ({self.low})")
        if self.model == "empirical":
            check("file", self.file, bool(self.file), "a file of measured latencies")
            check("column", self.column, bool(self.column), "the name of a column in ms")
        check("slow_share", self.slow_share, 0 <= self.slow_share <= 1, "from 0 to 1")
        check("slow_factor", self.slow_factor, 0 < self.slow_factor <= 1_000, "above 0, up to 1000")
        period_ns = duration_ns("slow_period", self.slow_period)
        check("slow_period", self.slow_period, period_ns >= 1_000_000, "at least 1ms")


def latency_model(
    config: LatencyConfig,
    draws: Draws,
    measured_ns: tuple[int, ...] = (),
    *,
    now_ns: Callable[[], int] | None = None,
) -> LatencyModel:
    """Return the drawing function of a description.

    Args:
        config: the description.
        draws: the concern to draw under.
        measured_ns: the values of ``empirical``, sorted; each is drawn with equal chance.
        now_ns: tells the instant of a draw, ns since the Unix epoch; only slow periods ask it.

    Raises:
        FieldError: there are slow periods and nobody to tell the instant.
    """
    model = _distribution(config, draws, measured_ns)
    if config.slow_share == 0:
        return model
    if now_ns is None:
        raise FieldError("slow_share", config.slow_share, "0 where latencies know no time")
    return _slowed(config, draws, model, now_ns)


def _distribution(
    config: LatencyConfig, draws: Draws, measured_ns: tuple[int, ...]
) -> LatencyModel:
    median_ns, mean_ns = duration_ns("median", config.median), duration_ns("mean", config.mean)
    offset_ns, sigma, shape = duration_ns("offset", config.offset), config.sigma, config.shape
    normal, exp = draws.normal, math.exp
    match config.model:
        case "empirical":
            count = len(measured_ns)
            return lambda order, k: measured_ns[draws.u64(order, k) % count]
        case "uniform":
            low_ns = duration_ns("low", config.low)
            width_ns = duration_ns("high", config.high) - low_ns + 1
            return lambda order, k: low_ns + draws.u64(order, k) % width_ns
        case "shifted_lognormal":
            return lambda order, k: offset_ns + round(median_ns * exp(sigma * normal(order, k)))
        case "exponential":
            return lambda order, k: offset_ns + round(draws.exponential(mean_ns, order, k))
        case "gamma":
            scale_ns = mean_ns / shape
            return lambda order, k: offset_ns + round(scale_ns * _gamma(draws, shape, order, k))
        case "lognormal" if sigma > 0:
            return lambda order, k: round(median_ns * exp(sigma * normal(order, k)))
    return lambda order, k: median_ns


def _gamma(draws: Draws, shape: float, order: int, k: int) -> float:
    """Return a gamma deviate of scale 1, exact up to the floats it is computed in.

    Rejection needs a number of draws that is not known before. They are named by the first one, so
    that they cannot be those of another k.
    """
    inner, d = draws.u64(order, k), (shape if shape >= 1 else shape + 1) - 1 / 3
    c, at = 1 / math.sqrt(9 * d), 1
    while True:
        x = draws.normal(inner, at)
        v = (1 + c * x) ** 3
        if v > 0 and math.log(draws.uniform(inner, at + 1)) < 0.5 * x * x + d * (
            1 - v + math.log(v)
        ):
            break
        at += _DRAWS_A_ROUND
    # Below 1 the method is that of shape + 1, times a power of one more draw.
    return d * v if shape >= 1 else d * v * draws.uniform(inner, 0) ** (1 / shape)


def _slowed(
    config: LatencyConfig, draws: Draws, model: LatencyModel, now_ns: Callable[[], int]
) -> LatencyModel:
    """Return the model, multiplied in slow periods, and rounded to the nearest ns.

    Periods are counted from the Unix epoch and have draws of their own; other draws stay the same.
    """
    period_ns = duration_ns("slow_period", config.slow_period)
    share, factor = config.slow_share, config.slow_factor

    def slowed(order: int, k: int) -> int:
        latency_ns = model(order, k)
        if draws.happens(share, now_ns() // period_ns, _SLOW):
            return round(latency_ns * factor)
        return latency_ns

    return slowed
