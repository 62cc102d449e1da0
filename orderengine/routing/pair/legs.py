"""Choose which pools of a pair get a leg, where legs cost something or not all of them fit.

Each set of pools nets what the best split over it pays, less the cost of its legs. The best set is
found with proof (``legs_kernels``), or with an honest bound if the search is cut short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from msgspec import Struct

from orderengine.pools.footprint import BASE, LIMITS, footprint_of
from orderengine.routing.costs import leg_cost, start_cost
from orderengine.routing.fast import kernels_of
from orderengine.routing.pair import legs_kernels
from orderengine.routing.pair.book import Book
from orderengine.routing.request import Terms

__all__ = ["Legs", "choose_legs"]

_Make = Callable[[list[Any]], Any]
"""Make a sequence that the kernels take."""

NODES_MAX = 20_000
"""Nodes of the search before it is cut short; of drawn orders over 20 pools 19 in 20 need 300."""


class _Limit(NamedTuple):
    """Hold one thing that a transaction has not enough of for all pools."""

    room: float
    """What there is for legs."""
    legs: list[float]
    """What each pool's leg takes."""
    firsts: list[float]
    """What it takes besides if it is the first on its venue."""
    least: list[float]
    """What it takes at least if a venue's first part is spread over all its pools."""


class Legs(Struct, frozen=True):
    """Hold the best set of pools for an amount, in real numbers."""

    shares: Sequence[float]
    """Each pool's part of the amount, in the order of the book's ladders; 0 without a leg."""
    net: float
    """What is received less the cost; of an exact output minus what is paid with the cost."""
    bound: float
    """What no set within the limits nets more than; above ``net`` by more than the last digits
    only if the search was cut short."""
    last_s: float
    """1 / sqrt(price) of the last unit."""
    nodes: int


def choose_legs(
    book: Book,
    amount: int,
    *,
    is_output: bool,
    terms: Terms,
    is_compiled: bool = False,
    nodes_max: int = NODES_MAX,
) -> Legs | None:
    """Return the best set of a book's pools within the terms, and each pool's part.

    Args:
        book: of the pair; it takes, or pays, the amount.
        amount: base units, of the output if ``is_output``, else of the input.
        is_output: whether the output is fixed.
        terms: what legs cost and how many fit.
        is_compiled: use the compiled search (the extra ``fast``): the same numbers, sooner.
        nodes_max: where to cut the search short.

    Returns:
        None if no set within the limits was found that takes, or pays, the amount.

    Raises:
        InvalidData: what a swap on some pool's venue takes is not known.
    """
    venues = [ladder.pool.venue for ladder in book.ladders]
    count, costs = len(venues), terms.costs
    names = list(dict.fromkeys(venues))
    each = {venue: 0.0 if costs is None else leg_cost(costs, venue) for venue in names}
    limits = _limits(terms, venues)
    made = kernels_of(legs_kernels, is_compiled=is_compiled)
    kernels, floats, ints = made.functions, made.floats, made.ints
    share = book.share_output if is_output else book.share_input
    _, s = share(float(amount))
    packed = (
        floats([limit.room for limit in limits]),
        floats([size for limit in limits for size in limit.legs]),
        floats([size for limit in limits for size in limit.firsts]),
        ints([names.index(venue) for venue in venues]),
        floats([size for limit in limits for size in limit.least]),
    )
    rows, nodes = _memory(count, len(limits), floats, ints)
    chosen, shares = ints([0] * count), floats([0.0] * count)
    net, bound, s, looked = kernels.choose(
        book.curves,
        float(amount),
        is_output,
        floats([each[venue] for venue in venues]),
        packed,
        rows,
        nodes,
        float(s),
        nodes_max,
        ints([0] * count),
        chosen,
    )
    if net == -kernels.FAR:
        return None
    kernels.share(book.curves, chosen, float(amount), is_output, s, shares)
    start = 0.0 if costs is None else start_cost(costs)
    return Legs(shares, net - start, bound - start, s, looked)


def _limits(terms: Terms, venues: Sequence[str]) -> list[_Limit]:
    """Return the limits that not all pools together keep.

    One of them counts legs: as a number of legs is whole, it often bounds better than the room
    that it follows from.
    """
    count = len(venues)
    limits: list[_Limit] = []
    legs_max = count if terms.legs_max is None else terms.legs_max
    if terms.is_one_transaction:
        pools = {venue: venues.count(venue) for venue in venues}
        parts = {venue: (footprint_of(venue).leg, footprint_of(venue).venue) for venue in pools}
        for kind in ("accounts", "bytes", "compute_units"):
            room = getattr(LIMITS, kind) - getattr(BASE, kind)
            sizes = {
                venue: (getattr(leg, kind), getattr(first, kind))
                for venue, (leg, first) in parts.items()
            }
            if sum([pools[venue] * leg + first for venue, (leg, first) in sizes.items()]) <= room:
                continue
            least = {venue: leg + first / pools[venue] for venue, (leg, first) in sizes.items()}
            limits.append(
                _Limit(
                    room,
                    [sizes[venue][0] for venue in venues],
                    [sizes[venue][1] for venue in venues],
                    [least[venue] for venue in venues],
                )
            )
            smallest = accumulate(sorted(limits[-1].least))
            legs_max = min(legs_max, sum([1 for size in smallest if size <= room]))
    if legs_max < count:
        ones = [1.0] * count
        limits.append(_Limit(legs_max, ones, [0.0] * count, ones))
    return limits


def _memory(count: int, kinds: int, floats: _Make, ints: _Make) -> tuple[Any, Any]:
    """Return what the search writes its rows and nodes to."""
    rows, levels = legs_kernels.ROWS, count + 1

    def reals(*sizes: int) -> list[Any]:
        return [floats([0.0] * size) for size in sizes]

    def whole(*sizes: int) -> list[Any]:
        return [ints([0] * size) for size in sizes]

    base, profits, traded, slopes, roots, ratios = reals(
        rows, rows * count, count, count, rows, count
    )
    ranks, places, ranked = whole(rows * count * kinds, count, rows * kinds)
    room = levels * kinds
    nodes = reals(rows * levels, rows * levels, room, room, 2 * levels, levels, levels)
    order, likely, opened = whole(count, count, count)
    return (
        (base, profits, ranks, traded, slopes, roots, places, ratios, ranked),
        (order, *nodes, likely, opened),
    )
