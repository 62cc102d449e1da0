"""List bad WebSocket handshakes, and bad frames after a good one."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.service.hostile.case import (
    CLOSED,
    HANDSHAKE,
    HOST,
    OPEN,
    REFUSED,
    WAITING,
    Case,
    Outcomes,
    frame,
    get,
    handshake,
    request,
)

__all__ = ["frames", "handshakes"]

_WRONG: Outcomes = REFUSED | {426, CLOSED}
_CONT, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_GET = b"GET /ws HTTP/1.1"
_VERSION, _KEY = HANDSHAKE[2], HANDSHAKE[3]
_KEYS = {
    "empty": b"",
    "short": b"AAAA",
    "long": b"A" * 64,
    "not base64": b"!!!!!!!!!!!!!!!!!!!!!!==",
    "not ASCII": b"\xff" * 24,
    "8,000 letters": b"A" * 8_000,
    "17 bytes": b"AAECAwQFBgcICQoLDA0ODxA=",
}
_VERSIONS = (
    b"0",
    b"8",
    b"12",
    b"14",
    b"-13",
    b"13.0",
    b"13, 8",
    b"",
    b"99999999999999999999",
    b"x",
)
_QUERIES = (
    *(b"from_seq=0x", b"from_seq=-1", b"from_seq=1.5", b"from_seq=", b"from_seq=NaN"),
    *(b"from_seq=9999999999", b"from_seq=%00", b"from_seq=%d9%a1", b"from_seq=1%0a"),
    *(b"from_seq=" + b"9" * 5_000, b"from_seq=1&from_seq=2", b"%ff", b"ticket=x", b"ticket="),
    *(b"from_seq=1e3", b"from_seq=%ff", b"from_seq=[]", b"from_seq=+1", b"from_seq=1_0"),
)
_IDS = (b"x", b"%00", b"%ff", b"..%2f", b"a" * 5_000, b"'OR'1", b"%0d%0aX:1", b"\xc3\xa9", b"*")
_IGNORED = {
    "protocol": b"Sec-WebSocket-Protocol: graphql-ws, \xff",
    "protocol empty": b"Sec-WebSocket-Protocol: ,,,",
    "1,000 protocols": b"Sec-WebSocket-Protocol: " + b"a, " * 1_000,
    "extension": b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99",
    "extension nonsense": b"Sec-WebSocket-Extensions: ;;;===",
    "extension quotes": b'Sec-WebSocket-Extensions: a; b="',
    "100 extensions": b"Sec-WebSocket-Extensions: " + b", ".join([b"permessage-deflate"] * 100),
    "accept": b"Sec-WebSocket-Accept: x",
    "body": b"Content-Length: 0",
    "origin empty": b"Origin:",
    "cookie": b"Cookie: \xff=;",
    "authorization": b"Authorization: Bearer x",
}
_ORIGINS = (
    b"https://evil.example",
    b"null",
    b"http://[",
    b"http://127.0.0.1.evil.example",
    b"\xff",
)
_HOSTS = {
    "foreign": (b"Host: evil.example",),
    "missing": (),
    "two": (b"Host: evil.example", HOST),
    "user": (b"Host: 127.0.0.1@evil.example",),
    "bracket": (b"Host: [",),
    "not ASCII": (b"Host: \xff",),
}
_MANY = tuple(b"X-%d: 1" % number for number in range(200))


def handshakes() -> Iterator[Case]:
    """Give handshakes that must not end in an open socket, or may."""
    for missing, header in enumerate(HANDSHAKE):
        name = header.partition(b":")[0].decode()
        yield Case(f"handshake without {name}", handshake(without=missing), _WRONG)
        yield Case(f"handshake twice {name}", handshake(b"/ws", header), _WRONG | {101})
    for name, key in _KEYS.items():
        raw = handshake(b"/ws", b"Sec-WebSocket-Key: " + key, without=3)
        yield Case(f"handshake key {name}", raw, _WRONG)
    for version in _VERSIONS:
        raw = handshake(b"/ws", b"Sec-WebSocket-Version: " + version, without=2)
        yield Case(f"handshake version {version.decode() or 'empty'}", raw, _WRONG)
    for method in (b"POST", b"PUT", b"OPTIONS", b"HEAD", b"CONNECT"):
        raw = request(method + b" /ws HTTP/1.1", HOST, *HANDSHAKE)
        yield Case(f"handshake method {method.decode()}", raw, _WRONG)
    for version in (b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9"):
        raw = request(b"GET /ws " + version, HOST, *HANDSHAKE)
        yield Case(f"handshake of {version.decode()}", raw, _WRONG | {101, 505})
    for query in _QUERIES:
        name = f"{query[:20].decode()}{len(query) if len(query) > 20 else ''}"
        yield Case(f"handshake of no order, {name}", handshake(b"/ws/x?" + query), _WRONG)
    for order_id in _IDS:
        raw = handshake(b"/ws/" + order_id)
        yield Case(f"handshake id {order_id[:20].decode('latin-1')}", raw, _WRONG)
    for path in (b"/", b"/orders", b"/execute", b"/ws/", b"/ws/x/y", b"/docs", b"/health/live"):
        yield Case(f"handshake at {path.decode()}", handshake(path), _WRONG | {101})
    for name, header in _IGNORED.items():
        yield Case(f"handshake {name}", handshake(b"/ws", header), _WRONG | {101, 401})
    for origin in _ORIGINS:
        raw = handshake(b"/ws", b"Origin: " + origin)
        yield Case(f"handshake origin {origin.decode('latin-1')}", raw, _WRONG)
    for name, hosts in _HOSTS.items():
        yield Case(f"handshake host {name}", request(_GET, *hosts, *HANDSHAKE), _WRONG)
    yield Case("handshake of 200 fields", handshake(b"/ws", *_MANY), _WRONG)
    yield Case("handshake field of 9,000", handshake(b"/ws", b"X-A: " + b"a" * 9_000), _WRONG)
    yield Case("handshake target of 9,000", handshake(b"/ws?x=" + b"a" * 9_000), _WRONG)
    yield Case(
        "handshake with a body", handshake(b"/ws", b"Content-Length: 2") + b"{}", _WRONG | {101}
    )
    pipelined = get(b"/orders").replace(b"Connection: close\r\n", b"") + handshake()
    yield Case("handshake behind a request", pipelined, _WRONG | {101, 200})
    yield Case("handshake cut short", handshake()[:-2], _WRONG | {408, WAITING})


_PROTOCOL_ERROR: Outcomes = frozenset({1002, 1008, 1009, CLOSED})
_BAD_TEXT: Outcomes = frozenset({OPEN, 1007})
"""Nobody reads it, so nobody may notice."""
_MAY_SPEAK: Outcomes = frozenset({OPEN, 1003, 1008, 1009})
"""Clients have nothing to say: what they say is passed over, or ends the socket."""
_BROKEN_FRAMES = {
    "not masked": frame(_TEXT, b"hello", mask=False),
    "not masked ping": frame(_PING, b"hello", mask=False),
    "not masked close": frame(_CLOSE, b"\x03\xe8", mask=False),
    **{f"reserved bit {bit}": frame(_TEXT, b"a", reserved=bit) for bit in (1, 2, 4, 7)},
    **{f"opcode {code}": frame(code, b"a") for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "fragmented ping": frame(_PING, b"a", fin=False),
    "fragmented pong": frame(_PONG, b"a", fin=False),
    "fragmented close": frame(_CLOSE, b"\x03\xe8", fin=False),
    "ping of 126": frame(_PING, b"a" * 126),
    "pong of 70,000": frame(_PONG, b"a" * 70_000),
    "close of 126": frame(_CLOSE, b"\x03\xe8" + b"a" * 124),
    "close of one byte": frame(_CLOSE, b"\x03"),
    "continuation of nothing": frame(_CONT, b"a"),
    "text inside a text": frame(_TEXT, b"a", fin=False) + frame(_TEXT, b"b"),
    "binary inside a text": frame(_TEXT, b"a", fin=False) + frame(_BINARY, b"b"),
    "an HTTP request": get(b"/orders"),
    "letters": b"hello, is anybody there?" * 10,
    **{
        f"close code {code}": frame(_CLOSE, struct.pack("!H", code))
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535)
    },
}
_LARGE_FRAMES = {
    "2^63 announced": b"\x81\xff" + b"\x80" + bytes(7) + b"\x01\x02\x03\x04a",
    "2^62 announced": b"\x81\xff" + b"\x40" + bytes(7) + b"\x01\x02\x03\x04a",
    "a gigabyte announced": b"\x81\xff" + struct.pack("!Q", 2**30) + b"\x01\x02\x03\x04a",
    "70,000 bytes": frame(_TEXT, b"a" * 70_000),
    "65,537 bytes": frame(_BINARY, b"a" * 65_537),
    "70,000 in fragments": frame(_TEXT, b"a" * 35_001, fin=False) + frame(_CONT, b"a" * 35_001),
}
_TEXTS = {
    "0xff": frame(_TEXT, b"\xff"),
    "surrogate": frame(_TEXT, b"\xed\xa0\x80"),
    "overlong": frame(_TEXT, b"\xc0\xaf"),
    "half a letter": frame(_TEXT, b"\xc3"),
    "in a fragment": frame(_TEXT, b"\xff", fin=False) + frame(_CONT, b"a"),
}
_SPOKEN = {
    "text": frame(_TEXT, b"hello"),
    "empty text": frame(_TEXT),
    "JSON": frame(_TEXT, b'{"op":"subscribe"}'),
    "60,000 open brackets": frame(_TEXT, b"[" * 60_000),
    "binary": frame(_BINARY, b"\x00\xff"),
    "empty binary": frame(_BINARY),
    "65,536 bytes": frame(_TEXT, b"a" * 65_536),
    "100 texts": frame(_TEXT, b"hello") * 100,
    "fragments": frame(_TEXT, b"a", fin=False) + frame(_CONT, b"b", fin=False) + frame(_CONT, b"c"),
    "a letter in two": frame(_TEXT, b"\xc3", fin=False) + frame(_CONT, b"\xa9"),
    "a ping inside": frame(_TEXT, b"a", fin=False) + frame(_PING, b"x") + frame(_CONT, b"b"),
    "1,000 empty fragments": frame(_TEXT, b"", fin=False) + frame(_CONT, fin=False) * 1_000,
    "length in the long form": b"\x81\xfe\x00\x01\x01\x02\x03\x04\x60",
    "length in the longest form": b"\x81\xff" + struct.pack("!Q", 1) + b"\x01\x02\x03\x04\x60",
    "masked by zeros": b"\x81\x81\x00\x00\x00\x00a",
}
_SILENT = {
    "a pong nobody asked for": frame(_PONG, b"hello"),
    "20 pongs": frame(_PONG) * 20,
    "20 pings": frame(_PING, b"p") * 20,
    "ping of 125": frame(_PING, b"a" * 125),
}
_BUSY = {
    "1,000 pongs": frame(_PONG) * 1_000,
    "1,000 pings": frame(_PING, b"p") * 1_000,
    "1,000 texts": frame(_TEXT) * 1_000,
    "10,000 pings of nothing": frame(_PING) * 10_000,
}
_CLOSES = {
    "empty": frame(_CLOSE),
    **{f"{code}": frame(_CLOSE, struct.pack("!H", code)) for code in (1000, 1001, 3000, 4999)},
    "and more after": frame(_CLOSE, b"\x03\xe8") + frame(_TEXT, b"more"),
    "twice": frame(_CLOSE, b"\x03\xe8") * 2,
    "with a reason": frame(_CLOSE, b"\x03\xe8" + b"a" * 123),
}


def frames() -> Iterator[Case]:
    """Give frames that come after a good handshake at ``/ws``."""
    families: dict[str, tuple[dict[str, bytes], Outcomes]] = {
        "frame": (_BROKEN_FRAMES, _PROTOCOL_ERROR),
        "large": (_LARGE_FRAMES, frozenset({1002, 1008, 1009, CLOSED})),
        "bad text": (_TEXTS, _BAD_TEXT),
        "spoken": (_SPOKEN, _MAY_SPEAK),
        "silent": (_SILENT, frozenset({OPEN})),
        "busy": (_BUSY, frozenset({1008})),
        "close": (_CLOSES, frozenset({1000, 1001, 1005, 3000, 4999, CLOSED})),
    }
    for family, (members, allowed) in families.items():
        for name, sent in members.items():
            yield Case(f"{family}: {name}", handshake(), allowed, sent)
    reason = frame(_CLOSE, b"\x03\xe8\xff\xff")
    yield Case("close: reason not UTF-8", handshake(), frozenset({1002, 1007, CLOSED}), reason)
