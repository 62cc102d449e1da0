"""Check who leads which slot, and that skipped slots come in runs."""

from __future__ import annotations

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import InvalidScenario
from orderengine.market.chain.leaders import LeaderConfig, Leaders
from orderengine.market.config import MarketConfig
from orderengine.market.draws import Draws

RATE = 0.02


def leaders_of(skip_rate: float = RATE, seed: int = 1, **fields: float) -> Leaders:
    """Return a schedule."""
    config = LeaderConfig(**{"count": 200, **fields})  # type: ignore[arg-type]
    return Leaders(config, skip_rate, Draws(seed, "leader"))


@given(st.integers(0, 2**40), st.integers(1, 9))
def test_a_leader_has_a_window_of_slots(seed: int, window: int) -> None:
    """All slots of a window have one leader, and others follow."""
    leaders = leaders_of(seed=seed, window=window)
    for number in range(50):
        first = number * window
        assert len({leaders.leader_of(first + k) for k in range(window)}) == 1
    assert len({leaders.leader_of(number * window) for number in range(50)}) > 20


def test_slots_are_shared_evenly() -> None:
    """Windows fall on leaders of equal stake equally often: chi-square within 6 deviations."""
    leaders, windows = leaders_of(count=50), 50_000
    counts = [0] * 50
    for window in range(windows):
        counts[leaders.leader_of(4 * window)] += 1
    expected = windows / 50
    chi_square = sum((count - expected) ** 2 / expected for count in counts)
    assert chi_square < 49 + 6 * (2 * 49) ** 0.5


@pytest.mark.parametrize(("share", "skips"), [(0.05, 0.8), (0.5, 0.5), (0.1, 1.0), (0.0, 0.8)])
def test_the_mean_skip_rate_stays(share: float, skips: float) -> None:
    """However uneven leaders are, over all of them slots are skipped at the stated rate."""
    leaders = leaders_of(poor_share=share, poor_skips=skips)
    slots = {leaders.leader_of(slot): slot for slot in range(0, 40_000, 4)}
    assert len(slots) == 200
    rates = [leaders.skip_rate_of(slot) for slot in slots.values()]
    assert fmean(rates) == pytest.approx(RATE)
    if share:
        assert sum(sorted(rates)[-round(200 * share) :]) == pytest.approx(skips * sum(rates))


def test_skipped_slots_come_in_runs() -> None:
    """After a skipped slot of a window the next is skipped with chance E[p²]/E[p]."""
    leaders, draw = leaders_of(poor_share=0.1, poor_skips=0.8, skip_rate=0.05), Draws(1, "skip")
    slots = 400_000
    skipped = [draw.happens(leaders.skip_rate_of(slot), slot) for slot in range(slots)]
    pairs = [(skipped[k], skipped[k + 1]) for k in range(slots) if k % 4 != 3 and k + 1 < slots]
    after = [second for first, second in pairs if first]
    poor, good = 0.05 * 0.8 / 0.1, 0.05 * 0.2 / 0.9
    expected = (0.1 * poor**2 + 0.9 * good**2) / 0.05
    assert fmean(skipped) == pytest.approx(0.05, rel=0.05)
    assert fmean(after) == pytest.approx(expected, rel=0.06)
    assert expected > 6 * 0.05


def test_some_leaders_take_no_bundles() -> None:
    """The share is exact over leaders; without leaders every slot takes them."""
    leaders = leaders_of(bundle_share=0.9)
    takes = {leaders.leader_of(slot): leaders.takes_bundles(slot) for slot in range(0, 40_000, 4)}
    assert sum(takes.values()) == 180
    nobody = leaders_of(count=0)
    assert all(nobody.takes_bundles(slot) for slot in range(100))
    assert {nobody.skip_rate_of(slot) for slot in range(100)} == {RATE}


def test_impossible_leaders_are_refused() -> None:
    """Who has a twentieth of the slots cannot skip four fifths of a tenth of all."""
    with pytest.raises(InvalidScenario, match=r"poor_skips.*0\.8"):
        MarketConfig(skip_rate=0.1, leaders=LeaderConfig(count=100))
    with pytest.raises(InvalidScenario, match="bundle_share"):
        LeaderConfig(count=10, bundle_share=0.01)
