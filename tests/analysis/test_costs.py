"""Test the implementation shortfall: by hand, and that its parts add up."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from orderengine.analysis.costs import PARTS, shortfall_summary
from orderengine.analysis.tables import order_table
from orderengine.model.events import (
    AttemptFailed,
    Cancelled,
    Claimed,
    Confirmed,
    Event,
    Expired,
    Failed,
)
from orderengine.model.order import Mode, Quote
from tests.analysis.logs import (
    MS,
    START_NS,
    Log,
    an_order,
    drawn_logs,
    filled_log,
    routed,
    submitted,
    x64,
)


def costs(log: Log) -> dict[str, float]:
    """Return shortfall and parts of one order, in bps."""
    row = order_table([log.events]).row(0, named=True)
    return {name: row[f"{name}_bps"] for name in ("shortfall", *PARTS)}


def test_exact_in_by_hand() -> None:
    """Sell 10 SOL at 150 USDC, landed at 149.70, received 1,490 USDC.

    Benchmark 1,500 USDC. Delay 0.30 / 150 = 20 bps. Fees 0.025 SOL · 149.70 + 0.0001 SOL · 149.70
    = 3.75747 USDC = 25.0498 bps. Impact 9.975 SOL · 149.70 - 1,490 = 3.2575 USDC = 21.7167 bps.
    Total 1,500 - 1,490 + 0.01497 = 10.01497 USDC = 66.7665 bps.
    """
    log = filled_log(
        an_order(),
        price=x64(0.15),
        landed_price=x64(0.1497),
        amounts=(10_000_000_000, 1_490_000_000),
        fees=(25_000_000, 0),
        network_fee=100_000,
    )
    assert costs(log) == pytest.approx(
        {
            "shortfall": 66.766466667,
            "price_impact": 21.716666667,
            "fees": 25.0498,
            "delay": 20.0,
            "failure": 0.0,
        }
    )


def test_exact_out_by_hand() -> None:
    """Buy 1,500 USDC with SOL at 150 USDC, landed at 149.70, paid 10.1 SOL.

    Benchmark 10 SOL. Delay 150 / 149.70 - 1 = 20.0401 bps. Fees 0.02525 + 0.0001 SOL = 25.35 bps.
    Impact 10.1 - 0.02525 - 1,500 / 149.70 = 0.0547099 SOL = 54.7099 bps. Total 0.1001 SOL = 100.1.
    """
    log = filled_log(
        an_order(amount=1_500_000_000, mode=Mode.EXACT_OUT),
        price=x64(0.15),
        landed_price=x64(0.1497),
        amounts=(10_100_000_000, 1_500_000_000),
        fees=(25_250_000, 0),
        network_fee=100_000,
    )
    assert costs(log) == pytest.approx(
        {
            "shortfall": 100.1,
            "price_impact": 54.70991984,
            "fees": 25.35,
            "delay": 20.04008016,
            "failure": 0.0,
        }
    )


def test_buying_sol_values_lamports_one_to_one() -> None:
    """Sell 1,500 USDC at 150, receive 9.9 SOL less 0.001 SOL of network fee: 101 bps in all."""
    log = filled_log(
        an_order(sell="USDC", buy="SOL", amount=1_500_000_000),
        price=x64(1 / 0.15),
        amounts=(1_500_000_000, 9_900_000_000),
        network_fee=1_000_000,
    )
    assert costs(log) == pytest.approx(
        {"shortfall": 101, "price_impact": 100, "fees": 1, "delay": 0, "failure": 0}, abs=1e-9
    )


def test_network_fees_without_sol_count_as_nothing() -> None:
    """A pair without SOL has no price for lamports."""
    log = filled_log(
        an_order(sell="RAY", buy="USDC", amount=10**6),
        price=x64(2.5),
        amounts=(10**6, 2_500_000),
        network_fee=5_000,
    )
    assert costs(log)["shortfall"] == 0


@pytest.mark.parametrize("mode", list(Mode))
def test_no_fee_and_no_move_cost_nothing(mode: Mode) -> None:
    """A fill at the reference price, free and at once, has no shortfall in any part."""
    amount = 1_000_000_000 if mode is Mode.EXACT_IN else 250_000_000
    log = filled_log(
        an_order(amount=amount, mode=mode), price=2**62, amounts=(1_000_000_000, 250_000_000)
    )
    assert set(costs(log).values()) == {0.0}


def test_earlier_landed_attempts_are_failure() -> None:
    """200,000 lamports of a landed failure at 150 USDC are 0.03 of 1,500 USDC: 0.2 bps."""
    order, price = an_order(), x64(0.15)
    quote = Quote(venue="v", pool="p", amount_in=10**10, amount_out=1_500_000_000)
    log = Log(order, price_x64=price).add(Claimed, START_NS, worker="w")
    routed(log, START_NS, order, quote, price)
    submitted(log, START_NS, quote, 200_000)
    log.add(
        AttemptFailed,
        START_NS + MS,
        attempt=1,
        code="SLIPPAGE",
        reason="",
        retry_at_ns=START_NS + MS,
        network_fee=200_000,
    )
    routed(log, START_NS + MS, order, quote, price, attempt=2)
    submitted(log, START_NS + MS, quote, 100_000, attempt=2)
    log.add(
        Confirmed,
        START_NS + 2 * MS,
        attempt=2,
        signature="s",
        slot=1,
        landed_at_ns=START_NS + 2 * MS,
        amount_in=quote.amount_in,
        amount_out=quote.amount_out,
        fee_in=0,
        fee_out=0,
        network_fee=100_000,
        reference_price_x64=price,
    )
    found = costs(log)
    assert found["failure"] == pytest.approx(0.2)
    assert found["fees"] == pytest.approx(0.1)
    assert found["shortfall"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("mode", "delay", "failure"),
    [(Mode.EXACT_IN, 60.0, 140.0), (Mode.EXACT_OUT, 61.520086797, 142.561545859)],
)
def test_the_move_between_first_and_last_route_is_failure(
    mode: Mode, delay: float, failure: float
) -> None:
    """Accepted at 150, routed at 149.70, again at 147.60, landed at 147: the retry cost 2.10.

    Exact in: failure 2.10 / 150 = 140 bps, delay (0.30 + 0.60) / 150 = 60 bps. Exact out: failure
    150 / 147.60 - 150 / 149.70 = 142.5615 bps; delay 150 / 149.70 - 1 + 150 / 147 - 150 / 147.60
    = 61.5201 bps.
    """
    amount = 10**10 if mode is Mode.EXACT_IN else 1_500_000_000
    order = an_order(amount=amount, mode=mode)
    quote = Quote(venue="v", pool="p", amount_in=10**10, amount_out=1_500_000_000)
    log = Log(order, price_x64=x64(0.15)).add(Claimed, START_NS, worker="w")
    routed(log, START_NS, order, quote, x64(0.1497))
    log.add(
        AttemptFailed,
        START_NS + MS,
        attempt=1,
        code="SLIPPAGE",
        reason="",
        retry_at_ns=START_NS + MS,
        network_fee=0,
    )
    routed(log, START_NS + MS, order, quote, x64(0.1476), attempt=2)
    submitted(log, START_NS + MS, quote, 0, attempt=2)
    log.add(
        Confirmed,
        START_NS + 2 * MS,
        attempt=2,
        signature="s",
        slot=1,
        landed_at_ns=START_NS + 2 * MS,
        amount_in=quote.amount_in,
        amount_out=quote.amount_out,
        fee_in=0,
        fee_out=0,
        network_fee=0,
        reference_price_x64=x64(0.147),
    )
    found = costs(log)
    assert (found["delay"], found["failure"]) == pytest.approx((delay, failure))
    assert sum(found[part] for part in PARTS) == pytest.approx(found["shortfall"], abs=1e-9)


def failed_log(mode: Mode, price_end: float, network_fee: int = 0) -> Log:
    """Return an order for 10 SOL or 1,500 USDC at 150 that fails when the price is another."""
    amount = 10**10 if mode is Mode.EXACT_IN else 1_500_000_000
    return (
        Log(an_order(amount=amount, mode=mode), price_x64=x64(0.15))
        .add(Claimed, START_NS, worker="w")
        .add(
            Failed,
            START_NS + MS,
            code="NO_ROUTE",
            reason="",
            reference_price_x64=x64(price_end),
            network_fee=network_fee,
        )
    )


@pytest.mark.parametrize(
    ("mode", "price_end", "network_fee", "expected"),
    [
        (Mode.EXACT_IN, 0.147, 0, 200.0),
        (Mode.EXACT_IN, 0.153, 0, -200.0),
        (Mode.EXACT_IN, 0.15, 1_000_000, 1.0),
        (Mode.EXACT_OUT, 0.147, 0, 204.081632653),
        (Mode.EXACT_OUT, 0.15, 1_000_000, 1.0),
    ],
)
def test_a_failed_order_costs_the_move_and_its_fees(
    mode: Mode, price_end: float, network_fee: int, expected: float
) -> None:
    """All of it is failure: 3 of 150 USDC lost are 200 bps, 150 / 147 - 1 is 204.08 bps."""
    found = costs(failed_log(mode, price_end, network_fee))
    assert found["shortfall"] == pytest.approx(expected)
    assert found["failure"] == found["shortfall"]
    assert [found[part] for part in PARTS[:3]] == [0, 0, 0]


@settings(max_examples=80, deadline=None)
@given(drawn_logs())
def test_parts_add_up_to_the_shortfall(logs: list[list[Event]]) -> None:
    """Whatever happened to an order, its parts sum to its total up to float rounding."""
    for row in order_table(logs).to_dicts():
        total = row["shortfall_bps"]
        assert (total is None) == (row["ended_at"] is None)
        if total is not None:
            parts = sum(row[f"{part}_bps"] for part in PARTS)
            assert parts == pytest.approx(total, rel=1e-9, abs=1e-6)


def test_an_unknown_reference_price_gives_no_cost() -> None:
    """A price of 0 is no price: costs are null instead of infinite."""
    log = filled_log(an_order(), price=0, amounts=(10, 5))
    assert set(costs(log).values()) == {None}


def ended(kind: type[Event], price_end: float) -> list[Event]:
    """Return a log that ends before anything was tried."""
    fields: dict[str, Any] = {"reference_price_x64": x64(price_end)}
    return Log(an_order(), price_x64=x64(0.15)).add(kind, START_NS + MS, **fields).events


def test_summary_leaves_out_cancelled_orders_only() -> None:
    """The mean is over expired and failed orders too; a cancellation is the user's choice."""
    logs = [
        ended(Expired, 0.147),
        failed_log(Mode.EXACT_IN, 0.144).events,
        ended(Cancelled, 0.03),
        Log(an_order(), price_x64=x64(0.15)).events,
    ]
    found = shortfall_summary(order_table(logs))
    assert found["mean"] == pytest.approx(300)
    assert (found["p50"], found["p95"]) == pytest.approx((200, 400))
    assert found["parts"] == pytest.approx(
        {"price_impact": 0, "fees": 0, "delay": 0, "failure": 300}
    )


def test_summary_of_no_orders_is_none() -> None:
    """Nothing to average gives None, not NaN."""
    found = shortfall_summary(order_table([]))
    assert (found["mean"], found["p50"], found["p95"]) == (None, None, None)
    assert set(found["parts"].values()) == {None}
