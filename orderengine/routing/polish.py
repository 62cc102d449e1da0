"""Turn real shares into integer swaps that the pools themselves compute, and waste no unit.

A program rounds what it pays down and what it takes up, so a leg may take more than its output
needs. First every leg is given the least that pays its output; what that saves, and what rounding
the shares left over, goes whole to the one leg that makes most of it. So rounding is paid once, not
once a leg. With an exact output it is the other way round: every leg pays all that its input pays
for, and one leg pays the less for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orderengine.errors import InvalidAmount, Rejected
from orderengine.pools import Swap
from orderengine.routing.ladder import Ladder
from orderengine.routing.result import LegSwap

__all__ = ["fill_input", "fill_output", "try_input", "try_output"]

_BACK = (0.0, 1e-12, 1e-9, 1e-6)
"""A share that is all a pool can trade may be above that by the last digits of a double."""


def try_input(ladder: Ladder, amount_in: int, now_s: int) -> Swap | None:
    """Return the swap of an input, None if the pool refuses it or pays nothing for it."""
    try:
        swap = ladder.pool.swap_exact_in(ladder.direction, amount_in, now_s)
    except (Rejected, InvalidAmount):
        return None
    return swap if swap.amount_out > 0 else None


def try_output(ladder: Ladder, amount_out: int, now_s: int) -> Swap | None:
    """Return the swap that pays an output, None if the pool refuses it."""
    try:
        swap = ladder.pool.swap_exact_out(ladder.direction, amount_out, now_s)
    except (Rejected, InvalidAmount):
        return None
    return swap if swap.amount_in > 0 else None


def fill_input(
    ladders: Sequence[Ladder], shares: Sequence[float], amount_in: int, now_s: int
) -> list[LegSwap]:
    """Return swaps that together take exactly ``amount_in`` and pay as much as can be.

    Args:
        ladders: the pools, one a share.
        shares: parts of the input, in real numbers; a part that pays nothing is no leg.
        amount_in: the sum of the parts, base units.
        now_s: Unix seconds.

    Returns:
        The legs in the order of the ladders; none if the pools do not take all of it, or pay
        nothing for it.
    """
    legs: list[LegSwap] = []
    for ladder, share in zip(ladders, shares, strict=True):
        swap = _first(try_input, ladder, share, now_s)
        if swap is None:
            continue
        least = try_output(ladder, swap.amount_out, now_s)
        if least is not None and least.amount_in < swap.amount_in:
            again = try_input(ladder, least.amount_in, now_s)
            if again is not None and again.amount_out >= swap.amount_out:
                swap = again
        legs.append((ladder, swap))
    spare = amount_in - sum([swap.amount_in for _, swap in legs])
    while spare < 0:  # only if shares do not add up
        ladder, swap = legs.pop()
        spare += swap.amount_in
    if not spare:
        return legs
    rest: Sequence[LegSwap | tuple[Ladder, None]] = legs or [(ladder, None) for ladder in ladders]
    best, gain, chosen = -1, -1, None
    for at, (ladder, old) in enumerate(rest):
        held = (old.amount_in, old.amount_out) if old is not None else (0, 0)
        more = try_input(ladder, held[0] + spare, now_s)
        if more is not None and more.amount_out - held[1] > gain:
            best, gain, chosen = at, more.amount_out - held[1], (ladder, more)
    if chosen is None:
        return []
    return [chosen] if not legs else [*legs[:best], chosen, *legs[best + 1 :]]


def fill_output(
    ladders: Sequence[Ladder], shares: Sequence[float], amount_out: int, now_s: int
) -> list[LegSwap]:
    """Return swaps that together pay exactly ``amount_out`` and take as little as can be.

    As ``fill_input``, with the parts those of the output.
    """
    legs: list[LegSwap] = []
    for ladder, share in zip(ladders, shares, strict=True):
        swap = _first(try_output, ladder, share, now_s)
        if swap is None:
            continue
        most = try_input(ladder, swap.amount_in, now_s)
        if most is not None and most.amount_out > swap.amount_out:
            again = try_output(ladder, most.amount_out, now_s)
            if again is not None and again.amount_in <= swap.amount_in:
                swap = again
        legs.append((ladder, swap))
    missing = amount_out - sum([swap.amount_out for _, swap in legs])
    if not missing:
        return legs
    rest: Sequence[LegSwap | tuple[Ladder, None]] = legs or [(ladder, None) for ladder in ladders]
    best, price, chosen = -1, None, None
    for at, (ladder, old) in enumerate(rest):
        held = (old.amount_in, old.amount_out) if old is not None else (0, 0)
        if held[1] + missing < 1:
            continue
        other = try_output(ladder, held[1] + missing, now_s)
        if other is not None and (price is None or other.amount_in - held[0] < price):
            best, price, chosen = at, other.amount_in - held[0], (ladder, other)
    if chosen is None:
        return []
    return [chosen] if not legs else [*legs[:best], chosen, *legs[best + 1 :]]


def _first(
    swap: Callable[[Ladder, int, int], Swap | None], ladder: Ladder, share: float, now_s: int
) -> Swap | None:
    """Return the swap of a share, rounded down, or of as much of it as the pool can do."""
    for back in _BACK:
        part = int(share * (1 - back))
        if part < 1:
            return None
        found = swap(ladder, part, now_s)
        if found is not None:
            return found
    return None
