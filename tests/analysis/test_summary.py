"""Test the summary and its text."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given, settings

from orderengine.analysis.costs import Shortfall
from orderengine.analysis.report_figures import notebook_summary
from orderengine.analysis.summary import render_summary, summarise
from orderengine.analysis.tables import order_table
from orderengine.model.events import Claimed, Event, Failed
from tests.analysis.logs import MS, START_NS, Log, an_order, drawn_logs, filled_log, seeded_logs


def only_failed() -> list[list[Event]]:
    """Return two orders that failed."""
    return [
        Log(an_order())
        .add(Claimed, START_NS, worker="w")
        .add(Failed, START_NS + MS, code="NO_ROUTE", reason="", reference_price_x64=2**64)
        .events
    ] * 2


@settings(max_examples=40, deadline=None)
@given(drawn_logs())
def test_counts_cover_every_order(logs: list[list[Event]]) -> None:
    """Each order is counted once by its end, each filled one once by its venue."""
    found = summarise(order_table(logs))
    ends = found.confirmed + found.failed + found.cancelled + found.expired + found.open
    assert ends == found.orders == len(logs)
    assert sum(found.venues.values()) == found.confirmed
    assert sum(found.codes.values()) == found.failed


def test_rates_of_one_fill() -> None:
    """One order filled in 15 ms is 66.7 orders a second."""
    log = filled_log(an_order(), price=2**63, amounts=(10, 5)).events
    found = summarise(order_table([log]))
    assert found.virtual_seconds == 0.015
    assert found.filled_per_second == 1 / 0.015
    assert (found.fill_rate, found.attempts_mean, found.in_flight_max) == (1.0, 1.0, 1)
    assert found.venues == {"orca_whirlpool": 1}


def test_text_fits_a_terminal_and_shows_no_nan() -> None:
    """At most 30 lines of 80 columns, for many orders, none, and only failed ones."""
    for logs in (seeded_logs(400), [], only_failed(), seeded_logs(3)[:1]):
        text = render_summary(summarise(order_table(logs)))
        lines = text.split("\n")
        assert len(lines) <= 30
        assert max(map(len, lines)) <= 80
        assert "nan" not in text.lower()
        assert "None" not in text
        assert "inf" not in text.lower()


def test_text_of_failed_orders_says_why() -> None:
    """The codes of failed orders stand in the text, and absent figures are dashes."""
    text = render_summary(summarise(order_table(only_failed())))
    assert "failed because of NO_ROUTE 2" in text
    assert "  failed                     2  100.0 %" in text
    assert text.split("\n")[0].startswith("2 orders in 0.001 s")


def test_big_figures_keep_their_columns() -> None:
    """Figures of millions stand apart, and a cost that rounds to nothing has no sign."""
    found = summarise(order_table(seeded_logs(40)))
    parts: dict[str, float | None] = {
        "price_impact": -0.001,
        "fees": 494_104.72,
        "delay": -20_261_555.5,
        "failure": 1e15,
    }
    huge = replace(
        found,
        orders=10_000_000,
        confirmed=10_000_000,
        shortfall_bps=Shortfall(
            mean=-99_999_999.4, p50=-999_999.99, p95=744_131_534.0, parts=parts
        ),
        venues={"a_venue_of_a_long_name": 10_000_000},
    )
    lines = render_summary(huge).split("\n")
    assert max(map(len, lines)) <= 80
    told = {line[:29].strip(): line[29:].split() for line in lines if "  " in line}
    assert told["shortfall in all"] == ["-99,999,999", "-999,999.99", "7.441e+08"]
    assert told["price impact in the pools"] == ["0.00"]
    assert told["failed attempts and orders"] == ["1e+15"]
    assert any("a_venue_of_a_lon… 10,000,000" in line for line in lines)
    assert "-0.00" not in notebook_summary(huge)


def test_one_order_is_no_plural() -> None:
    """One is one order, in text and page."""
    found = summarise(order_table([filled_log(an_order(), price=2**63, amounts=(10, 5)).events]))
    assert str(found).startswith("1 order in 0.015 s")
    assert "filled, of 1 order<" in notebook_summary(found)


def test_notebook_tables_align_by_themselves() -> None:
    """Jupyter aligns all cells right; ours say their side inline."""
    html = notebook_summary(summarise(order_table(seeded_logs(50))))
    cells = re.findall(r"<t[dh]\b[^>]*>", html)
    assert cells
    assert all("text-align" in cell for cell in cells)
    assert all(('class="n"' in cell) == ("text-align:right" in cell) for cell in cells)
    assert '<table style="width:100%">' in html


def test_summary_prints_as_its_text_and_shows_in_a_notebook() -> None:
    """``str`` is the rendered table; the notebook form holds the same figures and needs no page."""
    found = summarise(order_table(seeded_logs(50)))
    assert str(found) == repr(found) == render_summary(found)
    html = notebook_summary(found, "a lead")
    assert "<p>a lead</p>" in html
    assert html.count('class="tile"') == 6
    assert f"of {found.orders} orders" in html
