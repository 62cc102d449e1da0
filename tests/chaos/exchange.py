"""Send HTTP requests over kept connections, as plainly as can be.

Hundreds wait at once in a storm, and the general client spends its time looking through them.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from msgspec import Struct

__all__ = ["Answer", "Exchange"]


class Answer(Struct, frozen=True):
    """Hold one answer."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


class Exchange:
    """Speak with one service; every answer must have a length."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._where = parts.hostname, parts.port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop()[1].close()

    async def ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes = b""
    ) -> Answer:
        """Return the answer.

        Raises:
            OSError, EOFError: there was none; nobody knows what became of the request.
        """
        reader, writer = await self._connection()
        is_kept = False
        try:
            lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            lines += [f"Content-Length: {len(body)}", "", ""]
            writer.write("\r\n".join(lines).encode() + body)
            await writer.drain()
            answer = await _read(reader)
            is_kept = answer.headers.get("connection") != "close"
            return answer
        finally:
            if is_kept:
                self._idle.append((reader, writer))
            else:
                writer.transport.abort()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(*self._where)


async def _read(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers["content-length"]))
    return Answer(int(first.split()[1]), headers, body)
