"""Stream events over WebSockets: one order's log and what follows, or all orders from now on.

A text message is one event as it stands in the log. A socket is closed normally (1000) after an
order's terminal event, with 1013 if its reader is too slow for the stream of all orders, and with
1012 when the service stops; a client goes on with ``from_seq`` one above the last it has seen.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import anyio
from litestar import WebSocket, websocket
from litestar.datastructures import State
from litestar.exceptions import WebSocketDisconnect

from orderengine.errors import OrderEngineError, UnknownOrder
from orderengine.model.events import Event
from orderengine.model.wire import encode
from orderengine.service.parts import Service
from orderengine.service.web.guard import is_own_page
from orderengine.service.web.problems import problem_body

__all__ = ["all_orders", "one_order"]

Socket = WebSocket[Any, Any, State]

_SEND_S_MAX = 30.0
"""A client that takes nothing for so long is gone."""
_NORMAL, _TRY_AGAIN = 1000, 1013
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


@websocket("/ws/{order_id:str}")
async def one_order(socket: Socket, order_id: str) -> None:
    """Send one order's log from ``from_seq`` on, inclusive, then what is added, to its end."""
    if not await _is_welcome(socket):
        return
    service: Service = socket.app.state.service
    from_seq = socket.query_params.get("from_seq", "1")
    try:
        if _NUMBER.fullmatch(from_seq) is None:
            raise UnknownOrder(order_id)
        await service.journal.load(order_id)
    except UnknownOrder:
        await _refuse(socket, 404, "UNKNOWN_ORDER", "no such order")
        return
    except OrderEngineError as error:
        await _refuse(socket, 503, error.code, str(error))
        return
    await socket.accept()
    await _pump(socket, service.journal.follow(order_id, int(from_seq)), _NORMAL)


@websocket("/ws")
async def all_orders(socket: Socket) -> None:
    """Send every event of the caller's orders that is stored from now on."""
    if not await _is_welcome(socket):
        return
    service: Service = socket.app.state.service
    async with service.streams.watch() as events:
        await socket.accept()

        async def forever() -> AsyncIterator[Event]:
            async for event in events:
                yield event

        await _pump(socket, forever(), _TRY_AGAIN)


async def _pump(socket: Socket, events: AsyncIterator[Event], code: int) -> None:
    """Send events until they or the client end; close with the code if the events do."""
    async with anyio.create_task_group() as group:

        async def listen() -> None:
            try:
                while True:
                    await socket.receive_data(mode="text")  # clients have nothing to say here
            except WebSocketDisconnect:
                group.cancel_scope.cancel()

        group.start_soon(listen)
        is_gone = False
        async with aclosing(events) as following:  # type: ignore[type-var]
            async for event in following:
                with anyio.move_on_after(_SEND_S_MAX) as sending:
                    await socket.send_data(encode(event).decode(), mode="text")
                if is_gone := sending.cancelled_caught:
                    break
        if not is_gone:
            await socket.close(code)
        group.cancel_scope.cancel()


async def _is_welcome(socket: Socket) -> bool:
    """Refuse a page of another origin: browsers send it, and no CORS check guards a WebSocket."""
    if is_own_page(socket.headers.get("origin"), socket.headers.get("host")):
        return True
    await _refuse(socket, 403, "FOREIGN_ORIGIN", "only pages and hosts of this service")
    return False


async def _refuse(socket: Socket, status: int, code: str, detail: str) -> None:
    """Answer the handshake as HTTP, where the server can; else close, which it turns into 403."""
    if "websocket.http.response" not in (socket.scope.get("extensions") or {}):
        await socket.close(4000 + status)
        return
    body = problem_body(status, code, detail)
    headers = [(b"content-type", b"application/problem+json")]
    start = {"type": "websocket.http.response.start", "status": status, "headers": headers}
    await socket.send(start)  # type: ignore[arg-type]
    await socket.send({"type": "websocket.http.response.body", "body": body})  # type: ignore[arg-type]
