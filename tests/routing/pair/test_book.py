"""Check ladders and the book that merges them: the same curve, and its best sharing."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict

from orderengine.market.draws import Draws
from orderengine.pools import Direction, RaydiumCpmmPool, Segment
from orderengine.pools.fixed_point import U64_MAX
from orderengine.pools.segments import output_of
from orderengine.routing.ladder import Ladder, ladder_of
from orderengine.routing.pair.book import Book
from orderengine.routing.pair.split import split
from orderengine.routing.polish import try_output
from orderengine.routing.request import Request
from orderengine.routing.sweep import Columns, merge
from orderengine.routing.sweep import output_of as output_at
from orderengine.routing.view import MarketView
from tests.pools.strategies import NOW_S, directions, dlmm_pools
from tests.routing.markets import cpmm, drawn_market

A_TO_B = Direction.A_TO_B


def curve(start: float, end: float, liquidity: float) -> Columns:
    """Return a curve of one piece, with its amounts by the formulas."""
    taken = liquidity * (end - start)
    paid = liquidity * (1 / start - (0 if end == inf else 1 / end))
    return Columns([start], [end], [liquidity], [0.0, taken], [0.0, paid])


def step(at: float, paid: float) -> Columns:
    """Return a bin."""
    return Columns([at], [at], [0.0], [0.0, paid * at * at], [0.0, paid])


def taken_before(ladder: Ladder, s: float) -> float:
    """Return the input of all that trades at a better price than 1 / s^2."""
    starts, ends, liquidity, inputs, _ = ladder.columns
    taken = 0.0
    for k, start in enumerate(starts):
        if start < s:
            whole = inputs[k + 1] - inputs[k]
            taken += whole if s >= ends[k] else liquidity[k] * (s - start)
    return taken


def test_curves_that_overlap_add_up_between_their_ends() -> None:
    """By hand: two curves and a bin inside them become five pieces."""
    merged = merge([curve(1, 3, 100), curve(2, 4, 50), step(2.5, 7)])
    assert merged.starts == [1, 2, 2.5, 2.5, 3]
    assert merged.ends == [2, 2.5, 2.5, 3, 4]
    assert merged.liquidity == [100, 150, 0, 150, 50]
    assert merged.inputs == pytest.approx([0, 100, 175, 218.75, 293.75, 343.75])
    total = 100 * (1 - 1 / 3) + 50 * (1 / 2 - 1 / 4) + 7
    assert merged.outputs[-1] == pytest.approx(total)


def test_a_gap_between_pieces_stays_a_gap() -> None:
    """Where nobody trades at a price, the next piece begins further on."""
    merged = merge([curve(1, 2, 10), curve(3, 4, 10)])
    assert (merged.starts, merged.ends) == ([1, 3], [2, 4])


def test_the_ladder_of_a_pool_is_its_curve() -> None:
    """What the pieces of a pool pay for an input, its ladder alone in a book pays too."""
    for number in range(40):
        view = drawn_market(number, 3)
        for pool in view.pools.values():
            for direction in Direction:
                ladder = ladder_of(pool, direction, 0)
                book = Book([ladder])
                for k in range(1, 9):
                    amount = min(ladder.amount_in_max, 1e13) * k / 9
                    expected = output_of(pool.segments(direction, 0), amount)
                    assert book.output_of(amount) == pytest.approx(expected, rel=1e-9)
                    paid = book.output_of(amount)
                    assert book.input_of(paid) == pytest.approx(amount, rel=1e-9, abs=1)


@settings(max_examples=60)
@given(pool=dlmm_pools(), direction=directions, share=st.floats(0.01, 0.99))
def test_a_ladder_bounds_a_pool_whose_fee_falls(
    pool: object, direction: Direction, share: float
) -> None:
    """Merged by price, pieces pay at least what they pay in their order; prices never rise."""
    ladder = ladder_of(pool, direction, NOW_S)  # type: ignore[arg-type]
    starts = ladder.columns.starts
    assert starts == sorted(starts)
    if not starts:
        return
    amount = ladder.amount_in_max * share
    pays = output_of(pool.segments(direction, NOW_S), amount)  # type: ignore[attr-defined]
    assert Book([ladder]).output_of(amount) >= pays * (1 - 1e-9)


def test_shares_add_up_and_end_at_one_price() -> None:
    """A pool that trades stops at the common price, inside a piece or between two."""
    for number in range(60):
        view = drawn_market(number)
        for sell, buy in (("SOL", "USDC"), ("USDC", "SOL")):
            book = view.book(sell, buy)
            for k in range(1, 12):
                amount = min(book.amount_in_max, 1e14) * k / 12
                shares, s = book.share_input(amount)
                assert sum(shares) == pytest.approx(amount, rel=1e-9)
                for ladder, share in zip(book.ladders, shares, strict=True):
                    below, above = taken_before(ladder, s), taken_before(ladder, s * (1 + 1e-12))
                    slack = 1e-9 * amount + 1
                    assert below - slack <= share <= above + slack


def test_no_transfer_on_the_curves_pays_more() -> None:
    """20,000 tries to move a part from one pool to another: the split is the optimum."""
    draws, tries = Draws(1, "tests/routing/curves"), 0
    for number in range(200):
        book = drawn_market(number).book("USDC", "SOL")
        for k in range(10):
            total = min(book.amount_in_max, 1e14) * draws.uniform(number, k)
            shares, _ = book.share_input(total)
            alone = [ladder.columns for ladder in book.ladders]
            paid = sum(output_at(one, share) for one, share in zip(alone, shares, strict=True))
            for try_ in range(10):
                giver = draws.u64(number, 1_000 * k + 3 * try_) % len(shares)
                taker = draws.u64(number, 1_000 * k + 3 * try_ + 1) % len(shares)
                part = shares[giver] * draws.uniform(number, 1_000 * k + 3 * try_ + 2)
                room = alone[taker].inputs[-1] - shares[taker]
                tries += 1
                if giver == taker or part > room:
                    continue
                before = output_at(alone[giver], shares[giver])
                before += output_at(alone[taker], shares[taker])
                after = output_at(alone[giver], shares[giver] - part)
                after += output_at(alone[taker], shares[taker] + part)
                assert after - before <= 1e-12 * paid
    assert tries == 20_000


def test_outputs_are_shared_as_the_inputs_that_buy_them() -> None:
    """Asked either way, the pools' parts are one trade."""
    for number in range(30):
        book = drawn_market(number).book("SOL", "USDC")
        amount = min(book.amount_in_max, 1e13) / 3
        inputs, s = book.share_input(amount)
        outputs, same_s = book.share_output(book.output_of(amount))
        assert same_s == pytest.approx(s, rel=1e-12)
        for ladder, taken, paid in zip(book.ladders, inputs, outputs, strict=True):
            alone = Book([ladder])
            assert paid == pytest.approx(alone.output_of(taken), rel=1e-6, abs=2)


