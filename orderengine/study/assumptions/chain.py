"""Say in words what a scenario takes for granted of Solana itself: slots, blocks, landing."""

from __future__ import annotations

from orderengine.market.config import MarketConfig
from orderengine.market.fields import duration_ns
from orderengine.study.assumptions.words import latency_words

__all__ = ["landing_sentences", "slot_sentences"]


def slot_sentences(market: MarketConfig) -> list[str]:
    """Return what is taken for granted of slots, leaders and blocks."""
    leaders, fork_rate = market.leaders, market.consensus.fork_rate
    missing = ["leaders"] if leaders.count == 0 else []
    missing += ["forks"] if fork_rate == 0 else []
    missing += ["compute limits"] if not market.blocks.limits else []
    lasts = f"lasts exactly {market.slot}"
    if market.slot_jitter > 0:
        lasts = (
            f"lasts {market.slot} in the mean (lognormal, sigma {market.slot_jitter:g}, each alone)"
        )
    rest = f"; {_list(missing)} are not modelled" if missing else ""
    said = [
        (
            f"A slot {lasts}, its block takes effect when it begins, and {market.skip_rate:.2%} "
            f"of slots have no block{rest}."
        )
    ]
    if leaders.count > 0:
        said.append(
            f"{leaders.count} leaders of equal stake have {leaders.window} slots in a row each; "
            f"{leaders.poor_share:.0%} of them skip {leaders.poor_skips:.0%} of all skipped slots, "
            f"and {leaders.bundle_share:.0%} take bundles."
        )
    said += _block_sentences(market)
    if fork_rate > 0:
        said.append(
            f"The block of {fork_rate:.1%} of slots is left behind before it is confirmed; of what "
            f"was in it, {market.consensus.fork_relands:.0%} comes into the next one."
        )
    return said


def _block_sentences(market: MarketConfig) -> list[str]:
    blocks, congestion = market.blocks, market.congestion
    said = []
    if blocks.limits:
        said.append(
            f"A block holds {blocks.units / 1e6:g} million compute units, "
            f"{blocks.vote_units / 1e6:g} of them for votes, and {blocks.account_units / 1e6:g} "
            "million a pool, the highest bids first; a transaction counts with the limit it asks "
            "for, and waits until it fits or expires."
        )
    if congestion.demand > 0 or congestion.account_demand > 0:
        bids = "They bid as in one recorded block, however large the demand."
        said.append(
            f"Others want {congestion.demand:g} times a block's space and "
            f"{congestion.account_demand:g} times a pool's in the median (sigma "
            f"{congestion.sigma:g}, half-life {congestion.half_life}){_bursts(market)}. "
            f"{bids if blocks.limits else 'Blocks take in all that reaches a leader.'}"
        )
    return said


def _bursts(market: MarketConfig) -> str:
    congestion = market.congestion
    if duration_ns("burst_every", congestion.burst_every) == 0:
        return ""
    return (
        f", {congestion.burst_factor:g} times as much in bursts of {congestion.burst_length} after "
        f"{congestion.burst_every}"
    )


def landing_sentences(market: MarketConfig) -> list[str]:
    """Return what is taken for granted of how transactions are sent, land and are known."""
    landing = market.landing
    said = []
    if duration_ns("drop_notice", landing.drop_notice) > 0:
        said.append(
            f"A lost transaction is reported dead after {landing.drop_notice} and tried again; "
            "Solana gives no such notice."
        )
    reach, lost = (
        f"in the first slot {latency_words(landing.delay)} after it is sent",
        f"{landing.drop_rate:.0%} of sendings are lost",
    )
    if landing.model == "slots":
        reach = f"in each later slot with chance {landing.slots_p:g}"
    elif landing.model == "network":
        path = getattr(landing.paths, landing.path)
        reach = f"in the first slot {latency_words(path.delay)} after it is sent ({landing.path})"
        lost = f"{path.drop_rate:.0%} of sendings are lost, and more and later under congestion"
    said.append(
        f"A transaction lands {reach}; {lost}; a signature lives for {landing.blockhash_blocks} "
        f"blocks. {_known(market)}"
    )
    if landing.model == "network" and landing.urgent_path not in ("", landing.path):
        said.append(f"Urgent orders are sent by the path {landing.urgent_path}.")
    names = {landing.path, landing.urgent_path or landing.path}
    if landing.model == "network" and any(getattr(landing.paths, n).tip_lamports for n in names):
        said.append(
            "A bundle lands only if it succeeds, pays its tip then, and nobody sees it before."
        )
    return said


def _known(market: MarketConfig) -> str:
    landing, consensus = market.landing, market.consensus
    if consensus.profile == "off":
        return f"A landing is final and known {latency_words(landing.confirm)} later."
    if consensus.profile == "alpenglow" and landing.commitment != "processed":
        when = f"{consensus.finality_low} to {consensus.finality_high} after its block's end"
    elif landing.commitment == "finalized":
        when = f"once {consensus.finalized_blocks} blocks follow it"
    else:
        level = getattr(consensus, landing.commitment)
        when = f"{latency_words(level)} after its block's end"
    return f"A landing is {landing.commitment}, and taken for final, {when} ({consensus.profile})."


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
