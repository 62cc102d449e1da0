"""Read the request that opens a WebSocket, and answer one that is refused."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote

from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from orderengine.service.access.identity import Refusal, Scope
from orderengine.service.access.problem import problem_body, refusal_bytes

__all__ = ["fault_answer", "refusal_answer", "scope_of"]

_FAULT = Refusal(
    400,
    "INVALID_REQUEST",
    "a handshake is a GET of version 13 without a body, in lines of at most 8,192 bytes",
    ((b"sec-websocket-version", b"13"),),
)

_ADDED = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


def scope_of(request: Request, transport: asyncio.Transport) -> Scope:
    """Return what ASGI would say of the request."""
    path, _, query = request.path.partition("?")
    headers = request.headers.raw_items()
    return {
        "type": "websocket",
        "path": unquote(path),
        "raw_path": _bytes(path),
        "query_string": _bytes(query),
        "headers": [(_bytes(name).lower(), _bytes(value)) for name, value in headers],
        "client": transport.get_extra_info("peername"),
        "server": transport.get_extra_info("sockname"),
        "scheme": "ws" if transport.get_extra_info("sslcontext") is None else "wss",
    }


def fault_answer() -> bytes:
    """Return the answer to what the library did not take for a handshake."""
    return refusal_bytes(_FAULT)


def _bytes(text: str) -> bytes:
    """Return what came over the wire, whichever way the library has read it."""
    return text.encode("latin-1", "surrogateescape")


def refusal_answer(conn: ServerProtocol, refusal: Refusal) -> Response:
    """Return the answer that carries a refusal as a problem document."""
    answer = conn.reject(refusal.status, "")
    answer.body = problem_body(refusal.status, refusal.code, refusal.detail)
    del answer.headers["Content-Type"], answer.headers["Content-Length"]
    answer.headers["Content-Type"] = "application/problem+json"
    answer.headers["Content-Length"] = str(len(answer.body))
    for name, value in (*refusal.headers, *_ADDED):
        answer.headers[name.decode()] = value.decode()
    return answer
