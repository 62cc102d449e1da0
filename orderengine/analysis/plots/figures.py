"""Draw tables of figures with their intervals: mark-outs, cost by size, revert rates, queues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from orderengine.analysis import palette
from orderengine.analysis.plots import theme
from orderengine.analysis.plots.theme import HEIGHT, WIDTH, AnyChart

__all__ = ["cost_by_size", "markout", "queueing", "revert_rates"]

_WEIGHTS = {"orders": "each order the same", "value": "weighted by size"}
_ZERO = alt.Chart(alt.InlineData(values=[{"y": 0}]))
_METHODS = {
    "replicates": "over runs",
    "sections": "over spans of one run",
    "order_statistics": "between order statistics",
    "wilson": "by Wilson's formula, which takes attempts for independent",
}


def markout(figures: pl.DataFrame) -> AnyChart:
    """Draw the mean mark-out by horizon; above 0 the price went the orders' way.

    ``figures`` is ``spreads.markout_table``.
    """
    heading = "Mark-out: the price after the fill"
    rows = _shown(figures.filter(pl.col("metric") == "markout_bps"))
    if not rows:
        return theme.nothing(heading, "no fill has a price at any horizon")
    horizons = list(dict.fromkeys(row["horizon"] for row in rows))
    x = alt.X("horizon:O", sort=horizons, title="time after landing", axis=alt.Axis(labelAngle=0))
    chart = _intervals(rows, x, "mean mark-out, bps of the price at landing")
    title = theme.title(heading, f"Below 0 is a loss to the order; {_method(rows)}")
    return theme.themed(chart.properties(width=WIDTH, height=HEIGHT, title=title))


def cost_by_size(figures: pl.DataFrame, part: str = "shortfall") -> AnyChart:
    """Draw the mean cost, or one part of it, by order size.

    ``figures`` is ``sizes.cost_by_size``.
    """
    heading = "What an order costs, by its size"
    found = figures.filter((pl.col("part") == part) & (pl.col("bucket") >= 0))
    rows = _shown(found)
    if not rows:
        return theme.nothing(heading, "no order ended that has a cost")
    for row in rows:
        row["size"] = _range(row["size_low"], row["size_high"])
    sizes = list(dict.fromkeys(row["size"] for row in rows))
    x = alt.X(
        "size:N",
        sort=sizes,
        title=f"size at acceptance, {rows[0]['quote']}",
        axis=alt.Axis(labelAngle=0 if len(sizes) <= 6 else -35),
    )
    words = "shortfall" if part == "shortfall" else part.replace("_", " ")
    chart = _intervals(rows, x, f"mean {words}, bps of the price at acceptance")
    title = theme.title(heading, f"Above 0 is a cost; {_method(rows)}")
    return theme.themed(chart.properties(width=WIDTH, height=HEIGHT, title=title))


def revert_rates(figures: pl.DataFrame) -> AnyChart:
    """Draw why attempts came to nothing: of landed transactions, of sent ones, of all attempts.

    ``figures`` is ``reverts.revert_table``.
    """
    heading = "Attempts that came to nothing"
    words = {
        "revert_rate": "landed and failed, % of landed",
        "lost_rate": "never landed, % of sent",
        "unsent_rate": "given up unsent, % of attempts",
    }
    rates = figures.filter(pl.col("metric").is_in(list(words)))
    rows = _shown(rates.filter(pl.col("code").is_not_null() | (pl.col("value") == 0)))
    if not rows:
        return theme.nothing(heading, "there was no attempt")
    for row in rows:
        code = (row["code"] or "none").replace("_", " ").lower()
        row["what"] = f"{code}: {words[row['metric']]}"
        for name in ("value", "low", "high"):
            row[name] = None if row[name] is None else 100 * row[name]
        row["told"] = f"{row['value']:.3g} %"
        row["at"] = max(row["value"], row["high"] or 0)
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y(
            "what:N", sort=None, title=None, axis=alt.Axis(labelColor=palette.INK, labelLimit=340)
        ),
    )
    bar = base.mark_bar(height={"band": 0.6}, color=palette.PARTS["failure"]).encode(
        x=alt.X("value:Q", title="%")
    )
    rule = base.mark_rule(color=palette.INK, strokeWidth=1.4).encode(x="low:Q", x2="high:Q")
    text = base.mark_text(align="left", dx=6, fontSize=12, color=palette.INK).encode(
        x="at:Q", text="told:N"
    )
    title = theme.title(heading, f"Lines are {_method(rows)}")
    return theme.themed(
        alt.layer(bar, rule, text).properties(width=WIDTH - 270, height={"step": 30}, title=title)
    )


def queueing(
    figures: pl.DataFrame,
    *,
    unit: str = "ms",
    x_title: str = "utilisation",
    y_title: str = "mean wait",
) -> AnyChart:
    """Draw measured waits with their intervals over the curve that theory gives.

    ``figures`` has the columns ``x``, ``theory`` (the curve; null where only measured), ``value``,
    ``low`` and ``high`` (null where only the curve), and ``series``, such as "4 workers".
    """
    heading = "Waits, measured and by theory"
    if figures.is_empty():
        return theme.nothing(heading, "there is nothing measured")
    names = list(dict.fromkeys(figures["series"].to_list()))
    colour, dash = theme.lines("series", names)
    x = alt.X("x:Q", title=x_title, scale=alt.Scale(zero=False, nice=False, padding=8))
    y_of = f"{y_title}, {unit}"
    curve = (
        alt.Chart(alt.InlineData(values=figures.drop_nulls("theory").sort("x").to_dicts()))
        .mark_line(strokeWidth=1.6)
        .encode(
            x=x,
            y=alt.Y("theory:Q", title=y_of),
            color=colour,
            strokeDash=dash,
            order="x:Q",
        )
    )
    measured = alt.Chart(alt.InlineData(values=figures.drop_nulls("value").to_dicts())).encode(
        x=x, color=colour
    )
    rule = measured.mark_rule(strokeWidth=1.6).encode(y="low:Q", y2="high:Q")
    ends = [
        measured.mark_tick(orient="horizontal", size=9, thickness=1.4).encode(y=f"{end}:Q")
        for end in ("low", "high")
    ]
    point = measured.mark_circle(size=46, opacity=1).encode(y="value:Q")
    confidence = figures["confidence"].drop_nulls() if "confidence" in figures.columns else None
    part = f"{100 * confidence[0]:g} %" if confidence is not None and len(confidence) else ""
    told = f"The lines are theory; points are measured, with {part} intervals".replace("  ", " ")
    return theme.themed(
        alt.layer(curve, rule, *ends, point).properties(
            width=WIDTH, height=HEIGHT, title=theme.title(heading, told)
        )
    )


def _intervals(rows: Sequence[dict[str, Any]], x: alt.X, y_title: str) -> AnyChart:
    """Return points with intervals, the two weightings side by side, over a line at 0."""
    for row in rows:
        row["of"] = _WEIGHTS[row["weighting"]]
    names = list(_WEIGHTS.values())
    colours = [palette.SIDES["buy"], palette.SIDES["sell"]]
    base = alt.Chart(alt.InlineData(values=list(rows))).encode(
        x=x,
        xOffset=alt.XOffset("of:N", sort=names, scale=alt.Scale(paddingOuter=1)),
        color=theme.colour("of", names, colours),
    )
    zero = _ZERO.mark_rule(color=palette.MUTED).encode(y="y:Q")
    rule = base.mark_rule(strokeWidth=1.8).encode(y=alt.Y("low:Q", title=y_title), y2="high:Q")
    point = base.mark_point(filled=True, size=56, opacity=1).encode(
        y="value:Q",
        shape=alt.Shape(
            "of:N",
            title=None,
            sort=names,
            scale=alt.Scale(domain=names, range=["circle", "diamond"]),
            legend=alt.Legend(columns=len(names)),
        ),
    )
    return alt.layer(zero, rule, point)


def _shown(figures: pl.DataFrame) -> list[dict[str, Any]]:
    return figures.filter(pl.col("value").is_not_null()).to_dicts()


def _method(rows: Sequence[dict[str, Any]]) -> str:
    part, method = f"{100 * rows[0]['confidence']:g} %", rows[0]["method"]
    return f"{part} intervals {_METHODS.get(method, method)}"


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return "all sizes" if high is None else f"below {_short(high)}"
    return f"from {_short(low)}" if high is None else f"{_short(low)} to {_short(high)}"


def _short(size: float) -> str:
    """Return three digits of a size, thousands as k and millions as M."""
    for unit, word in ((1e6, "M"), (1e3, "k")):
        if size >= 0.9995 * unit:  # what would round up to the next thousand
            return f"{size / unit:.3g}{word}"
    return f"{size:.3g}"
