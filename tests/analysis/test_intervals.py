"""Test intervals: against SciPy and an independent computation, and by how often they cover."""

from __future__ import annotations

from collections.abc import Callable
from math import comb, inf, isnan

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from orderengine.analysis.intervals import (
    Estimate,
    batch_mean_of,
    mean_of,
    needed_count,
    paired_difference_of,
    quantile_of,
    ratio_of,
    share_of,
    student_quantile,
)
from orderengine.errors import InvalidData

Floats = npt.NDArray[np.float64]
RUNS = 2_000
"""Of a coverage test: the share covered then has a standard error of half a percent."""


def coverage(draw: Callable[[np.random.Generator], Estimate], truth: float) -> float:
    """Return the share of intervals that cover the true figure, at a fixed seed."""
    source = np.random.Generator(np.random.PCG64(20_261))
    return sum(1 for _ in range(RUNS) if covers(draw(source), truth)) / RUNS


def covers(estimate: Estimate, truth: float) -> bool:
    """Return whether an interval holds the true figure."""
    return estimate.low <= truth <= estimate.high


def some_normal(seed: int = 1, count: int = 50) -> Floats:
    """Return normal values of mean 5 and standard deviation 2."""
    return np.random.Generator(np.random.PCG64(seed)).normal(5.0, 2.0, count)


def test_mean_is_students_interval() -> None:
    """As ``scipy.stats.t.interval`` has it."""
    values = some_normal()
    found = mean_of(values, 0.9)
    low, high = stats.t.interval(0.9, 49, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.value == pytest.approx(values.mean())
    assert found.count == 50


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_mean_covers_as_often_as_it_says(confidence: float) -> None:
    """Of five normal values each, where a normal interval would be far too narrow."""
    found = coverage(lambda g: mean_of(g.normal(3.0, 1.0, 5), confidence), 3.0)
    assert found == pytest.approx(confidence, abs=0.02)


def test_share_is_wilsons_interval() -> None:
    """As SciPy's ``binomtest`` has it."""
    found = share_of(7, 40, 0.95)
    expected = stats.binomtest(7, 40).proportion_ci(0.95, method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@given(st.integers(0, 200), st.integers(0, 200))
def test_share_lies_between_0_and_1_with_its_value_inside(successes: int, more: int) -> None:
    """Also where none or all succeeded, where the bound is exact."""
    count = successes + more
    found = share_of(successes, count)
    assert 0 <= found.low <= found.high <= 1
    if count:
        assert found.low <= found.value <= found.high
        assert (found.low == 0) == (successes == 0)
        assert (found.high == 1) == (more == 0)


def test_share_covers_as_often_as_it_says() -> None:
    """Of 60 draws with a chance of 0.1; Wilson's covers on average, not for each chance."""
    found = coverage(lambda g: share_of(int(g.binomial(60, 0.1)), 60), 0.1)
    assert 0.93 <= found <= 0.98


@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=40),
    st.sampled_from([0.047, 0.26, 0.53, 0.91, 0.987]),
    st.sampled_from([0.5, 0.9, 0.99]),
)
def test_quantile_is_bound_by_the_innermost_ranks(
    values: list[int], q: float, confidence: float
) -> None:
    """The ranks are found again by adding up the binomial law, one rank at a time."""
    n, outside = len(values), (1 - confidence) / 2
    chances = [comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(n + 1)]
    low = max((k for k in range(1, n + 1) if sum(chances[:k]) <= outside), default=0)
    high = min((k for k in range(1, n + 1) if sum(chances[k:]) <= outside), default=n + 1)
    ordered = [-inf, *sorted(map(float, values)), inf]
    found = quantile_of(values, q, confidence)
    assert (found.low, found.high) == (ordered[low], ordered[high])
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize("q", [0.5, 0.9])
def test_quantile_covers_at_least_as_often_as_it_says(q: float) -> None:
    """Of 80 values of a law with a heavy tail; ranks are whole, so a little more often."""
    truth = float(stats.lognorm.ppf(q, 1.5))
    found = coverage(lambda g: quantile_of(g.lognormal(0, 1.5, 80), q), truth)
    assert 0.94 <= found <= 0.985


def test_batch_means_cover_where_a_plain_mean_does_not() -> None:
    """A series whose neighbours correlate by 0.9 has a mean far less certain than it looks."""

    def series(source: np.random.Generator) -> Floats:
        shocks = source.normal(0, 1, 2_000)
        found = np.empty(2_000)
        found[0] = shocks[0] / (1 - 0.81) ** 0.5
        for k in range(1, 2_000):
            found[k] = 0.9 * found[k - 1] + shocks[k]
        return found

    source = np.random.Generator(np.random.PCG64(7))
    drawn = [series(source) for _ in range(400)]
    batched = sum(covers(batch_mean_of(one), 0.0) for one in drawn) / 400
    plain = sum(covers(mean_of(one), 0.0) for one in drawn) / 400
    assert 0.9 <= batched <= 0.98
    assert plain < 0.5


def test_batch_means_use_every_value() -> None:
    """The figure is the mean of the whole series, also where batches differ by one value."""
    values = some_normal(count=107)
    found = batch_mean_of(values)
    assert found.value == pytest.approx(values.mean())
    assert (found.count, found.method) == (107, "batch_means")


