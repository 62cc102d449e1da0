"""Check orders that a strategy routes over the pools themselves: asked, computed, recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.errors import (
    AmountTooSmall,
    InsufficientLiquidity,
    InvalidRequest,
    NoRoute,
    QuoteTimeout,
    Rejected,
    Unavailable,
)
from orderengine.execution.inquiry import Inquiry
from orderengine.execution.policy import ExecutionPolicy, backoff
from orderengine.execution.ports import Reading
from orderengine.model.events import AttemptFailed, Event, Failed, Routed
from orderengine.model.order import Declined, Leg, Order, Route
from orderengine.model.wire import decode_event, encode
from orderengine.pools import Pool, RaydiumCpmmPool
from orderengine.routing.request import Costs, Request, Strategy, Terms
from orderengine.routing.strategies import STRATEGIES
from orderengine.routing.view import MarketView
from tests.execution.fakes import MS, ORDER, SECOND, START_NS, Desk, ScriptedVenue, VirtualClock

SPLIT = ExecutionPolicy(router=STRATEGIES["split"], retry=backoff(2, 200 * MS, 5 * SECOND))


def pool_of(name: str, sol: int = 10_000, usdc: int = 800_000) -> RaydiumCpmmPool:
    """Return a pool that holds so many whole tokens."""
    base, quote = "SOL", "USDC"
    return RaydiumCpmmPool(
        address=name,
        token_a=base,
        token_b=quote,
        reserve_a=sol * 10**9,
        reserve_b=usdc * 10**6,
        trade_fee_rate=2_500,
        protocol_fee_rate=120_000,
        fund_fee_rate=40_000,
    )


def venue(name: str, *pools: Pool, slot: int = 7, latency_ns: int = 0) -> ScriptedVenue:
    """Return a venue that hands out pools."""
    return ScriptedVenue(name, Reading(pools, slot), latency_ns=latency_ns)


DEEP, SHALLOW = pool_of("deep", 20_000, 1_600_000), pool_of("shallow", 10_000, 799_000)
BIG = replace(ORDER, amount=500 * 10**9)


def routed(desk: Desk, order: Order = BIG) -> Routed:
    """Return how the order was routed."""
    virtualtime.run(lambda: desk.execute(order))
    (event,) = [event for event in desk.log(order.order_id) if isinstance(event, Routed)]
    return event


def strategy_of(route: Callable[[Request], Route]) -> ExecutionPolicy:
    """Return a policy that routes by a function."""
    return replace(SPLIT, router=Strategy("made up", route))


def raises(error: Exception) -> ExecutionPolicy:
    """Return a policy whose strategy fails."""

    def route(request: Request) -> Route:
        raise error

    return strategy_of(route)


def test_the_route_is_the_strategys_over_all_that_was_read() -> None:
    """With the oldest slot; no quotes, and nothing asked of the pools but what the route needs."""
    desk = Desk(venue("a", DEEP, slot=9), venue("b", SHALLOW, slot=7), policy=SPLIT)
    event = routed(desk)
    view = MarketView([DEEP, SHALLOW], slot=7, now_s=START_NS // SECOND)
    terms = SPLIT.terms(BIG, 1)
    request = Request(view=view, sell="SOL", buy="USDC", amount=BIG.amount, terms=terms)
    expected = STRATEGIES["split"].route(request)
    assert event.route == replace(expected, left_out=None)
    assert {leg.pool for leg in event.route.legs} == {"deep", "shallow"}
    assert (event.quotes, event.declined, event.route.slot) == ((), (), 7)
    assert event.route.gap_bps is not None
    assert desk.tags(BIG.order_id)[-1] == "confirmed"
    assert decode_event(encode(event)) == event


def test_what_is_left_out_stands_among_the_declined() -> None:
    """After the venues that did not answer, each with its reason; not in the route again."""
    tiny = replace(ORDER, amount=1_000)
    late = ScriptedVenue("late", Reading((pool_of("late"),), 1), latency_ns=3 * SECOND)
    away = ScriptedVenue("away", Unavailable("gone fishing"))
    desk = Desk(venue("a", DEEP, SHALLOW), late, away, policy=SPLIT)
    event = routed(desk, tiny)
    assert [leg.pool for leg in event.route.legs] == ["deep"]
    assert event.route.left_out is None
    said = [(found.venue, found.pool, found.code) for found in event.declined]
    assert said == [
        ("late", "", QuoteTimeout.code),
        ("away", "", Unavailable.code),
        ("raydium_cpmm", "shallow", "WORSE_PRICE"),
    ]


def test_reading_waits_as_long_as_quoting() -> None:
    """All venues at once, under one deadline."""
    slow = [venue(f"v{ms}", pool_of(f"p{ms}"), latency_ns=ms * MS) for ms in (300, 200, 100)]
    event = routed(Desk(*slow, policy=SPLIT))
    assert event.at_ns == START_NS + 300 * MS
    assert len(event.route.legs) == 3


@pytest.mark.parametrize(
    "error",
    [
        InsufficientLiquidity("all", 5, 3),
        AmountTooSmall("all", 2, 1),
        NoRoute({"SOL for USDC": "no pool swaps the two"}),
    ],
    ids=lambda error: error.code,
)
def test_a_strategy_that_finds_nothing_ends_the_attempt(error: Rejected) -> None:
    """With its code; the next attempt asks again, and the last failure ends the order."""
    desk = Desk(venue("a", DEEP), ScriptedVenue("b", Unavailable("away")), policy=raises(error))
    virtualtime.run(desk.execute)
    ends = [event for event in desk.log() if isinstance(event, AttemptFailed | Failed)]
    assert [event.code for event in ends] == [error.code, error.code]
    assert desk.tags()[-1] == "failed"
    if isinstance(error, NoRoute):
        assert "b: away" in ends[0].reason
        assert "no pool swaps the two" in ends[0].reason


def test_venues_that_do_not_answer_leave_no_route() -> None:
    """That is no fault of the order's tokens: it may be tried again."""
    desk = Desk(ScriptedVenue("a", Unavailable("away"), Reading((DEEP,), 3)), policy=SPLIT)
    virtualtime.run(desk.execute)
    assert desk.tags() == [
        "accepted",
        "claimed",
        "attempt_failed",
        "routed",
        "submitted",
        "confirmed",
    ]
    failed = next(event for event in desk.log() if isinstance(event, AttemptFailed))
    assert failed.code == "NO_ROUTE"
    assert "a: away" in failed.reason


