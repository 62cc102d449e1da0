"""Stand between two programs and be a bad network: ``python -m tests.chaos.proxy``.

One process holds many links, each with a port of its own. It is told what to do by lines of JSON on
standard input and answers each with one line. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

import msgspec
from msgspec import Struct

__all__ = ["Answer", "Command"]

_CHUNK = 65_536


class Command(Struct, frozen=True, omit_defaults=True):
    """Say what to do with some links."""

    do: str
    """``open``, ``point``, ``delay``, ``hold``, ``free`` or ``cut``."""
    names: tuple[str, ...]
    port: int = 0
    """For ``open`` and ``point``: what the link leads to."""
    ms: int = 0
    """For ``delay``: how late each piece comes, each way; 0 ends it."""


class Answer(Struct, frozen=True):
    """Say that it is done."""

    port: int
    """Where the link that was opened listens."""


class Link:
    """Lead from a port of ours to another one."""

    def __init__(self, port: int) -> None:
        self.delay_s = 0.0
        self.passes = asyncio.Event()
        self.passes.set()
        self.port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def listen(self) -> int:
        """Open the port and return it."""
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0, backlog=1_024)
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Break every connection; what is under way is lost."""
        for writer in self._writers:
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, back}
        self._writers |= both
        try:
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        finally:
            self._writers -= both
            for end in both:
                end.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self.passes.wait()
                if writer.is_closing():
                    return
                writer.write(data)
                await writer.drain()
            await self.passes.wait()
        writer.close()


async def _do(command: Command, links: dict[str, Link]) -> Answer:
    if command.do == "open":
        link = links[command.names[0]] = Link(command.port)
        return Answer(await link.listen())
    for name in command.names:
        link = links[name]
        match command.do:
            case "point":
                link.port = command.port
            case "delay":
                link.delay_s = command.ms / 1e3
            case "hold":
                link.passes.clear()
            case "free":
                link.passes.set()
            case "cut":
                link.cut()
                link.passes.set()
    return Answer(0)


async def _main() -> None:
    links: dict[str, Link] = {}
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    while line := await lines.readline():
        answer = await _do(msgspec.json.decode(line, type=Command), links)
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        asyncio.run(_main())
    else:
        uvloop.run(_main())
