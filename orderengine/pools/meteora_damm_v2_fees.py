"""Compute the fee rate of a Meteora DAMM v2 pool and share out the fee.

Theory. The rate, in parts per 10^9, is a base rate that may fall by schedule, and a dynamic part
that rises with the price's latest movement:

    k        = periods since activation, at most number_of_period
    base     = cliff - k * reduction                                             (linear)
             = floor(cliff * (1 - reduction / 10^4)^k)       (exponential, a power in Q64.64)
    dynamic  = ceil(control * (accumulator * bin_step)^2 / 10^11)
    rate     = min(maximum, base + dynamic)

The program sets the accumulator at the end of a swap, so a swap pays for the movement of those
before it and never for its own. As a swap may find an old, high accumulator and leave a low one, a
rate can fall from one swap to the next:

    steps       = 2 * floor((higher / lower - 1) / (bin_step / 10^4)), of square-root prices
    accumulator = min(reference + 10^4 * steps from the reference price, maximum)

Source: MeteoraAg/damm-v2 programs/cp-amm/src/{state/fee,base_fee/fee_time_scheduler,math/fee_math}
.rs at a3d3827. Base fees by size of the swap (the rate limiter) and by market capitalisation are
not covered.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from orderengine.errors import InvalidData
from orderengine.pools.fixed_point import Q64, U64_MAX, U128_MAX, mul_div_ceil, mul_div_floor

__all__ = ["FEE_RATE_MAX", "FEE_RATE_ONE", "DammBaseFee", "DammDynamicFee", "DammFeeShares"]

FEE_RATE_ONE = 1_000_000_000
"""A fee rate of 100 %."""
FEE_RATE_MAX = (500_000_000, 990_000_000)
"""The highest rate, by the pool's fee version."""

_BPS_ONE = 10_000
_LINEAR, _EXPONENTIAL = 0, 1
_DYNAMIC_FEE_DIVISOR = 100_000_000_000
_NOT_COVERED = {2: "the rate limiter", 3: "fees by market cap", 4: "fees by market cap"}


