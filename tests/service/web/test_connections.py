"""Check what a connection may cost: its place, its silence, and what it does not read."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from orderengine.service.web import connections
from orderengine.service.web.connections import http_protocol
from tests.service.serving import Serving

HOST = b"Host: 127.0.0.1\r\n"
LARGE = 16 << 20
SOON_S = 10.0
FILES_MAX = 700
KNOCKS = 400


def get(path: bytes, *lines: bytes) -> bytes:
    """Return a request."""
    return b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"".join(lines) + b"\r\n"


class App:
    """Answer with what is in the path, when it is told to, and remember what was cut off."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.is_asked = asyncio.Event()
        self.bodies: list[bytes] = []
        self.was_cut = asyncio.Event()

    async def __call__(
        self,
        scope: Any,
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[Any]],
    ) -> None:
        """Answer."""
        self.is_asked.set()
        if scope["path"] == "/waits":
            await self.may_answer.wait()
        if scope["method"] == "POST":
            await self._take_in(receive)
        body = b"x" * LARGE if scope["path"] == "/large" else scope["path"].encode()
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})

    async def _take_in(self, receive: Callable[[], Awaitable[Any]]) -> None:
        body, is_more = b"", True
        while is_more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.was_cut.set()
                return
            body, is_more = body + message["body"], message["more_body"]
        self.bodies.append(body)


