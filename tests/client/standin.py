"""Stand in for the service: the same interface over real sockets, with faults on demand."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import msgspec
import uvicorn

from orderengine.model.events import (
    Accepted,
    Claimed,
    Confirmed,
    Event,
    Routed,
    Submitted,
)
from orderengine.model.order import Mode, Order, Priority, Quote, route_of
from orderengine.model.wire import encode

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]

FULL = 5
"""Events of an order that is filled."""


def filled(order: Order) -> list[Event]:
    """Return the log of an order that is filled at the first try."""
    quote = Quote(venue="raydium_cpmm", pool="pool", amount_in=order.amount, amount_out=7, slot=3)
    fixed: dict[str, Any] = {"order_id": order.order_id}
    at = [1_800_000_000_000_000_000 + step * 1_000_000 for step in range(FULL)]
    return [
        Accepted(**fixed, seq=1, at_ns=at[0], order=order, reference_price_x64=2**64),
        Claimed(**fixed, seq=2, at_ns=at[1], worker="w"),
        Routed(
            **fixed,
            seq=3,
            at_ns=at[2],
            attempt=1,
            route=route_of(order, quote),
            quotes=(quote,),
            declined=(),
            reference_price_x64=2**64,
        ),
        Submitted(
            **fixed,
            seq=4,
            at_ns=at[3],
            attempt=1,
            signature="s",
            last_valid_height=9,
            amount_in_max=order.amount,
            amount_out_min=1,
            network_fee=5_000,
        ),
        Confirmed(
            **fixed,
            seq=5,
            at_ns=at[4],
            attempt=1,
            signature="s",
            slot=4,
            landed_at_ns=at[4],
            amount_in=order.amount,
            amount_out=7,
            fee_in=0,
            fee_out=0,
            network_fee=5_000,
            reference_price_x64=2**64,
        ),
    ]


@dataclass
class Standin:
    """Hold orders, and what goes wrong with them; each fault is off by default."""

    cut_receipts: int = 0
    """So many first executions are stored, and their answer breaks off in the middle."""
    unavailable: int = 0
    """So many first requests are answered 503."""
    retry_after: str = "0"
    refuse: tuple[int, str] | None = None
    """Status and code of every execution."""
    never_end: bool = False
    """Logs stop before their last event."""
    sent: Callable[[list[Event]], list[Event]] = list
    """What a socket sends of a log."""
    late_s: float = 0
    """How much later than the others the last message of an order comes on the socket for all."""
    close_after: int = 0
    """The first socket is closed after so many messages."""
    close_code: int = 1012
    unready: bool = False
    same_id: bool = False
    logs: dict[str, list[Event]] = field(default_factory=dict)
    keys: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)
    cancelled: set[str] = field(default_factory=set)
    url: str = ""
    _readers: list[asyncio.Queue[bytes]] = field(default_factory=list)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request or serve one socket."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif scope["type"] == "http":
            headers = {k.decode(): v.decode() for k, v in scope["headers"]}
            self.headers.append(headers)
            await self._http(scope, headers, await _body(receive), send)

    async def _http(
        self, scope: dict[str, Any], headers: dict[str, str], body: bytes, send: Send
    ) -> None:
        method, parts = scope["method"], scope["path"].strip("/").split("/")
        query = {k: v[0] for k, v in parse_qs(scope["query_string"].decode()).items()}
        self.seen[f"{method} {scope['path']}"] += 1
        if parts[0] == "health":
            return await _answer(send, 503 if self.unready else 200, {})
        if self.unavailable:
            self.unavailable -= 1
            later = {"retry-after": self.retry_after}
            return await _problem(send, 503, "OVERLOADED", "too much to do", later)
        if parts == ["execute"]:
            return await self._execute(headers["idempotency-key"], body, send)
        if parts == ["quote"]:
            return await _answer(send, 200, {"amount_out": "7", "asked": msgspec.json.decode(body)})
        if parts == ["orders"]:
            return await self._page(query, send)
        log = self.logs.get(parts[1])
        if log is None:
            return await _problem(send, 404, "UNKNOWN_ORDER", "no such order")
        if parts[2:] == ["events"]:
            wanted = [event for event in log if event.seq >= int(query["from_seq"])]
            raw = b",".join(encode(event) for event in wanted)
            return await _answer(send, 200, b'{"events":[' + raw + b"]}")
        if method == "DELETE":
            self.cancelled.add(parts[1])
        await _answer(send, 200, self._view(parts[1]))
        return None

    async def _execute(self, key: str, body: bytes, send: Send) -> None:
        if self.refuse is not None:
            return await _problem(send, *self.refuse, "not like this")
        order_id, first = self.keys.setdefault(key, (f"order-{len(self.keys)}", body))
        if first != body:
            return await _problem(send, 422, "IDEMPOTENCY_KEY_REUSED", "another body")
        if order_id not in self.logs:
            self._store(order_id, body)
        receipt = {"order_id": order_id, "status": "pending", "seq": 1}
        if self.same_id:
            receipt["order_id"] = "order-0"
        if self.cut_receipts:
            self.cut_receipts -= 1
            start = {"type": "http.response.start", "status": 202}
            await send({**start, "headers": [(b"content-length", b"999")]})
            return await send({"type": "http.response.body", "body": b"{", "more_body": True})
        await _answer(send, 202, receipt)
        return None

    def _store(self, order_id: str, body: bytes) -> None:
        asked = msgspec.json.decode(body)
        order = Order(
            order_id=order_id,
            sell=asked["sell"],
            buy=asked["buy"],
            amount=int(asked["amount"]),
            mode=Mode(asked.get("mode", "exact_in")),
            slippage_bps=asked["slippage_bps"],
            priority=Priority(asked["priority"]),
        )
        log = filled(order)
        self.logs[order_id] = log[:-1] if self.never_end else log
        *first, last = self.sent(self.logs[order_id])
        for event in first:
            self._tell(event)
        asyncio.get_running_loop().call_later(self.late_s, self._tell, last)

    def _tell(self, event: Event) -> None:
        for reader in self._readers:
            reader.put_nowait(encode(event))

    async def _page(self, query: dict[str, str], send: Send) -> None:
        newest = [self._view(order_id) for order_id in reversed(self.logs)]
        ended = {"ended": (True,), "open": (False,)}.get(query.get("state", ""), (True, False))
        newest = [view for view in newest if (view["status"] == "confirmed") in ended]
        start = len(newest) - int(query.get("before", len(newest)))
        end = start + int(query["limit"])
        before = len(newest) - end if end < len(newest) else None
        await _answer(send, 200, {"orders": newest[start:end], "before": before})

    def _view(self, order_id: str) -> dict[str, Any]:
        last = self.logs[order_id][-1]
        view: dict[str, Any] = {"order_id": order_id, "status": last.status, "seq": last.seq}
        return view | {"cancel_requested": order_id in self.cancelled, "sell": "SOL"}

    async def _socket(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        self.seen[f"WS {scope['path']}?{scope['query_string'].decode()}"] += 1
        order_id = scope["path"].removeprefix("/ws").strip("/")
        if order_id and order_id not in self.logs:
            start = {"type": "websocket.http.response.start", "status": 404, "headers": []}
            await send(start)
            body = msgspec.json.encode({"code": "UNKNOWN_ORDER", "detail": "no such order"})
            return await send({"type": "websocket.http.response.body", "body": body})
        if not order_id:
            return await self._all_orders(receive, send)
        await send({"type": "websocket.accept"})
        wanted = int(parse_qs(scope["query_string"].decode())["from_seq"][0])
        log = self.logs[order_id]
        for event in self.sent(log):
            if event.seq >= wanted:
                if await self._must_close(send):
                    return None
                await send({"type": "websocket.send", "text": encode(event).decode()})
        if log[-1].status.is_terminal:
            return await send({"type": "websocket.close", "code": 1000})
        await receive()
        return None

    async def _all_orders(self, receive: Receive, send: Send) -> None:
        reader: asyncio.Queue[bytes] = asyncio.Queue(10_000)
        self._readers.append(reader)
        await send({"type": "websocket.accept"})
        gone = asyncio.ensure_future(receive())
        try:
            while True:
                message = asyncio.ensure_future(reader.get())
                await asyncio.wait({gone, message}, return_when=asyncio.FIRST_COMPLETED)
                if gone.done() or await self._must_close(send):
                    message.cancel()
                    return
                await send({"type": "websocket.send", "text": message.result().decode()})
        finally:
            gone.cancel()
            self._readers.remove(reader)

    async def _must_close(self, send: Send) -> bool:
        """Close the socket if its messages are used up; only one socket is ever closed so."""
        if not self.close_after:
            return False
        self.close_after -= 1
        if self.close_after == 0:
            await send({"type": "websocket.close", "code": self.close_code})
        return self.close_after == 0


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


async def _answer(
    send: Send, status: int, body: object, headers: dict[str, str] | None = None
) -> None:
    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    await send({"type": "http.response.body", "body": data})


async def _problem(
    send: Send, status: int, code: str, detail: str, headers: dict[str, str] | None = None
) -> None:
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code}
    await _answer(send, status, body, headers)


@asynccontextmanager
async def serving(service: Standin) -> AsyncGenerator[Standin]:
    """Serve on a free loopback port, in this event loop; ``service.url`` says where."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        service.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            service,
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            log_level=100,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        task = asyncio.ensure_future(server.serve(sockets=[listener]))
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110  (uvicorn has no event for it)
                await asyncio.sleep(0.005)
        try:
            yield service
        finally:
            server.should_exit = True
            async with asyncio.timeout(10):
                await task
