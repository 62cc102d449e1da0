"""Say what must never happen, as it happens and at the end, with the invariant's number.

The judge keeps books of its own: what was stored and when by the true clock, who holds which lease,
what users were answered. It believes neither the engine's state nor the store's checks. ``CHECKED``
names the invariants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct, field

from orderengine import virtualtime
from orderengine.errors import InvariantViolated, OrderEngineError
from orderengine.execution.ports import Landed, Lease, Signed
from orderengine.model.events import (
    Accepted,
    Cancelled,
    CancelRequested,
    Confirmed,
    Event,
    Expired,
    Failed,
    Status,
)
from orderengine.model.events import Submitted as SubmittedEvent
from orderengine.model.lifecycle import OrderState, fold
from tests.chaos.virtual.chain import START_NS, Fates
from tests.chaos.virtual.items import Place

__all__ = ["CHECKED", "Judge", "Reading", "Wish"]

CHECKED = {
    "I1": "an accepted order is readable",
    "I2": "every order ends, once the faults are over",
    "I3": "nothing follows a terminal event",
    "I4": "only transitions of the table happen",
    "I5": "one transaction of an order lands",
    "I6": "one signature of an order is live",
    "I7": "confirmed if and only if landed",
    "I8": "no end while a signature is live",
    "I9": "no token is made or lost, and the log's fills are the chain's",
    "I10": "fills keep the signed limits",
    "I12": "a fill never exceeds the order",
    "I13": "a cancellation's answer stays true",
    "I14": "a key makes one order",
    "I16": "logs count from 1, are only added to, and fold to what was answered",
    "I17": "a reader gets every event once, in turn",
    "I20": "an old fence writes nothing, and only stored bytes are sent",
    "I21": "wake-ups that come twice, late or never change no result (by all the others)",
    "I22": "wake-ups that are wiped lose no order (by I2)",
    "I24": "deadlines hold, whatever the wall clock does",
    "I31": "looking for lost orders again adds nothing",
    "own": "no part of a process fails",
}


_TICK_NS = 100_000_000
"""How long after its deadline an order expires at the latest."""
_CALM_NS = 4_000_000_000
"""Who dies so long before a deadline does not delay it."""


class Wish(Struct):
    """Hold what a user asked for under one number of the plan, and was answered."""

    place: Place
    bodies: dict[str, str] = field(default_factory=dict)
    """Of each order id that was offered, the hash of its request."""
    answers: list[tuple[str, str, OrderState]] = field(default_factory=list)
    """The id offered, the request's hash, the state that was returned."""
    refusals: list[str] = field(default_factory=list)
    """Hashes of requests that were refused, for their key had been used."""
    cancels: list[tuple[str, OrderState]] = field(default_factory=list)
    """The order's id, and what cancelling it was answered with."""


class Reading(Struct):
    """Hold what one reader got."""

    order_id: str = ""
    events: list[Event] = field(default_factory=list)
    connections: int = 0
    is_over: bool = False


class _Held(Struct):
    fence: int = 0
    until_ns: int = 0


