"""Hold many sockets to one service, in a process of its own, and say when messages reach them all.

Say ``python idle_sockets.py PORT COUNT PATH...``: sockets take the paths in turn. It writes a line
of JSON once all are open, one for each message that all have got, and one when told to stop. Only
what clients of these tests need of WebSocket is here: a library's client weighs more than a socket.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from hashlib import sha256
from typing import Any, cast

import uvloop

_AT_ONCE = 100
_SOCKETS_AN_ADDRESS = 5_000
_PONG = b"\x8a\x80\0\0\0\0"
_CLOSE = b"\x88\x82\0\0\0\0"


class Counts:
    """Count what all sockets have got.

    Args:
        sockets: how many there are.
    """

    def __init__(self, sockets: int) -> None:
        self.arrived_ns: list[list[int]] = []
        """For each message the instants at which sockets got it."""
        self.sockets = sockets
        self.codes: dict[str, int] = {}
        """How sockets were closed, by code and reason."""

    def message(self, number: int, body: bytes, now_ns: int) -> None:
        """Count a message; say so if it was the last to get it."""
        while len(self.arrived_ns) <= number:
            self.arrived_ns.append([])
        arrived = self.arrived_ns[number]
        arrived.append(now_ns)
        if len(arrived) == self.sockets:
            arrived.sort()
            _say(number=number, body=body.decode(), arrived_ns=arrived)


class Socket(asyncio.Protocol):
    """Hold one socket."""

    __slots__ = ("_counts", "_data", "_got", "_path", "_transport", "digest", "opened")

    def __init__(self, path: str, counts: Counts) -> None:
        self._path = path
        self._counts = counts
        self._data = b""
        self._got = 0
        self.digest = sha256()
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a WebSocket."""
        self._transport = cast("asyncio.Transport", transport)
        host = "{}:{}".format(*transport.get_extra_info("peername"))
        self._transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Take what the service says."""
        now_ns = time.time_ns()
        self._data += data
        if not self.opened.done():
            head, is_whole, self._data = self._data.partition(b"\r\n\r\n")
            if not is_whole:
                self._data = head
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self.opened.set_exception(ConnectionRefusedError(head.decode()))
                return
            self.opened.set_result(None)
        while (frame := _frame(self._data)) is not None:
            opcode, body, self._data = frame
            if opcode == 1:
                self.digest.update(body + b"\n")
                self._counts.message(self._got, body, now_ns)
                self._got += 1
            elif opcode == 9:
                self._transport.write(_PONG)
            elif opcode == 8:
                said = f"{int.from_bytes(body[:2])} {body[2:].decode()}".strip()
                self._counts.codes[said] = self._counts.codes.get(said, 0) + 1
                self._transport.write(_CLOSE + body[:2])

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail an opening that came to nothing."""
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError("the connection was closed"))


def _frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Return the first frame's opcode and body, and the rest; None if it is not whole."""
    if len(data) < 2:
        return None
    start, length = 2, data[1]
    if length > 125:
        start = 4 if length == 126 else 10
        length = int.from_bytes(data[2:start])
    stop = start + length
    if len(data) < start or len(data) < stop:
        return None
    return data[0] & 15, data[start:stop], data[stop:]


def _say(**said: Any) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


async def _main(port: int, count: int, paths: list[str]) -> None:
    loop, counts = asyncio.get_running_loop(), Counts(count)
    sockets: list[Socket] = []

    async def open_one(number: int) -> None:
        # One source address has ports for some 28,000 sockets, those just closed among them.
        source = (f"127.0.0.{2 + number // _SOCKETS_AN_ADDRESS}", 0)
        _, socket = await loop.create_connection(
            lambda: Socket(paths[number % len(paths)], counts),
            "127.0.0.1",
            port,
            local_addr=source,
        )
        sockets.append(socket)
        await socket.opened

    for first in range(0, count, _AT_ONCE):
        numbers = range(first, min(first + _AT_ONCE, count))
        await asyncio.gather(*(open_one(number) for number in numbers))
    _say(open=len(sockets))
    await loop.run_in_executor(None, sys.stdin.readline)
    digests = {socket.digest.hexdigest() for socket in sockets}
    got = [len(arrived) for arrived in counts.arrived_ns]
    _say(got=got, streams=len(digests), codes=counts.codes)


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(_main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
