"""List bad header fields and framing: hosts, lengths, chunks, and shapes that smuggle requests."""

from __future__ import annotations

from collections.abc import Iterator

from tests.service.hostile.case import (
    CLOSED,
    HOST,
    REFUSED,
    WAITING,
    Case,
    Outcomes,
    body_of,
    get,
    post,
    request,
)

__all__ = ["header_fields"]

_BROKEN: Outcomes = REFUSED | {501, CLOSED}
_IGNORED: Outcomes = REFUSED | {200, 202, CLOSED}
"""What a server may do without: it answers, or refuses."""
_GET = b"GET /orders HTTP/1.1"
_POST = b"POST /execute HTTP/1.1"
_JSON = b"Content-Type: application/json"
_CLOSE = b"Connection: close"
_CHUNKED = b"Transfer-Encoding: chunked"
_BODY = body_of()
_HIDDEN = b"GET /orders HTTP/1.1\r\nHost: evil.example\r\n\r\n"

_HOSTS = {
    "foreign": (b"Host: evil.example",),
    "missing": (),
    "empty": (b"Host:",),
    "spaces": (b"Host:    ",),
    "two": (b"Host: evil.example", HOST),
    "two the other way": (HOST, b"Host: evil.example"),
    "user": (b"Host: 127.0.0.1@evil.example",),
    "our name as user": (b"Host: 127.0.0.1:80@evil.example",),
    "suffix": (b"Host: 127.0.0.1.evil.example",),
    "list": (b"Host: 127.0.0.1, evil.example",),
    "space inside": (b"Host: 127.0.0.1 evil.example",),
    "path": (b"Host: evil.example/127.0.0.1",),
    "backslash": (b"Host: evil.example\\127.0.0.1",),
    "hash": (b"Host: evil.example#127.0.0.1",),
    "question mark": (b"Host: evil.example?127.0.0.1",),
    "open bracket": (b"Host: [::1",),
    "bracket letters": (b"Host: [evil.example]",),
    "zone": (b"Host: [fe80::1%25eth0]",),
    "decimal": (b"Host: 2130706433",),
    "octal": (b"Host: 0177.0.0.1",),
    "zero": (b"Host: 0.0.0.0",),
    "short": (b"Host: 127.1",),
    "not ASCII": (b"Host: \xff\xfe",),
    "full width": ("Host: \uff11\uff12\uff17.0.0.1".encode(),),
    "dotless i": ("Host: localhoﬆ".encode(),),
    "long": (b"Host: " + b"a" * 5_000,),
    "dots": (b"Host: ....",),
    "forwarded": (b"Host: evil.example", b"X-Forwarded-Host: 127.0.0.1"),
}
_ORIGINS = {
    "foreign": b"https://evil.example",
    "null": b"null",
    "empty": b"",
    "file": b"file://",
    "suffix": b"http://127.0.0.1.evil.example",
    "user": b"http://127.0.0.1@evil.example",
    "two": b"http://127.0.0.1 http://evil.example",
    "bracket": b"http://[",
    "not ASCII": b"http://\xff",
    "long": b"http://" + b"a" * 5_000,
    "extension": b"chrome-extension://abcdef",
}
_NO_FIELDS = {
    "no colon": b"Nothing",
    "empty name": b": value",
    "space before the colon": b"X-A : 1",
    "space in the name": b"X A: 1",
    "NUL in the name": b"X\x00A: 1",
    "NUL in the value": b"X-A: a\x00b",
    "carriage return in the value": b"X-A: a\rb",
    "newline in the value": b"X-A: a\nNo colon here",
    "control in the value": b"X-A: a\x01b",
    "delete in the value": b"X-A: a\x7fb",
    "bell": b"X-A: \x07",
    "folded": b"X-A: 1\r\n 2",
    "folded with a tab": b"X-A: 1\r\n\t2",
    "not ASCII name": b"X-\xc3\xa9: 1",
    "brackets in the name": b"X[A]: 1",
    "a request line": _GET,
    "quotes in the name": b'"X": 1',
}
_IGNORABLE = {
    "not ASCII value": b"X-A: \xff\xfe\xc3\xa9",
    "empty value": b"X-A:",
    "8,000 letters": b"X-A: " + b"a" * 8_000,
    "100 fields": b"\r\n".join(b"X-%d: 1" % n for n in range(100)),
    "Expect nonsense": b"Expect: 200-maybe",
    "Expect continue": b"Expect: 100-continue",
    "method override": b"X-HTTP-Method-Override: DELETE",
    "method override 2": b"X-Method-Override: PUT",
    "method override 3": b"X-HTTP-Method: POST",
    "original URL": b"X-Original-URL: /execute",
    "rewrite URL": b"X-Rewrite-URL: /execute",
    "forwarded prefix": b"X-Forwarded-Prefix: //evil.example",
    "forwarded host": b"X-Forwarded-Host: evil.example",
    "forwarded for": b"X-Forwarded-For: 127.0.0.1, " + b"9" * 4_000,
    "forwarded": b'Forwarded: for="[::1]";host=evil.example;proto=gopher',
    "forwarded proto": b"X-Forwarded-Proto: gopher",
    "Range": b"Range: bytes=0-0",
    "Range many": b"Range: bytes=" + b",".join(b"%d-" % n for n in range(1_000)),
    "Range nonsense": b"Range: bytes=-0,9-1",
    "If-None-Match": b"If-None-Match: *",
    "If-Match": b'If-Match: "x"',
    "If-Modified-Since": b"If-Modified-Since: Thu, 99 Foo 0000 99:99:99 GMT",
    "If-Unmodified-Since": b"If-Unmodified-Since: 0",
    "If-Range": b"If-Range: x",
    "Accept nonsense": b"Accept: ;;;,,,q=",
    "Accept long": b"Accept: " + b"a/b;q=0.1," * 700,
    "Accept none of ours": b"Accept: application/xml",
    "Accept quality": b"Accept: application/json;q=NaN",
    "Accept-Language": b"Accept-Language: ../../etc/passwd",
    "Accept-Encoding": b"Accept-Encoding: gzip;q=1e999, *;q=0",
    "Cookie nonsense": b"Cookie: ;;=;a;=b;\x80=\xff",
    "Cookie of 2,000": b"Cookie: " + b"a=b;" * 2_000,
    "Cookie prototype": b"Cookie: __proto__=1; constructor=2",
    "Referer": b"Referer: https://evil.example/",
    "Max-Forwards": b"Max-Forwards: 0",
    "TE": b"TE: trailers, chunked;q=-1",
    "Via": b"Via: " + b"1.1 a, " * 500,
    "shellshock": b"User-Agent: () { :; }; /bin/true",
    "log4j": b"User-Agent: ${jndi:ldap://127.0.0.1/a}",
    "escape codes": b"User-Agent: %1b[2J%0d%0a",
    "Authorization empty": b"Authorization:",
    "Authorization word": b"Authorization: Bearer",
    "Authorization basic": b"Authorization: Basic " + b"A" * 100,
    "Authorization bad base64": b"Authorization: Basic \xff\xff=",
    "Authorization long": b"Authorization: Bearer " + b"a" * 7_000,
    "Authorization not ASCII": b"Authorization: Bearer \xc3\xa9\xff",
    "Authorization two": b"Authorization: Bearer a\r\nAuthorization: Bearer b",
    "Upgrade h2c": b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    "Upgrade nonsense": b"Upgrade: ,,,",
    "Content-Length zero": b"Content-Length: 0",
    "Content-Type of a GET": b"Content-Type: multipart/form-data; boundary=x",
    "Idempotency-Key of a GET": b"Idempotency-Key: \xff",
    "Proxy-Connection": b"Proxy-Connection: keep-alive",
    "Keep-Alive": b"Keep-Alive: timeout=-1, max=1e9",
}
_LENGTHS = {
    "negative": (b"Content-Length: -1",),
    "plus": (b"Content-Length: +%d" % len(_BODY),),
    "hex": (b"Content-Length: 0x2d",),
    "letters": (b"Content-Length: many",),
    "float": (b"Content-Length: 45.0",),
    "exponent": (b"Content-Length: 1e2",),
    "two numbers": (b"Content-Length: 45, 46",),
    "spaces inside": (b"Content-Length: 4 5",),
    "2^64": (b"Content-Length: 18446744073709551616",),
    "1,000 digits": (b"Content-Length: " + b"9" * 1_000,),
    "two unequal": (b"Content-Length: 45", b"Content-Length: 46"),
    "two equal": (b"Content-Length: %d" % len(_BODY),) * 2,
    "empty": (b"Content-Length:",),
    "NUL": (b"Content-Length: 4\x005",),
    "not ASCII digits": ("Content-Length: ٤٥".encode(),),
    "and chunked": (b"Content-Length: %d" % len(_BODY), _CHUNKED),
    "after chunked": (_CHUNKED, b"Content-Length: %d" % len(_BODY)),
    "chunked twice": (_CHUNKED, _CHUNKED),
    "chunked then identity": (b"Transfer-Encoding: chunked, identity",),
    "identity": (b"Transfer-Encoding: identity",),
    "gzip": (b"Transfer-Encoding: gzip",),
    "gzip, chunked": (b"Transfer-Encoding: gzip, chunked",),
    "xchunked": (b"Transfer-Encoding: xchunked",),
    "chunked with a parameter": (b"Transfer-Encoding: chunked;q=1",),
    "chunked with a tab": (b"Transfer-Encoding:\tchunked\x0b",),
    "chunked in quotes": (b'Transfer-Encoding: "chunked"',),
    "chunked folded": (b"Transfer-Encoding:\r\n chunked",),
    "space before the colon": (b"Transfer-Encoding : chunked",),
    "underscore": (b"Transfer_Encoding: chunked", b"Content-Length: %d" % len(_BODY)),
    "none at all": (),
}
_CHUNKS = {
    "size letters": b"zz\r\nabc\r\n0\r\n\r\n",
    "size negative": b"-1\r\nabc\r\n0\r\n\r\n",
    "size 0x": b"0x2\r\n{}\r\n0\r\n\r\n",
    "size with an underscore": b"0_2\r\n{}\r\n0\r\n\r\n",
    "size plus": b"+2\r\n{}\r\n0\r\n\r\n",
    "size space": b" 2\r\n{}\r\n0\r\n\r\n",
    "size 2^64": b"10000000000000000\r\n{}\r\n0\r\n\r\n",
    "size of 1,000 digits": b"f" * 1_000 + b"\r\n{}\r\n0\r\n\r\n",
    "size of 1,000 zeros": b"0" * 1_000 + b"2\r\n{}\r\n0\r\n\r\n",
    "no size": b"\r\n{}\r\n0\r\n\r\n",
    "too short": b"1\r\n{}\r\n0\r\n\r\n",
    "too long": b"5\r\n{}\r\n0\r\n\r\n",
    "no line end": b"2\r\n{}0\r\n\r\n",
    "line feeds alone": b"2\n{}\n0\n\n",
    "NUL in the size": b"2\x00\r\n{}\r\n0\r\n\r\n",
    "extension": b"2;a=b\r\n{}\r\n0\r\n\r\n",
    "extension in quotes": b'2;a="\r\n{}\r\n0\r\n\r\n',
    "extension of 60,000": b"2;" + b"a" * 60_000 + b"\r\n{}\r\n0\r\n\r\n",
    "extension line feed": b"2;a\nb\r\n{}\r\n0\r\n\r\n",
    "two bytes in ten chunks": b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    "empty": b"0\r\n\r\n",
    "trailer host": b"2\r\n{}\r\n0\r\nHost: evil.example\r\n\r\n",
    "trailer length": b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n",
    "trailer nonsense": b"2\r\n{}\r\n0\r\nno colon\r\n\r\n",
    "trailers 1,000": b"2\r\n{}\r\n0\r\n" + b"X: 1\r\n" * 1_000 + b"\r\n",
    "70,000 in small chunks": b"1\r\n \r\n" * 70_000 + b"0\r\n\r\n",
    "70,000 in one": b"11170\r\n" + b" " * 70_000 + b"\r\n0\r\n\r\n",
}
_INCOMPLETE_CHUNKS = {
    "no last behind an order": b"%x\r\n%s\r\n" % (len(_BODY), _BODY),
    "no last": b"2\r\n{}\r\n",
    "nothing": b"",
    "half a size": b"2",
    "half a chunk": b"ff\r\n{",
    "no end of the trailers": b"2\r\n{}\r\n0\r\nX: 1\r\n",
}
_SMUGGLED = {
    "length then chunked": (
        (b"Content-Length: 5", _CHUNKED),
        b"0\r\n\r\n" + _HIDDEN,
    ),
    "length too small": ((b"Content-Length: 2",), b"{}" + _HIDDEN),
    "length zero": ((b"Content-Length: 0",), _HIDDEN),
    "chunked with more": ((_CHUNKED,), b"2\r\n{}\r\n0\r\n\r\n" + _HIDDEN),
    "obscured chunked": (
        (b"Content-Length: 2", b"Transfer-Encoding: \x0bchunked"),
        b"{}" + _HIDDEN,
    ),
    "two lengths": ((b"Content-Length: 2", b"Content-Length: 48"), b"{}" + _HIDDEN),
    "pipelined": ((b"Content-Length: 2",), b"{}" + _HIDDEN * 20),
    "upgrade with a body": (
        (b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 2"),
        b"{}" + _HIDDEN,
    ),
}


def header_fields() -> Iterator[Case]:
    """Give the family."""
    for name, hosts in _HOSTS.items():
        yield Case(f"host {name}", request(_GET, *hosts, _CLOSE), REFUSED | {421})
        raw = request(_POST, *hosts, _CLOSE, _JSON, b"Content-Length: %d" % len(_BODY), body=_BODY)
        yield Case(f"host {name} of an order", raw, REFUSED | {421})
    yield Case("host missing in 1.0", request(b"GET /orders HTTP/1.0"), REFUSED | {421})
    for name, origin in _ORIGINS.items():
        yield Case(f"origin {name}", get(b"/orders", b"Origin: " + origin), REFUSED)
        yield Case(
            f"origin {name} of an order", post(b"/execute", _BODY, b"Origin: " + origin), REFUSED
        )
    for name, field in _NO_FIELDS.items():
        yield Case(f"field {name}", get(b"/orders", field), _BROKEN)
    for name, field in _IGNORABLE.items():
        yield Case(f"header {name}", get(b"/orders", field), _IGNORED | {401})
        yield Case(
            f"header {name} of a bad order", post(b"/execute", b"{}", field), _BROKEN | {401}
        )
    for name, fields in _LENGTHS.items():
        raw = request(_POST, HOST, _CLOSE, _JSON, *fields, body=_BODY)
        is_good = name in {"two equal", "underscore"}
        yield Case(f"length {name}", raw, _BROKEN | {WAITING} | ({202} if is_good else set()))
    for name, chunks in _CHUNKS.items():
        raw = request(_POST, HOST, _CLOSE, _JSON, _CHUNKED, body=chunks)
        yield Case(f"chunks {name}", raw, _BROKEN)
    for name, chunks in _INCOMPLETE_CHUNKS.items():
        raw = request(_POST, HOST, _CLOSE, _JSON, _CHUNKED, body=chunks)
        yield Case(f"chunks {name}", raw, _BROKEN | {408, WAITING})
    for name, (fields, body) in _SMUGGLED.items():
        yield Case(f"smuggled {name}", request(_POST, HOST, _JSON, *fields, body=body), _BROKEN)
    yield from _oversized()


def _oversized() -> Iterator[Case]:
    """Give what is larger than any good request by far."""
    limits = _BROKEN | {WAITING}
    yield Case("oversized target", get(b"/orders?x=" + b"a" * 200_000), limits)
    yield Case("oversized field", get(b"/orders", b"X-A: " + b"a" * 200_000), limits)
    yield Case("oversized name", get(b"/orders", b"a" * 200_000 + b": 1"), limits)
    many = (b"X-%d: %d" % (number, number) for number in range(10_000))
    yield Case("oversized count", get(b"/orders", *many), limits)
    some = (b"X-%d: 1" % number for number in range(200))
    yield Case("oversized count in few bytes", get(b"/orders", *some), frozenset({431}))
    same = (b"X-A: 1" for _ in range(10_000))
    yield Case("oversized count of one name", get(b"/orders", *same), limits)
