"""Draw a route: which tokens, over which pools, how much; and what each further leg is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from orderengine.analysis import palette
from orderengine.analysis.plots import theme
from orderengine.analysis.plots.theme import HEIGHT, WIDTH, AnyChart
from orderengine.analysis.wording import count
from orderengine.errors import UnknownToken
from orderengine.model.amounts import format_amount
from orderengine.model.order import Leg, Mode, Route

__all__ = ["legs", "route"]

_POINTS = 24
"""Of a band's curved edges."""
_GAP = 0.05
"""Between the bands of a token, as a part of the whole order."""
_BAR = 0.012
"""Half the width of a token's bar, in hops."""
_NAME_LENGTH = 12


def route(found: Route) -> AnyChart:
    """Draw tokens as bars and legs as bands between them, as wide as their part of the order.

    A token stands as many hops to the right as its longest way from the one that is sold.
    """
    places = _places(found)
    flows = _flows(found)
    bands, labels, bars = _drawn(found, places, flows)
    used = list(dict.fromkeys(leg.venue for leg in found.legs))
    colour = theme.colour("venue", used, [palette.venue_colour(venue) for venue in used])
    hops = max(places.values())
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.12, hops + 0.12], nice=False))
    height = max(HEIGHT, 46 * len(found.legs))
    low, high = min(bar["low"] for bar in bars), max(bar["high"] for bar in bars)
    y = alt.Y("low:Q", axis=None, scale=alt.Scale(domain=[low, high + 0.12], nice=False))
    area = (
        alt.Chart(alt.InlineData(values=bands))
        .mark_area(opacity=0.55)
        .encode(x=x, y=y, y2="high:Q", detail="leg:N", color=colour)
    )
    bar = (
        alt.Chart(alt.InlineData(values=bars))
        .mark_rect(color=palette.INK)
        .encode(x=x, x2="x2:Q", y=y, y2="high:Q")
    )
    names = (
        alt.Chart(alt.InlineData(values=bars))
        .mark_text(fontSize=13, fontWeight=600, dy=-10, baseline="bottom", color=palette.INK)
        .encode(x=alt.X("middle:Q"), y="high:Q", text="token:N")
    )
    text = alt.Chart(alt.InlineData(values=labels)).encode(x=alt.X("x:Q"), y="y:Q", text="words:N")
    # On white, for a thin band would strike its own label through.
    halo = text.mark_text(
        fontSize=11.5, stroke="white", strokeWidth=4, strokeOpacity=0.8, strokeJoin="round"
    )
    words = halo + text.mark_text(fontSize=11.5, color=palette.INK)
    sell, buy = found.legs[0].sell, found.legs[-1].buy
    heading = f"{_shown(found.amount_in, sell)} for {_shown(found.amount_out, buy)}"
    gap = found.gap_bps
    told = f"{count(len(found.legs), 'leg')}; each band is as wide as its part of the order"
    if gap is not None:
        told += f"; at most {gap:.2g} bps from the best there is"
    chart = alt.layer(area, bar, names, words).properties(
        width=WIDTH, height=height, title=theme.title(heading, told)
    )
    return theme.themed(chart)


def legs(routes: Sequence[Route]) -> AnyChart:
    """Draw how far routes of one order are from its bound, by their number of legs.

    Routes with costs have a second line: the distance after what the network charges.
    """
    points: list[dict[str, Any]] = []
    for found in routes:
        for what, gap in (("before costs", found.gap_bps), ("after costs", _net(found))):
            if gap is not None:
                points.append({"legs": len(found.legs), "bps": gap, "what": what})
    heading = "What each further leg is worth"
    if not points:
        return theme.nothing(heading, "no route carries a bound")
    used = list(dict.fromkeys(point["what"] for point in points))
    colour = theme.colour("what", used, [palette.SIDES["buy"], palette.SIDES["sell"]])
    last = max(point["legs"] for point in points)
    is_exact_out = routes[0].mode is Mode.EXACT_OUT
    side, verb = ("above the least", "cost") if is_exact_out else ("below the most", "pay")
    base = alt.Chart(alt.InlineData(values=points)).encode(
        x=alt.X(
            "legs:Q",
            title="legs",
            scale=alt.Scale(domain=[1, max(last, 2)], nice=False),
            axis=alt.Axis(values=list(range(1, last + 1)), format="d"),
        ),
        y=alt.Y("bps:Q", title=f"bps {side} any route could {verb}"),
        color=colour,
    )
    line = base.mark_line(strokeWidth=2.2) + base.mark_circle(size=60, opacity=1)
    first = routes[0]
    fixed = (first.amount_in, first.legs[0].sell)
    if is_exact_out:
        fixed = (first.amount_out, first.legs[-1].buy)
    told = f"{_shown(*fixed)}, the best route for each count"
    return theme.themed(
        line.properties(width=WIDTH, height=HEIGHT, title=theme.title(heading, told))
    )


