"""List bad bodies: every field of an order and a quote with every wrong value, and broken JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.service.hostile.case import (
    CLOSED,
    HOST,
    REFUSED,
    WAITING,
    Case,
    Outcomes,
    body_of,
    post,
    request,
)

__all__ = ["bodies"]

_WRONG: Outcomes = frozenset({400, 422})
_PATHS = (b"/execute", b"/quote")
_GOOD = body_of()
_VALUES = {
    "null": b"null",
    "true": b"true",
    "zero": b"0",
    "one": b"1",
    "negative": b"-1",
    "minus zero": b"-0",
    "float": b"1.5",
    "integral float": b"50.0",
    "exponent": b"1e2",
    "huge exponent": b"1e999999999",
    "tiny exponent": b"1e-999999999",
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "-Infinity": b"-Infinity",
    "hex": b"0x10",
    "leading zero": b"007",
    "plus": b"+1",
    "2^63": b"9223372036854775808",
    "2^64": b"18446744073709551616",
    "10,000 digits": b"9" * 10_000,
    "10,000 decimals": b"0." + b"1" * 10_000,
    "array": b"[]",
    "array of itself": b'["SOL"]',
    "object": b"{}",
    "nested": b'{"a":{"b":[{}]}}',
    "empty": b'""',
    "space": b'" "',
    "NUL": b'"\\u0000"',
    "NUL inside": b'"SOL\\u0000"',
    "lone surrogate": b'"\\ud800"',
    "surrogates the wrong way": b'"\\udc00\\ud800"',
    "Arabic digits": b'"\\u0661\\u0662\\u0663"',
    "full width digits": '"\uff11\uff15\uff10\uff10"'.encode(),
    "superscript digits": '"²³"'.encode(),
    "full width letters": '"\uff33\uff2f\uff2c"'.encode(),
    "text exponent": b'"1e9"',
    "text negative": b'"-1"',
    "text plus": b'"+1"',
    "text underscore": b'"1_000"',
    "text comma": b'"1,000"',
    "text float": b'"1.0"',
    "text hex": b'"0x10"',
    "text NaN": b'"NaN"',
    "text Infinity": b'"Infinity"',
    "text zero": b'"0"',
    "text zeros": b'"00000000000000000000"',
    "text space before": b'" 1"',
    "text newline after": b'"1\\n"',
    "text 2^64": b'"18446744073709551616"',
    "text 20 nines": b'"99999999999999999999"',
    "text 21 digits": b'"100000000000000000000"',
    "text 60,000 digits": b'"' + b"9" * 60_000 + b'"',
    "60,000 letters": b'"' + b"a" * 60_000 + b'"',
    "60,000 escapes": b'"' + b"\\u0041" * 10_000 + b'"',
    "SQL": b'"\'; DROP TABLE orders; --"',
    "template": b'"{{7*7}}${7*7}<%= 7*7 %>"',
    "markup": b'"<script>alert(1)</script>"',
    "format": b'"%s%n%x{0.__class__}"',
    "path": b'"../../etc/passwd"',
    "right to left": b'"\\u202eLOS"',
    "combining": b'"S\\u0301OL"',
    "emoji": '"💩"'.encode(),
    "raw newline": b'"a\nb"',
    "raw control": b'"a\x01b"',
    "raw NUL": b'"a\x00b"',
    "bad escape": b'"\\x41"',
    "half an escape": b'"\\u00"',
    "raw 0xff": b'"\xff"',
    "overlong": b'"\xc0\xaf"',
    "raw surrogate": b'"\xed\xa0\x80"',
    "beyond Unicode": b'"\xf4\x90\x80\x80"',
    "half a letter": b'"\xc3"',
    "no closing quote": b'"SOL',
    "single quotes": b"'SOL'",
    "bare word": b"SOL",
    "undefined": b"undefined",
    "nothing": b"",
    "comment": b"/* a */ 1",
    "two values": b'"SOL" "SOL"',
    "sold token's mint and more": b'"So11111111111111111111111111111111111111112x"',
}
_FIELDS = {
    b"/execute": ("sell", "buy", "amount", "mode", "slippage_bps", "priority", "deadline"),
    b"/quote": ("sell", "buy", "amount", "mode", "strategy"),
}
_RIGHT = {
    "slippage_bps": {"zero", "one", "minus zero", "integral float", "exponent"},
    "deadline": {"null"},
    "strategy": {"null"},
}
"""What may be right: an integer is an integer however it is written."""
_DEADLINES = {
    "without an offset": "2030-01-01T00:00:00",
    "before 1970": "1969-12-31T23:59:59Z",
    "beyond 2262": "2263-01-01T00:00:00Z",
    "year zero": "0000-01-01T00:00:00Z",
    "year 10000": "10000-01-01T00:00:00Z",
    "month 13": "2030-13-01T00:00:00Z",
    "day 31 of February": "2030-02-31T00:00:00Z",
    "hour 25": "2030-01-01T25:00:00Z",
    "second 61": "2030-01-01T00:00:61Z",
    "offset 99": "2030-01-01T00:00:00+99:99",
    "offset of a day": "2030-01-01T00:00:00+24:00",
    "ten digits of a second": "2030-01-01T00:00:00.1234567890Z",
    "no digits of a second": "2030-01-01T00:00:00.Z",
    "Arabic digits": "٢٠٣٠-01-01T00:00:00Z",
    "full width": "\uff12\uff10\uff13\uff10-01-01T00:00:00Z",
    "week": "2030-W01-1T00:00:00Z",
    "basic form": "20300101T000000Z",
    "epoch": "1893456000",
    "negative year": "-2030-01-01T00:00:00Z",
    "date only": "2030-01-01",
    "the past": "2001-01-01T00:00:00Z",
}
_JSON = {
    "empty": b"",
    "spaces": b" " * 1_000,
    "null": b"null",
    "array": b"[]",
    "array of a good one": b"[" + _GOOD + b"]",
    "number": b"1",
    "text": b'"text"',
    "a good one as text": json.dumps(_GOOD.decode()).encode(),
    "truncated": _GOOD[:-1],
    "half": _GOOD[: len(_GOOD) // 2],
    "only a bracket": b"{",
    "trailing comma": _GOOD[:-1] + b",}",
    "trailing bracket": _GOOD + b"}",
    "trailing letters": _GOOD + b"x",
    "trailing NUL": _GOOD + b"\x00",
    "two": _GOOD * 2,
    "lines": _GOOD + b"\n" + _GOOD,
    "comment": b"/* */" + _GOOD,
    "line comment": _GOOD + b" // more",
    "byte order mark": b"\xef\xbb\xbf" + _GOOD,
    "UTF-16": _GOOD.decode().encode("utf-16"),
    "UTF-16 big end": _GOOD.decode().encode("utf-16-be"),
    "UTF-32": _GOOD.decode().encode("utf-32"),
    "UTF-7": b"+AHs-" + _GOOD[1:],
    "EBCDIC": _GOOD.decode().encode("cp500"),
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
    "form": b"sell=SOL&buy=USDC&amount=1500000000",
    "XML": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "YAML": b"sell: SOL\nbuy: USDC\namount: '1500000000'\n",
    "MessagePack": b"\x83\xa4sell\xa3SOL\xa3buy\xa4USDC",
    "keys without quotes": b'{sell:"SOL",buy:"USDC",amount:"1"}',
    "number as a key": b'{1:"SOL"}',
    "no colon": b'{"sell" "SOL"}',
    "JSON-P": b"callback(" + _GOOD + b")",
    "prefix": b")]}'," + _GOOD,
    "record separator": b"\x1e" + _GOOD,
    "17 deep": b"[" * 17 + b"]" * 17,
    "60,000 open brackets": b"[" * 60_000,
    "60,000 open braces": b'{"a":' * 12_000,
    "60,000 brackets in a string": b'{"sell":"' + b"[" * 60_000 + b'"}',
    "60,000 quotes": b'"' * 60_000,
    "60,000 backslashes": b'"' + b"\\" * 60_000,
    "60,000 commas": b"[" + b"," * 60_000,
    "20,000 zeros": b"[" + b"0," * 20_000 + b"0]",
    "10,000 keys": b"{" + b",".join(b'"%d":0' % n for n in range(5_000)) + b"}",
    "10,000 keys of one name": b"{" + b",".join([b'"sell":"SOL"'] * 4_000) + b"}",
    "a key of 60,000": b'{"' + b"a" * 60_000 + b'":1}',
}
_KEYS = {
    "unknown": b'"more":1',
    "prototype": b'"__proto__":{"admin":true}',
    "user": b'"user":"somebody"',
    "order id": b'"order_id":"x"',
    "simulated": b'"simulated":false',
    "wrong case": b'"Sell":"SOL"',
    "with a NUL": b'"sell\\u0000":"SOL"',
    "empty": b'"":""',
    "escaped twin": b'"s\\u0065ll":"USDC"',
    "twin": b'"sell":"USDC"',
    "equal twin": b'"sell":"SOL"',
    "twin amount": b'"amount":"1"',
    "strategy or slippage": b'"strategy":"best","slippage_bps":1',
}
_KINDS = {
    "none": None,
    "text": b"text/plain",
    "form": b"application/x-www-form-urlencoded",
    "multipart": b"multipart/form-data; boundary=x",
    "multipart without a boundary": b"multipart/form-data",
    "XML": b"application/xml",
    "MessagePack": b"application/x-msgpack",
    "merge patch": b"application/merge-patch+json",
    "suffix": b"application/problem+json",
    "prefix": b"xapplication/json",
    "two": b"application/json, text/plain",
    "empty": b"",
    "nonsense": b";;;==",
    "not ASCII": b"application/js\xf6n",
    "long": b"a" * 5_000 + b"/json",
}
_ENCODINGS = (b"gzip", b"deflate", b"br", b"identity", b"zstd", b"gzip, gzip", b"x", b"")


def bodies() -> Iterator[Case]:
    """Give the family."""
    for path in _PATHS:
        at = path.decode()
        for field in _FIELDS[path]:
            for name, text in _VALUES.items():
                right = {200, 202} if name in _RIGHT.get(field, ()) else set()
                raw = post(path, body_of(**{field: text}))
                yield Case(f"{at} {field} {name}", raw, _WRONG | right)
        for field in ("sell", "buy", "amount"):
            yield Case(f"{at} {field} left out", post(path, body_of(**{field: None})), _WRONG)
        same = post(path, body_of(buy=b'"SOL"'))
        yield Case(f"{at} a token for itself", same, _WRONG)
        for name, body in _JSON.items():
            yield Case(f"{at} body {name}", post(path, body), _WRONG | {413})
        for name, member in _KEYS.items():
            yield Case(f"{at} key {name}", post(path, _GOOD[:-1] + b"," + member + b"}"), _WRONG)
        yield from _kinds(path)
        yield from _sizes(path)
    for name, date in _DEADLINES.items():
        raw = post(b"/execute", body_of(deadline=json.dumps(date).encode()))
        # A date that has gone by is no mistake of form: such an order expires at once.
        allowed = _WRONG | ({202} if name == "the past" else set())
        yield Case(f"deadline {name}", raw, allowed)


def _kinds(path: bytes) -> Iterator[Case]:
    at = path.decode()
    length = b"Content-Length: %d" % len(_GOOD)
    base = (b"POST " + path + b" HTTP/1.1", HOST, b"Connection: close", length)
    for name, kind in _KINDS.items():
        fields = () if kind is None else (b"Content-Type: " + kind,)
        yield Case(f"{at} type {name}", request(*base, *fields, body=_GOOD), REFUSED)
    charset = b"Content-Type: application/json; charset=utf-16"
    utf_16 = _GOOD.decode().encode("utf-16")
    raw = request(*base[:3], b"Content-Length: %d" % len(utf_16), charset, body=utf_16)
    yield Case(f"{at} type UTF-16", raw, REFUSED)
    for coding in _ENCODINGS:
        name = f"{at} coding {coding.decode() or 'empty'}"
        yield Case(name, post(path, _GOOD, b"Content-Encoding: " + coding), REFUSED)


def _sizes(path: bytes) -> Iterator[Case]:
    at, done = path.decode(), 200 if path == b"/quote" else 202
    for size in (65_535, 65_536):
        yield Case(f"{at} {size} bytes", post(path, _GOOD.ljust(size)), frozenset({done}))
    for size in (65_537, 131_072, 1_000_000):
        yield Case(f"{at} {size} bytes", post(path, _GOOD.ljust(size)), frozenset({413, CLOSED}))
        padded = _GOOD[:-1] + b',"x":"' + b"a" * size + b'"}'
        yield Case(f"{at} {size} bytes of a field", post(path, padded), frozenset({413, CLOSED}))
    announced = post(path, _GOOD).replace(b"Content-Length: ", b"Content-Length: 9")
    yield Case(f"{at} more announced than sent", announced, frozenset({408, 413, WAITING}))
    huge = post(path, _GOOD).replace(b"Content-Length: ", b"Content-Length: 99999999")
    yield Case(f"{at} gigabytes announced", huge, frozenset({408, 413, WAITING}))
