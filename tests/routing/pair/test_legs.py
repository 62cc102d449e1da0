"""Check the choice of pools against every set of them, in real numbers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.pools.footprint import footprint_of
from orderengine.routing.costs import fits
from orderengine.routing.pair.book import Book
from orderengine.routing.pair.legs import Legs, choose_legs
from orderengine.routing.request import Costs, Terms
from tests.pools.strategies import untimed
from tests.routing.pair import legs_pools
from tests.routing.pair.legs_pools import amounts, books, crowds, net_of, sets_within


def close_to(amount: float) -> float:
    """Return how far sums over pieces may differ by the order in which they are added.

    Pieces here are of up to 10^9 units, a ten-millionth of which is lost in doubles.
    """
    return 1e-10 * amount + 1e-6


def venues_of(book: Book, legs: Legs) -> list[str]:
    """Return the venue of each leg."""
    pairs = zip(book.ladders, legs.shares, strict=True)
    return [ladder.pool.venue for ladder, part in pairs if part]


@untimed
@given(st.data(), books(1, 6), legs_pools.terms, st.booleans())
def test_no_set_of_pools_nets_more(
    data: st.DataObject, book: Book, terms: Terms, is_output: bool
) -> None:
    """The chosen set is the best of all, its parts are the amount, and the bound says so."""
    amount = data.draw(amounts(book, is_output=is_output))
    sets = sets_within(book, terms)
    nets = [net_of(some, amount, terms.costs, is_output=is_output) for some in sets]
    legs = choose_legs(book, amount, is_output=is_output, terms=terms)
    if legs is None:
        assert max(nets) == -float("inf")
        return
    # Of an exact output the net is in the other token, which may have far more units.
    close = close_to(max(amount, abs(legs.net)))
    assert legs.net == pytest.approx(max(nets), abs=close)
    assert legs.net <= legs.bound <= legs.net + close
    assert sum(legs.shares) == pytest.approx(amount, abs=close_to(amount))
    assert fits(terms, venues_of(book, legs))
    some = [ladder for ladder, part in zip(book.ladders, legs.shares, strict=True) if part]
    assert net_of(some, amount, terms.costs, is_output=is_output) == pytest.approx(
        legs.net, abs=close
    )


ONE = Terms(is_one_transaction=True)


@settings(untimed, max_examples=40)
@given(crowds(6, 9), st.integers(10**5, 10**8), st.booleans())
def test_no_set_that_fits_one_transaction_nets_more(
    book: Book, amount: int, is_output: bool
) -> None:
    """Also where all pools are wanted and accounts, bytes and compute decide."""
    amount = amount // 10 if is_output else amount  # they pay 6 * 10^7 and more
    sets = sets_within(book, ONE)
    best = max(net_of(some, amount, None, is_output=is_output) for some in sets)
    legs = choose_legs(book, amount, is_output=is_output, terms=ONE)
    assert legs is not None
    assert legs.net == pytest.approx(best, abs=close_to(amount))
    assert legs.net <= legs.bound <= legs.net + close_to(amount)
    assert fits(ONE, venues_of(book, legs))


@settings(untimed, max_examples=40)
@given(crowds(12, 20), st.integers(10**6, 10**7), st.integers(1, 100))
def test_a_search_of_a_crowd_cut_short_bounds_what_it_missed(
    book: Book, amount: int, nodes_max: int
) -> None:
    """Where the first set that fits is seldom the best, the bound says how far off it may be."""
    whole = choose_legs(book, amount, is_output=False, terms=ONE, nodes_max=4_000)
    short = choose_legs(book, amount, is_output=False, terms=ONE, nodes_max=nodes_max)
    if whole is None or short is None:
        assert short is None
        return
    assert short.net <= whole.net <= short.bound
    assert short.bound >= whole.bound - close_to(amount)


@settings(untimed, max_examples=40)
@given(st.data(), books(20, 20), legs_pools.terms, st.booleans())
def test_twenty_pools_are_proven(
    data: st.DataObject, book: Book, terms: Terms, is_output: bool
) -> None:
    """No set is left to be looked at: the bound is what was reached, and within the limits."""
    amount = data.draw(amounts(book, is_output=is_output))
    legs = choose_legs(book, amount, is_output=is_output, terms=terms)
    if legs is None:
        return
    assert legs.bound <= legs.net + close_to(amount)
    assert fits(terms, venues_of(book, legs))


@untimed
@given(st.data(), books(2, 8), legs_pools.terms, st.integers(1, 12), st.booleans())
def test_a_search_cut_short_says_how_far_it_may_be_off(
    data: st.DataObject, book: Book, terms: Terms, nodes_max: int, is_output: bool
) -> None:
    """Its bound holds for the best set, and what it reached is possible."""
    amount = data.draw(amounts(book, is_output=is_output))
    whole = choose_legs(book, amount, is_output=is_output, terms=terms)
    short = choose_legs(book, amount, is_output=is_output, terms=terms, nodes_max=nodes_max)
    if whole is None or short is None:
        assert short is None
        return
    # Nodes that a bound excludes are still looked at, on the way back to the root.
    assert short.nodes <= nodes_max + 2 * len(book.ladders) + 1
    assert short.net <= whole.net + close_to(amount)
    assert short.bound >= whole.net - close_to(amount)


@untimed
@given(st.data(), books(1, 8), legs_pools.costs(), st.integers(1, 10**7))
def test_dearer_compute_never_buys_more_of_it(
    data: st.DataObject, book: Book, cheap: Costs, more: int
) -> None:
    """The compute that the best set asks for does not rise with its price."""
    amount = data.draw(amounts(book, is_output=False))
    dear = replace(cheap, unit_price=cheap.unit_price + more)
    units, grosses = [], []
    for costs in (cheap, dear):
        legs = choose_legs(book, amount, is_output=False, terms=Terms(costs=costs))
        assert legs is not None
        asked = [footprint_of(venue).compute_units for venue in venues_of(book, legs)]
        units.append(sum(asked))
        grosses.append(legs.net)
    saved = more * cheap.lamport_price_x64 / (1_000_000 * 2**64) * (units[0] - units[1])
    assert saved >= -2 * close_to(amount)
    assert grosses[1] <= grosses[0] + close_to(amount)


@untimed
@given(st.data(), books(1, 8), st.booleans())
def test_free_legs_without_limits_are_the_books_own_optimum(
    data: st.DataObject, book: Book, is_output: bool
) -> None:
    """Then the search finds what one look into the merged curve does."""
    amount = data.draw(amounts(book, is_output=is_output))
    legs = choose_legs(book, amount, is_output=is_output, terms=Terms())
    assert legs is not None
    best = -book.input_of(amount) if is_output else book.output_of(amount)
    assert legs.net == pytest.approx(best, abs=close_to(amount))


@pytest.mark.timeout(300)
@settings(untimed, max_examples=60)
@given(st.data(), books(1, 14), legs_pools.terms, st.booleans())
def test_compiled_and_plain_say_the_same(
    data: st.DataObject, book: Book, terms: Terms, is_output: bool
) -> None:
    """To the last digit, and after as many nodes."""
    amount = data.draw(amounts(book, is_output=is_output))
    fast = Book(book.ladders, is_compiled=True)
    said = choose_legs(book, amount, is_output=is_output, terms=terms)
    again = choose_legs(fast, amount, is_output=is_output, terms=terms, is_compiled=True)
    if said is None or again is None:
        assert said is again
        return
    for field in ("net", "bound", "last_s", "nodes"):
        assert getattr(said, field) == getattr(again, field), field
    assert list(said.shares) == list(again.shares)
