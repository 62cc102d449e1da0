"""Measure what a fill paid against the price then and later: effective spread, mark-out, realised.

With d = 1 for an order that buys the base token and -1 for one that sells it, F the price of the
fill (pool fees included, network fees not), M_0 the reference price when the order was accepted, M
the one when it landed and M_h the one a horizon h after it landed, all in shown quote tokens for
one base token, in basis points::

    effective spread at arrival = 2 · d · (F - M_0) / M_0
    effective spread at landing = 2 · d · (F - M) / M
    mark-out at h               = d · (M_h - F) / M
    realised spread at h        = 2 · d · (F - M_h) / M = -2 · mark-out
    price impact at h           = effective spread at landing - realised spread at h

A spread is a cost to the order where it is positive. A mark-out is a gain to the order where it is
positive: the price went its way. Source: R. D. Huang and H. R. Stoll, "Dealer versus auction
markets", Journal of Financial Economics 41(3), 1996, pp. 313-357; the factor 2 makes a spread
comparable with a quoted one, bid to ask.

Where it misleads: the reference price is the study's outside price, which no pool need have
traded at. A price series holds the last price until the next, so a horizon shorter than its steps
sees no move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from orderengine.analysis.estimates import (
    Statistic,
    Tables,
    as_tables,
    estimate_table,
    estimated,
    ratio,
)
from orderengine.errors import InvalidData
from orderengine.model.amounts import format_duration, parse_duration

__all__ = [
    "HORIZONS",
    "PRICE_COLUMNS",
    "Prices",
    "markout_table",
    "observed_prices",
    "spread_columns",
    "spread_table",
    "with_markouts",
]

Prices = pl.DataFrame
"""A price series: ``at`` (Datetime ns UTC, or Int64 ns), ``price`` (shown quote for one base)."""

HORIZONS = ("0s", "1s", "5s", "15s", "60s")
PRICE_COLUMNS = ("at", "price")
_INSTANT = pl.Datetime("ns", "UTC")
_WEIGHTS: Mapping[str, pl.Expr] = {"orders": pl.lit(1.0), "value": pl.col("size")}
_BPS = 10_000.0


def spread_columns() -> list[pl.Expr]:
    """Return ``effective_spread_bps`` (at arrival) and ``effective_spread_landed_bps``, Float64.

    They read an order table and are null for an order without a fill or without a price.
    """
    paid = 2 * _direction() * _BPS
    fill, arrival, landed = (pl.col(f"price_{name}") for name in ("fill", "accept", "end"))
    return [
        (paid * (fill - arrival) / arrival).alias("effective_spread_bps"),
        (paid * (fill - landed) / landed).alias("effective_spread_landed_bps"),
    ]


def spread_table(tables: Tables, confidence: float = 0.95) -> pl.DataFrame:
    """Return the mean effective spreads of the filled orders, in bps.

    Columns: ``metric`` (``effective_spread_bps``, ``effective_spread_landed_bps``), ``weighting``
    (``orders``: each counts the same; ``value``: by its size in quote tokens), and the six of
    ``analysis.estimates``.
    """
    found = [_filled(table).with_columns(spread_columns()) for table in as_tables(tables)]
    names = [expr.meta.output_name() for expr in spread_columns()]
    return estimate_table(
        (
            (
                {"metric": name, "weighting": weighting},
                estimated(found, _weighted(name, weighting), confidence),
            )
            for name in names
            for weighting in _WEIGHTS
        ),
        {"metric": pl.String, "weighting": pl.String},
    )


def observed_prices(table: pl.DataFrame, market: str | None = None) -> Prices:
    """Return the reference prices that the orders of one market saw, as a price series.

    Those of acceptance and of landing (of the end, for an order without a fill), in order of time;
    of several at one instant the last row's. None takes the market with the most orders.
    """
    known = table.filter(pl.col("price_accept").is_not_null())
    if market is None and not known.is_empty():
        market = str(known["market"].mode().sort()[0])
    known = known.filter(pl.col("market") == (market or ""))
    ended = pl.coalesce("landed_at", "ended_at")
    return (
        pl.concat(
            [
                known.select(at="accepted_at", price="price_accept"),
                known.select(at=ended, price="price_end"),
            ]
        )
        .drop_nulls()
        .sort("at", maintain_order=True)
        .unique("at", keep="last", maintain_order=True)
    )


def with_markouts(
    table: pl.DataFrame,
    prices: Prices | None = None,
    horizons: Sequence[str | int] = HORIZONS,
) -> pl.DataFrame:
    """Return the filled orders of one market with a column ``markout_<horizon>_bps`` a horizon.

    Args:
        table: an order table.
        prices: the market's price series; None takes the prices that the orders saw.
        horizons: after landing: durations such as "400ms" or "5s", or ints of ns. The price is the
            last one at or before that instant; the order has no mark-out where the series begins
            after it, or ends before it.

    Raises:
        InvalidData: the series lacks a column, holds nothing, or does not rise in time.
        InvalidAmount: a horizon is no duration.
    """
    series = observed_prices(table) if prices is None else _checked(prices)
    filled = _filled(table)
    # As an integer: Python's datetime has no nanoseconds.
    last_ns = series.select(pl.col("at").max().cast(pl.Int64)).item() or 0
    for horizon_ns in map(parse_duration, horizons):
        name = f"markout_{_named(horizon_ns)}_bps"
        when = pl.col("landed_at") + pl.duration(nanoseconds=horizon_ns)
        seen = (
            filled.select("number", at=when)
            .sort("at", maintain_order=True)
            .join_asof(series, on="at", check_sortedness=False)
            .with_columns(later=pl.when(pl.col("at").cast(pl.Int64) <= last_ns).then("price"))
            .select("number", "later")
        )
        gain = _direction() * (pl.col("later") - pl.col("price_fill")) / pl.col("price_end")
        filled = (
            filled.join(seen, on="number", how="left", maintain_order="left")
            .with_columns((gain * _BPS).alias(name))
            .drop("later")
        )
    return filled


def markout_table(
    tables: Tables,
    prices: Prices | Sequence[Prices] | None = None,
    horizons: Sequence[str | int] = HORIZONS,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """Return mean mark-out and realised spread at each horizon, in bps.

    ``prices`` is one series for all runs, or one a run; None takes what each run's orders saw.
    ``count`` is the fills whose price at the horizon is known: where it falls from one horizon to
    the next, the late fills are missing.

    Columns: ``metric`` (``markout_bps``, ``realised_spread_bps``), ``horizon`` (such as ``5s``),
    ``horizon_s``, ``weighting`` (``orders``, ``value``), and the six of ``analysis.estimates``.

    Raises:
        InvalidData: not as many series as runs, or as ``with_markouts``.
    """
    found = as_tables(tables)
    series = [prices] * len(found) if prices is None or isinstance(prices, pl.DataFrame) else prices
    if len(series) != len(found):
        raise InvalidData("the price series", str(len(series)), f"one, or {len(found)}: one a run")
    marked = [with_markouts(table, of, horizons) for table, of in zip(found, series, strict=True)]
    rows = []
    for horizon_ns in map(parse_duration, horizons):
        named = _named(horizon_ns)
        for metric, factor in (("markout_bps", 1.0), ("realised_spread_bps", -2.0)):
            for weighting in _WEIGHTS:
                column = f"markout_{named}_bps"
                known = [table.filter(pl.col(column).is_not_null()) for table in marked]
                gain = _weighted(column, weighting, factor)
                names = {
                    "metric": metric,
                    "horizon": named,
                    "horizon_s": horizon_ns / 1e9,
                    "weighting": weighting,
                }
                rows.append((names, estimated(known, gain, confidence)))
    return estimate_table(
        rows,
        {
            "metric": pl.String,
            "horizon": pl.String,
            "horizon_s": pl.Float64,
            "weighting": pl.String,
        },
    )


def _named(horizon_ns: int) -> str:
    return format_duration(horizon_ns) if horizon_ns else "0s"


def _filled(table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(
        (pl.col("status") == "confirmed")
        & pl.col("price_fill").is_not_null()
        & pl.col("price_end").is_not_null()
    )


def _direction() -> pl.Expr:
    return pl.when(pl.col("side") == "buy").then(1.0).otherwise(-1.0)


def _weighted(column: str, weighting: str, factor: float = 1.0) -> Statistic:
    weight = _WEIGHTS[weighting]
    known = pl.when(pl.col(column).is_not_null()).then(weight)
    return ratio(factor * pl.col(column) * weight, known)


def _checked(prices: Prices) -> Prices:
    missing = [name for name in PRICE_COLUMNS if name not in prices.columns]
    if missing or prices.is_empty():
        found = f"the columns {', '.join(prices.columns)}" if missing else "no row"
        raise InvalidData("the price series", found, "rows of the columns at and price")
    series = prices.select(
        at=pl.col("at").cast(_INSTANT) if prices["at"].dtype == pl.Int64 else pl.col("at"),
        price=pl.col("price").cast(pl.Float64),
    )
    if not series["at"].is_sorted():
        raise InvalidData("the price series", "times that fall", "times that rise from row to row")
    return series
