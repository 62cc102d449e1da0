"""Read event messages from a WebSocket, and connect again when it breaks.

The sockets are those of ``websockets.asyncio``: they need asyncio as the event loop.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable

import anyio
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from orderengine.client.backoff import pauses_s
from orderengine.client.forms import Connected
from orderengine.client.http import Settings
from orderengine.client.problems import error_of, may_pass, retry_after_s
from orderengine.errors import InvalidRequest, Unavailable, UnknownOrder
from orderengine.model.events import Event
from orderengine.model.wire import decode_event

__all__ = ["Closed", "Sockets"]

_LOG = logging.getLogger("orderengine.client")
_LOG.addHandler(logging.NullHandler())

_MESSAGES_HELD = 1_024
_HEALTHY_S = 1.0
_NOT_FOUND = 4404
_REFUSED = range(4400, 4500)
"""Close codes for what an HTTP status 4xx says, once a socket is open."""


class Closed(Struct, frozen=True, kw_only=True):
    """Say that the socket is closed; it is opened again if the reader goes on reading."""

    code: int
    """1000 where the service said all there is to say; 1006 where the connection broke."""


class Sockets:
    """Open sockets to one service."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = "ws" + settings.url.removeprefix("http")

    async def read(
        self, path: Callable[[], str], order_id: str = ""
    ) -> AsyncGenerator[Event | Connected | Closed]:
        """Yield events as they come, each connection and each closing; never ends by itself.

        A silent connection is asked for a sign of life every 20 s. At most some thousand messages
        wait for a slow reader; then the service is held up by TCP.

        Args:
            path: asked before each connection, so it can say where to resume.
            order_id: for the error's words.

        Raises:
            Unavailable: no healthy connection for ``give_up_s``.
            InvalidRequest: the service refuses the socket; ``UnknownOrder`` among them.
            InvalidData: a message that is no event.
        """
        times, failing_since, pauses = 0, anyio.current_time(), pauses_s()
        while True:
            wait_s, reason = 0.0, ""
            socket: ClientConnection | None = None
            try:
                socket = await self._open(path())
            except InvalidStatus as error:
                wait_s = _retry_or_raise(error, order_id)
                reason = str(error)
            except (OSError, EOFError, WebSocketException) as error:  # a timeout is an OSError
                reason = str(error) or type(error).__name__
            if socket is not None:
                times += 1
                opened_at, got_some = anyio.current_time(), False
                try:
                    yield Connected(times=times)
                    async for event in _events(socket):
                        got_some = True
                        yield event
                finally:
                    await _close(socket)
                code = socket.close_code or 1006
                _raise_if_refused(code, socket.close_reason or "", order_id)
                reason = f"closed with {code}"
                if got_some or anyio.current_time() - opened_at > _HEALTHY_S:
                    failing_since, pauses = anyio.current_time(), pauses_s()
                yield Closed(code=code)
            wait_s = max(wait_s, next(pauses))
            if anyio.current_time() + wait_s - failing_since >= self._settings.give_up_s:
                raise Unavailable(f"no socket to {self._settings.url}: {reason}")
            await anyio.sleep(wait_s)

    async def _open(self, path: str) -> ClientConnection:
        return await connect(
            self._url + path,
            additional_headers=self._settings.headers,
            open_timeout=self._settings.timeout_s,
            close_timeout=1,
            compression=None,  # events are small; it would cost more CPU than all the rest
            max_queue=_MESSAGES_HELD,
            logger=_LOG,
        )


async def _events(socket: ClientConnection) -> AsyncGenerator[Event]:
    """Yield events until the socket closes, however it does."""
    while True:
        try:
            message = await socket.recv(decode=False)
        except ConnectionClosed:
            return
        yield decode_event(message)


async def _close(socket: ClientConnection) -> None:
    """Close even when cancelled, within a second."""
    with anyio.move_on_after(1, shield=True):
        await socket.close()


def _retry_or_raise(error: InvalidStatus, order_id: str) -> float:
    """Return the seconds that the service asks to wait, or raise what it refuses for good."""
    answer = error.response
    status = answer.status_code
    if may_pass(status) or status >= 500:
        return retry_after_s(answer.headers)
    raise error_of(status, bytes(answer.body or b""), order_id=order_id) from error


def _raise_if_refused(code: int, reason: str, order_id: str) -> None:
    if code == _NOT_FOUND and order_id:
        raise UnknownOrder(order_id)
    if code in _REFUSED:
        raise InvalidRequest(f"the service closed the socket with {code}: {reason or 'no reason'}")
