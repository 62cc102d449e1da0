"""Check every pair of status and event type, and the fold over random histories."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from orderengine.errors import IllegalEvent, InvariantViolated
from orderengine.model.events import (
    Accepted,
    AnyEvent,
    AttemptFailed,
    CancelRequested,
    Claimed,
    Confirmed,
    Event,
    Expired,
    Failed,
    Requoting,
    Routed,
    Status,
    Submitted,
    Waiting,
)
from orderengine.model.lifecycle import EVENT_TYPES, OrderState, apply, fold, status_after
from orderengine.model.order import Leg, Order, Route
from tests.strategies import EVENT_KINDS, events, events_after, kinds_after, logs, tag_of

# Written from the life that DESIGN tells, not from the table: a row an event type, a column
# a status before it (ended: any of the terminal ones), a dot where the pair is refused.
_EXPECTED = """
                 none     pending    waiting    routing    building   submitted  ended
accepted         pending  .          .          .          .          .          .
waiting          .        waiting    .          .          .          .          .
claimed          .        routing    routing    .          .          .          .
requoting        .        .          .          routing    routing    .          .
routed           .        .          .          building   .          .          .
submitted        .        .          .          .          submitted  .          .
attempt_failed   .        .          .          routing    routing    routing    .
cancel_requested .        .          .          .          .          submitted  .
confirmed        .        .          .          .          .          confirmed  .
failed           .        failed     failed     failed     failed     failed     .
cancelled        .        cancelled  cancelled  cancelled  cancelled  .          .
expired          .        expired    expired    expired    expired    .          .
"""
_ENDED = (Status.CONFIRMED, Status.FAILED, Status.CANCELLED, Status.EXPIRED)


def _expectations() -> dict[tuple[Status | None, str], Status | None]:
    head, *lines = _EXPECTED.strip().splitlines()
    table: dict[tuple[Status | None, str], Status | None] = {}
    for line in lines:
        tag, *cells = line.split()
        for column, cell in zip(head.split(), cells, strict=True):
            befores = {"none": (None,), "ended": _ENDED}.get(column) or (Status(column),)
            for before in befores:
                table[before, tag] = None if cell == "." else Status(cell)
    return table


_TABLE = _expectations()
_STATUSES = (None, *Status)

_ORDER = Order(order_id="o", sell="SOL", buy="USDC", amount=1_000)
_ROUTE = Route(
    legs=(Leg(pool="p", venue="v", sell="SOL", buy="USDC", amount_in=1_000, amount_out=150),),
    amount_in=1_000,
    amount_out=150,
)


def _event(kind: type[Event], seq: int, status: Status, at_ns: int = 0) -> Event:
    fields: dict[type[Event], dict[str, object]] = {
        Accepted: {"order": _ORDER},
        Waiting: {"trigger": "price"},
        Claimed: {"worker": "w"},
        Requoting: {"reason": "r"},
        Routed: {"attempt": 1, "route": _ROUTE, "quotes": (), "declined": ()},
        Submitted: {
            "attempt": 1,
            "signature": "s",
            "last_valid_height": 9,
            "amount_in_max": 1_000,
            "amount_out_min": 149,
            "network_fee": 5,
        },
        AttemptFailed: {
            "attempt": 1,
            "code": "C",
            "reason": "r",
            "retry_at_ns": 77,
            "network_fee": 5,
        },
        Confirmed: {
            "attempt": 1,
            "signature": "s",
            "slot": 3,
            "landed_at_ns": 4,
            "amount_in": 1_000,
            "amount_out": 150,
            "fee_in": 1,
            "fee_out": 0,
            "network_fee": 5,
        },
        Failed: {"code": "C", "reason": "r", "network_fee": 7},
    }
    priced = "reference_price_x64" in kind.__struct_fields__
    extra = {"reference_price_x64": 2**64} if priced else {}
    return kind(order_id="o", seq=seq, status=status, at_ns=at_ns, **fields.get(kind, {}), **extra)


_PATHS: dict[Status, tuple[tuple[type[Event], Status], ...]] = {}
_PATHS[Status.PENDING] = ((Accepted, Status.PENDING),)
_PATHS[Status.WAITING] = (*_PATHS[Status.PENDING], (Waiting, Status.WAITING))
_PATHS[Status.ROUTING] = (*_PATHS[Status.WAITING], (Claimed, Status.ROUTING))
_PATHS[Status.BUILDING] = (*_PATHS[Status.ROUTING], (Routed, Status.BUILDING))
_PATHS[Status.SUBMITTED] = (*_PATHS[Status.BUILDING], (Submitted, Status.SUBMITTED))


def _state_in(status: Status | None) -> OrderState | None:
    """Return a state in a status, reached by events."""
    if status is None:
        return None
    if status in _PATHS:
        path = _PATHS[status]
    elif status is Status.CONFIRMED:
        path = (*_PATHS[Status.SUBMITTED], (Confirmed, status))
    else:
        kind = next(kind for kind in EVENT_KINDS if tag_of(kind) == status)
        path = (*_PATHS[Status.ROUTING], (kind, status))
    return fold(_event(kind, seq, after) for seq, (kind, after) in enumerate(path, 1))


def test_the_expectation_covers_the_whole_cross_product() -> None:
    """No status and no event type can be added without a decision here."""
    assert set(_TABLE) == set(product(_STATUSES, EVENT_TYPES))
    assert tuple(tag_of(kind) for kind in EVENT_KINDS) == EVENT_TYPES
    assert AnyEvent.__args__ == EVENT_KINDS


@pytest.mark.parametrize("kind", EVENT_KINDS, ids=tag_of)
@pytest.mark.parametrize("before", _STATUSES, ids=str)
def test_every_pair_is_decided(before: Status | None, kind: type[Event]) -> None:
    """A pair leads where the expectation says, or is refused and changes nothing."""
    expected = _TABLE[before, tag_of(kind)]
    state = _state_in(before)
    copy = None if state is None else replace(state)
    seq = 1 if state is None else state.seq + 1
    if expected is not None:
        assert status_after("o", before, kind) is expected
        after = apply(state, _event(kind, seq, expected))
        assert after.status is expected
        assert after.seq == seq
    else:
        with pytest.raises(IllegalEvent) as refused:
            status_after("o", before, kind)
        assert (refused.value.order_id, refused.value.event_type) == ("o", tag_of(kind))
        for claimed in Status:
            with pytest.raises(IllegalEvent):
                apply(state, _event(kind, seq, claimed))
    assert state == copy


def test_terminal_statuses_are_the_last_four() -> None:
    """Confirmed, failed, cancelled and expired are final, no other."""
    assert [status for status in Status if status.is_terminal] == list(Status)[-4:]
    assert [str(status) for status in Status][-4:] == [
        "confirmed",
        "failed",
        "cancelled",
        "expired",
    ]


@pytest.mark.parametrize("kind", EVENT_KINDS, ids=tag_of)
def test_an_event_that_names_another_status_is_refused(kind: type[Event]) -> None:
    """The status an event carries must be the one that the table gives."""
    for before, expected in ((b, e) for (b, tag), e in _TABLE.items() if tag == tag_of(kind) and e):
        state = _state_in(before)
        for wrong in Status:
            if wrong is not expected:
                with pytest.raises(IllegalEvent):
                    apply(state, _event(kind, 1 if state is None else state.seq + 1, wrong))


@pytest.mark.parametrize("seq", [1, 3, 4, 6], ids=["first", "repeat", "skip-back", "gap"])
def test_a_number_that_does_not_follow_is_refused(seq: int) -> None:
    """The log has no gap and no repeat."""
    state = _state_in(Status.BUILDING)
    assert state is not None
    assert state.seq == 4
    with pytest.raises(InvariantViolated, match="expected event 5 of order o, found event"):
        apply(state, _event(Submitted, seq, Status.SUBMITTED))


def test_another_orders_event_is_refused() -> None:
    """A log holds one order."""
    state = _state_in(Status.PENDING)
    stranger = replace(_event(Claimed, 2, Status.ROUTING), order_id="other")
    with pytest.raises(InvariantViolated, match="found event 2 of order other"):
        apply(state, stranger)


@pytest.mark.parametrize(
    "first",
    [
        replace(_event(Accepted, 1, Status.PENDING), seq=2),
        replace(_event(Accepted, 1, Status.PENDING), order_id="other"),
    ],
    ids=["not-number-one", "another-order's-body"],
)
def test_a_log_begins_with_its_own_acceptance(first: Event) -> None:
    """The first event is the order's own, number 1."""
    with pytest.raises(InvariantViolated):
        apply(None, first)


