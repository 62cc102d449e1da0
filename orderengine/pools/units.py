"""Turn prices and amounts into what people read, and back: shown units where they are known."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal

from orderengine.errors import InvalidAmount, UnknownToken
from orderengine.model.amounts import format_amount, parse_amount
from orderengine.model.tokens import token
from orderengine.pools.base import Pool

__all__ = ["base_units", "shown_amount", "shown_price", "symbol_of"]

_DIGITS = Context(prec=18, rounding=ROUND_FLOOR)


def symbol_of(name: str) -> str:
    """Return a token's symbol, or the name as it is if the token is not built in."""
    try:
        return token(name).symbol
    except UnknownToken:
        return name


def shown_price(pool: Pool, price_x64: int) -> tuple[str, str]:
    """Return a price as a plain decimal, and its unit: ``("81.69", "USDC per SOL")``.

    Rounded down to 18 digits. If a token is not built in, nobody here knows its decimals: then the
    price is in base units, and the unit says so.
    """
    unit = f"{symbol_of(pool.token_b)} per {symbol_of(pool.token_a)}"
    try:
        shift = token(pool.token_a).decimals - token(pool.token_b).decimals
    except UnknownToken:
        shift, unit = 0, f"base units of {unit}"
    # Exact as a decimal: 2^-64 is 5^64 / 10^64.
    price = _DIGITS.create_decimal(Decimal(price_x64 * 5**64).scaleb(shift - 64, Context(prec=500)))
    text = format(price, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text, unit


def base_units(text: str, name: str) -> int:
    """Return what people write ("1.5SOL", "1500000000") in base units of a token.

    Raises:
        InvalidAmount: no amount of this token; of one that is not built in, no whole number.
        UnknownToken: the unit is no token.
    """
    try:
        symbol = token(name).symbol
    except UnknownToken:
        if text.strip().isascii() and text.strip().isdigit():
            return parse_amount(text)
        expected = f"base units, because {name} is not built in"
        raise InvalidAmount("amount", text, expected) from None
    return parse_amount(text, symbol)


def shown_amount(amount: int, name: str) -> str:
    """Return an amount for people: ``1.5 SOL (1500000000)``, or base units of a token unknown."""
    try:
        return f"{format_amount(amount, name)} ({amount})"
    except UnknownToken:
        return f"{amount} base units of {name}"
