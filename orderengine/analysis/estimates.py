"""Estimate a figure of a study with its interval, although the orders of one run depend on another.

The orders of one run share prices, queues and blocks, so that an interval which takes them for
independent is too narrow. There are two ways out, and each table of figures says in its column
``method`` which one was taken:

- ``replicates``: given a list of order tables, one a run with a seed of its own, the figure is the
  mean of one figure a run, with Student's t interval. The runs are independent, so this holds.
- ``sections``: given one table, it is cut into 20 spans of orders in the order of their arrival.
  The figure is that of the whole table; its variance is taken from the figures of the spans around
  it (S. Asmussen and P. W. Glynn, Stochastic Simulation, 2007, III.5b and IV.5). For a mean it is
  the method of batch means. It holds where a span is much longer than what one order does to
  later ones: ``are_spans_long`` says whether one is at least as long as an order's life. Where all
  orders are in flight at once, as in the default scenario, it is less than half as wide as it
  should be.

A table of figures has one row a figure. After the columns that name it stand always the same six:

========== ======== ================================================================
value      Float64  the figure; null where no order gives it
low, high  Float64  the interval's bounds; null where nothing bounds the figure
confidence Float64  the chance with which such intervals cover the true figure
count      Int64    orders behind it; with replicates, runs
method     String   how the interval was made
========== ======== ================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf, isfinite, nan, sqrt
from typing import Any

import msgspec
import polars as pl

from orderengine.analysis.intervals import Estimate, mean_of, student_quantile
from orderengine.errors import InvalidData

__all__ = [
    "ESTIMATE_COLUMNS",
    "Statistic",
    "Tables",
    "are_spans_long",
    "as_tables",
    "estimate_table",
    "estimated",
    "ratio",
]

Tables = pl.DataFrame | Sequence[pl.DataFrame]
"""One run's table, or one table a run of the same study with other seeds."""

Statistic = Callable[[pl.DataFrame], float | None]
"""Return a figure of a table; None or NaN where no row gives it."""

SECTIONS = 20
ESTIMATE_COLUMNS: dict[str, type[pl.DataType]] = {
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "confidence": pl.Float64,
    "count": pl.Int64,
    "method": pl.String,
}


def as_tables(tables: Tables) -> list[pl.DataFrame]:
    """Return the tables as a list.

    Raises:
        InvalidData: there is none.
    """
    found = [tables] if isinstance(tables, pl.DataFrame) else list(tables)
    if not found:
        raise InvalidData("the tables", "none", "the order table of at least one run")
    return found


def are_spans_long(table: pl.DataFrame) -> bool:
    """Return whether a span of a run's order table lasts as long as half of the orders do.

    If not, orders of one span are still in flight in the next, and intervals by ``sections`` are
    too narrow.
    """
    arrived_ns, median_ns = table.select(
        (pl.col("accepted_at").max() - pl.col("accepted_at").min()).dt.total_nanoseconds(),
        pl.col("total_ns").median(),
    ).row(0)
    return bool(arrived_ns) and median_ns is not None and arrived_ns >= SECTIONS * median_ns


def estimated(tables: Tables, statistic: Statistic, confidence: float = 0.95) -> Estimate:
    """Return a figure with its interval: over runs if there are several, else over spans of one.

    Runs and spans that give no figure are left out. Rows are taken in the order they stand in, for
    an order table that of arrival.
    """
    found = as_tables(tables)
    if len(found) > 1:
        values = [value for table in found if (value := _value(statistic, table)) is not None]
        return msgspec.structs.replace(mean_of(values, confidence), method="replicates")
    table = found[0]
    whole = _value(statistic, table)
    if whole is None:
        return Estimate(
            value=nan, low=-inf, high=inf, confidence=confidence, count=0, method="sections"
        )
    n, spans = len(table), min(SECTIONS, len(table))
    cut = (table[k * n // spans : (k + 1) * n // spans] for k in range(spans))
    around = [value - whole for span in cut if (value := _value(statistic, span)) is not None]
    half, used = inf, len(around)
    if used >= 2:
        # Around the figure of the whole, not around the mean of the spans: their bias counts.
        variance = sum(distance * distance for distance in around) / (used - 1)
        half = student_quantile(used - 1, confidence) * sqrt(variance / used)
    return Estimate(
        value=whole,
        low=whole - half,
        high=whole + half,
        confidence=confidence,
        count=n,
        method="sections",
    )


def ratio(above: pl.Expr, below: pl.Expr) -> Statistic:
    """Return the statistic sum(above) / sum(below) over the rows where both are known.

    With 1 below it is a plain mean, with a size a mean weighted by value.
    """
    known = above.is_not_null() & below.is_not_null()

    def of(table: pl.DataFrame) -> float | None:
        total, parts = table.select(
            above.filter(known).sum().cast(pl.Float64).alias("above"),
            below.filter(known).sum().cast(pl.Float64).alias("below"),
        ).row(0)
        return total / parts if parts else None

    return of


def estimate_table(
    rows: Iterable[tuple[Mapping[str, Any], Estimate]],
    schema: Mapping[str, type[pl.DataType]],
) -> pl.DataFrame:
    """Return named estimates as a table of figures: the columns of ``schema``, then the six."""
    return pl.DataFrame(
        [dict(names) | _columns(estimate) for names, estimate in rows],
        schema=dict(schema) | ESTIMATE_COLUMNS,
    )


def _columns(estimate: Estimate) -> dict[str, Any]:
    found = {name: getattr(estimate, name) for name in ESTIMATE_COLUMNS}
    bounds = {name: found[name] for name in ("value", "low", "high")}
    return found | {name: v if isfinite(v) else None for name, v in bounds.items()}


def _value(statistic: Statistic, table: pl.DataFrame) -> float | None:
    if table.is_empty():
        return None
    found = statistic(table)
    return None if found is None or not isfinite(found) else float(found)
