"""Submit orders to a running service and follow them to their end.

Works on asyncio only, because the WebSocket client does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Literal, Self
from urllib.parse import quote as escaped
from urllib.parse import urlencode
from uuid import uuid4

from orderengine.client.forms import (
    Connected,
    OrderView,
    Page,
    Receipt,
    body_of,
    events_of,
    read,
    view_of,
)
from orderengine.client.http import Http, Settings
from orderengine.client.sockets import Closed, Sockets
from orderengine.errors import InvariantViolated
from orderengine.model.events import Event
from orderengine.model.order import Mode, Order

__all__ = ["Client"]


class Client:
    """Speak to one service as one user; an async context manager.

    Every call may be repeated safely, so every call is: while the service is away (no connection,
    429, 502, 503, 504) it is sent again after a pause, no sooner than Retry-After says. An error of
    the branch ``Unavailable`` comes only when ``give_up_s`` would be passed.

    Args:
        url: where the service listens, such as ``http://127.0.0.1:3000``.
        key: the user's API key, sent as ``Authorization: Bearer …``.
        timeout_s: for one try of one request, and for opening a socket.
        give_up_s: for all tries of one call; for a socket, the time without a healthy connection.
        connections: HTTP connections at once.

    Raises:
        InvalidData: the url is none, or a time is not above 0.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout_s: float = 10,
        give_up_s: float = 30,
        connections: int = 32,
    ) -> None:
        settings = Settings(
            url=url.rstrip("/"),
            key=key,
            timeout_s=timeout_s,
            give_up_s=give_up_s,
            connections=connections,
        )
        self._http = Http(settings)
        self._sockets = Sockets(settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._http.aclose()

    async def submit(self, order: Order, *, idempotency_key: str | None = None) -> Receipt:
        """Submit an order and return its receipt once the service has stored it.

        Args:
            order: its id and user are not sent; the service gives both.
            idempotency_key: the same key and order give the same receipt, also after a crash of
                the caller; None makes a new one for this call.

        Raises:
            InvalidRequest: refused for good; ``KeyReused`` if the key came with another order.
            Unavailable: nobody knows whether it was accepted: submit again with the same key.
        """
        key = idempotency_key or uuid4().hex
        return read(await self._http.ask("POST", "/execute", body=body_of(order), key=key), Receipt)

    async def order(self, order_id: str) -> OrderView:
        """Return where an order is.

        Raises:
            UnknownOrder: no such order of this user.
            Unavailable: the service is away; ask again later.
        """
        answer = await self._http.ask("GET", _order_path(order_id), order_id=order_id)
        return view_of(read(answer, dict[str, Any]))

    async def orders(
        self, *, state: Literal["open", "ended"] | None = None, page_size: int = 100
    ) -> AsyncGenerator[OrderView]:
        """Yield the user's orders, page by page.

        Raises:
            Unavailable: the service is away; begin again later.
        """
        before: int | None = None
        while True:
            query: dict[str, object] = {"limit": page_size}
            query |= {} if before is None else {"before": before}
            query |= {} if state is None else {"state": state}
            page = read(await self._http.ask("GET", f"/orders?{urlencode(query)}"), Page)
            for found in page.orders:
                yield view_of(found)
            if page.before is None:
                return
            if before is not None and page.before >= before:
                raise InvariantViolated(f"the page before {before} goes on before {page.before}")
            before = page.before

    async def events(self, order_id: str, from_seq: int = 1) -> list[Event]:
        """Return an order's log so far, from the event ``from_seq`` on, itself included.

        Raises:
            UnknownOrder: no such order of this user.
            Unavailable: the service is away; ask again later.
        """
        path = f"{_order_path(order_id)}/events?from_seq={from_seq:d}"
        return events_of(await self._http.ask("GET", path, order_id=order_id))

    async def cancel(self, order_id: str) -> OrderView:
        """Ask to cancel an order; asking again gives the same answer.

        Raises:
            UnknownOrder: no such order of this user.
            Unavailable: the service is away; ask again later.
        """
        answer = await self._http.ask("DELETE", _order_path(order_id), order_id=order_id)
        return view_of(read(answer, dict[str, Any]))

    async def quote(
        self,
        sell: str,
        buy: str,
        amount: int | str,
        *,
        mode: Mode = Mode.EXACT_IN,
        strategy: str | None = None,
    ) -> dict[str, Any]:
        """Return what the service would pay now, as plain JSON values.

        Args:
            sell: symbol or mint of the token paid.
            buy: symbol or mint of the token received.
            amount: base units, or shown units such as "1.5SOL".
            mode: which side ``amount`` fixes.
            strategy: how to route, such as "split"; None for what the service does with orders.

        Raises:
            Rejected: no pool can fill it now.
            Unavailable: the service is away; ask again later.
        """
        body: dict[str, object] = {"sell": sell, "buy": buy, "amount": str(amount)}
        if mode is not Mode.EXACT_IN:
            body["mode"] = mode
        if strategy is not None:
            body["strategy"] = strategy
        return read(await self._http.ask("POST", "/quote", body=body), dict[str, Any])

    async def ready(self) -> bool:
        """Return whether the service takes orders now; asked once, without trying again.

        Raises:
            Unavailable: nobody answers there.
        """
        return await self._http.status("/health/ready") == 200

    async def follow(self, order_id: str, from_seq: int = 1) -> AsyncGenerator[Event]:
        """Yield an order's events as they happen, each once, in order, up to its end.

        A broken socket is opened again and resumes after the last event seen. Leave the loop early
        inside ``contextlib.aclosing``, so that the socket is closed at once.

        Raises:
            UnknownOrder: no such order of this user.
            Unavailable: no healthy connection for ``give_up_s``; follow again from the next seq.
            InvariantViolated: the service left out an event, or sent one of another order.
        """
        wanted = from_seq
        async with aclosing(self.watch(order_id, lambda: wanted)) as items:
            async for item in items:
                if isinstance(item, Closed):
                    # A normal close is the end, also where from_seq lies beyond the last event.
                    if item.code == 1000 and await self._is_over(order_id, wanted):
                        return
                elif not isinstance(item, Connected) and item.seq >= wanted:
                    _require_next(item, order_id, wanted)
                    wanted += 1
                    yield item
                    if item.status.is_terminal:
                        return

    async def stream(self) -> AsyncGenerator[Event | Connected]:
        """Yield the events of all orders of this user from now on, over one socket, without end.

        ``Connected`` comes first, and again after every reconnection. Events between two
        connections are not sent again: after a ``Connected`` with ``times`` above 1, ask
        ``events(id, last seen + 1)`` for each order that is open. Order and repetitions are as the
        service sends them.

        Raises:
            Unavailable: no healthy connection for ``give_up_s``.
        """
        async with aclosing(self._sockets.read(lambda: "/ws")) as items:
            async for item in items:
                if not isinstance(item, Closed):
                    yield item

    def watch(
        self, order_id: str, from_seq: Callable[[], int]
    ) -> AsyncGenerator[Event | Connected | Closed]:
        """Yield what an order's socket says, unchecked; for checks of the service itself.

        Use ``follow`` for anything else. ``from_seq`` is asked before each connection.
        """
        path = f"/ws/{escaped(order_id, safe='')}?from_seq="
        return self._sockets.read(lambda: f"{path}{from_seq():d}", order_id)

    async def _is_over(self, order_id: str, wanted: int) -> bool:
        found = await self.order(order_id)
        return found.status.is_terminal and found.seq < wanted


def _order_path(order_id: str) -> str:
    return f"/orders/{escaped(order_id, safe='')}"


def _require_next(event: Event, order_id: str, wanted: int) -> None:
    if event.order_id != order_id:
        raise InvariantViolated(f"the socket of {order_id} sent an event of {event.order_id}")
    if event.seq != wanted:
        raise InvariantViolated(f"order {order_id}: event {wanted} is missing before {event.seq}")
