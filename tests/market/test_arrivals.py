"""Check each arrival model against theory: mean rate, how counts scatter, and what it draws."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, variance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import InvalidScenario
from orderengine.market.arrivals import ArrivalConfig, next_arrival
from orderengine.market.latency import LatencyConfig

SECOND = 1_000_000_000


def times_of(
    config: ArrivalConfig, count: int, seed: int = 1, recorded_ns: Sequence[int] = ()
) -> list[int]:
    """Return the first arrival times in ns."""
    arrives, times = next_arrival(config, seed, recorded_ns), [0]
    for number in range(count):
        times.append(arrives(number, times[-1]))
    return times[1:]


def counts_of(times_ns: Sequence[int], window_ns: int) -> list[int]:
    """Return how many arrive in each whole window."""
    counts = Counter(at_ns // window_ns for at_ns in times_ns)
    return [counts[index] for index in range(times_ns[-1] // window_ns)]


@given(
    st.sampled_from(["poisson", "even", "burst", "hawkes", "bursts", "diurnal"]),
    st.floats(0.01, 1e6),
    st.integers(0, 2**63 - 1),
)
def test_instants_never_fall_and_repeat(model: str, rate: float, seed: int) -> None:
    """Times are integers that do not fall; the same seed gives the same ones."""
    config = ArrivalConfig(model=model, rate_per_s=rate, burst_size=7, burst_length="3ms")  # type: ignore[arg-type]
    times = times_of(config, 60, seed)
    assert {type(at_ns) for at_ns in times} == {int}
    assert times[0] >= 0
    assert all(before <= after for before, after in pairwise(times))
    assert times == times_of(config, 60, seed)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "poisson"},
        {"model": "even"},
        {"model": "hawkes", "branching": 0.5, "decay": "100ms"},
        {"model": "hawkes", "branching": 0.0},
        {"model": "bursts", "burst_share": 0.4, "burst_size": 10},
        {"model": "bursts", "burst_share": 1.0, "burst_size": 10, "burst_length": "50ms"},
        {"model": "bursts", "burst_share": 0.0},
        {"model": "diurnal", "period": "2s", "amplitude": 1.0},
    ],
    ids=str,
)
def test_the_mean_rate_is_the_stated_one(changes: dict[str, object]) -> None:
    """50 orders a second over 400 s; the widest model scatters by 2 % (sd), the bound is 8 %."""
    times = times_of(ArrivalConfig(rate_per_s=50.0, **changes), 20_000)  # type: ignore[arg-type]
    assert times[-1] / SECOND == pytest.approx(400, rel=0.08)


def test_hawkes_counts_scatter_as_theory_says() -> None:
    """Counts of long windows have variance / mean = 1 / (1 - branching)^2 (Hawkes 1971).

    With 400 windows of 40 decays, the ratio's standard error is 7 %.
    """
    config = ArrivalConfig(model="hawkes", rate_per_s=50.0, branching=0.5, decay="25ms")
    counts = counts_of(times_of(config, 20_000), SECOND)
    assert variance(counts) / fmean(counts) == pytest.approx(4.0, rel=0.3)


def test_hawkes_gaps_are_those_of_its_intensity() -> None:
    """The compensator makes gaps exponential of mean 1 (the time-change theorem).

    The integral of the intensity from one order to the next is worked out here from the times
    alone, by the model's definition; mean, and share above 1, are those of exp(1).
    """
    rate, branching, decay_s = 50.0, 0.8, 0.2
    config = ArrivalConfig(model="hawkes", rate_per_s=rate, branching=branching, decay="200ms")
    excited, gaps = rate * branching, []
    for before_ns, after_ns in pairwise([0, *times_of(config, 20_000)]):
        gap_s = (after_ns - before_ns) / SECOND
        left = math.exp(-gap_s / decay_s)
        gaps.append(rate * (1 - branching) * gap_s + excited * decay_s * (1 - left))
        excited = excited * left + branching / decay_s
    assert fmean(gaps) == pytest.approx(1, abs=0.03)
    assert sum(gap > 1 for gap in gaps) / len(gaps) == pytest.approx(math.exp(-1), abs=0.015)
    assert sum(gap > 3 for gap in gaps) / len(gaps) == pytest.approx(math.exp(-3), abs=0.008)


def test_a_new_hawkes_process_has_its_mean_rate() -> None:
    """From its first instant: over 2,000 seeds the first second brings 20 orders in the mean.

    From a cold start, with a decay of 10 s, it would bring 2.2 orders.
    """
    config = ArrivalConfig(model="hawkes", rate_per_s=20.0, branching=0.9, decay="10s")
    total = 0
    for seed in range(2_000):
        arrives, at_ns, number = next_arrival(config, seed), 0, 0
        while at_ns < SECOND:
            at_ns = arrives(number, at_ns)
            number += 1
        total += number - 1
    # An order brings 0.086 more within the second, so counts scatter hardly more than Poisson's.
    assert total / 2_000 == pytest.approx(20, abs=0.6)


def test_without_branching_hawkes_is_poisson() -> None:
    """Nothing excites it, and the draws are those of ``poisson``."""
    plain = times_of(ArrivalConfig(rate_per_s=50.0), 500)
    same = times_of(ArrivalConfig(model="hawkes", rate_per_s=50.0, branching=0.0), 500)
    assert max(abs(a - b) for a, b in zip(plain, same, strict=True)) <= 500  # rounding adds up


def test_bursts_come_in_their_size() -> None:
    """With no length, whole groups share an instant; single orders are alone."""
    config = ArrivalConfig(model="bursts", rate_per_s=50.0, burst_share=0.4, burst_size=10)
    sizes = Counter(Counter(times_of(config, 20_000)).values())
    assert set(list(sizes)[:2]) == {1, 10}
    assert sum(size * n for size, n in sizes.items() if size >= 10) / 20_000 == pytest.approx(
        0.4, abs=0.04
    )


def test_bursts_are_spread_over_their_length() -> None:
    """Of a group alone in time, orders stand evenly, the last one the length after the first."""
    config = ArrivalConfig(
        model="bursts", rate_per_s=0.05, burst_share=1.0, burst_size=5, burst_length="400ms"
    )
    times = times_of(config, 5)
    assert [at_ns - times[0] for at_ns in times] == [0, 10**8, 2 * 10**8, 3 * 10**8, 4 * 10**8]


def test_overlapping_bursts_are_merged() -> None:
    """Groups that are longer than the time between them keep their own steps."""
    config = ArrivalConfig(
        model="bursts", rate_per_s=100.0, burst_share=1.0, burst_size=4, burst_length="3s"
    )
    times = times_of(config, 400)
    groups = [at_ns for at_ns in times if all(at_ns + k * SECOND in times for k in (1, 2, 3))]
    assert len(groups) >= 25
    assert all(a <= b for a, b in pairwise(times))


@pytest.mark.parametrize("peak_s", [0.0, 0.5])
def test_diurnal_rate_follows_its_wave(peak_s: float) -> None:
    """Around the peak (1 + 2a/π) of the mean come, in the other half of the period (1 - 2a/π)."""
    config = ArrivalConfig(
        model="diurnal", rate_per_s=50.0, amplitude=0.8, period="2s", peak=f"{peak_s}s"
    )
    times = times_of(config, 20_000)
    near = sum((at_ns / SECOND - peak_s + 0.5) % 2 < 1 for at_ns in times)
    assert near / 20_000 == pytest.approx((1 + 1.6 / math.pi) / 2, abs=0.02)


def test_trace_is_what_was_recorded() -> None:
    """Order n comes at the n-th instant."""
    config = ArrivalConfig(model="trace", file="f", column="c")
    assert times_of(config, 3, recorded_ns=(0, 7, 7)) == [0, 7, 7]


def test_closed_loop_has_no_instants_of_its_own() -> None:
    """They depend on when orders end, so nobody can be told them before."""
    with pytest.raises(InvalidScenario) as caught:
        next_arrival(ArrivalConfig(model="closed"), 1)
    assert (caught.value.field, caught.value.found) == ("model", "closed")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rate_per_s": 0.0}, "rate_per_s"),
        ({"rate_per_s": math.nan}, "rate_per_s"),
        ({"branching": 1.0}, "branching"),
        ({"decay": "0ms"}, "decay"),
        ({"burst_share": 1.1}, "burst_share"),
        ({"burst_size": 0}, "burst_size"),
        ({"burst_length": "5"}, "burst_length"),
        ({"amplitude": -0.1}, "amplitude"),
        ({"period": "0s"}, "period"),
        ({"peak": "-1s"}, "peak"),
        ({"model": "trace", "column": "c"}, "file"),
        ({"model": "trace", "file": "f"}, "column"),
        ({"users": 0}, "users"),
    ],
    ids=str,
)
def test_bad_field_is_named(changes: dict[str, object], field: str) -> None:
    """The error holds the field and the value found."""
    with pytest.raises(InvalidScenario) as caught:
        ArrivalConfig(**changes)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_thinking_is_a_latency_like_any_other() -> None:
    """So it may be measured values, too."""
    think = LatencyConfig(model="empirical", file="f", column="c")
    assert ArrivalConfig(model="closed", think=think).think == think
