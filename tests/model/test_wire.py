"""Check the wire form: canonical, exact, read back, and strict about what it does not know."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import InvalidData
from orderengine.model.events import Accepted, Confirmed, Event, Routed, Status
from orderengine.model.order import Declined, Leg, Mode, Order, Priority, Quote, Route
from orderengine.model.wire import (
    decode_event,
    decode_order,
    encode,
    encode_lines,
    event_log_sha256,
)
from tests.strategies import AMOUNT_FIELDS, EVENT_KINDS, events, orders, tag_of

_INSTANTS = {"at", "deadline", "retry_at", "landed_at"}
_NINE_DIGITS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")

any_event = st.sampled_from(EVENT_KINDS).flatmap(events)

ACCEPTED = Accepted(
    order_id="o-1",
    seq=1,
    status=Status.PENDING,
    at_ns=1_500_000_000,
    reference_price_x64=2**64,
    order=Order(order_id="o-1", sell="SOL", buy="USDC", amount=2**60, deadline_ns=1),
)
ACCEPTED_LINE = (
    b'{"at":"1970-01-01T00:00:01.500000000Z","order":{"amount":"1152921504606846976","buy":"USDC",'
    b'"deadline":"1970-01-01T00:00:00.000000001Z","mode":"exact_in","order_id":"o-1",'
    b'"priority":"normal","sell":"SOL","slippage_bps":50,"user":"user"},"order_id":"o-1",'
    b'"reference_price_x64":"18446744073709551616","seq":1,"status":"pending","type":"accepted"}'
)


def _members(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield key, member
            yield from _members(member)
    elif isinstance(value, list):
        for member in value:
            yield from _members(member)


@pytest.mark.parametrize("kind", EVENT_KINDS, ids=tag_of)
@given(data=st.data())
def test_every_event_is_read_back(kind: type[Event], data: st.DataObject) -> None:
    """Decoding what was encoded gives an equal event of the same type, from bytes and from text."""
    event = data.draw(events(kind))
    line = encode(event)
    assert decode_event(line) == event
    assert type(decode_event(line.decode())) is kind


@given(any_event)
def test_the_form_is_canonical(event: Event) -> None:
    """Keys sorted, no spaces; strings, integers, lists and objects only; one form a value."""
    line = encode(event)
    value = json.loads(line)
    again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert line == again.encode()
    assert value["type"] == tag_of(type(event))
    for key, member in _members(value):
        assert type(member) in (str, int, list, dict)
        if key in AMOUNT_FIELDS:
            assert isinstance(member, str)
            assert re.fullmatch("[0-9]+", member)
        if key in _INSTANTS:
            assert isinstance(member, str)
            assert _NINE_DIGITS.fullmatch(member)
        assert not key.endswith("_ns")


@given(orders())
def test_an_order_is_read_back(order: Order) -> None:
    """Orders have the same form, without a type."""
    wire = json.loads(encode(order))
    assert "type" not in wire
    assert ("deadline" in wire) == (order.deadline_ns is not None)
    assert decode_order(wire) == order


def test_a_known_event_has_a_known_line() -> None:
    """The bytes that hashes are made of do not change unseen."""
    assert encode(ACCEPTED) == ACCEPTED_LINE
    assert decode_event(ACCEPTED_LINE) == ACCEPTED


def test_nested_lists_keep_their_order() -> None:
    """Legs, quotes and declined pools stand as they were given."""
    leg = Leg(pool="a", venue="v", sell="SOL", buy="USDC", amount_in=1, amount_out=2)
    other = Leg(pool="b", venue="v", sell="SOL", buy="USDC", amount_in=3, amount_out=4)
    event = Routed(
        order_id="o",
        seq=3,
        status=Status.BUILDING,
        at_ns=0,
        attempt=1,
        route=Route(legs=(other, leg), amount_in=4, amount_out=6),
        quotes=(Quote(venue="v", pool="z", amount_in=1, amount_out=1),),
        declined=(
            Declined(venue="v", pool="y", code="C", reason="r"),
            Declined(venue="v", pool="x", code="C", reason="r"),
        ),
        reference_price_x64=1,
    )
    wire = json.loads(encode(event))
    assert [entry["pool"] for entry in wire["route"]["legs"]] == ["b", "a"]
    assert [entry["pool"] for entry in wire["declined"]] == ["y", "x"]
    assert decode_event(encode(event)) == event


def test_a_line_need_not_be_canonical_to_be_read() -> None:
    """Spaces and another order of keys are read; absent fields take their defaults."""
    wire = json.loads(ACCEPTED_LINE)
    del wire["order"]["mode"], wire["order"]["user"], wire["order"]["priority"]
    loose = json.dumps(dict(reversed(wire.items())), indent=2)
    assert decode_event(loose) == ACCEPTED
    assert ACCEPTED.order.mode is Mode.EXACT_IN
    assert ACCEPTED.order.priority is Priority.NORMAL


def _line(change: Callable[[dict[str, Any]], object]) -> str:
    wire = json.loads(ACCEPTED_LINE)
    change(wire)
    return json.dumps(wire)


def _set(path: str, value: object) -> str:
    def change(wire: dict[str, Any]) -> None:
        *parents, key = path.split(".")
        for parent in parents:
            wire = wire[parent]
        wire[key] = value

    return _line(change)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        pytest.param(b"", "event", id="nothing"),
        pytest.param(b"{", "event", id="cut-off"),
        pytest.param(b"not json", "event", id="no-json"),
        pytest.param(b"[]", "object", id="a-list"),
        pytest.param(b"1", "object", id="a-number"),
        pytest.param(b"{}", "type", id="no-type"),
        pytest.param(b'"\xff"', "event", id="no-utf-8"),
        pytest.param('"\ud800"', "event", id="lone-surrogate"),
        pytest.param(b"[" * 100_000, "event", id="too-deep"),
        pytest.param(_set("type", "booked"), "booked", id="unknown-type"),
        pytest.param(_set("type", ["accepted"]), "type", id="type-no-string"),
        pytest.param(_set("type", "claimed"), "worker", id="another-type's-fields"),
        pytest.param(_set("status", "pen\nding"), "status", id="line-end-in-a-value"),
        pytest.param(_set("status", "booked"), "status", id="unknown-status"),
        pytest.param(_line(lambda wire: wire.pop("seq")), "seq", id="missing-field"),
        pytest.param(
            _line(lambda wire: wire["order"].pop("amount")), "amount", id="missing-nested-field"
        ),
        pytest.param(_set("seq", "1"), "seq", id="number-as-string"),
        pytest.param(_set("seq", 1.0), "seq", id="a-float"),
        pytest.param(_set("seq", True), "seq", id="a-bool"),
        pytest.param(_set("seq", None), "seq", id="null"),
        pytest.param(_set("order", None), "order", id="null-for-a-struct"),
        pytest.param(_set("order", []), "order", id="a-list-for-a-struct"),
        pytest.param(_set("order.deadline", None), "deadline|time", id="null-where-absent"),
        pytest.param(_set("order.amount", 5), "amount", id="amount-as-number"),
        pytest.param(_set("order.amount", "5.0"), "amount", id="amount-with-a-point"),
        pytest.param(_set("order.amount", "-5"), "amount", id="negative-amount"),
        pytest.param(_set("order.amount", "\u0665"), "amount", id="foreign-digits"),
        pytest.param(_set("order.amount", "9" * 5_000), "amount|digits", id="endless-amount"),
        pytest.param(_set("order.amount", "0"), "amount", id="an-order-of-nothing"),
        pytest.param(_set("order.sell", "DOGE"), "token", id="unknown-token"),
        pytest.param(_set("order.buy", "SOL"), "buy", id="same-token"),
        pytest.param(_set("at", "yesterday"), "time", id="no-instant"),
        pytest.param(_set("at", 5), "time", id="instant-as-number"),
    ],
)
def test_what_is_no_event_is_refused_in_one_line(line: bytes | str, names: str) -> None:
    """The error is ours, fits on a line, and names what is wrong."""
    with pytest.raises(InvalidData, match=names) as refused:
        decode_event(line)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(_set("at_ns", 5), id="beside-the-others"),
        pytest.param(_set("order.memo", "x"), id="nested"),
        pytest.param(_set("order.type", "limit"), id="a-type-where-none-is"),
        pytest.param(_set("order.a\nb", "x"), id="line-end-in-a-name"),
    ],
)
def test_a_field_of_newer_code_is_left_out(line: bytes | str) -> None:
    """During a deploy older code reads what newer code wrote."""
    assert decode_event(line) == ACCEPTED


@pytest.mark.parametrize(
    "change",
    [
        {"memo": "x"},
        {"type": "limit"},
        {"amount": 5},
        {"amount": "0"},
        {"amount": "9" * 5_000},
        {"deadline": "soon"},
        {"sell": "DOGE"},
        {"mode": "exact"},
        {"slippage_bps": 1.5},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_no_order_is_refused_in_one_line(change: dict[str, Any]) -> None:
    """Whatever is wrong with it, the error is InvalidData."""
    wire = json.loads(ACCEPTED_LINE)["order"] | change
    with pytest.raises(InvalidData) as refused:
        decode_order(wire)
    assert len(str(refused.value).splitlines()) == 1


@given(st.binary(max_size=40) | st.text(max_size=40))
def test_noise_is_refused(noise: bytes | str) -> None:
    """Nothing but InvalidData leaves the decoder."""
    with pytest.raises(InvalidData):
        decode_event(noise)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(any_event, st.data())
def test_a_damaged_event_is_refused_or_read(event: Event, data: st.DataObject) -> None:
    """Any value in any place gives an event or InvalidData, never another error."""
    wire = json.loads(encode(event))
    holders = [wire, *(member for _, member in _members(wire) if isinstance(member, dict))]
    holder = data.draw(st.sampled_from(holders))
    holder[data.draw(st.sampled_from(sorted(holder)))] = data.draw(_json)
    try:
        read = decode_event(json.dumps(wire))
    except InvalidData as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017  (either way is right)
    else:
        assert decode_event(encode(read)) == read


def test_the_log_hash_is_that_of_the_file() -> None:
    """SHA-256 over the lines, each ended by a line feed."""
    confirmed = Confirmed(
        order_id="o-1",
        seq=2,
        status=Status.CONFIRMED,
        at_ns=2,
        attempt=1,
        signature="s",
        slot=1,
        landed_at_ns=1,
        amount_in=1,
        amount_out=2,
        fee_in=0,
        fee_out=0,
        network_fee=5_000,
        reference_price_x64=3,
    )
    file = encode(ACCEPTED) + b"\n" + encode(confirmed) + b"\n"
    assert event_log_sha256([ACCEPTED, confirmed]) == sha256(file).hexdigest()
    assert event_log_sha256(iter([confirmed, ACCEPTED])) != sha256(file).hexdigest()


def test_known_log_hashes() -> None:
    """The empty log and one known event have the hashes that other tools compute."""
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert event_log_sha256([]) == empty
    known = "2100afbb3552c57a998c012326642a2c95c919df24853782fda212f1cdbda427"
    assert event_log_sha256([ACCEPTED]) == known


@given(st.lists(any_event, max_size=5), st.sampled_from([1, 51, 52, 128, 256, 300]))
def test_lines_are_the_events_one_by_one(some: list[Event], times: int) -> None:
    """However many there are, each is encoded once, in order, and ended by a line feed."""
    events = some * times
    expected = b"".join(encode(event) + b"\n" for event in events)
    assert b"".join(encode_lines(iter(events))) == expected
