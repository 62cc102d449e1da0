"""Run a serving process or a working one, from start to a clean end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import anyio
import uvicorn

from orderengine.service.collector import collect_less
from orderengine.service.open_files import connections_max, raise_file_limit
from orderengine.service.opening import open_service, plain_errors
from orderengine.service.operations.logs import configure, say
from orderengine.service.parts import Service
from orderengine.service.settings import Settings
from orderengine.service.sockets.protocol import socket_protocol
from orderengine.service.web.app import create_app
from orderengine.service.web.connections import http_protocol
from orderengine.service.web.request_meter import RequestMeter

__all__ = ["serve", "work"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_KEEP_ALIVE_S = 30
_CLOSE_S = 10
"""How long open requests and sockets may take to end when the process is told to stop."""
_TICK_S = 0.1


class _Server(uvicorn.Server):
    """Say where it listens once it does, and end well when it is told to end.

    Told to end, it is not ready at once and claims no order, but goes on answering for as long as
    balancers may take to notice (``drain_s``). Then the port is closed, and the rest follows.
    """

    def __init__(self, config: uvicorn.Config, app: RequestMeter, drain_s: float) -> None:
        super().__init__(config)
        self._app = app
        self._drain_s = drain_s

    @property
    def _service(self) -> Service | None:
        service: Service | None = getattr(self._app.state, "service", None)
        return service

    @property
    def exit_code(self) -> int:
        """1 if it never began, or a part of it failed."""
        service = self._service
        return 0 if self.started and (service is None or not service.failures) else 1

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the first signal as the order to end, and a second one as to end at once.

        The base class raises it again when all is over, so that the process dies of it.
        """
        self._loop = asyncio.get_running_loop()
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; told so again, die of the signal."""
        if self.should_exit:
            signal.signal(sig, signal.SIG_DFL)
            os.kill(os.getpid(), sig)
        super().handle_exit(sig, frame)
        if (service := self._service) is not None:
            self._loop.call_soon_threadsafe(service.drain)

    async def main_loop(self) -> None:
        """Serve until told to end, and then for as long as balancers may need."""
        await super().main_loop()
        if (service := self._service) is not None:
            service.drain()  # the signal may have come before there was one
        if self._drain_s:
            say(f"stopping in {self._drain_s:g} s")
            for tick in range(1, round(self._drain_s / _TICK_S) + 1):
                await asyncio.sleep(_TICK_S)
                await self.on_tick(tick)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the engine and the port."""
        await super().startup(sockets)
        if not self.started:
            return
        service: Service = self._app.state.service
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        say(f"listening on http://{shown}:{port}: {service.describe()}; docs at /docs")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all WebSockets while there is still a service behind them, then everything else."""
        if (service := self._service) is not None:
            await service.sockets.drain()
        await super().shutdown(sockets)


def serve(settings: Settings) -> int:
    """Serve until told to stop (Ctrl-C, SIGTERM); return the exit code.

    What ``preflight`` refuses is to be refused before.
    """
    configure(settings)
    raise_file_limit()
    collect_less()
    app = RequestMeter(create_app(settings))
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_config=None,
        log_level="warning",
        proxy_headers=False,  # forged headers would pass as the client's address
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_CLOSE_S,
        http=http_protocol(connections_max(settings.sockets_max)),
        ws=socket_protocol(lambda: app.state.service.sockets),
        lifespan="on",
    )
    server = _Server(config, app, settings.drain_s)
    server.run()
    return server.exit_code


def work(settings: Settings) -> int:
    """Execute orders until told to stop; return the exit code."""
    configure(settings)
    collect_less()
    return anyio.run(_work, settings, backend_options={"use_uvloop": sys.platform != "win32"})


async def _work(settings: Settings) -> int:
    with plain_errors():
        return await _work_on(settings)


async def _work_on(settings: Settings) -> int:
    async with open_service(settings, works=True, serves=False) as service:
        with anyio.open_signal_receiver(*_SIGNALS) as signals:
            say(f"working: {service.describe()}")
            async for _ in signals:
                break
        for number in _SIGNALS:  # a second one ends the process at once
            signal.signal(number, signal.SIG_DFL)
        service.drain()
        say("stopping")
    return 1 if service.failures else 0
