"""Route without cycles: find cycles in a flow, and the best flow that has none.

Prices that differ between pools already pay for trading in cycles. An order that may not do so is
first solved as if it might, but for edges that cannot be part of a way. If that flow runs in no
cycle it is the best of all. If it does, every flow without cycles leaves at least one of the
cycle's steps (a token for another) unused: branch over which, best bound first (A. Land and
A. Doig, "An Automatic Method of Solving Discrete Programming Problems", 1960). The bound is that of
the best branch still open, so it holds wherever the search stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from msgspec import Struct

from orderengine.routing.network.dual import Dual, Solution
from orderengine.routing.network.graph import Graph

__all__ = ["Plan", "cycle_among", "used_edges", "without_cycles", "without_weakest"]

_NOISE = 1e-12
"""A flow worth less than this part of the order is a rounding, not a flow."""
_SETTLED = 1e-10
"""Branches that cannot gain more than this part of what was found are closed."""

_PATIENCE = 12
"""Branches after which the gap must be half of what it was, or the rest would not close it: where
cycles are worth more than the order, each doubles the branches."""

_Pair = tuple[int, int]


class Plan(Struct, frozen=True, eq=False):
    """Hold a flow to be carried out, and what no allowed flow makes more than."""

    solution: Solution
    edges: list[int]
    """Those that could trade."""
    bound: float


def used_edges(graph: Graph, solution: Solution, edges: Sequence[int]) -> list[int]:
    """Return the edges with a flow."""
    least = _NOISE * abs(solution.value)
    return [e for e in edges if _worth(graph, solution, e) > least]


def without_cycles(dual: Dual, roots: Sequence[float], branches_max: int) -> Plan:
    """Return the best flow without cycles that ``branches_max`` solved branches lead to."""
    graph = dual.graph
    edges = graph.edges
    first = dual.solve(edges, roots)
    found, left = _dive(dual, first, edges)
    if len(left) == len(edges):
        return Plan(found, edges, found.value)
    waiting: list[tuple[float, int, Solution, list[int]]] = [(-first.value, 0, first, edges)]
    seen, count = {tuple(edges)}, 0
    hopeless = (first.value - found.value) / 2
    while waiting and count < branches_max:
        gap = -waiting[0][0] - found.value
        if gap <= _SETTLED * abs(found.value) or (count >= _PATIENCE and gap > hopeless):
            break
        value, _, solution, edges = heappop(waiting)
        cycle = cycle_among(graph, used_edges(graph, solution, edges))
        if not cycle:
            if solution.value > found.value:
                found, left = solution, edges
            continue
        for pair in cycle:
            fewer = _without(graph, edges, pair)
            if fewer and tuple(fewer) not in seen:
                seen.add(tuple(fewer))
                count += 1
                child = dual.solve(fewer, solution.roots)
                heappush(waiting, (max(-child.value, value), count, child, fewer))
    return Plan(found, left, max([found.value, *[-entry[0] for entry in waiting]]))


def without_weakest(graph: Graph, plan: Plan, cycle: Sequence[_Pair]) -> list[int]:
    """Return the edges less those of the cycle's step that carries least."""
    solution, edges = plan.solution, plan.edges
    carried = dict.fromkeys(cycle, 0.0)
    for e in edges:
        pair = graph.tails[e], graph.heads[e]
        if pair in carried:
            carried[pair] += _worth(graph, solution, e)
    for pair in sorted(carried, key=lambda one: carried[one]):
        fewer = _without(graph, edges, pair)
        if fewer:
            return fewer
    return []


def cycle_among(graph: Graph, edges: Sequence[int]) -> list[_Pair]:
    """Return a shortest cycle of edges as pairs of tokens; none: an empty list."""
    following: dict[int, dict[int, None]] = {}
    for e in edges:
        following.setdefault(graph.tails[e], {})[graph.heads[e]] = None
    best: list[_Pair] = []
    for start in following:
        before: dict[int, int] = {}
        ring = [start]
        while ring and start not in before:
            after = []
            for t in ring:
                for head in following.get(t, ()):
                    if head not in before:
                        before[head] = t
                        after.append(head)
            ring = after
        if start in before:
            pairs, t = [], start
            while True:
                pairs.append((before[t], t))
                t = before[t]
                if t == start:
                    break
            if not best or len(pairs) < len(best):
                best = pairs
    return best


def _dive(dual: Dual, solution: Solution, edges: list[int]) -> tuple[Solution, list[int]]:
    """Give up the weakest step of every cycle until none is left."""
    graph = dual.graph
    while cycle := cycle_among(graph, used_edges(graph, solution, edges)):
        edges = without_weakest(graph, Plan(solution, edges, solution.value), cycle)
        solution = dual.solve(edges, solution.roots)
    return solution, edges


def _without(graph: Graph, edges: Sequence[int], pair: _Pair) -> list[int]:
    return graph.leading([e for e in edges if (graph.tails[e], graph.heads[e]) != pair])


def _worth(graph: Graph, solution: Solution, e: int) -> float:
    root = solution.roots[graph.tails[e]]
    return solution.taken[e] * root * root
