"""Find which cells of a sweep trade cost against latency best: the Pareto front.

A cell is on the front if no other has both figures at most as large and one smaller (V. Pareto,
1906). The front is that of the means: where intervals overlap, a cell off it may belong on it, so
``may_be`` says which cells no other beats for certain, that is by whole intervals.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from orderengine.analysis.intervals import mean_of
from orderengine.errors import InvalidData

__all__ = ["cell_means", "frontier"]


def cell_means(
    table: pl.DataFrame, by: Sequence[str], metric: str, confidence: float = 0.95
) -> pl.DataFrame:
    """Return the mean of a metric over the replicates of each cell, with Student's t interval.

    Columns: those of ``by``, then ``value``, ``low``, ``high`` (null where nothing bounds them) and
    ``count`` (replicates). Cells stand in the order in which the table has them; replicates
    without the metric are left out. Where a column ``seed`` says that several rows of a cell share
    a seed, as when another field varies, they are averaged first: they are not independent.

    Raises:
        InvalidData: the table lacks a column.
    """
    for name in (*by, metric):
        if name not in table.columns:
            raise InvalidData("the sweep's table", f"no column {name!r}", _known(table))
    rows = []
    cells = table.partition_by(by, maintain_order=True) if by else [table]
    for cell in cells:
        known = cell.select(
            *(n for n in cell.columns if n == "seed"), of=pl.col(metric).cast(pl.Float64)
        )
        known = known.filter(pl.col("of").is_finite())
        if "seed" in known.columns:
            known = known.group_by("seed", maintain_order=True).agg(pl.col("of").mean())
        values = known["of"]
        found = mean_of(values, confidence)
        bounds = (found.value, found.low, found.high) if found.count else (None, None, None)
        shown = (None if found.count < 2 and i else bound for i, bound in enumerate(bounds))
        rows.append((*cell.select(by).row(0), *shown, found.count))
    schema: dict[str, pl.DataType | type[pl.DataType]] = {n: table.schema[n] for n in by}
    schema |= {"value": pl.Float64, "low": pl.Float64, "high": pl.Float64, "count": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def frontier(
    table: pl.DataFrame,
    by: Sequence[str],
    *,
    cost: str = "shortfall_bps.mean",
    latency: str = "latency_ms.total.p95",
    confidence: float = 0.95,
) -> pl.DataFrame:
    """Return one row a cell of a sweep's table: cost and latency with intervals, and the front.

    Columns: those of ``by``; ``cost``, ``cost_low``, ``cost_high``; ``latency``, ``latency_low``,
    ``latency_high``; ``count``; ``on_front`` and ``may_be`` (booleans; see the module's docstring).
    Less is better in both. Cells without either figure are left out.
    """
    found = cell_means(table, by, cost, confidence)
    other = cell_means(table, by, latency, confidence)
    names = {"value": "", "low": "_low", "high": "_high"}
    both = pl.concat(
        [
            found.rename({name: f"cost{end}" for name, end in names.items()}),
            other.select(pl.col(name).alias(f"latency{end}") for name, end in names.items()),
        ],
        how="horizontal",
    ).filter(pl.col("cost").is_not_null() & pl.col("latency").is_not_null())
    points = both.select("cost", "latency").rows()
    lows = both.select(
        pl.coalesce("cost_low", "cost"), pl.coalesce("latency_low", "latency")
    ).rows()
    highs = both.select(
        pl.coalesce("cost_high", "cost"), pl.coalesce("latency_high", "latency")
    ).rows()
    figures = [name for name in both.columns if name not in {*by, "count"}]
    return both.with_columns(
        on_front=pl.Series(
            [not any(_beats(rival, point) for rival in points) for point in points],
            dtype=pl.Boolean,
        ),
        may_be=pl.Series(
            [
                not any(_beats(rival, low) for j, rival in enumerate(highs) if j != i)
                for i, low in enumerate(lows)
            ],
            dtype=pl.Boolean,
        ),
    ).select(*by, *figures, "count", "on_front", "may_be")


def _beats(rival: tuple[float, float], point: tuple[float, float]) -> bool:
    is_as_good = all(a <= b for a, b in zip(rival, point, strict=True))
    return is_as_good and rival != point


def _known(table: pl.DataFrame) -> str:
    return f"one of {', '.join(table.columns)}"
