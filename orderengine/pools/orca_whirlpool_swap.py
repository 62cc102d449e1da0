"""Hold a swap of an Orca Whirlpool, and the refusals that both ways of computing one share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from orderengine.errors import InsufficientLiquidity
from orderengine.pools.orca_whirlpool_fee import WhirlpoolAdaptiveFee
from orderengine.pools.orca_whirlpool_ticks import TICK_MAX, TICK_MIN, tick_at_sqrt_price

if TYPE_CHECKING:
    from orderengine.pools.orca_whirlpool import OrcaWhirlpoolPool

__all__ = ["OrcaWhirlpoolSwap", "out_of_liquidity", "require_payable"]


class OrcaWhirlpoolSwap(Struct, frozen=True, gc=False):
    """Hold a swap and, on demand, what follows from it: most quotes are never looked at further.

    The fee is charged in the input token; ``protocol_fee`` is the protocol's part of it. The fee
    rates (parts per million) are the lowest and the highest that a step of the swap was charged.
    """

    before: OrcaWhirlpoolPool
    a_to_b: bool
    amount_in: int
    """All that the trader pays."""
    amount_out: int
    """All that the trader receives."""
    fee: int
    protocol_fee: int
    fee_rate_min: int
    fee_rate_max: int
    end_sqrt_price_x64: int
    end_liquidity: int
    crossed: int
    """Initialised ticks crossed, those with a net liquidity of 0 included."""
    is_partial: bool
    """Whether the price limit stopped the swap before the amount was used up."""
    landing_tick: int | None
    """The end tick where the walk knows it; None if the price says it."""
    adaptive_fee_after: WhirlpoolAdaptiveFee | None

    @property
    def fee_in(self) -> int:
        """All of the fee."""
        return self.fee

    @property
    def fee_out(self) -> int:
        """Nothing: no fee is charged in the output token."""
        return 0

    @property
    def end_tick(self) -> int:
        """The pool's tick after the swap; t - 1 after an A to B swap that ends on boundary t."""
        tick = self.landing_tick
        return tick_at_sqrt_price(self.end_sqrt_price_x64) if tick is None else tick

    @property
    def end_price_x64(self) -> int:
        """The next pool's price: the square of the sqrt price, rounded down."""
        return self.end_sqrt_price_x64 * self.end_sqrt_price_x64 >> 64

    @property
    def pool(self) -> OrcaWhirlpoolPool:
        """The pool after the swap."""
        return self.before.after(self)


def out_of_liquidity(
    pool: OrcaWhirlpoolPool, a_to_b: bool, required: int, available: int
) -> InsufficientLiquidity:
    """Return the refusal of a swap that comes to the last boundary with something left.

    Amounts are of the token that the request fixed. If the boundary is not the program's but the
    end of the ticks that are known, the error says so.
    """
    error = InsufficientLiquidity(pool.address, required, available)
    first, last = pool.liquidity_map.first_tick, pool.liquidity_map.last_tick
    if (first > TICK_MIN) if a_to_b else (last < TICK_MAX):
        error.args = (f"{error}: its ticks are known from {first} to {last} only",)
    return error


def require_payable(pool: OrcaWhirlpoolPool, a_to_b: bool, amount_out: int) -> None:
    """Refuse an output that the vault does not hold.

    Raises:
        InsufficientLiquidity: it holds less.
    """
    held = pool.vault_b if a_to_b else pool.vault_a
    if amount_out > held:
        raise InsufficientLiquidity(pool.address, amount_out, held)
