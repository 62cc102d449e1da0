"""Draw a sweep: a metric over a field with intervals, the cost-latency front, paired differences.

A sweep's table has one row a cell and replicate; its columns are scenario fields and metrics, by
dotted names such as ``engine.workers`` and ``latency_ms.total.p95``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

import altair as alt
import polars as pl

from orderengine.analysis import palette
from orderengine.analysis.frontier import cell_means
from orderengine.analysis.intervals import Estimate
from orderengine.analysis.plots import theme
from orderengine.analysis.plots.theme import HEIGHT, WIDTH, AnyChart
from orderengine.analysis.scales import on_scale
from orderengine.analysis.wording import count

__all__ = ["frontier", "metric_over", "paired_difference", "unit_of"]

_UNITS = {
    "fill_rate": "share",
    "filled_per_second": "1/s",
    "completed_bps": "bps",
    "revert_rate": "share of landed",
    "lost_rate": "share of sent",
    "unsent_rate": "share of attempts",
    "wait_mean": "ms",
    "wait_p95": "ms",
    "wait_p99": "ms",
    "service_mean": "ms",
}
_LABELS_MAX = 12
_WIDE = 16
_LABEL_SIZE = (110, 16)
"""Pixels that a label of the front takes, about."""
_STEP = 9
"""Pixels between the intervals of two series at one place, so that none hides another."""
_SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down")


def metric_over(
    table: pl.DataFrame,
    x: str,
    metric: str,
    color: str | None = None,
    confidence: float = 0.95,
) -> AnyChart:
    """Draw the mean of a metric over its replicates, by a field, with Student's t intervals.

    ``x`` and ``color`` are columns of the table; other fields that vary are averaged over, seed by
    seed, so fix them with a filter first. Numbers have an axis to scale, a logarithmic one where
    they span more than a factor of 16; other values have one place each.

    Raises:
        InvalidData: the table lacks a column.
    """
    by = [x] if color is None else [x, color]
    means = cell_means(table, by, metric, confidence)
    rows = [
        {"x": row[x], "of": "" if color is None else _series(color, row[color]), **_figures(row)}
        for row in means.filter(pl.col("value").is_not_null()).to_dicts()
    ]
    if not rows:
        return theme.nothing(metric, f"no replicate has {metric}")
    places = pl.Series([row["x"] for row in rows], dtype=table.schema[x])
    scale = on_scale(places)
    is_number = scale is not None
    values, unit = scale or (places.cast(pl.String), "")
    rows = [row | {"x": value} for row, value in zip(rows, values, strict=True)]
    names = list(dict.fromkeys(row["of"] for row in rows))
    room = 14 + _STEP * (len(names) - 1) / 2
    titled = f"{x}, {unit}" if unit else x
    axis = _axis(titled, values.to_list(), room, is_number=is_number)
    looks = _looks(names, _titled(metric), is_line=is_number, is_told=color is not None)
    marks: list[alt.Chart] = []
    for k, name in enumerate(names):
        base = alt.Chart(alt.InlineData(values=[row for row in rows if row["of"] == name]))
        marks += _series_marks(base.encode(x=axis), looks, k, _STEP * (k - (len(names) - 1) / 2))
    counts = sorted(int(many) for many in means["count"])
    runs = f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    told = f"Mean and {100 * confidence:g} % interval of {runs} replicates a point"
    title = theme.title(f"{metric} over {x}", told)
    return theme.themed(alt.layer(*marks).properties(width=WIDTH, height=HEIGHT, title=title))


def frontier(
    front: pl.DataFrame,
    by: Sequence[str],
    *,
    cost_title: str = "mean shortfall, bps",
    latency_title: str = "p95 from accepted to the end, ms",
) -> AnyChart:
    """Draw each cell's cost against its latency, intervals in both; the front is joined by a line.

    ``front`` is ``frontier.frontier``. Up to 12 cells carry their settings as labels; of more, only
    those on the front, again up to 12. Cells at one place share a label, and none hides another.
    """
    heading = "Cost against latency"
    rows = front.to_dicts()
    if not rows:
        return theme.nothing(heading, "no cell has both figures")
    for row in rows:
        row["label"] = ", ".join(f"{row[name]}" for name in by)
        for name in ("cost", "latency"):
            for end in ("low", "high"):
                if row[f"{name}_{end}"] is None:
                    row[f"{name}_{end}"] = row[name]
        row["of"] = _FRONT if row["on_front"] else _MAYBE if row["may_be"] else _BEATEN
    shown = [{k: v for k, v in row.items() if "." not in k} for row in rows]
    names = [name for name in (_FRONT, _MAYBE, _BEATEN) if any(r["of"] == name for r in shown)]
    looks = {_FRONT: palette.INK, _MAYBE: palette.SIDES["buy"], _BEATEN: "#b0b7c0"}
    shapes = {_FRONT: "circle", _MAYBE: "diamond", _BEATEN: "square"}
    colour = theme.colour("of", names, [looks[name] for name in names])
    x = alt.X("latency:Q", title=latency_title, scale=alt.Scale(zero=False, padding=14))
    y = alt.Y("cost:Q", title=cost_title, scale=alt.Scale(zero=False, padding=10))
    base = alt.Chart(alt.InlineData(values=shown)).encode(color=colour)
    across = base.mark_rule(strokeWidth=1.2).encode(y=y, x="latency_low:Q", x2="latency_high:Q")
    up = base.mark_rule(strokeWidth=1.2).encode(x=x, y="cost_low:Q", y2="cost_high:Q")
    shape = alt.Shape(
        "of:N",
        sort=names,
        scale=alt.Scale(domain=names, range=[shapes[name] for name in names]),
        legend=None,
    )
    points = base.mark_point(filled=True, size=60, opacity=1).encode(x=x, y=y, shape=shape)
    best = sorted((row for row in shown if row["on_front"]), key=lambda row: row["latency"])
    joined = (
        alt.Chart(alt.InlineData(values=best))
        .mark_line(color=palette.INK, strokeWidth=1.2, interpolate="step-after")
        .encode(x=x, y=y, order="latency:Q")
    )
    named = best if len(shown) > _LABELS_MAX else shown
    labels = (
        alt.Chart(alt.InlineData(values=_apart(_labelled(named), shown)))
        .mark_text(align="left", baseline="bottom", dx=7, dy=-4, fontSize=11.5, color=palette.INK)
        .encode(x=x, y=y, text="label:N")
    )
    told = f"{count(len(shown), 'cell')} of {', '.join(by)}; less is better, bars are intervals"
    layers = alt.layer(joined, across, up, points, labels)
    return theme.themed(
        layers.properties(width=WIDTH, height=HEIGHT + 60, title=theme.title(heading, told))
    )


def _apart(best: list[dict[str, Any]], shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the cells whose labels fit beside each other, the fastest first."""
    room = {"latency": WIDTH / _LABEL_SIZE[0], "cost": (HEIGHT + 60) / _LABEL_SIZE[1]}
    spans = {
        name: max(row[f"{name}_high"] for row in shown) - min(row[f"{name}_low"] for row in shown)
        for name in room
    }
    kept: list[dict[str, Any]] = []
    for row in best:
        if not any(
            all(abs(row[name] - other[name]) * room[name] < spans[name] for name in room)
            for other in kept
        ):
            kept.append(row)
    return kept


