"""Check that a split is what it says: the most that exact pools pay, within its own proof."""

from __future__ import annotations

from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.errors import (
    AmountTooSmall,
    InsufficientLiquidity,
    InvalidAmount,
    NoRoute,
    Rejected,
    UnknownToken,
)
from orderengine.market.described import open_pool
from orderengine.market.draws import Draws
from orderengine.market.pools import PoolConfig
from orderengine.model.order import Mode, Route
from orderengine.model.tokens import token
from orderengine.pools import Direction
from orderengine.pools.fixed_point import U64_MAX
from orderengine.routing.pair.split import split
from orderengine.routing.polish import try_input, try_output
from orderengine.routing.request import Request, Terms
from orderengine.routing.strategies import STRATEGIES
from orderengine.routing.view import MarketView
from tests.routing.markets import cpmm, drawn_market, drawn_requests

_TRIES = Draws(1, "tests/routing/transfers")


def executed(request: Request, route: Route) -> tuple[int, int, int]:
    """Execute the legs on the pools as they are; return input, output, and ticks or bins crossed.

    Every leg must do to the unit what the route says.
    """
    amount_in = amount_out = crossed = 0
    for leg in route.legs:
        pool = request.view.pools[leg.pool]
        direction = Direction.A_TO_B if pool.token_a == leg.sell else Direction.B_TO_A
        if request.is_exact_in:
            swap = pool.swap_exact_in(direction, leg.amount_in, request.view.now_s)
        else:
            swap = pool.swap_exact_out(direction, leg.amount_out, request.view.now_s)
        assert (swap.amount_in, swap.amount_out) == (leg.amount_in, leg.amount_out)
        assert (swap.fee_in, swap.fee_out) == (leg.fee_in, leg.fee_out)
        amount_in += swap.amount_in
        amount_out += swap.amount_out
        crossed += swap.crossed
    return amount_in, amount_out, crossed


def unit_of(request: Request) -> float:
    """Return what a unit of the coarser token is worth at the optimum's last price.

    In units of the token that varies.
    """
    book = request.view.book(request.sell, request.buy)
    if request.is_exact_in:
        return max(1.0, book.share_input(float(request.amount))[1] ** -2)
    return max(1.0, book.share_output(float(request.amount))[1] ** 2)


def test_drawn_routes_are_what_pools_pay_and_reach_their_bound() -> None:
    """10,000 orders of all sizes over pools of all venues: to the unit, and proven.

    Within two units of the coarser token a leg and a tick or bin crossed, for DLMM rounds both the
    input and the fee of each bin up; or 10^-10 of the whole, where that is more.
    """
    for request in drawn_requests(1_000, 10):
        route = split(request)
        amount_in, amount_out, crossed = executed(request, route)
        assert (amount_in, amount_out) == (route.amount_in, route.amount_out)
        assert request.amount == (amount_in if request.is_exact_in else amount_out)
        assert route.bound is not None
        gap = route.bound - amount_out if request.is_exact_in else amount_in - route.bound
        allowed = 2 * (len(route.legs) + crossed) * unit_of(request)
        assert 0 <= gap <= max(allowed, 1e-10 * route.bound) + 1, request


def test_no_transfer_between_pools_pays_more_than_rounding() -> None:
    """20,000 tries to move a part of one pool's share to another, also to pools that have none."""
    tries = 0
    for number, request in enumerate(drawn_requests(200, 10, first=1_000)):
        route, now_s = split(request), request.view.now_s
        swap_of = try_input if request.is_exact_in else try_output
        ladders = {
            ladder.pool.address: ladder
            for ladder in request.view.book(request.sell, request.buy).ladders
        }
        fixed, varied = dict.fromkeys(ladders, 0), dict.fromkeys(ladders, 0)
        for leg in route.legs:
            amounts = (leg.amount_in, leg.amount_out)
            fixed[leg.pool], varied[leg.pool] = amounts if request.is_exact_in else amounts[::-1]
        unit = unit_of(request)
        for k in range(12):
            giver = route.legs[_TRIES.u64(number, 3 * k) % len(route.legs)].pool
            others = [name for name in ladders if name != giver]
            if not others:
                continue
            taker = others[_TRIES.u64(number, 3 * k + 1) % len(others)]
            tries += 1
            moved = int(exp(_TRIES.uniform(number, 3 * k + 2) * log(fixed[giver])))
            more = swap_of(ladders[taker], fixed[taker] + moved, now_s)
            less = swap_of(ladders[giver], fixed[giver] - moved, now_s)
            if more is None or (less is None and moved < fixed[giver]):
                continue
            if request.is_exact_in:
                after = more.amount_out + (less.amount_out if less else 0)
                gain = after - varied[giver] - varied[taker]
            else:
                after = more.amount_in + (less.amount_in if less else 0)
                gain = varied[giver] + varied[taker] - after
            assert gain <= 2 * unit, (request, giver, taker, moved, gain)
    assert tries > 20_000


