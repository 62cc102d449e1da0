"""Check trades inside one bin against exact quotients, lot by lot."""

from __future__ import annotations

import pytest

from orderengine.pools.fixed_point import Q64
from orderengine.pools.meteora_dlmm_bin import (
    BinTerms,
    DlmmBin,
    fill_exact_in,
    fill_exact_out,
    fill_whole,
)

PERCENT = 10_000_000
ORDERS_OF_B = DlmmBin(0, 10, 20, 30, orders_sell_a=False)


def terms_of(
    price_x64: int = Q64, fee_rate: int = 0, *, a_to_b: bool = True, fee_on_input: bool = True
) -> BinTerms:
    """Return terms with the given changes to a free trade at price one."""
    return BinTerms(price_x64, fee_rate, a_to_b, fee_on_input)


@pytest.mark.parametrize(
    ("a_to_b", "price_x64", "amount_in", "taken", "amount_out"),
    [
        pytest.param(True, Q64 * 3 // 2, 3, 3, 4, id="A: 4.5 down"),
        pytest.param(True, Q64 * 3 // 2, 67, 67, 100, id="A: 66.7 up buys all"),
        pytest.param(True, Q64 * 3 // 2, 66, 66, 99, id="A: one short"),
        pytest.param(True, Q64 * 3 // 2, 68, 67, 100, id="A: one goes on"),
        pytest.param(False, Q64 * 3 // 2, 4, 4, 2, id="B: 2.67 down"),
        pytest.param(False, Q64 * 3 // 2, 200, 150, 100, id="B: 150 exactly buys all"),
        pytest.param(False, Q64 // 3, 40, 34, 100, id="B: 33.3 up buys all"),
    ],
)
def test_fill_exact_in_rounds_for_the_bin(
    a_to_b: bool, price_x64: int, amount_in: int, taken: int, amount_out: int
) -> None:
    """Output is floored and the cost of all is ceiled."""
    fill = fill_exact_in(DlmmBin(100, 100), terms_of(price_x64, a_to_b=a_to_b), amount_in)
    assert (fill.amount_in, fill.amount_out) == (taken, amount_out)


@pytest.mark.parametrize(
    ("amount_in", "taken", "fee", "amount_out"),
    [
        pytest.param(50, 50, 1, 49, id="0.5 up"),
        pytest.param(100, 100, 1, 99, id="1 exactly"),
        pytest.param(101, 101, 2, 99, id="1.01 up"),
        pytest.param(102, 102, 2, 100, id="net 100 is all: whole input charged"),
        pytest.param(103, 102, 2, 100, id="net 101: gross of 100 is 101.01 up"),
        pytest.param(1, 1, 1, 0, id="the fee eats it"),
    ],
)
def test_fill_exact_in_charges_the_input(
    amount_in: int, taken: int, fee: int, amount_out: int
) -> None:
    """One per cent on the input, ceiled, or grossed up if the bin is left behind."""
    fill = fill_exact_in(DlmmBin(0, 100), terms_of(fee_rate=PERCENT), amount_in)
    assert (fill.amount_in, fill.fee, fill.amount_out) == (taken, fee, amount_out)


def test_fill_exact_in_charges_the_whole_input_at_the_boundary() -> None:
    """With 10 % of 12 in, the net is 10 though 12 is a unit more than 10 costs: nothing is left."""
    terms = terms_of(fee_rate=10 * PERCENT)
    assert fill_whole(DlmmBin(0, 9), terms).amount_in == 10
    fill = fill_exact_in(DlmmBin(0, 9), terms, 11)
    assert (fill.amount_in, fill.fee, fill.amount_out) == (11, 2, 9)


@pytest.mark.parametrize(
    ("amount_in", "fee", "amount_out"),
    [
        pytest.param(50, 1, 49, id="0.5 up"),
        pytest.param(100, 1, 99, id="1 exactly"),
        pytest.param(300, 1, 99, id="all, 1 exactly"),
        pytest.param(1, 1, 0, id="the fee eats it"),
    ],
)
def test_fill_exact_in_charges_the_output(amount_in: int, fee: int, amount_out: int) -> None:
    """On the output side the whole input trades and one per cent of the output is ceiled off."""
    terms = terms_of(fee_rate=PERCENT, fee_on_input=False)
    fill = fill_exact_in(DlmmBin(0, 100), terms, amount_in)
    assert (fill.amount_in, fill.fee, fill.amount_out) == (min(amount_in, 100), fee, amount_out)


@pytest.mark.parametrize(
    ("amount_in", "outs"),
    [(9, (9, 0, 0)), (10, (10, 0, 0)), (15, (10, 5, 0)), (30, (10, 20, 0)), (59, (10, 20, 29))],
)
def test_fill_takes_liquidity_then_processed_then_open_orders(
    amount_in: int, outs: tuple[int, int, int]
) -> None:
    """Lots are sold in this order, and what orders take is told apart."""
    fill = fill_exact_in(ORDERS_OF_B, terms_of(), amount_in)
    assert (fill.pool_out, fill.processed_out, fill.open_out) == outs
    assert (fill.pool_in, fill.order_in) == (outs[0], outs[1] + outs[2])


def test_fill_rounds_each_lot_by_itself() -> None:
    """At 3 B per A, lots of 10, 20 and 30 cost 4 + 7 + 10 = 21 A, not ceil(60 / 3) = 20."""
    assert fill_whole(ORDERS_OF_B, terms_of(Q64 * 3)).amount_in == 21
    assert fill_exact_out(ORDERS_OF_B, terms_of(Q64 * 3), 59).amount_in == 21


def test_orders_serve_one_direction() -> None:
    """Orders that sell B are not there for whoever brings B."""
    assert ORDERS_OF_B.reserve_out(a_to_b=True) == 60
    assert ORDERS_OF_B.reserve_out(a_to_b=False) == 0
    assert fill_whole(DlmmBin(5, 0, 20, 30), terms_of(a_to_b=False)).amount_out == 5


@pytest.mark.parametrize(
    ("amount_in", "amounts"),
    [
        pytest.param(5, (5, 5, 20, 30), id="liquidity only"),
        pytest.param(15, (10, 0, 15, 30), id="processed touched"),
        pytest.param(30, (10, 0, 0, 30), id="processed filled, open untouched"),
        pytest.param(45, (10, 0, 15, 0), id="open touched: its rest is processed now"),
        pytest.param(60, (10, 0, 0, 0), id="all"),
    ],
)
def test_bin_after_a_fill(amount_in: int, amounts: tuple[int, int, int, int]) -> None:
    """The bin keeps the input of its liquidity; what orders earn leaves it."""
    after = ORDERS_OF_B.after(fill_exact_in(ORDERS_OF_B, terms_of(), amount_in), a_to_b=True)
    assert (
        after.amount_a,
        after.amount_b,
        after.processed_order_amount,
        after.open_order_amount,
    ) == amounts


@pytest.mark.parametrize(
    ("price_x64", "fee_rate", "fee_on_input", "amount_out", "figures"),
    [
        pytest.param(Q64 * 3, 0, True, 10, (4, 0, 2), id="3.33 up; 12 bought, 2 over"),
        pytest.param(Q64 * 3, 0, True, 12, (4, 0, 0), id="4 exactly"),
        pytest.param(Q64, PERCENT, True, 98, (99, 1, 0), id="98.99 up"),
        pytest.param(Q64, PERCENT, False, 98, (99, 1, 0), id="gross output 98.99 up"),
        pytest.param(Q64, PERCENT, False, 50, (51, 1, 0), id="gross output 50.51 up"),
    ],
)
def test_fill_exact_out_ceils_the_cost(
    price_x64: int,
    fee_rate: int,
    fee_on_input: bool,
    amount_out: int,
    figures: tuple[int, int, int],
) -> None:
    """The input is ceiled, and what it buys beyond the wanted output is the surplus."""
    terms = terms_of(price_x64, fee_rate, fee_on_input=fee_on_input)
    fill = fill_exact_out(DlmmBin(0, 100), terms, amount_out)
    assert fill.amount_out == amount_out
    assert (fill.amount_in, fill.fee, fill.surplus) == figures


def test_fill_exact_out_takes_the_whole_bin_when_the_fee_needs_it() -> None:
    """Of 100 with 1 % off the output, 99 is all there is: the bin is drained."""
    fill = fill_exact_out(DlmmBin(0, 100), terms_of(fee_rate=PERCENT, fee_on_input=False), 200)
    assert (fill.amount_in, fill.amount_out, fill.fee, fill.surplus) == (100, 99, 1, 0)
