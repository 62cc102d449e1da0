"""Check routes through several tokens: executable to the unit, near their bound, no free lunch."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orderengine.errors import (
    AmountTooSmall,
    InsufficientLiquidity,
    InvalidAmount,
    NoRoute,
    Rejected,
)
from orderengine.model.order import Mode
from orderengine.pools import Pool, direction_of
from orderengine.routing.network.strategy import network, solve
from orderengine.routing.pair.split import split
from orderengine.routing.request import Request, Terms
from orderengine.routing.strategies import STRATEGIES
from orderengine.routing.view import MarketView
from tests.pools.strategies import untimed
from tests.routing.network.networks import (
    cpmm,
    hold_to_pools,
    listed,
    markets,
    runs_in_cycles,
    wanted,
)

modes = st.sampled_from(Mode)

TRIANGLE = MarketView(
    [
        cpmm("direct", "A", "B", (10**13, 10**13)),
        cpmm("to-c", "A", "C", (10**13, 2 * 10**13), 500),
        cpmm("from-c", "C", "B", (2 * 10**13, 10**13), 500),
    ]
)
CYCLE = MarketView(
    [
        cpmm("direct", "A", "B", (10**13, 10**13)),
        cpmm("to-c", "A", "C", (10**13, 10**13), 100),
        cpmm("from-c", "C", "B", (10**13, 10**13), 100),
        cpmm("c-dear", "C", "D", (10**12, 102 * 10**10), 100),
        cpmm("c-cheap", "C", "D", (10**12, 98 * 10**10), 100),
        cpmm("to-d", "A", "D", (10**12, 10**12), 100),
        cpmm("from-d", "D", "B", (10**12, 10**12), 100),
    ]
)
"""C and D can be traded for one another at two prices: 4 % for going round."""

LISTED = listed(
    ["raydium_cpmm", "raydium_clmm", "meteora_dlmm", "orca_whirlpool", "meteora_damm_v2"],
    [("SOL", "USDC", 150), ("SOL", "USDT", 150), ("USDT", "USDC", 1), ("mSOL", "SOL", 1.25)],
)


@untimed
@given(
    markets() | markets(mispriced_bps=100),
    st.integers(1, 10**6) | st.integers(10**6, 10**13),
    modes,
    st.booleans(),
)
def test_legs_are_the_pools_own(view: MarketView, amount: int, mode: Mode, may_cycle: bool) -> None:
    """Each leg is covered when its turn comes, pays what its pool says, and nothing is left."""
    request = wanted(view, amount, mode, may_cycle=may_cycle)
    try:
        route = network(request)
    except Rejected:
        assume(False)
    hold_to_pools(request, route)
    assert may_cycle or not runs_in_cycles(route)


@untimed
@given(
    markets(mispriced_bps=50),
    st.integers(10**6, 10**12),
    st.permutations(["C", "D", "E"]),
    st.lists(st.integers(0, 5), min_size=10, max_size=10),
)
def test_no_route_beats_the_bound(
    view: MarketView, amount: int, middle: list[str], weights: list[int]
) -> None:
    """Any way to send the amount on through the tokens in some order pays at most the bound."""
    order = ["A", *middle, "B"]
    held = dict.fromkeys(order, 0)
    held["A"] = amount
    for at, sell in enumerate(order[:-1]):
        ways: list[tuple[Pool, str, int]] = []
        for buy in order[at + 1 :]:
            for pool, _ in view.between(sell, buy):
                ways.append((pool, buy, weights[int(pool.address[1:])]))
        total = sum(weight for _, _, weight in ways)
        have = held[sell]
        for pool, buy, weight in ways:
            part = have * weight // total if total else 0
            try:
                swap = pool.swap_exact_in(direction_of(pool, sell, buy), part, 0)
            except (Rejected, InvalidAmount):
                continue
            held[buy] += swap.amount_out
    assume(held["B"] > 0)
    bound = network(wanted(view, amount)).bound
    assert bound is not None
    assert held["B"] <= bound


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("amount", [10**11, 3 * 10**12])
def test_constant_products_are_routed_to_the_last_digits(amount: int, mode: Mode) -> None:
    """Where a unit is a 10^-11th of the order, the route is within 10^-10 of its bound."""
    request = wanted(TRIANGLE, amount, mode)
    route = network(request)
    hold_to_pools(request, route)
    assert len(route.legs) == 3
    assert route.gap_bps is not None
    assert route.gap_bps <= 1e-6
    best = split(request)
    if mode is Mode.EXACT_IN:
        assert route.amount_out > best.amount_out
    else:
        assert route.amount_in < best.amount_in


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("dollars", [100, 10_000, 150_000])
def test_ticks_and_bins(dollars: int, mode: Mode) -> None:
    """Over ticks and bins too a route is within 0.01 bps of its bound."""
    shown = 10**9 // 150 if mode is Mode.EXACT_IN else 10**6
    request = Request(view=LISTED, sell="SOL", buy="USDC", amount=dollars * shown, mode=mode)
    route = network(request)
    hold_to_pools(request, route)
    assert route.gap_bps is not None
    assert route.gap_bps <= 0.01
    if dollars > 100:
        assert {leg.sell for leg in route.legs} == {"SOL", "USDT"}


@untimed
@given(
    st.lists(st.integers(20, 4_000), min_size=6, max_size=6), st.integers(1, 60), st.integers(0, 2)
)
def test_small_orders_against_every_split(reserves: list[int], amount: int, fee: int) -> None:
    """The bound is not below the best of all integer splits, nor the route above it."""
    view = MarketView(
        [
            cpmm("direct", "A", "B", (reserves[0], reserves[1]), fee * 1_000),
            cpmm("to-c", "A", "C", (reserves[2], reserves[3]), fee * 1_000),
            cpmm("from-c", "C", "B", (reserves[4], reserves[5]), fee * 1_000),
        ]
    )

    def paid(name: str, sell: str, buy: str, part: int) -> int:
        pool = view.pools[name]
        try:
            return pool.swap_exact_in(direction_of(pool, sell, buy), part, 0).amount_out
        except (Rejected, InvalidAmount):
            return 0

    best = max(
        paid("direct", "A", "B", amount - part)
        + paid("from-c", "C", "B", paid("to-c", "A", "C", part))
        for part in range(amount + 1)
    )
    assume(best > 0)
    route = network(wanted(view, amount))
    assert route.bound is not None
    assert route.amount_out <= best <= route.bound
    # Each of the three legs rounds down once, and a unit of C is worth what its pool pays for it.
    worth_c = reserves[5] // reserves[4] + 1
    assert best - route.amount_out <= 3 + worth_c


@pytest.mark.parametrize("mode", Mode)
def test_one_pair_is_split(mode: Mode) -> None:
    """Where no other token leads on, the route is that of ``split``."""
    view = MarketView([cpmm(f"p{at}", "A", "B", (10**12, 10**12 + at)) for at in range(3)])
    request = wanted(view, 10**10, mode)
    assert network(request) == split(request)


@pytest.mark.parametrize("mode", Mode)
def test_arbitrage_is_left_alone_unless_asked_for(mode: Mode) -> None:
    """Without cycles none is traded; with them the order gains, and each leg is still covered."""
    straight, round_ = (
        wanted(CYCLE, 10**11, mode),
        wanted(CYCLE, 10**11, mode, may_cycle=True),
    )
    route, gains = network(straight), network(round_)
    hold_to_pools(straight, route)
    hold_to_pools(round_, gains)
    assert not runs_in_cycles(route)
    assert runs_in_cycles(gains)
    if mode is Mode.EXACT_IN:
        assert gains.amount_out > route.amount_out
    else:
        assert gains.amount_in < route.amount_in
    assert route.gap_bps is not None
    assert route.gap_bps < 1e-3


def test_a_cycle_that_would_have_to_borrow_is_broken_off() -> None:
    """An order far smaller than the cycle cannot carry it; its bound knows the cycle still."""
    request = wanted(CYCLE, 10**6, may_cycle=True)
    route = network(request)
    hold_to_pools(request, route)
    assert route.amount_out >= network(wanted(CYCLE, 10**6)).amount_out
    assert route.gap_bps is not None
    assert route.gap_bps > 1


@pytest.mark.parametrize("mode", Mode)
def test_few_legs(mode: Mode) -> None:
    """A limit of legs is kept, more of them pay more, and the bound is that of any number."""
    made, free = [], network(wanted(CYCLE, 10**12, mode))
    for legs_max in range(1, len(free.legs) + 1):
        request = wanted(CYCLE, 10**12, mode, legs_max=legs_max)
        route = network(request)
        hold_to_pools(request, route)
        assert len(route.legs) <= legs_max
        assert route.bound == free.bound
        made.append(route.amount_out if mode is Mode.EXACT_IN else -route.amount_in)
    assert made == sorted(made)
    assert made[0] < made[2] < made[-1]
    assert made[-1] == (free.amount_out if mode is Mode.EXACT_IN else -free.amount_in)


def test_one_empty_pair_is_refused_as_by_split() -> None:
    """Pools that hold nothing are no missing pools."""
    request = wanted(MarketView([cpmm("empty", "A", "B", (0, 0))]), 10)
    with pytest.raises(InsufficientLiquidity) as expected:
        split(request)
    with pytest.raises(InsufficientLiquidity) as caught:
        network(request)
    assert caught.value.args == expected.value.args


def test_too_few_legs() -> None:
    """Where every path is longer than the limit there is no route."""
    view = MarketView([pool for name, pool in TRIANGLE.pools.items() if name != "direct"])
    assert len(network(wanted(view, 10**9)).legs) == 2
    with pytest.raises(NoRoute):
        network(wanted(view, 10**9, legs_max=1))


def test_no_path() -> None:
    """Tokens that no pools join are refused by name."""
    view = MarketView([cpmm("p", "A", "C", (10, 10)), cpmm("q", "B", "D", (10, 10))])
    with pytest.raises(NoRoute) as caught:
        network(wanted(view, 1))
    assert list(caught.value.reasons) == ["A for B"]


@pytest.mark.parametrize("mode", Mode)
def test_more_than_flows(mode: Mode) -> None:
    """An amount above what the ends, or the middle, can carry is refused with what they can."""
    pools = dict(LISTED.pools)
    chain = MarketView([pools["mSOL-SOL-orca_whirlpool"], pools["SOL-USDC-orca_whirlpool"]])
    most = Request(view=chain, sell="mSOL", buy="USDC", amount=10**16, mode=mode)
    with pytest.raises(InsufficientLiquidity) as far:
        network(most)
    assert far.value.required == 10**16
    available = far.value.available
    for part in (0.999, 1.02):
        amount = int(available * part)
        request = Request(view=chain, sell="mSOL", buy="USDC", amount=amount, mode=mode)
        if part < 1:
            hold_to_pools(request, network(request))
            continue
        with pytest.raises(InsufficientLiquidity) as caught:
            network(request)
        assert caught.value.available == pytest.approx(available, rel=1e-2)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("part", [0.9, 0.99, 0.999])
def test_nearly_all_that_flows(part: float, mode: Mode) -> None:
    """Where pools are traded to their ends rounding on the way is passed on, not stuck."""
    kinds = ("clmm", "dlmm", "whirlpool")
    view = MarketView([pool for name, pool in LISTED.pools.items() if name.endswith(kinds)])
    most = Request(view=view, sell="mSOL", buy="USDC", amount=10**17, mode=mode)
    with pytest.raises(InsufficientLiquidity) as far:
        network(most)
    amount = int(far.value.available * part)
    request = Request(view=view, sell="mSOL", buy="USDC", amount=amount, mode=mode)
    route = network(request)
    hold_to_pools(request, route)
    assert route.gap_bps is not None
    assert route.gap_bps <= 0.01


def test_dust() -> None:
    """An amount that pays nothing is refused with the least that pays."""
    view = MarketView(
        [cpmm("to-c", "A", "C", (10**6, 10**5)), cpmm("from-c", "C", "B", (10**6, 10**5))]
    )
    with pytest.raises(AmountTooSmall) as caught:
        network(wanted(view, 7))
    assert network(wanted(view, caught.value.required)).amount_out == 1
    with pytest.raises(AmountTooSmall):
        network(wanted(view, caught.value.required - 1))


def test_says_why_pools_are_left_out() -> None:
    """Of each pool on the way that no leg uses, and of none that leads nowhere."""
    view = MarketView(
        [
            *TRIANGLE.pools.values(),
            cpmm("worse", "A", "C", (10**13, 19 * 10**12)),
            cpmm("empty", "C", "B", (0, 0)),
            cpmm("aside", "C", "E", (10**13, 10**13)),
        ]
    )
    route = network(wanted(view, 10**9))
    assert {leg.pool for leg in route.legs} == {"to-c", "from-c"}
    assert {declined.pool: declined.code for declined in route.left_out or ()} == {
        "direct": "WORSE_PRICE",
        "worse": "WORSE_PRICE",
        "empty": "NO_LIQUIDITY",
    }


def test_first_price_and_impact() -> None:
    """The first unit's price is that of the best path; the route falls short of it."""
    route = network(wanted(TRIANGLE, 10**12))
    assert route.price_x64 is not None
    assert route.price_x64 / 2**64 == pytest.approx(0.9995**2)
    assert route.price_impact_bps is not None
    assert route.price_impact_bps > 0


