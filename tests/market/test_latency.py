"""Check each model of how long an answer takes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    "config",
    [
        LatencyConfig(model="uniform", low="1ms", high="9ms"),
        LatencyConfig(model="lognormal", median="5ms", sigma=0.5),
    ],
    ids=["uniform", "lognormal"],
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
