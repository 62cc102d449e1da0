"""Make price curves and pools for tests of which pools get a leg."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import inf
from typing import cast

from hypothesis import strategies as st
from msgspec import Struct

from orderengine.pools import Direction, Pool
from orderengine.pools.footprint import COMPUTE_UNITS
from orderengine.routing.costs import fits, leg_cost, start_cost
from orderengine.routing.ladder import Ladder
from orderengine.routing.pair.book import Book
from orderengine.routing.request import Costs, Terms
from orderengine.routing.sweep import Columns

VENUES = tuple(COMPUTE_UNITS)
HEAVY = ("raydium_amm_v4", "raydium_clmm", "orca_whirlpool")
"""Of them four to eight legs fit."""
WORTHS_X64 = (2**64 // 50, 2**64 // 7, 2**64)
"""A lamport in micro-dollars at $20 and $140 for one SOL, and in lamports."""


class Named(Struct, frozen=True):
    """Stand in for a pool whose curve alone counts."""

    venue: str
    address: str


@st.composite
def ladders(draw: st.DrawFn, address: str) -> Ladder:
    """Draw an endless curve, ticks with gaps, or bins; prices within 1 % of 1."""
    s = 1 + draw(st.integers(0, 4_000)) / 1_000_000
    starts, ends, liquidity, inputs, outputs = [], [], [], [0.0], [0.0]
    kind = draw(st.sampled_from(["endless", "ticks", "bins"]))
    for _ in range(1 if kind == "endless" else draw(st.integers(1, 12))):
        starts.append(s)
        size = float(draw(st.integers(10**6, 10**9)))
        if kind == "bins":
            ends.append(s)
            liquidity.append(0.0)
            outputs.append(outputs[-1] + size / 1_000)
            inputs.append(inputs[-1] + size / 1_000 * s * s)
            s *= 1 + draw(st.sampled_from([0.0005, 0.001]))
            continue
        end = inf if kind == "endless" else s * (1 + draw(st.sampled_from([0.0003, 0.002])))
        ends.append(end)
        liquidity.append(size)
        inputs.append(inputs[-1] + size * (end - s))
        outputs.append(outputs[-1] + size * (1 / s - 1 / end))
        s = end * draw(st.sampled_from([1.0, 1.001]))
    pool = cast("Pool", Named(draw(st.sampled_from(VENUES)), address))
    return Ladder(pool, Direction.A_TO_B, Columns(starts, ends, liquidity, inputs, outputs))


@st.composite
def books(draw: st.DrawFn, smallest: int, largest: int) -> Book:
    """Draw a pair's book."""
    count = draw(st.integers(smallest, largest))
    return Book([draw(ladders(f"pool-{at}")) for at in range(count)])


@st.composite
def crowds(draw: st.DrawFn, smallest: int, largest: int) -> Book:
    """Draw a book of pools that are about as good as one another, too many for one transaction."""
    ladders = []
    for at in range(draw(st.integers(smallest, largest))):
        s = 1 + draw(st.integers(0, 1_000)) / 10_000_000
        liquidity = float(draw(st.integers(10**7, 10**8)))
        columns = Columns([s], [inf], [liquidity], [0.0, inf], [0.0, liquidity / s])
        pool = cast("Pool", Named(draw(st.sampled_from(HEAVY)), f"pool-{at}"))
        ladders.append(Ladder(pool, Direction.A_TO_B, columns))
    return Book(ladders)


@st.composite
def costs(draw: st.DrawFn) -> Costs:
    """Draw prices of compute from nothing to more than most legs bring."""
    price = draw(st.sampled_from([0, 1_000, 50_000, 500_000, 10_000_000]))
    return Costs(unit_price=price, lamport_price_x64=draw(st.sampled_from(WORTHS_X64)))


terms = st.builds(
    Terms,
    costs=st.none() | costs(),
    is_one_transaction=st.booleans(),
    legs_max=st.none() | st.integers(1, 4),
)


def capacity(book: Book, *, is_output: bool) -> float:
    """Return what a book's pools take, or pay, together."""
    return book.amount_out_max if is_output else book.amount_in_max


@st.composite
def amounts(draw: st.DrawFn, book: Book, *, is_output: bool) -> int:
    """Draw an amount that all pools together take, or pay."""
    most = int(min(capacity(book, is_output=is_output), 10**8) * 0.99)
    return draw(st.integers(1, most) | st.integers(min(most, 10**4), min(most, 10**6)))


def sets_within(book: Book, terms: Terms) -> list[tuple[Ladder, ...]]:
    """Return every set of a book's pools that keeps the limits."""
    return [
        some
        for size in range(1, len(book.ladders) + 1)
        for some in combinations(book.ladders, size)
        if fits(terms, [ladder.pool.venue for ladder in some])
    ]


def net_of(some: Sequence[Ladder], amount: int, costs: Costs | None, *, is_output: bool) -> float:
    """Return what a set nets in real numbers; -inf if it cannot fill the amount."""
    book = Book(some)
    most = capacity(book, is_output=is_output)
    if most < amount or (most == amount and is_output and book.amount_in_max == inf):
        return -inf
    gross = -book.input_of(amount) if is_output else book.output_of(amount)
    if costs is None:
        return gross
    legs = sum([leg_cost(costs, ladder.pool.venue) for ladder in some])
    return gross - start_cost(costs) - legs
