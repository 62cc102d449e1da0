"""Look at a request before anybody parses it: who sends it, its size, how deep its JSON nests.

A parser that recurses would meet the depth first, and one that is given megabytes the size. Pages
of other sites are kept out: a browser sends some requests without asking, and resolves names as
their owner likes, so the host must be ours by name and the body must say that it is JSON.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import anyio

from orderengine.service.web.problems import problem_body

__all__ = ["BODY_BYTES_MAX", "DEPTH_MAX", "BodyGuard", "is_own_page", "is_too_deep"]

_Message = dict[str, Any]
_Receive = Callable[[], Awaitable[Any]]
_Send = Callable[[Any], Awaitable[None]]
_App = Callable[[Any, Any, Any], Awaitable[None]]

BODY_BYTES_MAX = 65_536
_HOSTS = {"127.0.0.1", "localhost", "::1"}
_BODY_S_MAX = 10.0
"""How long a body may take to come."""
DEPTH_MAX = 16
"""Brackets open at once; the deepest body that means something has two."""

# A string that never ends is one token too, and nothing is tried twice: linear, whatever comes.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def is_own_page(origin: str | None, host: str | None) -> bool:
    """Return whether a request may come: no page sent it, or one of ours did; the host is ours."""
    try:
        if host is None or urlsplit(f"//{host}").hostname not in _HOSTS:
            return False
        return origin is None or urlsplit(origin).netloc == host
    except ValueError:
        return False


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
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if not is_own_page(headers.get(b"origin"), headers.get(b"host")):
            await _refuse(send, 403, "FOREIGN_ORIGIN", "only pages and hosts of this service")
            return
        if scope["method"] in {"GET", "HEAD", "DELETE", "OPTIONS"}:
            await self._app(scope, receive, send)
            return
        kind = headers.get(b"content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" or b"content-encoding" in headers:
            await _refuse(send, 415, "NOT_JSON", "the body must be plain application/json")
            return
        body: bytes | None = None
        with anyio.move_on_after(_BODY_S_MAX):
            body = await _read(receive)
        if body is None:
            await _refuse(send, 408, "TOO_SLOW", "the body did not come in time")
        elif len(body) > BODY_BYTES_MAX:
            await _refuse(send, 413, "TOO_LARGE", f"a body has at most {BODY_BYTES_MAX} bytes")
        elif is_too_deep(body):
            await _refuse(send, 400, "TOO_DEEP", f"JSON nests at most {DEPTH_MAX} deep")
        elif not _is_text(body):
            await _refuse(send, 400, "INVALID_REQUEST", "the body is not UTF-8")
        else:
            await self._hand_on(scope, receive, send, body)

    async def _hand_on(
        self,
        scope: Any,  # noqa: ANN401  (ASGI)
        receive: _Receive,
        send: _Send,
        body: bytes,
    ) -> None:
        whole: list[_Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> _Message:
            message: _Message = whole.pop() if whole else await receive()
            return message

        await self._app(scope, replay, send)


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


async def _read(receive: _Receive) -> bytes:
    """Return the body, or as much of it as shows that it is too large."""
    body, is_more = b"", True
    while is_more and len(body) <= BODY_BYTES_MAX:
        message = await receive()
        if message["type"] != "http.request":
            break  # the client went away: nobody reads what is answered
        body += message.get("body", b"")
        is_more = message.get("more_body", False)
    return body


async def _refuse(send: _Send, status: int, code: str, detail: str) -> None:
    body = problem_body(status, code, detail)
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
