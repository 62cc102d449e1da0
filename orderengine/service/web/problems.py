"""Answer every error with a problem document (RFC 9457) whose ``code`` stays the same."""

from __future__ import annotations

from typing import Any, NamedTuple

from litestar import Request, Response
from litestar.exceptions import HTTPException

from orderengine.errors import (
    InvalidData,
    InvalidRequest,
    KeyReused,
    OrderEngineError,
    OrderTooLarge,
    Rejected,
    TooManyOpenOrders,
    Unavailable,
    UnknownOrder,
)
from orderengine.service.access.problem import problem_body
from orderengine.service.access.rules import find_rule
from orderengine.service.failure_log import failure_log

__all__ = [
    "Answer",
    "answer_to_error",
    "answer_to_unexpected",
    "on_engine_error",
    "on_http_error",
    "on_unexpected",
]

_log = failure_log(__name__)
_CODES = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE"}
_KIND = b"application/problem+json"
_RETRY_AFTER = ((b"retry-after", b"1"),)


class Answer(NamedTuple):
    """Hold an answer, whoever sends it."""

    status: int
    kind: bytes
    """Its media type."""
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


def _problem(status: int, code: str, detail: str) -> Answer:
    headers = _RETRY_AFTER if status in {429, 503} else ()
    return Answer(status, _KIND, problem_body(status, code, detail), headers)


def _response(answer: Answer) -> Response[bytes]:
    return Response(
        answer.body,
        status_code=answer.status,
        media_type=answer.kind.decode(),
        headers={name.decode(): value.decode() for name, value in answer.headers},
    )


def _route_of(request: Request[Any, Any, Any]) -> str:
    """Return what was asked for as the rules name it: a path as it came may hold anything."""
    rule = find_rule(request.method, request.scope["path"])
    return "a path without a rule" if rule is None else f"{rule.method} {rule.path}"


def _status_of(error: OrderEngineError) -> int:
    if isinstance(error, UnknownOrder):
        return 404
    if isinstance(error, KeyReused | OrderTooLarge | Rejected):
        return 422
    if isinstance(error, TooManyOpenOrders):
        return 429
    if isinstance(error, InvalidData):
        return 503  # a log that newer code wrote: not the client's fault, and another can read it
    if isinstance(error, InvalidRequest):
        return 400
    return 503 if isinstance(error, Unavailable) else 500


def answer_to_error(route: str, error: OrderEngineError) -> Answer:
    """Return the answer to one of our own errors: its branch in the tree decides the status."""
    status = _status_of(error)
    if status == 500:
        _log.error("%s failed", route, exc_info=error)
        return _problem(500, "INTERNAL", "an invariant was violated; it is in the log")
    detail = "no such order" if status == 404 else str(error)
    return _problem(status, error.code, detail)


def answer_to_unexpected(route: str, error: Exception) -> Answer:
    """Return the answer to a mistake of ours: what it was goes to the log, not to the client."""
    _log.error("%s failed", route, exc_info=error)
    return _problem(500, "INTERNAL", "something went wrong on our side; it is in the log")


def on_engine_error(request: Request[Any, Any, Any], error: OrderEngineError) -> Response[bytes]:
    """Answer one of our own errors."""
    return _response(answer_to_error(_route_of(request), error))


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Answer what the framework refused: a path, a method, a body of the wrong form."""
    status = error.status_code
    if status >= 500:
        return on_unexpected(request, error)
    found = [
        f"{part.get('key', 'body')}: {part.get('message', '')}"
        for part in (error.extra if isinstance(error.extra, list) else ())
        if isinstance(part, dict)
    ]
    code, detail = _CODES.get(status, "INVALID_REQUEST"), "; ".join(found) or error.detail
    return _response(_problem(status, code, detail))


def on_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer a mistake of ours."""
    return _response(answer_to_unexpected(_route_of(request), error))
