"""Check split under terms on exact pools: costs, limits, bounds, in integers."""

from __future__ import annotations

from fractions import Fraction
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.errors import NoRoute
from orderengine.model.order import Mode, Route
from orderengine.pools import (
    DlmmBinSpec,
    DlmmFeeParameters,
    MeteoraDlmmPool,
    MeteoraDlmmSpec,
    Pool,
    RaydiumAmmV4Pool,
    RaydiumCpmmPool,
)
from orderengine.pools.footprint import footprint_of
from orderengine.routing.costs import fits, leg_cost, network_cost, start_cost
from orderengine.routing.pair.baselines import best, greedy, grid
from orderengine.routing.pair.book import Book
from orderengine.routing.pair.split import split
from orderengine.routing.polish import fill_input, fill_output
from orderengine.routing.request import Costs, Request, Terms
from orderengine.routing.view import MarketView
from tests.pools.strategies import SOL, USDC, untimed
from tests.routing.pair import legs_pools
from tests.routing.pair.legs_pools import sets_within

FREE = DlmmFeeParameters(
    base_factor=0,
    variable_fee_control=0,
    max_volatility_accumulator=30_000,
    filter_period=30,
    decay_period=600,
    reduction_factor=5_000,
    protocol_share=500,
)


@st.composite
def pools(draw: st.DrawFn, address: str) -> Pool:
    """Draw a pool of about one price, from shallow to deep, of three programs.

    The shallowest takes ten of the largest orders.
    """
    kind = draw(st.sampled_from(["cpmm", "amm_v4", "dlmm"]))
    size = 10 ** draw(st.integers(9, 12)) * draw(st.integers(1, 9))
    if kind == "dlmm":
        bins = [DlmmBinSpec(id=at, amount_a=0, amount_b=size) for at in range(-6, 0)]
        return MeteoraDlmmPool.from_spec(
            MeteoraDlmmSpec(
                address=address,
                token_a=SOL,
                token_b=USDC,
                bin_step=draw(st.sampled_from([4, 25])),
                active_id=0,
                parameters=replace(FREE, base_factor=draw(st.sampled_from([0, 5_000]))),
                bins=(*bins, DlmmBinSpec(id=0, amount_a=size, amount_b=size)),
            )
        )
    reserves = {"reserve_a": size, "reserve_b": size + draw(st.integers(0, size // 100))}
    if kind == "amm_v4":
        return RaydiumAmmV4Pool(address=address, token_a=SOL, token_b=USDC, **reserves)
    return RaydiumCpmmPool(
        address=address,
        token_a=SOL,
        token_b=USDC,
        trade_fee_rate=draw(st.sampled_from([100, 2_500])),
        protocol_fee_rate=120_000,
        fund_fee_rate=40_000,
        **reserves,
    )


@st.composite
def requests(draw: st.DrawFn, largest: int, terms: st.SearchStrategy[Terms]) -> Request:
    """Draw an order over pools of one pair."""
    count = draw(st.integers(1, largest))
    market = [draw(pools(f"pool-{at}")) for at in range(count)]
    return Request(
        view=MarketView(market, now_s=1_767_225_600),
        sell=SOL,
        buy=USDC,
        amount=draw(st.integers(1_000, 10**6) | st.integers(10**6, 10**8)),
        mode=draw(st.sampled_from(Mode)),
        terms=draw(terms),
    )


def net(request: Request, amount_in: int, amount_out: int, cost: int) -> int:
    """Return what is left of a trade, greater is better."""
    return amount_out - cost if request.is_exact_in else -amount_in - cost


def net_of_route(request: Request, route: Route) -> int:
    """Return what a route nets, by what it states."""
    return net(request, route.amount_in, route.amount_out, route.network_cost or 0)


def fills(request: Request) -> list[int]:
    """Return what the best integer fill of every set within the limits nets."""
    book = request.view.book(SOL, USDC)
    amount, costs, found = request.amount, request.terms.costs, []
    for some in sets_within(book, request.terms):
        part = Book(some)
        if request.is_exact_in:
            if part.amount_in_max < amount:
                continue
            shares, s = part.share_output(part.output_of(float(amount)))
            swaps = fill_input(some, shares, amount, request.view.now_s, s)
        else:
            if part.amount_out_max < amount:
                continue
            shares, s = part.share_output(float(amount))
            swaps = fill_output(some, shares, amount, request.view.now_s, s)
        if not swaps:
            continue
        venues = [ladder.pool.venue for ladder, _ in swaps]
        cost = 0 if costs is None else network_cost(costs, venues)
        amount_in = sum([swap.amount_in for _, swap in swaps])
        amount_out = sum([swap.amount_out for _, swap in swaps])
        found.append(net(request, amount_in, amount_out, cost))
    return found


@untimed
@given(requests(5, legs_pools.terms.filter(lambda terms: not terms.is_free)))
def test_no_set_of_pools_fills_the_order_better(request: Request) -> None:
    """But for units lost to rounding; and none at all beats the stated bound."""
    others = fills(request)
    route = split(request)
    costs = request.terms.costs
    lamport = 0 if costs is None else -(-costs.lamport_price_x64 // 2**64)
    units = 2 * len(request.view.pools) + 2 + lamport
    assert net_of_route(request, route) >= max(others) - units
    best = max(*others, net_of_route(request, route))
    if route.net_bound is None:
        assert request.is_exact_in
        assert best <= 0  # costs eat up all
    else:
        assert best <= (route.net_bound if request.is_exact_in else -route.net_bound)
    assert fits(request.terms, [leg.venue for leg in route.legs])
    assert route.bound is not None
    if request.is_exact_in:
        assert route.amount_in == request.amount
        assert route.amount_out <= route.bound
        assert (route.net_bound or 0) <= route.bound
    else:
        assert route.amount_out == request.amount
        assert route.amount_in >= route.bound
        assert route.net_bound is not None
        assert route.net_bound >= route.bound


@untimed
@given(requests(6, st.builds(Terms, costs=legs_pools.costs(), legs_max=st.just(1))))
def test_one_leg_is_the_best_pool(request: Request) -> None:
    """With one leg split and best agree, but for pools that doubles cannot tell apart."""
    one, other = split(request), best(request)
    assert len(one.legs) == len(other.legs) == 1
    assert abs(net_of_route(request, one) - net_of_route(request, other)) <= 2


@untimed
@given(requests(6, st.builds(Terms, costs=legs_pools.costs())))
def test_every_strategy_states_the_same_cost_for_the_same_legs(request: Request) -> None:
    """The cost follows from the venues alone; only split bounds what is left after it."""
    costs = request.terms.costs
    assert costs is not None
    for route in (split(request), best(request), greedy(20)(request), grid(request)):
        cost = network_cost(costs, [leg.venue for leg in route.legs])
        assert route.network_cost == cost
    assert best(request).net_bound is None
    assert split(replace(request, terms=Terms())).network_cost is None


@given(legs_pools.costs(), st.lists(st.sampled_from(legs_pools.VENUES), min_size=1, max_size=9))
def test_a_route_costs_its_lamports_rounded_up(costs: Costs, venues: list[str]) -> None:
    """Lamports are rounded up once, their worth once; the search's sum is at most that."""
    units = sum([footprint_of(venue).compute_units for venue in venues])
    exact = costs.signature_lamports + Fraction(units * costs.unit_price, 1_000_000)
    worth = Fraction(costs.lamport_price_x64, 2**64)
    cost = network_cost(costs, venues)
    assert exact * worth <= cost < (exact + 1) * worth + 1
    searched = start_cost(costs) + sum([leg_cost(costs, venue) for venue in venues])
    assert searched == pytest.approx(float(exact * worth))
    assert searched < inf


def test_a_dear_second_leg_is_left_out_and_said_why() -> None:
    """Two equal pools share an order while legs are cheap, and one takes it once they are not."""
    market = [
        RaydiumCpmmPool(
            address=name,
            token_a=SOL,
            token_b=USDC,
            reserve_a=10**9,
            reserve_b=10**9,
            trade_fee_rate=0,
            protocol_fee_rate=0,
            fund_fee_rate=0,
        )
        for name in ("first", "second")
    ]
    request = Request(view=MarketView(market), sell=SOL, buy=USDC, amount=10**7)
    assert len(split(request).legs) == 2
    # A second leg brings 10^7 * 10^7 / 10^9 / 2 units, about 50,000.
    for lamports, count in ((40_000, 2), (60_000, 1)):
        unit_price = lamports * 1_000_000 // footprint_of("raydium_cpmm").compute_units
        costs = Costs(unit_price=unit_price, lamport_price_x64=2**64)
        route = split(replace(request, terms=Terms(costs=costs)))
        assert len(route.legs) == count
    assert route.left_out is not None
    assert [(said.code, said.reason) for said in route.left_out] == [
        ("NOT_CHOSEN", "its leg would not pay, or not fit")
    ]


def test_limits_that_no_legs_keep_are_no_route() -> None:
    """Pools of which two are needed do not fill an order of one leg."""
    market = [
        MeteoraDlmmPool.from_spec(
            MeteoraDlmmSpec(
                address=name,
                token_a=SOL,
                token_b=USDC,
                bin_step=4,
                active_id=0,
                parameters=FREE,
                bins=(DlmmBinSpec(id=0, amount_a=0, amount_b=1_000),),
            )
        )
        for name in ("first", "second")
    ]
    request = Request(view=MarketView(market), sell=SOL, buy=USDC, amount=1_500)
    assert len(split(request).legs) == 2
    with pytest.raises(NoRoute, match="within the limits"):
        split(replace(request, terms=Terms(legs_max=1)))
