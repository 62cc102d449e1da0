"""Route an order through several tokens at once: splits, hops, and the proof beside it.

The tokens' marginal prices are found by the dual (``dual``), which also bounds every route;
what the pools trade at them is made executable (``order``) and turned into integers by the
pools themselves (``fill``). Circles that would pay by themselves are left to those who ask
for them (``cycles``).
"""

from __future__ import annotations

from collections.abc import Sequence

from orderengine.errors import NoRoute
from orderengine.model.order import Route
from orderengine.routing.network.capacity import capacity
from orderengine.routing.network.cycles import (
    Plan,
    circle_among,
    used_edges,
    without_circles,
    without_weakest,
)
from orderengine.routing.network.dual import Dual
from orderengine.routing.network.fill import fill
from orderengine.routing.network.graph import Graph, graph_of, is_one_pair
from orderengine.routing.network.order import executable_order
from orderengine.routing.network.paths import Legs, best_path, first_roots
from orderengine.routing.network.result import made_by, net_of, refusal, route_of_legs
from orderengine.routing.request import Request
from orderengine.routing.split import split

__all__ = ["network", "solve"]

_BRANCHES_MAX = 48
"""Branches solved to avoid circles; each costs about what the order costs without them."""
_WORSE_MAX = 3
"""Where legs cost something, so many fewer of them are tried after the best number found."""
_GAP = 1e-6
"""Above it, relative, the best single path is tried too: amounts so small that rounding rules."""


def network(request: Request) -> Route:
    """Return the route over all pools that pays most for an input, or takes least for an output.

    Each pool is used at most once, and what comes in at a token on the way goes out to the unit.
    The bound is that of routes of any number of legs, without circles unless the terms allow them.
    Where legs cost something or not all fit, the one that carries least is left out, as long as
    that is needed or pays: a heuristic, and the gap says how far it may be from the best.

    Raises:
        NoRoute: no pools lead from one token to the other, or not in so few legs.
        InsufficientLiquidity: the pools do not take, or do not pay, the amount.
        AmountTooSmall: the amount would be paid for with nothing.
    """
    return solve(request, is_compiled=request.view.is_compiled)


def solve(request: Request, *, is_compiled: bool = False) -> Route:
    """Return the same route as ``network``, where compiled (the extra ``fast``) sooner."""
    if is_one_pair(request):
        return split(request)
    graph = graph_of(request)
    if graph is None:
        if request.view.between(request.sell, request.buy):
            return split(request)  # which says what its pools lack
        raise NoRoute({f"{request.sell} for {request.buy}": "no pools lead from one to the other"})
    terms, is_exact_in = request.terms, request.is_exact_in
    legs_max = terms.legs_max or len(graph.ladders)
    dual = Dual(graph, float(request.amount), is_exact_in=is_exact_in, is_compiled=is_compiled)
    roots = first_roots(graph, is_exact_in=is_exact_in)
    plan, legs = (_with_circles if terms.may_cycle else _without_circles)(request, dual, roots)
    is_cut = bool(legs) and not terms.is_free
    if is_cut:
        legs = _within_terms(request, dual, plan, legs)
    made = made_by(request, graph, legs)
    if made is None or plan.bound - made > _GAP * abs(plan.bound):
        path = best_path(graph, request, legs_max)
        other, net = net_of(request, graph, path), net_of(request, graph, legs)
        if other is not None and (net is None or other > net):
            legs = path
    if not legs and is_cut:
        said = f"no route of at most {legs_max} legs carries the amount"
        raise NoRoute({f"{request.sell} for {request.buy}": said})
    if not legs:
        raise refusal(request, graph, capacity(request, graph, plan.edges))
    return route_of_legs(request, graph, plan, legs)


def _without_circles(request: Request, dual: Dual, roots: Sequence[float]) -> tuple[Plan, Legs]:
    plan = without_circles(dual, roots, _BRANCHES_MAX)
    return plan, _filled(request, dual.graph, plan)[0]


def _with_circles(request: Request, dual: Dual, roots: Sequence[float]) -> tuple[Plan, Legs]:
    """Trade in circles where each leg is covered; break those off that would have to borrow."""
    graph = dual.graph
    first = dual.solve(graph.edges, roots)
    plan = Plan(first, graph.edges, first.value)
    legs, uncovered = _filled(request, graph, plan)
    if not uncovered:
        return plan, legs
    while uncovered:
        used = used_edges(graph, plan.solution, plan.edges)
        circle = circle_among(graph, uncovered) or circle_among(graph, used)
        fewer = without_weakest(graph, plan, circle)
        plan = Plan(dual.solve(fewer, plan.solution.roots), fewer, first.value)
        legs, uncovered = _filled(request, graph, plan)
    # Which circles to break off was a guess, and none at all may be better.
    other, straight = _without_circles(request, dual, roots)
    made, without = made_by(request, graph, legs), made_by(request, graph, straight)
    if made is None or (without is not None and without > made):
        plan, legs = Plan(other.solution, other.edges, first.value), straight
    return plan, legs


def _within_terms(request: Request, dual: Dual, plan: Plan, legs: Legs) -> Legs:
    """Leave out the leg that carries least and route anew, until all fit and fewer pay no more."""
    graph, kept = dual.graph, legs[:0]
    best, worse = None, 0
    while legs and worse < _WORSE_MAX:
        net = net_of(request, graph, legs)
        if net is not None and (best is None or net > best):
            kept, best, worse = legs, net, 0
        elif best is not None:
            worse += 1
        if best is not None and request.terms.costs is None:
            break  # fewer legs never pay more where they cost nothing
        roots = plan.solution.roots
        weakest, _ = min(legs, key=lambda leg: leg[1].amount_in * roots[graph.tails[leg[0]]] ** 2)
        edges = graph.leading([e for e, _ in legs if e != weakest])
        plan = Plan(dual.solve(edges, roots), edges, plan.bound)
        legs = _filled(request, graph, plan)[0]
    return kept


def _filled(request: Request, graph: Graph, plan: Plan) -> tuple[Legs, list[int]]:
    """Return a plan's legs, and the edges that nothing covers; then there are no legs."""
    edges = used_edges(graph, plan.solution, plan.edges)
    order, uncovered = executable_order(graph, edges, plan.solution, request)
    return ([], uncovered) if uncovered else (fill(graph, order, plan.solution, request), [])
