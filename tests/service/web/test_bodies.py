"""Check that bodies are measured before anybody parses them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.service.web.bodies import DEPTH_MAX, is_too_deep

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


def depth_of(value: Any) -> int:
    """Return how deep a value nests."""
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


@given(values, st.integers(0, DEPTH_MAX + 3))
def test_depth_is_that_of_the_value(value: Any, around: int) -> None:
    """Brackets inside strings do not count, whatever else is in them."""
    for _ in range(around):
        value = [value]
    assert is_too_deep(json.dumps(value).encode()) == (depth_of(value) > DEPTH_MAX)


@pytest.mark.parametrize(
    "nasty", [b'"' * 60_000, b'\\"' * 30_000, b'"\\' * 30_000, b'"' + b"[" * 60_000]
)
def test_nasty_bodies_take_no_time(nasty: bytes) -> None:
    """What never closes is looked at once: a scan that went back would not end within the limit."""
    assert not is_too_deep(nasty)


def test_brackets_that_never_close_are_too_deep() -> None:
    """As many as fit into a body."""
    assert is_too_deep(b"[" * (DEPTH_MAX + 1))
    assert not is_too_deep(b"[" * DEPTH_MAX)
