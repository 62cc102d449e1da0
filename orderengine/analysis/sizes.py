"""Measure what orders cost by their size: shortfall and its parts, a row a bucket of sizes.

A bucket's mean is taken once over orders (``orders``: what a typical order pays) and once weighted
by size (``value``: what a unit of money pays). The two part where large orders cost more.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import polars as pl

from orderengine.analysis.costs import PARTS, counted
from orderengine.analysis.estimates import (
    Tables,
    as_tables,
    estimate_table,
    estimated,
    ratio,
)
from orderengine.errors import InvalidData

__all__ = ["cost_by_size", "size_edges"]


def size_edges(tables: Tables, buckets: int = 10) -> list[float]:
    """Return the inner edges that cut the sizes of all counted orders into equally full buckets.

    Nearest ranks, each edge once: many orders of one size give fewer buckets.

    Raises:
        InvalidData: ``buckets`` is below 1.
    """
    if buckets < 1:
        raise InvalidData("the buckets", str(buckets), "1 or more")
    sizes = pl.concat([_sized(table)["size"] for table in as_tables(tables)]).sort()
    n = len(sizes)
    if not n:
        return []
    found = {float(sizes[n * k // buckets]) for k in range(1, buckets)}
    return sorted(edge for edge in found if edge > sizes[0])


def cost_by_size(
    tables: Tables,
    *,
    buckets: int = 10,
    edges: Sequence[float] | None = None,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """Return the mean shortfall and its parts by size, in bps, of orders that ended.

    Sizes are in the quote token that most orders have; orders of other markets, and cancelled ones,
    are left out. ``edges`` are inner edges, rising, in quote tokens: a bucket holds the sizes from
    its lower edge to below its upper one. None takes quantiles of all runs' sizes.

    Columns: ``bucket`` (from 0; -1 is all sizes), ``quote``, ``size_low`` and ``size_high`` (quote
    tokens, null where open), ``part`` (``shortfall``, ``price_impact``, ``fees``, ``delay``,
    ``failure``), ``weighting`` (``orders``, ``value``), and the six of ``analysis.estimates``.
    """
    found = as_tables(tables)
    sized = [_sized(table) for table in found]
    inner = size_edges(sized, buckets) if edges is None else sorted(edges)
    bounds = [(low, high) for low, high in zip([-inf, *inner], [*inner, inf], strict=True)]
    quote = next((str(table["quote"][0]) for table in sized if not table.is_empty()), "")
    rows = []
    for bucket, (low, high) in [(-1, (-inf, inf)), *enumerate(bounds)]:
        inside = [
            table.filter((pl.col("size") >= low) & (pl.col("size") < high)) for table in sized
        ]
        for part in ("shortfall", *PARTS):
            for weighting, weight in (("orders", pl.lit(1.0)), ("value", pl.col("size"))):
                cost = pl.col(f"{part}_bps")
                mean = ratio(cost * weight, pl.when(cost.is_not_null()).then(weight))
                names = {
                    "bucket": bucket,
                    "quote": quote,
                    "size_low": None if low == -inf else low,
                    "size_high": None if high == inf else high,
                    "part": part,
                    "weighting": weighting,
                }
                rows.append((names, estimated(inside, mean, confidence)))
    return estimate_table(
        rows,
        {
            "bucket": pl.Int64,
            "quote": pl.String,
            "size_low": pl.Float64,
            "size_high": pl.Float64,
            "part": pl.String,
            "weighting": pl.String,
        },
    )


def _sized(table: pl.DataFrame) -> pl.DataFrame:
    """Return the orders that count, with ``quote``, of the quote token that most of them have."""
    if "quote" in table.columns:
        return table
    orders = counted(table).filter(pl.col("size").is_not_null())
    orders = orders.with_columns(quote=pl.col("market").str.split("/").list.last())
    if orders.is_empty():
        return orders
    return orders.filter(pl.col("quote") == orders["quote"].mode().sort()[0])
