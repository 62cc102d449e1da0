"""Check comparisons on common random numbers against formulas by hand, and on whole studies."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import orderengine as oe
from orderengine.errors import InvalidData, InvalidRequest, InvalidScenario
from orderengine.study.compared import Comparison, compared
from orderengine.study.run import scenario
from orderengine.study.sweep.cells import replicate_seed
from tests.study.sweeping import SMALL, Inline

DEFAULT = scenario("default").replace(orders=60)


def of_values(
    a: list[npt.NDArray[np.float64]], b: list[npt.NDArray[np.float64]], **given: Any
) -> Comparison:
    """Compare values as if two studies had given them."""
    study = SMALL.replace(orders=max(map(len, a)))
    settings: dict[str, Any] = {"metric": "m", "confidence": 0.95, "precision": None} | given
    return compared(study, study, a, b, **settings)


def drawn(shared: float, replicates: int, seed: int = 1) -> list[list[npt.NDArray[np.float64]]]:
    """Return values of two runs a replicate that share a part of their luck."""
    source = np.random.Generator(np.random.PCG64(seed))
    found: list[list[npt.NDArray[np.float64]]] = [[], []]
    for _ in range(replicates):
        common = source.normal(0, 1)
        for n in range(2):
            own = source.normal(0, 1)
            mean = n + math.sqrt(shared) * common + math.sqrt(1 - shared) * own
            found[n].append(source.normal(mean, 0.01, 50))
    return found


def test_intervals_are_those_of_the_paired_and_the_welch_t_test() -> None:
    """Over the means of replicates, against SciPy's own tests."""
    a, b = drawn(0.8, 12)
    found = of_values(a, b)
    means_a, means_b = [block.mean() for block in a], [block.mean() for block in b]
    paired = stats.ttest_rel(means_b, means_a).confidence_interval(0.95)
    apart = stats.ttest_ind(means_b, means_a, equal_var=False).confidence_interval(0.95)
    assert (found.difference.low, found.difference.high) == pytest.approx(tuple(paired))
    assert (found.unpaired.low, found.unpaired.high) == pytest.approx(tuple(apart))
    assert found.difference.method == "replicate_means"
    assert found.correlation == pytest.approx(stats.pearsonr(means_a, means_b).statistic)
    assert found.table["difference"].to_list() == pytest.approx(
        np.subtract(means_b, means_a).tolist()
    )


@pytest.mark.parametrize("shared", [0.0, 0.5, 0.9])
def test_the_reduction_is_what_theory_says(shared: float) -> None:
    """For equal variances and correlation r it is 1 / (1 - r); its interval covers that."""
    covered = 0
    for seed in range(60):
        found = of_values(*drawn(shared, 20, seed)).variance_reduction
        covered += found.low <= 1 / (1 - shared) <= found.high
    assert covered >= 50  # of 60 at 95 %: fewer than 1 in 1,000 times by chance


def test_hardly_any_spread_is_not_none() -> None:
    """Blocks that differ by a denormal number have an interval, and no division by zero."""
    tiny = [np.array([k * 1e-160]) for k in range(4)]
    found = of_values(tiny, [2 * block for block in tiny])
    assert found.unpaired.low <= found.unpaired.value <= found.unpaired.high
    assert math.isfinite(found.unpaired.half_width)


def test_the_needed_orders_give_the_wanted_precision() -> None:
    """The t interval over so many blocks is narrow enough, and over one fewer it is not."""
    a, b = drawn(0.9, 10)
    found = of_values(a, b, precision=0.1)
    spread = {
        found.orders_needed: float(np.std(found.table["difference"].to_numpy(), ddof=1)),
        found.orders_needed_unpaired: math.sqrt(
            float(found.table["a"].var()) + float(found.table["b"].var())  # type: ignore[arg-type]  # polars types it broadly
        ),
    }
    for orders, sd in spread.items():
        blocks = orders // 50
        assert orders == blocks * 50
        for n, is_enough in ((blocks, True), (blocks - 1, False)):
            half = float(stats.t.ppf(0.975, n - 1)) * sd / math.sqrt(n)
            assert (half <= 0.1) is is_enough
    assert found.orders_needed_unpaired / found.orders_needed == pytest.approx(
        found.variance_reduction.value, rel=0.25
    )


def test_orders_that_count_once_are_left_out() -> None:
    """A pair needs both; what is left out is told."""
    nan = math.nan
    a = [np.array([1.0, 2.0, nan, 4.0]), np.array([1.0, 1.0, 1.0, 1.0])]
    b = [np.array([2.0, nan, 3.0, 6.0]), np.array([2.0, 2.0, 2.0, nan])]
    found = of_values(a, b)
    assert (found.pairs, found.left_out) == (5, 3)
    assert found.block_means == ((2.5, 4.0), (1.0, 2.0))
    assert found.difference.value == 1.25
    with pytest.raises(InvalidData, match="a replicate without a pair"):
        of_values([np.array([nan, 1.0])], [np.array([1.0, nan])])