def test_an_empty_log_is_no_order() -> None:
    """Folding nothing raises."""
    with pytest.raises(InvariantViolated):
        fold([])


def test_the_fold_keeps_what_the_next_step_needs() -> None:
    """Route, transaction, attempts, wait and fees follow a life with one failed attempt."""
    life = [
        _event(Accepted, 1, Status.PENDING, 10),
        _event(Claimed, 2, Status.ROUTING, 20),
        _event(Routed, 3, Status.BUILDING, 30),
        _event(Submitted, 4, Status.SUBMITTED, 40),
        _event(CancelRequested, 5, Status.SUBMITTED, 50),
        _event(AttemptFailed, 6, Status.ROUTING, 60),
    ]
    submitted = fold(life[:4])
    assert submitted.submitted == life[3]
    assert submitted.route == _ROUTE
    assert submitted.routed_at_ns == 30
    assert (submitted.accepted_at_ns, submitted.attempts) == (10, 0)
    noted = fold(life[:5])
    assert noted.cancel_requested
    assert noted.submitted == life[3]
    over = fold(life)
    assert (over.route, over.submitted) == (None, None)
    assert (over.attempts, over.retry_at_ns, over.network_fees) == (1, 77, 5)
    assert over.cancel_requested


def test_a_requote_drops_the_route_and_counts_no_attempt() -> None:
    """Quoting anew is not a failed attempt."""
    state = _state_in(Status.BUILDING)
    assert state is not None
    after = apply(state, _event(Requoting, 5, Status.ROUTING))
    assert (after.route, after.attempts) == (None, 0)


