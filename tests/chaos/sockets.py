"""Read WebSockets as a client does that can be cut off at any moment, and note every message.

It is written anew here, without the package's own client: a judge had better read for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from hashlib import blake2b

import msgspec
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from tests.chaos.record import Heard, Record, Stream

__all__ = ["TERMINAL", "digest_of", "freeze_one", "listen"]

TERMINAL = frozenset({"confirmed", "failed", "cancelled", "expired"})
_OPEN_S_MAX = 5.0
_SILENCE_S_MAX = 60.0
"""A socket that says nothing for longer is opened anew: by then the service had asked for signs of
life."""


class _Message(Struct):
    order_id: str
    seq: int
    status: str


_read = msgspec.json.Decoder(_Message).decode


def digest_of(body: bytes) -> bytes:
    """Return what stands for a message in the record."""
    return blake2b(body, digest_size=8).digest()


async def listen(
    stream: Stream, url: str, key: str, record: Record, hear: Callable[[str, int, str], None]
) -> None:
    """Open one socket and read it until it is closed, however that comes about.

    Args:
        stream: what is wanted; what is heard is noted there.
        url: of the API.
        key: of the user.
        record: takes the stream.
        hear: told of each message's order, number and status.
    """
    async with _opened(stream, url, key, record, max_queue=256) as socket:
        if socket is not None:
            await _read_on(socket, stream, _SILENCE_S_MAX, hear)


async def freeze_one(stream: Stream, url: str, key: str, record: Record, for_s: float) -> None:
    """Open a socket of all orders of a user, read nothing for a time, then what there is."""
    stream.was_frozen = True
    async with _opened(stream, url, key, record, max_queue=1) as socket:
        if socket is not None:
            await asyncio.sleep(for_s)
            await _read_on(socket, stream, 1.0, lambda *_: None)


@asynccontextmanager
async def _opened(
    stream: Stream, url: str, key: str, record: Record, *, max_queue: int
) -> AsyncIterator[ClientConnection | None]:
    """Give the socket, None if there was none to be had, and note how it opened and closed."""
    record.streams.append(stream)
    path = f"/ws/{stream.order_id}?from_seq={stream.from_seq}" if stream.order_id else "/ws"
    socket: ClientConnection | None = None
    try:
        socket = await connect(
            "ws" + url.removeprefix("http") + path,
            additional_headers={"Authorization": f"Bearer {key}"},
            open_timeout=_OPEN_S_MAX,
            close_timeout=1,
            compression=None,
            max_queue=max_queue,
            proxy=None,
        )
    except InvalidStatus as error:
        stream.http = error.response.status_code
    except (OSError, EOFError, WebSocketException):
        stream.http = 0
    try:
        yield socket
    finally:
        if socket is not None:
            with suppress(OSError, WebSocketException):
                await socket.close()
            stream.code, stream.reason = socket.close_code or 1006, socket.close_reason or ""


async def _read_on(
    socket: ClientConnection,
    stream: Stream,
    silence_s: float,
    hear: Callable[[str, int, str], None],
) -> None:
    """Note every message, until the socket is closed or says nothing for so long."""
    with suppress(ConnectionClosed, TimeoutError):
        while True:
            async with asyncio.timeout(silence_s):
                body = await socket.recv(decode=False)
            message = _read(body)
            stream.said.append(Heard(message.order_id, message.seq, digest_of(body)))
            hear(message.order_id, message.seq, message.status)
