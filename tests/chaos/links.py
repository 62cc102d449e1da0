"""Hold the links of a fleet: every way between two of its programs, and how to spoil it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from tests.chaos.proxy import Answer, Command

__all__ = ["Links", "open_links"]

_ANSWER_S_MAX = 10.0


class Links:
    """Tell the proxy's process what to do."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._lock = asyncio.Lock()

    async def open(self, name: str, port: int) -> int:
        """Open a link to a port; return the port that leads there."""
        return (await self._tell(Command("open", (name,), port=port))).port

    async def point(self, name: str, port: int) -> None:
        """Let a link lead elsewhere from now on."""
        await self._tell(Command("point", (name,), port=port))

    async def delay(self, *names: str, ms: int) -> None:
        """Let every piece come so much later, each way."""
        await self._tell(Command("delay", names, ms=ms))

    async def hold(self, *names: str) -> None:
        """Let nothing through; connections stay open."""
        await self._tell(Command("hold", names))

    async def free(self, *names: str) -> None:
        """Let through what waited, and all that comes."""
        await self._tell(Command("free", names))

    async def cut(self, *names: str) -> None:
        """Break all connections; new ones are let through."""
        await self._tell(Command("cut", names))

    async def _tell(self, command: Command) -> Answer:
        async with self._lock:
            to, back = self._process.stdin, self._process.stdout
            assert to is not None
            assert back is not None
            to.write(msgspec.json.encode(command) + b"\n")
            async with asyncio.timeout(_ANSWER_S_MAX):
                await to.drain()
                return msgspec.json.decode(await back.readline(), type=Answer)


@asynccontextmanager
async def open_links() -> AsyncIterator[Links]:
    """Run the proxy's process until the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.chaos.proxy",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us: the links end with us
    )
    try:
        yield Links(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
