"""Look at a request's body before anybody parses it: its size and how deep its JSON nests.

A parser that recurses would meet the depth first, and one that is given megabytes the size.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from orderengine.service.problems import problem_body

__all__ = ["BODY_BYTES_MAX", "DEPTH_MAX", "BodyGuard", "is_too_deep"]

_Message = dict[str, Any]
_Receive = Callable[[], Awaitable[Any]]
_Send = Callable[[Any], Awaitable[None]]
_App = Callable[[Any, Any, Any], Awaitable[None]]

BODY_BYTES_MAX = 65_536
DEPTH_MAX = 16
"""Brackets open at once; the deepest body that means something has two."""

# A string that never ends is one token too, and nothing is tried twice: linear, whatever comes.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def is_too_deep(body: bytes) -> bool:
    """Return whether more than ``DEPTH_MAX`` brackets are open somewhere, strings left out."""
    depth = 0
    for match in _TOKEN.finditer(body):
        first = match[0][:1]
        if first in b"[{":
            depth += 1
            if depth > DEPTH_MAX:
                return True
        elif first in b"]}":
            depth -= 1
    return False


class BodyGuard:
    """Be ASGI middleware that reads a body whole, within its bounds, and hands it on."""

    def __init__(self, app: _App) -> None:
        self._app = app

    async def __call__(
        self,
        scope: Any,  # noqa: ANN401  (ASGI)
        receive: _Receive,
        send: _Send,
    ) -> None:
        """Guard HTTP requests; let everything else pass."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "DELETE", "OPTIONS"}:
            await self._app(scope, receive, send)
            return
        body = b""
        is_more = True
        while is_more:
            message = await receive()
            if message["type"] != "http.request":
                return  # the client went away
            body += message.get("body", b"")
            is_more = message.get("more_body", False)
            if len(body) > BODY_BYTES_MAX:
                await _refuse(send, 413, "TOO_LARGE", f"a body has at most {BODY_BYTES_MAX} bytes")
                return
        if is_too_deep(body):
            await _refuse(send, 400, "TOO_DEEP", f"JSON nests at most {DEPTH_MAX} deep")
            return
        whole: list[_Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> _Message:
            message: _Message = whole.pop() if whole else await receive()
            return message

        await self._app(scope, replay, send)


async def _refuse(send: _Send, status: int, code: str, detail: str) -> None:
    body = problem_body(status, code, detail)
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
