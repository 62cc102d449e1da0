"""Say in words what a scenario takes for granted, from the values that it really has."""

from __future__ import annotations

from orderengine.study.assumptions.chain import landing_sentences, slot_sentences
from orderengine.study.assumptions.engine import arrival_sentences, engine_sentences
from orderengine.study.assumptions.traders import price_sentences, trader_sentences
from orderengine.study.assumptions.words import latency_words
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
    market = scenario.market
    said = [
        "Swaps are exact to the unit: integers, and each program's own rounding.",
        *slot_sentences(market),
    ]
    if market.snapshot:
        said.append(
            f"The pools are those of {market.snapshot}, as they were when it was taken. Ticks and "
            "bins that it does not hold cannot be traded"
            + ("." if market.liquidity.is_on else ", and nobody adds or removes liquidity.")
        )
    said.extend(price_sentences(market))
    if market.hops or market.prices:
        said.append(
            f"Tokens besides {market.base} and {market.quote} have a constant outside price. Legs "
            "of several hops are one transaction; what one brings the next ones share as planned."
        )
    said.extend(trader_sentences(market))
    said.append(
        f"A venue reads its pools {latency_words(market.quote_latency)} after it is asked; "
        f"building and signing take {latency_words(market.build_latency)}."
    )
    if market.quote_pools == "one":
        said.append("Each order is quoted by one pool only, drawn for it.")
    said += landing_sentences(market)
    strains = market.landing.model == "network" and market.congestion.demand > 0
    which = "Latencies" if not strains else "Latencies besides that of sending"
    said.append(
        f"{which} are drawn independently of the load; where no slow periods are stated, of each "
        "other too, so bursts of slowness are missing."
    )
    return [*said, *arrival_sentences(scenario.arrivals), *engine_sentences(scenario.engine)]
