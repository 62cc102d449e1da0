"""Check when slots begin, evenly and with drawn lengths."""

from __future__ import annotations

import csv
import math
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.market.chain.slots import EvenSlots, JitteredSlots, slots_of
from orderengine.market.draws import Draws
from tests.market.worlds import SLOT_NS, START_NS
from tests.shared import shared_file


def jittered(jitter: float = 0.2, seed: int = 1, first_slot: int = 0) -> JitteredSlots:
    """Return slots of 400 ms in the mean."""
    return JitteredSlots(START_NS, SLOT_NS, jitter, Draws(seed, "slot/length"), first_slot)


@given(
    st.integers(0, 2**63 - 1),
    st.floats(0.01, 1.0),
    st.sampled_from([0, 7, 70_000_000]),
    st.lists(st.integers(-3, 80), min_size=1, max_size=20),
)
def test_a_slot_holds_its_instants_and_no_others(
    seed: int, jitter: float, first_slot: int, asked: list[int]
) -> None:
    """Starts rise strictly, and an instant lies in one slot, in whatever order they are asked."""
    slots = jittered(jitter, seed, first_slot)
    for slot in [first_slot + number for number in asked]:
        start_ns, end_ns = slots.start_ns(slot), slots.start_ns(slot + 1)
        assert end_ns - start_ns == slots.length_ns(slot) >= 1
        assert slots.at(start_ns) == slots.at(end_ns - 1) == slot
        assert slots.at(end_ns) == slot + 1
    in_order = jittered(jitter, seed, first_slot)
    for number in range(-3, 81):
        slot = first_slot + number
        assert in_order.start_ns(slot) == slots.start_ns(slot)


@pytest.mark.parametrize("jitter", [0.05, 0.2, 0.5])
def test_lengths_have_the_target_mean_and_spread(jitter: float) -> None:
    """The mean is the target; the standard deviation is the lognormal's, within 6 errors."""
    slots, count = jittered(jitter), 20_000
    lengths = [slots.length_ns(slot) for slot in range(count)]
    spread = SLOT_NS * math.sqrt(math.expm1(jitter * jitter))
    assert fmean(lengths) == pytest.approx(SLOT_NS, abs=6 * spread / math.sqrt(count))
    assert stdev(lengths) == pytest.approx(spread, rel=0.08)
    assert slots.start_ns(count) - START_NS == sum(lengths)


def test_without_jitter_slots_are_even() -> None:
    """No draw is made, and every answer is a product."""
    slots = slots_of(START_NS, SLOT_NS, 0.0, Draws(1, "slot/length"), 5)
    assert isinstance(slots, EvenSlots)
    assert slots.start_ns(10**9) == START_NS + 10**9 * SLOT_NS
    assert slots.at(START_NS - 1) == -1


def test_jitter_of_a_fifth_spreads_minutes_as_measured() -> None:
    """Means over as many slots as a minute had scatter as those of seven recorded hours."""
    with open(shared_file("latency/slot_time_samples_7h_2025-08-22.csv")) as file:
        rows = list(csv.DictReader(file))
    measured = [float(row["mean_slot_ms"]) for row in rows]
    slots, first, means = jittered(0.2), 0, []
    for row in rows:
        last = first + int(row["num_slots"])
        means.append((slots.start_ns(last) - slots.start_ns(first)) / (last - first) / 1e6)
        first = last
    # Each of two standard deviations of 437 means has an error of 3.4 %.
    assert stdev(means) == pytest.approx(stdev(measured), rel=0.2)
    assert fmean(measured) == pytest.approx(fmean(means), rel=0.02)
