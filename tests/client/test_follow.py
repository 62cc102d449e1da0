"""Check that an order is followed without gap and without repetition, whatever its sockets do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

import pytest

from orderengine.client.client import Client
from orderengine.client.forms import Connected
from orderengine.errors import InvalidRequest, InvariantViolated, Unavailable, UnknownOrder
from orderengine.model.events import Event
from tests.client.standin import FULL, Standin
from tests.client.test_client import ORDER, with_client

Fault = Callable[[list[Event]], list[Event]]
WHOLE = [*range(1, FULL + 1)]


async def followed(client: Client, from_seq: int = 1) -> list[int]:
    """Submit an order and return the numbers of the events that following it gives."""
    receipt = await client.submit(ORDER)
    return [event.seq async for event in client.follow(receipt.order_id, from_seq)]


def repeated(log: list[Event]) -> list[Event]:
    """Send the second event twice."""
    return [*log[:2], log[1], *log[2:]]


def skipped(log: list[Event]) -> list[Event]:
    """Leave the third event out."""
    return [*log[:2], *log[3:]]


def swapped(log: list[Event]) -> list[Event]:
    """Send the third event before the second."""
    return [log[0], log[2], log[1], *log[3:]]


def test_an_order_is_followed_to_its_end() -> None:
    """All events once, in order; ``from_seq`` is inclusive."""

    async def use(client: Client) -> None:
        assert await followed(client) == WHOLE
        assert await followed(client, from_seq=4) == [4, 5]

    with_client(Standin(), use)


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012])
@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_socket_that_closes_is_resumed(after: int, code: int) -> None:
    """The next socket is asked for the event after the last one seen."""
    service = Standin(close_after=after, close_code=code, retry_after="0")

    async def use(client: Client) -> None:
        assert await followed(client) == WHOLE

    with_client(service, use)
    sockets = [name for name in service.seen if name.startswith("WS")]
    # One message fewer than ``close_after`` got through.
    second = f"WS /ws/order-0?from_seq={after}"
    assert sockets == (["WS /ws/order-0?from_seq=1", second] if after > 1 else [second])
    assert sum(service.seen[name] for name in sockets) == 2


def test_a_repeated_event_comes_once() -> None:
    """What was seen is dropped."""

    async def use(client: Client) -> None:
        assert await followed(client) == WHOLE

    with_client(Standin(sent=repeated), use)


@pytest.mark.parametrize(("fault", "before"), [(skipped, [1, 2]), (swapped, [1])])
def test_a_gap_is_told(fault: Fault, before: list[int]) -> None:
    """An event that is not the next one stops the loop, after all those before it."""

    async def use(client: Client) -> None:
        seen: list[int] = []
        await client.submit(ORDER)
        with pytest.raises(InvariantViolated, match="event"):  # noqa: PT012  (a loop that raises)
            async with aclosing(client.follow("order-0")) as events:
                async for event in events:
                    seen.append(event.seq)  # noqa: PERF401  (it must outlive the error)
        assert seen == before

    with_client(Standin(sent=fault), use)


def test_following_beyond_the_end_ends() -> None:
    """Nothing more will come, and the order's own state says so."""

    async def use(client: Client) -> None:
        assert await followed(client, from_seq=FULL + 1) == []

    with_client(Standin(), use)


def test_an_order_that_is_not_there_is_unknown() -> None:
    """The refused handshake becomes the same error as over HTTP."""

    async def use(client: Client) -> None:
        with pytest.raises(UnknownOrder, match="nowhere"):
            _ = [event async for event in client.follow("nowhere")]

    with_client(Standin(), use)


def test_a_service_that_only_closes_is_given_up_on() -> None:
    """Sockets that open and close at once, without a message, do not count as healthy."""
    service = Standin(close_code=1012)

    async def use(client: Client) -> None:
        await client.submit(ORDER)
        service.sent = lambda log: []
        with pytest.raises(Unavailable, match="closed with 1000"):
            _ = [event async for event in client.follow("order-0")]

    with_client(service, use, give_up_s=0.5)
    assert service.seen["WS /ws/order-0?from_seq=1"] >= 3


def test_a_socket_closed_as_forbidden_is_refused() -> None:
    """Close codes 44xx say what an HTTP status 4xx says: trying again does not help."""

    async def use(client: Client) -> None:
        await client.submit(ORDER)
        with pytest.raises(InvalidRequest, match="4403"):
            _ = [event async for event in client.follow("order-0")]

    with_client(Standin(close_after=2, close_code=4403), use)


def test_the_stream_has_all_orders_and_tells_of_reconnections() -> None:
    """After a second ``Connected`` the caller can fill in from the log."""
    service = Standin(close_after=FULL + 1)

    async def use(client: Client) -> None:
        seen: list[tuple[str, int]] = []
        times: list[int] = []
        async with aclosing(client.stream()) as items:
            async for item in items:
                if isinstance(item, Connected):
                    times.append(item.times)
                    await client.submit(ORDER)
                    if item.times == 1:
                        await client.submit(ORDER)
                else:
                    seen.append((item.order_id, item.seq))
                    if seen[-1] == ("order-2", FULL):
                        break
        assert times == [1, 2]
        assert seen == [("order-0", n) for n in WHOLE] + [("order-2", n) for n in WHOLE]
        assert [event.seq for event in await client.events("order-1")] == WHOLE

    with_client(service, use)