class DammBaseFee(Struct, frozen=True, kw_only=True, gc=False):
    """Hold the base fee's schedule under the program's names.

    ``mode`` 0 is linear, 1 exponential. ``cliff_fee_numerator`` is in parts per 10^9, and so is
    ``reduction_factor`` of mode 0; in mode 1 it is in basis points. ``period_frequency`` is the
    length of a period in seconds, or 0 for a fee that stays as it is.
    """

    mode: int = 0
    cliff_fee_numerator: int
    number_of_period: int = 0
    period_frequency: int = 0
    reduction_factor: int = 0

    def require_valid(self, source: str) -> None:
        """Refuse what is not covered, and a schedule that ends below 0; ``source`` is the pool.

        Raises:
            InvalidData: as said.
        """
        if self.mode not in (_LINEAR, _EXPONENTIAL):
            name = _NOT_COVERED.get(self.mode, "unknown")
            raise InvalidData(source, f"base fee mode {self.mode} ({name})", "0 or 1")
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not 0 <= value <= U64_MAX:
                raise InvalidData(source, f"{name} {value}", "from 0 to 2^64 - 1")
        periods = self.number_of_period if self.period_frequency else 0
        if self.mode == _LINEAR:
            is_valid = self.reduction_factor * periods <= self.cliff_fee_numerator
        else:
            is_valid = self.reduction_factor <= _BPS_ONE and bool(
                _power_x64(self.reduction_factor, periods)
            )
        if not is_valid:
            raise InvalidData(source, f"base fee {self}", "a schedule that ends at 0 or more")

    def end_s(self, activation_s: int) -> int:
        """Return when the rate has reached its last value."""
        return activation_s + self.period_frequency * self.number_of_period

    def rate_at(self, now_s: int, activation_s: int) -> int:
        """Return the rate in parts per 10^9, rounded down; before activation it is the last one."""
        frequency = self.period_frequency
        if not frequency:
            return self.cliff_fee_numerator
        period = self.number_of_period
        if now_s >= activation_s:
            period = min((now_s - activation_s) // frequency, period)
        if self.mode == _LINEAR:
            return self.cliff_fee_numerator - self.reduction_factor * period
        return mul_div_floor(
            self.cliff_fee_numerator, _power_x64(self.reduction_factor, period), Q64
        )


def _power_x64(reduction_bps: int, period: int) -> int:
    """Return (1 - reduction)^period in Q64.64, floored at each multiplication."""
    if not reduction_bps:
        return Q64
    square = Q64 - mul_div_floor(reduction_bps, Q64, _BPS_ONE)
    power = Q64
    while period:
        if period & 1:
            power = power * square >> 64
        square = square * square >> 64
        period >>= 1
    return power


class DammDynamicFee(Struct, frozen=True, kw_only=True, gc=False):
    """Hold the dynamic fee's settings and what it remembers, under the program's names.

    ``bin_step`` and ``reduction_factor`` are in basis points, periods in seconds, volatilities in
    1/10000 of a bin step, ``sqrt_price_reference`` in Q64.64 (0 before the first swap).
    """

    bin_step: int = 1
    variable_fee_control: int = 0
    max_volatility_accumulator: int = 0
    filter_period: int = 0
    decay_period: int = 0
    reduction_factor: int = 0
    last_update_timestamp: int = 0
    sqrt_price_reference: int = 0
    volatility_accumulator: int = 0
    volatility_reference: int = 0

    def require_valid(self, source: str) -> None:
        """Refuse settings that the formulas do not hold for; ``source`` names the pool.

        Raises:
            InvalidData: one is negative or above u128, or the bin step is 0.
        """
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not 0 <= value <= U128_MAX:
                raise InvalidData(source, f"{name} {value}", "from 0 to 2^128 - 1")
        if not 0 < self.bin_step <= _BPS_ONE:
            raise InvalidData(source, f"bin_step {self.bin_step}", "from 1 to 10000")

    @property
    def rate(self) -> int:
        """Return the dynamic part of the rate, in parts per 10^9, rounded up."""
        movement = self.volatility_accumulator * self.bin_step
        return mul_div_ceil(self.variable_fee_control, movement * movement, _DYNAMIC_FEE_DIVISOR)

    def after(self, sqrt_before: int, sqrt_after: int, now_s: int) -> DammDynamicFee:
        """Return what a swap leaves behind that moved the square-root price so.

        A swap that moves less than a step does not count as the latest, so that many small ones
        cannot keep the reference from decaying.
        """
        price_reference, volatility_reference = self.sqrt_price_reference, self.volatility_reference
        elapsed_s = max(now_s - self.last_update_timestamp, 0)
        if elapsed_s >= self.filter_period or not price_reference:
            price_reference = sqrt_before
            volatility_reference = 0
            if elapsed_s < self.decay_period:
                volatility_reference = mul_div_floor(
                    self.volatility_accumulator, self.reduction_factor, _BPS_ONE
                )
        accumulator = volatility_reference + _BPS_ONE * self._steps(sqrt_after, price_reference)
        moved = self._steps(sqrt_before, sqrt_after) > 0
        return replace(
            self,
            last_update_timestamp=now_s if moved else self.last_update_timestamp,
            sqrt_price_reference=price_reference,
            volatility_accumulator=min(accumulator, self.max_volatility_accumulator),
            volatility_reference=volatility_reference,
        )

    def _steps(self, one: int, other: int) -> int:
        """Return the steps between two square-root prices, each division rounded down."""
        ratio_x64 = mul_div_floor(max(one, other), Q64, min(one, other))
        step_x64 = mul_div_floor(self.bin_step, Q64, _BPS_ONE)
        return 2 * ((ratio_x64 - Q64) // step_x64)


class DammFeeShares(Struct, frozen=True, kw_only=True, gc=False):
    """Hold how a fee is shared: percent to the protocol, of that percent to who referred the swap.

    ``compounding_fee_bps`` of the rest stay in the reserve of token B, in a compounding pool.
    """

    protocol_fee_percent: int = 0
    referral_fee_percent: int = 0
    compounding_fee_bps: int = 0

    def require_valid(self, source: str) -> None:
        """Refuse shares below 0 or above all; ``source`` names the pool.

        Raises:
            InvalidData: as said.
        """
        for name, whole in (
            ("protocol_fee_percent", 100),
            ("referral_fee_percent", 100),
            ("compounding_fee_bps", _BPS_ONE),
        ):
            value = getattr(self, name)
            if not 0 <= value <= whole:
                raise InvalidData(source, f"{name} {value}", f"from 0 to {whole}")

    def split(self, fee: int, has_referral: bool) -> tuple[int, int, int, int]:
        """Return (claiming, compounding, protocol, referral) of a fee.

        All but the liquidity providers' claim is rounded down, so they gain the remainder.
        """
        protocol = mul_div_floor(fee, self.protocol_fee_percent, 100)
        providers = fee - protocol
        compounding = mul_div_floor(providers, self.compounding_fee_bps, _BPS_ONE)
        referral = 0
        if has_referral:
            referral = mul_div_floor(protocol, self.referral_fee_percent, 100)
        return providers - compounding, compounding, protocol - referral, referral
