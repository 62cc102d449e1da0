"""Turn a refusal of the service into the package's errors, and read how long to wait."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec
from msgspec import Struct

from orderengine.errors import (
    AmountOverflow,
    InsufficientLiquidity,
    InvalidRequest,
    KeyReused,
    NoRoute,
    OrderEngineError,
    Rejected,
    Unavailable,
    UnknownOrder,
)

__all__ = ["error_of", "may_pass", "retry_after_s"]

_LATER = frozenset({429, 502, 503, 504})
_REJECTIONS = {kind.code for kind in (Rejected, NoRoute, InsufficientLiquidity, AmountOverflow)}
_DETAIL_SHOWN = 500


class _Problem(Struct):
    title: str = ""
    detail: str = ""
    code: str = ""


def may_pass(status: int) -> bool:
    """Return whether the same request may succeed later: 429, 502, 503 and 504."""
    return status in _LATER


def error_of(status: int, body: bytes, *, order_id: str = "", key: str = "") -> OrderEngineError:
    """Return the error of an answer that is not 2xx, with the service's own code and words.

    ``Unavailable`` for 429 and 5xx, ``Rejected`` where no pool can fill, ``InvalidRequest`` for
    the rest, among them ``UnknownOrder`` and ``KeyReused``.

    Args:
        status: of the HTTP answer.
        body: problem+json, or anything.
        order_id: the order asked for, if any.
        key: the idempotency key sent, if any.
    """
    problem = _problem(body)
    error = _kind(status, problem, order_id, key)
    # On this one error only: the class keeps its own code.
    if problem.code:
        vars(error)["code"] = problem.code
    return error


def _kind(status: int, problem: _Problem, order_id: str, key: str) -> OrderEngineError:
    said = (problem.detail or problem.title)[:_DETAIL_SHOWN] or "no reason given"
    text = f"the service answered {status}: {said}"
    if status == 429 or status >= 500:
        return Unavailable(text)
    if problem.code == UnknownOrder.code:
        return UnknownOrder(order_id)
    if problem.code == KeyReused.code:
        return KeyReused(key)
    if problem.code in _REJECTIONS:
        return Rejected(text)
    return InvalidRequest(text)


def _problem(body: bytes) -> _Problem:
    try:
        return msgspec.json.decode(body, type=_Problem)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _Problem()


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Return how many seconds the service asks to wait; 0 if it does not say.

    A date counts from the answer's own Date, so no clocks are compared.
    """
    wanted = headers.get("Retry-After", "").strip()
    if wanted.isascii() and wanted.isdigit():
        return float(wanted[:9])
    try:
        later = parsedate_to_datetime(wanted) - parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError):
        return 0.0
    return max(later.total_seconds(), 0.0)
