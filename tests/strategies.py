"""Draw the nouns of the domain: orders, quotes, routes, and events of every type."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from orderengine.model.amounts import U64_MAX
from orderengine.model.events import (
    Accepted,
    AttemptFailed,
    Cancelled,
    CancelRequested,
    Claimed,
    Confirmed,
    Event,
    Expired,
    Failed,
    Requoting,
    Routed,
    Submitted,
    Waiting,
)
from orderengine.model.lifecycle import TRANSITIONS, OrderState, apply
from orderengine.model.order import Declined, Leg, Mode, Order, Priority, Quote, Route
from orderengine.model.tokens import TOKENS

U63_MAX = 2**63 - 1

EVENT_KINDS: tuple[type[Event], ...] = (
    Accepted,
    Waiting,
    Claimed,
    Requoting,
    Routed,
    Submitted,
    AttemptFailed,
    CancelRequested,
    Confirmed,
    Failed,
    Cancelled,
    Expired,
)

AMOUNT_FIELDS = {
    "amount",
    "amount_in",
    "amount_in_max",
    "amount_out",
    "amount_out_min",
    "fee_in",
    "fee_out",
    "network_cost",
    "network_fee",
    "reference_price_x64",
}
"""Fields that the wire form writes as decimal strings, of every event and part."""

amounts = st.integers(0, 100) | st.integers(0, U64_MAX) | st.just(U64_MAX)
instants = st.integers(0, 10**10) | st.integers(0, U63_MAX) | st.just(U63_MAX)
prices_x64 = st.integers(0, 2**64) | st.integers(0, 2**128 - 1)
counts = st.integers(1, 5) | st.integers(0, 2**31)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
"""Any text that UTF-8 can hold: quotes, line ends and letters of every script among it."""


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """Draw a well-formed order, tokens by symbol or by mint."""
    sell, buy = draw(st.lists(st.sampled_from(TOKENS), min_size=2, max_size=2, unique=True))
    by_mint = draw(st.booleans())
    return Order(
        order_id=draw(texts.filter(bool)),
        sell=sell.mint if by_mint else sell.symbol,
        buy=buy.symbol,
        amount=draw(amounts.filter(bool)),
        mode=draw(st.sampled_from(Mode)),
        slippage_bps=draw(st.integers(0, 10_000)),
        priority=draw(st.sampled_from(Priority)),
        deadline_ns=draw(st.none() | instants),
        user=draw(texts),
    )


quotes = st.builds(
    Quote,
    venue=texts,
    pool=texts,
    amount_in=amounts,
    amount_out=amounts,
    fee_in=amounts,
    fee_out=amounts,
    network_cost=amounts,
    slot=counts,
)
declined = st.builds(
    Declined,
    venue=texts,
    pool=texts,
    code=texts,
    reason=texts,
    amount_in=amounts,
    amount_out=amounts,
)
legs = st.builds(
    Leg,
    pool=texts,
    venue=texts,
    sell=texts,
    buy=texts,
    amount_in=amounts,
    amount_out=amounts,
    fee_in=amounts,
    fee_out=amounts,
)
routes = st.builds(
    Route,
    legs=st.lists(legs, min_size=1, max_size=3).map(tuple),
    amount_in=amounts,
    amount_out=amounts,
    slot=counts,
)


def _fields_of(order: Order) -> dict[type[Event], dict[str, st.SearchStrategy[Any]]]:
    price = {"reference_price_x64": prices_x64}
    return {
        Accepted: {"order": st.just(order), **price},
        Waiting: {"trigger": texts},
        Claimed: {"worker": texts},
        Requoting: {"reason": texts},
        Routed: {
            "attempt": counts,
            "route": routes,
            "quotes": st.lists(quotes, max_size=3).map(tuple),
            "declined": st.lists(declined, max_size=3).map(tuple),
            **price,
        },
        Submitted: {
            "attempt": counts,
            "signature": texts,
            "last_valid_height": counts,
            "amount_in_max": amounts,
            "amount_out_min": amounts,
            "network_fee": amounts,
        },
        AttemptFailed: {
            "attempt": counts,
            "code": texts,
            "reason": texts,
            "retry_at_ns": instants,
            "network_fee": amounts,
        },
        CancelRequested: {},
        Confirmed: {
            "attempt": counts,
            "signature": texts,
            "slot": counts,
            "landed_at_ns": instants,
            "amount_in": amounts,
            "amount_out": amounts,
            "fee_in": amounts,
            "fee_out": amounts,
            "network_fee": amounts,
            **price,
        },
        Failed: {"code": texts, "reason": texts, "network_fee": amounts, **price},
        Cancelled: price,
        Expired: price,
    }


def tag_of(kind: type[Event]) -> str:
    """Return the name under which an event type stands in the table and on the wire."""
    return str(kind.__struct_config__.tag)


@st.composite
def events_after(draw: st.DrawFn, kind: type[Event], state: OrderState | None) -> Event:
    """Draw an event of a type that the table allows after a state, with all fields drawn."""
    order = draw(orders()) if state is None else state.order
    fields = {name: draw(values) for name, values in _fields_of(order)[kind].items()}
    before = None if state is None else state.status
    return kind(
        order_id=order.order_id,
        seq=1 if state is None else state.seq + 1,
        status=TRANSITIONS[before, tag_of(kind)],
        at_ns=draw(instants),
        **fields,
    )


@st.composite
def events(draw: st.DrawFn, kind: type[Event]) -> Event:
    """Draw an event of a type by itself: well formed, in no log."""
    order = draw(orders())
    statuses = [after for (_, tag), after in TRANSITIONS.items() if tag == tag_of(kind)]
    fields = {name: draw(values) for name, values in _fields_of(order)[kind].items()}
    return kind(
        order_id=order.order_id,
        seq=draw(counts),
        status=draw(st.sampled_from(statuses)),
        at_ns=draw(instants),
        **fields,
    )


def kinds_after(state: OrderState | None) -> list[type[Event]]:
    """Return the event types that the table allows after a state."""
    before = None if state is None else state.status
    return [kind for kind in EVENT_KINDS if (before, tag_of(kind)) in TRANSITIONS]


@st.composite
def logs(draw: st.DrawFn, longest: int = 12) -> list[Event]:
    """Draw the log of one order: legal to the last event, ended or not."""
    log: list[Event] = []
    state: OrderState | None = None
    for _ in range(draw(st.integers(1, longest))):
        kinds = kinds_after(state)
        if not kinds:
            break
        event = draw(events_after(draw(st.sampled_from(kinds)), state))
        log.append(event)
        state = apply(state, event)
    return log
