"""Decide what may happen to an order, in one table, and fold events into its state.

Theory of operation. An order's status changes only by an event, and only as ``TRANSITIONS`` says:
a pair of status and event type that is not in the table is refused, and refusing changes nothing.
Between ``submitted`` and the end of that attempt a signature is out and may land, so nothing but
the outcome of the attempt may end the order there: a cancellation is only noted, and a deadline
only keeps the next attempt from starting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from orderengine.errors import IllegalEvent, InvariantViolated
from orderengine.model.events import (
    Accepted,
    AnyEvent,
    AttemptFailed,
    CancelRequested,
    Confirmed,
    Event,
    Failed,
    Routed,
    Status,
    Submitted,
)
from orderengine.model.order import Order, Route

__all__ = ["EVENT_TYPES", "TRANSITIONS", "OrderState", "apply", "fold", "status_after"]

TRANSITIONS: dict[tuple[Status | None, str], Status] = {
    (None, "accepted"): Status.PENDING,
    (Status.PENDING, "waiting"): Status.WAITING,
    (Status.PENDING, "claimed"): Status.ROUTING,
    (Status.PENDING, "cancelled"): Status.CANCELLED,
    (Status.PENDING, "expired"): Status.EXPIRED,
    (Status.PENDING, "failed"): Status.FAILED,  # an order that crashes every worker is given up
    (Status.WAITING, "claimed"): Status.ROUTING,  # the trigger is met
    (Status.WAITING, "cancelled"): Status.CANCELLED,
    (Status.WAITING, "expired"): Status.EXPIRED,
    (Status.WAITING, "failed"): Status.FAILED,
    (Status.ROUTING, "routed"): Status.BUILDING,
    (Status.ROUTING, "requoting"): Status.ROUTING,  # a second worker takes over while quoting
    (Status.ROUTING, "attempt_failed"): Status.ROUTING,  # no usable quote; another round follows
    (Status.ROUTING, "failed"): Status.FAILED,
    (Status.ROUTING, "cancelled"): Status.CANCELLED,
    (Status.ROUTING, "expired"): Status.EXPIRED,
    (Status.BUILDING, "submitted"): Status.SUBMITTED,
    (Status.BUILDING, "requoting"): Status.ROUTING,  # the quote went stale before it was signed
    (Status.BUILDING, "attempt_failed"): Status.ROUTING,  # it could not be built or signed
    (Status.BUILDING, "failed"): Status.FAILED,
    (Status.BUILDING, "cancelled"): Status.CANCELLED,
    (Status.BUILDING, "expired"): Status.EXPIRED,
    (Status.SUBMITTED, "confirmed"): Status.CONFIRMED,
    (
        Status.SUBMITTED,
        "attempt_failed",
    ): Status.ROUTING,  # proven dead; cancel or expiry next
    (Status.SUBMITTED, "failed"): Status.FAILED,  # proven dead and no attempt is left
    (Status.SUBMITTED, "cancel_requested"): Status.SUBMITTED,  # too late to promise anything
}

_TAGS: dict[type[Event], str] = {
    kind: str(kind.__struct_config__.tag)
    for kind in AnyEvent.__args__  # in the order of the union
}

EVENT_TYPES: tuple[str, ...] = tuple(_TAGS.values())


class OrderState(Struct, frozen=True, kw_only=True, gc=False):
    """Hold all that the next step depends on: the fold of an order's events."""

    order: Order
    status: Status
    seq: int
    """The number of the last event."""
    accepted_at_ns: int
    attempts: int = 0
    """Attempts that are over."""
    retry_at_ns: int = 0
    cancel_requested: bool = False
    routed_at_ns: int = 0
    route: Route | None = None
    submitted: Submitted | None = None
    """The transaction that is out, else None."""
    network_fees: int = 0
    """Lamports paid so far, for fills and for transactions that landed and failed."""
    outcome: Confirmed | Failed | None = None

    @property
    def order_id(self) -> str:
        """The order's id."""
        return self.order.order_id

    @property
    def is_terminal(self) -> bool:
        """Whether the order has ended."""
        return self.status.is_terminal


def status_after(order_id: str, status: Status | None, kind: type[Event]) -> Status:
    """Return the status that an event of this type leads to.

    Raises:
        IllegalEvent: the table has no such transition.
    """
    try:
        return TRANSITIONS[status, _TAGS[kind]]
    except KeyError:
        raise IllegalEvent(order_id, str(status), _TAGS[kind]) from None


def apply(state: OrderState | None, event: Event) -> OrderState:
    """Return the state after one more event; the old state stays as it was.

    Raises:
        IllegalEvent: the table does not allow the event, or says another status after it.
        InvariantViolated: the event is another order's, or its number leaves a gap.
    """
    kind = type(event)
    before = None if state is None else state.status
    if TRANSITIONS.get((before, _TAGS[kind])) is not event.status:
        status_after(event.order_id, before, kind)
        raise IllegalEvent(event.order_id, str(event.status), _TAGS[kind])
    if state is None:
        return _begin(event)
    if event.order_id != state.order.order_id or event.seq != state.seq + 1:
        raise InvariantViolated(
            f"expected event {state.seq + 1} of order {state.order.order_id}, "
            f"found event {event.seq} of order {event.order_id}"
        )
    return _AFTER.get(kind, _plain)(state, event)


def _plain(state: OrderState, event: Event) -> OrderState:
    return replace(state, status=event.status, seq=event.seq, route=None)


def _routed(state: OrderState, event: Routed) -> OrderState:
    return replace(
        state, status=event.status, seq=event.seq, route=event.route, routed_at_ns=event.at_ns
    )


def _submitted(state: OrderState, event: Submitted) -> OrderState:
    return replace(state, status=event.status, seq=event.seq, submitted=event)


def _attempt_failed(state: OrderState, event: AttemptFailed) -> OrderState:
    return replace(
        state,
        status=event.status,
        seq=event.seq,
        attempts=state.attempts + 1,
        retry_at_ns=event.retry_at_ns,
        route=None,
        submitted=None,
        network_fees=state.network_fees + event.network_fee,
    )


def _cancel_requested(state: OrderState, event: CancelRequested) -> OrderState:
    return replace(state, seq=event.seq, cancel_requested=True)


def _settled(state: OrderState, event: Confirmed | Failed) -> OrderState:
    return replace(
        state,
        status=event.status,
        seq=event.seq,
        submitted=None,
        attempts=state.attempts + 1,
        network_fees=state.network_fees + event.network_fee,
        outcome=event,
    )


_AFTER: dict[type[Event], Callable[[OrderState, Any], OrderState]] = {
    Routed: _routed,
    Submitted: _submitted,
    AttemptFailed: _attempt_failed,
    CancelRequested: _cancel_requested,
    Confirmed: _settled,
    Failed: _settled,
}
"""How an event changes the state, where it changes more than status and number."""


def _begin(event: Event) -> OrderState:
    if not isinstance(event, Accepted) or event.seq != 1:
        raise InvariantViolated(f"order {event.order_id}: the first event must be accepted, seq 1")
    if event.order_id != event.order.order_id:
        raise InvariantViolated(f"order {event.order_id}: accepted another order's body")
    return OrderState(order=event.order, status=event.status, seq=1, accepted_at_ns=event.at_ns)


def fold(events: Iterable[Event]) -> OrderState:
    """Return the state of an order from its whole log.

    Raises:
        InvariantViolated: the log is empty, has a gap, or holds an event that is not allowed.
    """
    state: OrderState | None = None
    for event in events:
        state = apply(state, event)
    if state is None:
        raise InvariantViolated("an order without events does not exist")
    return state