def leg(**changes: Any) -> Leg:
    """Return a leg that fills ``ORDER`` on its own."""
    fields: dict[str, Any] = {
        "pool": "deep",
        "venue": "raydium_cpmm",
        "sell": "SOL",
        "buy": "USDC",
        "amount_in": ORDER.amount,
        "amount_out": 79_000_000,
    }
    return Leg(**fields | changes)


WHOLE = Route(legs=(leg(),), amount_in=ORDER.amount, amount_out=79_000_000)
MADE_UP = [
    pytest.param(replace(WHOLE, legs=(leg(pool="none"),)), "which cannot be", id="another pool"),
    pytest.param(
        replace(WHOLE, legs=(leg(amount_out=0),), amount_out=0), "which cannot be", id="no output"
    ),
    pytest.param(replace(WHOLE, amount_out=80_000_000), "its legs come to", id="a better total"),
    pytest.param(
        Route(legs=(leg(amount_in=9),), amount_in=9, amount_out=79_000_000),
        "the order asks 1000000000",
        id="another amount",
    ),
    pytest.param(
        replace(WHOLE, legs=(leg(), leg(sell="USDT", amount_in=1))), "has not as much", id="a gift"
    ),
    pytest.param(
        replace(WHOLE, legs=(leg(buy="USDT", amount_out=80), leg(sell="USDT", amount_in=79))),
        "leaves 1 USDT over",
        id="a rest on the way",
    ),
]


