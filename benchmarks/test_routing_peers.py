"""Route the same orders by our router, by convex solvers and by the heuristics that others use.

All are timed in turn by CPU time, after their answers were compared. Convex solvers answer in real
numbers, as ``Book.share_input`` does, so that is what they are compared with; ``split`` is on top
of that exact in integers, and says why pools were left out. cvxpy is timed at its best, which is
one compiled problem whose numbers are parameters and the faster solver, and where pools are
products also as its examples are written (``convex_textbook``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median

import cvxpy as cp
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.compare import interleave, seconds_a_call
from benchmarks.peers.arcs import Arc, worths_of
from benchmarks.peers.convex_routes import ConvexRouter
from benchmarks.peers.convex_textbook import textbook_output
from benchmarks.peers.dual_lbfgs import DualRouter
from benchmarks.peers.greedy_routes import GreedyRouter
from benchmarks.route_markets import (
    NETWORK_TOKENS,
    arcs_of_network,
    arcs_of_pair,
    mixed_pools,
    network_pools,
    product_pools,
    requests,
)
from orderengine.model.order import Route
from orderengine.pools import Direction, RaydiumCpmmPool
from orderengine.routing.network.dual import Dual
from orderengine.routing.network.graph import graph_of
from orderengine.routing.network.paths import first_roots
from orderengine.routing.network.strategy import solve
from orderengine.routing.pair.split import split
from orderengine.routing.request import Request
from orderengine.routing.strategies import STRATEGIES
from orderengine.routing.view import MarketView

_PAIR = ("SOL", "USDC")
_SOLVERS = tuple(name for name in ("CLARABEL", "ECOS") if name in cp.installed_solvers())
_KINDS = ("compiled", "plain")
_AGREE = 1e-6
"""Relative: what the solvers' usual tolerances leave."""
_TEXTBOOK_AGREES = 1e-4
"""The same of the formulation with geometric means."""
_SLOW = 16
"""Of the textbook only every so many orders: one takes long, whatever its size."""


def _fastest(
    router: ConvexRouter, arcs: Sequence[Arc], worths: Sequence[float], amounts: Sequence[float]
) -> tuple[str, Callable[[float], float]]:
    """Return the solver that takes less long, and what asks it for an output."""

    def ask(solver: str) -> Callable[[float], float]:
        return lambda amount: router.solve(arcs, amount, worths, solver).output

    found = {solver: seconds_a_call(ask(solver), amounts)() for solver in _SOLVERS}
    fastest = min(found, key=found.__getitem__)
    return fastest, ask(fastest)


def _solver_alone_us(
    router: ConvexRouter, convex: Callable[[float], float], amounts: Sequence[float]
) -> float:
    """Return the median of what the solver takes without cvxpy around it, as it says itself."""
    took = []
    for amount in amounts:
        convex(amount)
        took.append(router.solver_s * 1e6)
    return round(median(took), 1)


def _ratios(medians: dict[str, float], ours: str) -> dict[str, float]:
    """Return how many times as long as ours each took."""
    return {name: round(value / medians[ours], 1) for name, value in medians.items()}


@pytest.mark.benchmark(group="routing, beside peers")
@pytest.mark.parametrize("market", ["mixed", "products"])
def test_split_beside_its_peers(benchmark: BenchmarkFixture, market: str) -> None:
    """Say how much sooner an order over ten pools is split than by a solver or by small steps."""
    pools = mixed_pools(10) if market == "mixed" else product_pools(10)
    views = {name: MarketView(pools, is_compiled=name == "compiled") for name in _KINDS}
    books = {name: view.book(*_PAIR) for name, view in views.items()}
    book = books["plain"]
    asked = requests(views["plain"])
    amounts = [float(request.amount) for request in asked]
    few = amounts[::_SLOW]
    arcs = arcs_of_pair(pools, Direction.A_TO_B)
    worths = worths_of(arcs, 2, 1)
    router = ConvexRouter(arcs, 2, 0, 1)
    solver, convex = _fastest(router, arcs, worths, few)
    dual = DualRouter(arcs, 2, 0, 1, worths)
    greedy = {name: GreedyRouter(book.ladders, is_compiled=name == "compiled") for name in _KINDS}
    above_bps = 0.0
    for amount in amounts:
        best = book.output_of(amount)
        assert convex(amount) == pytest.approx(best, rel=_AGREE)
        bound = dual.solve(amount).output
        assert bound >= best * (1 - _AGREE)
        above_bps = max(above_bps, 1e4 * (bound / best - 1))
        assert 0.99 * best < greedy["plain"].output(amount) <= best * (1 + 1e-12)
        assert greedy["compiled"].output(amount) == greedy["plain"].output(amount)
    peers = {
        f"share_input_{name}": seconds_a_call(books[name].share_input, amounts) for name in _KINDS
    }
    peers |= {f"split_{name}": seconds_a_call(split, requests(views[name])) for name in _KINDS}
    peers["cvxpy"] = seconds_a_call(convex, amounts)
    if market == "products":
        plain = [pool for pool in pools if isinstance(pool, RaydiumCpmmPool)]

        def textbook(amount: float) -> float:
            return textbook_output(plain, _PAIR, _PAIR, amount, worths)

        for amount in few:
            assert textbook(amount) == pytest.approx(book.output_of(amount), rel=_TEXTBOOK_AGREES)
        peers["cvxpy_textbook"] = seconds_a_call(textbook, few)
    peers["lbfgs_dual"] = seconds_a_call(dual.solve, amounts)
    peers |= {
        f"greedy_1pct_real_{name}": seconds_a_call(greedy[name].output, amounts) for name in _KINDS
    }
    peers |= {
        name: seconds_a_call(STRATEGIES[name].route, asked)
        for name in ("greedy1", "greedy5", "grid")
    }
    medians = interleave(benchmark, peers, 1)
    benchmark.extra_info.update(
        {
            "times_share_input_compiled": _ratios(medians, "share_input_compiled"),
            "times_share_input_plain": _ratios(medians, "share_input_plain"),
            "times_split_compiled": _ratios(medians, "split_compiled"),
            "goals": {"cvxpy": 1_000, "greedy1": 20},
            # Where a price stands still the dual has a kink, at which L-BFGS-B may stop early.
            "lbfgs_bound_above_bps_max": float(f"{above_bps:.3g}"),
            "solver": solver,
            "solver_alone_us": _solver_alone_us(router, convex, amounts),
            "arcs": len(arcs),
        }
    )


