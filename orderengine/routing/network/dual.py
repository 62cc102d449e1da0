"""Price the tokens of a graph: the dual of routing an order through it, and a proof for any price.

Whatever prices the tokens are given, no route can make more of an order than its amount at the sold
token's price and each pool's best profit at these prices (Lagrange duality; source: G. Angeris,
A. Evans, T. Chitra and S. Boyd, "Optimal Routing for Constant Function Market Makers", 2022). The
prices for which that is least are the order's marginal prices, and what the pools trade at them is
the optimal route. The search stops somewhere near; the bound holds where it stopped.

Bins pay one price up to their end, so F has kinks. They are widened to narrow curves, narrower
from stage to stage, each starting where the last one ended; the bound is that of the true bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from orderengine.routing.fast import Kernels, kernels_of
from orderengine.routing.network import kernels
from orderengine.routing.network.graph import Graph

__all__ = ["Dual", "Solution"]

_WIDTHS = (1e-3, 3e-5, 1e-6, 1e-8)
"""Of s, to either side, in turn; the last is what the search may be off by where bins trade."""

_ROOT_MIN = 1e-40
"""Where cycles pay for all of an order its prices have no end; so far doubles still hold them."""


class Solution(Struct, frozen=True, eq=False):
    """Hold prices and what is traded at them, in real numbers."""

    value: float
    """The most that any route makes: output, or minus the input; above the truth, never below."""
    roots: Sequence[float]
    """Square root of each token's price, in units of ``buy`` (of an exact output: ``sell``)."""
    taken: Sequence[float]
    """What each edge takes."""
    paid: Sequence[float]
    """What each edge pays."""
    steps: int
    """Newton steps that were made."""


class Dual:
    """Hold a graph as flat columns, to be solved for several sets of edges.

    Args:
        graph: tokens and edges.
        amount: base units; of an exact output what is asked.
        is_exact_in: which side ``amount`` is.
        is_compiled: use compiled kernels (the extra ``fast``): the same doubles, sooner.
    """

    __slots__ = (
        "_curves",
        "_floats",
        "_ints",
        "_kernels",
        "_listed",
        "_order",
        "_widened",
        "graph",
    )

    def __init__(
        self, graph: Graph, amount: float, *, is_exact_in: bool, is_compiled: bool = False
    ) -> None:
        self.graph = graph
        supply = [0.0] * len(graph.tokens)
        supply[graph.sell if is_exact_in else graph.buy] = amount if is_exact_in else -amount
        numeraire = graph.buy if is_exact_in else graph.sell
        made = kernels_of(kernels, is_compiled=is_compiled)
        self._kernels, self._listed = made.functions, made.listed
        self._floats, self._ints = made.floats, made.ints
        self._order = self._floats(supply), numeraire
        if is_compiled not in graph.made:
            graph.made[is_compiled] = self._flat(graph, made)
        self._curves, self._widened = graph.made[is_compiled]

    def _flat(self, graph: Graph, made: Kernels) -> tuple[Any, list[Any]]:
        """Return all edges' columns one after another; and with bins widened, each width in turn.

        The second is empty where there are no bins.
        """
        columns = [ladder.columns for ladder in graph.ladders]
        *flat, offsets = made.flat(columns)
        curves = (self._ints(graph.tails), self._ints(graph.heads), offsets, *flat)
        widened: list[Any] = []
        if any(0.0 in one.liquidity for one in columns):
            for width in _WIDTHS:
                wide = [self._floats(column) for column in curves[3:6]]
                self._kernels.widen(curves, width, *wide)
                widened.append((*curves[:3], *wide, *curves[6:]))
        return curves, widened

    def solve(self, edges: Sequence[int], roots: Sequence[float]) -> Solution:
        """Return the best prices when only some edges may trade, found from ``roots`` on."""
        count, tokens = len(self.graph.ladders), len(self.graph.tokens)
        floats, ints, listed, kernels = self._floats, self._ints, self._listed, self._kernels
        live = ints(edges)
        at = floats([min(max(root, _ROOT_MIN), 1 / _ROOT_MIN) for root in roots])
        flows = self._flows()
        work = (
            ints([0] * count),
            *[floats([0.0] * size) for size in (tokens, tokens, tokens * tokens, tokens)],
            *[ints([0] * tokens) for _ in range(4)],
        )
        if not self._widened:
            value, steps = kernels.minimise(self._curves, live, self._order, at, flows, work)
            return Solution(value, listed(at), listed(flows[1]), listed(flows[2]), steps)
        value, steps = self.value_at(live, at), 0
        for curves in self._widened:
            steps += kernels.minimise(curves, live, self._order, at, flows, work)[1]
            value = min(value, self.value_at(live, at))
        return Solution(value, listed(at), listed(flows[1]), listed(flows[2]), steps)

    def value_at(self, edges: Sequence[int], roots: Sequence[float]) -> float:
        """Return F at any prices: no route over these edges makes more."""
        floats, ints = self._floats, self._ints
        active = ints([0] * len(self.graph.ladders))
        traded: tuple[float, int] = self._kernels.trade(
            self._curves, ints(edges), self._order[0], floats(roots), self._flows(), active
        )
        return traded[0]

    def _flows(self) -> tuple[Any, ...]:
        count, tokens = len(self.graph.ladders), len(self.graph.tokens)
        columns = [self._floats([0.0] * size) for size in (tokens, count, count, count)]
        return (*columns, self._ints(self._curves[2][:-1]))
