"""Check that requests are repeated when that is safe and helps, and errors say what happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from orderengine.client.client import Client
from orderengine.client.problems import error_of, retry_after_s
from orderengine.errors import (
    InvalidData,
    InvalidRequest,
    KeyReused,
    OrderEngineError,
    Rejected,
    Unavailable,
    UnknownOrder,
)
from orderengine.model.events import Status
from orderengine.model.order import Mode, Order
from tests.client.standin import FULL, Standin, serving

ORDER = Order(order_id="mine", sell="SOL", buy="USDC", amount=1_500_000_000)


def with_client(service: Standin, use: Callable[[Client], Awaitable[Any]], **settings: Any) -> None:
    """Run ``use`` with a client of a stand-in that is served meanwhile."""

    async def main() -> None:
        with anyio.fail_after(30):
            async with serving(service), Client(service.url, **settings) as client:
                await use(client)

    anyio.run(main)


def test_an_order_is_submitted_read_and_cancelled() -> None:
    """The body is the interface's, the receipt names the service's id, and the log is there."""
    service = Standin()

    async def use(client: Client) -> None:
        receipt = await client.submit(ORDER)
        assert (receipt.order_id, receipt.status, receipt.seq) == ("order-0", Status.PENDING, 1)
        events = await client.events("order-0")
        assert [event.seq for event in events] == [*range(1, FULL + 1)]
        assert [event.seq for event in await client.events("order-0", from_seq=4)] == [4, 5]
        view = await client.order("order-0")
        assert (view.status, view.seq, view.cancel_requested) == (Status.CONFIRMED, FULL, False)
        assert view.details["sell"] == "SOL"
        assert (await client.cancel("order-0")).cancel_requested
        quoted = await client.quote("SOL", "USDC", "1.5SOL", mode=Mode.EXACT_OUT)
        body = {"sell": "SOL", "buy": "USDC", "amount": "1.5SOL", "mode": "exact_out"}
        assert quoted == {"amount_out": "7", "asked": body}
        split = await client.quote("SOL", "USDC", 5, strategy="split")
        body = {"sell": "SOL", "buy": "USDC", "amount": "5", "strategy": "split"}
        assert split == {"amount_out": "7", "asked": body}
        assert await client.ready()

    with_client(service, use, key="secret")
    assert {headers["authorization"] for headers in service.headers} == {"Bearer secret"}
    body = (
        b'{"sell":"SOL","buy":"USDC","amount":"1500000000","slippage_bps":50,"priority":"normal"}'
    )
    assert [kept for _, kept in service.keys.values()] == [body]


def test_a_receipt_that_broke_off_is_asked_for_again() -> None:
    """The order was stored though its 202 never came: the same key finds it, not a second one."""
    service = Standin(cut_receipts=2)

    async def use(client: Client) -> None:
        assert (await client.submit(ORDER)).order_id == "order-0"

    with_client(service, use)
    assert service.seen["POST /execute"] == 3
    assert list(service.logs) == ["order-0"]
    assert len(service.keys) == 1


def test_each_submission_has_a_key_of_its_own() -> None:
    """Two equal orders are two orders, unless the caller says that they are one."""
    service = Standin()

    async def use(client: Client) -> None:
        assert (await client.submit(ORDER)).order_id == "order-0"
        assert (await client.submit(ORDER)).order_id == "order-1"
        for _ in range(2):
            assert (await client.submit(ORDER, idempotency_key="k")).order_id == "order-2"
        other = Order(order_id="mine", sell="SOL", buy="USDC", amount=1)
        with pytest.raises(KeyReused, match="'k'"):
            await client.submit(other, idempotency_key="k")

    with_client(service, use)


def test_retry_after_is_honoured() -> None:
    """A 503 is repeated, no sooner than the service says."""
    service = Standin(unavailable=1, retry_after="1")

    async def use(client: Client) -> None:
        began = anyio.current_time()
        assert (await client.submit(ORDER)).order_id == "order-0"
        assert 1 <= anyio.current_time() - began < 5

    with_client(service, use)
    assert service.seen["POST /execute"] == 2


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    """The error has the service's code and words."""
    service = Standin(unavailable=1, retry_after="60")

    async def use(client: Client) -> None:
        with pytest.raises(Unavailable, match="answered 503: too much to do") as caught:
            await client.submit(ORDER)
        assert caught.value.code == "OVERLOADED"
        assert Unavailable.code == "UNAVAILABLE"

    with_client(service, use)
    assert service.seen["POST /execute"] == 1


