"""Hold the market that a route is computed from: pools as they were at one slot, and their pairs.

A view is immutable. What is made from it (ladders, books) is made once, when it is first asked for,
and a later view takes over what belongs to pools that have not changed since.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from math import inf
from typing import Any, TypeVar

from orderengine.errors import InvalidData
from orderengine.pools import Direction, Pool
from orderengine.pools.units import symbol_of
from orderengine.routing.ladder import Ladder, ladder_of
from orderengine.routing.pair.book import Book

__all__ = ["MarketView"]

T = TypeVar("T")

_FARTHER = 4


class MarketView:
    """Hold pools at one slot as a graph of tokens.

    Tokens are known by symbol where one is built in, else by mint.

    Args:
        pools: each address once.
        slot: the slot they were read at; 0 if not known.
        now_s: Unix seconds at which the swaps would execute: dynamic fees depend on it.
        is_compiled: use compiled kernels (the extra ``fast``): the same routes, sooner, after
            a second or so for the first one.
        earlier: a view whose ladders are taken over for pools that are the same objects.
    """

    __slots__ = (
        "_books",
        "_ladders",
        "_made",
        "_pairs",
        "is_compiled",
        "now_s",
        "pools",
        "slot",
        "tokens",
    )

    def __init__(
        self,
        pools: Iterable[Pool],
        *,
        slot: int = 0,
        now_s: int = 0,
        is_compiled: bool = False,
        earlier: MarketView | None = None,
    ) -> None:
        held: dict[str, Pool] = {}
        self.pools: Mapping[str, Pool] = held
        """By address."""
        self.slot = slot
        self.now_s = now_s
        self.is_compiled = is_compiled
        self._pairs: dict[tuple[str, str], list[tuple[Pool, Direction]]] = {}
        self._ladders: dict[tuple[str, Direction], Ladder] = {}
        self._books: dict[tuple[str, str], Book] = {}
        self._made: dict[Hashable, Any] = {}
        for pool in pools:
            if pool.address in held:
                raise InvalidData("the market", f"pool {pool.address} twice", "each pool once")
            held[pool.address] = pool
            a, b = symbol_of(pool.token_a), symbol_of(pool.token_b)
            self._pairs.setdefault((a, b), []).append((pool, Direction.A_TO_B))
            self._pairs.setdefault((b, a), []).append((pool, Direction.B_TO_A))
        self.tokens = tuple(dict.fromkeys(sell for sell, _ in self._pairs))
        """In the order in which the pools name them."""
        if earlier is not None and earlier.now_s == now_s:
            for key, ladder in earlier._ladders.items():  # noqa: SLF001  (its own kind)
                if self.pools.get(key[0]) is ladder.pool:
                    self._ladders[key] = ladder

    @property
    def pairs(self) -> Sequence[tuple[str, str]]:
        """Every (sell, buy) that some pool swaps directly: the edges of the graph."""
        return tuple(self._pairs)

    def between(self, sell: str, buy: str) -> Sequence[tuple[Pool, Direction]]:
        """Return the pools that swap one token for another, and in which direction."""
        return tuple(self._pairs.get((sell, buy), ()))

    def ladder(
        self,
        pool: Pool,
        direction: Direction,
        *,
        amount_in: float = inf,
        amount_out: float = inf,
    ) -> Ladder:
        """Return a pool's price curve, at least as far as it takes or pays so much alone."""
        key = (pool.address, direction)
        found = self._ladders.get(key)
        if found is None or not found.covers(amount_in, amount_out):
            # Somewhat farther than asked, so that larger orders do not each lay it out anew.
            found = self._ladders[key] = ladder_of(
                pool,
                direction,
                self.now_s,
                amount_in=amount_in * _FARTHER,
                amount_out=amount_out * _FARTHER,
            )
        return found

    def book(self, sell: str, buy: str, *, amount_in: float = inf, amount_out: float = inf) -> Book:
        """Return the merged price curve of all pools of a pair, as far as an amount may go.

        No share of an amount is larger than the amount, so no more of any pool matters to it.
        """
        found = self._books.get((sell, buy))
        if found is None or not found.covers(amount_in, amount_out):
            ladders = [
                self.ladder(*entry, amount_in=amount_in, amount_out=amount_out)
                for entry in self.between(sell, buy)
            ]
            found = self._books[sell, buy] = Book(ladders, is_compiled=self.is_compiled)
        return found

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is made from this view when it is first asked for under a key."""
        if key not in self._made:
            self._made[key] = make()
        found: T = self._made[key]
        return found

    def moved(self, pools: Iterable[Pool]) -> MarketView:
        """Return the view after some pools have changed, for example by a swap."""
        after = dict(self.pools)
        after.update((pool.address, pool) for pool in pools)
        return MarketView(
            after.values(),
            slot=self.slot,
            now_s=self.now_s,
            is_compiled=self.is_compiled,
            earlier=self,
        )
