"""Put the legs of a flow in an order in which they can be executed, nothing borrowed."""

from __future__ import annotations

from collections.abc import Sequence

from orderengine.routing.network.dual import Solution
from orderengine.routing.network.graph import Graph, on_paths
from orderengine.routing.request import Request

__all__ = ["executable_order"]

_COVERED = 1e-9
"""Flows balance to the last digits of doubles only."""

_FULL = 0.999
"""A pool that trades more than this part of all it can may refuse a rest."""


def executable_order(
    graph: Graph, edges: Sequence[int], solution: Solution, request: Request
) -> tuple[list[int], list[int]]:
    """Return the legs in order, and those that nothing brought would cover.

    Without cycles every leg out of a token follows all legs into it. Of legs that share the token
    given (with an exact output: asked) one comes where it takes the rest: one with room, and of
    those the one whose other token is finest, so that rounding falls where it is worth least.

    Args:
        graph: tokens and edges.
        edges: those with a flow.
        solution: the flow.
        request: the amount and which side it is.
    """
    place = _places(graph, edges)
    roots = solution.roots
    if place:

        def key(e: int) -> tuple[float, ...]:
            tail, head, ladder = graph.tails[e], graph.heads[e], graph.ladders[e]
            if request.is_exact_in:
                has_room = solution.taken[e] < _FULL * ladder.amount_in_max
                return place[tail], has_room, -roots[head], solution.taken[e]
            has_room = solution.paid[e] < _FULL * ladder.amount_out_max
            return place[head], not has_room, roots[tail], -solution.paid[e]

        return sorted(edges, key=key), []
    held = [0.0] * len(graph.tokens)
    held[graph.sell] = float(request.amount) if request.is_exact_in else -solution.value
    order, left = [], list(edges)
    while left:
        e = _next(graph, left, solution.taken, held)
        if e < 0:
            break
        order.append(e)
        left.remove(e)
        held[graph.tails[e]] -= solution.taken[e]
        held[graph.heads[e]] += solution.paid[e]
    return order, left


def _next(graph: Graph, left: Sequence[int], taken: Sequence[float], held: Sequence[float]) -> int:
    """Return a covered leg; first of cycles, as what leaves a cycle early cannot go round it."""
    for e in left:
        tail, head = graph.tails[e], graph.heads[e]
        if taken[e] <= held[tail] * (1 + _COVERED) and on_paths(
            graph.tails, graph.heads, left, head, tail
        ):
            return e
    brought = {graph.heads[e] for e in left}
    for e in left:
        if graph.tails[e] not in brought and taken[e] <= held[graph.tails[e]] * (1 + _COVERED):
            return e
    return -1


def _places(graph: Graph, edges: Sequence[int]) -> dict[int, int]:
    """Return each token's place when no edge leads back; empty if one must."""
    waiting_for = dict.fromkeys(range(len(graph.tokens)), 0)
    for e in edges:
        waiting_for[graph.heads[e]] += 1
    ready = [t for t, count in waiting_for.items() if not count]
    place: dict[int, int] = {}
    while ready:
        t = ready.pop()
        place[t] = len(place)
        for e in edges:
            if graph.tails[e] == t:
                head = graph.heads[e]
                waiting_for[head] -= 1
                if not waiting_for[head]:
                    ready.append(head)
    return place if len(place) == len(graph.tokens) else {}
