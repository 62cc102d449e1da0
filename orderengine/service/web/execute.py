"""Accept orders without the framework: ``POST /execute`` is what a service is asked by thousands.

The framework's own way from a request to a handler and back takes about as long as everything else
that accepting an order takes. So what is in order is answered here, and what is not is left to the
framework, which describes the same operation (``web.orders``) and knows how to say what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import Any

import msgspec

from orderengine.errors import OrderEngineError
from orderengine.execution.ports import IdempotencyKey
from orderengine.model.lifecycle import OrderState
from orderengine.model.order import Order
from orderengine.service.access.admission import Admission
from orderengine.service.access.identity import Identity
from orderengine.service.web.bodies import Receive
from orderengine.service.web.problems import Answer, answer_to_error, answer_to_unexpected
from orderengine.service.web.views import ExecuteRequest, accepted_view, request_sha256

__all__ = ["QuickExecute", "order_of"]

_Send = Callable[[Any], Awaitable[None]]
_App = Callable[[Any, Any, Any], Awaitable[None]]

_ROUTE = "POST /execute"
_KEY = re.compile(rb"[!-~]{1,255}", re.ASCII)
_JSON = b"application/json"
_decode = msgspec.json.Decoder(ExecuteRequest).decode


def order_of(
    data: ExecuteRequest, user: str, key: str | None
) -> tuple[Order, IdempotencyKey | None]:
    """Return the order that a request asks for, and its key. Raises ``InvalidRequest``."""
    order = data.to_order(token_hex(16), user)
    if key is None:
        return order, None
    return order, IdempotencyKey(user=user, key=key, request_sha256=request_sha256(data))


class QuickExecute:
    """Be ASGI middleware, behind the guard: it has read the body and found who asks.

    Args:
        app: the framework.
        admission: accepts orders; asked for with each request, for it opens with the service.
    """

    def __init__(self, app: _App, admission: Callable[[], Admission]) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Any, receive: Receive, send: _Send) -> None:  # noqa: ANN401  (ASGI)
        """Accept the order, or pass the request on."""
        if scope["path"] != "/execute" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        message = await receive()
        key = _key_of(scope["headers"])
        try:
            data = _decode(message["body"])
        except msgspec.MsgspecError:
            data = None
        if data is None or key == "":

            async def again() -> Any:  # noqa: ANN401  (ASGI)
                nonlocal message
                told, message = message, None
                return told or await receive()

            await self._app(scope, again, send)
            return
        status, kind, body, headers = await self._answer(data, scope["state"]["identity"], key)
        start = [*headers, (b"content-type", kind), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": start})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _answer(self, data: ExecuteRequest, identity: Identity, key: str | None) -> Answer:
        try:
            order, made_by = order_of(data, identity.user, key)
            state = await self._admission().submit(identity, order, made_by)
        except OrderEngineError as error:
            return answer_to_error(_ROUTE, error)
        except Exception as error:  # noqa: BLE001  (answered, and in the log)
            return answer_to_unexpected(_ROUTE, error)
        return _accepted(state)


def _accepted(state: OrderState) -> Answer:
    return Answer(202, _JSON, msgspec.json.encode(accepted_view(state)))


def _key_of(headers: list[tuple[bytes, bytes]]) -> str | None:
    """Return the request's key, None if it has none; empty if it cannot be one."""
    for name, value in headers:
        if name == b"idempotency-key":
            return value.decode("ascii") if _KEY.fullmatch(value) is not None else ""
    return None