@pytest.mark.benchmark(group="routing, beside peers")
def test_network_beside_its_peers(benchmark: BenchmarkFixture) -> None:
    """Say how much sooner an order is routed through 100 pools of 20 tokens than by a solver."""
    if "network" not in STRATEGIES:
        pytest.skip("NO NETWORK: there is no strategy of the name")
    pools = network_pools(100)
    tokens = [f"T{index}" for index in range(NETWORK_TOKENS)]
    sell, buy = 0, NETWORK_TOKENS // 2
    ends = (tokens[sell], tokens[buy])
    arcs = arcs_of_network(pools, tokens, *ends)
    worths = worths_of(arcs, NETWORK_TOKENS, buy)
    amounts = [10.0 ** (10.5 + k / 2) for k in range(8)]
    shape = (NETWORK_TOKENS, sell, buy)
    router = ConvexRouter(arcs, *shape)
    solver, convex = _fastest(router, arcs, worths, amounts)
    dual = DualRouter(arcs, *shape, worths)

    def textbook(amount: float) -> float:
        return textbook_output(pools, tokens, ends, amount, worths)

    asked: dict[str, list[Request]] = {}
    for name in _KINDS:
        view = MarketView(pools, is_compiled=name == "compiled")
        asked[name] = [
            Request(view=view, sell=ends[0], buy=ends[1], amount=int(amount)) for amount in amounts
        ]
    solves = {name: _dual_of(name == "compiled") for name in _KINDS}
    routes = {name: _network_of(name == "compiled") for name in _KINDS}
    gaps = []
    for request in asked["plain"]:
        route, amount = routes["plain"](request), float(request.amount)
        best = dual.solve(amount).output
        assert convex(amount) == pytest.approx(best, rel=_AGREE)
        assert textbook(amount) == pytest.approx(best, rel=_TEXTBOOK_AGREES)
        assert solves["plain"](request) == pytest.approx(best, rel=_AGREE)
        assert route.amount_out <= best * (1 + 1e-9)
        gaps.append(1e4 * (1 - route.amount_out / best))
    peers = {f"solve_{name}": seconds_a_call(solves[name], asked[name]) for name in _KINDS}
    peers |= {f"network_{name}": seconds_a_call(routes[name], asked[name]) for name in _KINDS}
    peers["cvxpy"] = seconds_a_call(convex, amounts)
    peers["cvxpy_textbook"] = seconds_a_call(textbook, amounts[::4])
    peers["lbfgs_dual"] = seconds_a_call(dual.solve, amounts)
    medians = interleave(benchmark, peers, 1)
    benchmark.extra_info.update(
        {
            "times_solve_compiled": _ratios(medians, "solve_compiled"),
            "times_network_compiled": _ratios(medians, "network_compiled"),
            "goals": {"cvxpy": 300},
            "below_lbfgs_bound_bps": [round(gap, 6) for gap in gaps],
            "solver": solver,
            "solver_alone_us": _solver_alone_us(router, convex, amounts),
            "arcs": len(arcs),
        }
    )


def _network_of(is_compiled: bool) -> Callable[[Request], Route]:
    """Return what routes with all that a route says."""
    return partial(solve, is_compiled=is_compiled)


def _dual_of(is_compiled: bool) -> Callable[[Request], float]:
    """Return what only finds the optimum, in real numbers, as the solvers do."""

    def value(request: Request) -> float:
        graph = graph_of(request)
        assert graph is not None
        dual = Dual(graph, float(request.amount), is_exact_in=True, is_compiled=is_compiled)
        roots = first_roots(graph, is_exact_in=True)
        return dual.solve(graph.edges, roots).value

    return value
