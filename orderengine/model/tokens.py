"""Know the tokens that orders name: symbol, mint address and decimals."""

from __future__ import annotations

from msgspec import Struct

from orderengine.errors import UnknownToken

__all__ = ["SOL", "TOKENS", "Token", "token"]


class Token(Struct, frozen=True):
    """Name an SPL token; ``decimals`` base-10 digits separate a base unit from the shown unit."""

    symbol: str
    mint: str
    decimals: int


SOL = Token("SOL", "So11111111111111111111111111111111111111112", 9)

TOKENS: tuple[Token, ...] = (
    SOL,
    Token("USDC", "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 6),
    Token("USDT", "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB", 6),
    Token("JUP", "JUPyiwrYJFskUPiHa7hkeR8VUtAeFoSYbKedZNsDvCN", 6),
    Token("RAY", "4k3Dyjzvzp8eMZWUXbBCjEvwSkkk59S5iCNLY3QrkX6R", 6),
    Token("ORCA", "orcaEKTdK7LKz57vaAYr9QeNsVEPfiu6QeMU1kektZE", 6),
    Token("BONK", "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263", 5),
    Token("mSOL", "mSoLzYCxHdYgdzU16g5QSh3i5K3z3KZK7ytfqcJm7So", 9),
    Token("JitoSOL", "J1toso1uCk3RLmjorhTtrVwY9HJ7X8V9yYac6Y7kGCPn", 9),
)
"""The tokens that are built in; a symbol is matched as written."""

_BY_NAME = {name: entry for entry in TOKENS for name in (entry.symbol, entry.mint)}


def token(name: str) -> Token:
    """Return the token with this symbol or mint address.

    Raises:
        UnknownToken: no built-in token has this name.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        raise UnknownToken(name, ", ".join(entry.symbol for entry in TOKENS)) from None
