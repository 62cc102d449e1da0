"""Find the pools that connect two tokens by way of others, and what those others are worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from orderengine.model.tokens import TOKENS
from orderengine.pools import Direction, Pool, depth_within
from orderengine.pools.fixed_point import Q64
from orderengine.pools.snapshot import Snapshot, with_tokens

__all__ = ["connecting", "deepest_of", "price_of_x64"]

_DEPTH_BPS = 100
"""Pools are compared by what they buy of a token before their price has moved by 1 %."""

_SYMBOLS = {name: entry.symbol for entry in TOKENS for name in (entry.mint, entry.symbol)}


def connecting(
    snapshot: Snapshot, base: str, quote: str, known_x64: Mapping[str, int]
) -> tuple[tuple[Pool, ...], dict[str, int]]:
    """Return a snapshot's pools on ways from ``base`` to ``quote`` but those of the pair itself.

    Only tokens that are built in count, for others have no known decimals. A token without a known
    price has that of its deepest pool to one that is priced; its pools are left out if there is no
    such price.

    Args:
        snapshot: the pools.
        base: a symbol.
        quote: another one.
        known_x64: prices in the quote token, Q64.64, of these two at least.

    Returns:
        The pools, their tokens by symbol, and the prices of all tokens they hold, ``base`` and
        ``quote`` included.
    """
    pools = [
        with_tokens(pool, _SYMBOLS[pool.token_a], _SYMBOLS[pool.token_b])
        for pool in snapshot.pools
        if pool.token_a in _SYMBOLS and pool.token_b in _SYMBOLS
    ]
    pools = [pool for pool in pools if {pool.token_a, pool.token_b} != {base, quote}]
    prices = {name: known_x64[name] for name in (base, quote)}
    while True:
        pools = _without_dead_ends(pools, {base, quote})
        prices = _priced(pools, prices, known_x64, snapshot.time_s)
        kept = [pool for pool in pools if pool.token_a in prices and pool.token_b in prices]
        if len(kept) == len(pools):
            used = {name for pool in pools for name in (pool.token_a, pool.token_b)}
            ends = {base, quote}
            return tuple(pools), {name: prices[name] for name in prices if name in used | ends}
        pools = kept


def deepest_of(pools: Iterable[Pool], sold: str, now_s: int) -> Pool:
    """Return the pool that buys most of a token before its price has moved by 1 %."""
    return max(pools, key=lambda pool: _depth(pool, sold, now_s))


def price_of_x64(pool: Pool, base: str) -> int:
    """Return a pool's price before fees: units of the other token for one of ``base``, Q64.64.

    Rounded down; 0 if it has none.
    """
    price_x64 = pool.price_x64
    if pool.token_a == base:
        return price_x64
    return Q64 * Q64 // price_x64 if price_x64 else 0


def _without_dead_ends(pools: Sequence[Pool], ends: set[str]) -> list[Pool]:
    """Drop what hangs on one token alone, again and again."""
    kept = list(pools)
    while True:
        beside: dict[str, set[str]] = {}
        for pool in kept:
            beside.setdefault(pool.token_a, set()).add(pool.token_b)
            beside.setdefault(pool.token_b, set()).add(pool.token_a)
        dead = {name for name, others in beside.items() if len(others) < 2 and name not in ends}
        if not dead:
            return kept
        kept = [pool for pool in kept if not dead & {pool.token_a, pool.token_b}]


def _priced(
    pools: Sequence[Pool], priced: Mapping[str, int], known_x64: Mapping[str, int], now_s: int
) -> dict[str, int]:
    """Return prices of all tokens that can be reached from those that are priced."""
    prices = dict(priced)
    while True:
        offers: dict[str, list[tuple[int, int, Pool, str]]] = {}
        for at, pool in enumerate(pools):
            for name, other in ((pool.token_a, pool.token_b), (pool.token_b, pool.token_a)):
                if other in prices and name not in prices:
                    worth = _depth(pool, other, now_s) * prices[other]
                    offers.setdefault(name, []).append((worth, -at, pool, other))
        found = {}
        for name, offered in offers.items():
            _, _, pool, other = max(offered, key=lambda offer: offer[:2])
            price_x64 = known_x64.get(name) or price_of_x64(pool, name) * prices[other] >> 64
            if price_x64:
                found[name] = price_x64
        if not found:
            return prices
        prices |= found


def _depth(pool: Pool, sold: str, now_s: int) -> int:
    direction = Direction.A_TO_B if pool.token_a == sold else Direction.B_TO_A
    return depth_within(pool, direction, _DEPTH_BPS, now_s).amount_in
