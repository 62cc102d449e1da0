"""Make the markets and the orders that the benchmarks of routing share: fixed, and of every venue.

A market of one pair is described to peers as arcs, in real numbers: what an arc takes at one price
or along one curve. A network of constant products is described by the same arcs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from math import exp, inf, log, sqrt

from benchmarks.peers.arcs import Arc
from orderengine.market.drawn import DrawnPools, draw_pools
from orderengine.market.draws import Draws
from orderengine.model.order import Mode
from orderengine.pools import Direction, Pool, RaydiumCpmmPool
from orderengine.routing.request import Request, Terms
from orderengine.routing.view import MarketView

__all__ = [
    "NETWORK_TOKENS",
    "PIECES",
    "arcs_of_network",
    "arcs_of_pair",
    "deep_pools",
    "mixed_pools",
    "network_pools",
    "product_pools",
    "requests",
]

PIECES = 60
"""Tick ranges or bins a side of the price, of pools that have them."""
NETWORK_TOKENS = 20

_DRAWS = Draws(1, "benchmarks/routing")
_MIXED = DrawnPools(bins=(PIECES,), ranges=(PIECES,))
_PRODUCTS = DrawnPools(venues=("raydium_cpmm",))
_DEEP = DrawnPools(
    bins=(PIECES,),
    ranges=(PIECES,),
    venues=("raydium_clmm", "meteora_dlmm", "orca_whirlpool"),
)


def mixed_pools(count: int) -> list[Pool]:
    """Return SOL/USDC pools of all venues: ten of them are of all six, and five have pieces.

    Orders of 1 to 100,000 SOL take from 2 to 10 of these, half of them 5 or more.
    """
    return draw_pools(_MIXED, count, _DRAWS, 4)


def product_pools(count: int) -> list[Pool]:
    """Return constant products only: what a convex solver finds easiest."""
    return draw_pools(_PRODUCTS, count, _DRAWS, 0)


def deep_pools(count: int) -> list[Pool]:
    """Return pools of which each has 61 pieces a direction, the first one cut by the price."""
    return draw_pools(_DEEP, count, _DRAWS, 0)


def requests(
    view: MarketView,
    count: int = 64,
    *,
    least: float = 1e9,
    most: float = 1e14,
    terms: Terms = Terms(),  # noqa: B008  (frozen)
) -> list[Request]:
    """Return sales of SOL whose sizes are spread evenly in logarithm: 1 to 100,000 SOL."""
    step = log(most / least) / max(count - 1, 1)
    sizes = [int(least * exp(step * k)) for k in range(count)]
    return [
        Request(view=view, sell="SOL", buy="USDC", amount=size, mode=Mode.EXACT_IN, terms=terms)
        for size in sizes
    ]


def network_pools(count: int) -> list[RaydiumCpmmPool]:
    """Return constant products between 20 tokens: every token has some, few pairs have two.

    Prices scatter by 5 bps and fees are 25 or 30 bps, so no circle pays before an order.
    """
    names = [f"T{index}" for index in range(NETWORK_TOKENS)]
    worth = [10.0 ** (3 * _DRAWS.uniform(index, 1_000)) for index in range(NETWORK_TOKENS)]
    ring = [(index, (index + 1) % NETWORK_TOKENS) for index in range(NETWORK_TOKENS)]
    pairs = list(combinations(range(NETWORK_TOKENS), 2))
    pools: list[RaydiumCpmmPool] = []
    for index in range(count):
        drawn = _DRAWS.u64(index, 2_000) % len(pairs)
        a, b = ring[index] if index < len(ring) else pairs[drawn]
        depth = 1e12 * 10.0 ** (3 * _DRAWS.uniform(index, 2_001))
        off = 1 + 5e-4 * _DRAWS.normal(index, 2_002)
        pools.append(
            RaydiumCpmmPool(
                address=f"pool-{index}",
                token_a=names[a],
                token_b=names[b],
                reserve_a=int(depth / worth[a]),
                reserve_b=int(depth / worth[b] * off),
                trade_fee_rate=(2_500, 3_000)[_DRAWS.u64(index, 2_003) & 1],
                protocol_fee_rate=0,
                fund_fee_rate=0,
            )
        )
    return pools


def arcs_of_pair(pools: Iterable[Pool], direction: Direction) -> list[Arc]:
    """Return each piece of each pool's curve as an arc from token 0 to token 1."""
    return [arc for pool in pools for arc in _arcs(pool, direction, 0, 1)]


def arcs_of_network(pools: Sequence[Pool], tokens: Sequence[str], sell: str, buy: str) -> list[Arc]:
    """Return both directions of each pool, but for those into ``sell`` and out of ``buy``."""
    at = {name: index for index, name in enumerate(tokens)}
    arcs: list[Arc] = []
    for pool in pools:
        for direction in Direction:
            ends = (pool.token_a, pool.token_b)
            tail, head = ends if direction is Direction.A_TO_B else ends[::-1]
            if head != sell and tail != buy:
                arcs += _arcs(pool, direction, at[tail], at[head])
    return arcs


def _arcs(pool: Pool, direction: Direction, tail: int, head: int) -> list[Arc]:
    arcs = []
    for piece in pool.segments(direction, 0):
        room = piece.liquidity / sqrt(piece.price_start) if piece.liquidity else inf
        arcs.append(Arc(tail, head, piece.price_start, room, piece.amount_in))
    return arcs
