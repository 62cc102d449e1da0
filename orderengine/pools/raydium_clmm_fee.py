"""Compute the fee rate of a Raydium CLMM swap, which may rise with the way the price has come.

Theory. A pool with a dynamic fee counts price in groups of one tick spacing. A swap that finds it
at rest (``filter_period`` since the references were set) takes the group of the current tick as its
reference; what is left of the earlier movement decays in steps. In each group it trades in:

    accumulator = min(reference + |reference group - group| * 10000, maximum)
    rate = min(10 %, base + min(10 %, ceil(control * (accumulator * tick spacing)^2 / 10^13)))

in parts per million. So a rate belongs to a group and to the references, not to the amount. Without
a dynamic fee the rate is the base alone.

Source: programs/amm/src/states/pool_fee.rs and instructions/swap.rs of raydium-io/raydium-clmm at
03b44b7, and @raydium-io/raydium-sdk-v2 0.2.73-alpha (observed results).
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from orderengine.errors import InvalidData
from orderengine.pools.fixed_point import U64_MAX, mul_div_ceil, mul_div_floor

__all__ = ["FEE_RATE_ONE", "ClmmDynamicFee"]

FEE_RATE_ONE = 1_000_000
"""A fee rate of 100 %."""

_RATE_MAX = 100_000
_REDUCTION_ONE = 10_000
_VOLATILITY_OF_ONE_GROUP = 10_000
_CONTROL_DIVISOR = 100_000 * _VOLATILITY_OF_ONE_GROUP**2
_U16_MAX, _U32_MAX, _I32_MAX = 2**16 - 1, 2**32 - 1, 2**31 - 1
_RANGES = {
    "filter_period": (0, _U16_MAX),
    "decay_period": (0, _U16_MAX),
    "reduction_factor": (0, _U16_MAX),
    "tick_spacing_index_reference": (-_I32_MAX - 1, _I32_MAX),
    "last_update_timestamp": (0, U64_MAX),
}


class ClmmDynamicFee(Struct, frozen=True, kw_only=True, gc=False):
    """Hold a pool's dynamic fee, settings and memory, under the program's names.

    Periods are in seconds, ``reduction_factor`` in basis points, ``dynamic_fee_control`` in
    1/100000, volatilities in 1/10000 of a group, the timestamp in Unix seconds.
    """

    filter_period: int
    decay_period: int
    reduction_factor: int
    dynamic_fee_control: int
    max_volatility_accumulator: int
    tick_spacing_index_reference: int = 0
    volatility_reference: int = 0
    volatility_accumulator: int = 0
    last_update_timestamp: int = 0

    def require_valid(self, source: str) -> None:
        """Refuse what the program's integers cannot hold; ``source`` names the pool.

        Raises:
            InvalidData: a number is out of its range.
        """
        for name in self.__struct_fields__:
            least, most = _RANGES.get(name, (0, _U32_MAX))
            if not least <= getattr(self, name) <= most:
                raise InvalidData(
                    source, f"{name} {getattr(self, name)}", f"from {least} to {most}"
                )

    def referred_to(self, group: int, now_s: int) -> ClmmDynamicFee:
        """Return the state in which a swap starts at ``now_s`` from the group of the current tick.

        Inside ``filter_period`` nothing changes, so that one trade cut in pieces pays what it would
        have paid whole. The decayed reference is floored, for the trader's good.
        """
        elapsed_s = max(now_s - self.last_update_timestamp, 0)
        if elapsed_s < self.filter_period:
            return self
        reference = 0
        if elapsed_s < self.decay_period:
            reference = mul_div_floor(
                self.volatility_accumulator, self.reduction_factor, _REDUCTION_ONE
            )
        return replace(
            self,
            tick_spacing_index_reference=group,
            volatility_reference=reference,
            last_update_timestamp=now_s,
        )

    def accumulator_at(self, group: int) -> int:
        """Return the volatility accumulator of a swap when it trades in a group."""
        moved = abs(self.tick_spacing_index_reference - group) * _VOLATILITY_OF_ONE_GROUP
        return min(self.volatility_reference + moved, self.max_volatility_accumulator)

    def rate_at(self, accumulator: int, tick_spacing: int, base_rate: int) -> int:
        """Return the whole rate at one accumulator, in parts per million, capped at 10 %.

        The dynamic part is ceiled: the pool gains the remainder.
        """
        movement = accumulator * tick_spacing
        dynamic = mul_div_ceil(self.dynamic_fee_control, movement * movement, _CONTROL_DIVISOR)
        return min(base_rate + dynamic, _RATE_MAX)
