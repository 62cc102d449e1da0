"""Swap on Raydium's constant-product program (CPMM, also called CP-Swap).

Theory. With reserves x (token in) and y (token out) a swap keeps x * y from falling:

    out = floor(y * net / (x + net))          net = in - fees charged in the input token
    net = ceil(x * gross / (y - gross))       the inverse, for a wanted output

Four fees exist, in parts per million. The trade fee is always charged in the input token; the
protocol's and the fund's fee are shares of it, and the rest of it stays in the reserve for the
liquidity providers. The creator's fee comes on top and is charged in the input or in the output
token, as the pool was set up. Every fee is ceiled and every output floored: the pool gains the
remainder. A reserve is the vault's balance less the fees that others than liquidity providers may
collect, so those never take part in the price.

Source: CurveCalculator in @raydium-io/raydium-sdk-v2 0.2.73-alpha (observed results), and
raydium-io/raydium-cp-swap programs/cp-swap/src/curve/ at 07068f1, which predates creator fees. That
program refuses an output of 0; it is quoted as 0 here, as the SDK does.
"""

from __future__ import annotations

from enum import StrEnum
from math import isqrt

from msgspec import Struct

from orderengine.errors import InsufficientLiquidity, InvalidAmount, InvalidData
from orderengine.pools.base import Direction, Swap
from orderengine.pools.fixed_point import (
    Q64,
    U64_MAX,
    mul_div_ceil,
    mul_div_floor,
    require_u64_amount,
    require_u64_result,
)

__all__ = ["CreatorFeeOn", "RaydiumCpmmPool", "RaydiumCpmmSwap"]

_RATE_ONE = 1_000_000
"""A fee rate of 100 %."""


class CreatorFeeOn(StrEnum):
    """Name the token that the creator's fee is charged in; ``BOTH`` means whichever goes in."""

    BOTH = "both"
    ONLY_A = "only_a"
    ONLY_B = "only_b"


class RaydiumCpmmSwap(Swap, frozen=True, kw_only=True, gc=False):
    """Add the program's own split of the fees, and where the curve stood before fees came back.

    ``trade_fee`` is in the input token and includes ``protocol_fee`` and ``fund_fee``;
    ``creator_fee`` is apart, in the input or the output token. ``curve_reserve_in_after`` lacks the
    liquidity providers' part of the fee, which the next pool's reserve has.
    """

    trade_fee: int
    protocol_fee: int
    fund_fee: int
    creator_fee: int
    curve_reserve_in_after: int
    curve_reserve_out_after: int
    pool: RaydiumCpmmPool


