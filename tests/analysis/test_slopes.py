"""Test slopes over a sweep's points against NumPy's fit, and what counts as a scale."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.analysis.intervals import mean_of
from orderengine.analysis.scales import in_units, on_scale
from orderengine.analysis.slopes import slope_of
from orderengine.errors import InvalidAmount, InvalidData

values = st.floats(-1e3, 1e3)
runs = st.lists(st.tuples(values, values, values), min_size=2, max_size=8)


def sweep(of: list[tuple[float, ...]], at: list[float] | list[str]) -> pl.DataFrame:
    """Return a sweep's table: a seed a row of values, one at each point."""
    rows = [(seed, x, y) for seed, row in enumerate(of) for x, y in zip(at, row, strict=True)]
    return pl.DataFrame(rows, schema=["seed", "at", "cost"], orient="row")


@given(runs)
def test_a_slope_is_the_mean_of_fitted_lines(of: list[tuple[float, ...]]) -> None:
    """A line of least squares a seed, as NumPy fits it, and Student's t over seeds."""
    at = [1.0, 2.0, 5.0]
    lines = mean_of([np.polynomial.Polynomial.fit(at, row, 1).convert().coef[-1] for row in of])
    found = slope_of(sweep(of, at), "at", "cost")
    assert (found.value, found.low, found.high) == pytest.approx(
        (lines.value, lines.low, lines.high), abs=1e-6
    )
    assert (found.count, found.method) == (len(of), "replicates")


def test_durations_are_a_scale() -> None:
    """Half a second costs 3, so 100 ms cost 0.6, whatever units the points are written in."""
    table = sweep([(0.0, 3.0, 9.0), (1.0, 4.0, 10.0)], ["0ms", "500ms", "1.5s"])
    found = slope_of(table, "at", "cost", step="100ms")
    assert found.value == pytest.approx(0.6)
    assert found.half_width == pytest.approx(0, abs=1e-12)
    assert slope_of(table, "at", "cost", step=100).value == pytest.approx(0.6)


def test_a_seed_without_two_values_says_nothing() -> None:
    """Runs that failed, and figures that no order gave, are left out."""
    table = sweep([(0.0, 1.0), (5.0, 7.0)], [0.0, 1.0]).with_columns(
        cost=pl.when((pl.col("seed") == 1) & (pl.col("at") == 0)).then(None).otherwise("cost")
    )
    found = slope_of(table, "at", "cost")
    assert found.value == pytest.approx(1.0)
    assert found.count == 1


def test_other_fields_are_averaged_over() -> None:
    """Two settings of another field whose slopes are 1 and 3."""
    one = sweep([(0.0, 1.0), (0.0, 1.0)], [0.0, 1.0])
    other = sweep([(7.0, 10.0), (7.0, 10.0)], [0.0, 1.0])
    assert slope_of(pl.concat([one, other]), "at", "cost").value == pytest.approx(2.0)


def test_words_have_no_slope() -> None:
    """Neither have columns that are not there, nor steps of no length."""
    words = sweep([(0.0, 1.0)], ["best", "split"])
    with pytest.raises(InvalidData, match="durations"):
        slope_of(words, "at", "cost")
    with pytest.raises(InvalidData, match="no column"):
        slope_of(words, "at", "price")
    for step in (0, -1.0, "0ms"):
        with pytest.raises(InvalidData, match="above 0"):
            in_units(step)
    with pytest.raises(InvalidAmount):
        in_units("soon")


def test_one_word_among_durations_makes_words() -> None:
    """So an axis never leaves a value out."""
    assert on_scale(pl.Series(["1ms", "never"])) is None
    assert on_scale(pl.Series([], dtype=pl.String)) is None
    assert on_scale(pl.Series([True])) is None
    numbers, unit = on_scale(pl.Series(["1ms", "2us"])) or (pl.Series(), "none")
    assert (numbers.to_list(), unit) == ([1.0, 0.002], "ms")
