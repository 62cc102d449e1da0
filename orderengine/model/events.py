"""Write down what happened to an order: one frozen struct an event type.

An order is its events. They are never edited; the order's state is their fold
(``model.lifecycle``). ``seq`` counts from 1 without gaps. Accepted, routed and terminal events
carry ``reference_price_x64``, the outside price at that moment, so that execution cost can be
computed from the log alone: base units of ``buy`` for one base unit of ``sell``, times 2^64,
rounded down.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from orderengine.model.amounts import Amount
from orderengine.model.instants import Instant
from orderengine.model.order import Declined, Order, Quote, Route

__all__ = [
    "Accepted",
    "AnyEvent",
    "AttemptFailed",
    "CancelRequested",
    "Cancelled",
    "Claimed",
    "Confirmed",
    "Event",
    "Expired",
    "Failed",
    "Requoting",
    "Routed",
    "Status",
    "Submitted",
    "Waiting",
]


class Status(StrEnum):
    """Say where an order is in its life; the last four are final."""

    PENDING = "pending"
    WAITING = "waiting"
    ROUTING = "routing"
    BUILDING = "building"
    SUBMITTED = "submitted"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    is_terminal: bool
    """Whether no event can follow."""

    def __init__(self, name: str) -> None:
        self.is_terminal = name in {"confirmed", "failed", "cancelled", "expired"}


class Event(Struct, frozen=True, kw_only=True, gc=False, tag_field="type"):
    """Be what every event has; use the classes below."""

    order_id: str
    seq: int
    status: Status
    """The status after this event; each type has one."""
    at_ns: Instant


class Accepted(Event, frozen=True, kw_only=True, gc=False, tag="accepted"):
    """The order is durable and will end exactly once."""

    status: Status = Status.PENDING
    order: Order
    reference_price_x64: Amount


class Waiting(Event, frozen=True, kw_only=True, gc=False, tag="waiting"):
    """The order's trigger is not met yet."""

    status: Status = Status.WAITING
    trigger: str


class Claimed(Event, frozen=True, kw_only=True, gc=False, tag="claimed"):
    """A worker has taken the order up."""

    status: Status = Status.ROUTING
    worker: str


class Requoting(Event, frozen=True, kw_only=True, gc=False, tag="requoting"):
    """The route at hand is not used; new quotes are asked for."""

    status: Status = Status.ROUTING
    reason: str


class Routed(Event, frozen=True, kw_only=True, gc=False, tag="routed"):
    """The venues answered and a route was chosen."""

    status: Status = Status.BUILDING
    attempt: int
    route: Route
    quotes: tuple[Quote, ...]
    """Every usable quote, the winners' among them, in the order the venues are listed."""
    declined: tuple[Declined, ...]
    """Every pool that did not win, and why."""
    reference_price_x64: Amount


class Submitted(Event, frozen=True, kw_only=True, gc=False, tag="submitted"):
    """A signed transaction is stored and about to be sent; from here it may land."""

    status: Status = Status.SUBMITTED
    attempt: int
    signature: str
    last_valid_height: int
    """The block height after which the transaction can land no more."""
    amount_in_max: Amount
    amount_out_min: Amount
    network_fee: Amount
    """Lamports that the transaction costs if it lands, succeeded or not."""


class AttemptFailed(Event, frozen=True, kw_only=True, gc=False, tag="attempt_failed"):
    """This attempt is over without a fill and another will follow."""

    status: Status = Status.ROUTING
    attempt: int
    code: str
    reason: str
    retry_at_ns: Instant
    """No new attempt starts before this instant."""
    network_fee: Amount = 0
    """Lamports paid for a transaction that landed and failed."""


class CancelRequested(Event, frozen=True, kw_only=True, gc=False, tag="cancel_requested"):
    """The user asked to cancel while a transaction was out."""

    status: Status = Status.SUBMITTED


class Confirmed(Event, frozen=True, kw_only=True, gc=False, tag="confirmed"):
    """The transaction landed and the order is filled."""

    status: Status = Status.CONFIRMED
    attempt: int
    signature: str
    slot: int
    landed_at_ns: Instant
    """When the slot that holds the transaction took effect."""
    amount_in: Amount
    amount_out: Amount
    fee_in: Amount
    fee_out: Amount
    network_fee: Amount
    reference_price_x64: Amount
    """The reference price when the transaction landed."""


class Failed(Event, frozen=True, kw_only=True, gc=False, tag="failed"):
    """The order ended without a fill, and no signature of it can land."""

    status: Status = Status.FAILED
    code: str
    reason: str
    reference_price_x64: Amount
    network_fee: Amount = 0


class Cancelled(Event, frozen=True, kw_only=True, gc=False, tag="cancelled"):
    """The user's cancellation won; no signature of the order can land."""

    status: Status = Status.CANCELLED
    reference_price_x64: Amount


class Expired(Event, frozen=True, kw_only=True, gc=False, tag="expired"):
    """The deadline passed with no signature out."""

    status: Status = Status.EXPIRED
    reference_price_x64: Amount


AnyEvent = (
    Accepted
    | Waiting
    | Claimed
    | Requoting
    | Routed
    | Submitted
    | AttemptFailed
    | CancelRequested
    | Confirmed
    | Failed
    | Cancelled
    | Expired
)
"""Any event, as a union that msgspec tells apart by its ``type``."""
