"""Swap on Raydium's first constant-product program (AMM v4, also called the legacy AMM).

Theory. With reserves x (token in) and y (token out) a swap keeps x * y from falling:

    out = floor(y * net / (x + net))          net = in - ceil(in * fee_numerator / fee_denominator)
    net = ceil(x * out / (y - out))           in = ceil(net * fee_denominator
                                                        / (fee_denominator - fee_numerator))

The one fee is charged in the input token and stays in the reserve. What the protocol may collect
(``need_take_pnl``) lies in the vaults beside the reserves and takes no part in the price; a swap
does not change it: the program takes the protocol's share when liquidity comes or goes.

Source: raydium-io/raydium-amm program/src/{math,processor,state}.rs at 27f461d, and the results of
computeAmountOut in @raydium-io/raydium-sdk-v2 0.2.73-alpha. That SDK's computeAmountIn floors where
the program ceils, and so quotes too little; the program's rule stands here. The program refuses an
output of 0; it is quoted as 0 here, as the SDK does.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
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

__all__ = ["RaydiumAmmV4Pool", "RaydiumAmmV4Swap"]


class RaydiumAmmV4Pool(Struct, frozen=True, kw_only=True, gc=False):
    """Hold one pool's reserves (vault less ``need_take_pnl``) and its fee.

    Token A is the program's coin, token B its pc. ``accrued_a`` and ``accrued_b`` are
    ``need_take_pnl``: what the protocol may collect and still lies in the vaults. A pool that waits
    for ``open_time_s`` (Unix seconds) pays nothing before.

    Raises:
        InvalidData: a balance is negative, or the fee is no fraction from 0 to below 1.
    """

    address: str
    token_a: str
    token_b: str
    reserve_a: int
    reserve_b: int
    fee_numerator: int = 25
    fee_denominator: int = 10_000
    accrued_a: int = 0
    accrued_b: int = 0
    open_time_s: int = 0

    def __post_init__(self) -> None:
        """Check what a swap relies on."""
        if not 0 <= self.fee_numerator < self.fee_denominator:
            raise InvalidData(
                f"pool {self.address}",
                f"fee {self.fee_numerator}/{self.fee_denominator}",
                "a fraction from 0 to below 1",
            )
        if min(self.reserve_a, self.reserve_b, self.accrued_a, self.accrued_b) < 0:
            raise InvalidData(
                f"pool {self.address}",
                f"reserves {self.reserve_a} and {self.reserve_b}, "
                f"accrued {self.accrued_a} and {self.accrued_b}",
                "balances of 0 or more",
            )

    @property
    def venue(self) -> str:
        """Name the program."""
        return "raydium_amm_v4"

    @property
    def vault_a(self) -> int:
        """Return all base units of token A that the pool holds."""
        return self.reserve_a + self.accrued_a

    @property
    def vault_b(self) -> int:
        """Return all base units of token B that the pool holds."""
        return self.reserve_b + self.accrued_b

    @property
    def price_x64(self) -> int:
        """Return reserve B / reserve A in Q64.64, rounded down; 0 for a pool without token A."""
        return mul_div_floor(self.reserve_b, Q64, self.reserve_a) if self.reserve_a else 0

    @property
    def has_fixed_fee(self) -> bool:
        """Always."""
        return True

    def swap_exact_in(self, direction: Direction, amount_in: int, now_s: int) -> RaydiumAmmV4Swap:
        """Swap all of ``amount_in``.

        Raises:
            InvalidAmount: ``amount_in`` is below 1 or above u64.
            InsufficientLiquidity: a reserve is empty, or the pool is not open yet.
        """
        # Written out, divisions and all: routers and studies ask nothing more often.
        if type(amount_in) is not int or not 0 < amount_in <= U64_MAX:
            require_u64_amount("amount_in", amount_in)
        if direction is Direction.A_TO_B:
            a_to_b, reserve_in, reserve_out = True, self.reserve_a, self.reserve_b
        else:
            a_to_b, reserve_in, reserve_out = False, self.reserve_b, self.reserve_a
        if not reserve_in or not reserve_out or now_s < self.open_time_s:
            raise InsufficientLiquidity(self.address, 1, 0)
        # The fee is ceiled, so what is left is floored: in - ceil(fee) = in + floor(-fee).
        net_in = amount_in + -amount_in * self.fee_numerator // self.fee_denominator
        # Floored; with both reserves above 0 always below the reserve.
        amount_out = reserve_out * net_in // (reserve_in + net_in)
        return RaydiumAmmV4Swap(self, a_to_b, amount_in, amount_out, net_in)

    def swap_exact_out(self, direction: Direction, amount_out: int, now_s: int) -> RaydiumAmmV4Swap:
        """Swap as little as pays for ``amount_out``.

        Raises:
            InvalidAmount: ``amount_out`` is below 1 or above u64.
            InsufficientLiquidity: the reserve does not hold more than the output, the other one is
                empty, or the pool is not open yet.
            AmountOverflow: the input would be above u64.
        """
        require_u64_amount("amount_out", amount_out)
        a_to_b = direction is Direction.A_TO_B
        reserve_in, reserve_out = self._reserves(a_to_b)
        if amount_out >= reserve_out or not reserve_in or now_s < self.open_time_s:
            can_pay = reserve_out and reserve_in and now_s >= self.open_time_s
            raise InsufficientLiquidity(self.address, amount_out, reserve_out - 1 if can_pay else 0)
        net_in = mul_div_ceil(reserve_in, amount_out, reserve_out - amount_out)
        denominator = self.fee_denominator
        amount_in = mul_div_ceil(net_in, denominator, denominator - self.fee_numerator)
        require_u64_result("amount_in", amount_in)
        return RaydiumAmmV4Swap(self, a_to_b, amount_in, amount_out, net_in)

    def amount_in_to_price(self, direction: Direction, limit_price_x64: int, now_s: int) -> int:
        """Return the largest input whose last unit still trades at the limit or better.

        A net input n moves the curve to X = x + n, where the marginal price after the fee is
        x * y * keep / X^2 of token out for one of token in; keep is what the fee leaves of 1. So
        with k = x * y the limit is reached at

            X = floor(sqrt(k * keep / limit)), A to B
            X = floor(sqrt(k * keep * limit)), B to A

        exactly, in integers, and the input is the largest whose net is at most X - x.

        A limit of 0 is never reached by A (the answer is u64's maximum) and never met by B (0).

        Raises:
            InvalidAmount: ``limit_price_x64`` is negative.
        """
        if limit_price_x64 < 0:
            raise InvalidAmount("limit_price_x64", limit_price_x64, "at least 0")
        a_to_b = direction is Direction.A_TO_B
        reserve_in, reserve_out = self._reserves(a_to_b)
        denominator = self.fee_denominator
        keep = denominator - self.fee_numerator
        scaled = reserve_in * reserve_out * keep
        if not scaled or now_s < self.open_time_s:
            return 0
        if not a_to_b:
            square = mul_div_floor(scaled, limit_price_x64, Q64 * denominator)
        elif limit_price_x64:
            square = mul_div_floor(scaled, Q64, limit_price_x64 * denominator)
        else:
            return U64_MAX
        net_in = isqrt(square) - reserve_in
        if net_in <= 0:
            return 0
        # floor(in * keep) <= net_in is in * keep < net_in + 1: the largest such in.
        return min(mul_div_ceil(net_in + 1, denominator, keep) - 1, U64_MAX)

    def segments(self, direction: Direction, now_s: int) -> Iterator[Segment]:
        """Yield the one piece: the constant product, which never ends."""
        reserve_in, reserve_out = self._reserves(direction is Direction.A_TO_B)
        if not (reserve_in and reserve_out) or now_s < self.open_time_s:
            return
        yield curve_segment(
            sqrt(reserve_in) * sqrt(reserve_out),
            sqrt(reserve_out / reserve_in),
            0.0,
            (self.fee_denominator - self.fee_numerator) / self.fee_denominator,
            1.0,
        )

    def _reserves(self, a_to_b: bool) -> tuple[int, int]:
        if a_to_b:
            return self.reserve_a, self.reserve_b
        return self.reserve_b, self.reserve_a


class RaydiumAmmV4Swap(Struct, frozen=True, gc=False):
    """Hold a swap and, on demand, what follows from it: most quotes are never looked at further."""

    before: RaydiumAmmV4Pool
    a_to_b: bool
    amount_in: int
    """All that the trader pays."""
    amount_out: int
    """All that the trader receives."""
    net_in: int
    """What the curve sees of ``amount_in``."""

    @property
    def fee_in(self) -> int:
        """The fee, in the input token; all of it stays in the reserve."""
        return self.amount_in - self.net_in

    @property
    def fee_out(self) -> int:
        """No fee in the output token."""
        return 0

    @property
    def crossed(self) -> int:
        """No bin and no tick: the curve is one piece."""
        return 0

    @property
    def end_price_x64(self) -> int:
        """The next pool's price."""
        return self.pool.price_x64

    @property
    def pool(self) -> RaydiumAmmV4Pool:
        """The pool after the swap.

        Only reserves differ, and none can fall below 0, so nothing is checked again.
        """
        before = self.before
        pool = copy(before)
        if self.a_to_b:
            force_setattr(pool, "reserve_a", before.reserve_a + self.amount_in)
            force_setattr(pool, "reserve_b", before.reserve_b - self.amount_out)
        else:
            force_setattr(pool, "reserve_b", before.reserve_b + self.amount_in)
            force_setattr(pool, "reserve_a", before.reserve_a - self.amount_out)
        return pool
