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

from collections.abc import Iterator
from copy import copy
from enum import StrEnum
from math import isqrt, sqrt

from msgspec import Struct
from msgspec.structs import force_setattr

from orderengine.errors import InsufficientLiquidity, InvalidAmount, InvalidData
from orderengine.pools.base import Direction, Segment
from orderengine.pools.fixed_point import (
    Q64,
    U64_MAX,
    mul_div_ceil,
    mul_div_floor,
    require_u64_amount,
    require_u64_result,
)
from orderengine.pools.segments import curve_segment

__all__ = ["CreatorFeeOn", "RaydiumCpmmPool", "RaydiumCpmmSwap"]

_RATE_ONE = 1_000_000
"""A fee rate of 100 %."""


class CreatorFeeOn(StrEnum):
    """Name the token that the creator's fee is charged in; ``BOTH`` means whichever goes in."""

    BOTH = "both"
    ONLY_A = "only_a"
    ONLY_B = "only_b"


class RaydiumCpmmPool(Struct, frozen=True, kw_only=True, gc=False):
    """Hold one pool's reserves (vault less accrued fees) and fee rates (parts per million).

    ``protocol_fee_rate`` and ``fund_fee_rate`` are shares of the trade fee. ``accrued_fee_a`` and
    ``accrued_fee_b`` are the protocol's, the fund's and the creator's fees that still lie in the
    vaults. Before ``open_time_s`` (Unix seconds) nothing is swapped.

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
    open_time_s: int = 0

    def __post_init__(self) -> None:
        """Check what a swap relies on."""
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

    @property
    def has_fixed_fee(self) -> bool:
        """Always."""
        return True

    def swap_exact_in(self, direction: Direction, amount_in: int, now_s: int) -> RaydiumCpmmSwap:
        """Swap all of ``amount_in``.

        Raises:
            InvalidAmount: ``amount_in`` is below 1, above u64, or less than its own fees (two
                ceiled fees take 2 units of a swap of 1).
            InsufficientLiquidity: a reserve is empty, or the pool is not open yet.
        """
        # Written out, divisions and all: routers and studies ask nothing more often.
        if type(amount_in) is not int or not 0 < amount_in <= U64_MAX:
            require_u64_amount("amount_in", amount_in)
        if direction is Direction.A_TO_B:
            a_to_b, reserve_in, reserve_out = True, self.reserve_a, self.reserve_b
        else:
            a_to_b, reserve_in, reserve_out = False, self.reserve_b, self.reserve_a
        if now_s < self.open_time_s:
            raise self._not_open(amount_in)
        trade_fee = -(-amount_in * self.trade_fee_rate // _RATE_ONE)  # ceiled
        net_in = amount_in - trade_fee
        creator_rate, creator_fee, creator_fee_on_input = self.creator_fee_rate, 0, True
        if creator_rate:
            creator_fee_on_input = self._is_creator_fee_on_input(a_to_b)
            if creator_fee_on_input:
                creator_fee = -(-amount_in * creator_rate // _RATE_ONE)  # ceiled
                net_in -= creator_fee
                if net_in < 0:
                    expected = f"at least its fees, {amount_in - net_in}"
                    raise InvalidAmount("amount_in", amount_in, expected)
        if not reserve_in or not reserve_out:
            raise InsufficientLiquidity(self.address, 1, 0)
        # Floored; with both reserves above 0 always below the reserve.
        amount_out = reserve_out * net_in // (reserve_in + net_in)
        if not creator_fee_on_input:
            creator_fee = -(-amount_out * creator_rate // _RATE_ONE)  # ceiled
            amount_out -= creator_fee
        return RaydiumCpmmSwap(
            self,
            a_to_b,
            creator_fee_on_input,
            amount_in,
            net_in,
            amount_out,
            trade_fee,
            creator_fee,
        )

    def swap_exact_out(self, direction: Direction, amount_out: int, now_s: int) -> RaydiumCpmmSwap:
        """Swap as little as pays for ``amount_out``.

        Raises:
            InvalidAmount: ``amount_out`` is below 1 or above u64.
            InsufficientLiquidity: the reserve does not hold more than the output and its fee.
            AmountOverflow: the input would be above u64.
        """
        require_u64_amount("amount_out", amount_out)
        a_to_b = direction is Direction.A_TO_B
        reserve_in, reserve_out = self._reserves(a_to_b)
        creator_rate = self.creator_fee_rate
        creator_fee_on_input = self._is_creator_fee_on_input(a_to_b)
        gross_out, rate_in = amount_out, self.trade_fee_rate
        if creator_fee_on_input:
            rate_in += creator_rate
        else:
            gross_out = mul_div_ceil(amount_out, _RATE_ONE, _RATE_ONE - creator_rate)
        if now_s < self.open_time_s:
            raise self._not_open(amount_out)
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
        return RaydiumCpmmSwap(
            self,
            a_to_b,
            creator_fee_on_input,
            amount_in,
            net_in,
            amount_out,
            trade_fee,
            creator_fee,
        )

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
        a_to_b = direction is Direction.A_TO_B
        reserve_in, reserve_out = self._reserves(a_to_b)
        product = reserve_in * reserve_out
        if not product or now_s < self.open_time_s:
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

    def segments(self, direction: Direction, now_s: int) -> Iterator[Segment]:
        """Yield the one piece: the constant product, which never ends."""
        a_to_b = direction is Direction.A_TO_B
        reserve_in, reserve_out = self._reserves(a_to_b)
        if not (reserve_in and reserve_out) or now_s < self.open_time_s:
            return
        rate_in, rate_out = self.trade_fee_rate, self.creator_fee_rate
        if self._is_creator_fee_on_input(a_to_b):
            rate_in, rate_out = rate_in + rate_out, 0
        yield curve_segment(
            sqrt(reserve_in) * sqrt(reserve_out),
            sqrt(reserve_out / reserve_in),
            0.0,
            1 - rate_in / _RATE_ONE,
            1 - rate_out / _RATE_ONE,
        )

    def _not_open(self, amount: int) -> InsufficientLiquidity:
        reason = f"it opens at Unix second {self.open_time_s}"
        return InsufficientLiquidity(self.address, amount, 0, reason)

    def _reserves(self, a_to_b: bool) -> tuple[int, int]:
        if a_to_b:
            return self.reserve_a, self.reserve_b
        return self.reserve_b, self.reserve_a

    def _is_creator_fee_on_input(self, a_to_b: bool) -> bool:
        charged_on = self.creator_fee_on
        return charged_on is CreatorFeeOn.BOTH or (charged_on is CreatorFeeOn.ONLY_A) == a_to_b


class RaydiumCpmmSwap(Struct, frozen=True, gc=False):
    """Hold a swap and, on demand, what follows from it: most quotes are never looked at further."""

    before: RaydiumCpmmPool
    a_to_b: bool
    creator_fee_on_input: bool
    amount_in: int
    """All that the trader pays."""
    net_in: int
    """What the curve sees of it."""
    amount_out: int
    """All that the trader receives."""
    trade_fee: int
    """In the input token; includes ``protocol_fee`` and ``fund_fee``."""
    creator_fee: int
    """In the input or the output token, apart from the trade fee."""

    @property
    def gross_out(self) -> int:
        """What the curve gives, before a creator's fee in the output token."""
        return self.amount_out + self.fee_out

    @property
    def fee_in(self) -> int:
        """All fees in the input token."""
        return self.amount_in - self.net_in

    @property
    def fee_out(self) -> int:
        """All fees in the output token."""
        return 0 if self.creator_fee_on_input else self.creator_fee

    @property
    def crossed(self) -> int:
        """No bin and no tick: the curve is one piece."""
        return 0

    @property
    def protocol_fee(self) -> int:
        """The protocol's part of the trade fee, rounded down."""
        return mul_div_floor(self.trade_fee, self.before.protocol_fee_rate, _RATE_ONE)

    @property
    def fund_fee(self) -> int:
        """The fund's part of the trade fee, rounded down."""
        return mul_div_floor(self.trade_fee, self.before.fund_fee_rate, _RATE_ONE)

    @property
    def curve_reserve_in_after(self) -> int:
        """The reserve before the liquidity providers' part of the fee, which the next pool has."""
        before = self.before
        return (before.reserve_a if self.a_to_b else before.reserve_b) + self.net_in

    @property
    def curve_reserve_out_after(self) -> int:
        """The reserve of the token that came out."""
        before = self.before
        return (before.reserve_b if self.a_to_b else before.reserve_a) - self.gross_out

    @property
    def end_price_x64(self) -> int:
        """The next pool's price."""
        return self.pool.price_x64

    @property
    def pool(self) -> RaydiumCpmmPool:
        """The pool after the swap; the liquidity providers' part of the fee stays in its reserve.

        Only balances differ, and none can fall below 0, so nothing is checked again.
        """
        kept_in, kept_out = self.protocol_fee + self.fund_fee, 0
        if self.creator_fee_on_input:
            kept_in += self.creator_fee
        else:
            kept_out = self.creator_fee
        taken, given = self.amount_in - kept_in, self.gross_out
        before = self.before
        pool = copy(before)
        if self.a_to_b:
            force_setattr(pool, "reserve_a", before.reserve_a + taken)
            force_setattr(pool, "reserve_b", before.reserve_b - given)
            force_setattr(pool, "accrued_fee_a", before.accrued_fee_a + kept_in)
            force_setattr(pool, "accrued_fee_b", before.accrued_fee_b + kept_out)
        else:
            force_setattr(pool, "reserve_b", before.reserve_b + taken)
            force_setattr(pool, "reserve_a", before.reserve_a - given)
            force_setattr(pool, "accrued_fee_b", before.accrued_fee_b + kept_in)
            force_setattr(pool, "accrued_fee_a", before.accrued_fee_a + kept_out)
        return pool