def test_a_ladder_ends_where_the_vault_is_full() -> None:
    """No token account holds 2^64, so no pool takes more than is missing there."""
    ladder = ladder_of(cpmm("p", 10**18, 10**12), A_TO_B, 0)
    assert ladder.amount_in_max == float(U64_MAX - 10**18)
    assert ladder.amount_out_max < 10**12
    full = ladder_of(cpmm("p", U64_MAX, 10**12), A_TO_B, 0)
    assert (full.columns.starts, full.start, full.amount_in_max) == ([], inf, 0)


def test_bins_of_one_price_are_filled_in_the_pools_order() -> None:
    """Ties are broken the same way every time."""
    ladders = [Ladder(cpmm(name, 1, 1), A_TO_B, step(2.0, 10)) for name in "ab"]
    book = Book(ladders)
    assert book.share_input(40.0)[0] == [40, 0]
    assert book.share_input(60.0)[0] == [40, 20]
    assert book.share_output(15.0)[0] == [10, 5]


def test_a_curve_without_width_is_a_step() -> None:
    """A price a hair before the end of a range: what is left there has no end of its own."""
    ladder = ladder_of(_Short(**asdict(cpmm("short", 1, 1))), A_TO_B, 0)
    assert (ladder.columns.liquidity, ladder.columns.ends) == ([0.0], [0.5])
    book = Book([ladder, ladder_of(cpmm("p", 10**9, 10**9), A_TO_B, 0)])
    assert book.columns.liquidity[0] == 0.0
    assert book.output_of(10.0) == pytest.approx(40.0)
    assert book.columns.outputs[-1] < 2e9


class _Short(RaydiumCpmmPool, frozen=True):
    """A pool that says its curve is something else."""

    def segments(self, direction: Direction, now_s: int) -> Iterator[Segment]:
        """Yield one piece."""
        yield Segment(4.0, 4.0, 1e12, 10.0, 40.0)


def test_a_pool_traded_to_its_last_units_harms_no_other() -> None:
    """What is left of it is small, and the others are used as if it were not there."""
    for number in range(40):
        for address, pool in drawn_market(number, 4).pools.items():
            if pool.venue != "orca_whirlpool":
                continue
            most = ladder_of(pool, A_TO_B, 0).amount_out_max
            for left in range(1, 12):
                swap = try_output(ladder_of(pool, A_TO_B, 0), int(most) - left, 0)
                if swap is None:
                    continue
                deep = cpmm("deep", 10**15, 10**14)
                view = MarketView([swap.pool, deep])
                alone = deep.swap_exact_in(A_TO_B, 10**12, 0).amount_out
                route = split(Request(view=view, sell="SOL", buy="USDC", amount=10**12))
                assert route.bound is not None
                assert alone <= route.amount_out <= route.bound <= alone + 100 * left + 100
                assert address in view.pools
