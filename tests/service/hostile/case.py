"""Describe hostile requests: the bytes to send, and what may be answered."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

from msgspec import Struct

__all__ = [
    "CLOSED",
    "HANDSHAKE",
    "HOST",
    "OPEN",
    "REFUSED",
    "SWAP",
    "WAITING",
    "Case",
    "Outcomes",
    "body_of",
    "frame",
    "get",
    "handshake",
    "post",
    "request",
]

Outcomes = frozenset[int | str]

CLOSED = "closed"
"""The connection was closed without an answer."""
WAITING = "waiting"
"""The server waits for the rest; it must close once no rest can come."""
OPEN = "open"
"""The socket is open after all frames, and answers a ping."""
REFUSED: Outcomes = frozenset({400, 403, 404, 405, 413, 414, 415, 422, 431})
"""Any way to say that the client is wrong."""

HOST = b"Host: 127.0.0.1"
SWAP: dict[str, Any] = {"sell": "SOL", "buy": "USDC", "amount": "1500000000"}
HANDSHAKE = (
    b"Upgrade: websocket",
    b"Connection: Upgrade",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: " + base64.b64encode(bytes(range(16))),
)


class Case(Struct, frozen=True):
    """Hold one hostile connection."""

    name: str
    raw: bytes
    """All that is sent; for a socket, its handshake."""
    allowed: Outcomes
    """Statuses, or close codes after frames, or one of the words above."""
    frames: bytes | None = None
    """What is sent once the handshake is done."""


def request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    """Return a request as bytes, with exactly these headers."""
    return b"\r\n".join((line, *headers, b"", b"")) + body


def get(target: bytes, *headers: bytes, method: bytes = b"GET") -> bytes:
    """Return a request without a body that is well formed but for what is given."""
    return request(method + b" " + target + b" HTTP/1.1", HOST, b"Connection: close", *headers)


def post(target: bytes, body: bytes, *headers: bytes) -> bytes:
    """Return a JSON request that is well formed but for what is given."""
    length = b"Content-Length: %d" % len(body)
    kind = b"Content-Type: application/json"
    line = b"POST " + target + b" HTTP/1.1"
    return request(line, HOST, b"Connection: close", kind, length, *headers, body=body)


def handshake(target: bytes = b"/ws", *headers: bytes, without: int | None = None) -> bytes:
    """Return a handshake, without one of its headers if asked."""
    kept = (header for number, header in enumerate(HANDSHAKE) if number != without)
    return request(b"GET " + target + b" HTTP/1.1", HOST, *kept, *headers)


def body_of(**changes: bytes | None) -> bytes:
    """Return a swap as JSON, with values given as JSON text; None leaves a field out."""
    fields = {name: json.dumps(value).encode() for name, value in SWAP.items()}
    given = {name: text for name, text in (fields | changes).items() if text is not None}
    return b"{" + b",".join(b'"%s":%s' % (k.encode(), v) for k, v in given.items()) + b"}"


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0, mask: bool = True
) -> bytes:
    """Return a WebSocket frame, as a client sends it unless told otherwise."""
    first = fin << 7 | reserved << 4 | opcode
    size, flag = len(payload), mask << 7
    if size < 126:
        head = struct.pack("!BB", first, flag | size)
    elif size < 65_536:
        head = struct.pack("!BBH", first, flag | 126, size)
    else:
        head = struct.pack("!BBQ", first, flag | 127, size)
    key = b"\x01\x02\x03\x04" if mask else b""
    if mask:
        payload = bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))
    return head + key + payload
