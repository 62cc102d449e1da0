"""Take in a body whole, within bounds, and refuse what two parsers could read in two ways.

A parser that recurses would meet the depth first, and one that is given megabytes the size. The
same name twice in an object is refused because one reader takes the first and another the last.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from json import JSONDecodeError, JSONDecoder
from typing import Any

from orderengine.service.access.identity import Refusal

__all__ = [
    "BODY_BYTES_MAX",
    "DEPTH_MAX",
    "Receive",
    "dropped",
    "fault_of",
    "is_too_deep",
    "taken_in",
]

Receive = Callable[[], Awaitable[Any]]

BODY_BYTES_MAX = 65_536
DEPTH_MAX = 16
"""Brackets open at once; the deepest body that means something has two."""

_TOO_LARGE = Refusal(413, "TOO_LARGE", f"a body has at most {BODY_BYTES_MAX} bytes")

# A string that never ends is one token too, and nothing is tried twice: linear, whatever comes.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


class _TwiceError(Exception):
    """Carry the name that an object has twice."""


def _require_once(pairs: list[tuple[str, object]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise _TwiceError(name)
        seen.add(name)


# Numbers are not converted: only the names matter here, and a long one would take its time.
_NAMES = JSONDecoder(
    object_pairs_hook=_require_once, parse_int=len, parse_float=len, parse_constant=len
)


async def taken_in(receive: Receive, kind: str, *, is_encoded: bool) -> bytes | Refusal | None:
    """Return the body of a request that says that it is JSON, or how it is refused.

    None if the client left before its end: what was cut off may still look whole, and must not be
    executed. How long a body may take is bounded by ``web.connections``, which then lets it go.

    Args:
        receive: gives its parts.
        kind: its ``Content-Type``.
        is_encoded: whether it has a ``Content-Encoding``.
    """
    if kind.partition(";")[0].strip().lower() != "application/json" or is_encoded:
        return Refusal(415, "NOT_JSON", "the body must be plain application/json")
    body = await _read(receive)
    return None if body is None else fault_of(body) or body


async def dropped(receive: Receive) -> bytes | Refusal | None:
    """Return no body in place of one that nobody asked for, as ``taken_in`` does."""
    body = await _read(receive)
    if body is None:
        return None
    return b"" if len(body) <= BODY_BYTES_MAX else _TOO_LARGE


def fault_of(body: bytes) -> Refusal | None:
    """Return how a body is refused, or None if it may be parsed."""
    if len(body) > BODY_BYTES_MAX:
        return _TOO_LARGE
    if is_too_deep(body):
        return Refusal(400, "TOO_DEEP", f"JSON nests at most {DEPTH_MAX} deep")
    try:
        _NAMES.decode(body.decode())
    except UnicodeDecodeError:
        return Refusal(400, "INVALID_REQUEST", "the body is not UTF-8")
    except JSONDecodeError as error:
        return Refusal(400, "INVALID_REQUEST", f"the body is not JSON: {error.msg} at {error.pos}")
    except _TwiceError:
        return Refusal(400, "INVALID_REQUEST", "the body has the same name twice in an object")
    return None


def is_too_deep(body: bytes) -> bool:
    """Return whether more than ``DEPTH_MAX`` brackets are open somewhere, strings left out."""
    if body.count(b"[") + body.count(b"{") <= DEPTH_MAX:
        return False
    depth = 0
    for match in _TOKEN.finditer(body):
        first = match[0][:1]
        if first in b"[{":
            depth += 1
            if depth > DEPTH_MAX:
                return True
        elif first in b"]}":
            depth -= 1
    return False


async def _read(receive: Receive) -> bytes | None:
    """Return the body, or as much of it as shows that it is too large; None if it was cut off."""
    body, is_more = bytearray(), True
    while is_more and len(body) <= BODY_BYTES_MAX:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        is_more = message.get("more_body", False)
    return bytes(body)
