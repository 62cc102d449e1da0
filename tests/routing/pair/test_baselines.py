"""Check the heuristics: real routes, never better than the optimum, each with its weakness."""

from __future__ import annotations

from itertools import product

import pytest
from msgspec.structs import replace

from orderengine.errors import InsufficientLiquidity, Rejected
from orderengine.model.order import Mode
from orderengine.routing.costs import fits
from orderengine.routing.request import Request, Terms
from orderengine.routing.strategies import STRATEGIES
from orderengine.routing.view import MarketView
from tests.routing.markets import cpmm, drawn_requests
from tests.routing.pair.test_split import executed, unit_of

BASELINES = ("best", "greedy1", "greedy5", "grid")


@pytest.mark.parametrize("name", BASELINES)
def test_a_heuristic_fills_the_order_and_never_beats_the_proof(name: str) -> None:
    """Its legs are what pools pay; what it leaves is within the bound it carries."""
    optimum, strategy = STRATEGIES["split"].route, STRATEGIES[name].route
    for request in drawn_requests(15, 6, first=3_000):
        try:
            route = strategy(request)
        except Rejected:
            assert name == "best"  # no pool alone holds the amount
            continue
        amount_in, amount_out, _crossed = executed(request, route)
        assert (amount_in, amount_out) == (route.amount_in, route.amount_out)
        assert request.amount == (amount_in if request.is_exact_in else amount_out)
        assert route.bound is not None
        best = optimum(request)
        unit = 2 * unit_of(request)
        if request.is_exact_in:
            assert amount_out <= route.bound
            assert amount_out <= best.amount_out + unit
        else:
            assert amount_in >= route.bound
            assert amount_in >= best.amount_in - unit
        if name == "best":
            assert len(route.legs) == 1


def test_best_takes_the_pool_that_pays_most() -> None:
    """Every pool is asked for the whole amount."""
    pools = [cpmm("a", 10**12, 10**11), cpmm("b", 10**13, 10**12, fee=10_000)]
    view = MarketView(pools)
    small = STRATEGIES["best"].route(Request(view=view, sell="SOL", buy="USDC", amount=10**7))
    large = STRATEGIES["best"].route(Request(view=view, sell="SOL", buy="USDC", amount=10**11))
    assert (small.legs[0].pool, large.legs[0].pool) == ("a", "b")
    assert small.left_out is not None
    assert [said.pool for said in small.left_out] == ["b"]


def test_grid_finds_the_best_of_all_its_splits() -> None:
    """Three pools and steps of 5 %: every combination is tried here by force."""
    pools = [cpmm("a", 10**9, 10**8), cpmm("b", 4 * 10**9, 4 * 10**8), cpmm("c", 10**8, 10**7)]
    view, amount = MarketView(pools), 10**9
    route = STRATEGIES["grid"].route(Request(view=view, sell="SOL", buy="USDC", amount=amount))
    direction = view.between("SOL", "USDC")[0][1]
    best = 0
    for steps in product(range(21), repeat=2):
        last = 20 - sum(steps)
        if last < 0:
            continue
        paid = [
            pool.swap_exact_in(direction, amount * step // 20, 0).amount_out if step else 0
            for pool, step in zip(pools, (*steps, last), strict=True)
        ]
        best = max(best, sum(paid))
    assert route.amount_out == best


def test_best_says_when_no_pool_is_deep_enough_alone() -> None:
    """The pools together would be: the error is about one pool's worth all the same."""
    view = MarketView([cpmm("a", 10**12, 10**11), cpmm("b", 10**12, 10**11)])
    request = Request(view=view, sell="SOL", buy="USDC", amount=10**11, mode=Mode.EXACT_OUT)
    with pytest.raises(InsufficientLiquidity):
        STRATEGIES["best"].route(request)
    assert len(STRATEGIES["split"].route(request).legs) == 2


@pytest.mark.parametrize("name", ["greedy1", "greedy5", "grid"])
def test_a_heuristic_keeps_to_the_terms(name: str) -> None:
    """Few legs: the pools with the least are left out, the order is filled all the same."""
    for request in drawn_requests(10, 2, first=4_000):
        for terms in (Terms(legs_max=1), Terms(legs_max=2), Terms(is_one_transaction=True)):
            try:
                route = STRATEGIES[name].route(replace(request, terms=terms))
            except Rejected:
                continue
            assert fits(terms, [leg.venue for leg in route.legs])
            executed(request, route)
