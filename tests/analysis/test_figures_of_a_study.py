"""Test every table of figures on one small study: they agree with the world and one another."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import orderengine as oe
from orderengine.analysis.estimates import ESTIMATE_COLUMNS
from orderengine.analysis.page import ReportFacts
from orderengine.analysis.percentiles import percentile_table
from orderengine.analysis.report import render_report
from orderengine.analysis.reverts import attempt_table, revert_table
from orderengine.analysis.sizes import cost_by_size
from orderengine.analysis.spreads import markout_table, spread_columns, spread_table, with_markouts
from orderengine.analysis.waits import little_table, wait_table

WORKERS = 20


@pytest.fixture(scope="module")
def result() -> oe.Result:
    """Give a study whose workers are too few, so that orders wait."""
    study = oe.scenario().replace(
        {"engine.workers": WORKERS, "orders": 400, "arrivals.rate_per_s": 40.0}
    )
    return oe.simulate(study, progress=False)


def test_tables_have_their_columns_and_go_to_disk(result: oe.Result, tmp_path: Path) -> None:
    """Six columns at the end of each, typed the same, through Parquet and Arrow unharmed."""
    orders, attempts = result.orders, attempt_table(result.logs)
    for table in (
        spread_table(orders),
        markout_table(orders),
        cost_by_size(orders),
        revert_table(attempts),
        percentile_table(orders),
        wait_table(orders, WORKERS),
    ):
        assert table.columns[-6:] == list(ESTIMATE_COLUMNS)
        table.write_parquet(tmp_path / "figures.parquet")
        assert pl.read_parquet(tmp_path / "figures.parquet").equals(table)
        assert table.to_arrow().num_rows == len(table)
        known = table.drop_nulls(["value", "low", "high"])
        assert (known["low"] <= known["value"]).all()
        assert (known["value"] <= known["high"]).all()


def test_the_queue_obeys_littles_law(result: oe.Result) -> None:
    """Orders wait, all workers are busy at times but never more than there are."""
    for row in little_table(result.orders).to_dicts():
        assert row["mean_open"] == pytest.approx(row["rate_times_mean"])
    law = dict(little_table(result.orders)["part", "mean_open"].iter_rows())
    assert law["queue"] > 1
    assert 0.5 * WORKERS < law["workers"] <= WORKERS
    figures = dict(wait_table(result.orders, WORKERS)["metric", "value"].iter_rows())
    assert figures["offered_load"] > 1
    assert figures["wait_chance"] > 0.5


def test_waits_are_the_summarys(result: oe.Result) -> None:
    """Mean total time is wait and service, of the orders that a worker took."""
    figures = dict(wait_table(result.orders, WORKERS)["metric", "value"].iter_rows())
    taken = result.orders.filter(pl.col("claimed_at").is_not_null())
    total_ms = (taken["total_ns"] / 1e6).to_numpy().mean()
    assert figures["wait_mean"] + figures["service_mean"] == pytest.approx(total_ms)


def test_markout_at_landing_is_the_spread_paid(result: oe.Result) -> None:
    """The prices that orders saw hold each landing's own, so at 0 s nothing has moved."""
    table = with_markouts(result.orders, None, ("0s",)).with_columns(spread_columns())
    paid = (-table["effective_spread_landed_bps"] / 2).to_list()
    assert table["markout_0s_bps"].to_list() == pytest.approx(paid, abs=1e-6)


def test_attempts_pay_what_orders_pay(result: oe.Result) -> None:
    """Lamports of all attempts are those of all orders, and of the reverted the failed ones."""
    attempts = attempt_table(result.logs)
    assert attempts["network_fee"].sum() == result.orders["network_fee"].sum()
    reverted = attempts.filter(pl.col("outcome") == "reverted")
    assert reverted["network_fee"].sum() == result.orders["network_fee_failed"].sum()


def test_the_report_tells_of_the_queue(result: oe.Result) -> None:
    """With the number of workers; without it that part is left out."""
    for workers, is_told in ((WORKERS, True), (0, False)):
        html = render_report(
            title="x", facts=ReportFacts(workers=workers), logs=result.logs, table=result.orders
        )
        assert ("Little's law" in html) is is_told
        assert "Intervals from this one run are too narrow" in html
