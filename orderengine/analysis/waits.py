"""Measure a queue from order tables: waits, how busy its workers were, and Little's law.

A worker holds an order from its claim to its end. So an order waits from accepted to claimed, and
is served from claimed to ended. The share of time that ``c`` workers are busy is the mean number of
orders with a worker, ``mean_open`` of ``workers`` in ``little_table``, over c.

Little's law, L = λ · W (J. D. C. Little, Operations Research 9(3), 1961), is checked by two counts
that share no code: L integrates the number of orders that wait over time, event by event, and λ · W
is the arrival rate times the mean wait. Over a run that starts and ends empty they are equal, up to
rounding; a difference means that a wait is counted twice or not at all.
"""

from __future__ import annotations

import polars as pl

from orderengine.analysis.estimates import (
    Statistic,
    Tables,
    as_tables,
    estimate_table,
    estimated,
    ratio,
)
from orderengine.analysis.intervals import quantile_of
from orderengine.errors import InvalidData

__all__ = ["little_table", "wait_table"]


def wait_table(
    tables: Tables, workers: int, *, warm_up: int = 0, confidence: float = 0.95
) -> pl.DataFrame:
    """Return what queueing theory speaks of, measured.

    Args:
        tables: one order table, or one a run.
        workers: orders served at once.
        warm_up: as many orders at the start of each run are left out, for a queue that starts empty
            is shorter than one that has run for long.
        confidence: of the intervals.

    Returns:
        ``metric``, ``unit`` and the six of ``analysis.estimates``: ``wait_mean`` (ms),
        ``wait_p95`` and ``wait_p99`` (ms; in a span of fewer than 100 orders the latter is the
        longest wait), ``wait_chance`` (share of orders that waited at all), ``service_mean`` (ms),
        ``arrival_rate`` (1/s), ``offered_load`` (λ · mean service / workers: what theory
        calls rho; above 1 the queue grows for as long as orders arrive). Orders never claimed
        (cancelled while they waited) are no part of it.

    Raises:
        InvalidData: ``workers`` is below 1, or ``warm_up`` below 0.
    """
    if workers < 1:
        raise InvalidData("the workers", str(workers), "1 or more")
    if warm_up < 0:
        raise InvalidData("the warm-up", str(warm_up), "0 or more orders")
    found = [_served(table[warm_up:]) for table in as_tables(tables)]
    found = [table.drop_nulls("wait_ns") for table in found]
    one, wait, service = pl.lit(1.0), pl.col("wait_ns"), pl.col("service_ns")
    gap_s = pl.col("gap_ns") / 1e9
    metrics = {
        "wait_mean": ("ms", ratio(wait / 1e6, _each(wait, one))),
        "wait_p95": ("ms", _quantile(0.95)),
        "wait_p99": ("ms", _quantile(0.99)),
        "wait_chance": ("share", ratio((wait > 0).cast(pl.Float64), _each(wait, one))),
        "service_mean": ("ms", ratio(service / 1e6, _each(service, one))),
        "arrival_rate": ("1/s", ratio(_each(gap_s, one), gap_s)),
        "offered_load": ("share", ratio(_each(gap_s, service) / 1e9, gap_s * workers)),
    }
    return estimate_table(
        (
            ({"metric": name, "unit": unit}, estimated(found, statistic, confidence))
            for name, (unit, statistic) in metrics.items()
        ),
        {"metric": pl.String, "unit": pl.String},
    )


def little_table(table: pl.DataFrame) -> pl.DataFrame:
    """Return both sides of Little's law for one run: of the queue, the workers, and both together.

    Columns: ``part`` (``queue``, ``workers``, ``all``), ``mean_open`` (L: orders there, averaged
    over time), ``rate_per_s`` (λ), ``mean_s`` (W), ``rate_times_mean`` (λ · W). Time runs from the
    first accepted order to the last end; an order that never ended counts until then.
    """
    last = pl.max_horizontal(pl.col("ended_at").max(), pl.col("accepted_at").max())
    spans = table.select(
        begin=pl.col("accepted_at").cast(pl.Int64),
        claimed=pl.coalesce("claimed_at", "ended_at").fill_null(last).cast(pl.Int64),
        end=pl.col("ended_at").fill_null(last).cast(pl.Int64),
    )
    rows = []
    for part, begin, end in (
        ("queue", "begin", "claimed"),
        ("workers", "claimed", "end"),
        ("all", "begin", "end"),
    ):
        total_ns = spans.select(pl.col("end").max() - pl.col("begin").min()).item() or 0
        mean_ns = spans.select((pl.col(end) - pl.col(begin)).mean()).item() or 0.0
        rate = len(spans) / total_ns if total_ns else 0.0
        rows.append(
            {
                "part": part,
                "mean_open": _open(spans, begin, end) / total_ns if total_ns else 0.0,
                "rate_per_s": rate * 1e9,
                "mean_s": mean_ns / 1e9,
                "rate_times_mean": rate * mean_ns,
            }
        )
    names = ("mean_open", "rate_per_s", "mean_s", "rate_times_mean")
    return pl.DataFrame(rows, schema={"part": pl.String} | dict.fromkeys(names, pl.Float64))


def _served(table: pl.DataFrame) -> pl.DataFrame:
    """Return waits, services and gaps between arrivals, in ns; null where there is none."""
    return table.sort("accepted_at", maintain_order=True).select(
        wait_ns=(pl.col("claimed_at") - pl.col("accepted_at")).dt.total_nanoseconds(),
        service_ns=(pl.col("ended_at") - pl.col("claimed_at")).dt.total_nanoseconds(),
        gap_ns=pl.col("accepted_at").diff().dt.total_nanoseconds(),
    )


def _each(where: pl.Expr, value: pl.Expr) -> pl.Expr:
    return pl.when(where.is_not_null()).then(value)


def _quantile(q: float) -> Statistic:
    def of(table: pl.DataFrame) -> float | None:
        waits = table["wait_ns"].drop_nulls()
        return quantile_of(waits, q).value / 1e6 if len(waits) else None

    return of


def _open(spans: pl.DataFrame, begin: str, end: str) -> int:
    """Return the number of spans that are open, integrated over time, in ns."""
    steps = (
        pl.concat(
            [
                spans.select(at=begin, change=pl.lit(1, dtype=pl.Int64)),
                spans.select(at=end, change=pl.lit(-1, dtype=pl.Int64)),
            ]
        )
        .sort("at")
        .with_columns(open=pl.col("change").cum_sum(), lasts=-pl.col("at").diff(-1))
    )
    return int(steps.select((pl.col("open") * pl.col("lasts").fill_null(0)).sum()).item())
