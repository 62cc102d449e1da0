"""Turn pools' prices into what people read: shown units of token B for one shown unit of A."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal

from orderengine.errors import UnknownToken
from orderengine.model.tokens import token
from orderengine.pools.base import Pool

__all__ = ["shown_price", "symbol_of"]

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
