"""Test figures of dependent orders: over spans of one run, and over runs."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from orderengine.analysis.estimates import (
    ESTIMATE_COLUMNS,
    are_spans_long,
    estimate_table,
    estimated,
    ratio,
)
from orderengine.analysis.intervals import Estimate, batch_mean_of, mean_of
from orderengine.analysis.tables import order_table
from orderengine.errors import InvalidData
from tests.analysis.logs import seeded_logs

PLAIN = ratio(pl.col("cost"), pl.when(pl.col("cost").is_not_null()).then(1.0))


def costs(seed: int, count: int = 2_000) -> pl.DataFrame:
    """Return costs that a slow common wave moves, as a price does."""
    source = np.random.Generator(np.random.PCG64(seed))
    wave = np.repeat(source.normal(size=count // 50), 50)
    return pl.DataFrame(
        {"cost": 10 + wave + source.normal(size=count), "size": source.random(count)}
    )


def test_spans_of_a_mean_are_batch_means() -> None:
    """With spans of equal length the interval is that of ``batch_mean_of``."""
    table = costs(1)
    found, batches = estimated(table, PLAIN), batch_mean_of(table["cost"])
    assert (found.value, found.low, found.high) == pytest.approx(
        (batches.value, batches.low, batches.high)
    )
    assert (found.method, found.count) == ("sections", 2_000)


def test_spans_see_what_orders_share() -> None:
    """A wave that fifty orders share widens the interval to several times the plain one."""
    table = costs(1)
    assert estimated(table, PLAIN).half_width > 3 * mean_of(table["cost"]).half_width


def test_spans_cover_about_as_often_as_they_say() -> None:
    """Over 300 runs whose true mean is known; a plain interval covers far less often."""
    tables = [costs(seed) for seed in range(300)]
    spans = [estimated(table, PLAIN) for table in tables]
    assert sum(found.low <= 10 <= found.high for found in spans) / 300 >= 0.9
    plain = [mean_of(table["cost"]) for table in tables]
    assert sum(found.low <= 10 <= found.high for found in plain) / 300 < 0.6


def test_spans_are_long_in_a_run_that_lasts() -> None:
    """Orders of about two seconds need forty seconds of arrivals; fewer, or none, are not long."""
    assert are_spans_long(order_table(seeded_logs(200, per_second=2)))
    assert not are_spans_long(order_table(seeded_logs(200, per_second=200)))
    assert not are_spans_long(order_table([]))


def test_runs_are_a_mean_over_one_figure_a_run() -> None:
    """Given several tables, the interval is Student's over their means."""
    tables = [costs(seed, 200) for seed in range(8)]
    expected = mean_of([float(table["cost"].to_numpy().mean()) for table in tables])
    found = estimated(tables, PLAIN)
    assert (found.low, found.value, found.high) == pytest.approx(
        (expected.low, expected.value, expected.high)
    )
    assert (found.method, found.count) == ("replicates", 8)


def test_weighted_mean_weighs_and_leaves_out_nulls() -> None:
    """Twice the weight counts twice; a row without a cost counts nowhere."""
    table = pl.DataFrame({"cost": [1.0, 4.0, None], "size": [2.0, 1.0, 100.0]})
    weighted = ratio(pl.col("cost") * pl.col("size"), pl.col("size"))
    assert weighted(table) == pytest.approx(2.0)
    assert weighted(table.clear()) is None


def test_no_rows_have_no_figure() -> None:
    """An empty table, and runs without a figure, are null in a table of figures."""
    none = estimated(costs(1).clear(), PLAIN)
    assert none.count == 0
    runs = estimated([costs(1).clear(), costs(2).clear()], PLAIN)
    table = estimate_table([({"of": "a"}, none), ({"of": "b"}, runs)], {"of": pl.String})
    assert table["value"].null_count() == table["low"].null_count() == 2
    with pytest.raises(InvalidData):
        estimated([], PLAIN)


def test_one_row_has_a_figure_and_no_interval() -> None:
    """Its bounds are null, not infinite, so that charts and files can hold them."""
    found = estimated(costs(1).head(1), PLAIN)
    table = estimate_table([({}, found)], {})
    assert table["value"].null_count() == 0
    assert table["low"].null_count() == table["high"].null_count() == 1


def test_table_of_figures_is_arrow_and_has_six_columns() -> None:
    """Names stand first; types are those documented, also with no row at all."""
    estimate = Estimate(value=1.0, low=0.0, high=2.0, confidence=0.9, count=3, method="m")
    table = estimate_table([({"name": "x"}, estimate)], {"name": pl.String})
    assert table.columns == ["name", *ESTIMATE_COLUMNS]
    assert table.to_arrow().num_rows == 1
    assert estimate_table([], {"name": pl.String}).schema == table.schema
