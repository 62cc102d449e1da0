"""Check the reading of accounts over real HTTP: one slot, patience, and silence about keys."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from orderengine.errors import InvalidData, OrderEngineError, Unavailable
from orderengine.solana.accounts import Account, address_of
from orderengine.solana.rpc import ReadAccounts, Rpc, open_rpc
from tests.solana.node import Fault, Node, body, error, result, running, status

OWNER = address_of(bytes([255]) * 32)
KEYS = [address_of(number.to_bytes(32, "big")) for number in range(1, 251)]
HELD = [Account(key, OWNER, key.encode()) for key in KEYS[::2]]
QUERY = "?api-key=s3cr3t-k3y"


def run(
    node: Node,
    main: Callable[[Rpc], Awaitable[Any]],
    *,
    path: str = "",
    deadline_s: float = 10.0,
    timeout_s: float = 5.0,
) -> Any:
    """Do something with a client of a running node."""

    async def within() -> Any:
        async with running(node):
            url = node.url.replace("//", "//user:passw0rd@") + path
            async with open_rpc(url, deadline_s=deadline_s, timeout_s=timeout_s) as rpc:
                return await main(rpc)

    return anyio.run(within)


def read(node: Node, keys: list[str], **how: Any) -> ReadAccounts:
    """Read accounts of a node."""
    found: ReadAccounts = run(node, lambda rpc: rpc.accounts(keys), **how)
    return found


def refused(node: Node, keys: list[str], **how: Any) -> OrderEngineError:
    """Return the error with which a reading ends: one line, and nothing in it that is secret."""
    with pytest.raises(OrderEngineError) as raised:
        read(node, keys, path=f"/t0p-s3cr3t/{QUERY}", **how)
    said = str(raised.value)
    assert "\n" not in said
    assert not any(hidden in said for hidden in ("s3cr3t", "passw0rd", "api-key"))
    return raised.value


def test_accounts_and_their_time_come_of_one_slot() -> None:
    """251 addresses in calls of 100, the Clock among them; what is not there is known absent."""
    node = Node(HELD, slot=431_198_953, time_s=1_783_355_400)
    found = read(node, [*KEYS, KEYS[0]])
    assert (found.slot, found.time_s) == (431_198_953, 1_783_355_400)
    asked = [request["params"][0] for request in node.requests]
    assert sorted(map(len, asked)) == [51, 100, 100]
    for number, key in enumerate(KEYS):
        account = found.accounts.find(key)
        if number % 2:
            assert account is None
            assert found.accounts.is_absent(key)
        else:
            assert account == Account(key, OWNER, key.encode(), 431_198_953)


def test_slots_that_differ_are_asked_again() -> None:
    """From the newest seen on, until all agree."""
    node = Node(HELD, time_s=5)
    node.moves = 5
    assert read(node, KEYS).slot == 505
    asked = [request["params"][1].get("minContextSlot", 0) for request in node.requests]
    assert asked == [0, 0, 0, 503, 503, 503, 505, 505, 505]


def test_a_slot_that_never_agrees_is_given_up() -> None:
    """Bounded, and said."""
    node = Node(HELD, time_s=5)
    node.moves = 1_000
    found = refused(node, KEYS)
    assert isinstance(found, Unavailable)
    assert "at one slot in 10 tries" in str(found)
    assert len(node.requests) == 30


@pytest.mark.parametrize(
    ("block_time", "expected"), [(1_783_355_400, 1_783_355_400), (None, 0), ("x", 0)]
)
def test_without_a_clock_the_ledger_is_asked(block_time: Any, expected: int) -> None:
    """And if it does not know, nobody does."""
    node = Node(HELD)
    node.block_time_s = block_time
    assert read(node, KEYS[:1]).time_s == expected
    assert [request["method"] for request in node.requests] == [
        "getMultipleAccounts",
        "getBlockTime",
    ]
    node = Node(HELD)
    node.faults = [None, error(-32601, "Method not found")]
    assert read(node, KEYS[:1]).time_s == 0


@pytest.mark.parametrize(
    "fault",
    [
        status(429, retry_after="0"),
        status(503, retry_after="0"),
        status(
            429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT", date="Wed, 21 Oct 2015 07:28:09 GMT"
        ),
        status(502),
        error(-32005, "Node is behind by 42 slots"),
        error(-32016, "Minimum context slot has not been reached"),
        error(429, "Too many requests"),
        lambda _: b"",
    ],
)
def test_a_busy_node_is_asked_again(fault: Fault) -> None:
    """As are a connection that breaks off, and a node that is behind."""
    node = Node(HELD, time_s=5)
    node.faults = [fault, fault]
    assert read(node, KEYS[:1]).slot == 500
    assert len(node.requests) == 3


def test_retry_after_is_kept() -> None:
    """Not a moment earlier."""
    node, times = Node(HELD, time_s=5), []
    node.before = lambda _: times.append(anyio.current_time())
    node.faults = [status(429, retry_after="1")]
    read(node, KEYS[:1])
    assert times[1] - times[0] >= 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (status(429, retry_after="3600"), "HTTP 429, and asks to wait 3600 s"),
        (status(503), "HTTP 503"),
    ],
)
def test_patience_has_an_end(fault: Fault, said: str) -> None:
    """A wait beyond the deadline is not begun."""
    node = Node(HELD)
    node.faults = [fault] * 100
    found = refused(node, KEYS[:1], deadline_s=0.5)
    assert isinstance(found, Unavailable)
    assert said in str(found)


def test_an_answer_that_drips_is_not_waited_for() -> None:
    """However lively the connection looks."""
    node = Node(HELD)
    node.drips = True
    found = refused(node, KEYS[:1], timeout_s=0.2, deadline_s=1.0)
    assert isinstance(found, Unavailable)
    assert "within the time" in str(found)


def context(value: object) -> dict[str, Any]:
    """Return a result of getMultipleAccounts."""
    return {"context": {"slot": 5}, "value": value}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (status(401), "HTTP 401"),
        (status(301, location="http://127.0.0.1:1/"), "HTTP 301"),
        (error(-32602, "Invalid params: s3cr3t-k3y\nand more"), "error -32602 (Invalid params: …"),
        (body(b"<html>"), "no JSON-RPC"),
        (body(b"[]"), "no JSON-RPC"),
        (body(b"[" * 100_000), "no JSON-RPC"),
        (body(b'{"jsonrpc": "2.0", "id": 99, "result": 1}'), "another call's number"),
        (result(None), "no slot"),
        (result({"context": {"slot": True}, "value": []}), "no slot"),
        (result(context("x")), "no list of values"),
        (result(context([None])), "1 values"),
        (result(context([{"data": ["", "base64"]}, None])), "without an owner"),
        (result(context([{"owner": "x", "data": ["", "base64"]}, None])), "without an owner"),
        (result(context([{"owner": OWNER, "data": "x"}, None])), "without data"),
        (result(context([{"owner": OWNER, "data": ["%", "base64"]}, None])), "without data"),
        (result(context([{"owner": OWNER, "data": [5, "base64"]}, None])), "without data"),
    ],
)
def test_an_answer_that_cannot_be_used_is_named(fault: Fault, said: str) -> None:
    """At once: asking again would give the same."""
    node = Node(HELD)
    node.faults = [fault]
    found = refused(node, KEYS[:1])
    assert isinstance(found, InvalidData)
    assert said in str(found)
    assert len(node.requests) == 1


def test_no_address_no_call() -> None:
    """What is no base58 is refused before anything is sent."""
    node = Node(HELD)
    assert "32 bytes in base58" in str(refused(node, ["nobody"]))
    assert not node.requests


def test_the_key_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The HTTP library logs every request's URL; ours go without what may be a key."""
    caplog.set_level(logging.DEBUG)
    node = Node(HELD, time_s=5)
    read(node, KEYS[:1], path=f"/t0p-s3cr3t/{QUERY}")
    assert "HTTP Request: POST http://127.0.0.1" in caplog.text
    assert not any(hidden in caplog.text for hidden in ("s3cr3t", "passw0rd", "api-key"))
    assert not logging.getLogger("httpx").filters


@pytest.mark.parametrize(
    "url", ["", "nowhere", "ftp://host", "http://", "http://h:99999/", "http://h h/", "http://["]
)
def test_what_is_no_url_is_refused_and_not_shown(url: str) -> None:
    """It may hold a key all the same."""

    async def main() -> None:
        async with open_rpc(url):
            pass

    with pytest.raises(InvalidData, match="not shown"):
        anyio.run(main)


def test_nobody_there_is_said_soon() -> None:
    """A refused connection, after three tries."""

    async def main() -> None:
        async with open_rpc("http://127.0.0.1:1") as rpc:
            await rpc.accounts(KEYS[:1])

    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:1: cannot be reached"):
        anyio.run(main)
