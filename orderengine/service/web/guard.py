"""Stand in front of the framework: let each request in by its row of the rules, or answer it here.

Everything that HTTP and sockets have in common is decided by ``access.gate``. What is added here
is HTTP's: methods and paths that do not exist, what browsers ask before they ask, and bodies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from orderengine.service.access.gate import Gate, Headers
from orderengine.service.access.identity import Identity, Refusal
from orderengine.service.access.problem import problem_body
from orderengine.service.access.rules import Access, Rule, find_rule, methods_of
from orderengine.service.failure_log import failure_log
from orderengine.service.web.bodies import BODY_BYTES_MAX, Receive, dropped, taken_in
from orderengine.service.web.headers import AnswerHeaders, HeaderList

__all__ = ["HttpGuard"]

_Scope = Any
_Send = Callable[[Any], Awaitable[None]]
_App = Callable[[Any, Any, Any], Awaitable[None]]

_NOT_FOUND = Refusal(404, "NOT_FOUND", "no such path")
_PREFLIGHT = Refusal(204, "", "")
_INTERNAL = Refusal(500, "INTERNAL", "something went wrong on our side; it is in the log")
_log = failure_log(__name__)


class HttpGuard:
    """Be ASGI middleware for HTTP.

    Args:
        app: what answers the requests that are let in; they have ``scope["state"]["identity"]``.
        gate: decides.
        headers: what is added to every answer.
    """

    def __init__(self, app: _App, gate: Gate, headers: AnswerHeaders) -> None:
        self._app = app
        self._gate = gate
        self._headers = headers

    async def __call__(self, scope: _Scope, receive: Receive, send: _Send) -> None:
        """Let a request in, or answer it."""
        path: str = scope["path"]
        if path.endswith("/") and path != "/":
            path = scope["path"] = path.rstrip("/") or "/"
        rule = find_rule(scope["method"], path)
        origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
        added = self._headers.of(origin, is_page=rule is not None and rule.is_page)

        async def send_with(message: Any) -> None:  # noqa: ANN401  (ASGI)
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        try:
            found = await self._let_in(scope, receive, rule)
        except Exception as error:  # noqa: BLE001  (answered, and in the log)
            _log.error("no answer was found whether to let in: %s", rule, exc_info=error)
            found = _INTERNAL
        if isinstance(found, Refusal):
            self._gate.note(scope, found)
            more = self._headers.preflight() if found is _PREFLIGHT else []
            if _has_long_body(scope):
                more = [*more, (b"connection", b"close")]
            await _answer(send_with, found, more)
        elif found is not None:
            if scope["method"] == "HEAD":
                scope = {**scope, "method": "GET"}  # the server leaves the body out
            await self._app(scope, found, send_with)

    async def _let_in(
        self, scope: _Scope, receive: Receive, rule: Rule | None
    ) -> Receive | Refusal | None:
        """Return what gives the body of a request that is let in, or how it is refused.

        None if the client left before its request was whole.
        """
        headers = self._gate.examine(scope, rule)
        if isinstance(headers, Refusal):
            return headers
        if rule is not None and rule.access is Access.PROBE:
            return receive
        refusal = await self._gate.refuse_address(scope)
        if refusal is not None:
            return refusal
        if self._is_preflight(scope, headers):
            return _PREFLIGHT
        if rule is None or rule.access is not Access.OPEN:
            identity = await self._gate.admit(headers, rule)
            if isinstance(identity, Refusal):
                return identity
            _remember(scope, identity)
        if rule is None:
            return _without_rule(scope)
        if rule.method == "GET":
            return receive
        # Nothing is changed before the request is whole, also if its body says nothing.
        if rule.has_body:
            kind = headers.get(b"content-type", b"").decode("latin-1")
            body = await taken_in(receive, kind, is_encoded=b"content-encoding" in headers)
        else:
            body = await dropped(receive)
        return _replay(body, receive) if isinstance(body, bytes) else body

    def _is_preflight(self, scope: _Scope, headers: Headers) -> bool:
        """Return whether a browser asks if a listed page may ask; it sends no key with that."""
        origin = headers.get(b"origin")
        return (
            scope["method"] == "OPTIONS"
            and b"access-control-request-method" in headers
            and origin is not None
            and self._headers.is_listed(origin)
        )


def _without_rule(scope: _Scope) -> Refusal:
    """Return the answer to what no row allows: which methods there are, if there are any."""
    methods = methods_of(scope["path"])
    if not methods:
        return _NOT_FOUND
    allow = ((b"allow", ", ".join(methods).encode()),)
    if scope["method"] == "OPTIONS":
        return Refusal(204, "", "", allow)
    return Refusal(405, "METHOD_NOT_ALLOWED", f"allowed are {', '.join(methods)}", allow)


def _remember(scope: _Scope, identity: Identity) -> None:
    scope.setdefault("state", {})["identity"] = identity


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read already, then what comes after it."""
    whole = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Any:  # noqa: ANN401  (ASGI)
        return whole.pop() if whole else await receive()

    return replay


def _has_long_body(scope: _Scope) -> bool:
    """Return whether a body may follow that nobody wants to wait for; a short one is dropped."""
    for name, value in scope["headers"]:
        if name in {b"transfer-encoding", b"expect"}:
            return True
        if name == b"content-length":
            return not value.isdigit() or len(value) > 9 or int(value) > BODY_BYTES_MAX
    return False


async def _answer(send: _Send, refusal: Refusal, more: HeaderList) -> None:
    headers = [*refusal.headers, *more]
    body = b""
    if refusal.status != 204:
        body = problem_body(refusal.status, refusal.code, refusal.detail)
        headers += [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
        ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
