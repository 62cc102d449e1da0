"""Check which pools an order's graph holds."""

from __future__ import annotations

from itertools import pairwise, permutations

from hypothesis import given
from hypothesis import strategies as st

from orderengine.routing.network.graph import Graph, graph_of
from orderengine.routing.view import MarketView
from tests.routing.network.networks import TOKENS, cpmm, wanted

joined = st.lists(st.sampled_from(list(permutations(TOKENS, 2))), max_size=9).map(
    lambda pairs: MarketView(
        [
            cpmm("a-b", "A", "E", (10**6, 10**6)),
            cpmm("b-b", "D", "B", (10**6, 10**6)),
            *[cpmm(f"p{at}", a, b, (10**6, 10**6)) for at, (a, b) in enumerate(pairs)],
        ]
    )
)


def steps(graph: Graph | None) -> set[tuple[str, str]]:
    """Return the pairs of tokens that a graph's edges swap."""
    if graph is None:
        return set()
    ends = zip(graph.tails, graph.heads, strict=True)
    return {(graph.tokens[a], graph.tokens[b]) for a, b in ends}


@given(joined)
def test_without_cycles_only_tokens_on_a_path_are_kept(view: MarketView) -> None:
    """Every token of a path that visits none twice, and no other."""
    paths = [
        ("A", *middle, "B")
        for count in range(4)
        for middle in permutations(TOKENS[2:], count)
        if set(pairwise(("A", *middle, "B"))) <= set(view.pairs)
    ]
    graph = graph_of(wanted(view, 10))
    kept = set(graph.tokens) if graph else set()
    assert kept == {name for path in paths for name in path}
    needed = {step for path in paths for step in pairwise(path)}
    assert needed <= steps(graph)
    assert not any(a == "B" or b == "A" for a, b in steps(graph))


@given(joined)
def test_with_cycles_all_that_leads_on_is_kept(view: MarketView) -> None:
    """Every step between tokens that can be reached and left, in both directions."""
    graph = graph_of(wanted(view, 10, may_cycle=True))
    reached = {"A"}
    for _ in TOKENS:
        reached |= {b for a, b in view.pairs if a in reached}
    expected = set(view.pairs) if "B" in reached else set()
    assert steps(graph) == {(a, b) for a, b in expected if a in reached}


def test_pools_that_pay_nothing_are_no_edges() -> None:
    """An empty pool joins no tokens."""
    view = MarketView([cpmm("empty", "A", "B", (0, 0))])
    assert graph_of(wanted(view, 10)) is None
