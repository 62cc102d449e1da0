"""State a route through tokens: totals, bound, why pools were left out; or why there is none."""

from __future__ import annotations

from collections.abc import Callable

from orderengine.errors import AmountTooSmall, InsufficientLiquidity
from orderengine.model.order import Declined, Route
from orderengine.routing.costs import fits, network_cost
from orderengine.routing.network.cycles import Plan
from orderengine.routing.network.graph import Graph
from orderengine.routing.network.paths import Legs, first_price, least_input
from orderengine.routing.refusal import too_much, too_small
from orderengine.routing.request import Request
from orderengine.routing.result import bound_above, bound_below, declined, route_of_swaps

__all__ = ["made_by", "net_of", "refusal", "route_of_legs"]


def made_by(request: Request, graph: Graph, legs: Legs) -> int | None:
    """Return what legs make of the order: the output, or minus the input; None of no legs."""
    if not legs:
        return None
    amount_in, amount_out = _totals(graph, legs)
    return amount_out if request.is_exact_in else -amount_in


def net_of(request: Request, graph: Graph, legs: Legs) -> int | None:
    """Return what legs make of the order after costs; None if the terms do not allow them."""
    made = made_by(request, graph, legs)
    venues = _venues(graph, legs)
    tokens = {token for e, _ in legs for token in (graph.tails[e], graph.heads[e])}
    if made is None or not fits(request.terms, venues, len(tokens)):
        return None
    costs = request.terms.costs
    return made if costs is None else made - network_cost(costs, venues)


def route_of_legs(request: Request, graph: Graph, plan: Plan, legs: Legs) -> Route:
    """Return the route of legs in the order in which they execute."""
    amount_in, amount_out = _totals(graph, legs)
    bound = bound_above(plan.bound)
    if not request.is_exact_in:
        # What the output is worth, less profits: where most of it is taken off, fewer digits hold.
        worth = request.amount * plan.solution.roots[graph.buy] ** 2
        bound = max(bound_below(-plan.bound, worth), 0)
    net_bound, costs = None, request.terms.costs
    if not request.terms.is_free:
        # No route has fewer than one leg, and none pays less than for the cheapest.
        least = 0
        if costs is not None:
            least = min(network_cost(costs, [ladder.pool.venue]) for ladder in graph.ladders)
        net_bound = bound - least if request.is_exact_in else bound + least
    return route_of_swaps(
        request,
        [(graph.ladders[e], swap) for e, swap in legs],
        amount_in=amount_in,
        amount_out=amount_out,
        bound=bound,
        first_price=first_price(graph),
        left_out=_left_out(request, graph, plan, legs),
        net_bound=net_bound,
    )


def refusal(
    request: Request, graph: Graph, most: float, is_filled: Callable[[int], bool]
) -> InsufficientLiquidity | AmountTooSmall:
    """Return why nothing can be traded.

    Args:
        request: what was asked.
        graph: the pools that lead there.
        most: how much they carry, in real numbers.
        is_filled: whether an amount is traded in full, in integers.
    """
    where = "all pools that lead there"
    legs_max = request.terms.legs_max or len(graph.ladders)
    least = least_input(graph, request.view.now_s, legs_max) if request.is_exact_in else 0
    return too_small(request, where, least) or too_much(request, where, most, is_filled)


def _venues(graph: Graph, legs: Legs) -> list[str]:
    return [graph.ladders[e].pool.venue for e, _ in legs]


def _totals(graph: Graph, legs: Legs) -> tuple[int, int]:
    """Return what the order pays and receives in all; cycles through either token count net."""
    amount_in = amount_out = 0
    for e, swap in legs:
        amount_in += swap.amount_in * (graph.tails[e] == graph.sell)
        amount_in -= swap.amount_out * (graph.heads[e] == graph.sell)
        amount_out += swap.amount_out * (graph.heads[e] == graph.buy)
        amount_out -= swap.amount_in * (graph.tails[e] == graph.buy)
    return amount_in, amount_out


def _left_out(request: Request, graph: Graph, plan: Plan, legs: Legs) -> tuple[Declined, ...]:
    """Say of each pool between the graph's tokens that no leg uses why not."""
    seen = {graph.ladders[e].pool.address for e, _ in legs}
    live, roots = set(plan.edges), plan.solution.roots
    nearest: dict[str, tuple[float, int]] = {}
    for e, ladder in enumerate(graph.ladders):
        reach = roots[graph.heads[e]] / roots[graph.tails[e]] / ladder.start
        nearest[ladder.pool.address] = max((reach, e), nearest.get(ladder.pool.address, (0.0, -1)))
    said = []
    for pair in request.view.pairs:
        if not set(pair) <= set(graph.tokens):
            continue
        for pool, _ in request.view.between(*pair):
            if pool.address in seen:
                continue
            seen.add(pool.address)
            reach, e = nearest.get(pool.address, (0.0, -1))
            code, reason = "NOT_CHOSEN", "its part would pay nothing"
            if e < 0:
                code, reason = "NO_LIQUIDITY", "holds nothing to pay with in a direction of use"
            elif reach < 1:
                bps = 1e4 * (1 - reach * reach)
                code, reason = "WORSE_PRICE", f"its first unit is {bps:.2f} bps worse than the last"
            elif e not in live:
                reason = "it would close a cycle"
                if request.terms.may_cycle:
                    reason = "its cycle would have to borrow"
            elif not request.terms.is_free:
                reason = "its leg would not pay, or not fit"
            said.append(declined(pool, code, reason))
    return tuple(said)
