"""Check the choice among quotes: best net of costs, never by chance, and only what is sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.errors import InvalidRequest, NoRoute
from orderengine.model.order import Declined, Leg, Mode, Order, Quote, Route, route_of
from orderengine.routing.choose import ROUTERS, best, choose, losers, net

SELL = Order(order_id="o", sell="SOL", buy="USDC", amount=1_000)
BUY = replace(SELL, mode=Mode.EXACT_OUT)
DECLINED = Declined(venue="orca", pool="whirl", code="INSUFFICIENT_LIQUIDITY", reason="dry")


def sells_for(amount_out: int, pool: str = "p", cost: int = 0) -> Quote:
    """Return a quote for ``SELL``."""
    return Quote(
        venue="raydium", pool=pool, amount_in=1_000, amount_out=amount_out, network_cost=cost
    )


def costs(amount_in: int, pool: str = "p", cost: int = 0) -> Quote:
    """Return a quote for ``BUY``."""
    return Quote(
        venue="raydium", pool=pool, amount_in=amount_in, amount_out=1_000, network_cost=cost
    )


@pytest.mark.parametrize(
    ("order", "quotes", "winner"),
    [
        pytest.param(SELL, [sells_for(9, "a"), sells_for(10, "b")], "b", id="most-output"),
        pytest.param(BUY, [costs(9, "a"), costs(10, "b")], "a", id="least-input"),
        pytest.param(SELL, [sells_for(10, "a", 3), sells_for(8, "b")], "b", id="output-less-cost"),
        pytest.param(BUY, [costs(8, "a", 3), costs(10, "b")], "b", id="input-plus-cost"),
        pytest.param(
            SELL, [sells_for(10, "a", 1), sells_for(9, "b")], "a", id="equal-net-out-first"
        ),
        pytest.param(BUY, [costs(10, "a"), costs(9, "b", 1)], "a", id="equal-net-in-first"),
        pytest.param(SELL, [sells_for(10, "a"), sells_for(10, "b")], "a", id="equal-first"),
        pytest.param(
            SELL, [sells_for(5, "a", 9), sells_for(4, "b", 9)], "a", id="every-net-negative"
        ),
        pytest.param(SELL, [sells_for(0, "a"), sells_for(1, "b", 99)], "b", id="zero-output-never"),
        pytest.param(BUY, [costs(0, "a"), costs(99, "b")], "b", id="zero-input-never"),
    ],
)
def test_best(order: Order, quotes: list[Quote], winner: str) -> None:
    """The greatest net output wins, the first of equals."""
    route = choose(order, quotes, (), best)
    assert [leg.pool for leg in route.legs] == [winner]
    assert route == route_of(order, next(quote for quote in quotes if quote.pool == winner))


def test_net_counts_the_network_in_the_token_that_varies() -> None:
    """Received less cost, or minus what is paid plus cost."""
    assert net(SELL, sells_for(10, cost=3)) == 7
    assert net(BUY, costs(10, cost=3)) == -13


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=6),
    st.sampled_from(Mode),
)
def test_no_quote_is_better_than_the_best(pairs: list[tuple[int, int]], mode: Mode) -> None:
    """Compared with every other usable quote, and never a later one among equals."""
    order = replace(SELL, mode=mode)
    make = sells_for if mode is Mode.EXACT_IN else costs
    quotes = [make(amount, f"p{index}", cost) for index, (amount, cost) in enumerate(pairs)]
    usable = [quote for quote, (amount, _) in zip(quotes, pairs, strict=True) if amount > 0]
    if not usable:
        with pytest.raises(NoRoute):
            choose(order, quotes, (), best)
        return
    (leg,) = choose(order, quotes, (), best).legs
    chosen = next(quote for quote in quotes if quote.pool == leg.pool)
    values = [net(order, quote) for quote in usable]
    assert net(order, chosen) == max(values)
    assert usable[values.index(max(values))] is chosen


def test_the_routers_that_a_scenario_can_name() -> None:
    """``best`` is there."""
    assert ROUTERS["best"] is best


def test_a_router_is_offered_the_usable_quotes_only() -> None:
    """A quote that pays nothing is not shown, and the order of the others is kept."""
    quotes = [sells_for(0, "a"), sells_for(3, "b"), sells_for(2, "c")]
    shown: list[list[Quote]] = []

    def router(order: Order, offered: Sequence[Quote]) -> Quote:
        assert order is SELL
        shown.append(list(offered))
        return offered[-1]

    route = choose(SELL, quotes, (), router)
    assert shown == [quotes[1:]]
    assert route.legs[0].pool == "c"


def _split(order: Order, offered: Sequence[Quote]) -> Route:
    del order
    legs = tuple(
        Leg(
            pool=quote.pool,
            venue=quote.venue,
            sell="SOL",
            buy="USDC",
            amount_in=500,
            amount_out=5,
        )
        for quote in offered[:2]
    )
    return Route(legs=legs, amount_in=1_000, amount_out=10)


def test_a_router_may_split() -> None:
    """A route whose legs sum to its totals is taken as it is."""
    quotes = [sells_for(9, "a"), sells_for(8, "b")]
    assert choose(SELL, quotes, (), _split) == _split(SELL, quotes)


def test_a_leg_may_use_a_pool_that_declined_the_whole() -> None:
    """A pool too small for the order may still take a part of it."""

    def router(order: Order, offered: Sequence[Quote]) -> Route:
        route = _split(order, [offered[0], offered[0]])
        part = replace(route.legs[1], venue=DECLINED.venue, pool=DECLINED.pool)
        return replace(route, legs=(route.legs[0], part))

    route = choose(SELL, [sells_for(9, "a")], [DECLINED], router)
    assert [leg.pool for leg in route.legs] == ["a", "whirl"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param({"amount_in": 999}, "999 → 10, its legs sum to 1000 → 10", id="total-in"),
        pytest.param({"amount_out": 11}, "1000 → 11, its legs sum to 1000 → 10", id="total-out"),
        pytest.param({"legs": ()}, "1000 → 10, its legs sum to 0 → 0", id="no-legs"),
    ],
)
def test_totals_must_be_the_sums(change: dict[str, Any], says: str) -> None:
    """A route that does not add up is the router's mistake, told with both numbers."""
    quotes = [sells_for(9, "a"), sells_for(8, "b")]
    with pytest.raises(InvalidRequest, match=says):
        choose(SELL, quotes, (), lambda order, seen: replace(_split(order, seen), **change))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"pool": "elsewhere"}, id="a-pool-that-nobody-quoted"),
        pytest.param({"venue": "orca"}, id="another-venue's-pool"),
        pytest.param({"sell": "USDC", "buy": "SOL"}, id="the-other-way-round"),
        pytest.param({"buy": "USDT"}, id="another-token"),
    ],
)
def test_legs_must_be_the_orders_own(change: dict[str, Any]) -> None:
    """A leg trades the order's tokens on a pool that was asked."""

    def router(order: Order, offered: Sequence[Quote]) -> Route:
        route = _split(order, offered)
        return replace(route, legs=(route.legs[0], replace(route.legs[1], **change)))

    with pytest.raises(InvalidRequest, match="the router's route"):
        choose(SELL, [sells_for(9, "a"), sells_for(8, "b")], (), router)


