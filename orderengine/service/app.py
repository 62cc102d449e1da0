"""Be the web face: REST and WebSocket over the engine, as a Litestar application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar
from uuid import uuid4

import msgspec
from litestar import Litestar, Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi.spec import Example
from litestar.params import Body, Parameter

from orderengine.errors import InvalidRequest, OrderEngineError, UnknownOrder
from orderengine.execution.ports import IdempotencyKey
from orderengine.model.lifecycle import OrderState
from orderengine.model.wire import encode
from orderengine.service.docs import openapi_config, swagger_file
from orderengine.service.guard import BodyGuard
from orderengine.service.parts import Service, open_service
from orderengine.service.problems import on_engine_error, on_http_error, on_unexpected
from orderengine.service.settings import Settings
from orderengine.service.sockets import all_orders, one_order
from orderengine.service.views import (
    ExecuteRequest,
    QuoteRequest,
    order_view,
    quote_view,
    request_sha256,
)

__all__ = ["USER", "create_app"]

USER = "user"
"""Everybody, until there are API keys."""

_PAGE_MAX = 500
_SWAP = {"sell": "SOL", "buy": "USDC", "amount": "1500000000"}

T = TypeVar("T")
OrderId = Annotated[
    str,
    Parameter(
        description="as POST /execute returned it",
        examples=[Example(value="0190a6d2c4f17c3e8a5b6d7e8f901234")],
    ),
]
_AnyRequest = Request[Any, Any, State]


def _service(request: _AnyRequest) -> Service:
    service: Service = request.app.state.service
    return service


def _accepted(state: OrderState) -> dict[str, Any]:
    return {"order_id": state.order_id, "status": state.status.value, "seq": state.seq}


async def _strict(request: _AnyRequest, kind: type[T]) -> T:
    """Return the body once more, types as written: the framework takes "5" for 5."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(str(error)) from None


@post(
    "/execute",
    status_code=202,
    summary="Accept an order",
    description="Once this answers 202 the order is stored and will end exactly once.",
)
async def execute(
    request: _AnyRequest,
    data: Annotated[
        ExecuteRequest,
        Body(examples=[Example(summary="Sell 1.5 SOL", value=_SWAP | {"slippage_bps": 50})]),
    ],
    idempotency_key: Annotated[
        str | None,
        Parameter(
            header="Idempotency-Key",
            description="the same key with the same body makes one order, however often it is sent",
            min_length=1,
            max_length=255,
        ),
    ] = None,
) -> dict[str, Any]:
    """Accept an order."""
    data = await _strict(request, ExecuteRequest)
    order = data.to_order(uuid4().hex, USER)
    key = None
    if idempotency_key is not None:
        key = IdempotencyKey(user=USER, key=idempotency_key, request_sha256=request_sha256(data))
    return _accepted(await _service(request).engine.submit(order, key))


@get("/orders", summary="List your orders, the newest first")
async def list_orders(
    request: _AnyRequest,
    before: Annotated[
        int | None, Parameter(description="`before` of the page before", ge=1, le=2**62)
    ] = None,
    limit: Annotated[int, Parameter(ge=1, le=_PAGE_MAX)] = 50,
    only: Annotated[
        str | None, Parameter(query="state", description="`open` or `ended`; both if left out")
    ] = None,
) -> dict[str, Any]:
    """Return a page of orders, and what to ask for next."""
    if only not in {None, "open", "ended"}:
        raise InvalidRequest(f"state must be open or ended, was {only!r}")
    service = _service(request)
    is_open = None if only is None else only == "open"
    found = await service.store.orders(USER, before=before, limit=limit, is_open=is_open)
    views = [order_view(await service.journal.load(order_id)) for _, order_id in found]
    is_last = len(found) < limit
    return {"orders": views, "before": None if is_last else found[-1][0]}


async def _load(service: Service, order_id: str) -> OrderState:
    state = await service.journal.load(order_id)
    if state.order.user != USER:
        raise UnknownOrder(order_id)
    return state


