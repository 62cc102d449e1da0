"""Stand before the application: count and time requests, and send clients away while draining.

A request is named by its route's template, never by its path: paths hold order ids, and strangers
may ask for any number of them.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from litestar.datastructures import State

from orderengine.service.access.rules import find_rule
from orderengine.service.operations.instruments import Instruments

__all__ = ["Application", "RequestMeter"]

_Send = Callable[[Any], Awaitable[None]]

_OTHER = "other"
"""Stands for all that there is no route for."""
_CLOSE = (b"connection", b"close")


class Application(Protocol):
    """Be an ASGI application that remembers the service while it runs."""

    @property
    def state(self) -> State:
        """What it remembers."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  (ASGI)
        """Answer."""


class RequestMeter:
    """Be the outermost ASGI layer.

    While the process drains, each answer asks for the connection to be closed: the client's next
    request opens another one, and goes elsewhere.

    Args:
        app: what is behind; it counts nothing before its service is open.
    """

    def __init__(self, app: Application) -> None:
        self._app = app

    @property
    def state(self) -> State:
        """What the application remembers."""
        return self._app.state

    async def __call__(self, scope: Any, receive: Any, send: _Send) -> None:  # noqa: ANN401  (ASGI)
        """Pass everything on, and look at the answers to HTTP requests."""
        service = getattr(self.state, "service", None)
        if scope["type"] != "http" or service is None:
            await self._app(scope, receive, send)
            return
        instruments: Instruments = service.instruments
        began, status = time.perf_counter(), 500

        async def look(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.get("headers", ())
                if instruments.is_draining and _CLOSE not in headers:
                    message = {**message, "headers": [*headers, _CLOSE]}
            await send(message)

        try:
            await self._app(scope, receive, look)
        finally:
            instruments.requests.note(_route(scope), status, time.perf_counter() - began)


def _route(scope: Mapping[str, Any]) -> str:
    rule = find_rule(scope["method"], scope["path"])
    return _OTHER if rule is None else rule.path