@given(
    reserves=st.lists(st.integers(10**6, 10**15), min_size=2, max_size=6),
    ratio=st.integers(1, 10**4),
    share=st.floats(1e-6, 1.0),
)
def test_pools_of_one_price_are_one_pool(reserves: list[int], ratio: int, share: float) -> None:
    """Without fees, constant products of one price trade as one that holds what they all hold."""
    pools = [cpmm(f"p{at}", held * 10, held * ratio, fee=0) for at, held in enumerate(reserves)]
    total = sum(reserves)
    amount = max(int(total * 10 * share), 1)
    request = Request(view=MarketView(pools), sell="SOL", buy="USDC", amount=amount)
    whole = total * ratio * amount // (total * 10 + amount)
    try:
        route = split(request)
    except AmountTooSmall:
        assert whole <= max(ratio // 10, 1)
        return
    assert whole - len(pools) * max(ratio // 10, 1) - 1 <= route.amount_out <= whole
    assert route.bound is not None
    assert route.bound >= whole


def test_selling_what_an_exact_output_cost_pays_it() -> None:
    """exact_out and exact_in are one curve: either way the same trade, but for rounding."""
    for request in drawn_requests(60, 6, first=5_000):
        if request.is_exact_in:
            continue
        bought = split(request)
        sold = split(replace(request, amount=bought.amount_in, mode=Mode.EXACT_IN))
        crossed = executed(request, bought)[2]
        unit = max(1.0, request.amount / bought.amount_in)
        rounding = 2 * (len(bought.legs) + crossed) * unit + 1
        assert request.amount - unit - 1 <= sold.amount_out <= request.amount + rounding


def test_compiled_kernels_give_the_same_routes() -> None:
    """The extra ``fast`` changes when an answer comes, never what it is."""
    for request in drawn_requests(10, 10, first=2_000):
        view = request.view
        fast = MarketView(view.pools.values(), now_s=view.now_s, is_compiled=True)
        again = Request(
            view=fast, sell=request.sell, buy=request.buy, amount=request.amount, mode=request.mode
        )
        assert split(again) == split(request)


def test_a_pool_without_liquidity_is_left_out_and_said() -> None:
    """It breaks nothing, and the route says why it is not there."""
    pools = [cpmm("full", 10**12, 10**11), cpmm("dear", 10**12, 10**10), cpmm("empty", 0, 0)]
    route = split(Request(view=MarketView(pools), sell="SOL", buy="USDC", amount=10**6))
    assert [leg.pool for leg in route.legs] == ["full"]
    assert route.left_out is not None
    assert {said.pool: said.code for said in route.left_out} == {
        "dear": "WORSE_PRICE",
        "empty": "NO_LIQUIDITY",
    }


def test_what_cannot_be_routed_says_what_was_missing() -> None:
    """Typed errors with numbers, never a wrong route."""
    view = MarketView([cpmm("p", 10**12, 10**11), cpmm("j", 10**9, 10**9, tokens=("SOL", "JUP"))])

    def ask(amount: int, sell: str = "SOL", buy: str = "USDC", mode: Mode = Mode.EXACT_IN) -> Route:
        return split(Request(view=view, sell=sell, buy=buy, amount=amount, mode=mode))

    with pytest.raises(UnknownToken, match="DOGE"):
        ask(1, sell="DOGE")
    with pytest.raises(NoRoute, match="no pool swaps"):
        ask(10**6, sell="JUP")
    with pytest.raises(InsufficientLiquidity) as paid:
        ask(2 * 10**11, mode=Mode.EXACT_OUT)
    assert paid.value.required == 2 * 10**11
    assert 0.99 * 10**11 < paid.value.available <= 10**11
    with pytest.raises(InsufficientLiquidity) as taken:
        ask(U64_MAX)
    assert taken.value.required == U64_MAX
    assert U64_MAX - 10**12 - 10**9 <= taken.value.available <= U64_MAX - 10**12
    with pytest.raises(AmountTooSmall) as dust:
        ask(3)
    assert dust.value.available == 3
    assert ask(dust.value.required).amount_out == 1
    for amount in (0, -1, U64_MAX + 1):
        with pytest.raises(InvalidAmount):
            ask(amount)
    with pytest.raises(InvalidAmount, match="another token"):
        ask(1, buy="SOL")
    with pytest.raises(InvalidAmount, match="legs_max"):
        Request(view=view, sell="SOL", buy="USDC", amount=1, terms=Terms(legs_max=0))


def test_what_is_said_to_be_available_is() -> None:
    """Whoever follows the error's figure is served, near every edge of drawn markets."""
    for number in range(60):
        view = drawn_market(number)
        for mode in Mode:
            book = view.book("SOL", "USDC")
            most = book.amount_in_max if mode is Mode.EXACT_IN else book.amount_out_max
            if most >= U64_MAX:
                continue
            for more in (0, 1, 1_000):
                asked = Request(
                    view=view, sell="SOL", buy="USDC", amount=int(most) + more, mode=mode
                )
                if refused := _refusal(asked):
                    assert refused.required == asked.amount > refused.available > 0.98 * most
                    split(replace(asked, amount=refused.available))


def test_near_the_end_of_what_pools_hold_no_heuristic_does_better() -> None:
    """Pools that are all but emptied keep what they can still trade, to the unit."""
    tried = 0
    for number in range(60):
        view = drawn_market(number)
        for mode in Mode:
            book = view.book("USDC", "SOL")
            most = book.amount_in_max if mode is Mode.EXACT_IN else book.amount_out_max
            for part in (0.9, 0.99, 0.9999):
                amount = int(min(most, U64_MAX) * part)
                request = Request(view=view, sell="USDC", buy="SOL", amount=amount, mode=mode)
                if _refusal(request):
                    continue
                route = split(request)
                amount_in, amount_out, crossed = executed(request, route)
                slack = 2 * (len(route.legs) + crossed) * unit_of(request) + 1
                try:
                    other = STRATEGIES["greedy5"].route(request)
                except Rejected:
                    continue
                tried += 1
                if mode is Mode.EXACT_IN:
                    assert other.amount_out <= amount_out + slack
                else:
                    assert other.amount_in >= amount_in - slack
    assert tried > 100


def test_a_small_pool_at_its_end_keeps_its_share() -> None:
    """A range of 10 USDC beside 30 USDC of constant product, both wanted nearly whole."""
    config = PoolConfig(name="range", venue="raydium_clmm", depth="10USDC", width=40)
    ticks = open_pool(config, int(0.0815 * 2**64), token("SOL"), token("USDC"))
    view = MarketView([cpmm("product", 3 * 10**8, 30 * 10**6), ticks])
    held = view.book("SOL", "USDC").amount_out_max
    for amount in (20 * 10**6, int(0.85 * held)):
        request = Request(view=view, sell="SOL", buy="USDC", amount=amount, mode=Mode.EXACT_OUT)
        route = split(request)
        executed(request, route)
        assert {leg.pool for leg in route.legs} == {"product", "range"}
        assert route.amount_in <= STRATEGIES["greedy1"].route(request).amount_in


def test_dust_never_costs_more_split_than_whole() -> None:
    """From one unit up, either way: where rounding is most of an order one pool may do better."""
    for number in range(80):
        view = drawn_market(number)
        for sell, buy in (("SOL", "USDC"), ("USDC", "SOL")):
            for mode in Mode:
                for amount in (1, 4, 20, 137, 1_000, 20_000):
                    request = Request(view=view, sell=sell, buy=buy, amount=amount, mode=mode)
                    try:
                        one = STRATEGIES["best"].route(request)
                    except Rejected:
                        continue
                    route = split(request)
                    if mode is Mode.EXACT_IN:
                        assert route.amount_out >= one.amount_out
                    else:
                        assert route.amount_in <= one.amount_in


def test_pools_of_single_units_are_refused_alike() -> None:
    """Where doubles end nobody divides by nothing, plain or compiled."""
    for is_compiled in (False, True):
        view = MarketView([cpmm("p", 1, 1)], is_compiled=is_compiled)
        for amount, mode in ((1, Mode.EXACT_OUT), (10**18, Mode.EXACT_IN)):
            request = Request(view=view, sell="SOL", buy="USDC", amount=amount, mode=mode)
            with pytest.raises(InsufficientLiquidity):
                split(request)


def _refusal(request: Request) -> InsufficientLiquidity | None:
    try:
        split(request)
    except InsufficientLiquidity as error:
        return error
    return None


def test_dust_goes_to_the_best_pool() -> None:
    """One unit of a dear token: a single pool's swap, and the cheapest one."""
    pools = [cpmm("dear", 10**12, 10**6), cpmm("cheap", 10**11, 10**6)]
    request = Request(view=MarketView(pools), sell="SOL", buy="USDC", amount=1, mode=Mode.EXACT_OUT)
    route = split(request)
    assert [leg.pool for leg in route.legs] == ["cheap"]
    assert route.amount_in == STRATEGIES["best"].route(request).amount_in
