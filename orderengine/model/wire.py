"""Write model values as canonical JSON and read them back.

Canonical: keys sorted, no spaces, no floats, no null (an absent value has no key), one form a
value. Amounts are decimal strings, because JavaScript loses integers above 2^53; instants are
RFC 3339 under their name without ``_ns``. So the bytes of an event are the same wherever they are
written: on a socket, in a file, in a hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import islice
from typing import Any, get_args

import msgspec
from msgspec import Struct

from orderengine.errors import InvalidData, OrderEngineError
from orderengine.model.canonical import fields_of, tag_of, writer_of
from orderengine.model.events import AnyEvent, Event
from orderengine.model.instants import parse_rfc3339
from orderengine.model.order import Order

__all__ = ["decode_event", "decode_order", "encode", "encode_lines", "event_log_sha256"]

_LINES_A_CHUNK = 256


def encode(value: Struct) -> bytes:
    """Return canonical JSON without a line end."""
    return writer_of(type(value))(value).encode()


def encode_lines(events: Iterable[Event]) -> Iterator[bytes]:
    """Yield the canonical lines of events, each ended by a line feed, many lines at a time."""
    rest = iter(events)
    while lines := [writer_of(type(event))(event) for event in islice(rest, _LINES_A_CHUNK)]:
        lines.append("")
        yield "\n".join(lines).encode()


def _revive(kind: type[Struct], wire: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a struct type; what newer code wrote beside them is left out."""
    fields: dict[str, Any] = {} if tag_of(kind) is None else {"type": wire.get("type")}
    for name, key, form, nested, _ in fields_of(kind):
        if key not in wire:
            continue
        found = wire[key]
        if form == "amount":
            if not isinstance(found, str) or not found.isascii() or not found.isdigit():
                raise InvalidData(f"{kind.__name__}.{key}", repr(found), "a decimal string")
            fields[name] = int(found)
        elif form == "instant":
            fields[name] = parse_rfc3339(str(found))
        elif form == "struct" and nested is not None and isinstance(found, dict):
            fields[name] = _revive(nested, found)
        elif form == "structs" and nested is not None and isinstance(found, list):
            fields[name] = [
                _revive(nested, item) if isinstance(item, dict) else item for item in found
            ]
        else:
            fields[name] = found
    return fields


# Besides msgspec's own: bytes that are no UTF-8, digits beyond what int reads, nesting too deep.
_MALFORMED = (msgspec.MsgspecError, TypeError, ValueError, RecursionError)


def decode_order(wire: dict[str, Any]) -> Order:
    """Return the order of a JSON object.

    Raises:
        InvalidData: a field is unknown, missing or of the wrong form.
    """
    unknown = sorted(set(wire) - {field.key for field in fields_of(Order)})
    if unknown:
        raise InvalidData("Order", f"the field {unknown[0]!r}", "only known fields")
    try:
        return msgspec.convert(_revive(Order, wire), Order)
    except InvalidData:
        raise
    except (*_MALFORMED, OrderEngineError) as error:
        raise InvalidData("order", str(error), "a well-formed order") from error


_EVENT_KINDS: dict[str, type[Event]] = {str(tag_of(kind)): kind for kind in get_args(AnyEvent)}


def decode_event(line: bytes | str) -> Event:
    """Return the event of one line of JSON, in canonical form or not.

    Fields that this code does not know are left out: during a deploy, newer code writes to the same
    log.

    Raises:
        InvalidData: not JSON, no known ``type``, or a field that is missing or malformed.
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


def event_log_sha256(events: Iterable[Event]) -> str:
    """Return the SHA-256 over the canonical lines of events, each ended by a line feed.

    The caller gives the events sorted by (at_ns, order number, seq); so the hash of a study is the
    SHA-256 of the ``events.jsonl`` that it writes.
    """
    digest = sha256()
    for lines in encode_lines(events):
        digest.update(lines)
    return digest.hexdigest()
