"""Check calm and wild times against the chain of two states."""

from __future__ import annotations

import math
from itertools import groupby

import pytest

from orderengine.errors import InvalidScenario
from orderengine.market.prices import RegimeConfig, Regimes
from tests.market.statistics import mean_of, require_mean
from tests.market.worlds import SLOT_NS

SLOTS = 100_000
CONFIG = RegimeConfig(wild_volatility=5.0, calm_lasts="40s", wild_lasts="8s")


def test_times_last_as_long_as_asked_for() -> None:
    """Lengths are geometric with the means 100 and 20 slots."""
    regimes = Regimes(CONFIG, SLOT_NS, seed=3)
    runs: dict[bool, list[int]] = {True: [], False: []}
    for is_wild, run in groupby(regimes.is_wild(slot) for slot in range(SLOTS)):
        runs[is_wild].append(len(list(run)))
    for is_wild, mean in ((False, 100), (True, 20)):
        lengths = runs[is_wild][1:-1]  # the first and the last are cut
        require_mean(mean_of(lengths), mean, math.sqrt(mean * (mean - 1) / len(lengths)))


def test_first_slot_has_the_long_run_share() -> None:
    """One seed in six opens in a wild time, and so many later slots are wild."""
    opened = [Regimes(CONFIG, SLOT_NS, seed).is_wild(0) for seed in range(6_000)]
    share = 8 / 48
    require_mean(mean_of(opened), share, math.sqrt(share * (1 - share) / len(opened)))
    later = []
    for seed in range(3_000):
        regimes = Regimes(CONFIG, SLOT_NS, seed)
        later.append([regimes.is_wild(slot) for slot in range(30)][-1])
    require_mean(mean_of(later), share, math.sqrt(share * (1 - share) / len(later)))


@pytest.mark.parametrize("field", ["calm_lasts", "wild_lasts"])
def test_times_take_time(field: str) -> None:
    """A time of no length is refused by its name."""
    with pytest.raises(InvalidScenario) as caught:
        RegimeConfig(**{field: "0s"})  # type: ignore[arg-type]  # a field's name
    assert caught.value.field == field
