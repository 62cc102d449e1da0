"""Be the ASGI application: every request passes the gate before anybody else sees it.

Sockets do not come here: the server hands them to ``service.sockets``, which asks the same gate.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Litestar
from litestar.datastructures import State

from orderengine.service.access.gate import Gate
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

    @property
    def state(self) -> State:
        """What the application remembers while it runs."""
        return self.app.state

    def open(self, gate: Gate) -> None:
        """Let requests come to a gate; before that there are none."""
        app = QuickExecute(self.app, lambda: self.state.admission)
        self._guard = HttpGuard(app, gate, self._headers)

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
            await self.app(scope, receive, send)
