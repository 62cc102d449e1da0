"""Test the count of open orders over time."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings

from orderengine.analysis.in_flight import OPEN_STATUSES, in_flight, in_flight_max
from orderengine.analysis.tables import order_table
from orderengine.model.events import Event
from tests.analysis.logs import MS, START_NS, Log, an_order, drawn_logs, filled_log


@settings(max_examples=60, deadline=None)
@given(drawn_logs())
def test_counts_are_those_of_the_logs_at_every_instant(logs: list[list[Event]]) -> None:
    """At each instant, a status counts the orders whose last event so far left them in it."""
    steps = in_flight(logs).with_columns(pl.col("at").cast(pl.Int64)).to_dicts()
    for step in steps:
        seen = [[event for event in log if event.at_ns <= step["at"]] for log in logs]
        now = [log[-1].status.value for log in seen if log]
        assert {s: step[s] for s in OPEN_STATUSES} == {s: now.count(s) for s in OPEN_STATUSES}
        assert step["open"] == sum(step[s] for s in OPEN_STATUSES)
    assert in_flight_max(order_table(logs)) == max((step["open"] for step in steps), default=0)


def test_an_order_that_ends_as_another_begins_is_not_open_with_it() -> None:
    """The counts are those after all events of an instant."""
    first = filled_log(an_order(), price=2**63, amounts=(10, 5)).events
    second = Log(an_order(), at_ns=START_NS + 15 * MS).events
    assert in_flight_max(order_table([first, second])) == 1
