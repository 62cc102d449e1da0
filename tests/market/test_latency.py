"""Check each model of how long an answer takes."""

from __future__ import annotations

from collections import Counter
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma, kstest

from orderengine.errors import InvalidScenario
from orderengine.market.draws import Draws
from orderengine.market.latency import LatencyConfig, latency_model

MS = 1_000_000
DRAWS = Draws(1, "latency")


def test_constant_is_its_median() -> None:
    """Every answer takes the same time."""
    model = latency_model(LatencyConfig(median="200ms"), DRAWS)
    assert {model(order, k) for order in range(50) for k in range(3)} == {200 * MS}


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(0, 2**63 - 1))
def test_uniform_reaches_both_ends_and_no_more(low_ns: int, width: int, seed: int) -> None:
    """Low and high are both drawn, and nothing outside."""
    config = LatencyConfig(model="uniform", low=f"{low_ns}ns", high=f"{low_ns + width}ns")
    model = latency_model(config, Draws(seed, "latency"))
    drawn = {model(order, 0) for order in range(300)}
    assert drawn == set(range(low_ns, low_ns + width + 1))


def test_uniform_of_one_value_is_that_value() -> None:
    """Low may equal high."""
    model = latency_model(LatencyConfig(model="uniform", low="5ms", high="5ms"), DRAWS)
    assert model(0, 0) == 5 * MS


def test_lognormal_has_its_median_and_its_tail() -> None:
    """Half are below the median, a tenth above exp(1.2816 sigma) times it."""
    config = LatencyConfig(model="lognormal", median="492ms", sigma=0.531)
    model = latency_model(config, DRAWS)
    drawn = [model(order, 0) for order in range(20_000)]
    assert {type(value) for value in drawn} == {int}
    assert min(drawn) > 0
    assert sum(value < 492 * MS for value in drawn) == pytest.approx(10_000, abs=400)
    assert sum(value > 972 * MS for value in drawn) == pytest.approx(2_000, abs=250)


def test_lognormal_without_spread_is_constant() -> None:
    """A sigma of 0 leaves the median."""
    model = latency_model(LatencyConfig(model="lognormal", median="30ms"), DRAWS)
    assert {model(order, 0) for order in range(50)} == {30 * MS}


def test_empirical_draws_each_measured_value_alike() -> None:
    """Only measured values are drawn, each with the same chance."""
    config = LatencyConfig(model="empirical", file="f", column="c")
    model = latency_model(config, DRAWS, (10, 20, 20, 70))
    counts = Counter(model(order, 0) for order in range(8_000))
    assert set(counts) == {10, 20, 70}
    assert counts[20] == pytest.approx(4_000, abs=250)
    assert counts[10] == pytest.approx(2_000, abs=250)


def test_shifted_lognormal_is_never_below_its_offset() -> None:
    """What is above the offset is lognormal, with the very draws of ``lognormal``."""
    shifted = LatencyConfig(model="shifted_lognormal", median="30ms", sigma=0.7, offset="200ms")
    plain = LatencyConfig(model="lognormal", median="30ms", sigma=0.7)
    one, other = latency_model(shifted, DRAWS), latency_model(plain, DRAWS)
    assert [one(order, 2) - 200 * MS for order in range(99)] == [
        other(order, 2) for order in range(99)
    ]


def test_exponential_has_its_mean_and_its_tail() -> None:
    """A share exp(-3) is longer than three means; the offset is added to each."""
    model = latency_model(LatencyConfig(model="exponential", mean="10ms", offset="5ms"), DRAWS)
    drawn = [model(order, 0) for order in range(20_000)]
    assert min(drawn) >= 5 * MS
    assert fmean(drawn) == pytest.approx(15 * MS, rel=0.03)
    assert sum(value > 35 * MS for value in drawn) == pytest.approx(20_000 * 0.0498, abs=160)


@pytest.mark.parametrize("shape", [0.3, 1.0, 4.0, 100.0])
def test_gamma_has_the_distribution(shape: float) -> None:
    """Kolmogorov's distance to SciPy's gamma is below that of 1 in a million (2.7 / sqrt n)."""
    model = latency_model(LatencyConfig(model="gamma", mean="10s", shape=shape), DRAWS)
    drawn = [model(order, 1) / 1e10 for order in range(5_000)]
    assert kstest(drawn, gamma(shape, scale=1 / shape).cdf).statistic < 2.7 / 5_000**0.5