class RaydiumCpmmPool(Struct, frozen=True, kw_only=True, gc=False):
    """Hold one pool's reserves (vault less accrued fees) and fee rates (parts per million).

    ``protocol_fee_rate`` and ``fund_fee_rate`` are shares of the trade fee. ``accrued_fee_a`` and
    ``accrued_fee_b`` are the protocol's, the fund's and the creator's fees that still lie in the
    vaults.

    Raises:
        InvalidData: a rate or balance is negative, or fees would take all of an input.
    """

    address: str
    token_a: str
    token_b: str
    reserve_a: int
    reserve_b: int
    trade_fee_rate: int
    protocol_fee_rate: int
    fund_fee_rate: int
    creator_fee_rate: int = 0
    creator_fee_on: CreatorFeeOn = CreatorFeeOn.BOTH
    accrued_fee_a: int = 0
    accrued_fee_b: int = 0

    def __post_init__(self) -> None:
        """Check what a swap relies on; it runs for every next pool, so it stays this short."""
        if (
            self.trade_fee_rate < 0
            or self.creator_fee_rate < 0
            or self.trade_fee_rate + self.creator_fee_rate >= _RATE_ONE
        ):
            raise InvalidData(
                f"pool {self.address}",
                f"trade_fee_rate {self.trade_fee_rate}, creator_fee_rate {self.creator_fee_rate}",
                "rates of 0 or more that sum to less than 1000000",
            )
        if (
            self.protocol_fee_rate < 0
            or self.fund_fee_rate < 0
            or self.protocol_fee_rate + self.fund_fee_rate > _RATE_ONE
        ):
            raise InvalidData(
                f"pool {self.address}",
                f"protocol_fee_rate {self.protocol_fee_rate}, fund_fee_rate {self.fund_fee_rate}",
                "shares of 0 or more that sum to at most 1000000",
            )
        if (
            self.reserve_a < 0
            or self.reserve_b < 0
            or self.accrued_fee_a < 0
            or self.accrued_fee_b < 0
        ):
            raise InvalidData(
                f"pool {self.address}",
                f"reserves {self.reserve_a} and {self.reserve_b}, "
                f"accrued fees {self.accrued_fee_a} and {self.accrued_fee_b}",
                "balances of 0 or more",
            )

    @property
    def venue(self) -> str:
        """Name the program."""
        return "raydium_cpmm"

    @property
    def vault_a(self) -> int:
        """Return all base units of token A that the pool holds."""
        return self.reserve_a + self.accrued_fee_a

    @property
    def vault_b(self) -> int:
        """Return all base units of token B that the pool holds."""
        return self.reserve_b + self.accrued_fee_b

    @property
    def price_x64(self) -> int:
        """Return reserve B / reserve A in Q64.64, rounded down; 0 for a pool without token A."""
        return mul_div_floor(self.reserve_b, Q64, self.reserve_a) if self.reserve_a else 0

    def swap_exact_in(self, direction: Direction, amount_in: int, now_s: int) -> RaydiumCpmmSwap:
        """Swap all of ``amount_in``; ``now_s`` does not matter to this program.

        Raises:
            InvalidAmount: ``amount_in`` is below 1, above u64, or less than its own fees (two
                ceiled fees take 2 units of a swap of 1).
            InsufficientLiquidity: a reserve is empty.
        """
        require_u64_amount("amount_in", amount_in)
        a_to_b = direction == Direction.A_TO_B
        reserve_in, reserve_out = self._reserves(a_to_b)
        trade_fee = mul_div_ceil(amount_in, self.trade_fee_rate, _RATE_ONE)
        creator_fee = 0
        creator_fee_on_input = self._is_creator_fee_on_input(a_to_b)
        if creator_fee_on_input:
            creator_fee = mul_div_ceil(amount_in, self.creator_fee_rate, _RATE_ONE)
        net_in = amount_in - trade_fee - creator_fee
        if net_in < 0:
            raise InvalidAmount("amount_in", amount_in, f"at least its fees, {amount_in - net_in}")
        curve_in_after = reserve_in + net_in
        gross_out = mul_div_floor(reserve_out, net_in, curve_in_after) if curve_in_after else 0
        if gross_out >= reserve_out:
            raise InsufficientLiquidity(self.address, gross_out, max(reserve_out - 1, 0))
        if not creator_fee_on_input:
            creator_fee = mul_div_ceil(gross_out, self.creator_fee_rate, _RATE_ONE)
        return self._swap(a_to_b, amount_in, net_in, gross_out, trade_fee, creator_fee)

    def swap_exact_out(self, direction: Direction, amount_out: int, now_s: int) -> RaydiumCpmmSwap:
        """Swap as little as pays for ``amount_out``; ``now_s`` does not matter to this program.

        Raises:
            InvalidAmount: ``amount_out`` is below 1 or above u64.
            InsufficientLiquidity: the reserve does not hold more than the output and its fee.
            AmountOverflow: the input would be above u64.
        """
        require_u64_amount("amount_out", amount_out)
        a_to_b = direction == Direction.A_TO_B
        reserve_in, reserve_out = self._reserves(a_to_b)
        creator_rate = self.creator_fee_rate
        creator_fee_on_input = self._is_creator_fee_on_input(a_to_b)
        gross_out, rate_in = amount_out, self.trade_fee_rate
        if creator_fee_on_input:
            rate_in += creator_rate
        else:
            gross_out = mul_div_ceil(amount_out, _RATE_ONE, _RATE_ONE - creator_rate)
        if gross_out >= reserve_out or not reserve_in:
            available = max(reserve_out - 1, 0) if reserve_in else 0
            raise InsufficientLiquidity(self.address, gross_out, available)
        net_in = mul_div_ceil(reserve_in, gross_out, reserve_out - gross_out)
        amount_in = mul_div_ceil(net_in, _RATE_ONE, _RATE_ONE - rate_in)
        require_u64_result("amount_in", amount_in)
        trade_fee = amount_in - net_in
        creator_fee = gross_out - amount_out
        if creator_fee_on_input:
            # One fee was grossed up for both; the creator's share of it is floored.
            creator_fee = mul_div_floor(trade_fee, creator_rate, rate_in) if rate_in else 0
            trade_fee -= creator_fee
        return self._swap(a_to_b, amount_in, net_in, gross_out, trade_fee, creator_fee)

    def amount_in_to_price(self, direction: Direction, limit_price_x64: int, now_s: int) -> int:
        """Return the largest input whose last unit still trades at the limit or better.

        A net input n moves the curve to X = x + n, where the marginal price after fees is
        x * y * keep / X^2 of token out for one of token in; keep is what the fee rates leave of 1.
        So with k = x * y the limit is reached at

            X = floor(sqrt(k * keep / limit)), A to B
            X = floor(sqrt(k * keep * limit)), B to A

        exactly, in integers. The input is the largest whose net is at most X - x, and every smaller
        input keeps the limit too. With two fees on the input, each ceiled, a few larger inputs may
        have the same net: the result is low by less than one net unit, never high.

        A limit of 0 is never reached by A (the answer is u64's maximum) and never met by B (0).

        Raises:
            InvalidAmount: ``limit_price_x64`` is negative.
        """
        if limit_price_x64 < 0:
            raise InvalidAmount("limit_price_x64", limit_price_x64, "at least 0")
        a_to_b = direction == Direction.A_TO_B
        reserve_in, reserve_out = self._reserves(a_to_b)
        product = reserve_in * reserve_out
        if not product:
            return 0
        rate_in, rate_out = self.trade_fee_rate, self.creator_fee_rate
        if self._is_creator_fee_on_input(a_to_b):
            rate_in, rate_out = rate_in + rate_out, 0
        keep_in = _RATE_ONE - rate_in
        scaled = product * keep_in * (_RATE_ONE - rate_out)
        if not a_to_b:
            square = mul_div_floor(scaled, limit_price_x64, Q64 * _RATE_ONE * _RATE_ONE)
        elif limit_price_x64:
            square = mul_div_floor(scaled, Q64, limit_price_x64 * _RATE_ONE * _RATE_ONE)
        else:
            return U64_MAX
        net_in = isqrt(square) - reserve_in
        if net_in <= 0:
            return 0
        # floor(in * keep_in) <= net_in is in * keep_in < net_in + 1: the largest such in.
        return min(mul_div_ceil(net_in + 1, _RATE_ONE, keep_in) - 1, U64_MAX)

    def _reserves(self, a_to_b: bool) -> tuple[int, int]:
        if a_to_b:
            return self.reserve_a, self.reserve_b
        return self.reserve_b, self.reserve_a

    def _is_creator_fee_on_input(self, a_to_b: bool) -> bool:
        charged_on = self.creator_fee_on
        return charged_on == CreatorFeeOn.BOTH or (charged_on == CreatorFeeOn.ONLY_A) == a_to_b

    def _swap(
        self,
        a_to_b: bool,
        amount_in: int,
        net_in: int,
        gross_out: int,
        trade_fee: int,
        creator_fee: int,
    ) -> RaydiumCpmmSwap:
        """Split the trade fee, move the reserves and say what happened."""
        protocol_fee = mul_div_floor(trade_fee, self.protocol_fee_rate, _RATE_ONE)
        fund_fee = mul_div_floor(trade_fee, self.fund_fee_rate, _RATE_ONE)
        accrued_in, accrued_out = protocol_fee + fund_fee, 0
        fee_in, fee_out = trade_fee, 0
        if self._is_creator_fee_on_input(a_to_b):
            accrued_in += creator_fee
            fee_in += creator_fee
        else:
            accrued_out = fee_out = creator_fee
        reserve_in, reserve_out = self._reserves(a_to_b)
        # The liquidity providers' part of the trade fee stays in the reserve.
        reserve_in_after = reserve_in + amount_in - accrued_in
        reserve_out_after = reserve_out - gross_out
        if a_to_b:
            reserve_a, reserve_b = reserve_in_after, reserve_out_after
            accrued_a, accrued_b = accrued_in, accrued_out
        else:
            reserve_a, reserve_b = reserve_out_after, reserve_in_after
            accrued_a, accrued_b = accrued_out, accrued_in
        pool = RaydiumCpmmPool(
            address=self.address,
            token_a=self.token_a,
            token_b=self.token_b,
            reserve_a=reserve_a,
            reserve_b=reserve_b,
            trade_fee_rate=self.trade_fee_rate,
            protocol_fee_rate=self.protocol_fee_rate,
            fund_fee_rate=self.fund_fee_rate,
            creator_fee_rate=self.creator_fee_rate,
            creator_fee_on=self.creator_fee_on,
            accrued_fee_a=self.accrued_fee_a + accrued_a,
            accrued_fee_b=self.accrued_fee_b + accrued_b,
        )
        return RaydiumCpmmSwap(
            amount_in=amount_in,
            amount_out=gross_out - fee_out,
            fee_in=fee_in,
            fee_out=fee_out,
            crossed=0,
            end_price_x64=pool.price_x64,
            pool=pool,
            trade_fee=trade_fee,
            protocol_fee=protocol_fee,
            fund_fee=fund_fee,
            creator_fee=creator_fee,
            curve_reserve_in_after=reserve_in + net_in,
            curve_reserve_out_after=reserve_out_after,
        )