@asynccontextmanager
async def serving_app(most: int = 100) -> AsyncIterator[tuple[App, int]]:
    """Serve such an application in this process; give its port."""
    app = App()
    config = uvicorn.Config(
        app, port=0, http=http_protocol(most), ws="none", lifespan="off", log_level="warning"
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  (it tells nobody)
        await asyncio.sleep(0.001)
    try:
        yield app, server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = server.force_exit = True
        await task


async def everything(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the connection ends."""
    async with asyncio.timeout(SOON_S):
        with suppress(ConnectionError):
            return await reader.read()
    return b""


async def asked(port: int, raw: bytes) -> bytes:
    """Return all that is answered to some bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    try:
        return await everything(reader)
    finally:
        writer.close()


def test_there_is_room_for_so_many() -> None:
    """One more is told so at once, and who leaves makes room."""

    async def main() -> None:
        async with serving_app(most=2) as (_, port):
            first = await asyncio.open_connection("127.0.0.1", port)
            second = await asyncio.open_connection("127.0.0.1", port)
            for link in (first, second):  # both have come in before the third knocks
                link[1].write(get(b"/in"))
                assert (await link[0].readuntil(b"/in")).startswith(b"HTTP/1.1 200 ")
            refused = await asked(port, b"")
            assert refused.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nretry-after: 1\r\n" in refused
            problem = json.loads(refused.partition(b"\r\n\r\n")[2])
            assert problem["code"] == "TOO_MANY_CONNECTIONS"
            first[1].close()
            last = get(b"/at-last", b"Connection: close\r\n")
            async with asyncio.timeout(SOON_S):
                while not (await asked(port, last)).endswith(b"/at-last"):
                    pass
            second[1].close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "behind",
    [
        b"no HTTP at all\r\n\r\n",
        get(b"/x", b"X: " + b"a" * 40_000 + b"\r\n"),
        get(b"/x", b"Upgrade: websocket\r\n", b"Connection: Upgrade\r\n"),
        b"POST /x HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["nonsense", "large head", "handshake", "broken body"],
)
def test_a_refusal_is_no_answer_to_what_came_before(behind: bytes) -> None:
    """What came whole gets its own answer, alone, and that is the end of the connection."""

    async def main() -> None:
        async with serving_app() as (app, port):
            answer = asyncio.create_task(asked(port, get(b"/waits") + behind))
            await app.is_asked.wait()
            app.may_answer.set()
            said = await answer
            assert said.startswith(b"HTTP/1.1 200 ")
            assert said.endswith(b"\r\n\r\n/waits")
            assert said.count(b"HTTP/1.1") == 1

    asyncio.run(main())


def test_requests_that_come_together_are_answered_in_turn() -> None:
    """One behind the other, however many were read at once."""

    async def main() -> None:
        async with serving_app() as (_, port):
            raw = b"".join(get(b"/%d" % number) for number in range(50))
            said = await asked(port, raw + get(b"/last", b"Connection: close\r\n"))
            bodies = [part.split(b"\r\n\r\n")[1] for part in said.split(b"HTTP/1.1 200 OK")[1:]]
            assert bodies == [b"/%d" % number for number in range(50)] + [b"/last"]

    asyncio.run(main())


@pytest.mark.parametrize(
    "cut",
    [
        b"Content-Length: 9\r\n\r\n12345678",
        b"Transfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n0\r\nIdempotency-Key: a\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\nx\r\n",
    ],
    ids=["length", "chunks", "trailer", "broken"],
)
def test_a_body_that_is_cut_off_is_given_up(cut: bytes) -> None:
    """Whoever reads it hears that the client is gone, never that this was all."""

    async def main() -> None:
        async with serving_app() as (app, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /x HTTP/1.1\r\n" + HOST + cut)
            await app.is_asked.wait()
            writer.close()
            async with asyncio.timeout(SOON_S):
                await app.was_cut.wait()
            assert app.bodies == []
            await everything(reader)

    asyncio.run(main())


def test_who_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether more is to be written or the connection is to be closed; who reads gets all."""
    monkeypatch.setattr(connections, "_TAKE_S_MAX", 0.5)

    async def asking(port: int, raw: bytes) -> socket.socket:
        link = socket.socket()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        link.setblocking(False)
        await asyncio.get_running_loop().sock_connect(link, ("127.0.0.1", port))
        await asyncio.get_running_loop().sock_sendall(link, raw)
        return link

    async def taken(link: socket.socket, each_s: float) -> int:
        loop, size = asyncio.get_running_loop(), 0
        with suppress(ConnectionError):
            while data := await loop.sock_recv(link, 1 << 20):
                size += len(data)
                await asyncio.sleep(each_s)
        return size

    async def main() -> None:
        async with serving_app() as (_, port), asyncio.timeout(60):
            last = get(b"/large", b"Connection: close\r\n")
            reading = await asyncio.open_connection("127.0.0.1", port)
            reading[1].write(last)
            sleeping = [await asking(port, get(b"/large")), await asking(port, last)]
            size = 0
            while data := await reading[0].read(1 << 19):
                size += len(data)
                await asyncio.sleep(0.05)  # in all it takes longer than any one may be silent
            assert size > LARGE
            for link in sleeping:
                assert await taken(link, 0) < LARGE
                link.close()
            reading[1].close()

    asyncio.run(main())


class FewFiles(Serving):
    """Serve in a process that may have few files open."""

    def command(self, *arguments: str) -> list[str]:
        """Return what starts it."""
        limited = ["sh", "-c", f'ulimit -n {FILES_MAX}; exec "$@"', "sh"]
        return [*limited, *super().command(*arguments)]


def test_a_process_with_few_files_goes_on(tmp_path: Path) -> None:
    """Whoever is too many is answered or cut off, and those that were there are served."""
    served = FewFiles(tmp_path)
    with ExitStack() as stack:
        stack.callback(served.kill)
        http = stack.enter_context(httpx.Client(base_url=served.url, timeout=SOON_S))
        assert http.get("/health/live").status_code == 200
        links = [
            stack.enter_context(socket.create_connection(("127.0.0.1", served.port), SOON_S))
            for _ in range(KNOCKS)
        ]
        for link in links[FILES_MAX // 2 :]:
            assert link.recv(4_096).startswith(b"HTTP/1.1 503 ")
        for link in links:
            link.close()
        assert http.get("/health/ready").status_code == 200
