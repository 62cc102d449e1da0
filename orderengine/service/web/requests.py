"""Take from a request what handlers need."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
from litestar import Request
from litestar.datastructures import State

from orderengine.errors import InvalidRequest
from orderengine.service.access.admission import Admission
from orderengine.service.access.identity import Identity
from orderengine.service.parts import Service

__all__ = [
    "AnyRequest",
    "admission_of",
    "identity_of",
    "require_digits",
    "service_of",
    "strict_body",
]

T = TypeVar("T")
_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)
AnyRequest = Request[Any, Any, State]


def service_of(request: AnyRequest) -> Service:
    """Return the running service."""
    service: Service = request.app.state.service
    return service


def admission_of(request: AnyRequest) -> Admission:
    """Return what accepts orders within the limits."""
    admission: Admission = request.app.state.admission
    return admission


def identity_of(request: AnyRequest) -> Identity:
    """Return who asks, as the guard found."""
    identity: Identity = request.scope["state"]["identity"]
    return identity


def require_digits(request: AnyRequest, *names: str) -> None:
    """Refuse numbers in a query that are not plain digits: the framework takes "1e2" and "null".

    Raises:
        InvalidRequest: one of the parameters is there and is something else.
    """
    for name in names:
        text = request.query_params.get(name)
        if text is not None and _DIGITS.fullmatch(text) is None:
            raise InvalidRequest(f"{name} must be a whole number in digits")


async def strict_body(request: AnyRequest, kind: type[T]) -> T:
    """Return the body once more, types as written: the framework takes "5" for 5."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(str(error)) from None