def _labelled(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row a place, a hundredth of each axis wide, with the labels of all cells there."""
    spans = [
        max(row[f"{name}_high"] for row in rows) - min(row[f"{name}_low"] for row in rows)
        for name in ("latency", "cost")
    ]
    places: list[dict[str, Any]] = []
    for row in rows[:_LABELS_MAX]:
        at = (row["latency"], row["cost"])
        for place in places:
            away = (abs(at[0] - place["latency"]), abs(at[1] - place["cost"]))
            if all(100 * gap <= span for gap, span in zip(away, spans, strict=True)):
                place["label"] += f"; {row['label']}"
                break
        else:
            places.append({"latency": at[0], "cost": at[1], "label": row["label"]})
    return places


_FRONT, _MAYBE, _BEATEN = "on the front", "may be on it", "beaten"


def paired_difference(differences: Mapping[str, Estimate], unit: str = "bps") -> AnyChart:
    """Draw differences with their intervals around 0, one a row, such as paired and unpaired.

    One whose interval leaves out 0 has a filled point.
    """
    heading = "Difference with its interval"
    rows = [
        {
            "what": name,
            **_figures({"value": found.value, "low": found.low, "high": found.high}),
            "told": f"{found}",
            "filled": not found.low <= 0 <= found.high,
        }
        for name, found in differences.items()
        if isfinite(found.value)
    ]
    if not rows:
        return theme.nothing(heading, "nothing was compared")
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y(
            "what:N", sort=None, title=None, axis=alt.Axis(labelColor=palette.INK, labelLimit=260)
        )
    )
    x = alt.X("value:Q", title=f"difference, {unit}" if unit else "difference")
    zero = (
        alt.Chart(alt.InlineData(values=[{"x": 0}]))
        .mark_rule(color=palette.MUTED, strokeDash=[4, 3])
        .encode(x="x:Q")
    )
    rule = base.mark_rule(color=palette.INK, strokeWidth=1.8).encode(x="low:Q", x2="high:Q")
    ends = [
        base.mark_tick(orient="vertical", size=10, thickness=1.6, color=palette.INK).encode(
            x=f"{end}:Q"
        )
        for end in ("low", "high")
    ]
    point = base.mark_point(size=60, opacity=1, stroke=palette.INK, strokeWidth=1.6).encode(
        x=x,
        fill=alt.Fill(
            "filled:N",
            scale=alt.Scale(domain=[True, False], range=[palette.INK, "#ffffff"]),
            legend=None,
        ),
    )
    words = base.encode(x=x, text="told:N")
    # On white, for the line at 0 would strike it through.
    halo = words.mark_text(dy=-13, fontSize=12, stroke="white", strokeWidth=4)
    text = words.mark_text(dy=-13, fontSize=12, color=palette.INK)
    confidence = next(iter(differences.values())).confidence
    told = f"{100 * confidence:g} % intervals; a filled point differs from 0"
    return theme.themed(
        alt.layer(zero, rule, *ends, point, halo, text).properties(
            width=WIDTH - 190, height={"step": 46}, title=theme.title(heading, told)
        )
    )


def _axis(title: str, values: Sequence[Any], room: float, *, is_number: bool) -> alt.X:
    """Return the axis of a field: its own values as ticks; logarithmic where they span decades."""
    if not is_number:
        return alt.X("x:N", title=title, sort=None, axis=alt.Axis(labelAngle=0))
    ticks = sorted(set(values))
    is_wide = ticks[0] > 0 and ticks[-1] >= _WIDE * ticks[0]
    return alt.X(
        "x:Q",
        title=title,
        scale=alt.Scale(type="log" if is_wide else "linear", zero=False, nice=False, padding=room),
        axis=alt.Axis(values=ticks, format=",~f") if len(ticks) <= _LABELS_MAX else alt.Axis(),
    )


class _Looks(NamedTuple):
    """How a sweep's series are drawn."""

    y: alt.Y
    colour: alt.Color
    shape: alt.Shape
    is_line: bool


def _looks(names: Sequence[str], y_title: str, *, is_line: bool, is_told: bool) -> _Looks:
    """Return colour, dash and shape a series; the legend shows colour and shape."""
    colours = [palette.SERIES[k % len(palette.SERIES)] for k in range(len(names))]
    colour = theme.colour("of", names, colours)
    scale = alt.Scale(
        domain=list(names), range=[_SHAPES[k % len(_SHAPES)] for k in range(len(names))]
    )
    shape = alt.Shape("of:N", title=None, sort=list(names), scale=scale)
    if not is_told:
        colour, shape = colour.legend(None), shape.legend(None)
    else:
        shape = shape.legend(columns=min(4, len(names)))
        colour = colour.legend(columns=min(4, len(names)))
    y = alt.Y("value:Q", title=y_title, scale=alt.Scale(zero=False, padding=6))
    return _Looks(y, colour, shape, is_line)


def _series_marks(base: alt.Chart, looks: _Looks, k: int, offset: float) -> list[alt.Chart]:
    """Return the line, intervals and points of series k, moved sideways by ``offset`` pixels."""
    base = base.encode(color=looks.colour)
    ends = base.mark_tick(orient="horizontal", size=8, thickness=1.4, xOffset=offset)
    # The dash is the mark's and not an encoding, which would dash the legend's symbols.
    dash = list(theme.DASHES[k % len(theme.DASHES)])
    line = base.mark_line(strokeWidth=1.3, opacity=0.8, xOffset=offset, strokeDash=dash)
    return [
        *([line.encode(y=looks.y, order="x:Q")] if looks.is_line else []),
        base.mark_rule(strokeWidth=1.6, xOffset=offset).encode(y="low:Q", y2="high:Q"),
        ends.encode(y="low:Q"),
        ends.encode(y="high:Q"),
        base.mark_point(filled=True, size=50, opacity=1, xOffset=offset).encode(
            y=looks.y, shape=looks.shape
        ),
    ]


def _figures(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return value, low and high; an open end is drawn at the value."""
    value = row["value"]
    bounds = {end: row[end] for end in ("low", "high")}
    is_known = {end: v is not None and isfinite(v) for end, v in bounds.items()}
    return {"value": value} | {end: v if is_known[end] else value for end, v in bounds.items()}


def _series(field: str, value: object) -> str:
    return f"{field} = {value!s}"


def unit_of(metric: str) -> str:
    """Return the unit of a column of a sweep's or the orders' table; empty where it has none."""
    first = metric.split(".", maxsplit=1)[0]
    ends = (end for end in ("bps", "ns", "ms") if first.endswith(f"_{end}"))
    return _UNITS.get(first) or next(ends, "")


def _titled(metric: str) -> str:
    unit = unit_of(metric)
    return f"{metric}, {unit}" if unit else metric
