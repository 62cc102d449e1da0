"""Test the tables of orders and events."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest
from hypothesis import given, settings

from orderengine.analysis.markets import market_of
from orderengine.analysis.tables import event_table, order_table
from orderengine.errors import InvalidData
from orderengine.model.events import Event
from orderengine.model.lifecycle import fold
from tests.analysis.logs import MS, START_NS, an_order, drawn_logs, filled_log, seeded_logs, x64


@settings(max_examples=60, deadline=None)
@given(drawn_logs())
def test_order_table_agrees_with_the_fold_of_each_log(logs: list[list[Event]]) -> None:
    """Status, attempts and network fees of a row are those of the folded order."""
    table = order_table(logs)
    states = [fold(log) for log in logs]
    assert table["status"].to_list() == [state.status.value for state in states]
    assert table["attempts"].to_list() == [state.attempts for state in states]
    assert table["network_fee"].to_list() == [state.network_fees for state in states]
    assert table["amount"].to_list() == [state.order.amount for state in states]
    assert table["ended_at"].is_not_null().to_list() == [state.is_terminal for state in states]


def test_order_table_of_one_fill_holds_its_figures() -> None:
    """Amounts, venue, market, prices and instants of a hand-made fill stand in its row."""
    log = filled_log(
        an_order(user="alice"),
        price=x64(0.15),
        amounts=(10 * 10**9, 1_490_000_000),
        fees=(25_000_000, 3),
        network_fee=5_000,
    ).events
    row = order_table([log]).row(0, named=True)
    assert (row["amount_in"], row["amount_out"]) == (10_000_000_000, 1_490_000_000)
    assert (row["fee_in"], row["fee_out"], row["network_fee"]) == (25_000_000, 3, 5_000)
    assert (row["venue"], row["pool"], row["legs"]) == ("orca_whirlpool", "pool-orca", 1)
    assert (row["market"], row["side"], row["user"]) == ("SOL/USDC", "sell", "alice")
    assert row["price_accept"] == pytest.approx(150)
    assert row["price_fill"] == pytest.approx(149)
    assert row["size"] == pytest.approx(1_500)
    assert row["accepted_at"].isoformat() == "2026-01-01T00:00:00+00:00"
    assert (row["attempts"], row["slot"], row["code"]) == (1, 7, None)


def test_amounts_up_to_u64_are_exact() -> None:
    """The largest amounts come back to the last unit."""
    most = 2**64 - 1
    log = filled_log(an_order(amount=most), price=x64(0.15), amounts=(most, most - 1)).events
    row = order_table([log]).row(0, named=True)
    assert (row["amount"], row["amount_in"], row["amount_out"]) == (most, most, most - 1)


def test_tables_of_no_orders_have_the_same_columns() -> None:
    """A table of 0 orders differs from another only in its rows."""
    some = seeded_logs(3)
    assert order_table([]).schema == order_table(some).schema
    assert event_table([]).schema == event_table(some).schema
    assert order_table([]).is_empty()


def test_event_table_has_a_row_an_event() -> None:
    """Every event stands in its row, with its instant in ns."""
    log = filled_log(an_order(), price=2**63, amounts=(2, 1)).events
    table = event_table([log, log[:1]])
    assert table["number"].to_list() == [0, 0, 0, 0, 0, 1]
    assert table["type"].to_list()[:5] == [
        "accepted",
        "claimed",
        "routed",
        "submitted",
        "confirmed",
    ]
    assert table["status"].to_list()[-2:] == ["confirmed", "pending"]
    assert table["at"].cast(pl.Int64).to_list()[:2] == [START_NS, START_NS + MS]


def test_order_table_refuses_a_log_that_does_not_begin() -> None:
    """A log without its accepted event is bad input, and the message says which."""
    log = filled_log(an_order(), price=2**63, amounts=(2, 1)).events
    with pytest.raises(InvalidData, match="the log of order 1"):
        order_table([log, log[1:]])
    with pytest.raises(InvalidData, match="no event"):
        order_table([[]])


@pytest.mark.parametrize(
    ("sell", "buy", "expected"),
    [
        ("SOL", "USDC", ("SOL", "USDC", "sell")),
        ("USDC", "SOL", ("SOL", "USDC", "buy")),
        ("USDT", "USDC", ("USDT", "USDC", "sell")),
        ("mSOL", "SOL", ("mSOL", "SOL", "sell")),
        ("RAY", "JUP", ("JUP", "RAY", "buy")),
        ("JUP", "RAY", ("JUP", "RAY", "sell")),
    ],
)
def test_market_of_names_both_sides_alike(
    sell: str, buy: str, expected: tuple[str, str, str]
) -> None:
    """A pair is one market whichever token is sold."""
    assert market_of(sell, buy) == expected


def test_event_table_reads_the_logs_once() -> None:
    """They may stand on disk, where each reading of a large study takes a minute."""

    class Counted(list[list[Event]]):
        readings = 0

        def __iter__(self) -> Iterator[list[Event]]:
            self.readings += 1
            return super().__iter__()

    logs = Counted(seeded_logs(5))
    assert event_table(logs).height == sum(map(len, list(logs)))
    assert logs.readings == 2  # and once by the line above
