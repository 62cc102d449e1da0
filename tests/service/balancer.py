"""Be the balancer in front of several serving processes: ``python -m tests.service.balancer``.

A plain TCP proxy, so that WebSockets pass too: it asks each process whether it is ready, and gives
a new connection to the next one that is. Arguments: the ports of the processes. It says the port
that it listens on.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from itertools import count

_ASK_S = 0.1
_CHUNK = 65_536


class Balancer:
    """Hand connections to those of some local ports that are ready."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports
        self._ready: list[int] = []
        self._turn = count()

    async def ask(self) -> None:
        """Ask every process again and again whether it is ready."""
        while True:
            answers = await asyncio.gather(*(_is_ready(port) for port in self._ports))
            self._ready = [port for port, ready in zip(self._ports, answers, strict=True) if ready]
            await asyncio.sleep(_ASK_S)

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join a client with a process until one of them closes."""
        start = next(self._turn)
        for step in range(len(self._ready)):
            port = self._ready[(start + step) % len(self._ready)]
            with suppress(OSError):
                there, back = await asyncio.open_connection("127.0.0.1", port)
                await asyncio.gather(_copy(reader, back), _copy(there, writer))
                return
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _is_ready(port: int) -> bool:
    request = b"GET /health/ready?degraded=ok HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            line = await reader.readline()
            writer.close()
            return b" 200 " in line
    return False


async def _main(ports: list[int]) -> None:
    balancer = Balancer(ports)
    server = await asyncio.start_server(balancer.pass_on, "127.0.0.1", 0, backlog=1_024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await balancer.ask()


if __name__ == "__main__":
    asyncio.run(_main([int(port) for port in sys.argv[1:]]))
