"""Check jumps against the moments of a compound Poisson process."""

from __future__ import annotations

import math

import pytest

from orderengine.errors import InvalidScenario
from orderengine.market.prices import JumpConfig, Jumps
from tests.market.statistics import mean_of, require_mean, variance_of
from tests.market.worlds import SLOT_NS

SLOTS = 20_000
PER_HOUR = 3_000.0
COUNT = PER_HOUR * SLOT_NS / 3_600e9  # a third of a jump a slot
MEAN, SIGMA = -0.02, 0.05
JUMPS = Jumps(JumpConfig(per_hour=PER_HOUR, mean=MEAN, sigma=SIGMA), SLOT_NS, seed=5)


def test_as_many_jumps_as_asked_for() -> None:
    """Their number is Poisson: its mean and its variance are the rate."""
    counts = [JUMPS.count(slot) for slot in range(SLOTS)]
    require_mean(mean_of(counts), COUNT, math.sqrt(COUNT / SLOTS))
    # The variance of (n - m)^2 of a Poisson number is m + 2 m^2.
    error = math.sqrt((COUNT + 2 * COUNT * COUNT) / SLOTS)
    require_mean(variance_of(counts, COUNT), COUNT, error)


def test_steps_have_their_moments() -> None:
    """Mean and variance of the logarithm are those of Merton's model."""
    growth = math.exp(MEAN + SIGMA * SIGMA / 2) - 1
    steps = [JUMPS.step(slot) for slot in range(SLOTS)]
    mean = COUNT * (MEAN - growth)
    second = MEAN**2 + SIGMA**2
    fourth = MEAN**4 + 6 * MEAN**2 * SIGMA**2 + 3 * SIGMA**4
    variance = COUNT * second
    require_mean(mean_of(steps), mean, math.sqrt(variance / SLOTS))
    error = math.sqrt((COUNT * fourth + 2 * variance**2) / SLOTS)
    require_mean(variance_of(steps, mean), variance, error)


def test_jumps_leave_the_expected_price_alone() -> None:
    """The mean of the factors is 1, though jumps go down on average."""
    factors = [math.exp(JUMPS.step(slot)) for slot in range(SLOTS)]
    square = COUNT * (math.exp(2 * MEAN + 2 * SIGMA**2) - 2 * math.exp(MEAN + SIGMA**2 / 2) + 1)
    require_mean(mean_of(factors), 1.0, math.sqrt(math.expm1(square) / SLOTS))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"per_hour": -1.0}, "per_hour"),
        ({"per_hour": float("nan")}, "per_hour"),
        ({"mean": 1.5}, "mean"),
        ({"sigma": -0.1}, "sigma"),
    ],
)
def test_bad_field_is_named(changes: dict[str, float], field: str) -> None:
    """The error holds the field."""
    with pytest.raises(InvalidScenario) as caught:
        JumpConfig(**changes)
    assert caught.value.field == field
