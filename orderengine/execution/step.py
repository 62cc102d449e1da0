"""Decide the next step of an order from its state and the time, and nothing else.

A crash, a duplicate wake-up and a restart are the same case: fold the log, ask ``next_step``, go
on.
"""

from __future__ import annotations

from msgspec import Struct

from orderengine.model.events import Cancelled, Expired, Status, Submitted
from orderengine.model.lifecycle import OrderState
from orderengine.model.order import Route

__all__ = [
    "AskQuotes",
    "Build",
    "Claim",
    "Done",
    "End",
    "Pause",
    "Requote",
    "Settle",
    "Step",
    "next_step",
]


class Done(Struct, frozen=True):
    """The order has ended."""


class Claim(Struct, frozen=True):
    """Note that a worker has taken the order up."""


class AskQuotes(Struct, frozen=True):
    """Ask every venue and choose a route."""

    attempt: int


class Requote(Struct, frozen=True):
    """Drop the route at hand."""

    reason: str


class Build(Struct, frozen=True):
    """Sign the route, store it, send it."""

    attempt: int
    route: Route


class Settle(Struct, frozen=True):
    """Wait for the fate of the transaction that is out."""

    submitted: Submitted


class Pause(Struct, frozen=True):
    """Do nothing before this instant."""

    until_ns: int


class End(Struct, frozen=True):
    """End the order with this event."""

    event: type[Cancelled | Expired]


Step = Done | Claim | AskQuotes | Requote | Build | Settle | Pause | End

_DONE, _CLAIM = Done(), Claim()
_CANCEL, _EXPIRE = End(Cancelled), End(Expired)


def next_step(state: OrderState, now_ns: int, route_age_ns_max: int) -> Step:
    """Return what to do next.

    Args:
        state: the fold of the order's log.
        now_ns: the date, nanoseconds since the Unix epoch.
        route_age_ns_max: an older route is not signed any more.
    """
    if state.status.is_terminal:
        return _DONE
    if state.submitted is not None:
        return Settle(state.submitted)
    if state.cancel_requested:
        return _CANCEL
    deadline_ns = state.order.deadline_ns
    if deadline_ns is not None and now_ns >= deadline_ns:
        return _EXPIRE
    if state.status in (Status.PENDING, Status.WAITING):
        return _CLAIM
    if state.retry_at_ns > now_ns:
        until_ns = state.retry_at_ns
        return Pause(until_ns if deadline_ns is None else min(until_ns, deadline_ns))
    if state.status is Status.BUILDING and state.route is not None:
        if now_ns - state.routed_at_ns > route_age_ns_max:
            return Requote(f"the route is older than {route_age_ns_max / 1e6:g} ms")
        return Build(state.attempts + 1, state.route)
    return AskQuotes(state.attempts + 1)