def test_tries_end_at_the_deadline() -> None:
    """A service that stays away is given up on, after several tries."""
    service = Standin(unavailable=1_000)

    async def use(client: Client) -> None:
        began = anyio.current_time()
        with pytest.raises(Unavailable):
            await client.order("order-0")
        assert anyio.current_time() - began < 1

    with_client(service, use, give_up_s=0.6)
    assert 3 <= service.seen["GET /orders/order-0"] <= 10


def test_nobody_there_is_unavailable() -> None:
    """A refused connection names the host."""

    async def main() -> None:
        async with Client("http://127.0.0.1:9", give_up_s=0.2) as client:
            with pytest.raises(Unavailable, match=r"no answer from 127\.0\.0\.1"):
                await client.submit(ORDER)
            with pytest.raises(Unavailable):
                await client.ready()

    anyio.run(main)


def test_not_ready_is_told() -> None:
    """Readiness is asked once and is no error."""

    async def use(client: Client) -> None:
        assert not await client.ready()

    with_client(Standin(unready=True), use)


def test_refusals_are_not_repeated() -> None:
    """4xx comes once, as an error that says never to retry."""
    service = Standin(refuse=(422, "INVALID_AMOUNT"))

    async def use(client: Client) -> None:
        with pytest.raises(InvalidRequest, match="answered 422: not like this") as caught:
            await client.submit(ORDER)
        assert caught.value.code == "INVALID_AMOUNT"
        with pytest.raises(UnknownOrder, match="nowhere"):
            await client.order("nowhere")

    with_client(service, use)
    assert service.seen["POST /execute"] == 1


def test_pages_are_joined() -> None:
    """Each order comes once, newest first, whatever the size of a page."""
    service = Standin()

    async def use(client: Client) -> None:
        for _ in range(7):
            await client.submit(ORDER)
        for size in (1, 3, 7, 100):
            found = [view.order_id async for view in client.orders(page_size=size)]
            assert found == [f"order-{n}" for n in range(6, -1, -1)]
        assert [view async for view in client.orders(state="open")] == []
        assert len([view async for view in client.orders(state="ended")]) == 7

    with_client(service, use)
    assert service.seen["GET /orders"] == 7 + 3 + 1 + 1 + 2


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "INVALID_REQUEST", InvalidRequest),
        (404, "UNKNOWN_ORDER", UnknownOrder),
        (422, "IDEMPOTENCY_KEY_REUSED", KeyReused),
        (422, "NO_ROUTE", Rejected),
        (429, "RATE_LIMITED", Unavailable),
        (503, "QUEUE_FULL", Unavailable),
        (500, "INTERNAL", Unavailable),
        (302, "", InvalidRequest),
    ],
)
def test_problems_become_errors(status: int, code: str, kind: type[OrderEngineError]) -> None:
    """The kind answers whether to retry; the code is the service's."""
    error = error_of(status, b'{"code":"%s","detail":"why"}' % code.encode())
    assert type(error) is kind
    assert error.code == (code or kind.code)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"code":5}', b"[" * 5_000])
def test_bodies_that_are_no_problem_are_survived(body: bytes) -> None:
    """A proxy's page in place of a problem leaves the status."""
    error = error_of(503, body)
    assert isinstance(error, Unavailable)
    assert "503: no reason given" in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"Retry-After": "3"}, 3),
        ({"Retry-After": "soon"}, 0),
        ({"Retry-After": "-3"}, 0),
        (
            {
                "Retry-After": "Mon, 23 Nov 2026 08:00:07 GMT",
                "Date": "Mon, 23 Nov 2026 08:00:00 GMT",
            },
            7,
        ),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], seconds: float) -> None:
    """Seconds or a date, measured against the answer's own date."""
    assert retry_after_s(headers) == seconds


@pytest.mark.parametrize("url", ["", "127.0.0.1:3000", "ftp://a", "http://", "http://a?b=c", "h\n"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    """At once, not as a failed connection."""
    with pytest.raises(InvalidData, match="the url"):
        Client(url)
