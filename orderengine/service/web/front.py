"""Be the ASGI application: every request passes the gate before anybody else sees it.

Sockets do not come here: the server hands them to ``service.sockets``, which asks the same gate.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Litestar
from litestar.datastructures import State

from orderengine.errors import OrderEngineError
from orderengine.service.access.gate import Gate
from orderengine.service.opening import plain_errors
from orderengine.service.settings import Settings
from orderengine.service.web.execute import QuickExecute
from orderengine.service.web.guard import HttpGuard
from orderengine.service.web.headers import AnswerHeaders

__all__ = ["Front"]

_Receive = Callable[[], Awaitable[Any]]
_Send = Callable[[Any], Awaitable[None]]


class Front:
    """Be the ASGI application.

    Args:
        app: answers what is let in.
        settings: what the operator decided.
    """

    def __init__(self, app: Litestar, settings: Settings) -> None:
        self.app = app
        self._headers = AnswerHeaders(settings.cors_origins, is_production=settings.is_production)
        self._guard: HttpGuard | None = None
        self._failure: OrderEngineError | None = None

    @property
    def state(self) -> State:
        """What the application remembers while it runs."""
        return self.app.state

    def open(self, gate: Gate) -> None:
        """Let requests come to a gate; before that there are none."""
        app = QuickExecute(self.app, lambda: self.state.admission)
        self._guard = HttpGuard(app, gate, self._headers)

    def failed(self, error: OrderEngineError) -> None:
        """Note why the service could not start, to be told in one line."""
        self._failure = error

    async def __call__(
        self,
        scope: Any,  # noqa: ANN401  (ASGI)
        receive: _Receive,
        send: _Send,
    ) -> None:
        """Answer a request, or start and stop."""
        if scope["type"] == "http" and self._guard is not None:
            await self._guard(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(scope, receive, send)

    async def _live(self, scope: Any, receive: _Receive, send: _Send) -> None:  # noqa: ANN401
        """Start and stop; the framework would tell what is in the way as a traceback."""

        async def send_plainly(message: Any) -> None:  # noqa: ANN401  (ASGI)
            if message["type"] == "lifespan.startup.failed" and self._failure is not None:
                message = {**message, "message": f"cannot start: {self._failure}"}
            await send(message)

        with plain_errors():  # the framework has a group of its own
            await self.app(scope, receive, send_plainly)
