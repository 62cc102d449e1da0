"""Give all charts one look, and render them to SVG, PNG and PDF by vl-convert, offline."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike, fspath
from pathlib import Path
from re import sub
from typing import Any

import altair as alt
import vl_convert

from orderengine.analysis.palette import GRID, INK, MUTED, SERIES
from orderengine.analysis.targets import replacing
from orderengine.errors import InvalidData

__all__ = [
    "HEIGHT",
    "WIDTH",
    "AnyChart",
    "colour",
    "lines",
    "nothing",
    "save",
    "themed",
    "title",
    "to_pdf",
    "to_png",
    "to_svg",
]

AnyChart = alt.Chart | alt.LayerChart | alt.VConcatChart | alt.HConcatChart | alt.FacetChart

WIDTH, HEIGHT = 800, 270
"""Size of a chart's plot, in CSS pixels."""

_FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
_CONFIG: dict[str, Any] = {
    "background": "white",
    "font": _FONT,
    "padding": 12,
    "view": {"stroke": None},
    "title": {
        "anchor": "start",
        "frame": "bounds",
        "color": INK,
        "subtitleColor": MUTED,
        "fontSize": 16,
        "fontWeight": 600,
        "subtitleFontSize": 12.5,
        "subtitlePadding": 5,
        "offset": 12,
    },
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "titleFontWeight": "normal",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titlePadding": 8,
        "gridColor": GRID,
        "domainColor": GRID,
        "tickColor": GRID,
        "tickSize": 4,
        "tickCount": 8,
        "labelPadding": 5,
    },
    "axisY": {"tickCount": 5, "domain": False, "ticks": False},
    "legend": {
        "orient": "top",
        "direction": "horizontal",
        "columnPadding": 18,
        "offset": 10,
        "symbolType": "square",
        "symbolOpacity": 1,
        "labelColor": INK,
        "titleColor": MUTED,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "symbolSize": 110,
        "rowPadding": 5,
        "labelLimit": 240,
    },
}
_LEGEND_ROW = 5
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [3, 5])


def title(text: str, subtitle: str) -> alt.TitleParams:
    """Return a chart's title and, under it, what it found or how to read it."""
    return alt.TitleParams(text=text, subtitle=subtitle)


def colour(field: str, names: Iterable[str], colours: Iterable[str]) -> alt.Color:
    """Return the encoding that gives each name of a field its fixed colour, in this order."""
    shown = list(names)
    scale = alt.Scale(domain=shown, range=list(colours))
    legend = alt.Legend(columns=len(shown) if len(shown) <= _LEGEND_ROW else 4)
    return alt.Color(f"{field}:N", title=None, sort=shown, scale=scale, legend=legend)


def lines(field: str, names: Iterable[str]) -> tuple[alt.Color, alt.StrokeDash]:
    """Return a colour and a dash for each name, so that lines stay apart in grey print."""
    shown = list(names)
    looks = [(SERIES[k % len(SERIES)], DASHES[k % len(DASHES)]) for k in range(len(shown))]
    legend = alt.Legend(
        columns=len(shown) if len(shown) <= _LEGEND_ROW else 4,
        symbolType="stroke",
        symbolStrokeWidth=2.5,
        symbolSize=380,
    )
    # One title, order and legend for both: Vega-Lite then draws a single legend.
    color = alt.Color(
        f"{field}:N",
        title=None,
        sort=shown,
        scale=alt.Scale(domain=shown, range=[look for look, _ in looks]),
        legend=legend,
    )
    dash = alt.StrokeDash(
        f"{field}:N",
        title=None,
        sort=shown,
        scale=alt.Scale(domain=shown, range=[dash for _, dash in looks]),
        legend=legend,
    )
    return color, dash


def themed(chart: AnyChart) -> AnyChart:
    """Return the chart in our look; call it once, on the outermost chart."""
    return chart.properties(config=alt.Config.from_dict(_CONFIG))


def nothing(text: str, words: str) -> AnyChart:
    """Return an empty chart that says in words why there is nothing to show."""
    mark = alt.Chart(alt.InlineData(values=[{"words": words}])).mark_text(fontSize=14, color=MUTED)
    return themed(mark.encode(text="words:N").properties(width=640, height=90, title=text))


def to_svg(chart: AnyChart, id_prefix: str = "") -> str:
    """Return the chart as one SVG element without background.

    ``id_prefix`` begins every id in it; two charts in one page need different ones.
    """
    spec = chart.to_dict()
    spec["config"]["background"] = "transparent"
    svg: str = vl_convert.vegalite_to_svg(spec)
    svg = sub(r'\bid="', f'id="{id_prefix}', svg)
    return sub(r"url\(#", f"url(#{id_prefix}", svg)


def to_png(chart: AnyChart, scale: float = 2.0) -> bytes:
    """Return the chart as PNG on white; ``scale`` is pixels for one unit of the chart's size."""
    png: bytes = vl_convert.vegalite_to_png(chart.to_dict(), scale=scale)
    return png


def to_pdf(chart: AnyChart) -> bytes:
    """Return the chart as a PDF page of its own size, fonts embedded."""
    pdf: bytes = vl_convert.vegalite_to_pdf(chart.to_dict())
    return pdf


def save(chart: AnyChart, path: str | PathLike[str], *, scale: float = 3.0) -> Path:
    """Write the chart as ``.svg``, ``.png`` or ``.pdf``, whole or not at all; return the path.

    ``scale`` is of a PNG: pixels for one unit of the chart's size; 3 is about 290 dots an inch.

    Raises:
        InvalidData: another ending, or the path cannot be written.
    """
    target = Path(fspath(path))
    kind = target.suffix.lower()
    if kind not in {".svg", ".png", ".pdf"}:
        raise InvalidData(str(target), f"the ending {kind!r}", "a file that ends in .svg .png .pdf")
    if kind == ".svg":
        svg: str = vl_convert.vegalite_to_svg(chart.to_dict())
        data = svg.encode()
    else:
        data = to_png(chart, scale) if kind == ".png" else to_pdf(chart)
    try:
        with replacing(target) as part:
            part.write_bytes(data)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidData(str(target), reason, "a path that can be written") from None
    return target
