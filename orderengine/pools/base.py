"""What every pool can do, whatever its program.

A pool is an immutable value: a swap returns the amounts and the next pool, and leaves the pool
that it was asked of as it was. So a route may use a pool twice and see its own effect, a quote
costs nothing to throw away, and a study can keep any state it has seen.

Amounts are integers in base units. Prices are Q64.64 integers: base units of token B for one base
unit of token A, times 2^64. ``now_s`` is in Unix seconds (programs keep time in seconds) and is
passed in, because nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from orderengine.errors import WrongPair

__all__ = ["Direction", "Pool", "Segment", "Swap", "direction_of", "tokens_of"]


class Direction(StrEnum):
    """Say which token goes in: A to B sells token A to the pool."""

    A_TO_B = "a_to_b"
    B_TO_A = "b_to_a"


class Segment(Struct, frozen=True, gc=False):
    """Hold one piece of a price curve in the direction of a swap, in real numbers.

    Prices are units of output for one unit of input, after fees.

    ``orderengine.pools.segments`` has the formulas.
    """

    price_start: float
    """At its first unit."""
    price_end: float
    """At its last unit: the start's price in a bin, 0 on a curve that never ends."""
    liquidity: float
    """Of a curve, after fees; 0 in a bin."""
    amount_in: float
    """All that it takes, fees included; infinite on a curve that never ends."""
    amount_out: float
    """All that it pays."""


class Swap(Protocol):
    """Hold what one swap moved and the pool it leaves behind.

    The fees are every fee of the pool (liquidity providers, protocol, fund, creator) by the token
    they are charged in. The vaults change by exactly ``+amount_in`` and ``-amount_out``.
    """

    @property
    def amount_in(self) -> int:
        """All that the trader pays, fees included."""

    @property
    def amount_out(self) -> int:
        """All that the trader receives, fees already taken."""

    @property
    def fee_in(self) -> int:
        """The part of ``amount_in`` that is fees."""

    @property
    def fee_out(self) -> int:
        """Fees of the token received, taken before ``amount_out``."""

    @property
    def crossed(self) -> int:
        """Bins or ticks left behind; 0 for a constant-product pool and within one bin."""

    @property
    def end_price_x64(self) -> int:
        """Marginal price after the swap, before fees, B per A in Q64.64, rounded down."""

    @property
    def pool(self) -> Pool:
        """The pool after the swap."""


class Pool(Protocol):
    """Quote and apply swaps exactly as the venue's program does."""

    @property
    def venue(self) -> str:
        """The program's name, for example ``raydium_cpmm``."""

    @property
    def address(self) -> str:
        """The pool's address, or its name in a simulated world."""

    @property
    def token_a(self) -> str:
        """Mint or symbol of token A."""

    @property
    def token_b(self) -> str:
        """Mint or symbol of token B."""

    @property
    def vault_a(self) -> int:
        """All base units of token A that the pool holds, fees not yet collected included."""

    @property
    def vault_b(self) -> int:
        """All base units of token B that the pool holds, fees not yet collected included."""

    @property
    def price_x64(self) -> int:
        """Marginal price before fees, B per A in Q64.64, rounded down."""

    @property
    def has_fixed_fee(self) -> bool:
        """Whether a swap pays one fee rate throughout, so that its price never rises on the way."""

    def swap_exact_in(self, direction: Direction, amount_in: int, now_s: int) -> Swap:
        """Swap all of ``amount_in``.

        Raises:
            InvalidAmount: ``amount_in`` is below 1 or above u64.
            InsufficientLiquidity: the pool runs out first.
            AmountOverflow: the program's integers cannot hold a result.
        """

    def swap_exact_out(self, direction: Direction, amount_out: int, now_s: int) -> Swap:
        """Swap as little as pays for ``amount_out``; raises as ``swap_exact_in`` does."""

    def amount_in_to_price(self, direction: Direction, limit_price_x64: int, now_s: int) -> int:
        """Return the largest input whose last unit still trades at the limit or better.

        "Trades at" is the marginal price after the pool's fee: an input of token A earns at least
        ``limit_price_x64`` B per A to the last unit, an input of token B pays at most that, and so
        do all units before it. This is what an arbitrageur sends who knows the price elsewhere. 0
        if the first unit is already worse; rounded down, and to what the pool holds, never above
        u64. The price is the curve's: rounding within one swap can cost a unit on top.

        Raises:
            InvalidAmount: ``limit_price_x64`` is negative.
        """

    def segments(self, direction: Direction, now_s: int) -> Iterator[Segment]:
        """Yield the pieces of the price curve in this direction, as a swap at ``now_s`` meets them.

        From the state as it is to the last unit that the pool can pay. Pieces that pay nothing are
        left out. The price falls from piece to piece, but for one case: a fee that falls while the
        swap moves towards its reference (DLMM, adaptive and dynamic fees) can raise it again.
        """


def direction_of(pool: Pool, sell: str, buy: str) -> Direction:
    """Return the direction in which a pool swaps one token for another.

    Raises:
        WrongPair: it does not swap these two.
    """
    token_a, token_b = pool.token_a, pool.token_b
    if sell == token_a and buy == token_b:
        return Direction.A_TO_B
    if sell == token_b and buy == token_a:
        return Direction.B_TO_A
    raise WrongPair(f"pool {pool.address}", f"{pool.token_a}/{pool.token_b}", sell, buy)


def tokens_of(pool: Pool, direction: Direction) -> tuple[str, str]:
    """Return the token that goes in and the token that comes out."""
    if direction is Direction.A_TO_B:
        return pool.token_a, pool.token_b
    return pool.token_b, pool.token_a
