"""Say what traders see and touch of the world: its floor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from orderengine.market.ledger import Ledger
from orderengine.market.transactions import Settled, Transaction
from orderengine.pools import Direction, Pool, Swap
from orderengine.pools.fixed_point import Q64

__all__ = ["TREASURY", "Floor", "lamports_of"]

TREASURY = 2**100
"""What each trader holds of a token: more than can ever be needed, for a trade takes at most 2^64
and no study has 2^36 of them."""


class Floor(Protocol):
    """Give prices and pools, and book trades."""

    base: str
    slot: int
    price_x64: int
    pools: dict[str, Pool]
    ledger: Ledger

    def worth_x64(self, name: str) -> int:
        """Return the outside price of a token in the quote token, Q64.64."""

    def trade(
        self, trader: str, pool: Pool, direction: Direction, amount_in: int, now_s: int
    ) -> None:
        """Swap on a pool, at most u64; nothing happens if the pool refuses."""

    def book(self, trader: str, pool: Pool, direction: Direction, swap: Swap) -> None:
        """Keep a swap that was computed on the present state of a pool."""

    def trial(
        self, transaction: Transaction, pools: Mapping[str, Pool], now_s: int
    ) -> Settled | None:
        """Return what a transaction would do on these pools, None if it would fail."""


def lamports_of(floor: Floor, worth: int) -> int:
    """Return an amount of the quote token in lamports at outside prices, rounded down."""
    return worth * Q64 // floor.worth_x64("SOL")
