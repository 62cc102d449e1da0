"""Check that draws are named, not taken in turn: stable, independent, and of the right shape."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.market.draws import Draws, key_of, order_id_of

COUNT = 20_000


def mean_and_variance(values: list[float]) -> tuple[float, float]:
    """Return both moments."""
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((value - mean) ** 2 for value in values) / len(values)


def chi_square(values: list[float], cells: int) -> float:
    """Return the statistic of values in (0, 1) against the even distribution over cells."""
    counts = Counter(int(value * cells) for value in values)
    even = len(values) / cells
    return sum((counts[cell] - even) ** 2 / even for cell in range(cells))


def correlation(left: list[float], right: list[float]) -> float:
    """Return the correlation of two lists of draws that are even on (0, 1)."""
    products = ((a - 0.5) * (b - 0.5) for a, b in zip(left, right, strict=True))
    return 12 * math.fsum(products) / len(left)


def test_integers_are_pinned() -> None:
    """Draws are the same in every version, else no result could ever be repeated."""
    draws = Draws(1, "latency/quote/raydium_cpmm")
    assert [draws.u64(0), draws.u64(0, 1), draws.u64(1), draws.u64(2**64 - 1, 5)] == [
        17_937_867_776_714_787_459,
        16_901_438_935_388_013_744,
        1_961_993_863_247_062_701,
        11_179_485_922_152_015_586,
    ]
    assert key_of("order") == 4_908_470_338_496_592_349
    assert key_of("00000000000000ff") == 255, "the id of a study's order is its key"


def test_order_ids_are_pinned() -> None:
    """Ids of orders derive from seed and number, the same in every version."""
    assert [order_id_of(1, number) for number in range(3)] == [
        "96843208287f4c97",
        "b35f8a394ac45169",
        "115005c1ad96f2ed",
    ]
    assert order_id_of(7, 0) == "cfd65ee916ef6280"


def test_distributions_are_pinned() -> None:
    """Each distribution makes the same of the same integer in every version."""
    draws = Draws(1, "latency/quote/raydium_cpmm")
    assert draws.uniform(7) == 0.20323454164507243
    assert draws.normal(7) == pytest.approx(-0.830123284918438, rel=1e-12)
    assert draws.exponential(2.0, 7) == pytest.approx(3.1867891786268268, rel=1e-12)
    assert draws.lognormal(100.0, 0.5, 7) == pytest.approx(66.02995769607112, rel=1e-12)
    assert (draws.geometric(0.3, 7), draws.poisson(4.0, 7)) == (5, 5)


@given(
    st.integers(0, 2**63 - 1),
    st.text(max_size=20),
    st.permutations([(order, k) for order in range(6) for k in range(4)]),
)
def test_order_of_calls_does_not_matter(
    seed: int, concern: str, calls: list[tuple[int, int]]
) -> None:
    """A draw depends on its name alone: not on what was drawn before, nor on the object."""
    draws = Draws(seed, concern)
    drawn = {call: draws.u64(*call) for call in calls}
    assert drawn == {call: Draws(seed, concern).u64(*call) for call in sorted(calls)}
    assert all(0 <= value < 2**64 for value in drawn.values())
    assert len(set(drawn.values())) == len(calls)


def test_order_ids_never_collide() -> None:
    """A hundred thousand orders of a seed have as many ids, all 16 hex digits."""
    ids = {order_id_of(1, number) for number in range(100_000)}
    assert len(ids) == 100_000
    assert all(len(found) == 16 and int(found, 16) >= 0 for found in ids)
    assert ids.isdisjoint(order_id_of(2, number) for number in range(10_000))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(lambda n: (n, 0), id="orders"),
        pytest.param(lambda n: (5, n), id="counts of one order"),
        pytest.param(lambda n: (n << 32, 0), id="high bits"),
    ],
)
def test_uniform_fills_its_interval_evenly(name: Callable[[int], tuple[int, int]]) -> None:
    """Neighbouring keys give independent values, whichever part of the key differs.

    With 31 degrees of freedom, chi-square lies between 9 and 70 for all but one seed in 10,000.
    """
    draws = Draws(1, "even")
    values = [draws.uniform(*name(n)) for n in range(COUNT)]
    assert all(0 < value < 1 for value in values)
    assert 9 < chi_square(values, 32) < 70
    assert abs(correlation(values[1:], values[:-1])) < 0.04


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Draws(2, "concern"), id="another seed"),
        pytest.param(Draws(1, "concern2"), id="another concern"),
    ],
)
def test_seeds_and_concerns_are_independent(other: Draws) -> None:
    """Another seed or concern says nothing about this one's draws."""
    mine = [Draws(1, "concern").uniform(n) for n in range(COUNT)]
    theirs = [other.uniform(n) for n in range(COUNT)]
    assert abs(correlation(mine, theirs)) < 0.04


