"""Write a study's report: one page of figures with intervals, charts, assumptions and the scenario.

The page is self-contained (``analysis.page``). Intervals are those of one run
(``analysis.estimates``); a sweep's report has those over replicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from orderengine.analysis import plots
from orderengine.analysis.costs import PART_WORDS
from orderengine.analysis.estimates import are_spans_long
from orderengine.analysis.latency import STAGE_WORDS
from orderengine.analysis.page import (
    ReportFacts,
    estimate_words,
    figure,
    head,
    html_table,
    page,
    said_at_the_end,
    write_page,
)
from orderengine.analysis.percentiles import QUANTILES, percentile_table
from orderengine.analysis.report_figures import summary_tables, tiles
from orderengine.analysis.reverts import attempt_table, revert_table
from orderengine.analysis.sizes import cost_by_size
from orderengine.analysis.spreads import markout_table, spread_table
from orderengine.analysis.summary import summarise
from orderengine.analysis.timeline import timeline
from orderengine.analysis.waits import little_table, wait_table
from orderengine.model.events import Event

__all__ = ["ReportFacts", "render_report", "write_report"]

_HORIZONS_MIN = 0.9
"""A horizon is shown if as many of the fills have a price at it."""
_SPREADS = {
    "effective_spread_bps": "effective spread, to the price at acceptance",
    "effective_spread_landed_bps": "effective spread, to the price at landing",
}
_WAITS = {
    "wait_mean": "wait for a worker, mean",
    "wait_p95": "wait for a worker, p95",
    "wait_p99": "wait for a worker, p99",
    "wait_chance": "chance to wait at all",
    "service_mean": "time with a worker, mean",
    "arrival_rate": "arrivals",
    "offered_load": "offered load a worker",
}


def write_report(
    path: Path | str,
    *,
    title: str,
    facts: ReportFacts,
    logs: Sequence[Sequence[Event]],
    table: pl.DataFrame,
) -> Path:
    """Write the page, whole or not at all, and return its path; ``table`` is ``order_table(logs)``.

    Raises:
        InvalidData: the path cannot be written, or holds no regular file; nothing is left behind.
    """
    return write_page(path, render_report(title=title, facts=facts, logs=logs, table=table))


def render_report(
    *, title: str, facts: ReportFacts, logs: Sequence[Sequence[Event]], table: pl.DataFrame
) -> str:
    """Return the page as text; the same arguments give the same page."""
    summary = summarise(table)
    reverts = revert_table(attempt_table(logs))
    return page(
        title,
        [
            head(title, facts),
            tiles(summary),
            summary_tables(summary),
            _trust(table),
            "<section><h2>Time</h2>",
            figure("latency", plots.latency(table)),
            figure("tail", plots.hdr_latency(table, ("quote", "landing", "total"))),
            _percentiles(table),
            figure("in-flight", plots.in_flight(logs)),
            _queue(table, facts.workers),
            "</section><section><h2>Cost</h2>",
            figure("shortfall", plots.shortfall(table)),
            figure("sizes", plots.cost_by_size(cost_by_size(table))),
            _costs(table),
            figure("markout", plots.markout(_markouts(table))),
            figure("price", plots.price(table)),
            figure("venues", plots.venues(table)),
            "</section><section><h2>Attempts</h2>",
            figure("reverts", plots.revert_rates(reverts)),
            _reverts(reverts),
            "</section>",
            _one_order(logs, table),
            said_at_the_end(facts),
        ],
    )


def _trust(table: pl.DataFrame) -> str:
    if table.is_empty() or are_spans_long(table):
        return ""
    return (
        '<p class="note">The orders of this run came within so short a time that most were in '
        "flight together. Intervals from this one run are too narrow: take those of a sweep over "
        "seeds.</p>"
    )


def _percentiles(table: pl.DataFrame) -> str:
    figures = percentile_table(table)
    if figures.is_empty():
        return ""
    rows = []
    for stage in dict.fromkeys(figures["stage"]):
        of = figures.filter(pl.col("stage") == stage)
        words = [text.replace(" [", "\n[") for text in estimate_words(of)]
        said = dict(zip(of["percentile"], words, strict=True))
        rows.append([STAGE_WORDS[stage], *(said.get(name, "") for name in QUANTILES)])
    shown = [name for k, name in enumerate(QUANTILES, 1) if any(row[k] for row in rows)]
    rows = [row[: 1 + len(shown)] for row in rows]
    return (
        f'<div class="life"><h3>Percentiles, ms</h3>{html_table(["", *shown], rows)}'
        '<p class="note">95 % intervals between order statistics, which take orders for '
        "independent. Latency counts from the intended start.</p></div>"
    )


def _queue(table: pl.DataFrame, workers: int) -> str:
    if workers < 1 or table.is_empty():
        return ""
    figures = wait_table(table, workers)
    said = estimate_words(figures)
    rows = [
        [_WAITS[metric], unit if unit != "share" else "", words]
        for metric, unit, words in zip(figures["metric"], figures["unit"], said, strict=True)
    ]
    law = little_table(table).row(0, named=True)
    left, right = law["mean_open"], law["rate_times_mean"]
    return (
        f"<h3>The queue, {workers:,} workers</h3>{html_table(['', '', ''], rows, texts=2)}"
        f'<p class="note">Little\'s law: on average {left:,.4g} orders waited; '
        f"arrival rate times mean wait is {right:,.4g}.</p>"
    )


def _costs(table: pl.DataFrame) -> str:
    spreads = spread_table(table)
    every = cost_by_size(table, buckets=1).filter(pl.col("bucket") == -1)
    if every["value"].is_null().all():
        return ""
    rows = []
    for words, of in [
        *(
            (PART_WORDS.get(part, "shortfall in all"), every.filter(pl.col("part") == part))
            for part in (*PART_WORDS, "shortfall")
        ),
        *((words, spreads.filter(pl.col("metric") == name)) for name, words in _SPREADS.items()),
    ]:
        rows.append([words, *estimate_words(of)])
    return (
        "<h3>Cost in bps, with intervals</h3>"
        + html_table(["", "mean over orders", "weighted by size"], rows)
        + '<p class="note">95 % intervals over spans of this run. Spreads are of filled orders '
        "and count twice, as from bid to ask.</p>"
    )


def _markouts(table: pl.DataFrame) -> pl.DataFrame:
    figures = markout_table(table)
    fills = table.filter(pl.col("status") == "confirmed").height
    return figures.filter(pl.col("count") >= _HORIZONS_MIN * fills)


def _reverts(figures: pl.DataFrame) -> str:
    fee = figures.filter((pl.col("metric") == "fee_per_fill") & pl.col("value").is_not_null())
    if fee.is_empty():
        return ""
    said = estimate_words(fee)[0]
    return f'<p class="note">Fees of reverted transactions, for each fill: {said} lamports.</p>'


def _one_order(logs: Sequence[Sequence[Event]], table: pl.DataFrame) -> str:
    """Return the life of the filled order at p95 of the total, else of the first order."""
    if table.is_empty():
        return ""
    filled = table.filter(pl.col("status") == "confirmed").sort("total_ns", "number")
    if filled.is_empty():
        number, why = 0, "the first one, for none was filled"
    else:
        number = filled["number"][max(0, -(-95 * len(filled) // 100) - 1)]
        why = "the filled order that took longer than 95 % of them"
    log = logs[number]
    return (
        f"<section><h2>One order</h2><p>Order number {number:,}: {why}.</p>"
        f"{figure('timeline', plots.timeline(log))}"
        f'<div class="life">{timeline(log).events_html()}</div></section>'
    )
