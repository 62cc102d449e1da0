"""Say in words what a market takes for granted of its price and of all others who trade."""

from __future__ import annotations

from orderengine.market.config import FlowConfig, MarketConfig
from orderengine.market.fields import duration_ns

__all__ = ["price_sentences", "trader_sentences"]


def price_sentences(market: MarketConfig) -> list[str]:
    """Return how the outside price moves."""
    price, said = market.price, []
    jumps, wild = price.jumps.per_hour > 0, price.regimes.wild_volatility > 0
    if price.model == "trace":
        said.append(
            "Between the samples of the price file the price moves on a straight line, so it moves "
            "less from slot to slot than it really did."
        )
    else:
        lacks = " or ".join(
            word
            for word, is_there in (("jumps", jumps), ("calm or wild hours", wild))
            if not is_there
        )
        if not (jumps or wild):
            lacks = "jumps and no calm or wild hours"
        said.append(
            f"The outside price is a geometric Brownian motion without drift, "
            f"{price.volatility:.0%} a year" + (f"; it has no {lacks}." if lacks else ".")
        )
    if jumps:
        said.append(
            f"It jumps {price.jumps.per_hour:g} times an hour, by {price.jumps.mean:.2%} on "
            f"average, lognormal with sigma {price.jumps.sigma:g}, independently of all else."
        )
    if wild:
        said.append(
            f"Calm times of {price.regimes.calm_lasts} and wild ones of {price.regimes.wild_lasts} "
            f"on average take turns; in wild ones it is {price.regimes.wild_volatility:.0%} a year."
        )
    if price.spread.bps > 0:
        said.append(
            f"Each {price.spread.by} sees the price off by {price.spread.bps:g} bps (standard "
            f"deviation, half-life {price.spread.half_life}); costs are measured against the "
            "outside price itself."
        )
    return said


def trader_sentences(market: MarketConfig) -> list[str]:
    """Return what is taken for granted of all others who trade."""
    said, rivals, flow = [], market.arbitrageurs, market.flow
    if rivals.count:
        capital = f"at most {rivals.capital} a trade" if rivals.capital else "unlimited tokens"
        said.append(
            f"{rivals.count} arbitrageurs with {capital} act on a pool with chance "
            f"{rivals.acts_share:g} a block each, know the outside price of {rivals.delay_slots} "
            f"slots ago, trade where it brings more than {rivals.cost_lamports:,} lamports, and "
            "bid for their place in the block against our orders."
        )
    elif market.arbitrage:
        said.append(
            "At the start of each slot, before our orders, an arbitrageur with unlimited tokens "
            "trades every pool back to within its fee of the outside price."
        )
    else:
        said.append("Nobody arbitrages: pools move only by trades.")
    if flow.trades_per_slot > 0:
        said.append(
            f"Others trade {flow.trades_per_slot:g} times a slot over all pools, either way "
            f"with equal chance, lognormal sizes of median {flow.size_median}; " + _knowing(flow)
        )
    if flow.trades_per_slot > 0 and flow.clustering > 0:
        said.append(
            f"Each of their trades draws {flow.clustering:g} further ones on average, half of them "
            f"within {flow.clustering_half_life}."
        )
    if flow.trades_per_slot > 0 and flow.large_share > 0:
        said.append(
            f"{flow.large_share:.0%} of their sizes are larger by a Pareto factor of exponent "
            f"{flow.large_alpha:g}."
        )
    sandwich, liquidity = market.sandwich, market.liquidity
    if sandwich.seen_share > 0:
        said.append(
            f"An attacker with unlimited tokens sees {sandwich.seen_share:.0%} of attempts that "
            "are not on a protected path, and sandwiches those from which it gains more than "
            f"{sandwich.cost_lamports:,} lamports; it never makes one fail."
        )
    if liquidity.sigma > 0:
        said.append(
            f"Depth of each pool is lognormal with sigma {liquidity.sigma:g} around the described "
            f"one, with a half-life of {liquidity.half_life}."
        )
    if liquidity.flee_bps > 0:
        said.append(
            f"When the price moves by more than {liquidity.flee_bps:g} bps in a slot, providers "
            f"withdraw {liquidity.flee_share:.0%}, and come back with a half-life of "
            f"{liquidity.return_half_life}."
        )
    if duration_ns("recentre", liquidity.recentre) > 0:
        said.append(
            f"Every {liquidity.recentre} described pools of ticks or bins are laid anew around "
            "their price."
        )
    return said


def _knowing(flow: FlowConfig) -> str:
    if flow.informed_share > 0:
        return (
            f"{flow.informed_share:.0%} know where the price will be {flow.informed_slots} slots "
            "on, and trade that way."
        )
    return "none knows where the price goes."