@pytest.mark.parametrize("integer", [0, 2**11 - 1, 2**63, 2**64 - 2**11, 2**64 - 1])
def test_uniform_never_reaches_its_ends(integer: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The least and the greatest integer still give a value inside (0, 1), with a quantile."""
    draws = Draws(1, "ends")
    monkeypatch.setattr(Draws, "u64", lambda *_: integer)
    assert 0 < draws.uniform(0) < 1
    assert math.isfinite(draws.normal(0))
    assert math.isfinite(draws.exponential(1.0, 0))


def test_normal_has_its_moments() -> None:
    """The mean is 0, the variance 1, and a sixth of a percent lies beyond three sigma a side."""
    draws = Draws(3, "normal")
    values = [draws.normal(n) for n in range(COUNT)]
    mean, variance = mean_and_variance(values)
    assert mean == pytest.approx(0, abs=0.04)
    assert variance == pytest.approx(1, abs=0.06)
    assert 10 < sum(abs(value) > 3 for value in values) < 110  # 54 expected


def test_lognormal_has_its_median_and_spread() -> None:
    """Half of the values lie below the median; the logarithm's deviation is sigma."""
    draws = Draws(3, "lognormal")
    values = [draws.lognormal(250.0, 0.5, n) for n in range(COUNT)]
    assert sum(value < 250 for value in values) == pytest.approx(COUNT / 2, abs=400)
    mean, variance = mean_and_variance([math.log(value / 250) for value in values])
    assert mean == pytest.approx(0, abs=0.02)
    assert variance == pytest.approx(0.25, abs=0.02)


def test_exponential_has_its_moments() -> None:
    """The mean is as given and the variance its square."""
    draws = Draws(3, "exponential")
    mean, variance = mean_and_variance([draws.exponential(40.0, n) for n in range(COUNT)])
    assert mean == pytest.approx(40, rel=0.05)
    assert variance == pytest.approx(1_600, rel=0.1)


@pytest.mark.parametrize("p", [0.05, 0.6, 1.0])
def test_geometric_counts_trials_up_to_success(p: float) -> None:
    """The least is 1, with chance p; the mean is 1/p."""
    draws = Draws(3, "geometric")
    values = [draws.geometric(p, n) for n in range(COUNT)]
    assert min(values) == 1
    assert values.count(1) == pytest.approx(COUNT * p, rel=0.12)
    assert sum(values) / COUNT == pytest.approx(1 / p, rel=0.05)


@pytest.mark.parametrize("mean", [0.05, 2.0, 30.0])
def test_poisson_has_its_moments(mean: float) -> None:
    """Mean and variance are equal."""
    draws = Draws(3, "poisson")
    found, variance = mean_and_variance([float(draws.poisson(mean, n)) for n in range(COUNT)])
    assert found == pytest.approx(mean, rel=0.15 if mean < 1 else 0.04)
    assert variance == pytest.approx(mean, rel=0.2 if mean < 1 else 0.08)


def test_poisson_of_zero_is_zero() -> None:
    """Nothing happens where nothing is expected."""
    draws = Draws(3, "poisson")
    assert {draws.poisson(0.0, n) for n in range(1_000)} == {0}


def test_larger_means_give_no_fewer_events() -> None:
    """One draw's count only grows with the mean: two scenarios meet the same luck."""
    draws = Draws(3, "poisson")
    for n in range(200):
        counts = [draws.poisson(mean, n) for mean in (0.5, 1.0, 2.0, 4.0, 8.0)]
        assert all(low <= high for low, high in pairwise(counts))
