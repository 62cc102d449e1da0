"""Test the further figures of a run against slow counts over its events."""

from __future__ import annotations

from functools import cache

import pytest

import orderengine as oe
from orderengine.model.events import AttemptFailed, Claimed, Confirmed, Failed, Submitted
from orderengine.study import measures
from orderengine.study.result import Result
from tests.study.sweeping import SMALL, Inline


@cache
def tight() -> Result:
    """Return a study whose orders seldom get what they were quoted."""
    return oe.simulate(
        "default", orders=150, order__slippage_bps=2, engine__workers=60, progress=False
    )


def test_attempts_are_counted_by_what_became_of_them() -> None:
    """Counted again over all events: an attempt ends filled, or failed with or without a fee."""
    sent = landed = reverted = over = 0
    for log in tight().logs:
        for event in log:
            sent += isinstance(event, Submitted)
            over += isinstance(event, Confirmed | AttemptFailed | Failed)
            if isinstance(event, AttemptFailed | Failed) and event.network_fee:
                reverted += 1
            landed += isinstance(event, Confirmed)
    landed += reverted
    found = measures.attempts(tight())
    assert reverted > 0
    assert found["revert_rate"] == pytest.approx(reverted / landed)
    assert found["lost_rate"] == pytest.approx((sent - landed) / sent)
    assert found["unsent_rate"] == pytest.approx((over - sent) / over)


def test_completed_orders_pay_what_others_paid() -> None:
    """An unfilled order costs its move, and the mean fees and impact of those that were filled."""
    orders = [row for row in tight().orders.to_dicts() if row["status"] != "cancelled"]
    filled = [row for row in orders if row["status"] == "confirmed"]
    assert 0 < len(filled) < len(orders)
    trading = sum(row["fees_bps"] + row["price_impact_bps"] for row in filled) / len(filled)
    costs = [
        row["shortfall_bps"] + (0 if row["status"] == "confirmed" else trading) for row in orders
    ]
    found = measures.attempts(tight())["completed_bps"]
    assert found == pytest.approx(sum(costs) / len(costs))


def test_nothing_filled_has_no_completed_cost() -> None:
    """There is nobody whose trading could be taken for theirs."""
    lost = oe.simulate(
        "default", orders=3, engine__router=lambda order, quotes: None, progress=False
    )
    assert measures.attempts(lost)["completed_bps"] is None


def test_waits_leave_out_the_first_quarter() -> None:
    """The rest is from acceptance to claim, over all that were claimed."""
    logs = sorted(tight().logs, key=lambda log: log[0].at_ns)[len(tight().logs) // 4 :]
    waits = [
        event.at_ns - log[0].at_ns for log in logs for event in log if isinstance(event, Claimed)
    ]
    found = measures.waits(tight())
    assert max(waits) > 0
    assert found["wait_mean"] == pytest.approx(sum(waits) / len(waits) / 1e6)
    assert found["wait_p99"] == pytest.approx(sorted(waits)[-(-99 * len(waits) // 100) - 1] / 1e6)


def test_a_sweep_takes_them() -> None:
    """As columns of its table, and a slope over one of them."""
    grid = {"market.build_latency.median": ["0ms", "500ms", "1s"]}
    result = oe.sweep(SMALL, grid, 2, Inline(), measure=measures.waits, progress=False)
    assert result.failures == ()
    slope = result.slope("service_mean", step="100ms")
    # Building is the first of what a worker waits for, so the rest shifts by as much.
    assert slope.value == pytest.approx(100, rel=0.05)
    with pytest.raises(oe.errors.InvalidData, match="a field of the grid"):
        result.slope("service_mean", "engine.workers")
