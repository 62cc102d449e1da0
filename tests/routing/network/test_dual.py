"""Check the dual: what another solver finds, that prices prove, and kernels that agree."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orderengine.model.order import Mode
from orderengine.routing.network.dual import Dual
from orderengine.routing.network.graph import Graph, graph_of
from orderengine.routing.network.paths import starting_roots
from orderengine.routing.request import Request
from orderengine.routing.view import MarketView
from tests.pools.strategies import untimed
from tests.routing.network.networks import cpmm, listed, markets, wanted

MESH = MarketView(
    [
        cpmm("ab", "A", "B", (10**12, 3 * 10**12)),
        cpmm("ac", "A", "C", (2 * 10**12, 10**12), 500),
        cpmm("cb", "C", "B", (10**12, 6 * 10**12), 500),
        cpmm("cb2", "B", "C", (6 * 10**11, 10**11)),
        cpmm("ad", "A", "D", (10**12, 10**12), 100),
        cpmm("db", "D", "B", (5 * 10**11, 15 * 10**11), 10_000),
        cpmm("cd", "C", "D", (10**11, 2 * 10**11), 100),
    ]
)
STEPPED = listed(
    ["meteora_dlmm", "raydium_clmm"],
    [("SOL", "USDC", 150), ("SOL", "USDT", 150.1), ("USDT", "USDC", 1), ("mSOL", "SOL", 1.25)],
)


def problem(request: Request) -> tuple[Graph, list[float]]:
    """Return a request's graph and where its search begins."""
    graph = graph_of(request)
    assert graph is not None
    return graph, starting_roots(graph, graph.edges, is_exact_in=request.is_exact_in)


def dual_of(request: Request, graph: Graph, *, is_compiled: bool = False) -> Dual:
    """Return a request's dual."""
    amount = float(request.amount)
    return Dual(graph, amount, is_exact_in=request.is_exact_in, is_compiled=is_compiled)


@pytest.mark.parametrize(
    ("amount", "found"),
    [(10**9, 2.994262984699277), (10**11, 2.871346614249355), (10**12, 2.109514556683632)],
)
def test_output_is_that_of_a_conic_solver(amount: int, found: float) -> None:
    """The optimum of the same market as a convex program, by a solver that knows nothing of it.

    Output a unit of input from cvxpy 1.9.3 with Clarabel 0.11.1: maximise what B is left, with the
    geometric mean of each pool's reserves after fees not falling, and no token short.
    """
    request = wanted(MESH, amount)
    graph, roots = problem(request)
    solution = dual_of(request, graph).solve(graph.edges, roots)
    assert solution.value / amount == pytest.approx(found, rel=1e-6)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("amount", [10**6, 10**11, 10**12])
def test_flow_makes_what_prices_prove(amount: int, mode: Mode) -> None:
    """At the optimum every token balances, and the flow makes all that the dual allows."""
    request = wanted(MESH, amount, mode)
    graph, roots = problem(request)
    solution = dual_of(request, graph).solve(graph.edges, roots)
    net = [0.0] * len(graph.tokens)
    for e in graph.edges:
        net[graph.tails[e]] -= solution.taken[e]
        net[graph.heads[e]] += solution.paid[e]
    net[graph.sell if mode is Mode.EXACT_IN else graph.buy] += (
        amount if mode is Mode.EXACT_IN else -amount
    )
    made = net.pop(graph.buy if mode is Mode.EXACT_IN else graph.sell)
    assert made == pytest.approx(solution.value, rel=1e-7)
    assert max(abs(surplus) for surplus in net) <= 1e-6 * abs(solution.value)


@untimed
@given(
    markets(mispriced_bps=50),
    st.integers(10**6, 10**12),
    st.sampled_from(Mode),
    st.lists(st.floats(-0.05, 0.05), min_size=5, max_size=5),
)
def test_every_price_bounds(
    view: MarketView, amount: int, mode: Mode, changes: list[float]
) -> None:
    """Other prices than those found never prove more."""
    request = wanted(view, amount, mode)
    graph = graph_of(request)
    assume(graph is not None)
    assert graph is not None
    dual = dual_of(request, graph)
    roots = starting_roots(graph, graph.edges, is_exact_in=request.is_exact_in)
    solution = dual.solve(graph.edges, roots)
    assume(max(solution.roots) < 1e6 * max(roots) and min(solution.roots) > 1e-6 * min(roots))
    ground = graph.buy if request.is_exact_in else graph.sell
    other = [
        root * (1 + (change if t != ground else 0))
        for t, (root, change) in enumerate(zip(solution.roots, changes, strict=False))
    ]
    slack = 1e-9 * abs(solution.value)
    assert solution.value <= dual.value_at(graph.edges, other) + slack


@pytest.mark.parametrize("mode", Mode)
def test_bins_cost_no_more_than_their_last_width(mode: Mode) -> None:
    """The flow over widened bins makes what the true bins' bound says, within 10^-7."""
    for amount in (10**8, 10**10, 3 * 10**11):
        request = Request(view=STEPPED, sell="mSOL", buy="USDC", amount=amount, mode=mode)
        graph, roots = problem(request)
        dual = dual_of(request, graph)
        solution = dual.solve(graph.edges, roots)
        start = dual.value_at(graph.edges, roots)
        assert solution.value < start
        t = graph.buy if mode is Mode.EXACT_IN else graph.sell
        made = sum(
            solution.paid[e] * (graph.heads[e] == t) - solution.taken[e] * (graph.tails[e] == t)
            for e in graph.edges
        )
        assert made == pytest.approx(solution.value, rel=1e-7)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("view", [MESH, STEPPED], ids=["curves", "bins"])
def test_compiled_kernels_give_the_same_doubles(view: MarketView, mode: Mode) -> None:
    """Prices and flows, bit for bit, after as many steps."""
    sell, buy = ("A", "B") if view is MESH else ("mSOL", "USDC")
    for amount in (10**7, 10**9, 10**11):
        request = Request(view=view, sell=sell, buy=buy, amount=amount, mode=mode)
        graph, roots = problem(request)
        plain = dual_of(request, graph).solve(graph.edges, roots)
        fast = dual_of(request, graph, is_compiled=True).solve(graph.edges, roots)
        assert (plain.value, plain.steps) == (fast.value, fast.steps)
        assert list(plain.roots) == list(fast.roots)
        assert list(plain.taken) == list(fast.taken)
        assert list(plain.paid) == list(fast.paid)
