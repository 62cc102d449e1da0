"""Say what the network charges for a route, and whether its legs fit one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orderengine.pools.footprint import LIMITS, footprint_of, room_of
from orderengine.routing.request import Costs, Terms

__all__ = ["fits", "leg_cost", "network_cost", "start_cost"]


def network_cost(costs: Costs, venues: Iterable[str]) -> int:
    """Return what one transaction with a leg on each venue costs.

    Lamports are rounded up, as the network does, and then their worth is.

    Args:
        costs: the network's prices and the worth of a lamport.
        venues: one a leg.

    Raises:
        InvalidData: what a venue's swap takes is not known.
    """
    units = sum([footprint_of(venue).compute_units for venue in venues])
    lamports = costs.signature_lamports - (-units * costs.unit_price // 1_000_000)
    return -(-lamports * costs.lamport_price_x64 // 2**64)


def start_cost(costs: Costs) -> float:
    """Return what a transaction costs before its first leg, not rounded."""
    return costs.signature_lamports * costs.lamport_price_x64 / 2**64


def leg_cost(costs: Costs, venue: str) -> float:
    """Return what one more leg costs, not rounded.

    ``network_cost`` is never below the sum, and above it by less than a lamport's worth and a unit.
    """
    micro_lamports = footprint_of(venue).compute_units * costs.unit_price
    return micro_lamports * costs.lamport_price_x64 / (1_000_000 * 2**64)


def fits(terms: Terms, venues: Sequence[str], tokens: int = 2) -> bool:
    """Return whether the terms allow a leg on each of these venues, over so many tokens in all.

    Raises:
        InvalidData: what a venue's swap takes is not known.
    """
    if terms.legs_max is not None and len(venues) > terms.legs_max:
        return False
    if not terms.is_one_transaction:
        return True
    room = room_of(venues, tokens)
    return (
        room.accounts <= LIMITS.accounts
        and room.bytes <= LIMITS.bytes
        and room.compute_units <= LIMITS.compute_units
    )