class Judge:
    """Collect violations: each one line.

    Args:
        lease_ns: how long a lease holds.
        stop: called at the first violation that was seen as it happened.
    """

    def __init__(self, lease_ns: int, stop: Callable[[], None]) -> None:
        self._lease_ns = lease_ns
        self._stop = stop
        self.fates: Fates
        self.violations: list[str] = []
        self.logs: dict[str, list[Event]] = {}
        self.stored_ns: dict[str, list[int]] = {}
        """When each event was stored, in virtual time."""
        self.open: set[str] = set()
        self._held: dict[str, _Held] = {}
        self.skew_ns: Callable[[], int] = lambda: 0

    def violate(self, invariant: str, order_id: str, said: str) -> None:
        """Note what must not happen, and end the run."""
        self.violations.append(f"{invariant} {order_id}: {said}")
        self._stop()

    # As it happens

    def appended(self, event: Event, fence: int | None) -> None:
        """Check an event that was stored just now."""
        order_id, now_ns = event.order_id, virtualtime.now_ns()
        log = self.logs.setdefault(order_id, [])
        if log and log[-1].status.is_terminal:
            self.violate("I3", order_id, f"{type(event).__name__} follows {log[-1].status}")
        if event.seq != len(log) + 1:
            self.violate("I16", order_id, f"event {event.seq} is stored after {len(log)}")
        if fence is not None and fence != self._held.get(order_id, _Held()).fence:
            newest = self._held.get(order_id, _Held()).fence
            self.violate("I20", order_id, f"fence {fence} writes while {newest} is the newest")
        log.append(event)
        self.stored_ns.setdefault(order_id, []).append(now_ns)
        if event.status.is_terminal:
            self.open.discard(order_id)
            self._ended(event)
        else:
            self.open.add(order_id)
        if isinstance(event, SubmittedEvent):
            self._keeps_deadline(event, now_ns)
            if any(isinstance(earlier, CancelRequested) for earlier in log):
                said = f"attempt {event.attempt} begins after the user's cancellation was noted"
                self.violate("I13", order_id, said)

    def _ended(self, event: Event) -> None:
        """Check that nothing can land any more of an order that ends otherwise."""
        order_id = event.order_id
        if not isinstance(event, Confirmed):
            invariant = "I24" if isinstance(event, Expired) else "I8"
            for signature in self._signatures(order_id):
                if self.fates.is_live(signature):
                    said = f"{event.status} while {signature} is live"
                    self.violate(invariant, order_id, said)
        if isinstance(event, Expired):
            deadline_ns, now_ns = self._deadline_ns(order_id), virtualtime.now_ns()
            if deadline_ns is None or now_ns < deadline_ns - self.skew_ns():
                self.violate("I24", order_id, f"expired at {now_ns / 1e9:.3f} s, too early")

    def _keeps_deadline(self, event: SubmittedEvent, now_ns: int) -> None:
        deadline_ns, at_ns = self._deadline_ns(event.order_id), event.at_ns - START_NS
        if deadline_ns is not None and at_ns >= deadline_ns + self.skew_ns():
            said = f"attempt {event.attempt} begins {(at_ns - deadline_ns) / 1e6:.0f} ms too late"
            self.violate("I24", event.order_id, said)
        if at_ns > now_ns + self.skew_ns():
            self.violate("I24", event.order_id, "an event is dated after it was stored")

    def _deadline_ns(self, order_id: str) -> int | None:
        accepted = self.logs[order_id][0]
        if not isinstance(accepted, Accepted) or accepted.order.deadline_ns is None:
            return None
        return accepted.order.deadline_ns - START_NS

    def _signatures(self, order_id: str) -> list[str]:
        log = self.logs[order_id]
        return [event.signature for event in log if isinstance(event, SubmittedEvent)]

    def announced(self, event: SubmittedEvent, signed: Signed | None) -> None:
        """Check a signature that was stored just now."""
        if signed is None or signed.signature != event.signature:
            self.violate("I20", event.order_id, "submitted is stored without its bytes")
        else:
            self.fates.stored(signed)

    def claimed(self, order_id: str, lease: Lease) -> None:
        """Check a lease that was given out just now."""
        held, now_ns = self._held.setdefault(order_id, _Held()), virtualtime.now_ns()
        if held.until_ns > now_ns:
            self.violate("I20", order_id, f"leased again while fence {held.fence} holds it")
        if lease.fence <= held.fence:
            self.violate("I20", order_id, f"fence {lease.fence} comes after {held.fence}")
        if order_id not in self.open:
            self.violate("I3", order_id, "leased after its end")
        held.fence, held.until_ns = lease.fence, now_ns + self._lease_ns

    def renewed(self, order_id: str, fence: int) -> None:
        """Take note of a lease that holds longer."""
        held = self._held.get(order_id)
        if held is not None and held.fence == fence and held.until_ns > 0:
            held.until_ns = virtualtime.now_ns() + self._lease_ns

    def released(self, order_id: str, fence: int) -> None:
        """Take note of a lease that was given back."""
        held = self._held.get(order_id)
        if held is not None and held.fence == fence:
            held.until_ns = 0

    # At the end

    def check_logs(self, stored: Sequence[Sequence[Event]]) -> None:
        """Check the store's logs against what was stored in them, and against the chain."""
        found = {log[0].order_id: list(log) for log in stored}
        for order_id, log in self.logs.items():
            if found.get(order_id) != log:
                self.violate("I16", order_id, "its log is not what was stored")
            seqs = [event.seq for event in log]
            if seqs != list(range(1, len(log) + 1)):
                self.violate("I16", order_id, f"its events are numbered {seqs}")
            try:
                state = fold(log)
            except InvariantViolated as error:
                self.violate("I4", order_id, str(error))
                continue
            ends = [event for event in log if event.status.is_terminal]
            if len(ends) > 1:
                self.violate("I3", order_id, f"it ended {len(ends)} times")
            if not ends:
                self.violate("I2", order_id, f"it is still {state.status}")
            self._check_fill(order_id, state, self.fates.fills(order_id))

    def _check_fill(
        self, order_id: str, state: OrderState, fills: Sequence[tuple[str, Landed]]
    ) -> None:
        if len(fills) > 1:
            self.violate("I5", order_id, f"{[signature for signature, _ in fills]} landed")
        end = self.logs[order_id][-1]
        if isinstance(end, Confirmed) != bool(fills) and end.status.is_terminal:
            landed = "a transaction landed" if fills else "nothing landed"
            self.violate("I7", order_id, f"it is {end.status}, and {landed}")
        if not isinstance(end, Confirmed) or not fills:
            return
        signature, fill = fills[0]
        told = (end.signature, end.amount_in, end.amount_out, end.fee_in, end.network_fee)
        true = (signature, fill.amount_in, fill.amount_out, fill.fee_in, fill.network_fee)
        if told != true:
            self.violate("I9", order_id, f"the log says {told}, the chain {true}")
        submitted = next(
            event
            for event in self.logs[order_id]
            if isinstance(event, SubmittedEvent) and event.signature == end.signature
        )
        if end.amount_out < submitted.amount_out_min or end.amount_in > submitted.amount_in_max:
            self.violate("I10", order_id, "its fill breaks the limits that were signed")
        if end.amount_in > state.order.amount:
            self.violate("I12", order_id, f"{end.amount_in} of {state.order.amount} were sold")

    def check_expiries(self, disturbed: Sequence[tuple[int, int]]) -> int:
        """Check that orders expired on time where nothing hindered that; return how many did."""
        count = 0
        for order_id, log in self.logs.items():
            if not isinstance(log[-1], Expired) or self.skew_ns():
                continue
            *_, before_ns, ended_ns = self.stored_ns[order_id]
            due_ns = max(self._deadline_ns(order_id) or 0, before_ns)
            if all(
                until_ns < due_ns - _CALM_NS or from_ns > due_ns + _TICK_NS
                for from_ns, until_ns in disturbed
            ):
                count += 1
                if ended_ns > due_ns + _TICK_NS:
                    late_ms = (ended_ns - due_ns) / 1e6
                    self.violate("I24", order_id, f"expired {late_ms:.0f} ms late")
        return count

    def check_wishes(self, wishes: Sequence[Wish]) -> None:
        """Check what users were answered against what became of their orders."""
        made: dict[tuple[str, str], set[str]] = {}
        for wish in wishes:
            user, key = wish.place.user, wish.place.key
            if key:
                made.setdefault((user, key), set()).update(wish.bodies.keys() & self.logs.keys())
            for order_id, body, state in wish.answers:
                self._check_answer(user, order_id, body, state, key)
            self._check_cancels(wish)
        for (user, key), order_ids in made.items():
            if len(order_ids) > 1:
                self.violate("I14", min(order_ids), f"{user}'s {key} made {sorted(order_ids)}")
        for wish in wishes:
            user, key = wish.place.user, wish.place.key
            for body in wish.refusals:
                others = {
                    other.bodies[order_id]
                    for other in wishes
                    if (other.place.user, other.place.key) == (user, key)
                    for order_id in other.bodies.keys() & self.logs.keys()
                }
                if others <= {body}:
                    self.violate("I14", f"o{wish.place.order}", f"{key} was refused for no reason")

    def _check_answer(
        self, user: str, order_id: str, body: str, state: OrderState, key: str
    ) -> None:
        log = self.logs.get(state.order_id)
        if log is None:
            self.violate("I1", state.order_id, "it was accepted and is not there")
            return
        if not key and state.order_id != order_id:
            self.violate("I14", order_id, f"without a key, {state.order_id} was answered")
        if state.order.user != user:
            self.violate("I14", order_id, f"{state.order_id} of another user was answered")
        if body != body_of(state):
            self.violate("I14", order_id, f"{state.order_id}, another order, was answered")
        if fold(log[: state.seq]) != state:
            self.violate("I16", state.order_id, f"the state answered is not that of {state.seq}")

    def _check_cancels(self, wish: Wish) -> None:
        ends: dict[str, Status] = {}
        for order_id, answer in wish.cancels:
            log = self.logs.get(order_id)
            if log is None:
                self.violate("I1", order_id, "it was cancelled and is not there")
                continue
            end = log[-1]
            if answer.is_terminal and end.status is not answer.status:
                said = f"cancelling was answered {answer.status}, it is {end.status}"
                self.violate("I13", order_id, said)
            if ends.setdefault(order_id, answer.status) is not answer.status and (
                ends[order_id].is_terminal
            ):
                self.violate("I13", order_id, "cancelling again was answered otherwise")
            if not answer.is_terminal and not answer.cancel_requested:
                self.violate("I13", order_id, "cancelling changed nothing")
            if not answer.is_terminal and not isinstance(end, Confirmed | Cancelled | Failed):
                self.violate("I13", order_id, f"the wish was noted, it is {end.status}")
            if isinstance(end, Failed) and not answer.is_terminal and end.code != "GIVEN_UP":
                self.violate("I13", order_id, "the wish was noted, it failed")

    def check_readings(self, readings: Sequence[Reading]) -> None:
        """Check that each reader got one log, whole."""
        for reading in readings:
            if reading.order_id and reading.events != self.logs.get(reading.order_id):
                seqs = [event.seq for event in reading.events]
                self.violate("I17", reading.order_id, f"a reader got events {seqs}")

    def crashed(self, who: str, error: BaseException) -> None:
        """Note that a part of a process failed, or met an error that it did not expect."""
        code = error.code if isinstance(error, OrderEngineError) else type(error).__name__
        self.violate("own", who, f"{code}: {error}"[:300])


def body_of(state: OrderState) -> str:
    """Return what stands for the request that made an order."""
    order = state.order
    return f"{order.amount}/{order.deadline_ns}/{order.priority}"
