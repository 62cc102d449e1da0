"""Take a Raydium CLMM swap over whole price ranges, at one fee rate and without a price limit.

The same numbers as the walk's, sooner: a step over a whole range pays what the range's table says.
Its input, floored after the fee, covers the range's net input exactly if it covers that net input
with the fee on top, ceiled, which is also what the step then takes. So one comparison decides.
"""

from __future__ import annotations

from orderengine.pools.raydium_clmm_fee import FEE_RATE_ONE
from orderengine.pools.raydium_clmm_ladder import ClmmLadder, FeeTerms, WholeRange
from orderengine.pools.raydium_clmm_step import step_exact_in, step_exact_out
from orderengine.pools.raydium_clmm_ticks import tick_at_sqrt_price
from orderengine.pools.raydium_clmm_walk import WalkEnd, WalkStart

__all__ = ["cross_whole_ranges"]


def cross_whole_ranges(ladder: ClmmLadder, terms: FeeTerms, start: WalkStart) -> WalkEnd | None:
    """Swap; None where only the walk can tell.

    That is where the ladder ends, and for an output that the fee is charged in: whether it reaches
    a range's end is there not told by what the range pays.
    """
    way, exact_in, place = start.way, start.exact_in, start.range
    a_to_b = way.a_to_b
    table, onward, ahead = (ladder.down, -1, -1) if a_to_b else (ladder.up, 1, 0)
    if table[place] is None or not (exact_in or way.fee_on_input):
        return None
    roots, tick, remaining = ladder.roots, start.tick, start.amount
    root, target = start.root, roots[place + ahead]
    crossed = steps = amount_in = amount_out = fee = protocol_fee = fund_fee = 0
    limiting = 0 if exact_in else 1
    step = step_exact_in if exact_in else step_exact_out
    while True:
        before = root
        if root != target:
            root, taken, paid, part = step(
                ladder.liquidity[place], root, target, remaining, terms.trade_rate, way
            )
            amount_in += taken
            amount_out += paid
            fee += part
            protocol_fee += part * terms.protocol_share // FEE_RATE_ONE
            fund_fee += part * terms.fund_share // FEE_RATE_ONE
            remaining -= taken if exact_in else paid
            steps += 1
        if root != target:
            if root != before:
                tick = tick_at_sqrt_price(root)
            break
        first = place + onward
        place, remaining, whole = _cross(table, first, onward, remaining, limiting)
        amount_in += whole[0]
        amount_out += whole[1]
        fee += whole[2]
        protocol_fee += whole[3]
        fund_fee += whole[4]
        number = (place - first) * onward
        crossed += number + 1
        steps += number
        stop = place + ahead - onward
        root, tick = roots[stop], ladder.ticks[stop] - a_to_b
        if not remaining:
            break
        if table[place] is None:
            return None
        target = roots[place + ahead]
    return WalkEnd(
        amount_in,
        amount_out,
        fee,
        protocol_fee,
        fund_fee,
        root,
        tick,
        place,
        crossed,
        steps,
        False,
        None,
    )


def _cross(
    table: tuple[WholeRange | None, ...], place: int, onward: int, remaining: int, limiting: int
) -> tuple[int, int, WholeRange]:
    """Return the range that is not crossed whole, what remains there, and what all before took."""
    amount_in = amount_out = fee = protocol_fee = fund_fee = 0
    while remaining:
        whole = table[place]
        if whole is None or remaining < whole[limiting]:
            break
        taken, paid, part, protocol_part, fund_part = whole
        amount_in += taken
        amount_out += paid
        fee += part
        protocol_fee += protocol_part
        fund_fee += fund_part
        remaining -= whole[limiting]
        place += onward
    return place, remaining, (amount_in, amount_out, fee, protocol_fee, fund_fee)