@untimed
@given(markets(mispriced_bps=30), st.integers(1, 10**12), modes)
def test_the_order_of_pools_does_not_matter(view: MarketView, amount: int, mode: Mode) -> None:
    """Two markets of the same pools give routes as good as one another, within their bounds."""
    other = MarketView(list(view.pools.values())[::-1])
    try:
        one, two = network(wanted(view, amount, mode)), network(wanted(other, amount, mode))
    except Rejected:
        assume(False)
    assert one.bound is not None
    assert two.bound is not None
    if mode is Mode.EXACT_IN:
        assert max(one.amount_out, two.amount_out) <= min(one.bound, two.bound)
    else:
        assert min(one.amount_in, two.amount_in) >= max(one.bound, two.bound)


@pytest.mark.parametrize("may_cycle", [False, True])
@pytest.mark.parametrize("mode", Mode)
def test_compiled_gives_the_same_route(mode: Mode, may_cycle: bool) -> None:
    """With and without bins, to the last unit."""
    for sell, buy in permutations(["SOL", "USDC", "mSOL"], 2):
        terms = Terms(may_cycle=may_cycle)
        for amount in (10**6, 10**9, 10**11):
            request = Request(
                view=LISTED, sell=sell, buy=buy, amount=amount, mode=mode, terms=terms
            )
            assert solve(request) == solve(request, is_compiled=True)
    request = wanted(CYCLE, 10**11, mode, may_cycle=may_cycle)
    assert solve(request) == solve(request, is_compiled=True)


def test_is_a_strategy() -> None:
    """It can be chosen by name."""
    assert STRATEGIES["network"].route is network
