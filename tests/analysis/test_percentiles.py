"""Test percentiles far into the tail and the points of their plot."""

from __future__ import annotations

from math import log10

import polars as pl
import pytest

from orderengine.analysis.intervals import quantile_of
from orderengine.analysis.latency import latency_percentiles
from orderengine.analysis.percentiles import hdr_points, percentile_table
from orderengine.analysis.tables import order_table
from orderengine.errors import InvalidData
from tests.analysis.logs import seeded_logs

TABLE = order_table(seeded_logs(1_200))


def test_percentiles_are_those_of_the_summary() -> None:
    """p50, p95 and p99 of every stage, computed by other code."""
    found = percentile_table(TABLE)
    summary = latency_percentiles(TABLE)
    for stage, percentile, value in found["stage", "percentile", "value"].iter_rows():
        if percentile in summary[stage]:
            assert value == pytest.approx(summary[stage][percentile])
    assert found.filter(pl.col("percentile") == "p95").height == 7


def test_intervals_stand_between_order_statistics() -> None:
    """Of one run, as ``quantile_of`` has them."""
    row = percentile_table(TABLE, ["total"]).filter(pl.col("percentile") == "p99")
    expected = quantile_of(TABLE["total_ns"].drop_nulls(), 0.99)
    assert row["low"][0] == pytest.approx(expected.low / 1e6)
    assert row["high"][0] == pytest.approx(expected.high / 1e6)
    assert row["method"][0] == "order_statistics"


def test_percentiles_without_orders_beyond_are_left_out() -> None:
    """1,200 orders have a p99.9 but no p99.99, 10 have a p90 and no p95."""
    assert "p99.9" in percentile_table(TABLE, ["total"])["percentile"].to_list()
    assert "p99.99" not in percentile_table(TABLE, ["total"])["percentile"].to_list()
    few = TABLE.filter(pl.col("total_ns").is_not_null()).head(10)
    assert percentile_table(few, ["total"])["percentile"].to_list() == ["p50", "p90"]


def test_runs_give_an_interval_between_them() -> None:
    """The mean over runs of each run's percentile."""
    tables = [order_table(seeded_logs(150, seed)) for seed in range(4)]
    row = percentile_table(tables, ["total"]).filter(pl.col("percentile") == "p50")
    medians = [quantile_of(table["total_ns"].drop_nulls(), 0.5).value / 1e6 for table in tables]
    assert row["value"][0] == pytest.approx(sum(medians) / 4)
    assert row["method"][0] == "replicates"


def test_points_reach_the_largest_latency_and_rise() -> None:
    """From the fastest order to the slowest, with no more than a few dozen points a nine."""
    points = hdr_points(TABLE)
    ended = TABLE["total_ns"].drop_nulls()
    assert points["ms"][-1] == (ended / 1e6).max()
    assert points["ms"].is_sorted()
    assert points["q"].is_sorted()
    assert points["nines"][-1] == pytest.approx(log10(2 * len(ended)))
    assert len(points) < 100


def test_points_are_empirical_quantiles() -> None:
    """At each point, as many orders are at most as slow as its share says."""
    ended = TABLE["total_ns"].drop_nulls()
    for q, ms in hdr_points(TABLE)["q", "ms"].iter_rows():
        assert abs((ended / 1e6 <= ms).sum() - (q * len(ended) + 0.5)) < 1e-6


def test_no_orders_have_no_points() -> None:
    """An empty study gives empty tables, and an unknown stage is refused."""
    empty = order_table([])
    assert hdr_points(empty).is_empty()
    assert percentile_table(empty)["value"].is_null().all()
    with pytest.raises(InvalidData):
        percentile_table(TABLE, ["breakfast"])
    with pytest.raises(InvalidData):
        percentile_table(TABLE, quantiles={"p100": 1.0})
