"""Compute the fee rate of a Meteora DLMM swap, which rises with the bins crossed of late.

Theory. A swap that finds the pool at rest (``filter_period`` since the last one) takes the active
bin as its reference; what is left of the earlier movement decays in steps. At each bin that it
trades in, the swap then measures how far it has come:

    accumulator = min(reference + |index_reference - bin id| * 10000, maximum)
    rate = min(10 %, base_factor * bin_step * 10 * 10^power
                     + ceil(control * (accumulator * bin_step)^2 / 10^11))        parts per 10^9

So a rate belongs to a bin and to the references, not to the amount, and can be known beforehand.

Source: the rules in @meteora-ag/dlmm 1.9.14 (observed results), and MeteoraAg/dlmm-sdk
commons/src/extensions/lb_pair.rs at fb02e51.
"""

from __future__ import annotations

from msgspec import Struct

from orderengine.errors import InvalidData
from orderengine.pools.fixed_point import U64_MAX, mul_div_ceil, mul_div_floor

__all__ = [
    "FEE_RATE_ONE",
    "DlmmFeeParameters",
    "DlmmVolatility",
    "accumulator_at",
    "base_fee_rate",
    "split_fee",
    "total_fee_rate",
]

FEE_RATE_ONE = 1_000_000_000
"""A fee rate of 100 %."""

_FEE_RATE_MAX = 100_000_000
_BPS_ONE = 10_000
_VOLATILITY_OF_ONE_BIN = 10_000
_VARIABLE_FEE_DIVISOR = 100_000_000_000
_PARAMETER_MAX = {
    "reduction_factor": 10_000,
    "protocol_share": 10_000,
    "base_fee_power_factor": 255,
}
_ORDER_PLACER_BPS = 5_000
"""Share of an order's part of the fee that goes to whoever placed the order."""


class DlmmFeeParameters(Struct, frozen=True, kw_only=True, gc=False):
    """Hold the pool's fee settings under the program's names.

    Periods are in seconds, ``reduction_factor`` and ``protocol_share`` in basis points, the
    accumulator in 1/10000 of a bin.
    """

    base_factor: int
    base_fee_power_factor: int = 0
    variable_fee_control: int = 0
    max_volatility_accumulator: int = 0
    filter_period: int = 0
    decay_period: int = 0
    reduction_factor: int = 0
    protocol_share: int = 0

    def require_valid(self, source: str) -> None:
        """Refuse settings that the formulas do not hold for; ``source`` names the pool.

        Raises:
            InvalidData: one is negative, or above what the program takes.
        """
        for name in self.__struct_fields__:
            value = getattr(self, name)
            most = _PARAMETER_MAX.get(name, U64_MAX)
            if not 0 <= value <= most:
                raise InvalidData(source, f"{name} {value}", f"from 0 to {most}")


class DlmmVolatility(Struct, frozen=True, kw_only=True, gc=False):
    """Hold what the pool remembers of its latest swaps, under the program's names.

    Volatilities are in 1/10000 of a bin, the timestamp in Unix seconds.
    """

    volatility_accumulator: int = 0
    volatility_reference: int = 0
    index_reference: int = 0
    last_update_timestamp: int = 0

    def references_at(
        self, parameters: DlmmFeeParameters, active_id: int, now_s: int
    ) -> tuple[int, int]:
        """Return (volatility reference, index reference) for a swap that starts at ``now_s``.

        Inside ``filter_period`` nothing changes, so that one trade cut in pieces pays what it would
        have paid whole. The decayed reference is floored, for the trader's good.
        """
        elapsed_s = now_s - self.last_update_timestamp
        if elapsed_s < parameters.filter_period:
            return self.volatility_reference, self.index_reference
        if elapsed_s >= parameters.decay_period:
            return 0, active_id
        reference = mul_div_floor(
            self.volatility_accumulator, parameters.reduction_factor, _BPS_ONE
        )
        return reference, active_id


def accumulator_at(
    bin_id: int, volatility_reference: int, index_reference: int, accumulator_max: int
) -> int:
    """Return the volatility accumulator of a swap when it trades in ``bin_id``."""
    accumulator = volatility_reference + abs(index_reference - bin_id) * _VOLATILITY_OF_ONE_BIN
    return min(accumulator, accumulator_max)


def base_fee_rate(parameters: DlmmFeeParameters, bin_step: int) -> int:
    """Return the part of the rate that never changes, in parts per 10^9."""
    return int(parameters.base_factor * bin_step * 10 * 10**parameters.base_fee_power_factor)


def total_fee_rate(base_rate: int, control: int, accumulator: int, bin_step: int) -> int:
    """Return the rate at one accumulator, in parts per 10^9, capped at 10 %.

    The variable part is ceiled: the pool gains the remainder.
    """
    movement = accumulator * bin_step
    rate = base_rate - (-control * movement * movement // _VARIABLE_FEE_DIVISOR)  # ceiled
    return min(rate, _FEE_RATE_MAX)


def split_fee(fee: int, protocol_share: int, pool_in: int, order_in: int) -> tuple[int, int]:
    """Return (providers' part, protocol's part) of the fee of one bin.

    The fee is first split by the net input that the bin's own liquidity (``pool_in``) and its
    limit orders (``order_in``) took, the former ceiled. The protocol gets its share of the
    first, floored, and half of the second, ceiled, as the order placers' half is floored. A fee
    that ate the whole input is split on nobody: (0, 0).
    """
    if not order_in:
        if not pool_in:
            return 0, 0
        protocol_fee = mul_div_floor(fee, protocol_share, _BPS_ONE)
        return fee - protocol_fee, protocol_fee
    pool_fee = mul_div_ceil(fee, pool_in, pool_in + order_in)
    order_fee = fee - pool_fee
    placers_fee = mul_div_floor(order_fee, _ORDER_PLACER_BPS, _BPS_ONE)
    protocol_fee = mul_div_floor(pool_fee, protocol_share, _BPS_ONE) + order_fee - placers_fee
    return fee - protocol_fee, protocol_fee
