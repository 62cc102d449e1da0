"""Say how long a split takes: one order, a book, many orders at once, and orders under costs.

Sixty-four sales from 1 to 100,000 SOL take turns, by CPU time; nothing is cached between them but
the pools' book. ``test_routing_peers`` has the same beside solvers and heuristics.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.compare import cpu_seconds, interleave, seconds_a_call
from benchmarks.route_markets import deep_pools, mixed_pools, requests
from orderengine.pools import Direction, Pool
from orderengine.routing.batch import split_many
from orderengine.routing.ladder import ladder_of
from orderengine.routing.pair.book import Book
from orderengine.routing.pair.split import split
from orderengine.routing.polish import fill_input
from orderengine.routing.request import Costs, Terms
from orderengine.routing.view import MarketView

BATCH = 100_000
ORDERS_APART = 200
"""Orders whose latencies are looked at one by one."""
_PAIR = ("SOL", "USDC")
_COSTS = Costs(unit_price=100_000, lamport_price_x64=int(0.0815 * 2**64))
"""A tenth of a lamport a compute unit; a SOL is worth 81.50 USDC."""
_KINDS = ("compiled", "plain")


def _views(pools: Sequence[Pool]) -> dict[str, MarketView]:
    return {name: MarketView(pools, is_compiled=name == "compiled") for name in _KINDS}


@pytest.mark.benchmark(group="routing, one order")
@pytest.mark.parametrize("count", [2, 5, 10])
def test_one_order_over_mixed_pools(benchmark: BenchmarkFixture, count: int) -> None:
    """Say how long an order waits for its split, once the pools' book is built.

    The search for the shares, the integers on top, and the whole of ``split`` with both and the
    reasons, each compiled and in plain Python.
    """
    views = _views(mixed_pools(count))
    books = {name: view.book(*_PAIR) for name, view in views.items()}
    asked = {name: requests(view) for name, view in views.items()}
    amounts = [float(request.amount) for request in asked["plain"]]
    assert [split(request) for request in asked["compiled"]] == [
        split(request) for request in asked["plain"]
    ]
    ladders = books["plain"].ladders
    shared = [
        (request.amount, *_shares(books["plain"], request.amount)) for request in asked["plain"]
    ]
    legs = [len(split(request).legs) for request in asked["plain"]]
    widest = [one for one, many in zip(shared, legs, strict=True) if many == max(legs)]

    def fill(one: tuple[int, Sequence[float], float]) -> object:
        amount, shares, last_s = one
        return fill_input(ladders, shares, amount, 0, last_s)

    peers = {
        f"share_input_{name}": seconds_a_call(books[name].share_input, amounts) for name in _KINDS
    }
    peers["fill_input"] = seconds_a_call(fill, shared)
    peers["fill_input_most_legs"] = seconds_a_call(fill, widest)
    peers |= {f"split_{name}": seconds_a_call(split, asked[name]) for name in _KINDS}
    interleave(benchmark, peers, 1)
    benchmark.extra_info.update(
        {
            "goals_us": {"share_input_compiled": 5, "share_input_plain": 40, "fill_input": 100},
            "pieces": len(books["plain"].columns.starts),
            "legs": {"median": median(legs), "most": max(legs)},
        }
    )


def _shares(book: Book, amount: int) -> tuple[Sequence[float], float]:
    """Return what ``split`` hands to the polish: each pool's part of the output, and the last s."""
    return book.share_output(book.output_of(float(amount)))


@pytest.mark.benchmark(group="routing, building")
def test_building_a_book(benchmark: BenchmarkFixture) -> None:
    """Say how soon after pools have changed an order can be split: ten pools of 61 pieces each."""
    pools = deep_pools(10)
    ladders = [ladder_of(pool, Direction.A_TO_B, 0) for pool in pools]
    pieces = [len(ladder.columns.starts) for ladder in ladders]
    assert min(pieces) >= 60
    whole = partial(_built, pools)
    peers = {
        "ladders_and_book": seconds_a_call(whole, [False]),
        "ladders": seconds_a_call(
            lambda _: [ladder_of(p, Direction.A_TO_B, 0) for p in pools], [0]
        ),
        "book": seconds_a_call(lambda _: Book(ladders), [0]),
        "book_compiled": seconds_a_call(lambda _: Book(ladders, is_compiled=True), [0]),
        "segments": seconds_a_call(
            lambda _: [list(p.segments(Direction.A_TO_B, 0)) for p in pools], [0]
        ),
    }
    interleave(benchmark, peers, 1)
    found = {"goals_us": {"ladders_and_book": 2_000}, "pieces": pieces}
    benchmark.extra_info.update(found | {"venues": [pool.venue for pool in pools]})


def _built(pools: Sequence[Pool], is_compiled: bool) -> Book:
    return MarketView(pools, is_compiled=is_compiled).book(*_PAIR)


@pytest.mark.benchmark(group="routing, many orders")
def test_many_orders_at_once(benchmark: BenchmarkFixture) -> None:
    """Say how many splits a second a survey over sizes makes: 100,000 orders over ten pools."""
    view = MarketView(mixed_pools(10), is_compiled=True)
    amounts: Any = np.exp(np.linspace(np.log(1e9), np.log(1e14), BATCH))
    splits = split_many(view, *_PAIR, amounts)
    assert np.allclose(splits.shares.sum(axis=1), amounts, rtol=1e-12, atol=1)
    medians = interleave(
        benchmark, {"split_many": lambda: cpu_seconds(split_many, view, *_PAIR, amounts)}, BATCH
    )
    benchmark.extra_info["splits_per_s"] = round(1e6 / medians["split_many"])
    benchmark.extra_info["goal_per_s"] = 1_000_000


@pytest.mark.benchmark(group="routing, costs")
@pytest.mark.parametrize("count", [10, 20])
def test_legs_under_costs(benchmark: BenchmarkFixture, count: int) -> None:
    """Say how long it takes to choose the legs that earn their fee, in one transaction, proven."""
    terms = Terms(costs=_COSTS, is_one_transaction=True)
    views = _views(mixed_pools(count))
    asked = {name: requests(view, terms=terms) for name, view in views.items()}
    routes = [split(request) for request in asked["compiled"]]
    if any(route.net_bound is None for route in routes):
        pytest.skip("NO COSTS: split does not choose legs by cost")
    interleave(
        benchmark, {f"split_{name}": seconds_a_call(split, asked[name]) for name in _KINDS}, 1
    )
    waits = {}
    for name, view in views.items():
        took = []
        for request in requests(view, ORDERS_APART, terms=terms):
            began = perf_counter()
            split(request)
            took.append((perf_counter() - began) * 1e6)
        waits[name] = {"p50": round(median(took), 1), "p95": round(quantiles(took, n=20)[-1], 1)}
    gaps = sorted(route.net_gap_bps or 0.0 for route in routes)
    benchmark.extra_info.update(
        {
            "wall_us": waits,
            "goals_us": {"10 pools": 300, "20 pools p95": 10_000},
            "net_gap_bps": {"median": median(gaps), "max": gaps[-1]},
            "legs_median": median(len(route.legs) for route in routes),
        }
    )
