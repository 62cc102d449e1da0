"""Hold a swap of a Raydium CLMM pool, and work out on demand what follows from it.

Most quotes are compared by their amounts and never looked at further. So a swap at one fee rate
holds its amounts, where it ended, and the fees at both ends; all else follows from these and the
ladder's sums.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import force_setattr

from orderengine.pools.raydium_clmm_fee import FEE_RATE_ONE, ClmmDynamicFee
from orderengine.pools.raydium_clmm_ladder import RangeSums
from orderengine.pools.raydium_clmm_step import amounts_between
from orderengine.pools.raydium_clmm_ticks import tick_at_sqrt_price
from orderengine.pools.raydium_clmm_walk import WalkEnd

if TYPE_CHECKING:
    from orderengine.pools.raydium_clmm import RaydiumClmmPool

__all__ = ["RaydiumClmmSwap", "first_step"]


class RaydiumClmmSwap(Struct, frozen=True, gc=False):
    """Hold a swap and where it ended; the fees and the next pool are made on demand.

    ``fee`` is all fees, in the token that ``fee_on_input`` names; ``protocol_fee`` and ``fund_fee``
    are parts of it, floored in each step. ``steps`` are moves of the price, one for each range or,
    while a dynamic fee moves, for each group of ticks.
    """

    before: RaydiumClmmPool
    a_to_b: bool
    amount_in: int
    amount_out: int
    end_sqrt_price_x64: int
    end_range: int
    first_fee: int
    """Of a swap not walked: the fee in the range in which it started, if it left that range."""
    last_fee: int
    """Of a swap not walked: the fee in the range in which it ended."""
    walked: WalkEnd | None
    """The end of the walk, if the swap was walked step by step."""

    @property
    def fee_on_input(self) -> bool:
        """Whether the fee is charged in the token that goes in."""
        return self.before.terms.way(self.a_to_b).fee_on_input

    @property
    def fee(self) -> int:
        """All fees, in the token that bears them."""
        return self._fees()[0]

    @property
    def protocol_fee(self) -> int:
        """The protocol's part of the fee."""
        return self._fees()[1]

    @property
    def fund_fee(self) -> int:
        """The fund's part of the fee."""
        return self._fees()[2]

    @property
    def fee_in(self) -> int:
        """All fees in the input token."""
        return self.fee if self.fee_on_input else 0

    @property
    def fee_out(self) -> int:
        """All fees in the output token."""
        return 0 if self.fee_on_input else self.fee

    @property
    def crossed(self) -> int:
        """Initialised ticks crossed."""
        return abs(self.end_range - self.before.current_range)

    @property
    def steps(self) -> int:
        """Moves of the price, and inputs that were all fee and moved nothing."""
        if self.walked is not None:
            return self.walked.steps
        sums, first, crossed = *self._way(), self.crossed
        if not crossed:
            return 1
        # Standing on the first tick, the price did not move to it.
        ranges = crossed - (sums.roots[first] == self.before.sqrt_price_x64)
        cost = first_step(self.before, self.a_to_b)[0]
        cost += sums.costs[first + crossed - 1] - sums.costs[first]
        return ranges + (self.amount_in > cost)

    @property
    def stopped_at_price_limit(self) -> bool:
        """Whether the limit left some of the amount unused."""
        return self.walked is not None and self.walked.is_at_limit

    @property
    def end_dynamic_fee(self) -> ClmmDynamicFee | None:
        """The dynamic fee's memory after the swap."""
        return None if self.walked is None else self.walked.dynamic_fee

    @property
    def end_tick(self) -> int:
        """The pool's tick after the swap; t - 1 after a swap downwards that ends on tick t."""
        if self.walked is not None:
            return self.walked.tick
        before, end = self.before, self.end_sqrt_price_x64
        if self.end_range != before.current_range:
            stop = self.end_range if self.a_to_b else self.end_range - 1
            if end == before.ladder.roots[stop]:
                return before.ladder.ticks[stop] - self.a_to_b
        elif end == before.sqrt_price_x64:
            # After a crossing downwards it is one lower than the price alone would say.
            return before.tick_current
        return tick_at_sqrt_price(end)

    @property
    def end_liquidity(self) -> int:
        """The liquidity in range after the swap."""
        return self.before.ladder.liquidity[self.end_range]

    @property
    def end_price_x64(self) -> int:
        """Price after the swap, before fees, B per A in Q64.64, rounded down."""
        return self.end_sqrt_price_x64 * self.end_sqrt_price_x64 >> 64

    @property
    def pool(self) -> RaydiumClmmPool:
        """The pool after the swap, on the same ladder."""
        before = self.before
        _, protocol_fee, fund_fee = self._fees()
        pool = copy(before)
        force_setattr(pool, "sqrt_price_x64", self.end_sqrt_price_x64)
        force_setattr(pool, "tick_current", self.end_tick)
        force_setattr(pool, "current_range", self.end_range)
        force_setattr(pool, "dynamic_fee", self.end_dynamic_fee)
        if self.a_to_b:
            force_setattr(pool, "vault_a", before.vault_a + self.amount_in)
            force_setattr(pool, "vault_b", before.vault_b - self.amount_out)
        else:
            force_setattr(pool, "vault_a", before.vault_a - self.amount_out)
            force_setattr(pool, "vault_b", before.vault_b + self.amount_in)
        if self.fee_on_input == self.a_to_b:
            force_setattr(pool, "protocol_fee_a", before.protocol_fee_a + protocol_fee)
            force_setattr(pool, "fund_fee_a", before.fund_fee_a + fund_fee)
        else:
            force_setattr(pool, "protocol_fee_b", before.protocol_fee_b + protocol_fee)
            force_setattr(pool, "fund_fee_b", before.fund_fee_b + fund_fee)
        return pool

    def _way(self) -> tuple[RangeSums, int]:
        """Return the sums in the swap's direction, and the number of the first stop there."""
        before = self.before
        if self.a_to_b:
            return before.ladder.down, len(before.ladder.ticks) - before.current_range
        return before.ladder.up, before.current_range

    def _fees(self) -> tuple[int, int, int]:
        """Return (fee, protocol's part of it, fund's part of it)."""
        if self.walked is not None:
            return self.walked.fee, self.walked.protocol_fee, self.walked.fund_fee
        terms, (sums, first), crossed = self.before.terms, self._way(), self.crossed
        one, other = self.first_fee, self.last_fee
        fee = one + other
        protocol_fee = one * terms.protocol_share // FEE_RATE_ONE
        protocol_fee += other * terms.protocol_share // FEE_RATE_ONE
        fund_fee = one * terms.fund_share // FEE_RATE_ONE
        fund_fee += other * terms.fund_share // FEE_RATE_ONE
        if crossed > 1:
            last = first + crossed - 1
            fee += sums.fees[last] - sums.fees[first]
            protocol_fee += sums.protocol_fees[last] - sums.protocol_fees[first]
            fund_fee += sums.fund_fees[last] - sums.fund_fees[first]
        return fee, protocol_fee, fund_fee


def first_step(pool: RaydiumClmmPool, a_to_b: bool) -> tuple[int, int, int]:
    """Return (paid, received, fee) of a move from where the price stands to the next stop."""
    ladder, start, place = pool.ladder, pool.sqrt_price_x64, pool.current_range
    if a_to_b:
        sums, end = ladder.down, ladder.roots[place - 1]
        net_in, out = amounts_between(ladder.liquidity[place], end, start, a_to_b)
    else:
        sums, end = ladder.up, ladder.roots[place]
        net_in, out = amounts_between(ladder.liquidity[place], start, end, a_to_b)
    if not sums.fee_on_input:
        fee = -(-out * sums.rate_out // FEE_RATE_ONE)  # ceiled
        return net_in, out - fee, fee
    fee = -(-net_in * (FEE_RATE_ONE - sums.kept_in) // sums.kept_in)  # ceiled
    return net_in + fee, out, fee
