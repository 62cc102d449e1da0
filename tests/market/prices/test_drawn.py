"""Check drawn paths: models that are turned on add to the path, and to nothing else."""

from __future__ import annotations

import math
from copy import deepcopy
from itertools import pairwise

import pytest

from orderengine.errors import InvalidScenario
from orderengine.market.draws import Draws
from orderengine.market.prices import (
    Gbm,
    JumpConfig,
    JumpDiffusion,
    Jumps,
    PriceConfig,
    RegimeConfig,
    Regimes,
    drawn_path,
)
from tests.market.statistics import mean_of, require_mean, variance_of
from tests.market.worlds import SLOT_NS

JUMPS = JumpConfig(per_hour=900.0, sigma=0.02)
WILD = RegimeConfig(wild_volatility=6.0, calm_lasts="40s", wild_lasts="20s")


def prices_of(config: PriceConfig, slots: int = 500, seed: int = 7) -> list[int]:
    """Return the first prices of a drawn path."""
    path = drawn_path(config, 2**64, SLOT_NS, seed)
    return [path.price_x64(slot, slot * SLOT_NS) for slot in range(slots)]


def test_plain_description_is_a_plain_path() -> None:
    """Without jumps and wild times it is the Brownian motion of old, draw by draw."""
    path = Gbm(2**64, 0.8, SLOT_NS, Draws(7, "price"))
    assert prices_of(PriceConfig()) == [path.price_x64(slot, 0) for slot in range(500)]


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(
            PriceConfig(jumps=JumpConfig(per_hour=900.0, sigma=0.0)), id="jumps of nothing"
        ),
        pytest.param(
            PriceConfig(regimes=RegimeConfig(wild_volatility=0.8)), id="wild times like calm ones"
        ),
    ],
)
def test_models_without_effect_leave_the_path_alone(config: PriceConfig) -> None:
    """To the unit: nobody's draws move because another model is turned on."""
    assert prices_of(config) == prices_of(PriceConfig())


def test_jumps_come_on_top_of_the_same_diffusion() -> None:
    """The logarithms differ by the sum of the jumps."""
    jumps = Jumps(JUMPS, SLOT_NS, 7)
    plain, jumping = prices_of(PriceConfig()), prices_of(PriceConfig(jumps=JUMPS))
    total = 0.0
    for slot in range(1, 500):
        total += jumps.step(slot)
        assert math.log(jumping[slot] / plain[slot]) == pytest.approx(total, abs=1e-9)
    assert sum(jumps.count(slot) for slot in range(1, 500)) > 10


def test_volatility_is_that_of_the_time() -> None:
    """Returns over sigma are standard normal in both times, each with its own sigma."""
    regimes = Regimes(WILD, SLOT_NS, 7)
    prices = prices_of(PriceConfig(regimes=WILD), 20_000)
    root = math.sqrt(SLOT_NS / 31_557_600e9)
    found: dict[bool, list[float]] = {True: [], False: []}
    for slot, (before, after) in enumerate(pairwise(prices), 1):
        is_wild = regimes.is_wild(slot)
        sigma = (6.0 if is_wild else 0.8) * root
        found[is_wild].append((math.log(after / before) + sigma**2 / 2) / sigma)
    for scaled in found.values():
        require_mean(mean_of(scaled), 0.0, 1 / math.sqrt(len(scaled)))
        require_mean(variance_of(scaled), 1.0, math.sqrt(2 / len(scaled)))


def test_copy_goes_on_by_itself() -> None:
    """Who looks ahead on a copy sees what will come, and does not move the path."""
    config = PriceConfig(jumps=JUMPS, regimes=WILD)
    path = drawn_path(config, 2**64, SLOT_NS, 7)
    seen = [path.price_x64(slot, 0) for slot in range(10)]
    ahead = deepcopy(path)
    foreseen = [ahead.price_x64(slot, 0) for slot in range(10, 60)]
    assert foreseen == [path.price_x64(slot, 0) for slot in range(10, 60)]
    assert isinstance(path, JumpDiffusion)
    assert seen + foreseen == prices_of(config, 60)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"jumps": JUMPS}, "jumps.per_hour"),
        ({"regimes": WILD}, "regimes.wild_volatility"),
    ],
)
def test_recorded_price_takes_no_drawn_moves(config: dict[str, object], field: str) -> None:
    """A trace has its own jumps; more of them are refused by name."""
    with pytest.raises(InvalidScenario) as caught:
        PriceConfig(model="trace", file="p.csv", **config)  # type: ignore[arg-type]
    assert caught.value.field == field
