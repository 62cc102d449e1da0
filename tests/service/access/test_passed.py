"""Check that what one process lets pass stays within its limit, whatever is asked and when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orderengine.service.access.passed import Passed

MINUTE_MS = 60_000


@given(st.integers(1, 20), st.lists(st.integers(0, 20_000), max_size=300))
def test_no_minute_of_the_clock_has_more_than_the_limit(limit: int, gaps: list[int]) -> None:
    """And who waits as long as was said is let in then."""
    passed, now_ms, times = Passed(), 7 * MINUTE_MS + 12_345, list[int]()
    for gap in gaps:
        now_ms += gap
        wait_ms = passed.take("a", limit, now_ms)
        if wait_ms:
            assert 0 < wait_ms <= MINUTE_MS
            now_ms += wait_ms
            again_ms = passed.take("a", limit, now_ms)
            assert again_ms == 0 or again_ms <= MINUTE_MS  # of the next minute, once
            if again_ms:
                continue
        times.append(now_ms // MINUTE_MS)
    assert all(times.count(minute) <= limit for minute in set(times))


def test_the_window_slides() -> None:
    """Half a minute on, half of what passed in the minute before still counts."""
    passed, start_ms = Passed(), 10 * MINUTE_MS
    assert [passed.take("a", 10, start_ms) for _ in range(12)] == [0] * 10 + [MINUTE_MS] * 2
    half_ms = start_ms + MINUTE_MS + MINUTE_MS // 2
    found = [passed.take("a", 10, half_ms) for _ in range(6)]
    assert found[:5] == [0] * 5
    assert passed.take("a", 10, half_ms + found[5]) == 0


def test_what_did_not_pass_counts_for_nothing() -> None:
    """It is given back, and another name has counts of its own."""
    passed = Passed()
    for _ in range(100):
        assert passed.take("a", 1, 1) == 0
        passed.give_back("a")
    assert passed.take("a", 1, 1) == 0
    assert passed.take("a", 1, 1) > 0
    assert passed.take("b", 1, 1) == 0


def test_memory_is_bounded() -> None:
    """The name that came first is forgotten."""
    passed = Passed(names_max=2)
    assert [passed.take(name, 1, 1) for name in "abc"] == [0] * 3
    assert passed.take("a", 1, 1) == 0
    assert passed.take("c", 1, 1) > 0
