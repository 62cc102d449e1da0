"""Speak WebSocket with one client, in few bytes while nothing is said.

Theory of operation. uvicorn makes one of these where it would use a class of its own, which runs an
ASGI task and keeps a queue a socket: 19 KiB each, against 6 here. No task runs while a socket is
open: what is new is written by whoever found it, and the transport says when to stop and when to go
on. The handshake, the parser and the closing handshake are those of the library ``websockets``.
Events come as whole frames, the same bytes for all sockets.

A client that does not read is written to until the transport's buffer is full; from then on only
its cursor falls behind. It is not read from either, so what it makes us answer is bounded too.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, cast

import uvicorn
from msgspec import Struct
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from orderengine.service.access.identity import Identity, Refusal, Scope
from orderengine.service.failure_log import failure_log
from orderengine.service.sockets.feed import Feed
from orderengine.service.sockets.handshake import fault_answer, refusal_answer, scope_of

__all__ = ["EventSocket", "Heartbeat", "SocketOwner", "socket_protocol"]

_NORMAL, _TOO_MUCH_SAID, _NO_PONG, _GOING_AWAY, _TOO_SLOW = 1000, 1008, 1011, 1012, 1013
_MESSAGE_BYTES_MAX = 4_096
"""What a client may send as one message. It has nothing to say here."""
_SAID_BYTES_MAX = 65_536
"""What it may send in one tick, pings and all."""
_SAID_FRAMES_MAX = 32
"""The same in frames: an empty one has six bytes, and costs as much as a full one."""
_PIECE_BYTES = 512
"""Parsed at once, so that no more frames than that holds are parsed beyond the bound."""
_KERNEL_BYTES_MAX = 131_072
"""What the system may hold for a client that does not read; by itself it takes megabytes."""
_log = failure_log(f"{__name__}.library")
_log.setLevel(logging.ERROR)
_PING = Frame(Opcode.PING, b"").serialize(mask=False)


class Heartbeat(Struct, frozen=True):
    """Say how long silence is borne, in ticks."""

    tick_s: float = 1.0
    ping: int = 20
    """A client that has been silent for so long is asked for a sign of life."""
    pong: int = 20
    """It has so long to give one."""
    close: int = 5
    """How long a socket may take to close before its connection is cut."""


class SocketOwner(Protocol):
    """Let sockets in and keep count of them."""

    tick: int
    heartbeat: Heartbeat
    messages_sent: int
    slow_readers: int

    def greet(self, socket: EventSocket, scope: Scope) -> Coroutine[Any, Any, None]:
        """Open the socket or refuse it."""

    def left(self, socket: EventSocket) -> None:
        """Forget a socket whose connection is over."""

    def leave(self, socket: EventSocket) -> None:
        """Let a socket read nothing more."""


class EventSocket(asyncio.Protocol):
    """Hold one socket, which is a ``Reader`` of one feed.

    Args:
        owner: decides whether it is let in.
        server: uvicorn's, which waits for its connections when it ends.
    """

    __slots__ = (
        "_abort_at",
        "_answer",
        "_conn",
        "_heard_at",
        "_is_asked",
        "_is_paused",
        "_owner",
        "_said_bytes",
        "_said_frames",
        "_server",
        "_transport",
        "cursor",
        "feed",
        "identity",
        "is_of_one_order",
    )

    def __init__(self, owner: SocketOwner, server: ServerState) -> None:
        self.cursor = 1
        self.feed: Feed | None = None
        self.identity: Identity | None = None
        """Who it is, once that is known."""
        self.is_of_one_order = False
        self._owner = owner
        self._server = server
        self._transport = cast("asyncio.Transport", None)
        self._conn: ServerProtocol | None = None
        """None once the connection is over."""
        self._answer: Response | None = None
        self._abort_at: int | None = None
        self._heard_at = owner.tick
        self._said_bytes = 0
        self._said_frames = 0
        self._is_asked = False
        self._is_paused = False

    @property
    def is_connecting(self) -> bool:
        """Whether it can still be opened or refused."""
        return self._answer is not None and not self._transport.is_closing()

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent on it."""
        return self._conn is not None and self._conn.state is State.OPEN

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection over from HTTP."""
        self._transport = cast("asyncio.Transport", transport)
        self._conn = ServerProtocol(max_size=_MESSAGE_BYTES_MAX, logger=_log)
        self._server.connections.add(cast("Any", self))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget everything: nobody is there any more."""
        del exc
        self._conn = self._answer = None
        self._server.connections.discard(cast("Any", self))
        self._owner.left(self)

    def data_received(self, data: bytes) -> None:
        """Take the handshake, and then whatever clients say: pings, pongs and that they close."""
        conn = self._conn
        if conn is None:
            return
        self._heard_at = self._owner.tick
        self._is_asked = False
        self._said_bytes += len(data)
        if conn.state is State.CONNECTING:
            self._shake_hands(conn, data)
            return
        for start in range(0, len(data), _PIECE_BYTES):
            if self._has_said_too_much:
                self._transport.pause_reading()
                self.close(_TOO_MUCH_SAID, "clients have nothing to say here")
                break
            conn.receive_data(data[start : start + _PIECE_BYTES])
            self._said_frames += len(conn.events_received())
        self._flush(conn)
        if conn.state is not State.OPEN and self.feed is not None:
            self._owner.leave(self)

    @property
    def _has_said_too_much(self) -> bool:
        return self._said_bytes > _SAID_BYTES_MAX or self._said_frames > _SAID_FRAMES_MAX

    def _shake_hands(self, conn: ServerProtocol, data: bytes) -> None:
        """Ask whether the client is let in, or answer what is no handshake.

        The library would answer that in its own words, or not at all.
        """
        conn.receive_data(data)
        for event in conn.events_received():
            if isinstance(event, Request):
                self._begin(conn, event)
        if conn.handshake_exc is not None and not self._transport.is_closing():
            self._transport.write(fault_answer())
            self._transport.close()

    def _begin(self, conn: ServerProtocol, request: Request) -> None:
        answer = conn.accept(request)
        if answer.status_code != 101:
            return
        self._answer = answer
        self._transport.pause_reading()  # frames have to wait until it is open
        greeting = self._owner.greet(self, scope_of(request, self._transport))
        task = asyncio.get_running_loop().create_task(greeting)
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    def open(self, feed: Feed, cursor: int) -> None:
        """Let the client in and send it a feed's messages from the cursor on."""
        conn, answer = self._conn, self._answer
        if conn is None or answer is None or not self.is_connecting:
            return
        self._answer = None
        conn.send_response(answer)
        self._flush(conn)
        self._transport.resume_reading()
        wire = self._transport.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BYTES_MAX)
        self._heard_at = self._owner.tick
        self.feed, self.cursor = feed, cursor
        feed.readers[self] = None
        feed.give(self)

    def refuse(self, refusal: Refusal) -> None:
        """Answer the handshake with a problem document."""
        conn = self._conn
        if conn is None or not self.is_connecting:
            return
        self._answer = None
        conn.send_response(refusal_answer(conn, refusal))
        self._flush(conn)

    @property
    def is_ready(self) -> bool:
        """Whether messages can be written without piling up."""
        return not self._is_paused and self.is_open

    def take(self, messages: list[bytes]) -> None:
        """Write messages."""
        self._transport.writelines(messages)
        self._owner.messages_sent += len(messages)

    def finish(self) -> None:
        """Close normally: the order has ended and all of its log was sent."""
        self.close(_NORMAL, "")

    def drop(self) -> None:
        """Close: the reader is too slow."""
        self._owner.slow_readers += 1
        self.close(_TOO_SLOW, "too slow: what comes next was forgotten")

    def shutdown(self) -> None:
        """Close because the service ends; uvicorn calls this too."""
        said = f"last_seq={self.cursor - 1}" if self.is_of_one_order else "read each order's log"
        self.close(_GOING_AWAY, said)

    def close(self, code: int, reason: str) -> None:
        """Say why and close; whoever does not answer to that in time is cut off."""
        conn = self._conn
        if conn is None or conn.state is not State.OPEN:
            return
        self._owner.leave(self)
        conn.send_close(code, reason)
        self._flush(conn)
        self._abort_at = self._owner.tick + self._owner.heartbeat.close

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def beat(self) -> None:
        """Look once a tick whether the client is alive, or gone at last."""
        owner, heartbeat = self._owner, self._owner.heartbeat
        self._said_bytes = self._said_frames = 0
        silent = owner.tick - self._heard_at
        if self._abort_at is not None:
            if owner.tick >= self._abort_at:
                self.abort()
        elif not self.is_open or silent < heartbeat.ping:
            return
        elif silent >= heartbeat.ping + heartbeat.pong:
            owner.slow_readers += self._is_paused
            said = "nothing was read for too long" if self._is_paused else "no pong came"
            self.close(_TOO_SLOW if self._is_paused else _NO_PONG, said)
        elif not self._is_asked and not self._is_paused:
            self._is_asked = True
            self._transport.write(_PING)

    def pause_writing(self) -> None:
        """Stop: the client does not read."""
        self._is_paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on from the cursor."""
        self._is_paused = False
        self._heard_at = self._owner.tick  # what was taken is a sign of life
        self._transport.resume_reading()
        if self.feed is not None:
            self.feed.give(self)

    def _flush(self, conn: ServerProtocol) -> None:
        """Write what the library wants written, down to the end of our side."""
        if self._transport.is_closing():
            return
        for data in conn.data_to_send():
            if data:
                self._transport.write(data)
                continue
            self._abort_at = self._owner.tick + self._owner.heartbeat.close
            if conn.state is State.CONNECTING or not self._transport.can_write_eof():
                self._transport.close()
            else:  # what it still sends is read: a reset could cost it what was just said
                self._transport.write_eof()


def socket_protocol(owner: Callable[[], SocketOwner]) -> type[asyncio.Protocol]:
    """Return the class that uvicorn shall make sockets of; it asks for the owner once it serves."""

    class BoundSocket(EventSocket):
        __slots__ = ()

        def __init__(
            self,
            config: uvicorn.Config,
            server_state: ServerState,
            app_state: dict[str, Any],
            _loop: asyncio.AbstractEventLoop | None = None,
        ) -> None:
            del config, app_state, _loop
            super().__init__(owner(), server_state)

    return BoundSocket