@get("/orders/{order_id:str}", summary="Look at an order")
async def get_order(request: _AnyRequest, order_id: OrderId) -> dict[str, Any]:
    """Return an order as it stands now."""
    return order_view(await _load(_service(request), order_id))


@get("/orders/{order_id:str}/events", summary="Read an order's log")
async def get_events(
    request: _AnyRequest,
    order_id: OrderId,
    from_seq: Annotated[int, Parameter(description="inclusive", ge=1, le=10**9)] = 1,
) -> Response[bytes]:
    """Return the log from ``from_seq`` on, each event as it was streamed."""
    service = _service(request)
    await _load(service, order_id)
    events = await service.store.events(order_id, from_seq)
    body = b'{"events":[' + b",".join(encode(event) for event in events) + b"]}"
    return Response(body, media_type="application/json")


@delete("/orders/{order_id:str}", status_code=200, summary="Cancel an order")
async def cancel_order(request: _AnyRequest, order_id: OrderId) -> dict[str, Any]:
    """Cancel the order, or note the wish if its transaction is out already."""
    service = _service(request)
    await _load(service, order_id)
    state = await service.engine.cancel(order_id)
    return _accepted(state) | {"cancel_requested": state.cancel_requested}


@post("/quote", status_code=200, summary="Ask what an order would get; nothing is executed")
async def quote(
    request: _AnyRequest,
    data: Annotated[
        QuoteRequest,
        Body(
            examples=[
                Example(summary="1.5 SOL", value=_SWAP),
                Example(summary="Split over pools", value=_SWAP | {"strategy": "split"}),
            ]
        ),
    ],
) -> dict[str, Any]:
    """Return the route that would be taken now, its proof if any, and what every venue said."""
    data = await _strict(request, QuoteRequest)
    order = data.to_order(uuid4().hex)
    return quote_view(await _service(request).quote(order, data.strategy))


@get("/health/live", summary="Whether the process runs")
async def live() -> dict[str, str]:
    """Answer."""
    return {"status": "ok"}


@get("/health/ready", summary="Whether orders are accepted, and what stands in the way of work")
async def ready(request: _AnyRequest) -> Response[dict[str, Any]]:
    """Return 503 if orders cannot be accepted; without Redis they can, and are found in SQL."""
    service = _service(request)
    checks: dict[str, str] = {"store": "ok", "queue": "memory"}
    try:
        await service.store.last()
    except OrderEngineError as error:
        checks["store"] = str(error)
    if service.redis is not None:
        checks["queue"] = "redis" if service.redis.is_available else "redis is down, polling SQL"
    is_ready = checks["store"] == "ok"
    is_degraded = service.redis is not None and not service.redis.is_available
    status = "degraded" if is_ready and is_degraded else "ok" if is_ready else "unavailable"
    return Response({"status": status} | checks, status_code=200 if is_ready else 503)


@get("/openapi.json", include_in_schema=False)
async def openapi(request: _AnyRequest) -> Response[bytes]:
    """Return the description of this API."""
    schema = msgspec.json.encode(request.app.openapi_schema.to_schema())
    return Response(schema, media_type="application/json")


def create_app(settings: Settings) -> Litestar:
    """Return the application; it opens the engine when it is started."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with open_service(settings, works=settings.workers > 0) as service:
            app.state.service = service
            yield

    return Litestar(
        route_handlers=[
            execute,
            list_orders,
            get_order,
            get_events,
            cancel_order,
            quote,
            live,
            ready,
            openapi,
            one_order,
            all_orders,
            swagger_file,
        ],
        lifespan=[lifespan],
        middleware=[BodyGuard],
        exception_handlers={
            OrderEngineError: on_engine_error,
            HTTPException: on_http_error,
            Exception: on_unexpected,
        },
        openapi_config=openapi_config(),
        type_encoders={msgspec.Struct: msgspec.to_builtins},
        logging_config=None,
    )