@pytest.mark.parametrize(
    ("kind", "status", "fees"), [(Confirmed, Status.CONFIRMED, 5), (Failed, Status.FAILED, 7)]
)
def test_the_outcome_is_kept_and_paid(kind: type[Event], status: Status, fees: int) -> None:
    """The last attempt counts, its fee is paid, and no transaction is out any more."""
    event = _event(kind, 6, status)
    end = apply(_state_in(Status.SUBMITTED), event)
    assert end.outcome == event
    assert (end.submitted, end.attempts, end.network_fees) == (None, 1, fees)
    assert end.is_terminal


@given(logs())
def test_fold_is_incremental_apply(log: list[Event]) -> None:
    """Folding a log, whole or cut anywhere, equals applying its events one by one."""
    state: OrderState | None = None
    for number, event in enumerate(log, 1):
        state = apply(state, event)
        assert state == fold(log[:number])


@given(logs(), st.data())
def test_an_illegal_event_after_any_history_changes_nothing(
    log: list[Event], data: st.DataObject
) -> None:
    """Whatever came before, a refused event leaves the state as it was."""
    state = fold(log)
    refused = [kind for kind in EVENT_KINDS if kind not in kinds_after(state)]
    event = data.draw(events(data.draw(st.sampled_from(refused))))
    before = fold(log)
    with pytest.raises(IllegalEvent):
        apply(state, replace(event, order_id=state.order_id, seq=state.seq + 1))
    assert state == before


class Life(RuleBasedStateMachine):
    """Walk an order through random legal events and compare with a few plain counters."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Event] = []
        self.state: OrderState | None = None
        self.is_out = False
        self.wants_cancel = False
        self.fees = 0

    @initialize(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        """Begin with the only event that can begin."""
        assert kinds_after(None) == [Accepted]
        self._add(data.draw(events_after(Accepted, None)))

    @precondition(lambda self: self.state is not None and not self.state.is_terminal)
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        """Add any event that is allowed; an order that has not ended always has one."""
        kind = data.draw(st.sampled_from(kinds_after(self.state)))
        self._add(data.draw(events_after(kind, self.state)))

    @precondition(lambda self: self.state is not None and self.state.is_terminal)
    @rule(kind=st.sampled_from(EVENT_KINDS), data=st.data())
    def try_after_the_end(self, kind: type[Event], data: st.DataObject) -> None:
        """Nothing follows a terminal event."""
        assert self.state is not None
        event = replace(
            data.draw(events(kind)), order_id=self.state.order_id, seq=self.state.seq + 1
        )
        with pytest.raises(IllegalEvent):
            apply(self.state, event)

    def _add(self, event: Event) -> None:
        self.state = apply(self.state, event)
        self.log.append(event)
        if isinstance(event, Submitted):
            self.is_out = True
        elif not isinstance(event, CancelRequested):
            self.is_out = False
        self.wants_cancel |= isinstance(event, CancelRequested)
        if isinstance(event, AttemptFailed | Confirmed | Failed):
            self.fees += event.network_fee

    @invariant()
    def numbers_have_no_gap(self) -> None:
        """Events count from 1 without gaps."""
        assert [event.seq for event in self.log] == list(range(1, len(self.log) + 1))

    @invariant()
    def ends_at_most_once(self) -> None:
        """At most one terminal event, and it is the last."""
        ends = [event.seq for event in self.log if event.status.is_terminal]
        assert ends in ([], [len(self.log)])

    @invariant()
    def state_follows_the_log(self) -> None:
        """Compare the state with the counters and with the fold of the log."""
        if self.state is None:
            return
        assert self.state == fold(self.log)
        assert (self.state.submitted is not None) == self.is_out
        assert (self.state.status is Status.SUBMITTED) == self.is_out
        assert self.state.cancel_requested == self.wants_cancel
        assert self.state.network_fees == self.fees
        if self.is_out:
            assert not {Expired, *EVENT_KINDS[-2:]} & set(kinds_after(self.state))


TestLife = Life.TestCase
