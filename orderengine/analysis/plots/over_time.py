"""Draw a study over its clock: open orders, the price, and the life of one order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from orderengine.analysis import palette
from orderengine.analysis.in_flight import OPEN_STATUSES
from orderengine.analysis.in_flight import in_flight as in_flight_steps
from orderengine.analysis.phases import PHASE_WORDS, spans
from orderengine.analysis.plots import theme
from orderengine.analysis.plots.theme import HEIGHT, WIDTH, AnyChart
from orderengine.model.events import Event

__all__ = ["in_flight", "price", "timeline"]

_INSTANTS = 240
_BINS = 160


def in_flight(logs: Sequence[Sequence[Event]]) -> AnyChart:
    """Draw the open orders by status, stacked, sampled at 240 equally spaced instants."""
    heading = "Orders open at once"
    steps = in_flight_steps(logs).with_columns(at_ns=pl.col("at").cast(pl.Int64))
    if len(steps) < 2:
        return theme.nothing(heading, "there are no events over time")
    if steps["open"].max() == 0:
        return theme.nothing(heading, "each order ended at the instant at which it came")
    most = steps.select(pl.col("open").arg_max())["open"][0]
    begin_ns, end_ns = steps["at_ns"][0], steps["at_ns"][-1]
    grid = [begin_ns + (end_ns - begin_ns) * k // _INSTANTS for k in range(_INSTANTS + 1)]
    sampled = pl.DataFrame({"at_ns": pl.Series(sorted(set(grid)), dtype=pl.Int64)}).join_asof(
        steps.drop("at").sort("at_ns"), on="at_ns"
    )
    present = [status for status in OPEN_STATUSES if steps[status].max() != 0]
    rows = [
        {"s": (row["at_ns"] - begin_ns) / 1e9, "status": status, "place": i, "orders": row[status]}
        for row in sampled.to_dicts()
        for i, status in enumerate(present)
    ]
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_area(interpolate="step-after", opacity=0.95)
        .encode(
            x=alt.X("s:Q", title="s since the first order", scale=alt.Scale(nice=False)),
            y=alt.Y(
                "orders:Q",
                title="open orders",
                axis=alt.Axis(tickCount=min(5, steps["open"][most]), format=",d"),
            ),
            order="place:O",
            color=theme.colour("status", present, [palette.STATUSES[s] for s in present]),
        )
    )
    at_s = (steps["at_ns"][most] - begin_ns) / 1e9
    told = f"At most {steps['open'][most]:,}, after {at_s:,.1f} s"
    return theme.themed(
        chart.properties(width=WIDTH, height=HEIGHT, title=theme.title(heading, told))
    )


def price(table: pl.DataFrame, market: str | None = None) -> AnyChart:
    """Draw the reference price that orders of one market saw, and the prices they were filled at.

    Over 160 equal spans of time: the last reference price that an order's first or last event held,
    and the mean fill price of the orders that landed, sellers and buyers of the base token apart.
    Fill prices include pool fees, so sellers lie below the line and buyers above it by their cost.

    ``market`` is such as "SOL/USDC"; None takes the market with the most orders.
    """
    heading = "Reference price and fills"
    known = table.filter(pl.col("price_accept").is_not_null())
    if known.is_empty():
        return theme.nothing(heading, "no order has a reference price")
    market = market or str(known["market"].mode().sort()[0])
    known = known.filter(pl.col("market") == market)
    if known.is_empty():
        return theme.nothing(heading, f"no order of {market} has a reference price")
    base, quote = market.split("/")
    seen_at_end = pl.coalesce("landed_at", "ended_at")
    names = {"sell": f"{base} sold", "buy": f"{base} bought"}
    rows = pl.concat(
        [
            known.select(_REFERENCE, s=_seconds(pl.col("accepted_at")), price="price_accept"),
            known.select(_REFERENCE, s=_seconds(seen_at_end), price="price_end"),
            known.select(
                series=pl.col("side").replace_strict(names),
                s=_seconds(pl.col("landed_at")),
                price="price_fill",
            ),
        ]
    ).drop_nulls()
    line, fills, width_s = _binned(rows)
    y = alt.Y("price:Q", title=f"{quote} for 1 {base}", scale=_scale([*line, *fills]))
    x = alt.X("s:Q", title="s since the first order", scale=alt.Scale(nice=False))
    colour = theme.colour(
        "series", [_REFERENCE_WORDS, *names.values()], [palette.INK, *palette.SIDES.values()]
    )
    reference = (
        alt.Chart(alt.InlineData(values=line))
        .mark_line(strokeWidth=1.8)
        .encode(x=x, y=y, color=colour)
    )
    dots = (
        alt.Chart(alt.InlineData(values=fills))
        .mark_circle(size=32, opacity=0.8)
        .encode(x=x, y=y, color=colour)
    )
    told = (
        f"{base}/{quote}: what orders saw when accepted and at the end; fills are grouped, a point "
        f"is their mean within {width_s:.2g} s"
    )
    return theme.themed(
        alt.layer(dots, reference, width=WIDTH, height=HEIGHT, title=theme.title(heading, told))
    )


_REFERENCE_WORDS = "reference price"
_REFERENCE = pl.lit(_REFERENCE_WORDS).alias("series")


def _seconds(instant: pl.Expr) -> pl.Expr:
    return (instant - pl.col("accepted_at").min()).dt.total_nanoseconds() / 1e9


def _scale(points: list[dict[str, Any]]) -> alt.Scale:
    """Return the scale of prices; a price that stands still is shown between 0.1 % around it."""
    prices = [float(point["price"]) for point in points]
    low, high = min(prices), max(prices)
    if high - low > 1e-6 * high:
        return alt.Scale(zero=False)
    return alt.Scale(zero=False, nice=True, domain=[0.999 * low, 1.001 * high])


def _binned(
    rows: pl.DataFrame,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], float]:
    """Return reference prices and fills, one row a span of time and series, and a span's length.

    ``s`` is a span's middle. Prices have nine digits: what is beyond them is noise of the floats.
    """
    last_s = float(rows.select(pl.col("s").max()).item())
    width_s = max(1e-9, last_s) / _BINS
    span = (pl.col("s") / width_s).floor().clip(0, _BINS - 1).alias("span")
    is_reference = pl.col("series") == _REFERENCE_WORDS
    price = pl.when(is_reference.first()).then(pl.col("price").last())
    found = (
        rows.sort("s")
        .group_by([span, "series"], maintain_order=True)
        .agg(price=price.otherwise(pl.col("price").mean()).round_sig_figs(9))
        .with_columns(s=(pl.col("span") + 0.5) * width_s)
        .drop("span")
    )
    return found.filter(is_reference).to_dicts(), found.filter(~is_reference).to_dicts(), width_s


def timeline(log: Sequence[Event]) -> AnyChart:
    """Draw the phases of one order, a row an attempt."""
    heading = "The life of one order"
    found = spans(log)
    if not found:
        return theme.nothing(heading, "nothing has happened to this order yet")
    rows = [
        {
            "row": f"attempt {span.attempt}" if span.attempt else "before",
            "phase": PHASE_WORDS[span.phase],
            "begin": span.begin_ns / 1e6,
            "end": span.end_ns / 1e6,
        }
        for span in found
    ]
    present = [phase for phase in palette.STAGES if any(span.phase == phase for span in found)]
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(height=20, cornerRadius=2)
        .encode(
            x=alt.X("begin:Q", title="ms since accepted", axis=alt.Axis(format=",d")),
            x2="end:Q",
            y=alt.Y("row:N", sort=None, title=None, axis=alt.Axis(labelColor=palette.INK)),
            color=theme.colour(
                "phase", [PHASE_WORDS[p] for p in present], [palette.STAGES[p] for p in present]
            ),
        )
    )
    last = log[-1]
    told = f"{last.order_id}: {last.status} after {found[-1].end_ns / 1e6:,.0f} ms"
    return theme.themed(
        chart.properties(width=WIDTH, height={"step": 34}, title=theme.title(heading, told))
    )
