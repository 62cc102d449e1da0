"""Test the stages of an order and their percentiles."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orderengine.analysis.latency import (
    REFUSED,
    STAGES,
    latency_percentiles,
    nearest_rank,
)
from orderengine.analysis.percentiles import percentile_table
from orderengine.analysis.tables import order_table
from orderengine.errors import QueueFull
from orderengine.model.events import AttemptFailed, Claimed, Confirmed, Event, Failed, Requoting
from orderengine.model.order import Quote
from tests.analysis.logs import (
    MS,
    START_NS,
    Log,
    an_order,
    drawn_logs,
    filled_log,
    routed,
    submitted,
)

QUOTE = Quote(venue="orca_whirlpool", pool="p", amount_in=10, amount_out=5)


def stages_ms(log: list[Event]) -> list[float | None]:
    """Return the stages and the total of one order, in ms."""
    row = order_table([log]).row(0, named=True)
    found = (row[f"{stage}_ns"] for stage in (*STAGES, "total"))
    return [None if ns is None else ns / MS for ns in found]


def test_stages_of_a_fill_at_the_first_try() -> None:
    """Without a retry, each stage is the time between its two events."""
    log = filled_log(an_order(), price=2**63, amounts=(10, 5)).events
    assert stages_ms(log) == [1, 0, 2, 3, 4, 5, 15]


@pytest.mark.parametrize(
    ("retry_at_ms", "expected"),
    [(20, [1, 14, 0, 2, 1, 2, 20]), (13, [1, 12, 2, 2, 1, 2, 20]), (0, [1, 9, 5, 2, 1, 2, 20])],
    ids=["retry_at after the quote: capped", "retry_at later", "retry_at in the past"],
)
def test_the_last_attempt_starts_when_it_may(
    retry_at_ms: int, expected: list[float | None]
) -> None:
    """It starts at the failed attempt or at retry_at, whichever is later, and before its quote."""
    order, at = an_order(), START_NS
    log = Log(order).add(Claimed, at + 1 * MS, worker="w0")
    routed(log, at + 3 * MS, order, QUOTE, 2**63)
    log.add(
        AttemptFailed,
        at + 10 * MS,
        attempt=1,
        code="STALE",
        reason="the quote went stale",
        retry_at_ns=at + retry_at_ms * MS,
    )
    routed(log, at + 15 * MS, order, QUOTE, 2**63, attempt=2)
    submitted(log, at + 17 * MS, QUOTE, 0, attempt=2)
    confirmed(log, at + 20 * MS, at + 18 * MS)
    assert stages_ms(log.events) == expected


def test_a_requoting_order_starts_anew() -> None:
    """Time before a requoting event counts as earlier attempts."""
    order, at = an_order(), START_NS
    log = Log(order).add(Claimed, at + 1 * MS, worker="w0")
    routed(log, at + 2 * MS, order, QUOTE, 2**63)
    log.add(Requoting, at + 6 * MS, reason="stale")
    routed(log, at + 8 * MS, order, QUOTE, 2**63)
    submitted(log, at + 9 * MS, QUOTE, 0)
    confirmed(log, at + 20 * MS, at + 18 * MS)
    assert stages_ms(log.events) == [1, 5, 2, 1, 9, 2, 20]


def confirmed(log: Log, at_ns: int, landed_at_ns: int) -> None:
    """End a log with a fill."""
    log.add(
        Confirmed,
        at_ns,
        attempt=2,
        signature="s",
        slot=1,
        landed_at_ns=landed_at_ns,
        amount_in=10,
        amount_out=5,
        fee_in=0,
        fee_out=0,
        network_fee=0,
        reference_price_x64=2**63,
    )


@settings(max_examples=60, deadline=None)
@given(drawn_logs())
def test_stages_add_up_to_the_total_exactly(logs: list[list[Event]]) -> None:
    """For filled orders the stages sum to the total in integer ns; others have no stages."""
    for row in order_table(logs).to_dicts():
        stages = [row[f"{stage}_ns"] for stage in STAGES]
        if row["status"] == "confirmed":
            assert sum(stages) == row["total_ns"]
            assert min(stages) >= 0
        else:
            assert stages == [None] * len(STAGES)
            assert (row["total_ns"] is None) == (row["ended_at"] is None)


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 15), (5, 15), (30, 20), (40, 20), (50, 35), (99, 50), (100, 50)]
)
def test_nearest_rank_of_five_values(percent: int, expected: int) -> None:
    """The value at rank ceil(percent · 5 / 100), at least the first."""
    assert nearest_rank(pl.Series([15, 20, 35, 40, 50]), percent) == expected


@given(st.lists(st.integers(0, 2**62), min_size=1), st.integers(1, 100))
def test_nearest_rank_covers_its_percentage(values: list[int], percent: int) -> None:
    """At least that part of the values is not above it, and it is the least such value."""
    found = nearest_rank(pl.Series(sorted(values), dtype=pl.Int64), percent)
    assert found in values
    assert 100 * sum(v <= found for v in values) >= percent * len(values)
    assert 100 * sum(v < found for v in values) < percent * len(values)


def test_orders_that_were_never_let_in_have_no_latency() -> None:
    """A full queue's refusals end at once; they lower no percentile, here or in the tables."""
    filled = filled_log(an_order(), price=2**63, amounts=(10, 5)).events
    refused = Log(an_order()).add(
        Failed, START_NS, code=QueueFull.code, reason="full", reference_price_x64=2**63
    )
    other = Log(an_order()).add(
        Failed, START_NS + 9 * MS, code="NO_ROUTE", reason="none", reference_price_x64=2**63
    )
    table = order_table([filled, refused.events, refused.events, other.events])
    assert table["total_ns"].to_list() == [15 * MS, None, None, 9 * MS]
    assert latency_percentiles(table)["total"] == {"p50": 9.0, "p95": 15.0, "p99": 15.0}
    ranked = percentile_table(table, ["total"], {"p50": 0.5})
    assert ranked.select("value", "count").row(0) == (9.0, 2)
    assert QueueFull.code == REFUSED


def test_percentiles_are_milliseconds_or_none() -> None:
    """Stages that no order passed have None, never NaN."""
    filled = filled_log(an_order(), price=2**63, amounts=(10, 5)).events
    found = latency_percentiles(order_table([filled]))
    assert found["landing"] == {"p50": 4.0, "p95": 4.0, "p99": 4.0}
    assert found["total"]["p50"] == 15.0
    nothing = latency_percentiles(order_table([]))
    assert list(nothing) == [*STAGES, "total"]
    assert all(value is None for ranked in nothing.values() for value in ranked.values())
