"""Follow single paths through a graph: marginal prices to begin with, and the best path of all.

Both relax edges hop by hop (R. Bellman, "On a Routing Problem", 1958) and never visit a token
twice, so an arbitrage cycle on the way is not run round.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from orderengine.pools import Swap
from orderengine.routing.network.graph import Graph
from orderengine.routing.polish import try_input, try_output
from orderengine.routing.request import Request

__all__ = [
    "Legs",
    "best_path",
    "first_price",
    "first_roots",
    "least_input",
    "starting_roots",
]

Legs = list[tuple[int, Swap]]
"""Edges, and what is swapped there, in the order in which they execute."""


def starting_roots(graph: Graph, edges: Sequence[int], *, is_exact_in: bool) -> list[float]:
    """Return square roots of the prices of each token's first unit, in ``buy`` (else ``sell``).

    With an exact input a token is worth what the best path to ``buy`` pays for its first unit, with
    an exact output what the best path from ``sell`` costs.
    """
    goal = graph.buy if is_exact_in else graph.sell
    roots = [0.0 if is_exact_in else inf] * len(graph.tokens)
    roots[goal] = 1.0
    passed: list[tuple[int, ...]] = [(t,) for t in range(len(graph.tokens))]
    starts = [ladder.start for ladder in graph.ladders]
    for _ in graph.tokens:
        is_done = True
        for e in edges:
            tail, head = graph.tails[e], graph.heads[e]
            if is_exact_in:
                root = roots[head] / starts[e]
                if root > roots[tail] * (1 + 1e-12) and tail not in passed[head]:
                    roots[tail], passed[tail], is_done = root, (tail, *passed[head]), False
            else:
                root = roots[tail] * starts[e]
                if root < roots[head] * (1 - 1e-12) and head not in passed[tail]:
                    roots[head], passed[head], is_done = root, (head, *passed[tail]), False
        if is_done:
            break
    # A token that no path joins to the goal trades nothing: any price does.
    return [root if 0.0 < root < inf else 1.0 for root in roots]


def first_roots(graph: Graph, *, is_exact_in: bool) -> list[float]:
    """Return ``starting_roots`` over all edges; computed once a graph."""
    key = ("first_roots", is_exact_in)
    if key not in graph.made:
        graph.made[key] = starting_roots(graph, graph.edges, is_exact_in=is_exact_in)
    found: list[float] = graph.made[key]
    return found


def first_price(graph: Graph) -> float:
    """Return what the best path pays for the first unit, buy units a sell unit."""
    root = first_roots(graph, is_exact_in=True)[graph.sell]
    return root * root


def best_path(graph: Graph, request: Request, hops_max: int) -> Legs:
    """Return the path of at most ``hops_max`` legs on which all of an order makes most.

    Each token keeps the best way to it found with so many hops. That is the best path, as pools pay
    more for more, but where the best way to a token has used up the next one.

    Returns:
        The legs in order; none if no such path carries the amount.
    """
    return _path(graph, request.amount, request.view.now_s, request.is_exact_in, hops_max)


def least_input(graph: Graph, now_s: int, hops_max: int) -> int:
    """Return the least amount that a single path of at most ``hops_max`` legs pays a unit for."""
    path = _path(graph, 1, now_s, False, hops_max)
    return path[0][1].amount_in if path else 0


def _path(graph: Graph, amount: int, now_s: int, is_exact_in: bool, hops_max: int) -> Legs:
    start, goal = (graph.sell, graph.buy) if is_exact_in else (graph.buy, graph.sell)
    held: dict[int, tuple[int, Legs]] = {start: (amount, [])}
    for _ in range(min(hops_max, len(graph.tokens) - 1)):
        after = dict(held)
        for e, ladder in enumerate(graph.ladders):
            come, go = graph.tails[e], graph.heads[e]
            if not is_exact_in:
                come, go = go, come
            if come not in held or come == goal or go == start:
                continue
            have, path = held[come]
            if any(go in {graph.tails[edge], graph.heads[edge]} for edge, _ in path):
                continue
            swap = (try_input if is_exact_in else try_output)(ladder, have, now_s)
            if swap is None:
                continue
            made = swap.amount_out if is_exact_in else swap.amount_in
            found = after.get(go)
            if found is None or (made > found[0] if is_exact_in else made < found[0]):
                after[go] = (made, [*path, (e, swap)] if is_exact_in else [(e, swap), *path])
        held = after
    return held[goal][1] if goal in held else []
