"""Walk a Raydium CLMM swap along the ladder, as the program does it, step by step.

A step ends at the next initialised tick, at the price limit, or, while a dynamic fee still moves,
at the next group of one tick spacing. Rounding is per step, so where steps end matters.

This walk serves every swap. Those at one fee rate and without a limit have a shorter way, in
``raydium_clmm_ranges``, and come here only where the ladder ends.

Source: swap_internal in programs/amm/src/instructions/swap.rs of raydium-io/raydium-clmm at
03b44b7, and swapInternal of @raydium-io/raydium-sdk-v2 0.2.73-alpha (observed results).
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import astuple

from orderengine.errors import InsufficientLiquidity
from orderengine.pools.raydium_clmm_fee import FEE_RATE_ONE, ClmmDynamicFee
from orderengine.pools.raydium_clmm_ladder import ClmmLadder, FeeTerms
from orderengine.pools.raydium_clmm_step import Way, step_exact_in, step_exact_out
from orderengine.pools.raydium_clmm_ticks import (
    SQRT_PRICE_MAX,
    SQRT_PRICE_MIN,
    TICK_MAX,
    TICK_MIN,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)

__all__ = ["GroupFee", "WalkEnd", "WalkStart", "default_limit", "walk"]


class WalkStart(Struct, frozen=True, gc=False):
    """Hold where a swap starts, and what it is to trade."""

    root: int
    """Square root of the price, Q64.64."""
    tick: int
    range: int
    way: Way
    amount: int
    """Base units to pay, or to receive."""
    exact_in: bool
    """Which of the two."""
    limit: int
    """A square root of a price on the way, to stop at."""


class WalkEnd(Struct, frozen=True, gc=False):
    """Hold what a walk moved and where it ended."""

    amount_in: int
    amount_out: int
    fee: int
    protocol_fee: int
    fund_fee: int
    root: int
    tick: int
    range: int
    crossed: int
    steps: int
    is_at_limit: bool
    dynamic_fee: ClmmDynamicFee | None


class GroupFee:
    """Follow the fee rate of one swap from step to step; without a dynamic fee it stands still."""

    def __init__(
        self,
        dynamic_fee: ClmmDynamicFee | None,
        base_rate: int,
        tick_spacing: int,
        tick_current: int,
        now_s: int,
        a_to_b: bool,
    ) -> None:
        self.rate = self._base_rate = base_rate
        self._spacing, self.a_to_b = tick_spacing, a_to_b
        self._group = tick_current // tick_spacing  # towards minus infinity
        self._fee = None
        self.accumulator = 0
        if dynamic_fee is not None:
            self._fee = dynamic_fee.referred_to(self._group, now_s)

    def bound(self, liquidity: int, target: int) -> tuple[int, int | None]:
        """Set the rate of the next step; return its end and, if that ends a group, its tick."""
        fee = self._fee
        if fee is None:
            return target, None
        self.accumulator = fee.accumulator_at(self._group)
        self.rate = fee.rate_at(self.accumulator, self._spacing, self._base_rate)
        if self._is_skipping(fee, liquidity):
            return target, None
        edge = self._group if self.a_to_b else self._group + 1
        tick = max(TICK_MIN, min(edge * self._spacing, TICK_MAX))
        root = sqrt_price_at_tick(tick)
        if (target > root) if self.a_to_b else (target < root):
            return target, None
        return root, tick

    def advance(self, liquidity: int, tick: int) -> None:
        """Go on to the next group; ``tick`` is the step's last, of a stop that it reached too.

        A step over many groups, for lack of liquidity or of any further rise, first finds out
        where it ended.
        """
        fee = self._fee
        if fee is None:
            return
        if self._is_skipping(fee, liquidity):
            self._group = tick // self._spacing
            if not self.a_to_b and tick % self._spacing == 0:
                self._group -= 1
            if self.accumulator != fee.max_volatility_accumulator:
                self.accumulator = fee.accumulator_at(self._group)
        self._group += -1 if self.a_to_b else 1

    def _is_skipping(self, fee: ClmmDynamicFee, liquidity: int) -> bool:
        return liquidity == 0 or self.accumulator == fee.max_volatility_accumulator

    def remembered(self) -> ClmmDynamicFee | None:
        """Return what the pool keeps of it."""
        fee = self._fee
        if fee is None:
            return None
        return ClmmDynamicFee(
            filter_period=fee.filter_period,
            decay_period=fee.decay_period,
            reduction_factor=fee.reduction_factor,
            dynamic_fee_control=fee.dynamic_fee_control,
            max_volatility_accumulator=fee.max_volatility_accumulator,
            tick_spacing_index_reference=fee.tick_spacing_index_reference,
            volatility_reference=fee.volatility_reference,
            volatility_accumulator=self.accumulator,
            last_update_timestamp=fee.last_update_timestamp,
        )


def default_limit(a_to_b: bool) -> int:
    """Return the square root of a price that no swap passes."""
    return SQRT_PRICE_MIN + 1 if a_to_b else SQRT_PRICE_MAX - 1


def walk(
    source: str, ladder: ClmmLadder, terms: FeeTerms, group_fee: GroupFee, start: WalkStart
) -> WalkEnd:
    """Trade step after step until the amount is used up or paid out, or the limit is reached.

    Args:
        source: the pool's address.
        ladder: its ranges.
        terms: its fees.
        group_fee: their rate; it is used up.
        start: where the price stands, and what to trade.

    Raises:
        InsufficientLiquidity: the initialised ticks run out, or what is known of them.
        AmountOverflow: an output with its fee is above u64.
    """
    root, tick, place, way, amount, exact_in, limit = astuple(start)
    a_to_b = way.a_to_b
    step = step_exact_in if exact_in else step_exact_out
    remaining, amount_in, amount_out, fees, protocol_fee, fund_fee = amount, 0, 0, 0, 0, 0
    crossed = steps = 0
    while remaining and root != limit:
        stop = place - 1 if a_to_b else place
        if not 0 <= stop < len(ladder.ticks):
            raise InsufficientLiquidity(source, amount, amount - remaining)
        stop_root, liquidity = ladder.roots[stop], ladder.liquidity[place]
        target = max(stop_root, limit) if a_to_b else min(stop_root, limit)
        while True:
            end, group_tick = group_fee.bound(liquidity, target)
            before = root
            if root != end:
                root, taken, paid, fee = step(liquidity, root, end, remaining, group_fee.rate, way)
                steps += 1
                amount_in += taken
                amount_out += paid
                fees += fee
                protocol_fee += fee * terms.protocol_share // FEE_RATE_ONE
                fund_fee += fee * terms.fund_share // FEE_RATE_ONE
                remaining -= taken if exact_in else paid
            if root == stop_root:
                if ladder.is_bound(stop):
                    raise _unknown(source, amount, amount - remaining, ladder.ticks[stop])
                crossed += 1
                place += -1 if a_to_b else 1
                reached = ladder.ticks[stop]
                tick = reached - 1 if a_to_b else reached
            elif root != before:
                # Where the price did not move the tick stays: after a crossing it is one lower
                # than the price alone would say.
                if group_tick is not None and root == end:
                    tick = group_tick
                else:
                    tick = tick_at_sqrt_price(root)
                reached = tick
            else:
                reached = tick
            group_fee.advance(liquidity, reached)
            if not remaining or root == target:
                break
    return WalkEnd(
        amount_in,
        amount_out,
        fees,
        protocol_fee,
        fund_fee,
        root,
        tick,
        place,
        crossed,
        steps,
        remaining > 0,
        group_fee.remembered(),
    )


def _unknown(source: str, required: int, available: int, tick: int) -> InsufficientLiquidity:
    return InsufficientLiquidity(
        source, required, available, f"beyond tick {tick} its liquidity is not known"
    )
