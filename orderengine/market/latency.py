"""Model how long an answer takes: constant, uniform, lognormal, or drawn from measured values.

Assumption: draws are independent of each other and of load. Where it misleads: real latencies come
in bursts and grow with load, so tails of many orders at once are too thin here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from orderengine.market.draws import Draws
from orderengine.market.fields import Duration, check, duration_ns

__all__ = ["LatencyConfig", "LatencyModel", "LatencyOf", "latency_model"]

LatencyModel = Callable[[int, int], int]
"""Return a latency in ns for an order key and a count."""


LatencyOf = Callable[["LatencyConfig", str], LatencyModel]
"""Return the latency of a description, drawn under the name of a concern."""


class LatencyConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe a distribution of durations."""

    model: Literal["constant", "uniform", "lognormal", "empirical"] = "constant"
    median: Duration = "0ms"
    """The value of ``constant``, the median of ``lognormal``."""
    sigma: float = 0.0
    """Of ``lognormal``: standard deviation of the logarithm."""
    low: Duration = "0ms"
    high: Duration = "0ms"
    """Of ``uniform``: both ends, included."""
    file: str = ""
    """Of ``empirical``: a CSV or Parquet file, plain or gzip."""
    column: str = ""
    """Of ``empirical``: the column of milliseconds."""

    @property
    def is_none(self) -> bool:
        """Whether nothing ever takes any time."""
        return self.model == "constant" and duration_ns("median", self.median) == 0

    def __post_init__(self) -> None:
        duration_ns("median", self.median)
        check("sigma", self.sigma, 0 <= self.sigma <= 5, "from 0 to 5")
        low_ns, high_ns = duration_ns("low", self.low), duration_ns("high", self.high)
        check("high", self.high, low_ns <= high_ns, f"at least low ({self.low})")
        if self.model == "empirical":
            check("file", self.file, bool(self.file), "a file of measured latencies")
            check("column", self.column, bool(self.column), "the name of a column in ms")


def latency_model(
    config: LatencyConfig, draws: Draws, measured_ns: tuple[int, ...] = ()
) -> LatencyModel:
    """Return the drawing function of a description.

    Args:
        config: the description.
        draws: the concern to draw under.
        measured_ns: the values of ``empirical``, sorted; each is drawn with equal chance.
    """
    median_ns = duration_ns("median", config.median)
    if config.model == "empirical":
        count = len(measured_ns)
        return lambda order, k: measured_ns[draws.u64(order, k) % count]
    if config.model == "uniform":
        low_ns = duration_ns("low", config.low)
        width_ns = duration_ns("high", config.high) - low_ns + 1
        return lambda order, k: low_ns + draws.u64(order, k) % width_ns
    if config.model == "constant" or config.sigma == 0:
        return lambda order, k: median_ns
    sigma, normal = config.sigma, draws.normal
    return lambda order, k: round(median_ns * math.exp(sigma * normal(order, k)))
