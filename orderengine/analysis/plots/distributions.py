"""Draw what orders have in common: their latency by stage, their cost by size, their venues."""

from __future__ import annotations

from math import floor, log10
from typing import Any

import altair as alt
import polars as pl

from orderengine.analysis import palette
from orderengine.analysis.costs import PART_WORDS, PARTS, counted
from orderengine.analysis.latency import STAGE_WORDS, STAGES, nearest_rank
from orderengine.analysis.plots import theme
from orderengine.analysis.plots.theme import HEIGHT, WIDTH, AnyChart
from orderengine.analysis.summary import venue_counts
from orderengine.analysis.wording import count

__all__ = ["latency", "shortfall", "venues"]

_BUCKETS = 6
_VENUES_SHOWN = 10


def latency(table: pl.DataFrame) -> AnyChart:
    """Draw, for each stage, the share of filled orders that were through it within x ms.

    Above it, the mean stages of a filled order one after another. The curves are steps: where no
    order lies, for example between no earlier attempt and the first ones, they stay level.
    """
    heading = "How long each stage takes"
    filled = table.filter(pl.col("status") == "confirmed")
    if filled.is_empty():
        return theme.nothing(heading, "no order was filled")
    points: list[dict[str, Any]] = []
    means: list[dict[str, Any]] = []
    for place, stage in enumerate((*STAGES, "total")):
        ordered, words = filled[f"{stage}_ns"].sort(), STAGE_WORDS[stage]
        for percent in range(101):
            ms = (nearest_rank(ordered, percent) or 0) / 1e6
            points.append({"stage": words, "percent": percent, "ms": ms})
        mean_ms = float(ordered.sum()) / len(ordered) / 1e6
        means.append({"stage": words, "place": place, "ms": mean_ms})
    colour = theme.colour(
        "stage", [STAGE_WORDS[s] for s in palette.STAGES], palette.STAGES.values()
    )
    bar = (
        alt.Chart(alt.InlineData(values=means[:-1]))
        .mark_bar(height=20)
        .encode(
            x=alt.X("ms:Q", title="mean of a filled order, ms", scale=alt.Scale(nice=False)),
            order="place:O",
            color=colour,
        )
        .properties(width=WIDTH, height=24)
    )
    curves = (
        alt.Chart(alt.InlineData(values=points))
        .mark_line(strokeWidth=2.2, interpolate="step-after")
        .encode(
            order="percent:Q",
            x=alt.X(
                "ms:Q",
                title="ms, on a logarithmic scale from 1 ms up",
                scale=alt.Scale(type="symlog", constant=1, nice=False),
                axis=alt.Axis(values=_powers(points[-1]["ms"]), format=",~r"),
            ),
            y=alt.Y("percent:Q", title="% of filled orders", scale=alt.Scale(domain=[0, 100])),
            color=colour,
        )
        .properties(width=WIDTH, height=HEIGHT)
    )
    total = filled["total_ns"].sort()
    half, most = (f"{(nearest_rank(total, p) or 0) / 1e6:,.0f} ms" for p in (50, 95))
    told = f"Half of the filled orders were done within {half}, 95 % within {most}"
    return theme.themed(alt.vconcat(bar, curves, title=theme.title(heading, told)))


def _powers(most: float) -> list[float]:
    return [0.0, *(10.0**k for k in range(max(1, floor(log10(max(1.0, most))) + 1)))]


