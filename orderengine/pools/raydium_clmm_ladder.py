"""Lay out the price ranges of a Raydium CLMM pool: what swaps share and none of them changes.

Liquidity changes at initialised ticks only, so a pool is a ladder of stops with a range of constant
liquidity between two of them. Range r lies below stop r and above stop r - 1; the first and the
last have no end. A swap moves the price along the ladder. Where the fee rate stands still, what a
whole range takes and pays is known beforehand, and so are the sums over whole ranges one after the
other: a swap finds by bisection how many of them it passes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from msgspec import Struct

from orderengine.errors import InvalidData
from orderengine.pools.fixed_point import U128_MAX
from orderengine.pools.raydium_clmm_fee import FEE_RATE_ONE
from orderengine.pools.raydium_clmm_step import Way, amounts_between
from orderengine.pools.raydium_clmm_ticks import TICK_MAX, TICK_MIN, sqrt_price_at_tick

__all__ = ["ClmmLadder", "FeeTerms", "RangeSums", "ladder_of"]

_WholeRange = tuple[int, int, int, int, int]
"""(paid by the trader, received by the trader, fee, protocol's part of it, fund's part of it)."""


class FeeTerms(Struct, frozen=True, gc=False):
    """Hold how a pool charges: rates in parts per million, ``fee_on`` as the spec has it."""

    trade_rate: int
    protocol_share: int
    fund_share: int
    fee_on: int

    def way(self, a_to_b: bool) -> Way:
        """Return which token goes in, and which the fee is charged in."""
        return Way(a_to_b, self.fee_on == 0 or (self.fee_on == 1) == a_to_b)


class RangeSums(Struct, frozen=True, gc=False):
    """Hold the stops in one direction, in the order in which a swap comes to them, and sums.

    The tuples run in parallel. Range k lies between stops k and k + 1; sums at k are over the
    ranges before k, each at the trade rate alone and rounded for itself. A stop that no swap may
    pass is left out, and where a dynamic fee moves the rate all are.
    """

    roots: tuple[int, ...]
    """Square roots of the stops' prices, Q64.64."""
    costs: tuple[int, ...]
    """Paid by the trader, a fee in the input included."""
    outputs: tuple[int, ...]
    """Received by the trader, a fee in the output taken off."""
    fees: tuple[int, ...]
    protocol_fees: tuple[int, ...]
    fund_fees: tuple[int, ...]
    kept_in: int
    """What the fee leaves of an input, in parts per million: all, if the output bears it."""
    rate_out: int
    """The fee on an output, in parts per million; 0 if the input bears it."""
    fee_on_input: bool


class ClmmLadder(Struct, frozen=True, gc=False):
    """Hold stops in ascending order, and the ranges between them; build it with ``ladder_of``.

    ``net`` is what liquidity gains where a rising price crosses the stop. The bounds of what is
    known are stops too, at the very ends, if ``is_low_bound`` or ``is_high_bound``.
    """

    ticks: tuple[int, ...]
    nets: tuple[int, ...]
    roots: tuple[int, ...]
    """Square roots of the stops' prices, Q64.64."""
    liquidity: tuple[int, ...]
    """Of each range, one more than there are stops."""
    is_low_bound: bool
    is_high_bound: bool
    down: RangeSums
    up: RangeSums

    def range_of(self, tick_current: int) -> int:
        """Return the range that a pool with this current tick trades in."""
        return bisect_right(self.ticks, tick_current)

    def is_bound(self, stop: int) -> bool:
        """Return whether a stop is the end of what is known."""
        return (self.is_low_bound and stop == 0) or (
            self.is_high_bound and stop == len(self.ticks) - 1
        )


