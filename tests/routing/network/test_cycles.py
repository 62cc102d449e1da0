"""Check cycles: found where there are some, and the best flow that has none."""

from __future__ import annotations

from itertools import combinations, permutations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orderengine.routing.network.cycles import cycle_among, used_edges, without_cycles
from orderengine.routing.network.dual import Dual
from orderengine.routing.network.graph import Graph, graph_of
from orderengine.routing.network.paths import starting_roots
from orderengine.routing.view import MarketView
from tests.pools.strategies import untimed
from tests.routing.network.networks import cpmm, markets, wanted


def graph(pairs: list[tuple[int, int]]) -> Graph:
    """Return a graph without pools."""
    tails, heads = tuple(a for a, _ in pairs), tuple(b for _, b in pairs)
    return Graph(tuple("ABCDE"), 0, 4, tails, heads, ())


def is_cycle(pairs: list[tuple[int, int]]) -> bool:
    """Return whether pairs of tokens make one cycle."""
    after = dict(pairs)
    at, seen = pairs[0][0], set()
    while at not in seen:
        seen.add(at)
        at = after.get(at, -1)
    return at == pairs[0][0] and len(seen) == len(pairs)


@given(st.lists(st.sampled_from(list(permutations(range(5), 2))), max_size=9))
def test_cycles_are_found(pairs: list[tuple[int, int]]) -> None:
    """A shortest one, if and only if some subset of the edges is one."""
    found = cycle_among(graph(pairs), range(len(pairs)))
    lengths = [
        length
        for length in range(2, 6)
        for chosen in combinations(set(pairs), length)
        if is_cycle(list(chosen))
    ]
    assert len(found) == min(lengths, default=0)
    if found:
        assert set(found) <= set(pairs)
        assert is_cycle(found)


@untimed
@given(markets(mispriced_bps=100), st.integers(10**9, 10**12))
def test_no_order_of_tokens_makes_more(view: MarketView, amount: int) -> None:
    """Without cycles tokens have an order: the best over all of them is the best there is."""
    whole = graph_of(wanted(view, amount))
    assume(whole is not None)
    assert whole is not None
    roots = starting_roots(whole, whole.edges, is_exact_in=True)
    dual = Dual(whole, float(amount), is_exact_in=True)
    plan = without_cycles(dual, roots, 1_000)
    assert not cycle_among(whole, used_edges(whole, plan.solution, plan.edges))
    best = 0.0
    middle = [t for t in range(len(whole.tokens)) if t not in {whole.sell, whole.buy}]
    for order in permutations(middle):
        place = {t: at for at, t in enumerate((whole.sell, *order, whole.buy))}
        edges = whole.leading(
            [e for e in whole.edges if place[whole.tails[e]] < place[whole.heads[e]]]
        )
        if edges:
            best = max(best, dual.solve(edges, roots).value)
    assert plan.solution.value == pytest.approx(best, rel=1e-8)
    assert plan.bound == pytest.approx(best, rel=1e-8)


def test_a_stopped_search_is_honest() -> None:
    """With no branch allowed the bound is that of trading in cycles, and the flow has none."""
    view = MarketView(
        [
            cpmm("ab", "A", "B", (10**12, 10**12)),
            cpmm("ac", "A", "C", (10**12, 10**12)),
            cpmm("db", "D", "B", (10**12, 10**12)),
            cpmm("cd", "C", "D", (10**12, 10**12)),
            cpmm("cd2", "C", "D", (10**12, 11 * 10**11)),
        ]
    )
    whole = graph_of(wanted(view, 10**10))
    assert whole is not None
    roots = starting_roots(whole, whole.edges, is_exact_in=True)
    dual = Dual(whole, 1e10, is_exact_in=True)
    stopped, done = without_cycles(dual, roots, 0), without_cycles(dual, roots, 100)
    assert stopped.bound == dual.solve(whole.edges, roots).value
    assert stopped.bound > done.bound
    assert done.bound == pytest.approx(done.solution.value, rel=1e-9)
    assert not cycle_among(whole, used_edges(whole, stopped.solution, stopped.edges))
