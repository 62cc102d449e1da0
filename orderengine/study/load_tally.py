"""Keep count, for each order of a load run, of what its service said and when.

What the socket sent is kept apart from what was read from the log afterwards: only the first shows
whether the stream was whole.
"""

from __future__ import annotations

from collections import OrderedDict

import anyio

from orderengine.errors import InvariantViolated
from orderengine.model.events import Event

__all__ = ["OrderTally", "Tallies"]

_UNCLAIMED_MAX = 20_000


class OrderTally:
    """Count one order's messages. Times are seconds of the event loop's clock."""

    __slots__ = (
        "_from_socket",
        "_highest",
        "accepted_at",
        "duplicated",
        "ended",
        "ended_at",
        "events",
        "intended_at",
        "out_of_order",
    )

    def __init__(self) -> None:
        self.intended_at = 0.0
        """When the order was to be sent, however late it was."""
        self.accepted_at = 0.0
        self.ended_at: float | None = None
        """When the client learned of the end, from the socket or from the log."""
        self.ended = anyio.Event()
        self.events: dict[int, Event] = {}
        """By seq, from the socket and from the log."""
        self.duplicated = 0
        """Messages whose event the socket had sent before."""
        self.out_of_order = 0
        """Events that the socket sent after a later one of the same order."""
        self._from_socket: set[int] = set()
        self._highest = 0

    @property
    def next_seq(self) -> int:
        """The seq from which a broken socket resumes."""
        return self._highest + 1

    @property
    def is_whole(self) -> bool:
        """Whether all events from the first to the end are known."""
        return self.ended.is_set() and len(self.events) == max(self.events)

    @property
    def missing(self) -> int:
        """Events known of this order that the socket never sent."""
        known = max(self.events, default=0)
        return sum(seq not in self._from_socket for seq in range(1, known + 1))

    @property
    def log(self) -> list[Event]:
        """The events known, by seq."""
        return [self.events[seq] for seq in sorted(self.events)]

    def heard(self, event: Event, now: float) -> None:
        """Take an event from the socket."""
        if event.seq in self._from_socket:
            self.duplicated += 1
            return
        if event.seq < self._highest:
            self.out_of_order += 1
        self._from_socket.add(event.seq)
        self._highest = max(self._highest, event.seq)
        self.learned(event, now)

    def learned(self, event: Event, now: float) -> None:
        """Take an event from anywhere."""
        self.events.setdefault(event.seq, event)
        if event.status.is_terminal and self.ended_at is None:
            self.ended_at = now
            self.ended.set()


class Tallies:
    """Hold the tallies of a run.

    An order's first events may come before its receipt, so they wait unclaimed. Orders of the same
    user that somebody else submits stay unclaimed; the oldest are forgotten beyond 20,000.
    """

    def __init__(self) -> None:
        self.claimed: dict[str, OrderTally] = {}
        self._unclaimed: OrderedDict[str, OrderTally] = OrderedDict()

    def heard(self, event: Event, now: float) -> None:
        """Take an event from a socket."""
        tally = self.claimed.get(event.order_id) or self._unclaimed.get(event.order_id)
        if tally is None:
            tally = self._unclaimed[event.order_id] = OrderTally()
            if len(self._unclaimed) > _UNCLAIMED_MAX:
                self._unclaimed.popitem(last=False)
        tally.heard(event, now)

    def claim(self, order_id: str, intended_at: float, now: float) -> OrderTally:
        """Return the tally of an order that was accepted now.

        Raises:
            InvariantViolated: another order of this run has the same id.
        """
        if order_id in self.claimed:
            raise InvariantViolated(f"the service gave the id {order_id} to two orders")
        tally = self._unclaimed.pop(order_id, None) or OrderTally()
        tally.intended_at, tally.accepted_at = intended_at, now
        self.claimed[order_id] = tally
        return tally
