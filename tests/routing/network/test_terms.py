"""Check networks whose legs cost something, or must fit one transaction."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from orderengine.errors import Rejected
from orderengine.model.order import Mode
from orderengine.pools.footprint import LIMITS, room_of
from orderengine.routing.costs import network_cost
from orderengine.routing.network.strategy import network
from orderengine.routing.pair.split import split
from orderengine.routing.request import Costs, Request, Terms
from orderengine.routing.view import MarketView
from tests.routing.network.networks import hold_to_pools, markets, wanted
from tests.routing.network.test_strategy import LISTED, TRIANGLE

modes = st.sampled_from(Mode)


@given(markets(), st.integers(10**6, 10**12), modes, st.integers(0, 10**9), st.booleans())
def test_a_costed_route_is_a_real_one_within_its_bounds(
    view: MarketView, amount: int, mode: Mode, unit_price: int, is_one_transaction: bool
) -> None:
    """Executable to the unit; what it nets is what it says, and not above its net bound."""
    costs = Costs(unit_price=unit_price, lamport_price_x64=2**64)
    request = wanted(
        view,
        amount,
        mode,
        costs=costs,
        is_one_transaction=is_one_transaction,
    )
    try:
        route = network(request)
    except Rejected:
        assume(False)
        raise
    hold_to_pools(request, route)
    assert route.network_cost == network_cost(costs, [leg.venue for leg in route.legs])
    if mode is Mode.EXACT_IN:
        assert route.amount_out - route.network_cost <= (route.net_bound or 0)
    else:
        assert route.net_bound is not None
        assert route.amount_in + route.network_cost >= route.net_bound


def test_dear_legs_are_left_out() -> None:
    """Over the triangle an order takes two paths where legs are cheap, and one where not."""
    legs = []
    for unit_price in (0, 10**12):
        costs = Costs(unit_price=unit_price, lamport_price_x64=2**64)
        legs.append(len(network(wanted(TRIANGLE, 10**11, costs=costs)).legs))
    assert legs == [3, 1]


def test_all_legs_fit_one_transaction() -> None:
    """Twenty pools would share the order, too many for one; the gap says what that costs."""
    free = Request(view=LISTED, sell="SOL", buy="USDC", amount=10**12)
    terms = Terms(is_one_transaction=True)
    held = Request(view=LISTED, sell="SOL", buy="USDC", amount=10**12, terms=terms)
    wide, narrow = network(free), network(held)
    hold_to_pools(held, narrow)
    assert len(narrow.legs) < len(wide.legs)
    tokens = {name for leg in narrow.legs for name in (leg.sell, leg.buy)}
    room = room_of([leg.venue for leg in narrow.legs], len(tokens))
    assert room.accounts <= LIMITS.accounts
    assert room.bytes <= LIMITS.bytes
    assert narrow.amount_out <= wide.amount_out
    assert narrow.gap_bps is not None
    assert wide.gap_bps is not None
    assert narrow.gap_bps > wide.gap_bps


@given(markets(), st.integers(10**6, 10**12), modes, st.integers(1, 4), st.booleans())
def test_terms_never_make_it_worse_than_side_by_side(
    view: MarketView, amount: int, mode: Mode, legs_max: int, is_one_transaction: bool
) -> None:
    """Few legs or one transaction: what ``split`` finds on the pair itself is found too."""
    request = wanted(view, amount, mode, legs_max=legs_max, is_one_transaction=is_one_transaction)
    try:
        beside = split(request)
    except Rejected:
        assume(False)
        raise
    route = network(request)
    hold_to_pools(request, route)
    assert len(route.legs) <= legs_max
    if mode is Mode.EXACT_IN:
        assert route.amount_out >= beside.amount_out
    else:
        assert route.amount_in <= beside.amount_in


def test_a_large_order_with_few_legs_keeps_to_deep_pools() -> None:
    """Ten thousand SOL over four legs: nobody is sent down one thin path."""
    for terms in (Terms(legs_max=4), Terms(is_one_transaction=True)):
        request = Request(view=LISTED, sell="SOL", buy="USDC", amount=10**12, terms=terms)
        route, beside = network(request), split(request)
        hold_to_pools(request, route)
        assert route.amount_out >= beside.amount_out
