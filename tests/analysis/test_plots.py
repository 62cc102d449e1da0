"""Test that every chart renders offline and stays small, whatever the orders."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from orderengine.analysis import palette, plots
from orderengine.analysis.in_flight import OPEN_STATUSES
from orderengine.analysis.latency import STAGES
from orderengine.analysis.tables import order_table
from orderengine.model.events import Cancelled, Event
from tests.analysis.logs import MS, START_NS, Log, an_order, filled_log, seeded_logs, x64
from tests.analysis.test_summary import only_failed

Logs = list[list[Event]]
CHARTS: dict[str, Callable[[Logs], plots.AnyChart]] = {
    "latency": lambda logs: plots.latency(order_table(logs)),
    "shortfall": lambda logs: plots.shortfall(order_table(logs)),
    "in_flight": plots.in_flight,
    "venues": lambda logs: plots.venues(order_table(logs)),
    "price": lambda logs: plots.price(order_table(logs)),
}
LOGS: dict[str, Callable[[], Logs]] = {
    "many": lambda: seeded_logs(2_000),
    "none": list,
    "only_failed": only_failed,
    "one_fill": lambda: [filled_log(an_order(), price=2**63, amounts=(10, 5)).events],
    "one_open": lambda: [filled_log(an_order(), price=2**63, amounts=(10, 5)).events[:1]],
    "ended_at_once": lambda: [
        Log(an_order(), at_ns).add(Cancelled, at_ns, reference_price_x64=2**64).events
        for at_ns in (START_NS, START_NS + MS)
    ],
    "no_price": lambda: [filled_log(an_order(), price=0, amounts=(10, 5)).events],
}


def data_of(chart: plots.AnyChart) -> list[dict[str, Any]]:
    """Return every data row of a chart; layers that share rows hold them once."""
    found: list[dict[str, Any]] = []

    def look(spec: Any) -> None:
        if isinstance(spec, dict):
            named = spec.get("datasets", {})
            for rows in (spec.get("values"), *named.values()):
                if isinstance(rows, list):
                    found.extend(row for row in rows if isinstance(row, dict))
            for part in spec.values():
                look(part)
        elif isinstance(spec, list):
            for part in spec:
                look(part)

    look(chart.to_dict())
    return found


@pytest.mark.parametrize("logs", LOGS)
@pytest.mark.parametrize("chart", CHARTS)
def test_chart_renders(chart: str, logs: str) -> None:
    """A chart of many, one or no orders is an SVG without NaN and with at most 2,000 marks."""
    drawn = CHARTS[chart](LOGS[logs]())
    assert len(data_of(drawn)) <= 2_000
    svg = plots.to_svg(drawn, "x-")
    assert svg.startswith("<svg")
    assert "NaN" not in svg
    assert 'id="x-' in svg or " id=" not in svg


def encoded(chart: plots.AnyChart) -> str:
    """Return a chart's specification as text."""
    return json.dumps(chart.to_dict())


def test_latency_curves_stay_level_where_no_order_lies() -> None:
    """Steps, in the order of the shares, draw no straight line across a gap."""
    curves = plots.latency(order_table(seeded_logs(200))).to_dict()["vconcat"][1]
    assert curves["mark"]["interpolate"] == "step-after"
    assert curves["encoding"]["order"]["field"] == "percent"


def test_fills_say_that_they_are_grouped() -> None:
    """Who reads the chart knows that a point is a mean."""
    assert "fills are grouped, a point is their mean" in encoded(
        plots.price(order_table(seeded_logs(200)))
    )


def test_flat_price_has_a_plain_axis() -> None:
    """A price that stands still is in the middle, without the noise of floats."""
    log = filled_log(an_order(), price=x64(0.0818), amounts=(10**10, 818_000_000)).events
    told = encoded(plots.price(order_table([log])))
    assert '"price": 81.8}' in told or '"price": 81.8,' in told
    assert "81.7999" not in told
    svg = plots.to_svg(plots.price(order_table([log])))
    assert ">81.80<" in svg


def test_one_order_is_no_plural_in_charts() -> None:
    """One is one order."""
    table = order_table([filled_log(an_order(), price=2**63, amounts=(10, 5)).events])
    assert "1 filled order" in encoded(plots.venues(table))
    assert "1 orders" not in encoded(plots.shortfall(table))
    assert "1 filled orders" not in encoded(plots.venues(table))


def test_timeline_chart_renders() -> None:
    """The gantt of one order names its attempts."""
    log = max(seeded_logs(200), key=len)
    svg = plots.to_svg(plots.timeline(log))
    assert "attempt 2" in svg
    assert "nothing has happened" in plots.to_svg(plots.timeline(log[:1]))


def test_png_is_a_png() -> None:
    """A chart renders to PNG without a browser."""
    assert plots.to_png(CHARTS["venues"](seeded_logs(20)), scale=1).startswith(b"\x89PNG")


def test_stages_and_statuses_have_fixed_different_colours() -> None:
    """What is drawn side by side has its own colour."""
    assert set(palette.STAGES) == {*STAGES, "total"}
    assert len(set(palette.STAGES.values())) == len(palette.STAGES)
    assert len({palette.STATUSES[status] for status in OPEN_STATUSES}) == len(OPEN_STATUSES)