def ladder_of(
    nets: Sequence[tuple[int, int]],
    bounds: tuple[int | None, int | None],
    here: tuple[int, int],
    terms: FeeTerms,
    *,
    has_whole_ranges: bool,
    source: str,
) -> ClmmLadder:
    """Build the ladder of a pool.

    Args:
        nets: (tick, liquidity net) of the initialised ticks, ascending.
        bounds: where knowledge ends below (included) and above (not included); None for nowhere.
        here: the current tick and the liquidity there.
        terms: the fees.
        has_whole_ranges: whether the fee rate stands still, so that whole ranges can be summed.
        source: names the pool in errors.

    Raises:
        InvalidData: a tick or a range's liquidity is outside what the program can hold.
    """
    low, high = bounds
    stops = list(nets)
    is_low_bound = low is not None and low > TICK_MIN
    is_high_bound = high is not None and high <= TICK_MAX
    # The first ticks that may be initialised without our knowing it.
    if low is not None and is_low_bound:
        stops.insert(0, (low - 1, 0))
    if high is not None and is_high_bound:
        stops.append((high, 0))
    ticks = tuple(tick for tick, _ in stops)
    roots = tuple(sqrt_price_at_tick(tick) for tick in ticks)
    liquidity = _liquidity_of(stops, here)
    for number, held in enumerate(liquidity):
        if not 0 <= held <= U128_MAX:
            beside = ticks[min(number, len(ticks) - 1)] if ticks else here[0]
            raise InvalidData(
                source, f"liquidity {held} beside tick {beside}", "from 0 to 2^128 - 1"
            )
    # Stops that a swap may pass: neither the end of what is known, nor that of all prices.
    first, last = 0, len(stops) if has_whole_ranges else 0
    if last and (is_low_bound or ticks[0] == TICK_MIN):
        first = 1
    down = _sums_of(roots[first:last][::-1], liquidity[first:last][::-1], terms, a_to_b=True)
    if last and (is_high_bound or ticks[-1] == TICK_MAX):
        last -= 1
    up = _sums_of(roots[:last], liquidity[1:], terms, a_to_b=False)
    return ClmmLadder(
        ticks,
        tuple(net for _, net in stops),
        roots,
        tuple(liquidity),
        is_low_bound,
        is_high_bound,
        down,
        up,
    )


def _liquidity_of(stops: Sequence[tuple[int, int]], here: tuple[int, int]) -> list[int]:
    """Return the liquidity of each range, counted outwards from the one that is known."""
    tick_current, liquidity_current = here
    place = sum(tick <= tick_current for tick, _ in stops)
    liquidity = [liquidity_current] * (len(stops) + 1)
    for stop in range(place, len(stops)):
        liquidity[stop + 1] = liquidity[stop] + stops[stop][1]
    for stop in range(place - 1, -1, -1):
        liquidity[stop] = liquidity[stop + 1] - stops[stop][1]
    return liquidity


def _sums_of(
    roots: Sequence[int], beyond: Sequence[int], terms: FeeTerms, *, a_to_b: bool
) -> RangeSums:
    """Sum up the ranges between stops in a swap's order, given the liquidity beyond each."""
    fee_on_input = terms.way(a_to_b).fee_on_input
    ranges = [
        _whole_range(liquidity, start, end, terms, a_to_b, fee_on_input)
        for start, end, liquidity in zip(roots, roots[1:], beyond, strict=False)
    ]
    paid, received, fees, protocol_fees, fund_fees = (
        tuple(accumulate((whole[figure] for whole in ranges), initial=0)) for figure in range(5)
    )
    return RangeSums(
        tuple(roots),
        paid,
        received,
        fees,
        protocol_fees,
        fund_fees,
        FEE_RATE_ONE - terms.trade_rate if fee_on_input else FEE_RATE_ONE,
        0 if fee_on_input else terms.trade_rate,
        fee_on_input,
    )


def _whole_range(
    liquidity: int, start: int, end: int, terms: FeeTerms, a_to_b: bool, fee_on_input: bool
) -> _WholeRange:
    low, high = (end, start) if a_to_b else (start, end)
    taken, paid = amounts_between(liquidity, low, high, a_to_b)
    rate = terms.trade_rate
    if fee_on_input:
        fee = -(-taken * rate // (FEE_RATE_ONE - rate))  # ceiled
        taken += fee
    else:
        fee = -(-paid * rate // FEE_RATE_ONE)  # ceiled
        paid -= fee
    protocol_fee = fee * terms.protocol_share // FEE_RATE_ONE
    return taken, paid, fee, protocol_fee, fee * terms.fund_share // FEE_RATE_ONE
