"""Test the attempt table and the rates of what came to nothing."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given

from orderengine.analysis.intervals import share_of
from orderengine.analysis.reverts import attempt_table, revert_table
from orderengine.analysis.tables import order_table
from orderengine.model.events import AttemptFailed, Claimed, Confirmed, Event, Failed
from orderengine.model.order import Quote
from tests.analysis.logs import (
    MS,
    START_NS,
    Log,
    an_order,
    drawn_logs,
    routed,
    seeded_logs,
    submitted,
)

QUOTE = Quote(venue="orca_whirlpool", pool="p", amount_in=10, amount_out=5)


def three_attempts(fee: int) -> list[Event]:
    """Return a log: one attempt not sent, one that never landed, one that reverted."""
    order, at = an_order(), START_NS
    log = Log(order).add(Claimed, at + MS, worker="w0")

    def fail(ms: int, attempt: int, code: str, paid: int = 0) -> None:
        log.add(
            AttemptFailed,
            at + ms * MS,
            attempt=attempt,
            code=code,
            reason="",
            retry_at_ns=at + ms * MS,
            network_fee=paid,
        )

    fail(2, 1, "NO_ROUTE")
    routed(log, at + 3 * MS, order, QUOTE, 2**64, attempt=2)
    submitted(log, at + 4 * MS, QUOTE, fee, attempt=2)
    fail(5, 2, "BLOCKHASH_EXPIRED")
    routed(log, at + 6 * MS, order, QUOTE, 2**64, attempt=3)
    submitted(log, at + 7 * MS, QUOTE, fee, attempt=3)
    log.add(
        Failed,
        at + 9 * MS,
        code="SLIPPAGE",
        reason="",
        reference_price_x64=2**64,
        network_fee=fee,
    )
    return log.events


@pytest.mark.parametrize("fee", [5_000, 0], ids=["paid", "free of charge"])
def test_attempts_are_told_apart(fee: int) -> None:
    """Unsent, lost, reverted; also where a transaction costs nothing."""
    table = attempt_table([three_attempts(fee)])
    assert table["outcome"].to_list() == ["unsent", "lost", "reverted"]
    assert table["code"].to_list() == ["NO_ROUTE", "BLOCKHASH_EXPIRED", "SLIPPAGE"]
    assert table["attempt"].to_list() == [1, 2, 3]
    assert table["landed"].to_list() == [False, False, True]
    assert table["network_fee"].to_list() == [0, 0, fee]
    assert table["submitted_at"].is_null().to_list() == [True, False, False]


@given(drawn_logs())
def test_attempts_agree_with_the_order_table(logs: list[list[Event]]) -> None:
    """The same number of attempts, fees and fills an order."""
    orders, attempts = order_table(logs), attempt_table(logs)
    counted = dict.fromkeys(range(len(logs)), 0)
    counted |= dict(attempts.group_by("number").len().iter_rows())
    assert counted == dict(orders["number", "attempts"].iter_rows())
    assert attempts["network_fee"].sum() == orders["network_fee"].sum()
    fills = attempts.filter(pl.col("outcome") == "filled")
    assert fills["number"].to_list() == [
        n for n, log in enumerate(logs) if isinstance(log[-1], Confirmed)
    ]


def rate(table: pl.DataFrame, metric: str, code: str | None = None) -> dict[str, object]:
    """Return one row of a revert table."""
    is_code = pl.col("code").is_null() if code is None else pl.col("code") == code
    return table.filter((pl.col("metric") == metric) & is_code).row(0, named=True)


def test_rates_are_shares_of_what_they_say() -> None:
    """Counted again in plain Python from the events of some hundred orders."""
    logs = seeded_logs(800)
    table = revert_table(attempt_table(logs))
    failed = [e for log in logs for e in log if isinstance(e, AttemptFailed | Failed)]
    fills = sum(isinstance(log[-1], Confirmed) for log in logs)
    reverted = [event for event in failed if event.network_fee]
    found = rate(table, "revert_rate")
    assert found["value"] == pytest.approx(len(reverted) / (len(reverted) + fills))
    assert found["count"] == len(reverted) + fills
    assert rate(table, "revert_rate", "SLIPPAGE")["value"] == found["value"]
    lost = sum(event.code == "BLOCKHASH_EXPIRED" for event in failed)
    sent = lost + len(reverted) + fills
    assert rate(table, "lost_rate", "BLOCKHASH_EXPIRED")["value"] == pytest.approx(lost / sent)
    paid = sum(event.network_fee for event in reverted)
    assert rate(table, "fee_per_fill")["value"] == pytest.approx(paid / fills)


def test_codes_add_up() -> None:
    """The rates of all codes are the rate of all of them together."""
    table = revert_table(attempt_table(seeded_logs(400)))
    for metric in ("revert_rate", "lost_rate", "unsent_rate", "fee_per_fill"):
        of = table.filter(pl.col("metric") == metric)
        parts = of.filter(pl.col("code").is_not_null())["value"].sum()
        assert parts == pytest.approx(of.filter(pl.col("code").is_null())["value"][0])


def test_a_rate_of_none_has_wilsons_interval() -> None:
    """Nothing lost out of ten is no proof that nothing ever will be."""
    fills = [log for log in seeded_logs(60) if isinstance(log[-1], Confirmed) and len(log) == 5]
    found = rate(revert_table(attempt_table(fills)), "revert_rate")
    expected = share_of(0, len(fills))
    assert (found["value"], found["low"]) == (0.0, 0.0)
    assert found["high"] == pytest.approx(expected.high)
    assert found["method"] == "wilson"


def test_a_rate_of_none_in_all_runs_has_wilsons_interval_over_all_attempts() -> None:
    """Runs that agree on none show no spread, and still prove nothing."""
    fills = [log for log in seeded_logs(60) if isinstance(log[-1], Confirmed) and len(log) == 5]
    runs = [attempt_table(fills[:-3]), attempt_table(fills[-3:])]
    found = rate(revert_table(runs), "revert_rate")
    assert found["high"] == pytest.approx(share_of(0, len(fills)).high)
    assert (found["low"], found["count"], found["method"]) == (0.0, len(fills), "wilson")


def test_runs_give_an_interval_between_them() -> None:
    """Given one attempt table a run."""
    tables = [attempt_table(seeded_logs(100, seed)) for seed in range(4)]
    found = rate(revert_table(tables), "revert_rate")
    assert (found["method"], found["count"]) == ("replicates", 4)


def test_no_attempts_have_no_rate() -> None:
    """An empty study gives null figures."""
    table = revert_table(attempt_table([]))
    assert table["value"].null_count() == len(table) == 4
