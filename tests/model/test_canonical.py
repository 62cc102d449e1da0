"""Check the compiled writers against the slow definition of the canonical form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from orderengine.model.amounts import Amount
from orderengine.model.canonical import fields_of, writer_of
from orderengine.model.events import Claimed, Event, Routed, Status, Submitted
from orderengine.model.instants import Instant
from orderengine.model.order import Declined, Leg, Order, Quote, Route
from tests.strategies import (
    AMOUNT_FIELDS,
    EVENT_KINDS,
    declined,
    events,
    legs,
    orders,
    quotes,
    routes,
    tag_of,
)


def _simple(name: str, value: object) -> object:
    if isinstance(value, Struct):
        return _simple_object(value)
    if isinstance(value, tuple):
        return [_simple(name, item) for item in value]
    if isinstance(value, int) and name in AMOUNT_FIELDS:
        return str(value)
    if isinstance(value, int) and name.endswith("_ns"):
        second = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value // 10**9)
        return f"{second:%Y-%m-%dT%H:%M:%S}.{value % 10**9:09d}Z"
    return value


def _simple_object(value: Struct) -> dict[str, object]:
    found = {
        name.removesuffix("_ns"): _simple(name, getattr(value, name))
        for name in value.__struct_fields__
        if getattr(value, name) is not None
    }
    tag = value.__struct_config__.tag
    return found if tag is None else found | {"type": tag}


def slow(value: Struct) -> bytes:
    """Return canonical JSON by its definition: simple values, which msgspec writes sorted."""
    return msgspec.json.encode(_simple_object(value), order="sorted")


def fast(value: Struct) -> bytes:
    """Return canonical JSON as the compiled writer gives it."""
    return writer_of(type(value))(value).encode()


@pytest.mark.parametrize("kind", EVENT_KINDS, ids=tag_of)
@given(data=st.data())
def test_every_event_is_written_as_defined(kind: type[Event], data: st.DataObject) -> None:
    """With any text, any amount, several legs, quotes and declined pools or none."""
    event = data.draw(events(kind))
    assert fast(event) == slow(event)


@given(orders() | quotes | declined | legs | routes)
def test_every_part_is_written_as_defined(value: Struct) -> None:
    """With a deadline and without."""
    assert fast(value) == slow(value)


def _claimed(**changes: Any) -> Claimed:
    fields: dict[str, Any] = {
        "order_id": "o-1",
        "seq": 1,
        "status": Status.ROUTING,
        "at_ns": 0,
        "worker": "w",
    }
    return Claimed(**fields | changes)


def test_every_character_is_written_as_msgspec_does() -> None:
    """Control characters, quotes, backslashes, and letters of every script and width."""
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    event = _claimed(worker="".join(characters), order_id="".join(characters[:0x300]))
    assert fast(event) == slow(event)


def test_what_utf_8_cannot_hold_is_refused_as_msgspec_does() -> None:
    """A lone surrogate is no text."""
    for encoded in (fast, slow):
        with pytest.raises(UnicodeEncodeError):
            encoded(_claimed(worker="w\ud800"))


@given(st.integers(), st.integers(-62_135_596_800 * 10**9, 253_402_300_800 * 10**9 - 1))
def test_numbers_of_any_width_are_exact(number: int, at_ns: int) -> None:
    """Integers beyond 64 bits, and instants of the years 1 to 9999 in any order."""
    event = _claimed(seq=number, at_ns=at_ns)
    assert fast(event) == slow(event)
    huge = _claimed(seq=number * 10**40, at_ns=at_ns)
    assert fast(huge) == slow(huge)


@given(*(st.lists(part, max_size=4).map(tuple) for part in (legs, quotes, declined)))
def test_lists_of_any_length_are_written_as_defined(
    some_legs: tuple[Leg, ...], some_quotes: tuple[Quote, ...], others: tuple[Declined, ...]
) -> None:
    """None, one, and several take different ways to the same form."""
    event = Routed(
        order_id="o-1",
        seq=3,
        status=Status.BUILDING,
        at_ns=1,
        attempt=1,
        route=Route(legs=some_legs, amount_in=1, amount_out=2),
        quotes=some_quotes,
        declined=others,
        reference_price_x64=2**100,
    )
    assert fast(event) == slow(event)


class _Optional(Struct):
    a: int
    text: str | None = None
    at_ns: Instant | None = None
    amount: Amount | None = None
    part: Leg | None = None
    parts: tuple[Leg, ...] | None = None
    z: int | None = None


@given(
    st.builds(
        _Optional,
        a=st.integers(),
        text=st.none() | st.sampled_from(["", "a", "'", '"', "{a}", "\\"]),
        at_ns=st.none() | st.integers(0, 10**10),
        amount=st.none() | st.integers(0, 10),
        part=st.none() | legs,
        parts=st.none() | st.lists(legs, max_size=3).map(tuple),
        z=st.none() | st.integers(),
    )
)
def test_what_is_absent_has_no_key(value: _Optional) -> None:
    """Each form may be optional, the last key too; commas stay between members."""
    assert fast(value) == slow(value)


class _Flag(Struct):
    is_set: bool


class _Ratio(Struct):
    ratio: float


class _Words(Struct):
    words: tuple[str, ...]


class _Either(Struct):
    either: int | str


@pytest.mark.parametrize("kind", [_Flag, _Ratio, _Words, _Either])
def test_what_has_no_canonical_form_is_refused(kind: type[Struct]) -> None:
    """A type of field that nobody thought of is refused when the writer is made, not written."""
    with pytest.raises(TypeError, match="no canonical form"):
        writer_of(kind)


class _FirstAbsent(Struct):
    a: int | None = None
    b: int = 0


def test_a_first_key_that_may_be_absent_is_refused() -> None:
    """The comma between members stands before a key, so the first must be there."""
    with pytest.raises(TypeError, match="_FirstAbsent"):
        writer_of(_FirstAbsent)


def test_fields_say_how_they_stand_in_json() -> None:
    """Instants lose ``_ns``; what may be None is known to be optional."""
    assert {field.name: (field.key, field.form) for field in fields_of(Submitted)} == {
        "order_id": ("order_id", "text"),
        "seq": ("seq", "integer"),
        "status": ("status", "text"),
        "at_ns": ("at", "instant"),
        "attempt": ("attempt", "integer"),
        "signature": ("signature", "text"),
        "last_valid_height": ("last_valid_height", "integer"),
        "amount_in_max": ("amount_in_max", "amount"),
        "amount_out_min": ("amount_out_min", "amount"),
        "network_fee": ("network_fee", "amount"),
    }
    assert [field.key for field in fields_of(Order) if field.is_optional] == ["deadline"]
