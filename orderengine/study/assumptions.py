"""Say in words what a scenario takes for granted, from the values that it really has."""

from __future__ import annotations

from orderengine.market.fields import duration_ns
from orderengine.market.latency import LatencyConfig
from orderengine.study.scenario import Scenario

__all__ = ["LIVE_ASSUMPTION", "assumptions_of", "live_sentence_of", "sentence_of"]

LIVE_ASSUMPTION = (
    "The market and the engine are the service's own; the scenario gave only the orders, when they "
    "arrive, and the price at which they were sized."
)
"""What a live run takes for granted."""


def sentence_of(scenario: Scenario) -> str:
    """Return one sentence that says what was studied."""
    market, venues = scenario.market, {pool.venue for pool in scenario.market.pools}
    trace = market.price.model == "trace"
    prices = "a recorded price" if trace else "a simulated price"
    pools = f"{len(market.pools)} pool{'s' * (len(market.pools) != 1)}"
    where = f"{pools} of {len(venues)} program{'s' * (len(venues) != 1)}"
    if market.snapshot:
        where = f"the pools of {market.snapshot}"
    return (
        f"{scenario.orders:,} orders of {market.base}/{market.quote}, routed over {where}, "
        f"executed in virtual time on {prices}."
    )


def live_sentence_of(scenario: Scenario) -> str:
    """Return one sentence that says what was put to a live service."""
    market = scenario.market
    return f"{scenario.orders:,} orders of {market.base}/{market.quote}, put to a live service."


def assumptions_of(scenario: Scenario) -> list[str]:
    """Return the assumptions behind the figures, a sentence each."""
    market, landing = scenario.market, scenario.market.landing
    said = [
        "Swaps are exact to the unit: integers, and each program's own rounding.",
        (
            f"A slot lasts exactly {market.slot}, its block takes effect when it begins, and "
            f"{market.skip_rate:.2%} of slots have no block; leaders, forks and compute limits "
            "are not modelled."
        ),
    ]
    if market.snapshot:
        said.append(
            f"The pools are those of {market.snapshot}, as they were when it was taken. Ticks and "
            "bins that it does not hold cannot be traded, and nobody adds or removes liquidity."
        )
    if market.price.model == "trace":
        said.append(
            "Between the samples of the price file the price moves on a straight line, so it moves "
            "less from slot to slot than it really did."
        )
    else:
        said.append(
            f"The outside price is a geometric Brownian motion without drift, "
            f"{market.price.volatility:.0%} a year; it has no jumps and no calm or wild hours."
        )
    if market.hops or market.prices:
        said.append(
            f"Tokens besides {market.base} and {market.quote} have a constant outside price. Legs "
            "of several hops are one transaction; what one brings the next ones share as planned."
        )
    if market.arbitrage:
        said.append(
            "At the start of each slot, before our orders, an arbitrageur with unlimited tokens "
            "trades every pool back to within its fee of the outside price."
        )
    else:
        said.append("Nobody arbitrages: pools move only by trades.")
    if market.flow.trades_per_slot > 0:
        said.append(
            f"Others trade {market.flow.trades_per_slot:g} times a slot over all pools, either way "
            f"with equal chance, lognormal sizes of median {market.flow.size_median}; none knows "
            "where the price goes."
        )
    said.append(
        f"A venue reads its pools {_words(market.quote_latency)} after it is asked; building and "
        f"signing take {_words(market.build_latency)}."
    )
    if market.quote_pools == "one":
        said.append("Each order is quoted by one pool only, drawn for it.")
    if duration_ns("drop_notice", landing.drop_notice) > 0:
        said.append(
            f"A lost transaction is reported dead after {landing.drop_notice} and tried again; "
            "Solana gives no such notice."
        )
    reach = (
        f"in each later slot with chance {landing.slots_p:g}"
        if landing.model == "slots"
        else f"in the first slot {_words(landing.delay)} after it is sent"
    )
    said.append(
        f"A transaction lands {reach}; {landing.drop_rate:.0%} of sendings are lost; a signature "
        f"lives for {landing.blockhash_blocks} blocks. A landing is final and known "
        f"{_words(landing.confirm)} later."
    )
    said.append(
        "Latencies are drawn independently of each other and of the load, so bursts of slowness "
        "are missing."
    )
    return said


def _words(latency: LatencyConfig) -> str:
    if latency.model == "empirical":
        return f"as long as drawn from {latency.column} of its file"
    if latency.model == "uniform":
        return f"{latency.low} to {latency.high}"
    if latency.model == "lognormal" and latency.sigma > 0:
        return f"{latency.median} (median; lognormal, sigma {latency.sigma:g})"
    return str(latency.median)
