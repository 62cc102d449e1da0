"""Bound what a connection of HTTP may cost: time, bytes and fields of requests, unread answers.

Theory of operation. uvicorn's own class waits for ever and keeps all it is given. Here what a
client owes us has a deadline: a head, then its body, then that it takes the answer. A refusal is
never written where an answer to another request is due: that answer then ends the connection. A
request that is cut off in its body is given up, and whoever would execute it is told that the
client is gone. Trailers are refused: they would pass as headers at which nobody has looked.

A request that comes in one piece sets no timer.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from orderengine.service.access.identity import Refusal
from orderengine.service.access.problem import refusal_bytes

__all__ = ["BoundedHttp", "http_protocol"]

_PART_S_MAX = 10.0
"""How long a head may take to come, and then its body."""
_HEAD_BYTES_MAX = 32_768
_FIELDS_MAX = 100
_MESSAGE_BYTES_MAX = 1_048_576
"""Of a request, framing and all; the largest body in chunks of one byte takes less than half."""
_TAKE_S_MAX = 30.0
_TAKE_BYTES_MIN = 32_768
"""A client that takes less than this of an answer in so long is gone."""

_NO_HTTP = Refusal(400, "INVALID_REQUEST", "this is not a request of HTTP/1.1")
_LARGE_HEAD = Refusal(
    431, "HEAD_TOO_LARGE", f"a head has at most {_HEAD_BYTES_MAX} bytes and {_FIELDS_MAX} fields"
)
_TRAILER = Refusal(400, "INVALID_REQUEST", "a body has no trailers here")
_LARGE = Refusal(413, "TOO_LARGE", f"a request has at most {_MESSAGE_BYTES_MAX} bytes")
_SLOW = Refusal(408, "TOO_SLOW", "the request did not come in time")
_FULL = Refusal(
    503, "TOO_MANY_CONNECTIONS", "this process has all it can hold", ((b"retry-after", b"1"),)
)


class _RefusedError(Exception):
    """Stop the parser, which makes an error of its own of it."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal


class Room:
    """Count the connections of a process.

    Args:
        most: how many there may be.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0


class BoundedHttp(HttpToolsProtocol):
    """Be uvicorn's connection, with bounds.

    Args:
        config, server_state, app_state: uvicorn's.
        room: counts the connections.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        room: Room,
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._room = room
        self._is_seated = False
        self._deadline: TimerHandle | None = None
        """Of the part of a request that is coming."""
        self._taking: TimerHandle | None = None
        """Of an answer that is not taken."""
        self._untaken = 0
        self._answering: RequestResponseCycle | None = None
        """The base class knows only the last of requests that came together."""
        self._received = 0
        """Bytes of the request that is coming; a start that came behind another is not counted."""
        self._may_be_large = False
        """Whether the head that is parsed may have more bytes than it should."""
        self._is_begun = False
        self._is_in_head = True
        self._is_over = False
        """Nothing that comes now is looked at."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head, if there is room."""
        super().connection_made(transport)
        if self._room.taken >= self._room.most:
            self._refuse(_FULL)
            return
        self._is_seated = True
        self._room.taken += 1
        self._deadline = self.loop.call_later(_PART_S_MAX, self._on_deadline)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever makes an answer that nobody waits for it."""
        self._leave()
        if self._answering is not None:
            self._answering.disconnected = True
            self._answering.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)

    def _leave(self) -> None:
        """Give the place back and wait for nothing more."""
        self._stop_waiting()
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None
        if self._is_seated:
            self._is_seated = False
            self._room.taken -= 1

    def data_received(self, data: bytes) -> None:
        """Parse what came, and wait for the rest of it."""
        if self._is_over or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        self._received += len(data)
        self._may_be_large = max(self._received, len(data)) > _HEAD_BYTES_MAX
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._upgrade()
            return
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause.refusal if isinstance(cause, _RefusedError) else _NO_HTTP)
            return
        if self._received > (_HEAD_BYTES_MAX if self._is_in_head else _MESSAGE_BYTES_MAX):
            self._refuse(_LARGE_HEAD if self._is_in_head else _LARGE)
        elif self._received or self._is_begun:
            if self._deadline is None:
                self._deadline = self.loop.call_later(_PART_S_MAX, self._on_deadline)
        elif self.cycle.response_complete:
            # The answer was there before the body's end, which no longer bounds the silence.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _upgrade(self) -> None:
        """Hand the connection over to a socket, unless something else is to be answered first."""
        is_free = self._answering is None or self._answering.response_complete
        if is_free and not self.flow.write_paused and self._should_upgrade():
            self._leave()
            self.handle_websocket_upgrade()
        else:
            self._refuse(_NO_HTTP)

    def _on_deadline(self) -> None:
        self._deadline = None
        if self._received or self._is_begun:
            self._refuse(_SLOW)
        else:
            self._close()

    def _refuse(self, refusal: Refusal) -> None:
        """Say why nothing more is read, if it is the turn of that, and close."""
        self._is_over = True
        self._stop_waiting()
        self.pipeline.clear()
        cycle = self._answering
        is_answered = False
        if cycle is not None and not cycle.response_complete:
            if self._is_in_head or cycle is not self.cycle:
                cycle.keep_alive = False  # it came whole, and its answer ends the connection
                return
            is_answered = cycle.response_started
            cycle.disconnected = True
            cycle.message_event.set()
        elif not self._is_in_head:
            is_answered = True
        if not is_answered:
            self.transport.write(refusal_bytes(refusal))
        self._close()

    def _close(self) -> None:
        """Close, and do not wait for ever until the rest is taken."""
        self.transport.close()
        if self._taking is None:
            self._taking = self.loop.call_later(_TAKE_S_MAX, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._is_begun = True
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field; one that comes behind the head is a trailer."""
        if len(self.headers) >= _FIELDS_MAX or not self._is_in_head:
            raise _RefusedError(_LARGE_HEAD if self._is_in_head else _TRAILER)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Go on to the body."""
        if self._may_be_large:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > _HEAD_BYTES_MAX:
                raise _RefusedError(_LARGE_HEAD)
        self._stop_waiting()
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect another head."""
        self._stop_waiting()
        self._is_begun, self._is_in_head, self._received = False, True, 0
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401
        """Remember which request is being answered."""
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Go on to the next request, or see the last answer out."""
        if self.transport.is_closing():
            self._close()
        super().on_response_complete()

    def timeout_keep_alive_handler(self) -> None:
        """Close: nobody has asked for anything for long."""
        self._close()

    def pause_writing(self) -> None:
        """Give the client its time to take what is written."""
        super().pause_writing()
        if self._taking is None:
            self._expect_taking()

    def _expect_taking(self) -> None:
        self._untaken = self.transport.get_write_buffer_size()
        self._taking = self.loop.call_later(_TAKE_S_MAX, self._on_untaken)

    def _on_untaken(self) -> None:
        if self._untaken - self.transport.get_write_buffer_size() < _TAKE_BYTES_MIN:
            self.transport.abort()
        else:
            self._expect_taking()

    def resume_writing(self) -> None:
        """Stop that time, unless it is that of closing."""
        super().resume_writing()
        if self._taking is not None and not self.transport.is_closing():
            self._taking.cancel()
            self._taking = None


def http_protocol(most: int) -> type[asyncio.Protocol]:
    """Return the class that uvicorn shall make connections of, at most so many at once."""
    room = Room(most)

    class RoomedHttp(BoundedHttp):
        def __init__(
            self,
            config: uvicorn.Config,
            server_state: ServerState,
            app_state: dict[str, Any],
            _loop: asyncio.AbstractEventLoop | None = None,
        ) -> None:
            del _loop
            super().__init__(config, server_state, app_state, room)

    return RoomedHttp