@pytest.mark.parametrize("amounts", [((1_000, 10), (0, 0)), ((1_001, 11), (-1, -1))], ids=str)
def test_every_leg_trades_something(amounts: tuple[tuple[int, int], ...]) -> None:
    """A leg of nothing, or of less, is refused even where the sums are right."""

    def router(order: Order, offered: Sequence[Quote]) -> Route:
        route = _split(order, offered)
        legs = (
            replace(leg, amount_in=amount_in, amount_out=amount_out)
            for leg, (amount_in, amount_out) in zip(route.legs, amounts, strict=True)
        )
        return replace(route, legs=tuple(legs))

    with pytest.raises(InvalidRequest, match="the router's route"):
        choose(SELL, [sells_for(9, "a"), sells_for(8, "b")], (), router)


def test_a_route_of_no_output_is_refused() -> None:
    """No route has ``amount_out`` zero, whoever made it."""

    def router(order: Order, offered: Sequence[Quote]) -> Route:
        return route_of(order, replace(offered[0], amount_out=0))

    with pytest.raises(InvalidRequest, match="the router's route"):
        choose(SELL, [sells_for(9)], (), router)


@pytest.mark.parametrize(
    ("order", "quote"), [(SELL, costs(999)), (BUY, sells_for(999))], ids=["exact_in", "exact_out"]
)
def test_the_fixed_side_must_be_the_orders_amount(order: Order, quote: Quote) -> None:
    """Neither a router's route nor a venue's quote may trade another amount than was ordered."""
    with pytest.raises(InvalidRequest, match="trades 999, the order asks 1000"):
        choose(order, [quote], (), lambda given, offered: route_of(given, offered[0]))
    with pytest.raises(InvalidRequest, match="trades 999, the order asks 1000"):
        choose(order, [quote], (), best)


def test_a_foreign_quote_is_refused() -> None:
    """A router cannot improve a quote."""
    with pytest.raises(InvalidRequest, match="a quote that no venue gave"):
        choose(SELL, [sells_for(9)], (), lambda _, offered: replace(offered[0], amount_out=10))


