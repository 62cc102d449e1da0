"""Check instants: RFC 3339 to the nanosecond and back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import InvalidAmount
from orderengine.model.instants import parse_rfc3339, rfc3339
from tests.strategies import U63_MAX, instants

SECOND = 1_000_000_000


@given(instants)
def test_every_instant_is_read_back(at_ns: int) -> None:
    """Nine digits hold every nanosecond from 1970 to 2262."""
    assert parse_rfc3339(rfc3339(at_ns)) == at_ns


@given(st.integers(0, U63_MAX // SECOND))
def test_whole_seconds_agree_with_datetime(unix_s: int) -> None:
    """The calendar is the proleptic Gregorian one, as in the standard library."""
    expected = datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    assert rfc3339(unix_s * SECOND) == f"{expected}.000000000Z"


@given(st.lists(instants, min_size=2, max_size=2))
def test_text_sorts_as_time_does(pair: list[int]) -> None:
    """One form an instant, so that the order of strings is the order of events."""
    assert sorted(pair) == [parse_rfc3339(text) for text in sorted(map(rfc3339, pair))]


@pytest.mark.parametrize(
    ("text", "at_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T00:00:00.1Z", 100_000_000),
        ("1970-01-01t00:00:01z", SECOND),
        ("1970-01-01 00:00:01+00:00", SECOND),
        ("1970-01-01T00:00:00-00:00", 0),
        ("1970-01-01T00:01Z", 60 * SECOND),
        ("1970-01-01T01:30:00+01:30", 0),
        ("1969-12-31T22:30:00.000000002-01:30", 2),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("2024-02-29T00:00:00Z", 1_709_164_800 * SECOND),
        ("2262-04-11T23:47:16.854775807Z", U63_MAX),
    ],
)
def test_parse_rfc3339(text: str, at_ns: int) -> None:
    """Any offset and up to nine digits, exactly."""
    assert parse_rfc3339(text) == at_ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "0",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00.5Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00.0000000001Z",
        "1970-01-01T00:00:00,5Z",
        "1970-1-1T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2023-13-01T00:00:00Z",
        "2023-00-01T00:00:00Z",
        "2023-04-31T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:60Z",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+01:60",
        "1970-01-01T00:00:00+01",
        "1970-01-01T00:00:00+0100",
        "1970-01-01T00:00:00Z+01:00",
        "1970-01-01T00:00:00 Z",
        "+1970-01-01T00:00:00Z",
        "\u0661970-01-01T00:00:00Z",
    ],
    ids=ascii,
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    """Dates that do not exist, missing parts, and offsets of no place on earth."""
    with pytest.raises(InvalidAmount, match="RFC 3339 with an offset"):
        parse_rfc3339(text)
