"""Check the table of emptied bins against a walk that trades in one bin after the other."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orderengine.errors import InsufficientLiquidity
from orderengine.pools import (
    Direction,
    DlmmBinSpec,
    DlmmFeeParameters,
    MeteoraDlmmPool,
    MeteoraDlmmSpec,
    MeteoraDlmmSwap,
)
from orderengine.pools.fixed_point import U64_MAX
from orderengine.pools.meteora_dlmm_bin import BinTerms, fill_exact_in, fill_exact_out
from orderengine.pools.meteora_dlmm_fee import (
    accumulator_at,
    base_fee_rate,
    split_fee,
    total_fee_rate,
)
from tests.pools.strategies import NOW_S, SOL, USDC, amounts, directions, dlmm_pools, untimed

A_TO_B = Direction.A_TO_B


def walked(
    pool: MeteoraDlmmPool, direction: Direction, amount: int, now_s: int, *, exact_in: bool
) -> dict[str, int]:
    """Trade bin after bin, as the program does, and return all sums."""
    a_to_b = direction is A_TO_B
    parameters, step = pool.parameters, pool.bin_step
    references = pool.volatility.references_at(parameters, pool.active_id, now_s)
    fee_on_input = not (a_to_b and pool.fee_always_in_b)
    if a_to_b:
        indices = range(bisect_right(pool.bin_ids, pool.active_id) - 1, -1, -1)
    else:
        indices = range(bisect_left(pool.bin_ids, pool.active_id), len(pool.bin_ids))
    total = dict.fromkeys(
        ("amount_in", "amount_out", "fee", "lp_fee", "protocol_fee", "surplus", "order_in"), 0
    )
    total |= {"touched": 0, "end": pool.active_id, "volatility": -1}
    rest = amount
    for index in indices:
        held = pool.bins[index]
        if not held.reserve_out(a_to_b):
            continue
        volatility = accumulator_at(
            pool.bin_ids[index], *references, parameters.max_volatility_accumulator
        )
        rate = total_fee_rate(
            base_fee_rate(parameters, step), parameters.variable_fee_control, volatility, step
        )
        terms = BinTerms(pool.bin_prices_x64[index], rate, a_to_b, fee_on_input)
        fill = (fill_exact_in if exact_in else fill_exact_out)(held, terms, rest)
        lp_fee, protocol_fee = split_fee(
            fill.fee, parameters.protocol_share, fill.pool_in, fill.order_in
        )
        total["amount_in"] += fill.amount_in
        total["amount_out"] += fill.amount_out
        total["fee"] += fill.fee
        total["lp_fee"] += lp_fee
        total["protocol_fee"] += protocol_fee + (fill.surplus if fill.surplus > 1 else 0)
        total["surplus"] += fill.surplus
        total["order_in"] += fill.order_in
        total["touched"] += 1
        total["end"], total["volatility"] = pool.bin_ids[index], volatility
        rest -= fill.amount_in if exact_in else fill.amount_out
        if not rest:
            break
    return total


def sums_of(swap: MeteoraDlmmSwap) -> dict[str, int]:
    """Return the same sums of a swap."""
    before, after = swap.before, swap.pool
    proceeds = after.order_proceeds_a - before.order_proceeds_a
    proceeds += after.order_proceeds_b - before.order_proceeds_b
    fee = swap.fee_in if swap.fee_on_input else swap.fee_out
    surplus = swap.fee_out if swap.fee_on_input else 0
    return {
        "amount_in": swap.amount_in,
        "amount_out": swap.amount_out,
        "fee": fee,
        "lp_fee": swap.lp_fee,
        "protocol_fee": swap.protocol_fee,
        "surplus": surplus,
        "order_in": proceeds,
        "touched": swap.bins_touched,
        "end": swap.end_bin_id,
        "volatility": after.volatility.volatility_accumulator if swap.bins_touched else -1,
    }


def require_the_same(
    pool: MeteoraDlmmPool, direction: Direction, amount: int, now_s: int, *, exact_in: bool
) -> None:
    """Compare a swap with the plain walk, figure by figure."""
    expected = walked(pool, direction, amount, now_s, exact_in=exact_in)
    assume(max(expected["amount_in"], expected["amount_out"]) <= U64_MAX)
    quote = pool.swap_exact_in if exact_in else pool.swap_exact_out
    swap = quote(direction, amount, now_s, partial_fill=True)
    got = sums_of(swap)
    if not swap.fee_on_input:
        # There both are charged in the output token, and only their sum shows.
        expected["fee"] += expected.pop("surplus")
        got.pop("surplus")
    assert got == expected


waits_s = st.sampled_from([-5, 0, 1, 29, 30, 31, 599, 600, 10_000])


@untimed
@given(dlmm_pools(), directions, amounts, waits_s, st.booleans())
def test_the_table_says_what_walking_says(
    pool: MeteoraDlmmPool, direction: Direction, amount: int, wait_s: int, exact_in: bool
) -> None:
    """At any state of the fee, with orders and gaps, to the last unit."""
    require_the_same(pool, direction, amount, NOW_S + wait_s, exact_in=exact_in)


@untimed
@given(dlmm_pools(), directions, st.integers(0, 11), st.integers(-3, 3), st.booleans())
def test_the_table_says_what_walking_says_where_a_bin_is_left(
    pool: MeteoraDlmmPool, direction: Direction, number: int, off: int, exact_in: bool
) -> None:
    """A few units around what empties the first bins, where one unit decides."""
    table = pool.walk(direction is A_TO_B, NOW_S).table_of_step(number)
    bounds = table.leave_in if exact_in else table.leave_out
    assume(bounds)
    amount = bounds[min(number, len(bounds) - 1)] + off
    assume(0 < amount <= U64_MAX)
    require_the_same(pool, direction, amount, NOW_S, exact_in=exact_in)


@untimed
@given(dlmm_pools(), directions)
def test_bounds_never_fall(pool: MeteoraDlmmPool, direction: Direction) -> None:
    """Or a binary search among them would be wrong."""
    table = pool.walk(direction is A_TO_B, NOW_S).table_of_step(99)
    for bounds in (table.leave_in, table.leave_out):
        assert bounds == sorted(bounds)


@untimed
@given(dlmm_pools(), directions, st.lists(amounts, min_size=2, max_size=5))
def test_what_was_asked_before_does_not_matter(
    pool: MeteoraDlmmPool, direction: Direction, asked: list[int]
) -> None:
    """A pool that was quoted answers as a new one, and so does the next pool."""
    for amount in asked:
        fresh = msgspec.structs.replace(pool)
        swap = pool.swap_exact_in(direction, amount, NOW_S, partial_fill=True)
        again = fresh.swap_exact_in(direction, amount, NOW_S, partial_fill=True)
        assert (swap, swap.pool) == (again, again.pool)
        onwards = swap.pool.swap_exact_in(direction, asked[0], NOW_S, partial_fill=True)
        rebuilt = MeteoraDlmmPool.from_spec(swap.pool.to_spec())
        assert rebuilt == swap.pool
        assert onwards == rebuilt.swap_exact_in(direction, asked[0], NOW_S, partial_fill=True)


@pytest.mark.parametrize(
    ("amount_out", "amount_in", "emptied"),
    [
        pytest.param(8, 9, 0, id="8.9 gross"),
        pytest.param(9, 10, 0, id="10 gross leave a unit, though 11 pay no more than 9"),
        pytest.param(10, 14, 1, id="11.1 gross: all; 1 more is 2 gross, which cost 2.0008 up"),
    ],
)
def test_exact_out_leaves_a_bin_only_if_it_needs_all_of_it(
    amount_out: int, amount_in: int, emptied: int
) -> None:
    """With 10 % off the output, a bin of 11 pays 9: its last unit goes in fees."""
    spec = bounded(-140, 69).to_spec()
    spec = msgspec.structs.replace(
        spec,
        parameters=DlmmFeeParameters(base_factor=250_000, base_fee_power_factor=1),
        collect_fee_mode=1,
        bins=(
            DlmmBinSpec(id=0, amount_a=0, amount_b=11),
            DlmmBinSpec(id=-1, amount_a=0, amount_b=90),
        ),
    )
    swap = MeteoraDlmmPool.from_spec(spec).swap_exact_out(A_TO_B, amount_out, NOW_S)
    assert (swap.amount_in, swap.bins_emptied) == (amount_in, emptied)


def bounded(lowest: int, highest: int) -> MeteoraDlmmPool:
    """Return a free pool at price one, 100 A and 100 B in bin 0, whose bins are known in part."""
    spec = MeteoraDlmmSpec(
        address="p",
        token_a=SOL,
        token_b=USDC,
        bin_step=4,
        active_id=0,
        parameters=DlmmFeeParameters(base_factor=0),
        bins=(DlmmBinSpec(id=0, amount_a=100, amount_b=100),),
        known_bin_ids=(lowest, highest),
    )
    return MeteoraDlmmPool.from_spec(spec)


@pytest.mark.parametrize("partial_fill", [False, True])
@pytest.mark.parametrize(
    ("direction", "said"),
    [(A_TO_B, "bins below -140 are unknown"), (Direction.B_TO_A, "bins above 69 are unknown")],
)
def test_a_swap_beyond_the_known_bins_is_refused(
    direction: Direction, said: str, partial_fill: bool
) -> None:
    """Even in part: what more could be had is unknown. Up to there all is as usual."""
    pool = bounded(-140, 69)
    assert pool.swap_exact_in(direction, 100, NOW_S).amount_out == 100
    assert pool.swap_exact_out(direction, 100, NOW_S).amount_in == 100
    for quote in (pool.swap_exact_in, pool.swap_exact_out):
        with pytest.raises(InsufficientLiquidity, match=said) as caught:
            quote(direction, 101, NOW_S, partial_fill=partial_fill)
        assert (caught.value.required, caught.value.available) == (101, 100)
        assert caught.value.reason == said


def test_a_side_known_to_its_end_runs_out_as_usual() -> None:
    """Known down to the program's lowest bin, nothing below is unknown."""
    pool = bounded(-443_636, 69)
    assert pool.swap_exact_in(A_TO_B, 101, NOW_S, partial_fill=True).amount_in == 100
    with pytest.raises(InsufficientLiquidity, match=r"can pay 100$"):
        pool.swap_exact_in(A_TO_B, 101, NOW_S)
