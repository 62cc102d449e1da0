"""Route an order through several tokens at once: splits, hops, and the proof beside it.

The tokens' marginal prices are found by the dual (``dual``), which also bounds every route;
what the pools trade at them is made executable (``sequence``) and turned into integers by the
pools themselves (``fill``). Cycles that would pay by themselves are left to those who ask
for them (``cycles``).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from orderengine.errors import NoRoute, Rejected
from orderengine.model.order import Route
from orderengine.routing.network.capacity import capacity
from orderengine.routing.network.cycles import (
    Plan,
    cycle_among,
    used_edges,
    without_cycles,
    without_weakest,
)
from orderengine.routing.network.dual import Dual
from orderengine.routing.network.fill import fill
from orderengine.routing.network.graph import Graph, graph_of, is_one_pair
from orderengine.routing.network.paths import Legs, best_path, first_roots
from orderengine.routing.network.result import made_by, net_of, refusal, route_of_legs
from orderengine.routing.network.sequence import executable_order
from orderengine.routing.pair.split import split
from orderengine.routing.polish import try_input, try_output
from orderengine.routing.request import Request, Terms

__all__ = ["network", "solve"]

_BRANCHES_MAX = 48
"""Branches solved to avoid cycles; each costs about what the order costs without them."""
_WORSE_MAX = 3
"""Where legs cost something, so many fewer of them are tried after the best number found."""
_LEFT_OUT_MAX = 8
"""So many of the weakest legs are tried, where what is left does not carry the order."""
_GAP = 1e-6
"""Above it, relative, the best single path and the pair's own pools are tried too: amounts so small
that rounding rules, so large that pools are exhausted, or cycles that had to be broken off."""


def network(request: Request) -> Route:
    """Return the route over all pools that pays most for an input, or takes least for an output.

    Each pool is used at most once, and what comes in at a token on the way goes out to the unit.
    The bound is that of routes of any number of legs, without cycles unless the terms allow them.
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
    plan, legs = _routed(request, graph, is_compiled=is_compiled)
    if legs:
        return route_of_legs(request, graph, plan, legs)
    if not request.terms.is_free and _routed(_freed(request), graph, is_compiled=is_compiled)[1]:
        said = "no route within the limits carries the amount"
        raise NoRoute({f"{request.sell} for {request.buy}": said})

    def is_filled(amount: int) -> bool:
        return bool(_routed(replace(request, amount=amount), graph, is_compiled=is_compiled)[1])

    raise refusal(request, graph, capacity(request, graph, plan.edges), is_filled)


def _freed(request: Request) -> Request:
    return replace(request, terms=Terms(may_cycle=request.terms.may_cycle))


def _routed(request: Request, graph: Graph, *, is_compiled: bool) -> tuple[Plan, Legs]:
    """Return the plan that bounds a request, and the best legs found within its terms, if any."""
    terms, is_exact_in = request.terms, request.is_exact_in
    dual = Dual(graph, float(request.amount), is_exact_in=is_exact_in, is_compiled=is_compiled)
    roots = first_roots(graph, is_exact_in=is_exact_in)
    plan, legs = (_with_cycles if terms.may_cycle else _without_cycles)(request, dual, roots)
    if not terms.is_free:
        legs = _within_terms(request, dual, plan, legs)
    net, made = net_of(request, graph, legs), made_by(request, graph, legs)
    if not terms.is_free or made is None or plan.bound - made > _GAP * abs(plan.bound):
        hops_max = min(terms.legs_max or len(graph.ladders), len(graph.tokens) - 1)
        hops = [hops_max] if terms.is_free else range(1, hops_max + 1)
        others = [best_path(graph, request, most) for most in hops]
        for other in [*others, _side_by_side(request, graph)]:
            nets = net_of(request, graph, other)
            if nets is not None and (net is None or nets > net):
                legs, net = other, nets
    return plan, legs


def _without_cycles(request: Request, dual: Dual, roots: Sequence[float]) -> tuple[Plan, Legs]:
    plan = without_cycles(dual, roots, _BRANCHES_MAX)
    return plan, _filled(request, dual.graph, plan)[0]


def _with_cycles(request: Request, dual: Dual, roots: Sequence[float]) -> tuple[Plan, Legs]:
    """Trade in cycles where each leg is covered; break those off that would have to borrow."""
    graph = dual.graph
    first = dual.solve(graph.edges, roots)
    plan = Plan(first, graph.edges, first.value)
    legs, uncovered = _filled(request, graph, plan)
    if not uncovered:
        return plan, legs
    while uncovered:
        used = used_edges(graph, plan.solution, plan.edges)
        cycle = cycle_among(graph, uncovered) or cycle_among(graph, used)
        fewer = without_weakest(graph, plan, cycle)
        plan = Plan(dual.solve(fewer, plan.solution.roots), fewer, first.value)
        legs, uncovered = _filled(request, graph, plan)
    # Which cycles to break off was a guess, and none at all may be better.
    other, straight = _without_cycles(request, dual, roots)
    made, without = made_by(request, graph, legs), made_by(request, graph, straight)
    if made is None or (without is not None and without > made):
        plan, legs = Plan(other.solution, other.edges, first.value), straight
    return plan, legs


def _within_terms(request: Request, dual: Dual, plan: Plan, legs: Legs) -> Legs:
    """Leave out the leg that carries least and route anew, until all fit and fewer pay no more.

    Where the others cannot carry what the least one did, the next one is left out in its place.
    """
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
        carried = {e: swap.amount_in * roots[graph.tails[e]] ** 2 for e, swap in legs}
        used, legs = list(carried), legs[:0]
        for weakest in sorted(used, key=carried.__getitem__)[:_LEFT_OUT_MAX]:
            edges = graph.leading([e for e in used if e != weakest])
            fewer = Plan(dual.solve(edges, roots), edges, plan.bound)
            legs = _filled(request, graph, fewer)[0]
            if legs:
                plan = fewer
                break
    return kept


def _side_by_side(request: Request, graph: Graph) -> Legs:
    """Return the legs of ``split``, where pools of the pair itself take the order."""
    edges = {
        ladder.pool.address: e
        for e, ladder in enumerate(graph.ladders)
        if (graph.tails[e], graph.heads[e]) == (graph.sell, graph.buy)
    }
    try:
        route = split(request)
    except Rejected:
        return []
    legs: Legs = []
    for leg in route.legs:
        e = edges.get(leg.pool, -1)
        amount = leg.amount_in if request.is_exact_in else leg.amount_out
        swap_of = try_input if request.is_exact_in else try_output
        swap = swap_of(graph.ladders[e], amount, request.view.now_s) if e >= 0 else None
        if swap is None:
            return []
        legs.append((e, swap))
    return legs


def _filled(request: Request, graph: Graph, plan: Plan) -> tuple[Legs, list[int]]:
    """Return a plan's legs, and the edges that nothing covers; then there are no legs."""
    edges = used_edges(graph, plan.solution, plan.edges)
    order, uncovered = executable_order(graph, edges, plan.solution, request)
    return ([], uncovered) if uncovered else (fill(graph, order, plan.solution, request), [])
