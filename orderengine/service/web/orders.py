"""Answer requests about orders: accept, list, look at, cancel; and quote what one would get."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import uuid4

from litestar import Response, delete, get, post
from litestar.openapi.spec import Example
from litestar.params import Body, HeaderParameter, PathParameter, QueryParameter

from orderengine.errors import UnknownOrder
from orderengine.execution.ports import StoredEvent
from orderengine.model.lifecycle import OrderState, fold
from orderengine.model.wire import decode_event
from orderengine.service.web.execute import order_of
from orderengine.service.web.requests import (
    AnyRequest,
    admission_of,
    identity_of,
    require_digits,
    service_of,
    strict_body,
)
from orderengine.service.web.views import (
    ExecuteRequest,
    QuoteRequest,
    accepted_view,
    order_view,
    quote_view,
)

__all__ = ["ORDERS"]

_PAGE_MAX = 500
_ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
"""All ids have this form; what has another is not looked up."""
_SWAP = {"sell": "SOL", "buy": "USDC", "amount": "1500000000"}

OrderId = Annotated[
    str,
    PathParameter(
        description="as POST /execute returned it",
        examples=[Example(value="0190a6d2c4f17c3e8a5b6d7e8f901234")],
    ),
]


@post(
    "/execute",
    status_code=202,
    summary="Accept an order",
    description="Once this answers 202 the order is stored and will end exactly once.",
)
async def execute(
    request: AnyRequest,
    data: Annotated[
        ExecuteRequest,
        Body(examples=[Example(summary="Sell 1.5 SOL", value=_SWAP | {"slippage_bps": 50})]),
    ],
    idempotency_key: Annotated[
        str | None,
        HeaderParameter(
            name="Idempotency-Key",
            description="the same key with the same body makes one order, however often it is sent;"
            " visible ASCII without spaces",
            min_length=1,
            max_length=255,
            pattern="^[!-~]*$",
            examples=[Example(value="3f1c9a52-rebalance-17")],
        ),
    ] = None,
) -> dict[str, Any]:
    """Accept an order."""
    data = await strict_body(request, ExecuteRequest)
    identity = identity_of(request)
    order, key = order_of(data, identity.user, idempotency_key)
    return accepted_view(await admission_of(request).submit(identity, order, key))


@get("/orders", summary="List your orders, the newest first")
async def list_orders(
    request: AnyRequest,
    before: Annotated[
        int | None,
        QueryParameter(
            description="`before` of the page before",
            ge=1,
            le=2**62,
            examples=[Example(value=1_000)],
        ),
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=_PAGE_MAX, examples=[Example(value=50)])] = 50,
    only: Annotated[
        Literal["all", "open", "ended"],
        QueryParameter(name="state", description="which orders", examples=[Example(value="open")]),
    ] = "all",
) -> dict[str, Any]:
    """Return a page of orders, and what to ask for next."""
    require_digits(request, "before", "limit")
    service = service_of(request)
    is_open = None if only == "all" else only == "open"
    user = identity_of(request).user
    found = await service.store.orders(user, before=before, limit=limit, is_open=is_open)
    logs = await service.store.logs([order_id for _, order_id in found])
    # One may have been pruned between the two questions.
    views = [order_view(fold(logs[order_id])) for _, order_id in found if order_id in logs]
    is_last = len(found) < limit
    return {"orders": views, "before": None if is_last else found[-1][0]}


async def _own_log(request: AnyRequest, order_id: str) -> Sequence[StoredEvent]:
    """Return the log of one of the caller's orders, as it is stored.

    Another user's order is looked up as one that nobody has is, and neither is decoded, so that the
    time tells as little as the answer. Raises ``UnknownOrder``.
    """
    if _ORDER_ID.fullmatch(order_id) is None:
        raise UnknownOrder(order_id)
    log = await service_of(request).store.raw(order_id)
    if not log or log[0].user != identity_of(request).user:
        raise UnknownOrder(order_id)
    return log


def _folded(log: Sequence[StoredEvent]) -> OrderState:
    return fold([decode_event(event.body) for event in log])


@get("/orders/{order_id:str}", summary="Look at an order")
async def get_order(request: AnyRequest, order_id: OrderId) -> dict[str, Any]:
    """Return an order as it stands now."""
    return order_view(_folded(await _own_log(request, order_id)))


@get("/orders/{order_id:str}/events", summary="Read an order's log")
async def get_events(
    request: AnyRequest,
    order_id: OrderId,
    from_seq: Annotated[
        int, QueryParameter(description="inclusive", ge=1, le=10**9, examples=[Example(value=1)])
    ] = 1,
) -> Response[bytes]:
    """Return the log from ``from_seq`` on, each event as it was streamed."""
    require_digits(request, "from_seq")
    log = await _own_log(request, order_id)
    body = '{"events":[' + ",".join(event.body for event in log if event.seq >= from_seq) + "]}"
    return Response(body.encode(), media_type="application/json")


@delete("/orders/{order_id:str}", status_code=200, summary="Cancel an order")
async def cancel_order(request: AnyRequest, order_id: OrderId) -> dict[str, Any]:
    """Cancel the order, or note the wish if its transaction is out already."""
    await _own_log(request, order_id)
    state = await service_of(request).engine.cancel(order_id)
    return accepted_view(state) | {"cancel_requested": state.cancel_requested}


@post("/quote", status_code=200, summary="Ask what an order would get; nothing is executed")
async def quote(
    request: AnyRequest,
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
    data = await strict_body(request, QuoteRequest)
    order = data.to_order(uuid4().hex)
    return quote_view(await service_of(request).quote(order, data.strategy))


ORDERS = (execute, list_orders, get_order, get_events, cancel_order, quote)
"""The handlers."""
