"""Make hostile requests of good ones, by bytes and by the tree of their JSON; the same every run.

Each request follows from the seed and its number alone, so one that fails is made again by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from orderengine.market.draws import Draws
from tests.service.hostile.case import (
    HOST,
    SWAP,
    Case,
    get,
    handshake,
    post,
    request,
)
from tests.service.hostile.verdict import ANY_BUT_FAILURE

__all__ = ["generated", "mutated"]

T = TypeVar("T")
_ORDER = SWAP | {"mode": "exact_in", "slippage_bps": 50, "priority": "normal"}
_TREES: tuple[tuple[bytes, dict[str, Any]], ...] = (
    (b"/execute", _ORDER | {"deadline": "2100-01-01T00:00:00Z"}),
    (b"/quote", SWAP | {"mode": "exact_out", "strategy": "split"}),
)
_BODY = json.dumps(_ORDER).encode()
_GOOD = (
    post(b"/execute", _BODY, b"Idempotency-Key: 0123456789"),
    post(b"/quote", json.dumps(SWAP).encode()),
    get(b"/orders?limit=10&state=open&before=100"),
    get(b"/orders/0190a6d2c4f17c3e8a5b6d7e8f901234/events?from_seq=1"),
    get(b"/orders/0190a6d2c4f17c3e8a5b6d7e8f901234", method=b"DELETE"),
    get(b"/health/ready", b"Accept: application/json"),
    handshake(b"/ws"),
    handshake(b"/ws/0190a6d2c4f17c3e8a5b6d7e8f901234?from_seq=1"),
    request(
        b"POST /execute HTTP/1.1",
        HOST,
        b"Content-Type: application/json",
        b"Transfer-Encoding: chunked",
        body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(_BODY), _BODY),
    ),
)
_TOKENS = (
    *(
        b"\x00",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b"%",
        b"%00",
        b"%0d%0a",
        b"\xff",
        b"\xc0\xaf",
    ),
    *(
        b"//",
        b"..",
        b"?",
        b"#",
        b"&",
        b"=",
        b";",
        b",",
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b"[[[[",
    ),
    *(
        b"-1",
        b"0",
        b"9" * 30,
        b"1e999",
        b"NaN",
        b"null",
        b"HTTP/1.1",
        b"HTTP/9.9",
        b"\\u0000",
        b"\\ud800",
    ),
    *(b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: evil.example\r\n"),
    *(b"Upgrade: websocket\r\n", b"Connection: Upgrade\r\n", b"Expect: 100-continue\r\n"),
    *(b"Origin: null\r\n", b"\r\n\r\n", b"0\r\n\r\n", b"a" * 300, "\u0661".encode(), "💩".encode()),
)
_LEAVES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        50,
        10_001,
        2**63,
        2**64,
        -(2**63),
        10**30,
        1.5,
        1e308,
        float("nan"),
    ),
    *(
        float("inf"),
        "",
        " ",
        "0",
        "-1",
        "1e9",
        "1.0",
        "SOL",
        "USDC",
        "\x00",
        "\ud800",
        "\u0661٢٣",
        "exact_out",
    ),
    *(
        "urgent",
        "best",
        "network",
        "9" * 25,
        "a" * 2_000,
        "2100-01-01",
        "💩",
        [],
        {},
        [[]],
        {"a": None},
    ),
)


class _Dice:
    """Draw for one request, one number after the other."""

    def __init__(self, seed: int, number: int) -> None:
        self._draws = Draws(seed, "hostile")
        self._number = number
        self._count = 0

    def below(self, bound: int) -> int:
        """Return a number from 0, below a bound."""
        self._count += 1
        return self._draws.u64(self._number, self._count) % bound

    def pick(self, among: Sequence[T]) -> T:
        """Return one of some."""
        return among[self.below(len(among))]


def generated(seed: int, count: int) -> Iterator[Case]:
    """Give the first ``count`` requests of a seed."""
    return (mutated(seed, number) for number in range(count))


def mutated(seed: int, number: int) -> Case:
    """Return one request of a seed."""
    dice = _Dice(seed, number)
    if dice.below(2):
        path, tree = dice.pick(_TREES)
        for _ in range(1 + dice.below(3)):
            tree = _tree_changed(tree, dice)
        body = json.dumps(tree, ensure_ascii=bool(dice.below(2))).encode("utf-8", "surrogatepass")
        raw = post(path, body)
    else:
        raw = dice.pick(_GOOD)
        for _ in range(1 + dice.below(4)):
            raw = dice.pick(_BYTE_CHANGES)(raw, dice)
    return Case(f"generated {seed}/{number}", raw, ANY_BUT_FAILURE)


def _tree_changed(tree: dict[str, Any], dice: _Dice) -> dict[str, Any]:
    names = list(tree) or ["sell"]
    name = dice.pick(names)
    match dice.below(7):
        case 0:
            return {key: value for key, value in tree.items() if key != name}
        case 1:
            return tree | {name: dice.pick(_LEAVES), dice.pick(("x", "", "SELL", "user")): 1}
        case 2:
            return tree | {name: [tree.get(name)] * (1 + dice.below(4))}
        case 3:
            nested: Any = tree.get(name)
            for _ in range(dice.below(40)):
                nested = {"a": nested} if dice.below(2) else [nested]
            return tree | {name: nested}
        case 4:
            return tree | {name: tree.get(dice.pick(names))}
        case 5:
            return tree | {name: str(tree.get(name)) + str(dice.pick(_LEAVES))}
        case _:
            return tree | {name: dice.pick(_LEAVES)}


def _flip(raw: bytes, dice: _Dice) -> bytes:
    at = dice.below(len(raw) + 1)
    return raw[:at] + bytes([dice.below(256)]) + raw[at + 1 :]


def _insert(raw: bytes, dice: _Dice) -> bytes:
    at = dice.below(len(raw) + 1)
    return raw[:at] + dice.pick(_TOKENS) + raw[at:]


def _insert_at_a_line(raw: bytes, dice: _Dice) -> bytes:
    lines = raw.split(b"\r\n")
    at = dice.below(len(lines))
    return b"\r\n".join((*lines[:at], dice.pick(_TOKENS) + lines[at], *lines[at + 1 :]))


def _delete(raw: bytes, dice: _Dice) -> bytes:
    at = dice.below(len(raw) + 1)
    return raw[:at] + raw[at + 1 + dice.below(8) :]


def _repeat(raw: bytes, dice: _Dice) -> bytes:
    at, size = dice.below(len(raw) + 1), 1 + dice.below(60)
    return raw[:at] + raw[at : at + size] * (1 + dice.below(20)) + raw[at + size :]


def _cut(raw: bytes, dice: _Dice) -> bytes:
    return raw[: dice.below(len(raw) + 1)]


def _splice(raw: bytes, dice: _Dice) -> bytes:
    other = dice.pick(_GOOD)
    return raw[: dice.below(len(raw) + 1)] + other[dice.below(len(other)) :]


def _shuffle_lines(raw: bytes, dice: _Dice) -> bytes:
    lines = raw.split(b"\r\n")
    one, two = dice.below(len(lines)), dice.below(len(lines))
    lines[one], lines[two] = lines[two], lines[one]
    return b"\r\n".join(lines)


_BYTE_CHANGES: tuple[Callable[[bytes, _Dice], bytes], ...] = (
    *(_flip, _flip, _insert, _insert, _insert_at_a_line, _delete),
    *(_repeat, _cut, _splice, _shuffle_lines),
)