def test_slow_periods_hit_all_draws_of_a_period() -> None:
    """All answers of a period are multiplied, or none; what is drawn is the same as without."""
    plain = LatencyConfig(model="lognormal", median="5ms", sigma=0.5)
    slow = LatencyConfig(
        model="lognormal",
        median="5ms",
        sigma=0.5,
        slow_share=0.3,
        slow_factor=10.0,
        slow_period="100ms",
    )
    now = [0]
    model, fast = latency_model(slow, DRAWS, now_ns=lambda: now[0]), latency_model(plain, DRAWS)
    slow_periods = 0
    for period in range(2_000):
        factors = set()
        for step in range(3):
            now[0] = period * 100 * MS + step * 49 * MS
            latency_ns = fast(period, step)
            assert model(period, step) in {latency_ns, 10 * latency_ns}
            factors.add(model(period, step) // latency_ns)
        assert len(factors) == 1
        slow_periods += factors == {10}
    assert slow_periods == pytest.approx(600, abs=100)


def test_slow_periods_need_a_clock() -> None:
    """Who cannot tell the instant is told so, and no period is silently fast."""
    with pytest.raises(InvalidScenario) as caught:
        latency_model(LatencyConfig(median="5ms", slow_share=0.5), DRAWS)
    assert caught.value.field == "slow_share"


@pytest.mark.parametrize(
    "config",
    [
        LatencyConfig(model="uniform", low="1ms", high="9ms"),
        LatencyConfig(model="lognormal", median="5ms", sigma=0.5),
        LatencyConfig(model="exponential", mean="5ms"),
        LatencyConfig(model="gamma", mean="5ms", shape=0.5),
    ],
    ids=["uniform", "lognormal", "exponential", "gamma"],
)
def test_attempts_and_orders_have_draws_of_their_own(config: LatencyConfig) -> None:
    """The same name gives the same latency, another order or attempt another one."""
    model, again = latency_model(config, DRAWS), latency_model(config, DRAWS)
    names = [(order, k) for order in range(20) for k in range(3)]
    drawn = [model(*name) for name in names]
    assert drawn == [again(*name) for name in reversed(names)][::-1]
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"median": "5"}, "median", "a duration with a unit"),
        ({"median": "-5ms"}, "median", "a duration with a unit"),
        ({"median": -5}, "median", "a duration with a unit"),
        ({"median": "0.1ns"}, "median", "a whole number of nanoseconds"),
        ({"median": "25h"}, "median", "at most 24h"),
        ({"sigma": float("nan")}, "sigma", "from 0 to 5"),
        ({"sigma": -0.1}, "sigma", "from 0 to 5"),
        ({"sigma": 5.1}, "sigma", "from 0 to 5"),
        ({"low": "2ms", "high": "1ms"}, "high", "at least low (2ms)"),
        ({"mean": "5"}, "mean", "a duration with a unit"),
        ({"model": "exponential", "mean": "0ms"}, "mean", "above 0 with the model exponential"),
        ({"model": "gamma", "mean": "0ms"}, "mean", "above 0 with the model gamma"),
        ({"offset": "-1ms"}, "offset", "a duration with a unit"),
        ({"shape": 0.0}, "shape", "from 0.01 to 10000"),
        ({"slow_share": 1.5}, "slow_share", "from 0 to 1"),
        ({"slow_factor": 0.0}, "slow_factor", "above 0, up to 1000"),
        ({"slow_period": "1us"}, "slow_period", "at least 1ms"),
        ({"model": "empirical", "column": "c"}, "file", "a file of measured latencies"),
        ({"model": "empirical", "file": "f"}, "column", "the name of a column in ms"),
    ],
)
def test_bad_field_is_named(changes: dict[str, object], field: str, expected: str) -> None:
    """The error holds the field, the value found and what was expected."""
    with pytest.raises(InvalidScenario) as caught:
        LatencyConfig(**changes)  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.field == field
    assert expected in caught.value.expected
    assert repr(caught.value.found) == repr(changes.get(field, ""))
