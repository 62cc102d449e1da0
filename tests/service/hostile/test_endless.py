"""Check that what never ends is ended: requests that drip, and heads without an end."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
from msgspec import Struct

from tests.service.hostile.case import HOST, get, handshake, request
from tests.service.hostile.sender import Target
from tests.service.hostile.verdict import CPU_MS_MAX, cpu_ms

# What is never whole does not come so far as to be asked for a key.
pytestmark = pytest.mark.parametrize("auth", ["keys"], indirect=True, scope="package")
END_S_MAX = 15.0
"""A head or a body has ten seconds; the rest is room for a busy machine."""
_PIECE_S = 0.5
_IDLE = 500
_MEGABYTE = 1 << 20
_GROWTH_MB_MAX = 32
_POST = (b"POST /execute HTTP/1.1", HOST, b"Content-Type: application/json")
_CHUNKED = request(*_POST, b"Transfer-Encoding: chunked")
_KEPT = request(b"GET /health/live HTTP/1.1", HOST)


class Drip(Struct, frozen=True):
    """Hold what is sent at first, and then again and again."""

    first: bytes
    piece: bytes


BODIES = {
    "body": Drip(request(*_POST, b"Content-Length: 60000"), b" "),
    "body that does not come": Drip(request(*_POST, b"Content-Length: 60000"), b""),
    "chunks": Drip(_CHUNKED, b"1\r\n \r\n"),
    "chunk extension": Drip(_CHUNKED + b"1;", b"a"),
    "trailers": Drip(_CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: 1\r\n"),
    "body of a wrong type": Drip(
        request(_POST[0], HOST, b"Content-Type: text/plain", b"Content-Length: 60000"), b" "
    ),
}
"""Drips of a body."""
HEADS = {
    "nothing": Drip(b"", b""),
    "one byte": Drip(b"G", b""),
    "empty lines": Drip(b"", b"\r\n"),
    "head": Drip(_KEPT[:-2], b"X: 1\r\n"),
    "head of a second request": Drip(_KEPT, b"\r\n"),
    "body of a request answered already": Drip(
        request(b"GET /orders?limit=1 HTTP/1.1", HOST, b"Transfer-Encoding: chunked"),
        b"1\r\n \r\n",
    ),
    "handshake of 200 fields": Drip(handshake(b"/ws", *(b"X: 1",) * 200), b""),
}
"""Drips of what comes before one, or instead."""


async def _seconds(target: Target, drip: Drip) -> float:
    """Return how long a connection lives on which something drips, at most as long as we wait."""
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    start = time.monotonic()
    try:
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(END_S_MAX):
                writer.write(target.letting_in(drip.first))
                reading = asyncio.create_task(reader.read())
                while not reading.done():
                    writer.write(drip.piece)
                    await asyncio.wait([reading], timeout=_PIECE_S)
    finally:
        writer.close()
    return time.monotonic() - start


@pytest.fixture(scope="module")
def lives(target: Target) -> dict[str, float]:
    """Return how long each drip was borne, all at once."""

    async def together() -> dict[str, float]:
        drips = BODIES | HEADS
        found = await asyncio.gather(*(_seconds(target, drip) for drip in drips.values()))
        return dict(zip(drips, found, strict=True))

    return asyncio.run(together())


@pytest.mark.parametrize("name", BODIES | HEADS)
def test_what_drips_is_cut(name: str, lives: dict[str, float]) -> None:
    """However little comes at a time: the deadline is that of the whole."""
    assert lives[name] < END_S_MAX


@pytest.fixture
def idle(target: Target) -> Iterator[None]:
    """Keep hundreds of connections open that have sent half a head."""
    with ExitStack() as links:
        for _ in range(_IDLE):
            link = links.enter_context(socket.create_connection(("127.0.0.1", target.port)))
            link.sendall(_KEPT[:-2])
        yield


@pytest.mark.usefixtures("idle")
def test_idle_connections_cost_others_nothing(http: httpx.Client) -> None:
    """Hundreds of half-open requests are borne."""
    assert http.get("/health/ready").status_code == 200
    assert http.get("/orders").status_code == 200


FLOODS = {
    "fields": (get(b"/health/live")[:-2], b"X: 1\r\n"),
    "a field": (get(b"/health/live")[:-2] + b"X: ", b"aaaaaa"),
    "a name": (get(b"/health/live")[:-2], b"aaaaaa"),
    "a target": (b"GET /orders?", b"a=1&b="),
    "trailers": (_CHUNKED + b"1\r\n{\r\n0\r\n", b"X: 1\r\n"),
    "a chunk extension": (_CHUNKED + b"1;", b"aaaaaa"),
    "empty lines": (b"", b"\r\n\r\n\r\n"),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_head_without_an_end_is_refused(name: str, target: Target) -> None:
    """Sixteen megabytes of it neither cost the process much nor stay in its memory."""
    first, piece = FLOODS[name]
    cpu_before, memory_before = cpu_ms(target.pid), _memory_mb(target.pid)
    is_cut, memory_most = False, memory_before
    with socket.create_connection(("127.0.0.1", target.port), timeout=END_S_MAX) as link:
        try:
            link.sendall(target.letting_in(first))
            for _ in range(16):
                link.sendall(piece * (_MEGABYTE // len(piece)))
                memory_most = max(memory_most, _memory_mb(target.pid))
        except ConnectionError:
            is_cut = True
    assert is_cut
    assert memory_most - memory_before < _GROWTH_MB_MAX
    assert cpu_ms(target.pid) - cpu_before < CPU_MS_MAX


def _memory_mb(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 // _MEGABYTE


@pytest.mark.usefixtures("unharmed")
def test_a_client_may_leave_in_the_midst(target: Target, http: httpx.Client) -> None:
    """What it asked for together, and did not take, is given up without a word."""
    asked = target.letting_in(request(b"GET /docs/assets/swagger_bundle.js HTTP/1.1", HOST))
    for _ in range(5):
        with socket.socket() as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            link.settimeout(END_S_MAX)
            link.connect(("127.0.0.1", target.port))
            link.sendall(asked * 10)
            for _ in range(100):
                link.recv(2_048)
    assert http.get("/docs/assets/swagger_bundle.js").status_code == 200
