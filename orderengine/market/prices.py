"""Move the outside price of the base token, slot by slot: a seeded path or a recorded one.

The outside price is what the rest of the world pays; pools follow it only because arbitrageurs
trade against them. Prices are Q64.64 integers: base units of the quote token for one base unit of
the base token.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Literal, Protocol

from msgspec import Struct

from orderengine.errors import InvalidData
from orderengine.market.draws import Draws
from orderengine.market.fields import check, price_of
from orderengine.model.tokens import Token

__all__ = ["Gbm", "PriceConfig", "PricePath", "Trace", "to_x64"]

_YEAR_NS = 31_557_600_000_000_000


class PriceConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe the price path."""

    model: Literal["gbm", "trace"] = "gbm"
    start: str = "81.80"
    """Of ``gbm``: quote tokens for one base token at the start. The default is the SOL/USDC price
    of 2026-07-06 16:30 UTC (spot of the Meteora pool 5rCf1DM8… at slot 431198953). With a snapshot
    of pools, "81.80" stands for the price of the deepest of them; 81.8 does not."""
    volatility: float = 0.8
    """Of ``gbm``: standard deviation of the log price over a year. Assumption: 80 %."""
    file: str = ""
    """Of ``trace``: a CSV or Parquet file, plain or gzip, columns ``timestamp`` and ``price``."""

    def __post_init__(self) -> None:
        price_of("start", self.start)
        check("volatility", self.volatility, 0 <= self.volatility <= 10, "from 0 to 10 a year")
        if self.model == "trace":
            check("file", self.file, bool(self.file), "a file of prices")


class PricePath(Protocol):
    """Give the price at each slot, asked in rising order."""

    def price_x64(self, slot: int, at_ns: int) -> int:
        """Return the price when the slot begins, at ``at_ns`` since the Unix epoch."""


def to_x64(price: Decimal | Fraction, base: Token, quote: Token) -> int:
    """Return Q64.64 base units a base unit for a price in shown units, rounded down.

    Raises:
        InvalidData: the price is too small to be told from 0.
    """
    shift = Fraction(10) ** (quote.decimals - base.decimals)
    price_x64 = int(Fraction(price) * shift * 2**64)
    if price_x64 < 1:
        raise InvalidData("price", str(price), "a price above 2^-64 base units")
    return price_x64


class Gbm:
    """Geometric Brownian motion without drift, one normal draw a slot.

    Assumption: returns of slots are independent and normal, volatility is constant. Where it
    misleads: real returns jump and volatility comes in clusters, so calm and panic are missing.
    """

    def __init__(self, start_x64: int, volatility: float, slot_ns: int, draws: Draws) -> None:
        self._level = math.log(start_x64)
        self._sigma = volatility * math.sqrt(slot_ns / _YEAR_NS)
        self._draws = draws

    def price_x64(self, slot: int, at_ns: int) -> int:
        """Return the next slot's price."""
        if slot > 0:
            sigma = self._sigma
            self._level += sigma * self._draws.normal(slot) - 0.5 * sigma * sigma
        return max(round(math.exp(self._level)), 1)


class Trace:
    """A recorded price, joined by straight lines between its samples and held after the last.

    Where it misleads: a straight line has no volatility inside a sample's interval, so with minute
    data the price moves less from slot to slot than it did.

    Args:
        times_ns: rising instants.
        prices_x64: the price at each.
    """

    def __init__(self, times_ns: Sequence[int], prices_x64: Sequence[int]) -> None:
        self._times = times_ns
        self._prices = prices_x64

    @property
    def start_ns(self) -> int:
        """The first instant."""
        return self._times[0]

    @property
    def end_ns(self) -> int:
        """The last instant; after it the last price is held."""
        return self._times[-1]

    def price_x64(self, slot: int, at_ns: int) -> int:
        """Return the price at ``at_ns``, rounded down."""
        del slot
        after = bisect_right(self._times, at_ns)
        if after == 0:
            return self._prices[0]
        if after == len(self._times):
            return self._prices[-1]
        t0, t1 = self._times[after - 1], self._times[after]
        p0, p1 = self._prices[after - 1], self._prices[after]
        return p0 + (p1 - p0) * (at_ns - t0) // (t1 - t0)
