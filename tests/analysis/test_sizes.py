"""Test the cost by size: buckets, weights, and that parts add up."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.analysis.costs import PARTS, counted
from orderengine.analysis.sizes import cost_by_size, size_edges
from orderengine.analysis.tables import order_table
from orderengine.errors import InvalidData
from tests.analysis.logs import seeded_logs

TABLE = order_table(seeded_logs(400))


def sized(table: pl.DataFrame) -> pl.DataFrame:
    """Return the counted orders in USDC, in which most of them are."""
    return counted(table).filter(pl.col("market").str.ends_with("/USDC"))


def test_buckets_are_equally_full() -> None:
    """Each of ten buckets holds a tenth of the orders, up to one."""
    found = cost_by_size(TABLE)
    counts = found.filter((pl.col("part") == "shortfall") & (pl.col("bucket") >= 0))
    plain = counts.filter(pl.col("weighting") == "orders")["count"]
    assert len(plain) == 10
    assert plain.sum() == len(sized(TABLE))
    assert max(plain) - min(plain) <= 1


def test_means_are_those_of_plain_python() -> None:
    """Of a bucket between two given edges, over orders and by value."""
    found = cost_by_size(TABLE, edges=[100.0, 1_000.0])
    inside = sized(TABLE).filter((pl.col("size") >= 100) & (pl.col("size") < 1_000))
    costs, sizes = inside["shortfall_bps"].to_list(), inside["size"].to_list()
    of = found.filter((pl.col("bucket") == 1) & (pl.col("part") == "shortfall"))
    expected = {
        "orders": sum(costs) / len(costs),
        "value": sum(c * s for c, s in zip(costs, sizes, strict=True)) / sum(sizes),
    }
    assert dict(of["weighting", "value"].iter_rows()) == pytest.approx(expected)
    assert (of["size_low"][0], of["size_high"][0]) == (100.0, 1_000.0)


def test_parts_add_up_in_every_bucket() -> None:
    """The means of the parts are the mean shortfall, whatever the weights."""
    found = cost_by_size(TABLE, buckets=4).pivot(
        "part", index=["bucket", "weighting"], values="value"
    )
    for row in found.to_dicts():
        assert sum(row[part] for part in PARTS) == pytest.approx(row["shortfall"])


@given(st.integers(1, 12))
def test_edges_rise(buckets: int) -> None:
    """Inner edges are rising sizes, at most one fewer than buckets."""
    edges = size_edges(TABLE, buckets)
    assert edges == sorted(set(edges))
    assert len(edges) <= buckets - 1


def test_orders_of_one_size_are_one_bucket() -> None:
    """There is nothing to cut."""
    same = TABLE.with_columns(size=pl.lit(5.0))
    assert size_edges(same) == []
    assert cost_by_size(same)["bucket"].unique().sort().to_list() == [-1, 0]


def test_runs_share_their_buckets() -> None:
    """The edges are those of all runs together; intervals are between runs."""
    tables = [order_table(seeded_logs(120, seed)) for seed in range(3)]
    found = cost_by_size(tables, buckets=3)
    assert set(found["method"]) == {"replicates"}
    assert found["bucket"].n_unique() == 4


def test_no_orders_have_no_cost() -> None:
    """An empty study gives null figures, and wrong buckets are refused."""
    assert cost_by_size(order_table([]))["value"].is_null().all()
    with pytest.raises(InvalidData):
        cost_by_size(TABLE, buckets=0)
