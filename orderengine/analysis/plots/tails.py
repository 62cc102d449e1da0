"""Draw latencies into the far tail, on an axis that gives each further nine the same room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from orderengine.analysis.latency import STAGE_WORDS, durations_of
from orderengine.analysis.percentiles import hdr_points, percentile_table
from orderengine.analysis.plots import theme
from orderengine.analysis.plots.theme import HEIGHT, WIDTH, AnyChart
from orderengine.analysis.wording import count

__all__ = ["hdr_latency"]

_LABELS = (
    "datum.value == 0 ? '0 %' : format(100 - 100 * pow(10, -datum.value), "
    "'.' + max(0, datum.value - 2) + 'f') + ' %'"
)


def hdr_latency(table: pl.DataFrame, stages: Sequence[str] = ("total",)) -> AnyChart:
    """Draw each stage's latency by percentile, as hdrhistogram's plots do, with 95 % intervals.

    The horizontal axis is log10 of 1 / (1 - q). Latency counts from the intended start, so that a
    stall shows in all orders that it kept waiting.
    """
    heading = "Latency by percentile"
    known = [stage for stage in stages if f"{stage}_ns" in table.columns]
    curves: list[dict[str, Any]] = []
    for stage in known:
        curves += hdr_points(table, stage).with_columns(stage=pl.lit(STAGE_WORDS[stage])).to_dicts()
    if not curves:
        return theme.nothing(heading, "no order has ended")
    ranked = percentile_table(table, known).with_columns(
        nines=-(1 - pl.col("q")).log10(), stage=pl.col("stage").replace_strict(STAGE_WORDS)
    )
    bars = ranked.filter(pl.col("low").is_not_null() & pl.col("high").is_not_null())
    names = [STAGE_WORDS[stage] for stage in known]
    colour, dash = theme.lines("stage", names)
    most = max(curve["nines"] for curve in curves)
    x = alt.X(
        "nines:Q",
        title="percentile",
        scale=alt.Scale(domain=[0, max(1.0, most)], nice=False),
        axis=alt.Axis(values=list(range(int(most) + 2)), labelExpr=_LABELS),
    )
    line = (
        alt.Chart(alt.InlineData(values=curves))
        .mark_line(strokeWidth=1.8, interpolate="step-after")
        .encode(x=x, y=alt.Y("ms:Q", title="ms"), color=colour, strokeDash=dash, order="nines:Q")
    )
    around = alt.Chart(
        alt.InlineData(values=bars.select("nines", "low", "high", "value", "stage").to_dicts())
    ).encode(x=x, color=colour)
    rule = around.mark_rule(strokeWidth=1.4).encode(y="low:Q", y2="high:Q")
    point = around.mark_circle(size=34, opacity=1).encode(y="value:Q")
    total = len(durations_of(table, "total"))
    told = f"{count(total, 'order')} that ended; bars are 95 % intervals between order statistics"
    layers = [line, rule, point] if len(bars) else [line]
    return theme.themed(
        alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=theme.title(heading, told))
    )
