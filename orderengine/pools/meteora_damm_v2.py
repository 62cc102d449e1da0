"""Swap on Meteora's dynamic AMM v2 (DAMM v2, also called cp-amm).

Theory. A pool is one curve without ticks. In most pools all liquidity lies in one range of prices
(``meteora_damm_v2_curve``), and a swap that would leave the range is refused, or filled in part if
asked so. A compounding pool is a constant product of its reserves, out = floor(y * net / (x +
net)), and part of each fee joins the reserve of token B.

The fee (``meteora_damm_v2_fees``) is one rate for the whole swap, ceiled. It is charged in the
output token, or always in token B, as the pool was set up. All outputs are floored.

Source: MeteoraAg/damm-v2 programs/cp-amm/src/state/pool.rs and liquidity_handler/ at a3d3827, and
@meteora-ag/cp-amm-sdk 1.5.0 (observed results). The program's swap before the activation point is
for one whitelisted vault only; it is refused here. The program also refuses to hold reserves above
u64; the SDK quotes such a swap, and so do we. Token-2022 transfer fees are not covered.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from math import isqrt, sqrt

from msgspec import Struct
from msgspec.structs import force_setattr

from orderengine.errors import AmountOverflow, InsufficientLiquidity, InvalidAmount
from orderengine.pools.base import Direction, Segment
from orderengine.pools.fixed_point import (
    Q64,
    U64_MAX,
    mul_div_ceil,
    mul_div_floor,
    require_u64_amount,
    require_u64_result,
)
from orderengine.pools.meteora_damm_v2_curve import (
    amount_a_ceil,
    amount_a_floor,
    amount_b_ceil,
    amount_b_floor,
    sqrt_price_after_in_a,
    sqrt_price_after_in_b,
    sqrt_price_after_out_a,
    sqrt_price_after_out_b,
)
from orderengine.pools.meteora_damm_v2_fees import (
    FEE_RATE_MAX,
    FEE_RATE_ONE,
    DammBaseFee,
    DammDynamicFee,
    DammFeeShares,
)
from orderengine.pools.meteora_damm_v2_spec import MeteoraDammV2Spec
from orderengine.pools.meteora_damm_v2_swap import MeteoraDammV2Swap
from orderengine.pools.segments import curve_segment

__all__ = ["MeteoraDammV2Pool"]

_A_TO_B = Direction.A_TO_B


class MeteoraDammV2Pool(Struct, frozen=True, kw_only=True, gc=False):
    """Hold one pool; build it with ``from_spec``.

    Prices are square roots in Q64.64. A compounding pool uses the reserves, any other ``liquidity``
    and the range. The vaults hold the reserves, ``protocol_fee_*`` and ``claimable_fee_*`` (of the
    liquidity providers). From ``settles_at_s`` on (Unix seconds) the fee rate is
    ``settled_fee_rate`` until the next swap; before it the base fee is still falling, or the pool
    is not active yet.
    """

    address: str
    token_a: str
    token_b: str
    reserve_a: int
    reserve_b: int
    liquidity: int
    sqrt_price_x64: int
    sqrt_min_price_x64: int
    sqrt_max_price_x64: int
    fee_always_in_b: bool
    is_compounding: bool
    base_fee: DammBaseFee
    dynamic_fee: DammDynamicFee | None
    shares: DammFeeShares
    fee_rate_max: int
    activation_s: int
    settles_at_s: int
    settled_fee_rate: int
    protocol_fee_a: int
    protocol_fee_b: int
    claimable_fee_a: int
    claimable_fee_b: int

    @classmethod
    def from_spec(cls, spec: MeteoraDammV2Spec) -> MeteoraDammV2Pool:
        """Build a pool.

        Raises:
            InvalidData: a mode or version is unknown or not covered, or an amount, a fee setting or
                a price is out of range.
        """
        spec.require_valid()
        reserve_a, reserve_b = spec.reserves()
        activation_s, rate_max = spec.activation_point, FEE_RATE_MAX[spec.fee_version]
        settles_at_s = spec.base_fee.end_s(activation_s)
        dynamic = spec.dynamic_fee
        settled_rate = _rate(spec.base_fee, dynamic, rate_max, settles_at_s, activation_s)
        return cls(
            address=spec.address,
            token_a=spec.token_a,
            token_b=spec.token_b,
            reserve_a=reserve_a,
            reserve_b=reserve_b,
            liquidity=spec.liquidity,
            sqrt_price_x64=spec.sqrt_price,
            sqrt_min_price_x64=spec.sqrt_min_price,
            sqrt_max_price_x64=spec.sqrt_max_price,
            fee_always_in_b=spec.collect_fee_mode != 0,
            is_compounding=spec.is_compounding,
            base_fee=spec.base_fee,
            dynamic_fee=dynamic,
            shares=spec.shares(),
            fee_rate_max=rate_max,
            activation_s=activation_s,
            settles_at_s=settles_at_s,
            settled_fee_rate=settled_rate,
            protocol_fee_a=spec.protocol_fee_a,
            protocol_fee_b=spec.protocol_fee_b,
            claimable_fee_a=spec.claimable_fee_a,
            claimable_fee_b=spec.claimable_fee_b,
        )

    def to_spec(self) -> MeteoraDammV2Spec:
        """Return the description from which ``from_spec`` builds an equal pool."""
        is_compounding = self.is_compounding
        shares = self.shares
        return MeteoraDammV2Spec(
            address=self.address,
            token_a=self.token_a,
            token_b=self.token_b,
            collect_fee_mode=2 if is_compounding else int(self.fee_always_in_b),
            fee_version=FEE_RATE_MAX.index(self.fee_rate_max),
            activation_point=self.activation_s,
            sqrt_price=self.sqrt_price_x64,
            sqrt_min_price=self.sqrt_min_price_x64,
            sqrt_max_price=self.sqrt_max_price_x64,
            liquidity=self.liquidity,
            base_fee=self.base_fee,
            dynamic_fee=self.dynamic_fee,
            protocol_fee_percent=shares.protocol_fee_percent,
            referral_fee_percent=shares.referral_fee_percent,
            compounding_fee_bps=shares.compounding_fee_bps,
            token_a_amount=self.reserve_a,
            token_b_amount=self.reserve_b,
            protocol_fee_a=self.protocol_fee_a,
            protocol_fee_b=self.protocol_fee_b,
            claimable_fee_a=self.claimable_fee_a,
            claimable_fee_b=self.claimable_fee_b,
        )

    @property
    def venue(self) -> str:
        """Name the program."""
        return "meteora_damm_v2"

    @property
    def vault_a(self) -> int:
        """Return all base units of token A that the pool holds."""
        return self.reserve_a + self.protocol_fee_a + self.claimable_fee_a

    @property
    def vault_b(self) -> int:
        """Return all base units of token B that the pool holds."""
        return self.reserve_b + self.protocol_fee_b + self.claimable_fee_b

    @property
    def price_x64(self) -> int:
        """Return the marginal price, B per A in Q64.64, rounded down; 0 for a pool without A."""
        if not self.is_compounding:
            return self.sqrt_price_x64 * self.sqrt_price_x64 >> 64
        return mul_div_floor(self.reserve_b, Q64, self.reserve_a) if self.reserve_a else 0

    def fee_rate_at(self, now_s: int) -> int:
        """Return the fee rate of a swap at this time, in parts per 10^9."""
        if now_s >= self.settles_at_s:
            return self.settled_fee_rate
        return _rate(self.base_fee, self.dynamic_fee, self.fee_rate_max, now_s, self.activation_s)

    @property
    def has_fixed_fee(self) -> bool:
        """Always: what moves with time does not move within a swap."""
        return True

    def swap_exact_in(
        self,
        direction: Direction,
        amount_in: int,
        now_s: int,
        *,
        partial_fill: bool = False,
        has_referral: bool = False,
    ) -> MeteoraDammV2Swap:
        """Swap all of ``amount_in``, or with ``partial_fill`` as much of it as the range takes.

        Raises:
            InvalidAmount: ``amount_in`` is below 1 or above u64.
            InsufficientLiquidity: the range takes less (its amounts are of the input token, after
                fees), a reserve is empty, or the pool is not active yet.
            AmountOverflow: the output with its fee would be above u64.
        """
        require_u64_amount("amount_in", amount_in)
        a_to_b = direction is _A_TO_B
        rate = self.settled_fee_rate
        if now_s < self.settles_at_s:
            rate = self._unsettled_rate(amount_in, now_s)
        fees_on_input = self.fee_always_in_b and not a_to_b
        net_in, left, sqrt_after = amount_in, 0, 0
        if fees_on_input:
            net_in -= mul_div_ceil(amount_in, rate, FEE_RATE_ONE)
        if self.is_compounding:
            gross_out = self._product_out(a_to_b, net_in)
        else:
            gross_out, left, sqrt_after = self._range_out(a_to_b, net_in, partial_fill)
            if left:
                net_in -= left
                amount_in = net_in
                if fees_on_input:
                    amount_in = mul_div_ceil(net_in, FEE_RATE_ONE, FEE_RATE_ONE - rate)
        amount_out = gross_out
        if not fees_on_input:
            amount_out -= mul_div_ceil(gross_out, rate, FEE_RATE_ONE)
        return MeteoraDammV2Swap(
            self,
            a_to_b,
            fees_on_input,
            has_referral,
            amount_in,
            amount_out,
            net_in,
            gross_out,
            left,
            sqrt_after,
            now_s,
        )

    def swap_exact_out(
        self, direction: Direction, amount_out: int, now_s: int, *, has_referral: bool = False
    ) -> MeteoraDammV2Swap:
        """Swap as little as pays for ``amount_out``.

        Raises:
            InvalidAmount: ``amount_out`` is below 1 or above u64.
            InsufficientLiquidity: the range or the reserve gives less (its amounts are of the
                output token, before fees), or the pool is not active yet.
            AmountOverflow: the input, or the output with its fee, would be above u64.
        """
        require_u64_amount("amount_out", amount_out)
        a_to_b = direction is _A_TO_B
        rate = self.settled_fee_rate
        if now_s < self.settles_at_s:
            rate = self._unsettled_rate(amount_out, now_s)
        fees_on_input = self.fee_always_in_b and not a_to_b
        gross_out, sqrt_after = amount_out, 0
        if not fees_on_input:
            gross_out = mul_div_ceil(amount_out, FEE_RATE_ONE, FEE_RATE_ONE - rate)
            require_u64_result("amount_out with its fee", gross_out)
        if self.is_compounding:
            net_in = self._product_in(a_to_b, gross_out)
        else:
            net_in, sqrt_after = self._range_in(a_to_b, gross_out)
        amount_in = net_in
        if fees_on_input:
            amount_in = mul_div_ceil(net_in, FEE_RATE_ONE, FEE_RATE_ONE - rate)
        require_u64_result("amount_in", amount_in)
        return MeteoraDammV2Swap(
            self,
            a_to_b,
            fees_on_input,
            has_referral,
            amount_in,
            amount_out,
            net_in,
            gross_out,
            0,
            sqrt_after,
            now_s,
        )

    def amount_in_to_price(self, direction: Direction, limit_price_x64: int, now_s: int) -> int:
        """Return the largest input whose last unit still trades at the limit or better.

        With keep what the fee leaves of 1, selling A earns P * keep at a price of P before fees,
        and buying it costs P / keep. So the price may move to

            limit / keep, A to B          limit * keep, B to A

        or to the end of the range. Its square root is rounded towards the start, the input that
        moves there is floored, and grossed up to the largest with that net. With k = x * y a
        compounding pool moves to X = floor(sqrt(k * keep / limit)) of the input token, A to B, or
        floor(sqrt(k * keep * limit)), B to A.

        Raises:
            InvalidAmount: ``limit_price_x64`` is negative.
        """
        if limit_price_x64 < 0:
            raise InvalidAmount("limit_price_x64", limit_price_x64, "at least 0")
        if now_s < self.activation_s:
            return 0
        a_to_b = direction is _A_TO_B
        keep = FEE_RATE_ONE - self.fee_rate_at(now_s)
        if self.is_compounding:
            net_in = self._product_net_to(a_to_b, limit_price_x64, keep)
        else:
            net_in = self._range_net_to(a_to_b, limit_price_x64, keep)
        if net_in <= 0:
            return 0
        if self.fee_always_in_b and not a_to_b:
            # floor(in * keep) <= net_in is in * keep < net_in + 1: the largest such in.
            net_in = mul_div_ceil(net_in + 1, FEE_RATE_ONE, keep) - 1
        return min(net_in, U64_MAX)

    def segments(self, direction: Direction, now_s: int) -> Iterator[Segment]:
        """Yield the one piece: the range up to its end, or the constant product."""
        a_to_b = direction is _A_TO_B
        if now_s < self.activation_s:
            return
        keep_in, keep_out = 1.0, 1 - self.fee_rate_at(now_s) / FEE_RATE_ONE
        if self.fee_always_in_b and not a_to_b:
            keep_in, keep_out = keep_out, keep_in
        if self.is_compounding:
            reserve_in, reserve_out = self._reserves(a_to_b)
            if not (reserve_in and reserve_out):
                return
            liquidity = sqrt(reserve_in) * sqrt(reserve_out)
            start, end = sqrt(reserve_out / reserve_in), 0.0
        else:
            liquidity = self.liquidity / Q64
            start = self.sqrt_price_x64 / Q64
            end = (self.sqrt_min_price_x64 if a_to_b else self.sqrt_max_price_x64) / Q64
            if not a_to_b:
                start, end = 1 / start, 1 / end
            if not liquidity or start <= end:
                return
        yield curve_segment(liquidity, start, end, keep_in, keep_out)

    def after(self, swap: MeteoraDammV2Swap) -> MeteoraDammV2Pool:
        """Return the pool that a swap of this pool leaves; ``swap.pool`` is the same.

        The referral fee has left the vault, the compounding fee has joined the reserve of token B,
        and the dynamic fee remembers the movement. No balance can fall below 0, so nothing is
        checked again.
        """
        pool = copy(self)
        claiming, _, protocol, _ = swap.fees
        reserve_a, reserve_b = swap.reserves_after
        force_setattr(pool, "reserve_a", reserve_a)
        force_setattr(pool, "reserve_b", reserve_b)
        if swap.a_to_b or swap.fees_on_input:
            force_setattr(pool, "protocol_fee_b", self.protocol_fee_b + protocol)
            force_setattr(pool, "claimable_fee_b", self.claimable_fee_b + claiming)
        else:
            force_setattr(pool, "protocol_fee_a", self.protocol_fee_a + protocol)
            force_setattr(pool, "claimable_fee_a", self.claimable_fee_a + claiming)
        sqrt_after = swap.end_sqrt_price_x64
        force_setattr(pool, "sqrt_price_x64", sqrt_after)
        if self.dynamic_fee is not None:
            dynamic = self.dynamic_fee.after(self.sqrt_price_x64, sqrt_after, swap.now_s)
            rate = _rate(
                self.base_fee, dynamic, self.fee_rate_max, self.settles_at_s, self.activation_s
            )
            force_setattr(pool, "dynamic_fee", dynamic)
            force_setattr(pool, "settled_fee_rate", rate)
        return pool

    def _unsettled_rate(self, amount: int, now_s: int) -> int:
        """Return the rate while the base fee falls; refuse a swap before activation."""
        if now_s < self.activation_s:
            raise InsufficientLiquidity(self.address, amount, 0)
        return self.fee_rate_at(now_s)

    def _reserves(self, a_to_b: bool) -> tuple[int, int]:
        if a_to_b:
            return self.reserve_a, self.reserve_b
        return self.reserve_b, self.reserve_a

    def _product_out(self, a_to_b: bool, net_in: int) -> int:
        """Return what a constant product pays for a net input."""
        reserve_in, reserve_out = self._reserves(a_to_b)
        if not reserve_in or not reserve_out:
            raise InsufficientLiquidity(self.address, net_in, 0)
        # With both reserves above 0 this is always below the reserve.
        return mul_div_floor(reserve_out, net_in, reserve_in + net_in)

    def _product_in(self, a_to_b: bool, gross_out: int) -> int:
        """Return the net input of a constant product that pays so much."""
        reserve_in, reserve_out = self._reserves(a_to_b)
        if gross_out >= reserve_out or not reserve_in:
            available = max(reserve_out - 1, 0) if reserve_in else 0
            raise InsufficientLiquidity(self.address, gross_out, available)
        return mul_div_ceil(reserve_in, gross_out, reserve_out - gross_out)

    def _product_net_to(self, a_to_b: bool, limit_price_x64: int, keep: int) -> int:
        """Return the net input after which a constant product is at the limit, floored."""
        reserve_in, reserve_out = self._reserves(a_to_b)
        scaled = reserve_in * reserve_out * keep
        if not scaled:
            return 0
        if not a_to_b:
            square = mul_div_floor(scaled, limit_price_x64, Q64 * FEE_RATE_ONE)
        elif limit_price_x64:
            square = mul_div_floor(scaled, Q64, limit_price_x64 * FEE_RATE_ONE)
        else:
            return U64_MAX
        return isqrt(square) - reserve_in

    def _range_room(self, a_to_b: bool) -> int:
        """Return the net input that moves the price to the end of its range, rounded up."""
        if a_to_b:
            return amount_a_ceil(self.liquidity, self.sqrt_min_price_x64, self.sqrt_price_x64)
        return amount_b_ceil(self.liquidity, self.sqrt_price_x64, self.sqrt_max_price_x64)

    def _range_out(self, a_to_b: bool, net_in: int, partial_fill: bool) -> tuple[int, int, int]:
        """Return (output, input left over, square-root price after) of a net input."""
        liquidity, before, left = self.liquidity, self.sqrt_price_x64, 0
        if not liquidity:
            raise InsufficientLiquidity(self.address, net_in, 0)
        if partial_fill and net_in >= (room := self._range_room(a_to_b)):
            left = net_in - room
            after = self.sqrt_min_price_x64 if a_to_b else self.sqrt_max_price_x64
        elif a_to_b:
            after = sqrt_price_after_in_a(liquidity, before, net_in)
            if after < self.sqrt_min_price_x64:
                raise InsufficientLiquidity(self.address, net_in, self._range_room(a_to_b))
        else:
            after = sqrt_price_after_in_b(liquidity, before, net_in)
            if after > self.sqrt_max_price_x64:
                raise InsufficientLiquidity(self.address, net_in, self._range_room(a_to_b))
        if a_to_b:
            gross_out, reserve_out = amount_b_floor(liquidity, after, before), self.reserve_b
        else:
            gross_out, reserve_out = amount_a_floor(liquidity, before, after), self.reserve_a
        if gross_out > U64_MAX:
            raise AmountOverflow("amount_out with its fee", gross_out, 64)
        if gross_out > reserve_out:
            raise InsufficientLiquidity(self.address, gross_out, reserve_out)
        return gross_out, left, after

    def _range_in(self, a_to_b: bool, gross_out: int) -> tuple[int, int]:
        """Return (net input, square-root price after) that pay so much."""
        liquidity, before = self.liquidity, self.sqrt_price_x64
        lowest, highest = self.sqrt_min_price_x64, self.sqrt_max_price_x64
        if not liquidity:
            raise InsufficientLiquidity(self.address, gross_out, 0)
        if a_to_b:
            after = sqrt_price_after_out_b(liquidity, before, gross_out)
            if after < lowest or gross_out > self.reserve_b:
                available = min(amount_b_floor(liquidity, lowest, before), self.reserve_b)
                raise InsufficientLiquidity(self.address, gross_out, available)
            return amount_a_ceil(liquidity, after, before), after
        after = sqrt_price_after_out_a(liquidity, before, gross_out)
        if after > highest or gross_out > self.reserve_a:
            available = min(amount_a_floor(liquidity, before, highest), self.reserve_a)
            raise InsufficientLiquidity(self.address, gross_out, available)
        return amount_b_ceil(liquidity, before, after), after

    def _range_net_to(self, a_to_b: bool, limit_price_x64: int, keep: int) -> int:
        """Return the net input after which a range is at the limit or its end, floored."""
        before = self.sqrt_price_x64
        if a_to_b:
            square = mul_div_ceil(limit_price_x64 * Q64, FEE_RATE_ONE, keep)
            target = max(isqrt(square - 1) + 1 if square else 0, self.sqrt_min_price_x64)
            return amount_a_floor(self.liquidity, target, before) if target < before else 0
        square = mul_div_floor(limit_price_x64 * Q64, keep, FEE_RATE_ONE)
        target = min(isqrt(square), self.sqrt_max_price_x64)
        return amount_b_floor(self.liquidity, before, target) if target > before else 0


def _rate(
    base: DammBaseFee, dynamic: DammDynamicFee | None, rate_max: int, now_s: int, activation_s: int
) -> int:
    """Return the rate in parts per 10^9: base and dynamic part, up to the maximum."""
    rate = base.rate_at(now_s, activation_s)
    if dynamic is not None:
        rate += dynamic.rate
    return min(rate, rate_max)
