"""Test cell means and the Pareto front against a slow search."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.analysis.frontier import cell_means, frontier
from orderengine.analysis.intervals import mean_of
from orderengine.errors import InvalidData

points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12)


def sweep(cells: list[tuple[float, float]], spread: float = 0.0) -> pl.DataFrame:
    """Return a sweep with three replicates a cell, around the given cost and latency."""
    return pl.DataFrame(
        [
            {
                "engine.workers": k,
                "seed": seed,
                "shortfall_bps.mean": cost + spread * (seed - 1),
                "latency_ms.total.p95": latency + spread * (seed - 1),
            }
            for k, (cost, latency) in enumerate(cells)
            for seed in range(3)
        ],
        schema_overrides={"shortfall_bps.mean": pl.Float64, "latency_ms.total.p95": pl.Float64},
    )


@given(points)
def test_front_is_what_nothing_beats(cells: list[tuple[float, float]]) -> None:
    """Searched again, pair by pair; there always is a front."""
    found = frontier(sweep(cells), ["engine.workers"])
    for (cost, latency), is_on in zip(cells, found["on_front"], strict=True):
        beaten = any(c <= cost and ms <= latency and (c < cost or ms < latency) for c, ms in cells)
        assert is_on is not beaten
    assert found["on_front"].any()


@given(points)
def test_without_spread_what_may_be_is_what_is(cells: list[tuple[float, float]]) -> None:
    """Intervals of no width leave no doubt."""
    found = frontier(sweep(cells), ["engine.workers"])
    assert found["may_be"].to_list() == found["on_front"].to_list()


def test_wide_intervals_leave_doubt() -> None:
    """A cell that is beaten by less than its interval may be on the front."""
    found = frontier(sweep([(1.0, 1.0), (1.5, 1.5), (90.0, 90.0)], spread=1.0), ["engine.workers"])
    assert found["on_front"].to_list() == [True, False, False]
    assert found["may_be"].to_list() == [True, True, False]


def test_cell_means_are_students_over_replicates() -> None:
    """In the table's order of cells."""
    table = sweep([(5.0, 0.0), (3.0, 0.0)], spread=2.0)
    found = cell_means(table, ["engine.workers"], "shortfall_bps.mean")
    assert found["engine.workers"].to_list() == [0, 1]
    expected = mean_of([1.0, 3.0, 5.0])
    low, value, high = found.row(1)[2], found.row(1)[1], found.row(1)[3]
    assert (low, value, high) == pytest.approx((expected.low, expected.value, expected.high))


def test_rows_of_one_seed_count_once() -> None:
    """Averaged over another field, a cell still has as many runs as seeds."""
    table = sweep([(5.0, 0.0), (3.0, 0.0)], spread=2.0).with_columns(all=pl.lit("x"))
    found = cell_means(table, ["all"], "shortfall_bps.mean")
    expected = mean_of([2.0, 4.0, 6.0])
    assert found.row(0, named=True)["count"] == 3
    assert found["low"][0] == pytest.approx(expected.low)


def test_one_replicate_has_no_interval() -> None:
    """Its bounds are null, and the front takes the points."""
    table = sweep([(1.0, 2.0), (2.0, 1.0)]).filter(pl.col("seed") == 0)
    found = frontier(table, ["engine.workers"])
    assert found["cost_low"].is_null().all()
    assert found["on_front"].all()


def test_cells_without_a_figure_are_left_out() -> None:
    """As when no order of a cell was filled; a column that is not there is refused."""
    table = sweep([(1.0, 2.0), (2.0, 3.0)]).with_columns(
        pl.when(pl.col("engine.workers") == 1)
        .then("shortfall_bps.mean")
        .alias("shortfall_bps.mean")
    )
    assert frontier(table, ["engine.workers"])["engine.workers"].to_list() == [1]
    with pytest.raises(InvalidData):
        cell_means(table, ["workers"], "shortfall_bps.mean")
