"""Compute the adaptive fee of an Orca Whirlpool, which rises with the tick groups crossed of late.

Theory. Ticks are grouped; a swap pays, in each group that it walks through,

    accumulator = min(reference + |reference group - group| * 10000, maximum)
    rate = min(10 %, static + ceil(control * (accumulator * group size)^2 / 10^13))    ppm

The references are set when a swap starts: after ``decay_period`` without one they start anew at the
current group, after ``filter_period`` at the current group with a part of the old accumulator, and
sooner they stay. Time counts from the last setting or the last major swap, and a reference older
than an hour is always dropped.

A step ends at each group's edge. Where the rate cannot change any more (no liquidity, no control
factor, or so far from the reference group that the accumulator is at its maximum) the program skips
these edges; steps decide the rounding, so the skipping is part of the rules.

Source: orca-so/whirlpools programs/whirlpool/src/manager/fee_rate_manager.rs and state/oracle.rs at
630c0e0; numbers checked against @orca-so/whirlpools-core 3.1.0.
"""

from __future__ import annotations

from msgspec import Struct

from orderengine.errors import InvalidData
from orderengine.pools.orca_whirlpool_ticks import (
    TICK_MAX,
    TICK_MIN,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)

__all__ = ["AdaptiveRate", "ConstantRate", "WhirlpoolAdaptiveFee"]

_RATE_MAX = 100_000
_ONE_GROUP = 10_000
_REDUCTION_ONE = 10_000
_CONTROL_DIVISOR = 100_000 * _ONE_GROUP * _ONE_GROUP
_REFERENCE_AGE_MAX_S = 3_600
_MOST = {
    "filter_period": 0xFFFF,
    "decay_period": 0xFFFF,
    "reduction_factor": _REDUCTION_ONE,
    "adaptive_fee_control_factor": 0xFFFF_FFFF,
    "max_volatility_accumulator": 0xFFFF_FFFF,
    "major_swap_threshold_ticks": 0xFFFF,
}


class WhirlpoolAdaptiveFee(Struct, frozen=True, kw_only=True, gc=False):
    """Hold what a pool's oracle account holds, under the program's names.

    First the settings: periods in seconds, ``reduction_factor`` in basis points,
    ``adaptive_fee_control_factor`` in 1/100000, group size and threshold in ticks, the maximum in
    1/10000 of a group. Then what the pool remembers of its latest swaps: Unix seconds, volatilities
    in 1/10000 of a group, and a group's index. Nothing trades before ``trade_enable_timestamp``.
    """

    filter_period: int
    decay_period: int
    reduction_factor: int
    adaptive_fee_control_factor: int
    max_volatility_accumulator: int
    tick_group_size: int
    major_swap_threshold_ticks: int
    last_reference_update_timestamp: int = 0
    last_major_swap_timestamp: int = 0
    volatility_reference: int = 0
    tick_group_index_reference: int = 0
    volatility_accumulator: int = 0
    trade_enable_timestamp: int = 0

    def require_valid(self, source: str, tick_spacing: int) -> None:
        """Refuse settings that the formulas do not hold for; ``source`` names the pool.

        Raises:
            InvalidData: a setting is out of range, or a volatility above its maximum.
        """
        for name, most in _MOST.items():
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise InvalidData(source, f"{name} {value}", f"from 0 to {most}")
        size, maximum = self.tick_group_size, self.max_volatility_accumulator
        if not 0 < size <= tick_spacing or tick_spacing % size:
            expected = f"a divisor of the tick spacing {tick_spacing}"
            raise InvalidData(source, f"tick_group_size {size}", expected)
        for name in ("volatility_reference", "volatility_accumulator"):
            value = getattr(self, name)
            if not 0 <= value <= maximum:
                raise InvalidData(source, f"{name} {value}", f"from 0 to {maximum}, the maximum")
        group = self.tick_group_index_reference
        if not TICK_MIN - size <= group * size <= TICK_MAX:
            expected = f"a group of ticks from {TICK_MIN} to {TICK_MAX}"
            raise InvalidData(source, f"tick_group_index_reference {group}", expected)

    def references_at(self, group: int, now_s: int) -> tuple[int, int, int]:
        """Return (volatility reference, group reference, time they were set) for a swap.

        The program refuses a time before its latest; here such a time counts as the latest, as a
        reader's clock may be behind the chain's. The decayed reference is floored.
        """
        updated_s = self.last_reference_update_timestamp
        latest_s = max(updated_s, self.last_major_swap_timestamp)
        now_s = max(now_s, latest_s)
        if now_s - updated_s > _REFERENCE_AGE_MAX_S:
            return 0, group, now_s
        elapsed_s = now_s - latest_s
        if elapsed_s < self.filter_period:
            return self.volatility_reference, self.tick_group_index_reference, updated_s
        if elapsed_s >= self.decay_period:
            return 0, group, now_s
        reference = self.volatility_accumulator * self.reduction_factor // _REDUCTION_ONE
        return reference, group, now_s


class ConstantRate:
    """Answer as ``AdaptiveRate`` does, for a pool whose rate never changes."""

    __slots__ = ("highest", "lowest")

    def __init__(self, rate: int) -> None:
        self.lowest = self.highest = rate

    def enter_group(self) -> int:
        """Return the rate in parts per million."""
        return self.lowest

    def bound(self, target_x64: int, liquidity: int) -> int:
        """Return the target: the rate holds that far."""
        return target_x64

    def leave_group(self, price_x64: int, next_price_x64: int, next_tick: int) -> None:
        """Do nothing: there are no groups."""

    def after(self, start_x64: int, end_x64: int) -> None:
        """Return nothing: such a pool has no oracle."""