@pytest.mark.parametrize(
    "found", [7, "p", [sells_for(9)], object()], ids=["int", "str", "list", "object"]
)
def test_garbage_is_named(found: Any) -> None:
    """What is no choice is refused with its type."""
    with pytest.raises(InvalidRequest, match=f"returned {type(found).__name__}"):
        choose(SELL, [sells_for(9)], (), lambda *_: found)


def test_a_router_that_raises_is_heard() -> None:
    """Its error is not swallowed."""

    def router(order: Order, offered: Sequence[Quote]) -> Quote:
        raise ZeroDivisionError(order.order_id, len(offered))

    with pytest.raises(ZeroDivisionError):
        choose(SELL, [sells_for(9)], (), router)


def test_no_route_tells_every_reason() -> None:
    """Each venue or pool stands there with why it cannot fill the order."""
    late = Declined(venue="meteora", pool="", code="QUOTE_TIMEOUT", reason="late")
    with pytest.raises(NoRoute) as refused:
        choose(SELL, [sells_for(0, "a")], [DECLINED, late], best)
    assert refused.value.reasons == {
        "orca whirl": "dry",
        "meteora": "late",
        "raydium a": "pays nothing for this amount",
    }


def test_a_router_may_take_none() -> None:
    """None means no route; the reasons tell quotes passed by from quotes of nothing."""
    with pytest.raises(NoRoute) as refused:
        choose(SELL, [sells_for(9, "a"), sells_for(0, "b")], [DECLINED], lambda *_: None)
    assert refused.value.reasons == {
        "orca whirl": "dry",
        "raydium a": "the router took no quote",
        "raydium b": "pays nothing for this amount",
    }


def test_without_quotes_the_router_is_not_asked() -> None:
    """A router always has something to choose from."""
    with pytest.raises(NoRoute):
        choose(SELL, [sells_for(0)], (), lambda *_: pytest.fail("was asked"))


def _said(declined: Sequence[Declined]) -> list[tuple[str, str, str]]:
    return [(said.pool, said.code, said.reason) for said in declined]


@pytest.mark.parametrize(
    ("order", "quotes", "winner", "expected"),
    [
        pytest.param(
            SELL,
            [sells_for(10, "a", 1), sells_for(12, "b"), sells_for(12, "c")],
            "b",
            [
                ("a", "WORSE_PRICE", "2500.00 bps worse, costs included"),  # 3/12
                ("c", "NOT_CHOSEN", "the router passed it by"),
            ],
            id="sells",
        ),
        pytest.param(
            BUY,
            [costs(10, "a", 1), costs(8, "b")],
            "b",
            [("a", "WORSE_PRICE", "3750.00 bps worse, costs included")],  # 3/8
            id="buys",
        ),
        pytest.param(
            SELL,
            [sells_for(10, "a"), sells_for(12, "b")],
            "a",
            [("b", "NOT_CHOSEN", "the router passed it by")],
            id="better-but-passed-by",
        ),
        pytest.param(
            SELL,
            [sells_for(0, "a"), sells_for(12, "b")],
            "b",
            [("a", "NO_OUTPUT", "pays nothing for this amount")],
            id="pays-nothing",
        ),
        pytest.param(
            BUY,
            [costs(0, "a"), costs(8, "b")],
            "b",
            [("a", "NO_OUTPUT", "pays nothing for this amount")],
            id="asks-nothing",
        ),
    ],
)
def test_losers_say_why(
    order: Order, quotes: list[Quote], winner: str, expected: list[tuple[str, str, str]]
) -> None:
    """Each quote outside the route is compared with the winner, net of costs."""
    route = route_of(order, next(quote for quote in quotes if quote.pool == winner))
    said = losers(order, quotes, route)
    assert _said(said) == expected
    by_pool = {quote.pool: quote for quote in quotes}
    for entry in said:
        lost = by_pool[entry.pool]
        assert (entry.venue, entry.amount_in, entry.amount_out) == (
            lost.venue,
            lost.amount_in,
            lost.amount_out,
        )


def test_losers_are_compared_with_the_best_leg() -> None:
    """Of a split, the best quote inside is the bar; its legs are no losers."""
    quotes = [sells_for(9, "a"), sells_for(8, "b"), sells_for(7, "c")]
    route = _split(SELL, quotes)
    assert _said(losers(SELL, quotes, route)) == [
        ("c", "WORSE_PRICE", "2222.22 bps worse, costs included")  # 2/9 = 2222.22…
    ]


@pytest.mark.parametrize(
    ("order", "quote"), [(SELL, sells_for(9)), (BUY, costs(9))], ids=["in", "out"]
)
def test_without_a_quoted_leg_there_is_no_bar(order: Order, quote: Quote) -> None:
    """A route over pools that declined the whole order says nothing of a quote's price."""
    route = route_of(order, replace(quote, pool="whirl"))
    assert _said(losers(order, [quote], route)) == [("p", "NOT_CHOSEN", "the router passed it by")]
