"""Open a market: at which price it starts, and with which pools, described ones or a snapshot's."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from orderengine.errors import InvalidData, InvalidScenario
from orderengine.market.config import MarketConfig
from orderengine.market.connected import connecting, deepest_of, price_of_x64
from orderengine.market.described import open_pool
from orderengine.market.fields import FieldError, check, price_of
from orderengine.market.prices import PriceConfig, to_x64
from orderengine.model.tokens import Token, token
from orderengine.pools import Pool
from orderengine.pools.fixed_point import Q64
from orderengine.pools.snapshot import Snapshot, with_tokens

__all__ = ["Opening", "open_market", "opening_of"]


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
    constant_prices_x64: Mapping[str, int]
    """Of the tokens that pools hold besides base and quote, in the quote token, Q64.64."""


def opening_of(market: MarketConfig, snapshot: Snapshot | None) -> Opening:
    """Return what a market starts from.

    Without a snapshot the price is ``price.start``. With one, it is that of the deepest of its
    pools, unless ``price.start`` differs from its default.

    Raises:
        InvalidScenario: the price is too small, or the snapshot has no pool of this pair.
    """
    base, quote = token(market.base), token(market.quote)
    written = market.price.start
    constant = {
        name: _written_x64(price, token(name), quote, f"market.prices.{name}")
        for name, price in market.prices.items()
    }
    given = Opening(_written_x64(written, base, quote), (), 0, "", constant)
    if snapshot is None:
        return given
    opening = _of_pair(market, snapshot, given)
    if not market.hops:
        return opening
    known = {quote.symbol: Q64, base.symbol: opening.price_x64, **constant}
    more, prices = connecting(snapshot, base.symbol, quote.symbol, known)
    names = [name for name in prices if name not in {base.symbol, quote.symbol}]
    by_way = f" and {len(more)} that connect the two by way of {', '.join(names)}" if more else ""
    return replace(
        opening,
        snapshot_pools=(*opening.snapshot_pools, *more),
        said=opening.said.replace(market.snapshot, f"{market.snapshot}{by_way}", 1),
        constant_prices_x64={name: prices[name] for name in names},
    )


def _of_pair(market: MarketConfig, snapshot: Snapshot, given: Opening) -> Opening:
    """Return the opening with a snapshot's pools of the pair itself."""
    base, quote = token(market.base), token(market.quote)
    written = market.price.start
    pools = _pools_of_pair(snapshot, base, quote)
    if not pools:
        expected = f"a file with a pool of {base.symbol}/{quote.symbol}"
        raise InvalidScenario("market.snapshot", market.snapshot, expected)
    count = f"{len(pools)} pool{'s' * (len(pools) != 1)} of {market.snapshot}"
    if market.price.model == "trace":
        said = f"{count}; the price is that of {market.price.file}"
        return Opening(given.price_x64, pools, snapshot.time_s, said, given.constant_prices_x64)
    if written != PriceConfig().start:
        said = f"{count}; the price starts at {written}, as given"
        return Opening(given.price_x64, pools, snapshot.time_s, said, given.constant_prices_x64)
    deepest = deepest_of(pools, base.symbol, snapshot.time_s)
    price_x64 = price_of_x64(deepest, base.symbol)
    if not price_x64:
        expected = "pools with a price, or a market.price.start to begin at"
        raise InvalidScenario("market.snapshot", market.snapshot, expected)
    shown = float(Fraction(price_x64, Q64) * Fraction(10) ** (base.decimals - quote.decimals))
    said = (
        f"{count}; the price starts at {shown:.6g}, that of the deepest, "
        f"{deepest.venue} {deepest.address}"
    )
    return Opening(price_x64, pools, snapshot.time_s, said, given.constant_prices_x64)


def open_market(market: MarketConfig, opening: Opening, price_x64: int) -> list[Pool]:
    """Return the pools: the snapshot's as they are, or the described ones at a price.

    Raises:
        InvalidScenario: a pool cannot be opened at this price.
    """
    if opening.snapshot_pools:
        return list(opening.snapshot_pools)
    prices = {market.quote: Q64, market.base: price_x64, **opening.constant_prices_x64}
    pools = []
    for index, config in enumerate(market.pools):
        first, second = market.pair_of(config)
        pair_x64 = (prices[first] << 64) // prices[second]
        try:
            check("pair", config.pair, pair_x64 > 0, "a pair with a price above 2^-64 base units")
            pools.append(open_pool(config, pair_x64, token(first), token(second)))
        except FieldError as error:
            field = f"market.pools[{index}].{error.field}"
            raise InvalidScenario(field, error.found, error.expected) from None
    return pools


def _written_x64(written: str, base: Token, quote: Token, field: str = "market.price.start") -> int:
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
