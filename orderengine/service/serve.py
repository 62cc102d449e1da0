"""Run a serving process or a working one, from start to a clean end."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import uvicorn

from orderengine.errors import InvalidData
from orderengine.service.parts import Service, open_service
from orderengine.service.queue.redis_queue import RedisQueue
from orderengine.service.settings import Settings
from orderengine.service.sockets.protocol import socket_protocol
from orderengine.service.web.app import create_app

if sys.platform != "win32":
    import resource

__all__ = ["serve", "work"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_KEEP_ALIVE_S = 30
_CLOSE_S = 10
"""How long open requests and sockets may take to end when the process is told to stop."""


class _Server(uvicorn.Server):
    """Say where it listens once it does, and end well when it is told to end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the first signal as the order to end, and a second one as to end at once.

        The base class raises it again when all is over, so that the process dies of it.
        """
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the engine and the port."""
        await super().startup(sockets)
        if not self.started:
            return
        app: Any = self.config.app
        service: Service = app.state.service
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        _say(f"listening on http://{shown}:{port}: {service.describe()}; docs at /docs")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all WebSockets while there is still a service behind them, then everything else."""
        app: Any = self.config.app
        await app.state.service.sockets.drain()
        await super().shutdown(sockets)


def _say(line: str) -> None:
    sys.stderr.write(f"orderengine: {line}\n")
    sys.stderr.flush()


def serve(settings: Settings) -> int:
    """Serve until told to stop (Ctrl-C, SIGTERM); return the exit code.

    What ``preflight`` refuses is to be refused before. Raises ``InvalidData`` for a wrong queue.
    """
    _require_queue(settings)
    _raise_file_limit()
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_level="warning",
        proxy_headers=False,  # forged headers would pass as the client's address
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_CLOSE_S,
        ws=socket_protocol(lambda: app.state.service.sockets),
        lifespan="on",
    )
    server = _Server(config)
    server.run()
    service: Service | None = getattr(app.state, "service", None)
    return 0 if server.started and (service is None or not service.failures) else 1


def _raise_file_limit() -> None:
    """Take as many open files as the system grants: each WebSocket is one, and 1,024 is usual."""
    if sys.platform != "win32":
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _require_queue(settings: Settings) -> None:
    """Refuse an address that the client of Redis cannot use, before anything depends on it."""
    if settings.redis_url:
        try:
            RedisQueue(settings.redis_url)
        except (ValueError, TypeError):
            expected = "redis://[:password@]host:port/db, special characters escaped"
            raise InvalidData("REDIS_URL", "an address that cannot be used", expected) from None


def work(settings: Settings) -> int:
    """Execute orders until told to stop; return the exit code. Raises as ``serve`` does."""
    _require_queue(settings)
    return anyio.run(_work, settings, backend_options={"use_uvloop": sys.platform != "win32"})


async def _work(settings: Settings) -> int:
    async with open_service(settings, works=True) as service:
        _say(f"working: {service.describe()}")
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                break
        _say("stopping")
    return 1 if service.failures else 0
