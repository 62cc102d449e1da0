"""Say in words how orders come, and what of the engine is not its usual way."""

from __future__ import annotations

from orderengine.market.arrivals import ArrivalConfig
from orderengine.study.assumptions.words import latency_words
from orderengine.study.plugin import Plugin
from orderengine.study.scenario import EngineConfig

__all__ = ["arrival_sentences", "engine_sentences"]


def arrival_sentences(arrivals: ArrivalConfig) -> list[str]:
    """Say when orders come, and from where latency counts."""
    rate = f"{arrivals.rate_per_s:g} a second"
    if arrivals.model == "closed":
        return [
            (
                f"{arrivals.users} users have one order each at most; the next follows "
                f"{latency_words(arrivals.think)} after the last one's end. "
                "A slow engine is asked less."
            )
        ]
    came = {
        "poisson": f"independently of each other, {rate}",
        "even": f"evenly, {rate}",
        "burst": "all at once",
        "hawkes": (
            f"in clusters, {rate} in the mean: an order brings {arrivals.branching:g} more by "
            f"itself, and its push falls by a factor e in {arrivals.decay}"
        ),
        "bursts": (
            f"{rate} in the mean, {arrivals.burst_share:.0%} of them in groups of "
            f"{arrivals.burst_size} at random instants"
        ),
        "diurnal": (
            f"independently, at a rate that goes {arrivals.amplitude:.0%} above and below {rate} "
            f"in waves of {arrivals.period}"
        ),
        "trace": f"as {arrivals.file} says",
    }
    return [
        (
            f"Orders come {came[arrivals.model]}, whatever becomes of earlier ones; latency counts "
            "from the instant at which an order was to come."
        )
    ]


def engine_sentences(engine: EngineConfig) -> list[str]:
    """Say what was set of the engine that is not its usual way."""
    said = []
    if engine.discipline != Plugin("lanes"):
        said.append(f"Of the orders that wait, the next is chosen by {engine.discipline.name}.")
    if engine.queue_capacity:
        where = "in each lane" if engine.discipline == Plugin("lanes") else "in all"
        said.append(
            f"At most {engine.queue_capacity:,} orders wait {where}; one that finds no room fails "
            "at once and is not sent again, so it has no latency."
        )
    if engine.slippage == Plugin("volatility"):
        said.append(
            f"Slippage is allowed by volatility: {engine.slippage_floor_bps:g} bps and "
            f"{engine.slippage_sigmas:g} standard deviations of the price over "
            f"{engine.slippage_landing}, at most {engine.slippage_cap_bps:g} bps. It is estimated "
            "from the prices seen before, as if returns were independent."
        )
    if engine.priority_fee != Plugin("fixed"):
        said.append(
            f"Priority fees are set by {engine.priority_fee.name}, once an attempt, at most "
            f"{engine.fee_cap:,} micro-lamports a compute unit."
        )
    return said