@pytest.mark.parametrize(("route", "said"), MADE_UP)
def test_a_route_that_does_not_fill_the_order_is_the_strategys_mistake(
    route: Route, said: str
) -> None:
    """It is heard, and nothing is signed."""
    desk = Desk(venue("a", DEEP), policy=strategy_of(lambda request: route))
    with pytest.raises(InvalidRequest, match=said):
        virtualtime.run(desk.execute)
    assert desk.cluster.signed == []


def test_a_token_may_be_passed_through() -> None:
    """Once a leg has brought it."""
    legs = (leg(buy="USDT", amount_out=80), leg(sell="USDT", amount_in=80))
    desk = Desk(venue("a", DEEP), policy=strategy_of(lambda request: replace(WHOLE, legs=legs)))
    event = routed(desk, ORDER)
    assert event.route.legs == legs


def test_the_strategy_is_told_the_terms() -> None:
    """The order's own, as the policy says them."""
    heard: list[Request] = []

    def route(request: Request) -> Route:
        heard.append(request)
        return STRATEGIES["best"].route(request)

    def terms(order: Order, attempt: int) -> Terms:
        return Terms(costs=Costs(lamport_price_x64=order.amount), legs_max=3)

    desk = Desk(venue("a", DEEP), policy=replace(strategy_of(route), terms=terms))
    routed(desk, ORDER)
    (request,) = heard
    assert request.terms == Terms(costs=Costs(lamport_price_x64=ORDER.amount), legs_max=3)
    assert (request.sell, request.buy, request.amount) == ("SOL", "USDC", ORDER.amount)
    assert request.view.now_s == START_NS // SECOND
    policy = replace(strategy_of(route), terms=SPLIT.terms)
    routed(Desk(venue("a", DEEP), policy=policy), ORDER)
    assert heard[-1].terms == Terms(is_one_transaction=True)


def test_orders_that_see_the_same_share_what_is_worked_out() -> None:
    """The same pools at the same slot and second make one market; anything else another."""
    inquiry = Inquiry((), VirtualClock(), SPLIT)

    async def main() -> list[MarketView]:
        readings = [Reading((DEEP,), 7), Reading((SHALLOW,), 7)]
        same = [inquiry._seen(readings) for _ in range(2)]
        other = [Reading((DEEP,), 7), Reading((replace(SHALLOW),), 7)]
        return [*same, inquiry._seen(other), inquiry._seen(readings[:1]), inquiry._seen(readings)]

    first, again, other, fewer, last = virtualtime.run(main)
    assert first is again is last
    assert other is not first
    assert list(fewer.pools) == ["deep"]
    for _ in range(100):
        readings = [Reading((replace(DEEP),), 7)]
        virtualtime.run(lambda read=readings: _seen_of(inquiry, read))
    assert len(inquiry._views) == 64


async def _seen_of(inquiry: Inquiry, readings: list[Reading]) -> MarketView:
    return inquiry._seen(readings)


def test_what_a_venue_said_before_is_kept_with_the_strategys_words() -> None:
    """Declined answers of other kinds than errors do not come from readings."""
    inquiry = Inquiry((), VirtualClock(), SPLIT)
    silent = Declined(venue="v", pool="", code="X", reason="no")

    async def main() -> tuple[Declined, ...]:
        return inquiry.choose(ORDER, [silent, Reading((DEEP,), 1)]).declined

    assert virtualtime.run(main) == (silent,)


def test_events_of_a_computed_route_tell_its_proof() -> None:
    """The bound and the price of the first unit are in the log, so its cost can be judged later."""
    event: Event = routed(Desk(venue("a", DEEP, SHALLOW), policy=SPLIT))
    assert isinstance(event, Routed)
    assert event.route.bound is not None
    assert event.route.bound >= event.route.amount_out
    assert event.route.price_impact_bps is not None
    assert b'"bound":"' in encode(event)
