"""Estimate what one step of a field does to a metric: the slope of a line through a sweep's points.

In each replicate the line of least squares is fitted to the points of that replicate, which share
their luck; the figure is the mean of these slopes, with Student's t interval over replicates.

Assumption: the metric moves along a line. Where it misleads: where it bends, the slope is a mean
over the values that were chosen, and other values give another one; so look at the points first.
"""

from __future__ import annotations

import msgspec
import polars as pl

from orderengine.analysis.intervals import Estimate, mean_of
from orderengine.analysis.scales import in_units, on_scale
from orderengine.errors import InvalidData

__all__ = ["slope_of"]


def slope_of(
    table: pl.DataFrame,
    x: str,
    metric: str,
    *,
    step: float | str = 1.0,
    confidence: float = 0.95,
) -> Estimate:
    """Return by how much a metric rises for one step of ``x``.

    Args:
        table: a sweep's: a row a run, with the column ``seed``.
        x: a column of numbers, or of durations such as "250ms".
        metric: a column of numbers. Rows without it are left out, and so are seeds that then have
            fewer than two values of ``x``. Other fields that vary are averaged over.
        step: the step, such as 10 or "100ms"; as a number it is in the units of ``x``, ms for
            durations.
        confidence: of the interval.

    Raises:
        InvalidData: the table lacks a column, or ``x`` is neither numbers nor durations.
    """
    for name in (x, metric, "seed"):
        if name not in table.columns:
            raise InvalidData("the sweep's table", f"no column {name!r}", "one of the table's")
    scale = on_scale(table[x])
    if scale is None:
        raise InvalidData(x, "words", "numbers, or durations with a unit")
    runs = table.select("seed", at=scale[0].cast(pl.Float64), of=pl.col(metric).cast(pl.Float64))
    runs = runs.filter(pl.col("of").is_finite())
    from_mean = (pl.col("at") - pl.col("at").mean()).over("seed")
    slopes = (
        runs.with_columns(from_mean=from_mean)
        .group_by("seed", maintain_order=True)
        .agg(
            above=(pl.col("from_mean") * pl.col("of")).sum(), below=(pl.col("from_mean") ** 2).sum()
        )
        .filter(pl.col("below") > 0)
        .select(pl.col("above") / pl.col("below"))
    )
    found = mean_of(slopes.to_series() * in_units(step), confidence)
    return msgspec.structs.replace(found, method="replicates")
