"""Say what a path of outside prices is: one Q64.64 integer a slot.

The outside price is what the rest of the world pays; pools follow it only because arbitrageurs
trade against them. Prices are base units of the quote token for one base unit of the base token.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from orderengine.errors import InvalidData
from orderengine.model.tokens import Token

__all__ = ["YEAR_NS", "PricePath", "to_x64"]

YEAR_NS = 31_557_600_000_000_000
"""A Julian year, over which volatilities are stated."""


class PricePath(Protocol):
    """Give the price at each slot, asked in rising order; a deep copy goes on by itself."""

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