class AdaptiveRate:
    """Follow one swap through the tick groups: the rate now, and how far it holds."""

    __slots__ = (
        "_a_to_b",
        "_core_high",
        "_core_high_x64",
        "_core_low",
        "_core_low_x64",
        "_fee",
        "_group",
        "_group_reference",
        "_now_s",
        "_size",
        "_static_rate",
        "_updated_s",
        "_volatility_reference",
        "accumulator",
        "highest",
        "is_skipping",
        "lowest",
    )

    def __init__(
        self, fee: WhirlpoolAdaptiveFee, static_rate: int, tick: int, a_to_b: bool, now_s: int
    ) -> None:
        size = fee.tick_group_size
        group = tick // size  # floored
        reference, group_reference, updated_s = fee.references_at(group, now_s)
        # Groups from which on the accumulator is at its maximum, rounded up.
        reach = -(-(fee.max_volatility_accumulator - reference) // _ONE_GROUP)
        low, high = group_reference - reach, group_reference + reach
        low_tick, high_tick = low * size, high * size + size
        self._fee, self._static_rate, self._a_to_b = fee, static_rate, a_to_b
        self._size, self._group, self._now_s = size, group, now_s
        self._volatility_reference, self._group_reference = reference, group_reference
        self._updated_s = updated_s
        # A core that passes the last tick has no outside there.
        self._core_low = low if low_tick > TICK_MIN else -(1 << 31)
        self._core_high = high if high_tick < TICK_MAX else 1 << 31
        self._core_low_x64 = sqrt_price_at_tick(low_tick) if low_tick > TICK_MIN else 0
        self._core_high_x64 = sqrt_price_at_tick(high_tick) if high_tick < TICK_MAX else 0
        self.accumulator = fee.volatility_accumulator
        self.is_skipping = False
        self.lowest, self.highest = _RATE_MAX, 0

    def enter_group(self) -> int:
        """Set the accumulator to the current group's, and return the whole rate in ppm."""
        self._accumulate()
        fee = self._fee
        crossed = self.accumulator * self._size
        adaptive = -(-fee.adaptive_fee_control_factor * crossed * crossed // _CONTROL_DIVISOR)
        rate = min(self._static_rate + adaptive, _RATE_MAX)
        self.lowest, self.highest = min(self.lowest, rate), max(self.highest, rate)
        return rate

    def bound(self, target_x64: int, liquidity: int) -> int:
        """Return how far towards a sqrt price the rate holds; it may skip edges of groups."""
        group, a_to_b = self._group, self._a_to_b
        self.is_skipping = True
        if not self._fee.adaptive_fee_control_factor or not liquidity:
            return target_x64
        if group < self._core_low:
            return target_x64 if a_to_b else min(target_x64, self._core_low_x64)
        if group > self._core_high:
            return max(target_x64, self._core_high_x64) if a_to_b else target_x64
        self.is_skipping = False
        if a_to_b:
            return max(target_x64, sqrt_price_at_tick(max(group * self._size, TICK_MIN)))
        return min(target_x64, sqrt_price_at_tick(min((group + 1) * self._size, TICK_MAX)))

    def leave_group(self, price_x64: int, next_price_x64: int, next_tick: int) -> None:
        """Go on to the group after a step that ended at ``price_x64``.

        Args:
            price_x64: the sqrt price after the step.
            next_price_x64: that of the tick which the swap is heading for.
            next_tick: that tick.
        """
        a_to_b = self._a_to_b
        if self.is_skipping:
            size = self._size
            if price_x64 == next_price_x64:
                tick, is_on_edge = next_tick, next_tick % size == 0
            else:
                tick = tick_at_sqrt_price(price_x64)
                is_on_edge = tick % size == 0 and price_x64 == sqrt_price_at_tick(tick)
            reached = tick // size  # floored
            if is_on_edge and not a_to_b:
                reached -= 1
            if reached < self._group if a_to_b else reached > self._group:
                self._group = reached
                self._accumulate()
        self._group += -1 if a_to_b else 1

    def after(self, start_x64: int, end_x64: int) -> WhirlpoolAdaptiveFee:
        """Return what the oracle holds after the swap between two sqrt prices."""
        fee = self._fee
        low, high = min(start_x64, end_x64), max(start_x64, end_x64)
        # The threshold's sqrt price is floored, as every product of the program is.
        is_major = high >= low * sqrt_price_at_tick(fee.major_swap_threshold_ticks) >> 64
        major_s = fee.last_major_swap_timestamp
        if is_major:
            major_s = max(self._now_s, major_s, fee.last_reference_update_timestamp)
        return WhirlpoolAdaptiveFee(
            filter_period=fee.filter_period,
            decay_period=fee.decay_period,
            reduction_factor=fee.reduction_factor,
            adaptive_fee_control_factor=fee.adaptive_fee_control_factor,
            max_volatility_accumulator=fee.max_volatility_accumulator,
            tick_group_size=fee.tick_group_size,
            major_swap_threshold_ticks=fee.major_swap_threshold_ticks,
            last_reference_update_timestamp=self._updated_s,
            last_major_swap_timestamp=major_s,
            volatility_reference=self._volatility_reference,
            tick_group_index_reference=self._group_reference,
            volatility_accumulator=self.accumulator,
            trade_enable_timestamp=fee.trade_enable_timestamp,
        )

    def _accumulate(self) -> None:
        moved = abs(self._group_reference - self._group) * _ONE_GROUP
        self.accumulator = min(
            self._volatility_reference + moved, self._fee.max_volatility_accumulator
        )
