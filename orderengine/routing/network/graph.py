"""Lay the pools that can matter to an order out as a graph: tokens, and a ladder for each edge.

An edge is a pool in one direction. Without cycles no edge leads back to the token that is sold,
none leads on from the one that is bought, and only tokens on a path that visits no token twice are
kept: those that lie in one biconnected part with the edge from ``sell`` to ``buy`` (R. Tarjan,
"Depth-First Search and Linear Graph Algorithms", 1972). With cycles every token is kept that can
be reached and can be left towards ``buy``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from orderengine.routing.ladder import Ladder
from orderengine.routing.request import Request
from orderengine.routing.view import MarketView

__all__ = ["Graph", "graph_of", "is_one_pair", "on_paths"]


class Graph(Struct, frozen=True, eq=False):
    """Hold tokens and edges; edge e swaps token ``tails[e]`` for ``heads[e]`` on ``ladders[e]``.

    Tokens are ordered by their number of neighbours, fewest first: so elimination fills in least.
    """

    tokens: tuple[str, ...]
    sell: int
    buy: int
    tails: tuple[int, ...]
    heads: tuple[int, ...]
    ladders: tuple[Ladder, ...]
    made: dict[Hashable, Any] = field(default_factory=dict)
    """What is made from the graph once, by whoever makes it."""

    @property
    def edges(self) -> list[int]:
        """Every edge."""
        return list(range(len(self.ladders)))

    def leading(self, edges: Iterable[int]) -> list[int]:
        """Return those edges that lie on a way from ``sell`` to ``buy`` made of them."""
        return on_paths(self.tails, self.heads, edges, self.sell, self.buy)


def is_one_pair(request: Request) -> bool:
    """Return whether only pools of the pair itself can matter to an order without cycles."""
    view, sell, buy = request.view, request.sell, request.buy
    if request.terms.may_cycle:
        return False
    return view.once(("is_one_pair", sell, buy), lambda: len(_beside(view.pairs, sell, buy)) == 2)


def graph_of(request: Request) -> Graph | None:
    """Return the graph of an order; None if no pools lead from ``sell`` to ``buy``."""
    view, sell, buy = request.view, request.sell, request.buy
    may_cycle = request.terms.may_cycle
    return view.once(("graph", sell, buy, may_cycle), lambda: _graph(view, sell, buy, may_cycle))


def _graph(view: MarketView, sell: str, buy: str, may_cycle: bool) -> Graph | None:
    pairs = [(a, b) for a, b in view.pairs if a != b]
    if not may_cycle:
        kept = _beside(pairs, sell, buy)
        pairs = [(a, b) for a, b in pairs if a in kept and b in kept and a != buy and b != sell]
    edges = [
        (a, b, ladder)
        for a, b in pairs
        for ladder in [view.ladder(*entry) for entry in view.between(a, b)]
        if ladder.columns.starts
    ]
    number = {name: t for t, name in enumerate(view.tokens)}
    tails, heads = [number[a] for a, _, _ in edges], [number[b] for _, b, _ in edges]
    live = on_paths(tails, heads, range(len(edges)), number[sell], number[buy])
    if not live:
        return None
    neighbours: dict[str, set[str]] = {}
    for e in live:
        a, b, _ = edges[e]
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    tokens = sorted(neighbours, key=lambda name: (len(neighbours[name]), number[name]))
    number = {name: t for t, name in enumerate(tokens)}
    return Graph(
        tuple(tokens),
        number[sell],
        number[buy],
        tuple([number[edges[e][0]] for e in live]),
        tuple([number[edges[e][1]] for e in live]),
        tuple([edges[e][2] for e in live]),
    )


def on_paths(
    tails: Sequence[int], heads: Sequence[int], edges: Iterable[int], sell: int, buy: int
) -> list[int]:
    """Return the edges whose tail can be reached from ``sell``, and from whose head ``buy`` can."""
    live = list(edges)
    ahead: dict[int, list[int]] = {}
    behind: dict[int, list[int]] = {}
    for e in live:
        ahead.setdefault(tails[e], []).append(heads[e])
        behind.setdefault(heads[e], []).append(tails[e])
    reached, leading = _reach(ahead, sell), _reach(behind, buy)
    if buy not in reached:
        return []
    return [e for e in live if tails[e] in reached and heads[e] in leading]


def _reach(following: Mapping[int, Sequence[int]], start: int) -> set[int]:
    reached, waiting = {start}, [start]
    while waiting:
        for t in following.get(waiting.pop(), ()):
            if t not in reached:
                reached.add(t)
                waiting.append(t)
    return reached


def _beside(pairs: Iterable[tuple[str, str]], sell: str, buy: str) -> set[str]:
    """Return the tokens on a path between two that visits none twice, whatever the directions.

    Depth first from ``buy`` with ``sell`` as its first child; what hangs on a token by which alone
    it is joined to the rest is cut off.
    """
    near: dict[str, dict[str, None]] = {sell: {}, buy: {sell: None}}
    for a, b in pairs:
        near.setdefault(a, {})[b] = None
        near.setdefault(b, {})[a] = None
    depth, lowest = {buy: 0, sell: 1}, {buy: 0, sell: 0}
    stack = [(sell, iter(near[sell]))]
    order = [sell]
    while stack:
        at, rest = stack[-1]
        for following in rest:
            if following in depth:
                lowest[at] = min(lowest[at], depth[following])
                continue
            depth[following] = lowest[following] = len(stack) + 1
            order.append(following)
            stack.append((following, iter(near[following])))
            break
        else:
            stack.pop()
            if not stack:
                break
            parent = stack[-1][0]
            lowest[parent] = min(lowest[parent], lowest[at])
            if lowest[at] >= depth[parent]:
                cut = order.index(at)
                del order[cut:]
    return {buy, *order}
