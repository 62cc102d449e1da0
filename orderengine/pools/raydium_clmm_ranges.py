"""Swap on a Raydium CLMM pool in two steps whatever the number of ticks, at one fee rate.

The same numbers as the walk's, sooner, for swaps without a price limit. The first range is computed
from where the price stands. If the amount passes it, the ladder's sums say in which range it ends,
and that range is computed.

An input, floored after the fee, covers a range's net input exactly if it covers that net input with
the fee on top, ceiled, which is also what the step then takes. So the sums of inputs decide. In the
first range the next price decides: it is ceiled for A and floored for B, so it reaches the range's
end exactly if the net input covers the range's. A wanted output passes a range if it is not below
all that the range pays, floored.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from orderengine.pools.fixed_point import U64_MAX, require_u64_result
from orderengine.pools.raydium_clmm_fee import FEE_RATE_ONE
from orderengine.pools.raydium_clmm_step import amounts_between, root_after_input, root_after_output
from orderengine.pools.raydium_clmm_swap import RaydiumClmmSwap, first_step

if TYPE_CHECKING:
    from orderengine.pools.raydium_clmm import RaydiumClmmPool

__all__ = ["quote_exact_in", "quote_exact_out"]


def quote_exact_in(pool: RaydiumClmmPool, a_to_b: bool, amount: int) -> RaydiumClmmSwap | None:
    """Swap all of a checked input; None where only the walk can tell: at the ladder's end.

    Raises:
        AmountOverflow: the output is above u64.
    """
    ladder, root, place = pool.ladder, pool.sqrt_price_x64, pool.current_range
    sums, at = (ladder.down, len(ladder.ticks) - place) if a_to_b else (ladder.up, place)
    if at >= len(sums.roots):
        return None
    kept, liquidity, end = sums.kept_in, ladder.liquidity[place], sums.roots[at]
    target, left = end, amount
    amount_out = first_fee = last_fee = 0
    if liquidity:
        end = root_after_input(liquidity, root, amount * kept // FEE_RATE_ONE, a_to_b)
    if end <= target if a_to_b else end >= target:
        found = _pass_ranges(pool, a_to_b, at, amount, exact_in=True)
        if found is None:
            return None
        passed, left, amount_out, first_fee = found
        place += at - passed - 1 if a_to_b else passed + 1 - at
        end = root = sums.roots[passed]
        if left:
            # This range costs more than what is left: the swap ends in it.
            liquidity = ladder.liquidity[place]
            end = root_after_input(liquidity, root, left * kept // FEE_RATE_ONE, a_to_b)
    if left:
        low, high = (end, root) if a_to_b else (root, end)
        net_in, out = amounts_between(liquidity, low, high, a_to_b)
        if sums.fee_on_input:
            # What the move does not need is the fee, the rounding included.
            last_fee = left - net_in
        else:
            last_fee = -(-out * sums.rate_out // FEE_RATE_ONE)  # ceiled
            out -= last_fee
        amount_out += out
    if amount_out > U64_MAX:
        require_u64_result("amount_out", amount_out)
    return RaydiumClmmSwap(pool, a_to_b, amount, amount_out, end, place, first_fee, last_fee, None)


def quote_exact_out(pool: RaydiumClmmPool, a_to_b: bool, amount: int) -> RaydiumClmmSwap | None:
    """Swap as little as pays for a checked output; None where only the walk can tell.

    That is at the ladder's end, and for an output that the fee is charged in: whether it reaches a
    range's end is there not told by what the range pays.

    Raises:
        AmountOverflow: the input is above u64.
    """
    ladder, root, place = pool.ladder, pool.sqrt_price_x64, pool.current_range
    sums, at = (ladder.down, len(ladder.ticks) - place) if a_to_b else (ladder.up, place)
    if at >= len(sums.roots) or not sums.fee_on_input:
        return None
    liquidity, end, left = ladder.liquidity[place], sums.roots[at], amount
    amount_in = first_fee = last_fee = 0
    low, high = (end, root) if a_to_b else (root, end)
    if amounts_between(liquidity, low, high, a_to_b)[1] <= amount:
        found = _pass_ranges(pool, a_to_b, at, amount, exact_in=False)
        if found is None:
            return None
        passed, left, amount_in, first_fee = found
        place += at - passed - 1 if a_to_b else passed + 1 - at
        end = root = sums.roots[passed]
        if left:
            # This range pays more than what is left: the swap ends in it.
            liquidity, end = ladder.liquidity[place], sums.roots[passed + 1]
    if left:
        target, end = end, root_after_output(liquidity, root, left, a_to_b)
        low, high = (end, root) if a_to_b else (root, end)
        net_in, _ = amounts_between(liquidity, low, high, a_to_b)
        last_fee = -(-net_in * (FEE_RATE_ONE - sums.kept_in) // sums.kept_in)  # ceiled
        amount_in += net_in + last_fee
        if end == target:
            # The price rounds to the range's end, though less was left than the range pays.
            first_fee, last_fee = (last_fee, 0) if place == pool.current_range else (first_fee, 0)
            place += -1 if a_to_b else 1
    if amount_in > U64_MAX:
        require_u64_result("amount_in", amount_in)
    return RaydiumClmmSwap(pool, a_to_b, amount_in, amount, end, place, first_fee, last_fee, None)


def _pass_ranges(
    pool: RaydiumClmmPool, a_to_b: bool, first: int, amount: int, *, exact_in: bool
) -> tuple[int, int, int, int] | None:
    """Pass the first range and all after it that the amount suffices for.

    Returns:
        (last stop passed, what is left of the amount, sum of the other token, the first range's
        fee), or None if something is left at the last stop.
    """
    sums = pool.ladder.down if a_to_b else pool.ladder.up
    spent, gained, first_fee = first_step(pool, a_to_b)
    spending, gaining = sums.costs, sums.outputs
    if not exact_in:
        spent, gained, spending, gaining = gained, spent, gaining, spending
    if spent == amount:
        return first, 0, gained, first_fee
    goal = spending[first] + amount - spent
    passed = bisect_left(spending, goal, first)
    if passed == len(spending):
        return None
    if spending[passed] != goal:
        passed -= 1
    return passed, goal - spending[passed], gained + gaining[passed] - gaining[first], first_fee
