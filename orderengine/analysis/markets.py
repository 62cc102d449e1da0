"""Say which market an order trades in, and show sizes and prices in that market's quote token.

SOL sold for USDC and USDC sold for SOL are two sides of one market, SOL/USDC, whose price is
USDC for one SOL. Shown values are floats for tables and charts, never for trading.
"""

from __future__ import annotations

from functools import lru_cache

import polars as pl

from orderengine.model.tokens import token

__all__ = ["market_of", "shown_columns"]

_QUOTE_TOKENS = ("USDC", "USDT", "SOL")


@lru_cache
def market_of(sell: str, buy: str) -> tuple[str, str, str]:
    """Return (base, quote, side) by symbol: ("SOL", "USDC", "sell") for SOL sold for USDC.

    The quote token is the first of USDC, USDT and SOL that is part of the pair; in any other pair
    it is the one that comes last in the alphabet.
    """
    sold, bought = token(sell).symbol, token(buy).symbol
    quote = next((name for name in _QUOTE_TOKENS if name in (sold, bought)), max(sold, bought))
    return (bought, quote, "buy") if sold == quote else (sold, quote, "sell")


def shown_columns() -> list[pl.Expr]:
    """Return ``size``, ``price_accept``, ``price_end`` and ``price_fill``, Float64.

    Prices are shown quote tokens for one shown base token: P · 10^(decimals of sell - of buy) for
    an order that sells the base token, else the inverse of that; null where P is 0 or unknown.
    ``size`` is the order's amount, in quote tokens, at ``price_accept``.
    """
    sells_base = pl.col("side") == "sell"
    amount = pl.col("amount").cast(pl.Float64) / pl.lit(10.0).pow(pl.col("amount_decimals"))
    fixes_base = sells_base == (pl.col("mode") == "exact_in")
    p_accept = _shown(pl.col("price_base_accept"), sells_base)
    p_fill = pl.col("amount_out").cast(pl.Float64) / pl.col("amount_in").cast(pl.Float64)
    return [
        pl.when(fixes_base).then(amount * p_accept).otherwise(amount).alias("size"),
        p_accept.alias("price_accept"),
        _shown(pl.col("price_base_end"), sells_base).alias("price_end"),
        _shown(p_fill, sells_base).alias("price_fill"),
    ]


def _shown(buy_per_sell: pl.Expr, sells_base: pl.Expr) -> pl.Expr:
    price = buy_per_sell * pl.lit(10.0).pow(pl.col("pair_decimals"))
    in_quote = pl.when(sells_base).then(price).otherwise(1.0 / price)
    return pl.when((price > 0) & price.is_finite()).then(in_quote)
