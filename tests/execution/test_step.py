"""Check the next step for every situation an order can be in, one named case each."""

from __future__ import annotations

import pytest
from hypothesis import given
from msgspec.structs import replace

from orderengine.execution.step import (
    AskQuotes,
    Build,
    Claim,
    Done,
    End,
    Pause,
    Requote,
    Settle,
    Step,
    next_step,
)
from orderengine.model.events import Cancelled, Event, Expired, Status, Submitted
from orderengine.model.lifecycle import OrderState, fold
from orderengine.model.order import Order, Route, route_of
from tests.execution.fakes import quote
from tests.strategies import instants, logs

NOW = 1_000_000_000_000
ROUTE_AGE_MAX = 5_000_000_000

ORDER = Order(order_id="o-1", sell="SOL", buy="USDC", amount=1_000)
ROUTE: Route = route_of(ORDER, quote("v"))
OUT = Submitted(
    order_id="o-1",
    seq=4,
    status=Status.SUBMITTED,
    at_ns=NOW,
    attempt=1,
    signature="sig",
    last_valid_height=9,
    amount_in_max=1,
    amount_out_min=1,
    network_fee=1,
)


def state(
    status: Status,
    *,
    deadline_in: int | None = None,
    retry_in: int = 0,
    route_age: int | None = None,
    attempts: int = 0,
    is_out: bool = False,
    wants_cancel: bool = False,
) -> OrderState:
    """Return a state; durations are nanoseconds from now, or ago for ``route_age``."""
    deadline_ns = None if deadline_in is None else NOW + deadline_in
    return OrderState(
        order=replace(ORDER, deadline_ns=deadline_ns),
        status=status,
        seq=4,
        accepted_at_ns=NOW - 1,
        attempts=attempts,
        retry_at_ns=NOW + retry_in,
        cancel_requested=wants_cancel,
        routed_at_ns=0 if route_age is None else NOW - route_age,
        route=None if route_age is None else ROUTE,
        submitted=OUT if is_out else None,
    )


P, W, R, B, S = (
    Status.PENDING,
    Status.WAITING,
    Status.ROUTING,
    Status.BUILDING,
    Status.SUBMITTED,
)

CASES: dict[str, tuple[OrderState, Step]] = {
    "pending is claimed": (state(P), Claim()),
    "waiting is claimed": (state(W), Claim()),
    "pending before its deadline is claimed": (state(P, deadline_in=1), Claim()),
    "pending at its deadline expires": (state(P, deadline_in=0), End(Expired)),
    "waiting at its deadline expires": (state(W, deadline_in=0), End(Expired)),
    "routing asks": (state(R), AskQuotes(1)),
    "routing after two attempts asks for the third": (state(R, attempts=2), AskQuotes(3)),
    "routing at its deadline expires": (state(R, deadline_in=0), End(Expired)),
    "routing past its deadline expires": (state(R, deadline_in=-1), End(Expired)),
    "routing waits for its retry": (state(R, retry_in=7), Pause(NOW + 7)),
    "routing asks at its retry": (state(R, retry_in=0), AskQuotes(1)),
    "waiting for a retry ends at the deadline": (
        state(R, retry_in=7, deadline_in=5),
        Pause(NOW + 5),
    ),
    "waiting for a retry before the deadline": (
        state(R, retry_in=5, deadline_in=7),
        Pause(NOW + 5),
    ),
    "the deadline goes before the retry": (state(R, retry_in=7, deadline_in=0), End(Expired)),
    "building signs": (state(B, route_age=0), Build(1, ROUTE)),
    "building signs the third attempt": (state(B, route_age=0, attempts=2), Build(3, ROUTE)),
    "building signs at the oldest": (state(B, route_age=ROUTE_AGE_MAX), Build(1, ROUTE)),
    "building quotes anew past it": (
        state(B, route_age=ROUTE_AGE_MAX + 1),
        Requote("the route is older than 5000 ms"),
    ),
    "building at its deadline expires": (state(B, route_age=0, deadline_in=0), End(Expired)),
    "submitted is settled": (state(S, is_out=True), Settle(OUT)),
    "submitted past its deadline is settled": (
        state(S, is_out=True, deadline_in=-1),
        Settle(OUT),
    ),
    "submitted with a cancellation is settled": (
        state(S, is_out=True, wants_cancel=True),
        Settle(OUT),
    ),
    "a cancellation wins once nothing is out": (state(R, wants_cancel=True), End(Cancelled)),
    "a cancellation wins over the deadline": (
        state(R, wants_cancel=True, deadline_in=-1),
        End(Cancelled),
    ),
    "a cancellation wins over the retry": (
        state(R, wants_cancel=True, retry_in=9),
        End(Cancelled),
    ),
    "confirmed is over": (state(Status.CONFIRMED), Done()),
    "failed is over": (state(Status.FAILED, wants_cancel=True), Done()),
    "cancelled is over": (state(Status.CANCELLED, deadline_in=-1), Done()),
    "expired is over": (state(Status.EXPIRED, retry_in=9), Done()),
}


@pytest.mark.parametrize(("situation", "expected"), CASES.values(), ids=CASES)
def test_next_step(situation: OrderState, expected: Step) -> None:
    """The step follows from the state and the time alone."""
    assert next_step(situation, NOW, ROUTE_AGE_MAX) == expected


@given(logs(), instants)
def test_a_live_signature_is_only_ever_settled(log: list[Event], now_ns: int) -> None:
    """Whatever the history and the time: out means settle, over means done, else never either."""
    folded = fold(log)
    step = next_step(folded, now_ns, ROUTE_AGE_MAX)
    assert isinstance(step, Done) == folded.is_terminal
    assert isinstance(step, Settle) == (folded.submitted is not None)


@given(logs(), instants)
def test_no_attempt_begins_at_or_after_the_deadline(log: list[Event], now_ns: int) -> None:
    """Neither quoting nor signing, and no wait lasts beyond it."""
    folded = fold(log)
    deadline_ns = folded.order.deadline_ns
    step = next_step(folded, now_ns, ROUTE_AGE_MAX)
    if deadline_ns is None:
        assert step != End(Expired)
    elif now_ns >= deadline_ns:
        assert isinstance(step, Done | Settle | End)
    elif isinstance(step, Pause):
        assert now_ns < step.until_ns <= deadline_ns
