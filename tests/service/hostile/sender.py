"""Send bytes as they are and say what came of it: statuses, a close, or silence.

A library for HTTP would refuse to send most of this, so these are bare sockets. Every connection
ends within a bounded time, whatever the server does.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct

from tests.service.hostile.case import CLOSED, OPEN, WAITING, Case, frame

__all__ = ["HUNG", "Answer", "Reply", "Target", "send", "send_all"]

HUNG = "hung"
"""The connection stayed open although nothing more could come: never right."""
_ANSWER_S_MAX = 10.0
_SILENCE_S = 0.5
"""How long nothing must come until the server counts as waiting for more."""
_MORE_S = 0.05
"""How long a second answer may take after the first, where the connection is kept."""
_CLOSE_S_MAX = 5.0
_PROBE = b"still there?"


class Target(Struct, frozen=True):
    """Say where a service listens, and the header line that lets requests in, if it needs one."""

    port: int
    pid: int
    key: bytes = b""

    def letting_in(self, raw: bytes) -> bytes:
        """Return a request with the key behind its first line."""
        return raw.replace(b"\r\n", b"\r\n" + self.key + b"\r\n", 1) if self.key else raw


class Reply(Struct, frozen=True):
    """Hold one HTTP answer; its body is None as long as some of it is missing."""

    status: int
    headers: dict[str, str]
    body: bytes | None


class Answer(Struct, frozen=True):
    """Hold what came of one connection."""

    outcome: int | str
    """The first status that is not provisional, a close code, or a word."""
    replies: tuple[Reply, ...] = ()


async def send_all(
    target: Target, cases: Sequence[Case], *, at_once: int = 32
) -> list[tuple[Case, Answer]]:
    """Send cases, some at once, and return what came of each in their order."""
    room = asyncio.Semaphore(at_once)

    async def one(case: Case) -> tuple[Case, Answer]:
        async with room:
            return case, await send(target, case)

    return list(await asyncio.gather(*map(one, cases)))


async def send(target: Target, case: Case) -> Answer:
    """Send one case on a connection of its own."""
    loop = asyncio.get_running_loop()
    with socket.socket() as link:
        link.setblocking(False)
        await loop.sock_connect(link, ("127.0.0.1", target.port))
        # Beside the reading: a server may answer and close before it has read all.
        sending = asyncio.create_task(_put(link, target.letting_in(case.raw)))
        try:
            return await _answer(link, case)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def _put(link: socket.socket, raw: bytes) -> None:
    with suppress(ConnectionError):
        await asyncio.get_running_loop().sock_sendall(link, raw)


async def _answer(link: socket.socket, case: Case) -> Answer:
    is_head = case.raw.startswith(b"HEAD ")
    patience = _SILENCE_S if WAITING in case.allowed else _ANSWER_S_MAX
    received, is_ended = b"", False
    while not is_ended:
        replies = _replies(received, is_head=is_head)
        if replies and replies[-1].status == 101:
            return await _speak(link, received, case, replies)
        is_whole = bool(replies) and replies[-1].body is not None
        data = await _get(link, _MORE_S if is_whole else patience)
        if data is None:
            break
        received, is_ended = received + data, not data
    replies = _replies(received, is_head=is_head, is_ended=is_ended)
    final = [reply.status for reply in replies if reply.status >= 200]
    if final:
        return Answer(final[0], replies)
    if received and not replies:
        return Answer("no HTTP: " + repr(received[:80]), replies)
    if is_ended:
        return Answer(CLOSED, replies)
    with suppress(OSError):
        link.shutdown(socket.SHUT_WR)
    while data := await _get(link, _CLOSE_S_MAX):
        received += data
    return Answer(HUNG if data is None else WAITING, replies)


async def _get(link: socket.socket, wait_s: float) -> bytes | None:
    """Return what comes, nothing at the end, None if nothing comes in time."""
    try:
        async with asyncio.timeout(wait_s):
            return await asyncio.get_running_loop().sock_recv(link, 65_536)
    except TimeoutError:
        return None
    except ConnectionError:
        return b""


def _replies(received: bytes, *, is_head: bool, is_ended: bool = False) -> tuple[Reply, ...]:
    """Return the HTTP answers that stand one behind the other; of the last one only the head."""
    found: list[Reply] = []
    while True:
        head, end, rest = received.partition(b"\r\n\r\n")
        line, _, fields = head.decode("latin-1").partition("\r\n")
        version, _, after = line.partition(" ")
        if not end or version != "HTTP/1.1" or not after[:3].isdigit():
            return tuple(found)
        status = int(after[:3])
        pairs = (field.partition(":") for field in fields.split("\r\n") if field)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body, received = _body(rest, headers, has_none=is_head or status < 200 or status == 204)
        if body is None and is_ended:
            body = rest
        found.append(Reply(status, headers, body))
        if body is None or status == 101:
            return tuple(found)


def _body(rest: bytes, headers: dict[str, str], *, has_none: bool) -> tuple[bytes | None, bytes]:
    """Return a body, None if some is missing, and what comes behind it."""
    if has_none:
        return b"", rest
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while True:
            size, end, rest = rest.partition(b"\r\n")
            if not end or len(rest) < int(size, 16) + 2:
                return None, b""
            body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
            if int(size, 16) == 0:
                return body, rest
    length = int(headers.get("content-length", "0"))
    return (rest[:length], rest[length:]) if len(rest) >= length else (None, b"")


async def _speak(
    link: socket.socket, received: bytes, case: Case, replies: tuple[Reply, ...]
) -> Answer:
    """Send a case's frames and a ping, and wait until the ping is answered or the socket closed."""
    if case.frames is None:
        return Answer(101, replies)
    received = received.partition(b"\r\n\r\n")[2]
    sending = asyncio.create_task(_put(link, case.frames + frame(9, _PROBE)))
    is_there = False
    try:
        while True:
            while heard := _frame(received):
                opcode, payload, received = heard
                if opcode == 8:
                    return Answer(int.from_bytes(payload[:2], "big") or 1005, replies)
                is_there = is_there or (opcode == 10 and payload == _PROBE)
            # A close may come behind the pong, where both frames were read at once.
            data = await _get(link, _MORE_S if is_there else _ANSWER_S_MAX)
            if not data:
                silence = OPEN if is_there else HUNG
                return Answer(silence if data is None else CLOSED, replies)
            received += data
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


def _frame(received: bytes) -> tuple[int, bytes, bytes] | None:
    """Return opcode and payload of the first frame of a server, and what comes behind it."""
    if len(received) < 2:
        return None
    size, at = received[1] & 127, 2
    if size >= 126:
        at = 4 if size == 126 else 10
        size = int.from_bytes(received[2:at], "big")
    if len(received) < at + size:
        return None
    return received[0] & 15, received[at : at + size], received[at + size :]
