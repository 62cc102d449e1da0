"""Tell how much of an amount that is too large the pools between two tokens carry."""

from __future__ import annotations

from collections.abc import Sequence

from orderengine.routing.network.dual import Dual, Solution
from orderengine.routing.network.graph import Graph
from orderengine.routing.network.paths import starting_roots
from orderengine.routing.request import Request

__all__ = ["capacity"]

_HALVINGS_MAX = 40
_PRECISION = 1e-2
_BALANCED = 1e-6
"""What comes to a token and what leaves it are one, relative."""


def capacity(request: Request, graph: Graph, edges: Sequence[int]) -> float:
    """Return how much of the fixed token the pools carry, to within 1 %, never above it.

    Halved between what is carried and what is not: no token on the way may keep any, or lack any.
    """
    is_exact_in = request.is_exact_in
    end = graph.sell if is_exact_in else graph.buy
    ladders = zip(graph.ladders, graph.tails if is_exact_in else graph.heads, strict=True)
    sizes = [
        one.amount_in_max if is_exact_in else one.amount_out_max for one, t in ladders if t == end
    ]
    low, high = 0.0, min(float(request.amount), sum(sizes))
    roots = starting_roots(graph, edges, is_exact_in=is_exact_in)
    for _ in range(_HALVINGS_MAX):
        if high <= low * (1 + _PRECISION) or high < 1:
            break
        middle = (low + high) / 2 if low else high / 4
        solution = Dual(graph, middle, is_exact_in=is_exact_in).solve(edges, roots)
        if _is_carried(graph, solution, middle, is_exact_in=is_exact_in):
            low = middle
        else:
            high = middle
    return low


def _is_carried(graph: Graph, solution: Solution, amount: float, *, is_exact_in: bool) -> bool:
    inflow, outflow = [0.0] * len(graph.tokens), [0.0] * len(graph.tokens)
    for e in graph.edges:
        outflow[graph.tails[e]] += solution.taken[e]
        inflow[graph.heads[e]] += solution.paid[e]
    goal = graph.buy if is_exact_in else graph.sell
    if is_exact_in:
        inflow[graph.sell] += amount
    else:
        outflow[graph.buy] += amount
    flows = enumerate(zip(inflow, outflow, strict=True))
    return all(abs(come - go) <= _BALANCED * max(come, go) for t, (come, go) in flows if t != goal)
