"""Write a sweep's or a comparison's report: every cell's figures with intervals, and the charts.

The page is self-contained (``analysis.page``). Intervals are Student's t over the replicates of a
cell, which are independent runs; on common random numbers two cells of one seed are not, and their
difference is known better than the intervals of both suggest: the comparison's part shows that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import polars as pl

from orderengine.analysis import plots
from orderengine.analysis.frontier import cell_means, frontier
from orderengine.analysis.intervals import Estimate
from orderengine.analysis.page import (
    ReportFacts,
    estimate_words,
    figure,
    head,
    html_table,
    page,
    said_at_the_end,
)
from orderengine.analysis.wording import count

__all__ = ["METRICS", "render_sweep_report"]

METRICS = (
    "shortfall_bps.mean",
    "latency_ms.total.p50",
    "latency_ms.total.p95",
    "fill_rate",
)
_COST, _LATENCY = "shortfall_bps.mean", "latency_ms.total.p95"
_SERIES_MAX = 6


def render_sweep_report(  # noqa: PLR0913  (named, each with a default)
    *,
    title: str,
    table: pl.DataFrame,
    by: Sequence[str],
    facts: ReportFacts | None = None,
    metrics: Sequence[str] = METRICS,
    differences: Mapping[str, Estimate] | None = None,
    failures: Sequence[str] = (),
) -> str:
    """Return the page as text; the same arguments give the same page.

    Args:
        title: of the page.
        table: one row a cell and replicate.
        by: the columns that tell cells apart.
        facts: what the table does not say.
        metrics: columns to show, one a column of figures and one a chart for each field; those that
            the table lacks are left out.
        differences: of a comparison, by name, such as paired and unpaired.
        failures: a sentence a cell that failed.

    Raises:
        InvalidData: the table lacks a column of ``by``.
    """
    known = [name for name in metrics if name in table.columns]
    told = facts or ReportFacts()
    body = [head(title, told)]
    if failures:
        items = "".join(f"<li>{escape(text)}</li>" for text in failures)
        said = f"{count(len(failures), 'run')} failed and {'is' if len(failures) == 1 else 'are'}"
        body.append(f"<section><h2>{said} not in the figures</h2><ul>{items}</ul></section>")
    if differences:
        rows = [[name, f"{found}", f"{found.count:,}"] for name, found in differences.items()]
        body += [
            "<section><h2>Difference</h2>",
            figure("difference", _difference_chart(differences, known)),
            html_table(["", "difference", "count"], rows),
            "</section>",
        ]
    if known and not table.is_empty():
        body += [_cells(table, by, known), _front(table, by), *_charts(table, by, known)]
    return page(title, [*body, said_at_the_end(told)])


def _difference_chart(
    differences: Mapping[str, Estimate], metrics: Sequence[str]
) -> plots.AnyChart:
    units = {plots.unit_of(name) for name in metrics}
    return plots.paired_difference(differences, units.pop() if len(units) == 1 else "")


def _cells(table: pl.DataFrame, by: Sequence[str], metrics: Sequence[str]) -> str:
    columns = [cell_means(table, by, metric) for metric in metrics]
    said = [estimate_words(column) for column in columns]
    rows = [
        [*(f"{value}" for value in row), f"{columns[0]['count'][k]}", *(words[k] for words in said)]
        for k, row in enumerate(columns[0].select(by).iter_rows())
    ]
    heads = [*by, "runs", *metrics]
    return (
        '<section><h2>Every cell</h2><div class="life">'
        f"{html_table(heads, rows, texts=len(by))}</div>"
        '<p class="note">Mean over runs of other seeds, and Student\'s 95 % interval.</p></section>'
    )


def _front(table: pl.DataFrame, by: Sequence[str]) -> str:
    if not by or _COST not in table.columns or _LATENCY not in table.columns:
        return ""
    chart = plots.frontier(frontier(table, by, cost=_COST, latency=_LATENCY), by)
    return (
        f"<section><h2>Cost against latency</h2>{figure('front', chart)}"
        '<p class="note">An order that was not filled costs only what the price moved meanwhile, '
        "so look at the fill rate, too.</p></section>"
    )


def _charts(table: pl.DataFrame, by: Sequence[str], metrics: Sequence[str]) -> list[str]:
    """Return a section a field that varies; a second field with few values gives the colours."""
    varied = [name for name in by if table[name].n_unique() > 1]
    found = []
    for field in varied:
        others = [n for n in varied if n != field and table[n].n_unique() <= _SERIES_MAX]
        color = others[0] if others else None
        charts = [
            figure(f"over-{varied.index(field)}-{k}", plots.metric_over(table, field, name, color))
            for k, name in enumerate(metrics)
        ]
        found.append(f"<section><h2>Over {escape(field)}</h2>{''.join(charts)}</section>")
    return found
