"""Let sockets in, watch over them, and close them: one order's log, or all orders from now on.

A text message is one event as it stands in the log. ``/ws/{order id}?from_seq=n`` starts with
``seq`` n and is closed normally (1000) after the order's last event; ``/ws`` has the events of all
of the caller's orders from now on. Who is too slow is closed with 1013, who gives no sign of life
with 1011, whose key was revoked with 4401. When the service stops, all are closed with 1012, and
the reason of one order's socket says ``last_seq``; a client goes on with the number above.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from urllib.parse import parse_qsl

import anyio
import anyio.lowlevel
from msgspec import Struct

from orderengine.errors import OrderEngineError, UnknownOrder
from orderengine.service.access.identity import Identify, Identity, Refusal, Scope
from orderengine.service.failure_log import failure_log
from orderengine.service.open_files import sockets_max
from orderengine.service.sockets.feed import Feed
from orderengine.service.sockets.live_log import LiveLog
from orderengine.service.sockets.protocol import EventSocket, Heartbeat

__all__ = ["SOCKET_PATHS", "SocketHub", "SocketLimits"]

SOCKET_PATHS = ("/ws", "/ws/{order_id}")
"""What sockets can be opened on."""

_GREET_S_MAX = 10.0
"""How long letting a socket in may take."""
_AT_ONCE = 250
"""Sockets that are looked after before others of the process may go on."""
_REVOKED = 4401
_SEQ = re.compile(r"[0-9]{1,9}", re.ASCII)
_ORDER_ID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_SOON = ((b"retry-after", b"1"),)
_LATER = ((b"retry-after", b"5"),)
_NO_ORDER = Refusal(404, "UNKNOWN_ORDER", "no such order")
_STOPPING = Refusal(503, "SHUTTING_DOWN", "this process ends; ask again", _SOON)
_STARTING = Refusal(503, "UNAVAILABLE", "this process begins; ask again", _SOON)
_log = failure_log(__name__)


class SocketLimits(Struct, frozen=True):
    """Say how many sockets there may be at once, where the system grants as many open files."""

    total: int = 16_000
    a_user: int = 12_000


class SocketHub:
    """Implement ``SocketOwner``: hold all sockets of this process; ``run`` must run.

    Args:
        log: what they read.
        limits: how many may be open.
        heartbeat: how long silence is borne.
    """

    def __init__(
        self,
        log: LiveLog,
        *,
        limits: SocketLimits = SocketLimits(),  # noqa: B008  (frozen)
        heartbeat: Heartbeat = Heartbeat(),  # noqa: B008  (frozen)
    ) -> None:
        self.log = log
        self.tick = 0
        self.heartbeat = heartbeat
        self.messages_sent = 0
        self.slow_readers = 0
        """How many were closed because they did not keep up."""
        self._identify: Identify | None = None
        self._limits = limits
        self._total_max = sockets_max(limits.total)
        self._sockets: dict[EventSocket, None] = {}
        self._of_user: dict[str, int] = {}
        self._of_key: dict[str, dict[EventSocket, None]] = {}
        self._is_draining = False
        self._went = anyio.Event()

    def open(self, identify: Identify) -> None:
        """Let sockets in from now on, whom ``identify`` knows: origins, keys, tickets and rates."""
        self._identify = identify

    @property
    def count(self) -> int:
        """How many sockets are open, being opened, or being closed."""
        return len(self._sockets)

    def count_of(self, user: str) -> int:
        """Return how many of them are a user's."""
        return self._of_user.get(user, 0)

    @property
    def key_ids(self) -> Collection[str]:
        """The keys that have opened those of them that are open."""
        return tuple(self._of_key)

    async def run(self) -> None:
        """Follow the log and watch over the sockets, until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.log.run)
            while True:
                await anyio.sleep(self.heartbeat.tick_s)
                self.tick += 1
                self.log.trim()
                await self._each(EventSocket.beat)

    async def _each(self, act: Callable[[EventSocket], None]) -> None:
        for number, socket in enumerate(list(self._sockets), 1):
            act(socket)
            if number % _AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()

    def close_key(self, key_ids: Collection[str]) -> int:
        """Close all sockets that were opened with these keys, with 4401; return how many."""
        found = [socket for key_id in key_ids for socket in self._of_key.get(key_id, ())]
        for socket in found:
            if socket.is_connecting:
                socket.abort()
            socket.close(_REVOKED, "the key is no longer good")
        return len(found)

    async def drain(self, wait_s: float = 3.0) -> None:
        """Refuse new sockets, close all with 1012, and cut off those that are not gone in time."""
        self._is_draining = True
        await self._each(EventSocket.shutdown)
        with anyio.move_on_after(wait_s):
            while self._sockets:
                self._went = anyio.Event()
                await self._went.wait()
        await self._each(EventSocket.abort)

    async def greet(self, socket: EventSocket, scope: Scope) -> None:
        """Open a socket or refuse it."""
        if not socket.is_connecting:
            return  # it went before its turn came
        self._sockets[socket] = None
        refusal: Refusal | None = Refusal(503, "UNAVAILABLE", "it took too long", _SOON)
        with anyio.move_on_after(_GREET_S_MAX):
            try:
                refusal = await self._admit(socket, scope)
            except UnknownOrder:
                refusal = _NO_ORDER
            except OrderEngineError as error:
                refusal = Refusal(503, error.code, str(error), _SOON)
            except Exception as error:  # noqa: BLE001  (reported; the client is told that it is us)
                _log.error("a socket could not be opened", exc_info=error)
                said = "something went wrong on our side; it is in the log"
                refusal = Refusal(500, "INTERNAL", said)
        if refusal is not None:
            socket.refuse(refusal)

    async def _admit(self, socket: EventSocket, scope: Scope) -> Refusal | None:
        """Open the socket, or return why not."""
        if self._is_draining:
            return _STOPPING
        if len(self._sockets) > self._total_max:
            said = f"{self._total_max} sockets are open, the limit"
            return Refusal(503, "TOO_MANY_SOCKETS", said, _LATER)
        if self._identify is None:
            return _STARTING
        identity = await self._identify(scope)
        if isinstance(identity, Refusal):
            return identity
        if self.count_of(identity.user) >= self._limits.a_user:
            said = f"{self._limits.a_user} sockets of one user are open, the limit"
            return Refusal(429, "TOO_MANY_SOCKETS", said, _LATER)
        if not socket.is_connecting:
            return None  # it has gone meanwhile
        self._seat(socket, identity)
        room, _, order_id = scope["path"].strip("/").partition("/")
        if room != "ws":
            return Refusal(404, "NOT_FOUND", "Not Found")
        if order_id:
            return await self._join_order(socket, order_id, scope["query_string"])
        with self.log.user(identity.user) as feed:
            return self._open(socket, feed, feed.end)

    async def _join_order(self, socket: EventSocket, order_id: str, query: bytes) -> Refusal | None:
        wanted = dict(parse_qsl(query.decode("latin-1"))).get("from_seq", "1")
        if _SEQ.fullmatch(wanted) is None or _ORDER_ID.fullmatch(order_id) is None:
            return _NO_ORDER
        async with self.log.order(order_id) as feed:
            if socket.identity is None or feed.user != socket.identity.user:
                return _NO_ORDER
            socket.is_of_one_order = True
            return self._open(socket, feed, max(int(wanted), 1))

    def _open(self, socket: EventSocket, feed: Feed, cursor: int) -> Refusal | None:
        if self._is_draining:
            return _STOPPING
        socket.open(feed, cursor)
        return None

    def _seat(self, socket: EventSocket, identity: Identity) -> None:
        socket.identity = identity
        self._of_user[identity.user] = self.count_of(identity.user) + 1
        if identity.key_id is not None:
            self._of_key.setdefault(identity.key_id, {})[socket] = None

    def leave(self, socket: EventSocket) -> None:
        """Let a socket read nothing more."""
        feed, socket.feed = socket.feed, None
        if feed is not None:
            self.log.leave(feed, socket)

    def left(self, socket: EventSocket) -> None:
        """Forget a socket whose connection is over."""
        self.leave(socket)
        self._sockets.pop(socket, None)
        self._went.set()
        identity, socket.identity = socket.identity, None
        if identity is None:
            return
        self._of_user[identity.user] -= 1
        if self._of_user[identity.user] == 0:
            del self._of_user[identity.user]
        if identity.key_id is not None:
            of_key = self._of_key[identity.key_id]
            del of_key[socket]
            if not of_key:
                del self._of_key[identity.key_id]
