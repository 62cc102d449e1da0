"""Rank latencies far into the tail, stage by stage, with an interval for each percentile.

Every order counts, from its intended start: ``accepted_at`` is the instant at which the order was
to arrive, not the one at which the engine first had time for it. So a stall shows in every order
that should have been served meanwhile, and no coordinated omission hides it (G. Tene, "How NOT to
measure latency", 2013). In a closed loop, where the next order waits for the last one, there is no
intended start to miss, and tails look better than an open loop's at the same load.

Percentiles are nearest ranks, always one of the observed durations. For one run the interval stands
between two order statistics (``analysis.intervals.quantile_of``), which holds for any distribution
but takes the orders for independent: bursts make it too narrow. Given several runs it is Student's
t over one percentile a run; the far tail then needs runs long enough to reach it.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from orderengine.analysis.estimates import (
    Statistic,
    Tables,
    as_tables,
    estimate_table,
    estimated,
)
from orderengine.analysis.intervals import quantile_of
from orderengine.analysis.latency import STAGES, durations_of
from orderengine.errors import InvalidData

__all__ = ["QUANTILES", "hdr_points", "percentile_table"]

QUANTILES = {
    "p50": 0.5,
    "p90": 0.9,
    "p95": 0.95,
    "p99": 0.99,
    "p99.9": 0.999,
    "p99.99": 0.9999,
}
_POINTS_A_DECADE = 24


def percentile_table(
    tables: Tables,
    stages: Sequence[str] = (*STAGES, "total"),
    quantiles: dict[str, float] | None = None,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """Return percentiles in ms for each stage.

    Stages are ranked over filled orders, ``total`` over all that ended and were let in. A
    percentile for which there are too few orders (fewer than 1 / (1 - q)) is left out: it would be
    the maximum.

    Columns: ``stage``, ``percentile`` (such as ``p99.9``), ``q``, ``unit`` (``ms``), and the six of
    ``analysis.estimates``; ``method`` is ``order_statistics`` or ``replicates``.

    Raises:
        InvalidData: a quantile is not between 0 and 1.
    """
    found = as_tables(tables)
    asked = QUANTILES if quantiles is None else quantiles
    for q in asked.values():
        if not 0 < q < 1:
            raise InvalidData("the quantile", str(q), "a number between 0 and 1")
    rows = []
    for stage in stages:
        durations = [_durations_ms(table, stage) for table in found]
        least = min(map(len, durations))
        for name, q in asked.items():
            if least * (1 - q) < 1 - 1e-9 and q > 0.5:
                continue
            if len(found) == 1:
                estimate = quantile_of(durations[0], q, confidence)
            else:
                frames = [series.to_frame() for series in durations]
                estimate = estimated(frames, _ranked(stage, q), confidence)
            rows.append(({"stage": stage, "percentile": name, "q": q, "unit": "ms"}, estimate))
    return estimate_table(
        rows, {"stage": pl.String, "percentile": pl.String, "q": pl.Float64, "unit": pl.String}
    )


def hdr_points(table: pl.DataFrame, stage: str = "total") -> pl.DataFrame:
    """Return the points of a percentile plot: ``q``, ``nines`` = log10(1 / (1 - q)), ``ms``.

    Equally far apart in ``nines``, from the median's 0 up to one order in all of them, and the
    largest latency at the end; so the far tail has as many points as the middle.
    """
    ordered = _durations_ms(table, stage).sort()
    n = len(ordered)
    # n - k orders are at or below: of those above, as many as the next power of the grid.
    above = {n} if n else set()
    at = 0
    while n and 10 ** (at / _POINTS_A_DECADE) <= n:
        above.add(round(n / 10 ** (at / _POINTS_A_DECADE)))
        at += 1
    ranks = sorted({max(1, n - k + 1) for k in above} | {n}) if n else []
    # The rank r of n is the quantile (r - 1/2) / n: the largest must not be at infinity.
    q = [(rank - 0.5) / n for rank in ranks]
    points = pl.DataFrame(
        {"q": q, "ms": [float(ordered[rank - 1]) for rank in ranks]},
        schema={"q": pl.Float64, "ms": pl.Float64},
    )
    return points.select("q", nines=-(1 - pl.col("q")).log10(), ms="ms")


def _durations_ms(table: pl.DataFrame, stage: str) -> pl.Series:
    name = f"{stage}_ns"
    if name not in table.columns:
        raise InvalidData("the stage", stage, f"one of {', '.join((*STAGES, 'total'))}")
    return (durations_of(table, stage) / 1e6).rename(stage)


def _ranked(stage: str, q: float) -> Statistic:
    def of(frame: pl.DataFrame) -> float | None:
        return quantile_of(frame[stage], q).value

    return of
