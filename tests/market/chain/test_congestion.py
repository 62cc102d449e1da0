"""Check that demand has the memory, the spread and the bursts that were asked for."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import fmean, pstdev

import pytest
from msgspec.structs import replace

from orderengine.errors import InvalidScenario
from orderengine.market.chain.congestion import Congestion, CongestionConfig
from orderengine.market.draws import Draws
from tests.market.worlds import SLOT_NS

SLOTS = 60_000
CALM = CongestionConfig(demand=1.2, sigma=0.5, half_life="4s", burst_every="0s")
BURSTS = replace(CALM, sigma=0.0, burst_every="30s", burst_length="6s", burst_factor=3.0)


def congestion_of(config: CongestionConfig, seed: int = 1) -> Congestion:
    """Return a process before its first slot."""
    level, burst = Draws(seed, "congestion/level"), Draws(seed, "congestion/burst")
    return Congestion(config, SLOT_NS, level=level, burst=burst)


def levels(config: CongestionConfig, slots: int = SLOTS, seed: int = 1) -> list[float]:
    """Return the logarithm of demand over its median, slot by slot."""
    congestion, found = congestion_of(config, seed), []
    for slot in range(slots):
        congestion.step(slot)
        found.append(math.log(congestion.factor))
    return found


def test_level_is_autocorrelated_as_configured() -> None:
    """Correlation halves with each half-life: 10 slots here; the bands are 6 errors wide."""
    found = levels(CALM)
    mean, spread = fmean(found), pstdev(found)
    # An autoregressive series of n slots is worth n (1 - phi) / (1 + phi) independent ones.
    phi = 0.5 ** (1 / 10)
    worth = SLOTS * (1 - phi) / (1 + phi)
    assert mean == pytest.approx(0.0, abs=6 * 0.5 / math.sqrt(worth))
    assert spread == pytest.approx(0.5, rel=6 / math.sqrt(2 * worth))
    for lag in (1, 10, 20, 100):
        together = fmean((a - mean) * (b - mean) for a, b in zip(found, found[lag:], strict=False))
        assert together / spread**2 == pytest.approx(phi**lag, abs=6 / math.sqrt(worth))


def test_bursts_have_their_share_and_length() -> None:
    """A sixth of time is burst, of 15 slots in the mean, and demand is then three times as much."""
    found = levels(BURSTS, 200_000)
    assert set(found) == {0.0, math.log(3.0)}
    is_burst = [level > 0 for level in found]
    starts = sum(not before and after for before, after in pairwise(is_burst))
    # About 2,200 bursts of geometric length: an error of 2 % of the mean.
    assert sum(is_burst) / starts == pytest.approx(15, rel=0.13)
    assert fmean(is_burst) == pytest.approx(6 / 36, rel=0.18)


def test_first_slot_is_as_any_other() -> None:
    """Over many seeds the first level has the stationary spread and share of bursts."""
    first = [levels(replace(CALM, sigma=0.5), 1, seed)[0] for seed in range(2_000)]
    assert pstdev(first) == pytest.approx(0.5, rel=0.1)
    bursts = [levels(BURSTS, 1, seed)[0] > 0 for seed in range(2_000)]
    assert fmean(bursts) == pytest.approx(1 / 6, abs=6 * math.sqrt(5 / 36 / 2_000))


def test_draws_are_by_slot_and_model() -> None:
    """The same seed repeats; bursts are the same whatever the spread of the rest."""
    assert levels(CALM, 100) == levels(CALM, 100)
    assert levels(CALM, 100) != levels(CALM, 100, seed=2)
    plain = levels(BURSTS, 2_000)
    noisy = congestion_of(replace(BURSTS, sigma=0.5))
    for slot in range(2_000):
        noisy.step(slot)
        assert noisy.is_burst == (plain[slot] > 0)


def test_strain_begins_where_leaders_cannot_follow() -> None:
    """Demand within what leaders take in strains nothing; twice that strains twofold."""
    calm = congestion_of(replace(CALM, sigma=0.0, ingress=1.3))
    calm.step(0)
    assert (calm.demand, calm.strain) == (1.2, 1.0)
    busy = congestion_of(replace(CALM, sigma=0.0, ingress=0.6))
    busy.step(0)
    assert busy.strain == pytest.approx(2.0)
    off = congestion_of(CongestionConfig())
    off.step(0)
    assert (off.demand, off.account_demand, off.strain, off.factor) == (0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [("demand", -0.1), ("sigma", math.nan), ("half_life", "0s"), ("burst_factor", 0.5)],
)
def test_impossible_congestion_is_refused(field: str, value: object) -> None:
    """The error names the field."""
    with pytest.raises(InvalidScenario, match=field):
        CongestionConfig(**{field: value})  # type: ignore[arg-type]