def shortfall(table: pl.DataFrame) -> AnyChart:
    """Draw the mean parts of the shortfall, in bps, by order size, and the total as a mark.

    Sizes are in the quote token that most orders have; orders of other markets are left out.
    Bucket edges are quantiles of the size, rounded to one digit.
    """
    heading = "What an order costs, by its size"
    orders = counted(table).filter(pl.col("size").is_not_null())
    if orders.is_empty():
        return theme.nothing(heading, "no order ended that has a cost")
    orders = orders.with_columns(quote=pl.col("market").str.split("/").list.last())
    quote = orders["quote"].mode().sort()[0]
    orders = orders.filter(pl.col("quote") == quote)
    edges = _edges(orders["size"])
    bucket = pl.sum_horizontal(pl.lit(0), *(pl.col("size") >= edge for edge in edges))
    means = [pl.col(f"{name}_bps").mean().alias(name) for name in (*PARTS, "shortfall")]
    found = orders.group_by(bucket=bucket).agg(pl.len().alias("orders"), *means).sort("bucket")
    rows = found.with_columns(
        size=pl.Series(
            [
                _range(edges, b) + f"|{count(n, 'order')}"
                for b, n in found["bucket", "orders"].iter_rows()
            ]
        )
    )
    bars = [
        {"size": row["size"], "part": PART_WORDS[part], "place": i, "bps": row[part]}
        for row in rows.to_dicts()
        for i, part in enumerate(PARTS)
    ]
    order = rows["size"].to_list()
    x = alt.X(
        "size:N",
        sort=order,
        title=f"size at acceptance, {quote}",
        axis=alt.Axis(labelAngle=0, labelExpr="split(datum.label, '|')", domain=False, ticks=False),
        scale=alt.Scale(paddingInner=0.45, paddingOuter=0.3),
    )
    stacked = (
        alt.Chart(alt.InlineData(values=bars))
        .mark_bar()
        .encode(
            x=x,
            y=alt.Y("bps:Q", title="mean cost, bps of the price at acceptance"),
            order="place:O",
            color=theme.colour("part", PART_WORDS.values(), palette.PARTS.values()),
        )
    )
    marks = alt.Chart(alt.InlineData(values=rows.select("size", "shortfall").to_dicts())).encode(
        x=alt.X("size:N", sort=order, bandPosition=1), y="shortfall:Q"
    )
    point = marks.mark_point(
        shape="diamond", filled=True, size=60, color=palette.INK, opacity=1, xOffset=9
    )
    text = marks.mark_text(align="left", dx=17, fontSize=12, color=palette.INK).encode(
        text=alt.Text("shortfall:Q", format=",.1f")
    )
    zero = (
        alt.Chart(alt.InlineData(values=[{"y": 0}])).mark_rule(color=palette.MUTED).encode(y="y:Q")
    )
    told = "Parts of the implementation shortfall; the diamond is their sum, below 0 is a gain"
    return theme.themed(
        alt.layer(
            stacked, zero, point, text, width=WIDTH, height=HEIGHT, title=theme.title(heading, told)
        )
    )


def _edges(sizes: pl.Series) -> list[float]:
    """Return rising inner bucket edges: quantiles rounded to one significant digit."""
    ordered = sizes.sort()
    edges = []
    for k in range(1, _BUCKETS):
        found = nearest_rank(ordered, 100 * k // _BUCKETS) or 0.0
        digit = 10.0 ** floor(log10(found)) if found > 0 else 1.0
        edges.append(round(found / digit) * digit)
    low, high = ordered[0], ordered[-1]
    return sorted({edge for edge in edges if low < edge <= high})


def _range(edges: list[float], bucket: int) -> str:
    if not edges:
        return "all sizes"
    if bucket == 0:
        return f"below {_short(edges[0])}"
    if bucket == len(edges):
        return f"from {_short(edges[-1])}"
    return f"{_short(edges[bucket - 1])} to {_short(edges[bucket])}"


def _short(size: float) -> str:
    for unit, word in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if size >= unit:
            return f"{size / unit:g}{word}"
    return f"{size:g}"


def venues(table: pl.DataFrame) -> AnyChart:
    """Draw the orders filled by venue, with their share; a split over two counts as a + b."""
    heading = "Where orders were filled"
    counts = venue_counts(table)
    if not counts:
        return theme.nothing(heading, "no order was filled")
    filled = sum(counts.values())
    shown = list(counts.items())
    if len(shown) > _VENUES_SHOWN:
        rest = shown[_VENUES_SHOWN - 1 :]
        words = f"{len(rest)} other combinations"
        shown = [*shown[: _VENUES_SHOWN - 1], (words, sum(n for _, n in rest))]
    rows = [
        {
            "venue": venue.replace("+", " + "),
            "orders": n,
            "told": f"{n:,}  ({100 * n / filled:.1f} %)",
            "colour": palette.venue_colour(venue),
        }
        for venue, n in shown
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y(
            "venue:N",
            sort=[str(row["venue"]) for row in rows],
            title=None,
            axis=alt.Axis(labelLimit=260, labelColor=palette.INK),
        ),
        x=alt.X("orders:Q", axis=None),
    )
    bars = base.mark_bar(height={"band": 0.7}).encode(color=alt.Color("colour:N", scale=None))
    text = base.mark_text(align="left", dx=6, fontSize=12, color=palette.INK).encode(text="told:N")
    splits = "; grey bars were split over several venues" if any("+" in v for v in counts) else ""
    told = f"{count(filled, 'filled order')}{splits}"
    return theme.themed(
        alt.layer(
            bars, text, width=WIDTH - 190, height={"step": 28}, title=theme.title(heading, told)
        )
    )