def _net(found: Route) -> float | None:
    """Return how far the route is, after its own costs, from the bound before any."""
    if found.network_cost is None or not found.bound:
        return None
    if found.mode is Mode.EXACT_OUT:
        return 1e4 * (found.amount_in + found.network_cost - found.bound) / found.bound
    return 1e4 * (found.bound - found.amount_out + found.network_cost) / found.bound


def _places(found: Route) -> dict[str, int]:
    """Return how many hops each token stands from the one that is sold."""
    places = {found.legs[0].sell: 0}
    for leg in found.legs:
        places.setdefault(leg.sell, 0)
        places[leg.buy] = max(places.get(leg.buy, 0), places[leg.sell] + 1)
    return places


def _flows(found: Route) -> list[float]:
    """Return each leg's part of the order: of what its token brought, what it takes along."""
    spent: dict[str, int] = {}
    for leg in found.legs:
        spent[leg.sell] = spent.get(leg.sell, 0) + leg.amount_in
    brought = {found.legs[0].sell: 1.0}
    flows = []
    for leg in found.legs:
        part = brought.get(leg.sell, 0.0) * leg.amount_in / spent[leg.sell]
        flows.append(part)
        brought[leg.buy] = brought.get(leg.buy, 0.0) + part
    return flows


def _drawn(
    found: Route, places: dict[str, int], flows: list[float]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the bands' points, their labels, and the tokens' bars.

    The legs of a token stand with those on top that reach farthest, so that a leg past another
    token is drawn over it and not across it.
    """
    names = sorted(places, key=places.__getitem__)
    order = sorted(
        range(len(flows)),
        key=lambda at: (
            places[found.legs[at].sell] - places[found.legs[at].buy],
            names.index(found.legs[at].buy),
        ),
    )
    starts: dict[int, float] = {}
    ends: dict[int, float] = {}
    floor: dict[int, float] = {}
    bars = []
    for name in names:
        inward = [at for at in order if found.legs[at].buy == name]
        inward.sort(key=lambda at: -starts[at])  # so that bands do not cross
        outward = [at for at in order if found.legs[at].sell == name]
        widths = [
            sum(flows[at] for at in side) + _GAP * max(len(side) - 1, 0)
            for side in (inward, outward)
        ]
        half, place, centre = max(widths) / 2, places[name], 0.0
        if inward and outward:
            centre = sum(flows[at] * starts[at] for at in inward)
            centre /= sum(flows[at] for at in inward)
            # Below the token that stands as far to the right already, with room for the name.
            centre = min(centre, floor.get(place, centre + half) - half)
            floor[place] = centre - half - 2 * _GAP
        for side, middles, width in ((inward, ends, widths[0]), (outward, starts, widths[1])):
            high = centre + width / 2
            for at in side:
                middles[at] = high - flows[at] / 2
                high -= flows[at] + _GAP
        bars.append(
            {
                "token": name if len(name) <= _NAME_LENGTH else f"{name[:4]}…{name[-4:]}",
                "x": place - _BAR,
                "x2": place + _BAR,
                "middle": place,
                "low": centre - half,
                "high": centre + half,
            }
        )
    bands, labels = [], []
    for at, (leg, flow) in enumerate(zip(found.legs, flows, strict=True)):
        left, right = places[leg.sell], places[leg.buy]
        for point in range(_POINTS + 1):
            share = point / _POINTS
            middle = starts[at] + (ends[at] - starts[at]) * share * share * (3 - 2 * share)
            bands.append(
                {
                    "leg": at,
                    "venue": leg.venue,
                    "x": left + (right - left) * share,
                    "low": middle - flow / 2,
                    "high": middle + flow / 2,
                }
            )
        middle = (starts[at] + ends[at]) / 2
        labels.append(
            {
                "x": (left + right) / 2,
                "y": middle,
                "words": _words(leg, flow, is_wide=max(places.values()) == 1),
            }
        )
    return bands, labels, bars


def _words(leg: Leg, flow: float, *, is_wide: bool) -> str:
    """Return a band's label: with amounts where it has the whole width to itself."""
    pool = leg.pool if len(leg.pool) <= 20 else f"{leg.pool[:4]}…{leg.pool[-4:]}"
    if not is_wide:
        return f"{pool}  {100 * flow:.3g} %"
    amounts = f"{_shown(leg.amount_in, leg.sell)} → {_shown(leg.amount_out, leg.buy)}"
    return f"{leg.venue} {pool}  {100 * flow:.3g} %  {amounts}"


def _shown(amount: int, name: str) -> str:
    try:
        text = format_amount(amount, name)
    except UnknownToken:
        return f"{amount:,} base units"
    number, _, symbol = text.partition(" ")
    whole, _, rest = number.partition(".")
    return f"{whole}{'.' + rest[:4] if rest else ''} {symbol}"
