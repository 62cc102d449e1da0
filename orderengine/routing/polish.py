"""Turn real shares into integer swaps that the pools themselves compute, and waste no unit.

A program rounds what it pays down and what it takes up, so a leg may take more than its output
needs, and pay less than its input would buy. First every leg is put where neither is so; what that
leaves of the order goes whole to the one leg that makes most of it. So rounding is paid once, not
once a leg.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor

from orderengine.errors import InvalidAmount, Rejected
from orderengine.pools import Direction, Swap
from orderengine.pools.fixed_point import U64_MAX
from orderengine.routing.ladder import Ladder
from orderengine.routing.result import LegSwap

_SwapOf = Callable[[Ladder, int, int], Swap | None]

__all__ = ["fill_input", "fill_output", "try_input", "try_output"]


def try_input(ladder: Ladder, amount_in: int, now_s: int) -> Swap | None:
    """Return the swap of an input, None if the pool refuses it or pays nothing for it."""
    try:
        swap = ladder.pool.swap_exact_in(ladder.direction, amount_in, now_s)
    except (Rejected, InvalidAmount):
        return None
    return swap if swap.amount_out > 0 and _has_room(ladder, swap) else None


def try_output(ladder: Ladder, amount_out: int, now_s: int) -> Swap | None:
    """Return the swap that pays an output, None if the pool refuses it."""
    try:
        swap = ladder.pool.swap_exact_out(ladder.direction, amount_out, now_s)
    except (Rejected, InvalidAmount):
        return None
    return swap if swap.amount_in > 0 and _has_room(ladder, swap) else None


def _has_room(ladder: Ladder, swap: Swap) -> bool:
    """Return whether the vault can hold what comes in: no token account holds 2^64."""
    pool = ladder.pool
    vault = pool.vault_a if ladder.direction is Direction.A_TO_B else pool.vault_b
    return vault + swap.amount_in <= U64_MAX


def fill_input(
    ladders: Sequence[Ladder], shares: Sequence[float], amount_in: int, now_s: int, last_s: float
) -> list[LegSwap]:
    """Return swaps that together take exactly ``amount_in`` and pay as much as can be.

    Args:
        ladders: the pools, one a share.
        shares: what each pays, in real numbers; a part that costs nothing is no leg.
        amount_in: base units.
        now_s: Unix seconds.
        last_s: 1 / sqrt(price) of the optimum's last unit: no leg can make more of what is left.

    Returns:
        The legs in the order of the ladders; none if the pools do not take all of it, or pay
        nothing for it.
    """
    legs = _lean(ladders, shares, now_s, is_exact_in=True)
    spare = amount_in - sum([swap.amount_in for _, swap in legs])
    if not spare:
        return legs
    best, gain, chosen = 0, 0, None
    for at, (ladder, old) in enumerate(legs):
        if old.amount_in + spare < 1:
            continue
        swap = try_input(ladder, old.amount_in + spare, now_s)
        if swap is not None and (chosen is None or swap.amount_out - old.amount_out > gain):
            best, gain, chosen = at, swap.amount_out - old.amount_out, swap
            if gain >= floor(spare / (last_s * last_s)):
                break
    if chosen is not None:
        legs[best] = legs[best][0], chosen
        return legs
    return _alone(try_input, ladders, amount_in, now_s)


def fill_output(
    ladders: Sequence[Ladder], shares: Sequence[float], amount_out: int, now_s: int, last_s: float
) -> list[LegSwap]:
    """Return swaps that together pay exactly ``amount_out`` and take as little as can be.

    As ``fill_input``.
    """
    legs = _lean(ladders, shares, now_s, is_exact_in=False)
    missing = amount_out - sum([swap.amount_out for _, swap in legs])
    if not missing:
        return legs
    best, price, chosen = 0, 0, None
    for at, (ladder, old) in enumerate(legs):
        if old.amount_out + missing < 1:
            continue
        swap = try_output(ladder, old.amount_out + missing, now_s)
        if swap is not None and (chosen is None or swap.amount_in - old.amount_in < price):
            best, price, chosen = at, swap.amount_in - old.amount_in, swap
            if price <= ceil(missing * last_s * last_s):
                break
    if chosen is not None:
        legs[best] = legs[best][0], chosen
        return legs
    return _alone(try_output, ladders, amount_out, now_s)


def _lean(
    ladders: Sequence[Ladder], shares: Sequence[float], now_s: int, *, is_exact_in: bool
) -> list[LegSwap]:
    """Return swaps that pay the shares: none could pay as much for less, or more for as much."""
    legs: list[LegSwap] = []
    for ladder, share in zip(ladders, shares, strict=True):
        least = _up_to(try_output, ladder, int(share), now_s)
        if least is None:
            continue
        # A program may pay a unit more or less for an input than it says that the output costs,
        # and refuse the last unit that it would charge: an input is what an input really does.
        if is_exact_in:
            most = _up_to(try_input, ladder, least.amount_in, now_s)
            if most is not None:
                legs.append((ladder, most))
            continue
        more = try_input(ladder, least.amount_in, now_s)
        if more is not None and more.amount_out > least.amount_out:
            least = try_output(ladder, more.amount_out, now_s) or least
        legs.append((ladder, least))
    return legs


def _alone(swap_of: _SwapOf, ladders: Sequence[Ladder], amount: int, now_s: int) -> list[LegSwap]:
    """Return the best single leg for the whole amount: of dust, where no share is a unit."""
    found = [(ladder, swap_of(ladder, amount, now_s)) for ladder in ladders]
    able = [(ladder, swap) for ladder, swap in found if swap is not None]
    # One side of every swap is the amount, so the best has most output for its input.
    return [max(able, key=lambda leg: leg[1].amount_out - leg[1].amount_in)] if able else []


def _up_to(swap_of: _SwapOf, ladder: Ladder, amount: int, now_s: int) -> Swap | None:
    """Return the swap of an amount, or of the most below it that the pool does.

    All that a pool can trade, in real numbers, may be more than it does in integers. A pool that
    refuses an amount refuses all above it, so the most is searched for once a ladder.
    """
    amount = min(amount, ladder.most.get(swap_of, amount))
    found = swap_of(ladder, amount, now_s) if amount > 0 else None
    if found is not None or amount < 2:
        return found
    done, refused, step = amount, amount, max(amount >> 30, 1)
    while found is None and done > 1:
        refused, done = done, max(done - step, 1)
        step *= 16
        found = swap_of(ladder, done, now_s)
    while found is not None and refused - done > 1:
        middle = (done + refused) // 2
        swap = swap_of(ladder, middle, now_s)
        if swap is None:
            refused = middle
        else:
            done, found = middle, swap
    if found is not None:
        ladder.most[swap_of] = done
    return found
