"""Test that orders are accepted as the framework would accept them, whatever is asked."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from orderengine.errors import (
    InvalidAmount,
    InvalidData,
    InvariantViolated,
    KeyReused,
    OrderTooLarge,
    QueueFull,
    TooManyOpenOrders,
    Unavailable,
    UnknownToken,
)
from orderengine.execution.ports import IdempotencyKey
from orderengine.model.events import Accepted
from orderengine.model.lifecycle import OrderState, apply
from orderengine.model.order import Order
from orderengine.service.access.identity import EVERYBODY, Identity
from orderengine.service.settings import Settings
from orderengine.service.web.app import create_app
from orderengine.service.web.execute import QuickExecute

GOOD = {"sell": "SOL", "buy": "USDC", "amount": "1500000000"}
BODIES: dict[str, bytes] = {
    "good": json.dumps(GOOD).encode(),
    "every field": json.dumps(
        GOOD
        | {
            "mode": "exact_out",
            "slippage_bps": 10,
            "priority": "urgent",
            "deadline": "2030-01-01T00:00:00Z",
        }
    ).encode(),
    "null deadline": json.dumps(GOOD | {"deadline": None}).encode(),
    "no amount": b'{"sell":"SOL","buy":"USDC"}',
    "a number for an amount": json.dumps(GOOD | {"amount": 15}).encode(),
    "amount 0": json.dumps(GOOD | {"amount": "0"}).encode(),
    "amount 2^64": json.dumps(GOOD | {"amount": str(2**64)}).encode(),
    "a text for bps": json.dumps(GOOD | {"slippage_bps": "50"}).encode(),
    "bps too high": json.dumps(GOOD | {"slippage_bps": 10_001}).encode(),
    "unknown field": json.dumps(GOOD | {"limit": "1"}).encode(),
    "unknown priority": json.dumps(GOOD | {"priority": "now"}).encode(),
    "no date": json.dumps(GOOD | {"deadline": "tomorrow"}).encode(),
    "a date far away": json.dumps(GOOD | {"deadline": "2999-01-01T00:00:00Z"}).encode(),
    "a list": b"[]",
    "empty": b"",
}
KEYS: dict[str, bytes | None] = {
    "no key": None,
    "a key": b"3f1c-9a52",
    "an empty key": b"",
    "a space in it": b"a b",
    "not ASCII": "\u00e9".encode("latin-1"),
    "255 long": b"k" * 255,
    "256 long": b"k" * 256,
}
ERRORS = [
    InvalidAmount("deadline", "x", "a time"),
    InvalidData("an event", "x", "one that is known"),
    UnknownToken("XYZ", "SOL, USDC"),
    KeyReused("k"),
    OrderTooLarge("SOL", 2, 1),
    QueueFull("normal", 1),
    TooManyOpenOrders(1),
    Unavailable("the database is away"),
    InvariantViolated("this cannot be"),
    RuntimeError("nobody thought of it"),
]


class Desk:
    """Stand in for what accepts orders: note what is asked, and answer as told."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error
        self.asked: list[tuple[Identity, Order, IdempotencyKey | None]] = []

    async def submit(
        self, identity: Identity, order: Order, key: IdempotencyKey | None
    ) -> OrderState:
        """Accept the order, or refuse it."""
        self.asked.append((identity, order, key))
        if self._error is not None:
            raise self._error
        accepted = Accepted(
            order_id="o-1", seq=1, at_ns=1, order=_named(order, "o-1"), reference_price_x64=1
        )
        return apply(None, accepted)


def _named(order: Order, order_id: str) -> Order:
    fields = {name: getattr(order, name) for name in order.__struct_fields__}
    return Order(**fields | {"order_id": order_id})


async def _ask(app: Any, body: bytes, key: bytes | None) -> tuple[int, dict[bytes, bytes], bytes]:
    """Return status, headers and body of an answer."""
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    headers += [] if key is None else [(b"idempotency-key", key)]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/execute",
        "raw_path": b"/execute",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {"identity": EVERYBODY},
    }
    left = [{"type": "http.request", "body": body, "more_body": False}]
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return left.pop() if left else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    await app(scope, receive, send)
    return (
        told[0]["status"],
        dict(told[0]["headers"]),
        b"".join(message.get("body", b"") for message in told[1:]),
    )


def _both(
    error: Exception | None, body: bytes, key: bytes | None
) -> list[tuple[Any, list[tuple[Identity, Order, IdempotencyKey | None]]]]:
    """Return the framework's answer and the quick one, each with what was then asked for."""
    framework = create_app(Settings()).app
    found = []
    for app in (framework, QuickExecute(framework, lambda: framework.state.admission)):
        framework.state.admission = desk = Desk(error)
        answer = anyio.run(_ask, app, body, key)
        asked = [(who, _named(order, "any"), made_by) for who, order, made_by in desk.asked]
        found.append((answer, asked))
    return found


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_it_answers_as_the_framework_does(body: bytes, key: bytes | None) -> None:
    """And has the same order accepted, or none."""
    framework, quick = _both(None, body, key)
    assert quick == framework
    assert (framework[0][0] == 202) == (len(framework[1]) == 1)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_it_says_as_the_framework_does_why_not(error: Exception) -> None:
    """With the same code, and asking only once."""
    framework, quick = _both(error, BODIES["good"], b"k")
    assert quick == framework
    assert len(quick[1]) == 1
    assert framework[0][0] >= 400
