"""Say a distribution of durations in words."""

from __future__ import annotations

from orderengine.market.fields import duration_ns
from orderengine.market.latency import LatencyConfig

__all__ = ["latency_words"]


def latency_words(latency: LatencyConfig) -> str:
    """Return a distribution of durations in words."""
    slow = ""
    if latency.slow_share > 0:
        slow = f", {latency.slow_factor:g} times as long in {latency.slow_share:.0%} of the periods"
        slow += f" of {latency.slow_period}"
    return _usual_words(latency) + slow


def _usual_words(latency: LatencyConfig) -> str:
    above = "" if duration_ns("offset", latency.offset) == 0 else f"{latency.offset} and "
    if latency.model == "exponential":
        return f"{above}{latency.mean} (mean; exponential)"
    if latency.model == "gamma":
        return f"{above}{latency.mean} (mean; gamma, shape {latency.shape:g})"
    if latency.model == "shifted_lognormal":
        return f"{above}{latency.median} (median; lognormal, sigma {latency.sigma:g})"
    if latency.model == "empirical":
        return f"as long as drawn from {latency.column} of its file"
    if latency.model == "uniform":
        return f"{latency.low} to {latency.high}"
    if latency.model == "lognormal" and latency.sigma > 0:
        return f"{latency.median} (median; lognormal, sigma {latency.sigma:g})"
    return str(latency.median)
