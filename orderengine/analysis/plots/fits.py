"""Draw how a fitted model lies against the data: cumulative shares, and percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from orderengine.analysis import palette
from orderengine.analysis.fitting import Fit
from orderengine.analysis.fitting_models import model_cdf, model_quantile
from orderengine.analysis.fitting_slots import LandingFit
from orderengine.analysis.plots import theme
from orderengine.analysis.plots.theme import HEIGHT, AnyChart
from orderengine.analysis.wording import count

__all__ = ["fit_chart", "landing_chart", "series_chart"]

_POINTS = 160
_SIDE = 360
_DATA = "data"


def fit_chart(
    values: Sequence[float], fits: Sequence[Fit], unit: str, *, log_scale: bool
) -> AnyChart:
    """Draw the shares of data and models up to x; beside it their percentiles over the data's.

    On the right a model that fits lies on the diagonal; above it, the model's tail is too heavy.
    """
    heading = "The fit against the data"
    ordered = sorted(values)
    if not ordered or not fits:
        return theme.nothing(heading, "there is nothing to fit")
    n = len(ordered)
    ranks = sorted({round(k * (n - 1) / (_POINTS - 1)) for k in range(_POINTS)})
    shares = [{"x": ordered[r], "share": (r + 1) / n, "of": _DATA} for r in ranks]
    pairs: list[dict[str, Any]] = []
    for fit in fits:
        fitted = {name: estimate.value for name, estimate in fit.parameters.items()}
        if fit.model == "empirical":
            continue
        at = [ordered[r] for r in ranks]
        cdf = model_cdf(fit.model, fitted, at).tolist()
        shares += [{"x": x, "share": y, "of": fit.model} for x, y in zip(at, cdf, strict=True)]
        middle = [(r + 0.5) / n for r in ranks]
        shown = model_quantile(fit.model, fitted, middle).tolist()
        pairs += [{"x": x, "y": y, "of": fit.model} for x, y in zip(at, shown, strict=True)]
    names = [_DATA, *(fit.model for fit in fits if fit.model != "empirical")]
    colour, dash = theme.lines("of", names)
    scale = alt.Scale(type="log" if log_scale else "linear", nice=False, zero=False)
    cumulative = (
        alt.Chart(alt.InlineData(values=shares))
        .mark_line(strokeWidth=1.8)
        .encode(
            x=alt.X("x:Q", title=unit, scale=scale, axis=alt.Axis(tickCount=5)),
            y=alt.Y("share:Q", title="share up to x", scale=alt.Scale(domain=[0, 1])),
            order="share:Q",
            color=colour,
            strokeDash=dash,
        )
        .properties(width=_SIDE, height=HEIGHT)
    )
    if not pairs:
        return theme.themed(cumulative.properties(title=theme.title(heading, count(n, "value"))))
    ends = [{"x": at, "y": at} for at in (ordered[0], ordered[-1])]
    x = alt.X("x:Q", title=f"data, {unit}", scale=scale, axis=alt.Axis(tickCount=5))
    y = alt.Y("y:Q", title=f"model, {unit}", scale=scale)
    line = (
        alt.Chart(alt.InlineData(values=ends))
        .mark_line(color=palette.MUTED, strokeWidth=1)
        .encode(x=x, y=y)
    )
    models = (
        alt.Chart(alt.InlineData(values=pairs))
        .mark_line(strokeWidth=1.8, point={"size": 16, "filled": True})
        .encode(x=x, y=y, color=colour, strokeDash=dash, order="x:Q")
    )
    quantiles = alt.layer(line, models).properties(width=_SIDE, height=HEIGHT)
    best = min(fits, key=lambda fit: fit.ks)
    told = f"{count(n, 'value')}; the largest distance of {best.model} is {best.ks:.3f}"
    return theme.themed(alt.hconcat(cumulative, quantiles, title=theme.title(heading, told)))


def landing_chart(fit: LandingFit) -> AnyChart:
    """Draw the share of transactions by their number of slots, and the fitted law's."""
    chance = fit.slots_p.value
    last = max(fit.shares)
    bars = [{"slots": k, "share": fit.shares.get(k, 0.0)} for k in range(1, last + 1)]
    law = [{"slots": k, "share": chance * (1 - chance) ** (k - 1)} for k in range(1, last + 1)]
    x = alt.X("slots:O", title="slots until landing", axis=alt.Axis(labelAngle=0))
    y = alt.Y("share:Q", title="share of transactions")
    data = (
        alt.Chart(alt.InlineData(values=bars))
        .mark_bar(color=palette.PARTS["fees"])
        .encode(x=x, y=y)
    )
    line = (
        alt.Chart(alt.InlineData(values=law))
        .mark_line(color=palette.INK, point={"color": palette.INK, "size": 30}, strokeWidth=1.5)
        .encode(x=x, y=y)
    )
    told = f"{count(fit.count, 'transaction')} as bars; the line is geometric with {fit.slots_p}"
    title = theme.title("Slots until landing", told)
    return theme.themed(
        alt.layer(data, line).properties(width=2 * _SIDE, height=HEIGHT, title=title)
    )


def series_chart(values: Sequence[float], axis: str) -> AnyChart:
    """Draw the values in the file's order."""
    rows = [{"row": row, "value": value} for row, value in enumerate(values)]
    chart = (
        alt.Chart(alt.InlineData(values=rows[:2_000]))
        .mark_line(strokeWidth=1.2, color=palette.INK)
        .encode(
            x=alt.X("row:Q", title="row of the file", scale=alt.Scale(nice=False)),
            y=alt.Y("value:Q", title=axis, scale=alt.Scale(zero=False)),
        )
    )
    title = theme.title("Values in the file's order", count(len(values), "value"))
    return theme.themed(chart.properties(width=2 * _SIDE, height=HEIGHT, title=title))
