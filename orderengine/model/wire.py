"""Write model values as canonical JSON and read them back.

Canonical: keys sorted, no spaces, no floats, no null (an absent value has no key), one form a
value. Amounts are decimal strings, because JavaScript loses integers above 2^53; instants are
RFC 3339 under their name without ``_ns``. So the bytes of an event are the same wherever they are
written: on a socket, in a file, in a hash.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import Struct

from orderengine.errors import InvalidData, OrderEngineError
from orderengine.model.amounts import Amount
from orderengine.model.events import AnyEvent, Event
from orderengine.model.instants import Instant, parse_rfc3339, rfc3339
from orderengine.model.order import Order

__all__ = ["decode_event", "decode_order", "encode", "event_log_sha256", "to_wire"]

_PLAIN, _AMOUNT, _INSTANT, _STRUCT, _STRUCTS = range(5)
_Plan = tuple[tuple[str, str, int, type[Struct] | None], ...]
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


@cache
def _plan(kind: type[Struct]) -> _Plan:
    """Return (attribute, wire key, how, nested type) for each field of a struct type."""
    rows = []
    for attribute, hint in get_type_hints(kind, include_extras=True).items():
        if attribute not in kind.__struct_fields__:
            continue
        choices = [hint, *(part for part in get_args(hint) if part is not type(None))]
        how, nested, key = _PLAIN, None, attribute
        if any(choice == Amount for choice in choices):
            how = _AMOUNT
        elif any(choice == Instant for choice in choices):
            how, key = _INSTANT, attribute.removesuffix("_ns")
        elif structs := [c for c in choices if isinstance(c, type) and issubclass(c, Struct)]:
            nested = structs[0]
            how = _STRUCTS if getattr(hint, "__origin__", None) is tuple else _STRUCT
        rows.append((attribute, key, how, nested))
    return tuple(rows)


def to_wire(value: Struct) -> dict[str, Any]:
    """Return the JSON object of a model value: strings, integers, lists and objects only."""
    kind = type(value)
    wire: dict[str, Any] = {}
    for attribute, key, how, _ in _plan(kind):
        found = getattr(value, attribute)
        if found is None:
            continue
        if how == _AMOUNT:
            wire[key] = str(found)
        elif how == _PLAIN:
            wire[key] = found
        elif how == _INSTANT:
            wire[key] = rfc3339(found)
        elif how == _STRUCT:
            wire[key] = to_wire(found)
        else:
            wire[key] = [to_wire(item) for item in found]
    tag = kind.__struct_config__.tag
    if tag is not None:
        wire["type"] = tag
    return wire


def encode(value: Struct) -> bytes:
    """Return canonical JSON without a line end."""
    return _encode_sorted(to_wire(value))


def _revive(kind: type[Struct], wire: dict[str, Any]) -> dict[str, Any]:
    plan = _plan(kind)
    is_tagged = kind.__struct_config__.tag is not None
    known = {key for _, key, _, _ in plan} | ({"type"} if is_tagged else set())
    unknown = sorted(set(wire) - known)
    if unknown:
        raise InvalidData(kind.__name__, f"the field {unknown[0]!r}", "only known fields")
    fields: dict[str, Any] = {"type": wire["type"]} if "type" in wire else {}
    for attribute, key, how, nested in plan:
        if key not in wire:
            continue
        found = wire[key]
        if how == _AMOUNT:
            if not isinstance(found, str) or not found.isascii() or not found.isdigit():
                raise InvalidData(f"{kind.__name__}.{key}", repr(found), "a decimal string")
            fields[attribute] = int(found)
        elif how == _INSTANT:
            fields[attribute] = parse_rfc3339(str(found))
        elif how == _STRUCT and nested is not None and isinstance(found, dict):
            fields[attribute] = _revive(nested, found)
        elif how == _STRUCTS and nested is not None and isinstance(found, list):
            fields[attribute] = [
                _revive(nested, item) if isinstance(item, dict) else item for item in found
            ]
        else:
            fields[attribute] = found
    return fields


# Besides msgspec's own: bytes that are no UTF-8, digits beyond what int reads, nesting too deep.
_MALFORMED = (msgspec.MsgspecError, TypeError, ValueError, RecursionError)


def decode_order(wire: dict[str, Any]) -> Order:
    """Return the order of a JSON object.

    Raises:
        InvalidData: a field is unknown, missing or of the wrong form.
    """
    try:
        return msgspec.convert(_revive(Order, wire), Order)
    except InvalidData:
        raise
    except (*_MALFORMED, OrderEngineError) as error:
        raise InvalidData("order", str(error), "a well-formed order") from error


_EVENT_KINDS: dict[str, type[Event]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(AnyEvent)
}


def decode_event(line: bytes | str) -> Event:
    """Return the event of one line of JSON, in canonical form or not.

    Raises:
        InvalidData: not JSON, no known ``type``, or a field that is unknown, missing or malformed.
    """
    try:
        wire = msgspec.json.decode(line)
        if not isinstance(wire, dict):
            raise TypeError(f"a JSON {type(wire).__name__}")
        kind = _EVENT_KINDS.get(wire.get("type", ""))
        if kind is None:
            raise TypeError(f"the type {wire.get('type')!r}")
        return msgspec.convert(_revive(kind, wire), kind)
    except InvalidData:
        raise
    except (*_MALFORMED, OrderEngineError) as error:
        raise InvalidData("event", str(error), "one event as a JSON object") from error


def event_log_sha256(lines: Iterable[bytes]) -> str:
    """Return the SHA-256 over canonical lines, each ended by a line feed.

    The caller gives the lines sorted by (at_ns, order number, seq); so the hash of a study is the
    SHA-256 of the ``events.jsonl`` that it writes.
    """
    digest = sha256()
    for line in lines:
        digest.update(line)
        digest.update(b"\n")
    return digest.hexdigest()
