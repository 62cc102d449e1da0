"""Write problem documents (RFC 9457): what every refusal and every error is answered with."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from orderengine.service.access.identity import Refusal

__all__ = ["problem_body", "problem_of", "refusal_bytes"]

_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    408: "Too slow",
    413: "Too large",
    415: "Unsupported media type",
    422: "Cannot be processed",
    429: "Too many requests",
    431: "Too large",
    500: "Internal error",
    503: "Try again later",
}


def problem_of(status: int, code: str, detail: str) -> dict[str, Any]:
    """Return a problem document."""
    title = _TITLES.get(status, "Error")
    return {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail}


def problem_body(status: int, code: str, detail: str) -> bytes:
    """Return the JSON of a problem document."""
    return msgspec.json.encode(problem_of(status, code, detail))


def refusal_bytes(refusal: Refusal) -> bytes:
    """Return a whole answer of HTTP/1.1 after which the connection is closed."""
    body = problem_body(refusal.status, refusal.code, refusal.detail)
    headers = (
        *refusal.headers,
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"connection", b"close"),
    )
    line = f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}".encode()
    return b"\r\n".join((line, *(b": ".join(header) for header in headers), b"", body))
