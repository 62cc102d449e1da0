"""List bad query parameters, order ids and idempotency keys."""

from __future__ import annotations

from collections.abc import Iterator

from tests.service.hostile.case import CLOSED, Case, Outcomes, body_of, get, post

__all__ = ["parameters"]

_WRONG: Outcomes = frozenset({400, 422})
_NUMBERS = {
    "zero": b"0",
    "negative": b"-1",
    "float": b"1.5",
    "exponent": b"1e2",
    "hex": b"0x10",
    "letters": b"many",
    "null": b"null",
    "true": b"true",
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "2^63": b"9223372036854775808",
    "2^64": b"18446744073709551616",
    "5,000 digits": b"9" * 5_000,
    "5,000 zeros": b"0" * 5_000 + b"x",
    "Arabic digits": b"%d9%a1%d9%a2",
    "full width digits": b"%ef%bc%91",
    "NUL": b"%00",
    "one and NUL": b"1%00",
    "underscore": b"1_0_x",
    "list": b"1,2",
    "brackets": b"[1]",
    "SQL": b"1;DROP%20TABLE%20orders",
    "template": b"%7b%7b7*7%7d%7d",
    "invalid UTF-8": b"%ff%fe",
    "bad percent": b"%zz",
    "newline": b"1%0ax",
    "minus": b"-",
    "comma": b"1,000",
}
_STATES = (
    *(b"OPEN", b"closed", b"open%00", b"open,ended", b"%ff", b"null", b"0", b"open%20"),
    *(b"'%20OR%201=1--", b"a" * 5_000, b"%7b%7b7*7%7d%7d", b"pending"),
)
_STRANGE_QUERIES = {
    "unknown": b"offset=1",
    "no value": b"limit",
    "twice": b"limit=1&limit=2",
    "state twice": b"state=open&state=ended",
    "1,000 times": b"&".join([b"x=1"] * 1_000),
    "1,000 names": b"&".join(b"x%d=1" % n for n in range(1_000)),
    "brackets": b"limit[]=1&limit[0]=2",
    "prototype": b"__proto__[limit]=1",
    "only signs": b"&&&===&&&;;;",
    "question marks": b"????",
    "encoded name": b"%6cimit=0&x",
    "semicolons": b"limit=1;state=open",
    "4,000 percents": b"%" * 4_000,
}
_IDS = {
    "upper case": b"0190A6D2C4F17C3E8A5B6D7E8F901234",
    "dashes": b"0190a6d2-c4f1-7c3e-8a5b-6d7e8f901234",
    "31 digits": b"0" * 31,
    "33 digits": b"0" * 33,
    "braces": b"%7b0190a6d2c4f17c3e8a5b6d7e8f901234%7d",
    "negative": b"-1",
    "null": b"null",
    "wild card": b"%25",
    "wild cards": b"_" * 32,
    "glob": b"*",
    "SQL": b"x'%20OR%20'1'='1",
    "NUL after": b"0190a6d2c4f17c3e8a5b6d7e8f901234%00",
    "invalid UTF-8": b"%80",
    "8,000 letters": b"a" * 8_000,
    "events": b"events",
    "template": b"$%7b7*7%7d",
}
_KEYS = {
    "empty": b"",
    "spaces": b"   ",
    "256 letters": b"k" * 256,
    "8,000 letters": b"k" * 8_000,
    "NUL": b"a\x00b",
    "control": b"a\x01b",
    "newline": b"a\r\n b",
    "tab": b"a\tb",
    "delete": b"a\x7fb",
    "not ASCII": b"\xc3\xa9",
    "not UTF-8": b"\xff\xfe",
    "Latin-1": b"caf\xe9",
    "space inside": b"a b",
    "list": b"a, b",
}
_ODD_KEYS = {
    "SQL": b"'OR'1'='1;--",
    "template": b"{{7*7}}${7*7}",
    "format": b"%s%n{0.__class__}",
    "quotes": b"\"'`",
    "path": b"../../../etc/passwd",
    "commas": b"a,b,",
    "escape codes": b"\\x1b[2J",
    "255 letters": b"k" * 255,
}


def parameters() -> Iterator[Case]:
    """Give the family."""
    places = {b"/orders?limit=": "limit", b"/orders?before=": "before"}
    for target, place in places.items():
        for name, text in _NUMBERS.items():
            yield Case(f"{place} {name}", get(target + text), _WRONG)
    for name, text in _NUMBERS.items():
        raw = get(b"/orders/x/events?from_seq=" + text)
        yield Case(f"from_seq {name} of no order", raw, _WRONG | {404})
    yield Case("limit 501", get(b"/orders?limit=501"), _WRONG)
    yield Case("limit empty", get(b"/orders?limit="), _WRONG | {200})
    for state in _STATES:
        yield Case(f"state {state[:20].decode()}", get(b"/orders?state=" + state), _WRONG)
    for name, query in _STRANGE_QUERIES.items():
        yield Case(f"query {name}", get(b"/orders?" + query), _WRONG | {200, 414})
    for name, order_id in _IDS.items():
        at = b"/orders/" + order_id
        gone = frozenset({400, 404, 405})
        yield Case(f"id {name}", get(at), gone)
        yield Case(f"id {name} to cancel", get(at, method=b"DELETE"), gone)
        yield Case(f"id {name} events", get(at + b"/events"), gone)
    for name, key in _KEYS.items():
        raw = post(b"/execute", body_of(), b"Idempotency-Key: " + key)
        yield Case(f"key {name}", raw, _WRONG | {CLOSED})
    for name, key in _ODD_KEYS.items():
        raw = post(b"/execute", body_of(), b"Idempotency-Key: " + key)
        yield Case(f"key {name} is only text", raw, frozenset({202}))
        bad = post(b"/execute", b"{}", b"Idempotency-Key: " + key)
        yield Case(f"key {name} of a bad order", bad, _WRONG)
    twins = (b"Idempotency-Key: one", b"Idempotency-Key: two")
    yield Case("key twice", post(b"/execute", body_of(), *twins), _WRONG)
