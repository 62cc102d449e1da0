"""Open a market: at which price it starts, and with which pools, described ones or a snapshot's."""

from __future__ import annotations

from fractions import Fraction

from msgspec import Struct

from orderengine.errors import InvalidData, InvalidScenario
from orderengine.market.config import MarketConfig
from orderengine.market.described import open_pool
from orderengine.market.fields import FieldError, price_of
from orderengine.market.prices import PriceConfig, to_x64
from orderengine.model.tokens import Token, token
from orderengine.pools import Direction, Pool, depth_within
from orderengine.pools.fixed_point import Q64
from orderengine.pools.snapshot import Snapshot, with_tokens

__all__ = ["Opening", "base_price_x64", "open_market", "opening_of"]

_DEPTH_BPS = 100
"""Pools are compared by what they buy of the base token before their price has moved by 1 %."""


class Opening(Struct, frozen=True):
    """Hold what a market starts from."""

    price_x64: int
    """Quote base units for a base unit of the base token, Q64.64."""
    snapshot_pools: tuple[Pool, ...]
    """A snapshot's pools, their tokens under the symbols of the market; empty without one."""
    start_s: int
    """The snapshot's time in Unix seconds; 0 if it has none."""
    said: str
    """In words, where price and pools come from; empty without a snapshot."""


def opening_of(market: MarketConfig, snapshot: Snapshot | None) -> Opening:
    """Return what a market starts from.

    Without a snapshot the price is ``price.start``. With one, it is that of the deepest of its
    pools, unless ``price.start`` differs from its default.

    Raises:
        InvalidScenario: the price is too small, or the snapshot has no pool of this pair.
    """
    base, quote = token(market.base), token(market.quote)
    written = market.price.start
    given = Opening(_written_x64(written, base, quote), (), 0, "")
    if snapshot is None:
        return given
    pools = _pools_of_pair(snapshot, base, quote)
    if not pools:
        expected = f"a file with a pool of {base.symbol}/{quote.symbol}"
        raise InvalidScenario("market.snapshot", market.snapshot, expected)
    count = f"{len(pools)} pool{'s' * (len(pools) != 1)} of {market.snapshot}"
    if market.price.model == "trace":
        said = f"{count}; the price is that of {market.price.file}"
        return Opening(given.price_x64, pools, snapshot.time_s, said)
    if written != PriceConfig().start:
        said = f"{count}; the price starts at {written}, as given"
        return Opening(given.price_x64, pools, snapshot.time_s, said)
    deepest = max(pools, key=lambda pool: _depth(pool, base, snapshot.time_s))
    price_x64 = base_price_x64(deepest, base.symbol)
    if not price_x64:
        expected = "pools with a price, or a market.price.start to begin at"
        raise InvalidScenario("market.snapshot", market.snapshot, expected)
    shown = float(Fraction(price_x64, Q64) * Fraction(10) ** (base.decimals - quote.decimals))
    said = (
        f"{count}; the price starts at {shown:.6g}, that of the deepest, "
        f"{deepest.venue} {deepest.address}"
    )
    return Opening(price_x64, pools, snapshot.time_s, said)


def open_market(market: MarketConfig, opening: Opening, price_x64: int) -> list[Pool]:
    """Return the pools: the snapshot's as they are, or the described ones at a price.

    Raises:
        InvalidScenario: a pool cannot be opened at this price.
    """
    if opening.snapshot_pools:
        return list(opening.snapshot_pools)
    base, quote = token(market.base), token(market.quote)
    pools = []
    for index, config in enumerate(market.pools):
        try:
            pools.append(open_pool(config, price_x64, base, quote))
        except FieldError as error:
            field = f"market.pools[{index}].{error.field}"
            raise InvalidScenario(field, error.found, error.expected) from None
    return pools


def base_price_x64(pool: Pool, base: str) -> int:
    """Return a pool's price before fees: quote base units a base unit, Q64.64, rounded down.

    0 if it has none.
    """
    price_x64 = pool.price_x64
    if pool.token_a == base:
        return price_x64
    return Q64 * Q64 // price_x64 if price_x64 else 0


def _written_x64(written: str, base: Token, quote: Token) -> int:
    field = "market.price.start"
    try:
        return to_x64(price_of(field, written), base, quote)
    except InvalidData as error:
        raise InvalidScenario(field, written, error.expected) from None


def _pools_of_pair(snapshot: Snapshot, base: Token, quote: Token) -> tuple[Pool, ...]:
    symbols = {name: entry.symbol for entry in (base, quote) for name in (entry.mint, entry.symbol)}
    return tuple(
        with_tokens(pool, symbols[pool.token_a], symbols[pool.token_b])
        for pool in snapshot.pools
        if {symbols.get(pool.token_a), symbols.get(pool.token_b)} == {base.symbol, quote.symbol}
    )


def _depth(pool: Pool, base: Token, now_s: int) -> int:
    sells_base = Direction.A_TO_B if pool.token_a == base.symbol else Direction.B_TO_A
    return depth_within(pool, sells_base, _DEPTH_BPS, now_s).amount_in
