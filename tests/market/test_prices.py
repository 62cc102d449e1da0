"""Check price paths: the moments of drawn ones, the exactness of recorded ones."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import InvalidData, InvalidScenario
from orderengine.market.draws import Draws
from orderengine.market.prices import Gbm, PriceConfig, Trace, to_x64
from orderengine.model.tokens import Token, token

SOL, USDC, USDT, BONK = (token(symbol) for symbol in ("SOL", "USDC", "USDT", "BONK"))
SLOT_NS = 400_000_000
YEAR_NS = 31_557_600 * 10**9


def path_of(volatility: float, seed: int = 1, slots: int = 20_000) -> list[int]:
    """Return the prices of a drawn path from 2^64 on."""
    path = Gbm(2**64, volatility, SLOT_NS, Draws(seed, "price"))
    return [path.price_x64(slot, slot * SLOT_NS) for slot in range(slots)]


def test_gbm_begins_at_its_start() -> None:
    """The first slot's price is the start to the precision of a float."""
    assert path_of(0.8, slots=1)[0] == pytest.approx(2**64, rel=1e-14)


def test_gbm_without_volatility_stands_still() -> None:
    """Nothing moves the price but the volatility: there is no drift."""
    prices = path_of(0.0, slots=100)
    assert set(prices) == {prices[0]}


def test_gbm_has_its_moments() -> None:
    """Log returns have the slot's share of the year's variance, minus half of it as their mean."""
    volatility = 20.0  # high, so that the mean shows
    sigma = volatility * math.sqrt(SLOT_NS / YEAR_NS)
    returns = [math.log(after / before) for before, after in pairwise(path_of(volatility))]
    mean = math.fsum(returns) / len(returns)
    variance = math.fsum((value - mean) ** 2 for value in returns) / len(returns)
    assert math.sqrt(variance) == pytest.approx(sigma, rel=0.03)
    assert mean == pytest.approx(-sigma * sigma / 2, abs=4 * sigma / math.sqrt(len(returns)))
    lagged = math.fsum((a - mean) * (b - mean) for a, b in pairwise(returns))
    assert abs(lagged / len(returns) / variance) < 0.04


def test_gbm_keeps_its_expected_price() -> None:
    """The mean over many seeds stays at the start: there is no drift in the price itself.

    A step of a year at 100 % shows it: a path whose logarithm had no drift would rise by 65 %.
    """
    ends = []
    for seed in range(4_000):
        path = Gbm(2**64, 1.0, YEAR_NS, Draws(seed, "price"))
        path.price_x64(0, 0)
        ends.append(path.price_x64(1, YEAR_NS) / 2**64)
    assert math.fsum(ends) / len(ends) == pytest.approx(1, abs=0.1)
    assert sum(end < math.exp(-0.5) for end in ends) == pytest.approx(2_000, abs=150)


def test_gbm_repeats_under_its_seed() -> None:
    """The same seed gives the same path to the unit, another one another path."""
    assert path_of(0.8, 5, 200) == path_of(0.8, 5, 200)
    assert path_of(0.8, 5, 200) != path_of(0.8, 6, 200)


samples = st.lists(st.tuples(st.integers(1, 10**12), st.integers(1, 2**80)), min_size=2, max_size=8)


@given(samples, st.data())
def test_trace_is_a_straight_line_in_integers(
    steps: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Between two samples the price is the exact line, rounded down."""
    times, at_ns = [], 0
    for gap, _ in steps:
        at_ns += gap
        times.append(at_ns)
    prices = [price for _, price in steps]
    trace = Trace(times, prices)
    index = data.draw(st.integers(0, len(times) - 2))
    when = data.draw(st.integers(times[index], times[index + 1]))
    share = Fraction(when - times[index], times[index + 1] - times[index])
    line = prices[index] + share * (prices[index + 1] - prices[index])
    assert trace.price_x64(0, when) == math.floor(line)
    assert [trace.price_x64(0, when) for when in times] == prices
    assert trace.start_ns == times[0]


def test_trace_is_held_before_and_after_its_samples() -> None:
    """Outside the recording the nearest sample's price stands."""
    trace = Trace([1_000, 2_000], [50, 70])
    assert [trace.price_x64(0, when) for when in (0, 999, 1_000)] == [50, 50, 50]
    assert [trace.price_x64(0, when) for when in (2_000, 2_001, 10**20)] == [70, 70, 70]


def test_trace_reads_instants_in_any_order() -> None:
    """A recorded price depends on the instant alone, not on the slot or on earlier questions."""
    trace = Trace([0, 100], [0, 1_000])
    assert [trace.price_x64(slot, when) for slot, when in ((9, 75), (1, 25), (5, 75))] == [
        750,
        250,
        750,
    ]


@pytest.mark.parametrize(
    ("price", "base", "quote", "price_x64"),
    [
        pytest.param("1", USDT, USDC, 2**64, id="equal decimals"),
        pytest.param("150.25", SOL, USDC, 15_025 * 2**64 // 100_000, id="SOL in USDC"),
        pytest.param("0.00002", BONK, USDC, 2 * 2**64 // 10_000, id="BONK in USDC"),
        pytest.param("0.3", USDC, SOL, 300 * 2**64, id="USDC in SOL"),
    ],
)
def test_to_x64_counts_base_units(price: str, base: Token, quote: Token, price_x64: int) -> None:
    """The price is of base units, exact and rounded down."""
    assert to_x64(Decimal(price), base, quote) == price_x64


def test_to_x64_refuses_what_would_be_zero() -> None:
    """A price that no integer can hold is an error, not a free token."""
    with pytest.raises(InvalidData, match="above 2\\^-64"):
        to_x64(Decimal("1e-18"), SOL, USDC)


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        ({"start": "0"}, "start", "above 0 and below 10^12"),
        ({"start": "0.000"}, "start", "above 0 and below 10^12"),
        ({"start": "1000000000000"}, "start", "above 0 and below 10^12"),
        ({"start": "-1"}, "start", "a positive decimal"),
        ({"start": "nan"}, "start", "a positive decimal"),
        ({"start": "1e5"}, "start", "a positive decimal"),
        ({"start": "1_000"}, "start", "a positive decimal"),
        ({"start": "1.2.3"}, "start", "a positive decimal"),
        ({"start": "."}, "start", "a positive decimal"),
        ({"start": ""}, "start", "a positive decimal"),
        ({"start": "٣"}, "start", "a positive decimal"),
        ({"volatility": -0.1}, "volatility", "from 0 to 10"),
        ({"volatility": 10.1}, "volatility", "from 0 to 10"),
        ({"volatility": float("inf")}, "volatility", "from 0 to 10"),
        ({"model": "trace"}, "file", "a file of prices"),
    ],
)
def test_bad_field_is_named(changes: dict[str, object], field: str, expected: str) -> None:
    """The error holds the field and what was expected."""
    with pytest.raises(InvalidScenario) as caught:
        PriceConfig(**changes)  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.field == field
    assert expected in caught.value.expected
