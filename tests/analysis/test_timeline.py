"""Test the life of one order in words and phases."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from orderengine.analysis.phases import spans
from orderengine.analysis.timeline import timeline
from orderengine.errors import InvalidData
from orderengine.model.events import Accepted, Claimed, Event, Failed, Routed
from orderengine.model.order import Declined, Leg, Mode, Route
from tests.analysis.logs import MS, Log, an_order, drawn_logs, filled_log, seeded_logs, x64


@settings(max_examples=60, deadline=None)
@given(drawn_logs(orders_max=3))
def test_phases_follow_one_another(logs: list[list[Event]]) -> None:
    """Phases cover the life of an order without gap, and every event has a line."""
    for log in logs:
        found = spans(log)
        at_ns = 0
        for span in found:
            assert span.begin_ns == at_ns
            assert span.end_ns > span.begin_ns
            at_ns = span.end_ns
        if log[-1].status.is_terminal:
            assert at_ns == log[-1].at_ns - log[0].at_ns
        told = timeline(log)
        assert [line.event for line in told.lines] == [
            str(event.__struct_config__.tag) for event in log
        ]
        assert repr(told) == str(told) != ""
        cells = re.findall(r"<t[dh]\b[^>]*>", told._repr_html_())
        assert all("text-align" in cell for cell in cells)
        assert "<script" not in told._repr_html_()


def test_text_of_a_fill() -> None:
    """The text has the amounts in shown units, the winner marked, and a bar a phase."""
    log = filled_log(
        an_order(),
        price=x64(0.15),
        amounts=(10 * 10**9, 1_490_000_000),
        network_fee=5_000,
    ).events
    text = str(timeline(log))
    assert "Order order-1: sell 10 SOL for USDC, normal priority" in text
    assert "reference price 150 USDC for 1 SOL" in text
    assert "✓ orca_whirlpool pool-orca" in text
    assert (
        "15.000  confirmed        10 SOL → 1,490 USDC in slot 7; network fee 0.000005 SOL" in text
    )
    assert "5.000  attempt 1: waiting for confirmation" in text
    assert "█" in text


def test_losers_and_the_silent_say_why() -> None:
    """A usable quote that lost is marked with a dot, a venue without a quote with a cross."""
    logs = seeded_logs(40)
    details = [
        detail
        for log in logs
        for line in timeline(log).lines
        for detail in line.details
        if line.event == "routed"
    ]
    assert {mark for mark, _, _ in details} == {"✓", "·", "✗"}
    assert all("→" in text for mark, _, text in details if mark != "✗")
    assert all("QUOTE_TIMEOUT" in text for mark, _, text in details if mark == "✗")
    asked = sum(len(e.quotes) for log in logs for e in log if isinstance(e, Routed))
    assert asked == sum(mark != "✗" for mark, _, _ in details)


def test_an_order_just_accepted_has_no_phase() -> None:
    """A log of one event has no phase and still prints."""
    told = timeline(Log(an_order(mode=Mode.EXACT_OUT, amount=10**6)).events)
    assert told.spans == ()
    assert "buy 1 USDC with SOL" in str(told)
    assert "pending after 0.000 ms" in str(told)


def test_html_escapes_what_users_wrote() -> None:
    """Ids and reasons cannot inject markup."""
    log = Log(an_order(order_id="<script>alert(1)</script>"))
    log.add(Failed, log.events[0].at_ns + MS, code="X", reason="<b>&", reference_price_x64=1)
    html = timeline(log.events)._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "X: &lt;b&gt;&amp;" in html


def test_a_log_must_begin_with_accepted() -> None:
    """A log without its first event is bad input."""
    log = filled_log(an_order(), price=2**63, amounts=(10, 5)).events
    assert isinstance(log[0], Accepted)
    with pytest.raises(InvalidData, match="accepted event first"):
        timeline(log[1:])


def test_a_computed_route_tells_its_hops_its_proof_and_what_it_left_out() -> None:
    """Each leg in its own tokens; a pool that lost has a dot, a venue that was silent a cross."""
    order = an_order()

    def leg(pool: str, sell: str, buy: str, amount_in: int, amount_out: int) -> Leg:
        return Leg(
            pool=pool,
            venue="orca_whirlpool",
            sell=sell,
            buy=buy,
            amount_in=amount_in,
            amount_out=amount_out,
        )

    legs = (
        leg("one", "SOL", "USDC", 4 * 10**9, 600_000_000),
        leg("two", "SOL", "USDT", 6 * 10**9, 901_000_000),
        leg("three", "USDT", "USDC", 901_000_000, 900_000_000),
    )
    route = Route(legs=legs, amount_in=10**10, amount_out=1_500_000_000, mode=Mode.EXACT_IN)
    declined = (
        Declined(venue="late", pool="", code="QUOTE_TIMEOUT", reason="too late"),
        Declined(venue="raydium_cpmm", pool="four", code="WORSE_PRICE", reason="2.00 bps worse"),
    )

    def told(route: Route) -> str:
        log = Log(order)
        log.add(Claimed, log.events[0].at_ns, worker="w")
        log.add(
            Routed,
            log.events[0].at_ns + MS,
            attempt=1,
            route=route,
            quotes=(),
            declined=declined,
            reference_price_x64=x64(0.15),
        )
        return str(timeline(log.events))

    text = told(replace(route, bound=1_500_000_100))
    assert "over 3 pools by way of USDT; at most 0.0007 bps from the best" in text
    assert "✓ orca_whirlpool two" in text
    assert "6 SOL → 901 USDT" in text
    assert "901 USDT → 900 USDC" in text
    assert "✗ late" in text
    assert "· raydium_cpmm four" in text
    assert "WORSE_PRICE: 2.00 bps worse" in text
    assert "; proven best" in told(replace(route, bound=1_500_000_000))
    assert "; computed" in told(route)