def test_one_replicate_is_cut_into_batches() -> None:
    """Twenty spans of orders that follow one another, and the comparison says so."""
    a = np.arange(100, dtype=float)
    b = a + np.repeat(np.arange(20), 5)
    found = of_values([a], [b])
    assert found.difference.method == "batch_means"
    assert found.table["difference"].to_list() == list(range(20))
    assert "20 batch means of one run" in str(found)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=8))
def test_two_equal_runs_differ_by_nothing(values: list[float]) -> None:
    """The interval is a point, and no factor is made up."""
    blocks = [np.array([value]) for value in values]
    found = of_values(blocks, blocks)
    assert (found.difference.low, found.difference.high) == (0.0, 0.0)
    assert found.variance_reduction.value == math.inf
    assert found.figures()["variance_reduction"]["value"] is None
    assert "none to tell" in str(found)


def test_a_single_pair_has_no_interval() -> None:
    """It is told as unbounded, and shown."""
    found = of_values([np.array([1.0])], [np.array([3.0])])
    assert found.difference.value == 2.0
    assert math.isinf(found.difference.high)
    assert "b - a" in str(found)


@cache
def routed() -> Comparison:
    """Return the comparison of two routers on the default scenario, small."""
    return oe.compare(
        DEFAULT,
        DEFAULT.replace({"engine.router": "split"}),
        replicates=6,
        precision=0.1,
        executor=Inline(),
        progress=False,
    )


def test_a_comparison_is_that_of_the_runs_alone() -> None:
    """By hand from two results a replicate, paired by order number."""
    split = DEFAULT.replace({"engine.router": "split"})
    differs = []
    for replicate in range(6):
        seed = replicate_seed(DEFAULT.seed, replicate)
        one, other = (
            oe.simulate(study, seed=seed, progress=False).orders for study in (DEFAULT, split)
        )
        both = one.join(other, on="number", suffix="_b").filter(
            (one["status"] != "cancelled") & (other["status"] != "cancelled")
        )
        differs.append(float((both["shortfall_bps_b"] - both["shortfall_bps"]).mean()))  # type: ignore[arg-type]  # polars types it broadly
        assert one["order_id"].to_list() == other["order_id"].to_list()
        assert one["amount"].to_list() == other["amount"].to_list()
    assert routed().table["difference"].to_list() == pytest.approx(differs)
    assert routed().changes == {"engine.router": ("best", "split")}
    assert routed().orders == 360


def test_pairing_needs_at_least_three_times_fewer_orders() -> None:
    """On a real comparison, two routers of the default scenario."""
    assert routed().variance_reduction.value > 3
    assert routed().orders_needed_unpaired > 3 * routed().orders_needed
    assert routed().difference.half_width < routed().unpaired.half_width


def test_metrics_of_runs_and_functions() -> None:
    """A figure's dotted name, a column, or a function of a result, of the run or of its orders."""
    other = SMALL.replace({"engine.workers": 4})

    def attempts(result: Any) -> Any:
        return result.orders["attempts"].mean()

    def total_ms(result: Any) -> Any:
        return result.orders["total_ns"] / 1e6

    by = {}
    for metric in ("latency_ms.total.p50", "total_ns", attempts, total_ms):
        found = oe.compare(
            SMALL, other, orders=10, replicates=2, metric=metric, executor=Inline(), progress=False
        )
        by[found.metric] = found
    assert by["latency_ms.total.p50"].pairs == 2
    assert by["total_ns"].pairs == 20
    assert by["total_ns"].difference.value / 1e6 == pytest.approx(by["total_ms"].difference.value)
    assert by["attempts"].mean_a.value >= 1
    assert set(by) == {"latency_ms.total.p50", "total_ns", "attempts", "total_ms"}


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        pytest.param({"metric": "cost"}, InvalidRequest, "expected one of number", id="metric"),
        pytest.param({"metric": lambda _: None}, InvalidRequest, "no value", id="no value"),
        pytest.param({"metric": lambda _: [1, 2]}, InvalidRequest, "one for each of 12", id="two"),
        pytest.param({"replicates": 0}, InvalidScenario, "replicates", id="no replicate"),
        pytest.param({"precision": 0.0}, InvalidScenario, "precision", id="precision"),
        pytest.param({"confidence": 1.0}, InvalidData, "confidence", id="confidence"),
    ],
)
def test_wrong_questions_are_refused(
    given: dict[str, Any], error: type[Exception], message: str
) -> None:
    """With what was found and what would do."""
    with pytest.raises(error) as told:
        oe.compare(SMALL, SMALL, **({"replicates": 2} | given), executor=Inline(), progress=False)
    assert message in str(told.value)


def test_two_studies_of_different_length_are_not_paired() -> None:
    """Unless the number of orders is given."""
    with pytest.raises(InvalidScenario, match="orders: expected 12"):
        oe.compare(SMALL, SMALL.replace(orders=5), executor=Inline())
    found = oe.compare(
        SMALL, SMALL.replace(orders=5), orders=4, replicates=2, executor=Inline(), progress=False
    )
    assert found.pairs <= 8
    assert "<td" in found._repr_html_()
