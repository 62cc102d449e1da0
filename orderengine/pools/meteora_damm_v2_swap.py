"""Hold a swap on Meteora DAMM v2 and, on demand, what follows from it."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

from msgspec import Struct

from orderengine.pools.fixed_point import mul_div_floor

if TYPE_CHECKING:
    from orderengine.pools.meteora_damm_v2 import MeteoraDammV2Pool

__all__ = ["MeteoraDammV2Swap"]


class MeteoraDammV2Swap(Struct, frozen=True, gc=False):
    """Hold a swap; most quotes are never looked at further, so the rest is computed when asked.

    The fee is charged in the input token if ``fees_on_input``, else in the output token. It is the
    sum of ``claiming_fee``, ``compounding_fee``, ``protocol_fee`` and ``referral_fee``; the last is
    paid out at once, so a swap with a referral takes it from the vault on top of ``amount_out``.
    """

    before: MeteoraDammV2Pool
    a_to_b: bool
    fees_on_input: bool
    has_referral: bool
    amount_in: int
    """All that the trader pays."""
    amount_out: int
    """All that the trader receives."""
    net_in: int
    """What the curve sees of ``amount_in``."""
    gross_out: int
    """What the curve gives, before a fee in the output token."""
    amount_left: int
    """Input after its fee that a partial fill leaves with the trader."""
    range_sqrt_price_x64: int
    """The square root of the price after the swap; of no meaning in a compounding pool."""
    now_s: int

    @property
    def fee_in(self) -> int:
        """The fee, if it is charged in the input token."""
        return self.amount_in - self.net_in

    @property
    def fee_out(self) -> int:
        """The fee, if it is charged in the output token."""
        return self.gross_out - self.amount_out

    @property
    def excluded_fee_input(self) -> int:
        """The program's name for ``net_in``."""
        return self.net_in

    @property
    def crossed(self) -> int:
        """No bin and no tick: the curve is one piece."""
        return 0

    @property
    def fees(self) -> tuple[int, int, int, int]:
        """Claiming, compounding, protocol and referral fee."""
        fee = self.fee_in if self.fees_on_input else self.fee_out
        return self.before.shares.split(fee, self.has_referral)

    @property
    def claiming_fee(self) -> int:
        """What liquidity providers may claim."""
        return self.fees[0]

    @property
    def compounding_fee(self) -> int:
        """What stays in the reserve of token B."""
        return self.fees[1]

    @property
    def protocol_fee(self) -> int:
        """What the protocol may claim."""
        return self.fees[2]

    @property
    def referral_fee(self) -> int:
        """What goes to who referred the swap."""
        return self.fees[3]

    @property
    def reserves_after(self) -> tuple[int, int]:
        """The reserves of tokens A and B, the compounding fee included."""
        before = self.before
        compounded = self.compounding_fee
        if self.a_to_b:
            return before.reserve_a + self.net_in, before.reserve_b - self.gross_out + compounded
        return before.reserve_a - self.gross_out, before.reserve_b + self.net_in + compounded

    @property
    def end_sqrt_price_x64(self) -> int:
        """The square root of the price after the swap, as the program keeps it, in Q64.64.

        In a compounding pool it is the root of reserve B / reserve A, both steps rounded down.
        """
        if not self.before.is_compounding:
            return self.range_sqrt_price_x64
        reserve_a, reserve_b = self.reserves_after
        return isqrt(mul_div_floor(reserve_b, 1 << 128, reserve_a))

    @property
    def end_price_x64(self) -> int:
        """The next pool's price."""
        return self.pool.price_x64

    @property
    def pool(self) -> MeteoraDammV2Pool:
        """The pool after the swap."""
        return self.before.after(self)
