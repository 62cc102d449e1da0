"""Write requests and read answers as the service's HTTP interface has them."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from orderengine.errors import InvalidData
from orderengine.model.events import Event, Status
from orderengine.model.instants import rfc3339
from orderengine.model.order import Mode, Order
from orderengine.model.wire import decode_event

__all__ = ["Connected", "OrderView", "Page", "Receipt", "body_of", "events_of", "read", "view_of"]

_T = TypeVar("_T")


class Receipt(Struct, frozen=True, kw_only=True):
    """Say that an order is accepted: durable, and readable from now on under its id."""

    order_id: str
    """The service's own; the id of the ``Order`` that was submitted is not sent."""
    status: Status
    seq: int
    """The number of the order's last event so far."""


class OrderView(Struct, frozen=True, kw_only=True):
    """Hold where an order is."""

    order_id: str
    status: Status
    seq: int
    """The number of the order's last event so far."""
    cancel_requested: bool = False
    """Whether a cancellation came while a transaction was out."""
    details: dict[str, Any] = {}
    """The whole answer, as plain JSON values."""


class Connected(Struct, frozen=True, kw_only=True):
    """Say that a socket is open and events come from now.

    Where ``times`` is above 1, events may be missing from before this moment.
    """

    times: int
    """1 for the first connection, 2 for the first time again."""


class Page(Struct, frozen=True, kw_only=True):
    """Hold one page of orders, newest first; ``before`` asks for the next, None after the last."""

    orders: list[dict[str, Any]]
    before: int | None = None


class _Events(Struct):
    events: list[msgspec.Raw]


def body_of(order: Order) -> dict[str, object]:
    """Return the request body of an order; its id and user are the service's to say."""
    body: dict[str, object] = {
        "sell": order.sell,
        "buy": order.buy,
        "amount": str(order.amount),
        "slippage_bps": order.slippage_bps,
        "priority": order.priority,
    }
    if order.mode is not Mode.EXACT_IN:
        body["mode"] = order.mode
    if order.deadline_ns is not None:
        body["deadline"] = rfc3339(order.deadline_ns)
    return body


def read(answer: bytes, kind: type[_T]) -> _T:
    """Return an answer's body.

    Raises:
        InvalidData: it is not what the interface promises; trying again does not help.
    """
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidData("the service's answer", str(error), f"a {kind.__name__}") from error


def view_of(found: dict[str, Any]) -> OrderView:
    """Return an order object with all it holds.

    Raises:
        InvalidData: it has no id, status or seq.
    """
    names = ("order_id", "status", "seq", "cancel_requested")
    known = {name: found[name] for name in names if name in found}
    try:
        return msgspec.convert({**known, "details": found}, OrderView)
    except msgspec.ValidationError as error:
        raise InvalidData("the service's answer", str(error), "an order") from error


def events_of(answer: bytes) -> list[Event]:
    """Return the events of an answer, in its order.

    Raises:
        InvalidData: an event that is not well formed.
    """
    return [decode_event(bytes(raw)) for raw in read(answer, _Events).events]