def test_paired_difference_knows_what_both_share() -> None:
    """A constant shift between noisy runs is found exactly; without pairing it drowns."""
    shared = some_normal()
    found = paired_difference_of(shared + 0.25, shared)
    assert (found.value, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))
    assert not mean_of(shared).low > mean_of(shared + 0.25).high


def test_ratio_covers_as_often_as_it_says() -> None:
    """Of 60 costs weighted by their sizes; the true ratio is that of the means."""

    def draw(source: np.random.Generator) -> Estimate:
        sizes = source.lognormal(0, 0.5, 60)
        return ratio_of(sizes * source.normal(3.0, 1.0, 60), sizes)

    assert coverage(draw, 3.0) == pytest.approx(0.95, abs=0.025)


def test_ratio_of_equal_weights_is_the_mean() -> None:
    """With a weight of 1 each, value and interval are Student's."""
    values = some_normal()
    found, mean = ratio_of(values, np.ones(50)), mean_of(values)
    assert (found.value, found.low, found.high) == pytest.approx((mean.value, mean.low, mean.high))


@given(st.floats(0.01, 50), st.floats(0.05, 5), st.sampled_from([0.8, 0.95, 0.99]))
def test_needed_count_is_the_least(sd: float, half_width: float, confidence: float) -> None:
    """As many values give the half width, one fewer do not."""
    found = needed_count(sd, half_width, confidence)

    def half(n: int) -> float:
        return float(stats.t.ppf((1 + confidence) / 2, n - 1) * sd / n**0.5)

    assert half(found) <= half_width * (1 + 1e-9)
    assert found == 2 or half(found - 1) > half_width * (1 - 1e-9)


def test_needed_count_takes_a_pilot() -> None:
    """Values stand for their standard deviation."""
    values = some_normal()
    assert needed_count(values, 0.1) == needed_count(float(values.std(ddof=1)), 0.1)


def test_needed_count_has_no_ceiling() -> None:
    """A precision that nobody can reach has its number, too: (z · sd / half width) squared."""
    assert needed_count(1e12, 1e-3) == pytest.approx((stats.norm.ppf(0.975) * 1e15) ** 2)


def test_no_values_have_no_figure() -> None:
    """The figure is not a number, the interval is everything, and it shows as a dash."""
    for found in (mean_of([]), quantile_of([], 0.5), batch_mean_of([]), ratio_of([], [])):
        assert isnan(found.value)
        assert (found.low, found.high, found.count) == (-inf, inf, 0)
        assert str(found) == "-"
    assert (share_of(0, 0).low, share_of(0, 0).high) == (0, 1)


def test_one_value_bounds_nothing() -> None:
    """The figure is known, the interval is everything."""
    for found in (mean_of([2.0]), quantile_of([2.0], 0.5), batch_mean_of([2.0])):
        assert (found.value, found.low, found.high) == (2.0, -inf, inf)
    assert (ratio_of([4.0], [2.0]).value, ratio_of([4.0], [2.0]).high) == (2.0, inf)
    assert isnan(ratio_of([1.0], [0.0]).value)


def test_equal_values_have_no_width() -> None:
    """A constant is known exactly."""
    found = mean_of([3.0] * 5)
    assert (found.low, found.high, found.half_width) == (3.0, 3.0, 0.0)


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [
        (12.3456, 11.8, 12.9, "12.3 [11.8, 12.9]"),
        (12_345.6, 12_000.0, 12_700.0, "12,346 [12,000, 12,700]"),
        (0.00123, 0.0011, 0.00136, "0.00123 [0.00110, 0.00136]"),
        (-0.0001, -1.0, 1.0, "0.0 [-1.0, 1.0]"),
        (5.0, 5.0, 5.0, "5 [5, 5]"),
        (18.4283, 15.9739, inf, "18 [16, inf]"),
        (2.0, -inf, inf, "2 [-inf, inf]"),
    ],
)
def test_estimates_show_the_digits_that_are_known(
    value: float, low: float, high: float, shown: str
) -> None:
    """One or two digits of the half width, and never a minus zero."""
    found = Estimate(value=value, low=low, high=high, confidence=0.95, count=9, method="")
    assert str(found) == shown


def test_student_quantile_is_scipys() -> None:
    """And nears the normal one with many values."""
    assert student_quantile(4, 0.95) == pytest.approx(stats.t.ppf(0.975, 4))
    assert student_quantile(10**6, 0.95) == pytest.approx(stats.norm.ppf(0.975), rel=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: mean_of([1.0, float("nan")]),
        lambda: mean_of([1.0, 2.0], 1.0),
        lambda: mean_of([], 0.0),
        lambda: share_of(3, 2),
        lambda: share_of(-1, 2),
        lambda: quantile_of([1.0], 0.0),
        lambda: quantile_of([1.0], 1.0),
        lambda: batch_mean_of([1.0, 2.0], batches=1),
        lambda: paired_difference_of([1.0], [1.0, 2.0]),
        lambda: ratio_of([1.0], [1.0, 2.0]),
        lambda: needed_count(1.0, 0.0),
        lambda: needed_count([1.0], 1.0),
        lambda: needed_count(-1.0, 1.0),
    ],
)
def test_wrong_values_are_refused(wrong: Callable[[], object]) -> None:
    """With our own error, never an answer."""
    with pytest.raises(InvalidData):
        wrong()
