"""Check DLMM pools over several bins: the walk, the next state, the price limit, the errors."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from copy import copy

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orderengine.errors import (
    AmountOverflow,
    InsufficientLiquidity,
    InvalidAmount,
    InvalidData,
    OrderEngineError,
)
from orderengine.pools import (
    Direction,
    DlmmBinSpec,
    DlmmFeeParameters,
    DlmmVolatility,
    MeteoraDlmmPool,
    MeteoraDlmmSpec,
    MeteoraDlmmSwap,
    Pool,
)
from orderengine.pools.fixed_point import Q64, U64_MAX
from tests.pools import laws
from tests.pools.strategies import NOW_S, SOL, USDC, amounts, directions, dlmm_pools, untimed

A_TO_B, B_TO_A = Direction.A_TO_B, Direction.B_TO_A
FREE = DlmmFeeParameters(base_factor=0, filter_period=30, decay_period=600)
DYNAMIC = DlmmFeeParameters(
    base_factor=10_000,
    variable_fee_control=40_000,
    max_volatility_accumulator=350_000,
    filter_period=30,
    decay_period=600,
    reduction_factor=5_000,
    protocol_share=2_000,
)


def spec_of(
    bins: Sequence[tuple[int, int, int]],
    *,
    active_id: int = 0,
    bin_step: int = 100,
    parameters: DlmmFeeParameters = FREE,
    collect_fee_mode: int = 0,
) -> MeteoraDlmmSpec:
    """Return a spec of (id, amount A, amount B) bins, at rest since time 0."""
    return MeteoraDlmmSpec(
        address="p",
        token_a=SOL,
        token_b=USDC,
        bin_step=bin_step,
        active_id=active_id,
        parameters=parameters,
        volatility=DlmmVolatility(),
        collect_fee_mode=collect_fee_mode,
        bins=tuple(DlmmBinSpec(id=id_, amount_a=a, amount_b=b) for id_, a, b in bins),
    )


THREE_BINS = spec_of([(-2, 0, 1_000), (0, 500, 1_000), (3, 700, 0)])


def held_in(pool: MeteoraDlmmPool) -> tuple[int, int]:
    """Sum up from its parts what the pool holds of each token."""
    held_a = pool.accrued_fee_a + pool.order_proceeds_a
    held_b = pool.accrued_fee_b + pool.order_proceeds_b
    for held in pool.bins:
        orders = held.processed_order_amount + held.open_order_amount
        held_a += held.amount_a + (orders if held.orders_sell_a else 0)
        held_b += held.amount_b + (0 if held.orders_sell_a else orders)
    return held_a, held_b


def test_swap_walks_over_the_gap_to_the_next_bin() -> None:
    """1000 of 1500 A empty bin 0 at price 1; 500 go on to bin -2 at 1 / 1.01^2, two bins down."""
    pool = MeteoraDlmmPool.from_spec(THREE_BINS)
    swap = pool.swap_exact_in(A_TO_B, 1_500, NOW_S)
    # 1000 + 500 / 1.0201 = 1000 + 490.148, floored.
    assert (swap.amount_in, swap.amount_out) == (1_500, 1_490)
    assert (swap.crossed, swap.bins_touched, swap.end_bin_id) == (1, 2, -2)
    assert swap.pool.active_id == -2
    assert swap.end_price_x64 == swap.pool.price_x64 == swap.pool.bin_prices_x64[0]
    assert [(held.amount_a, held.amount_b) for held in swap.pool.bins] == [
        (500, 510),
        (1_500, 0),
        (700, 0),
    ]
    assert (pool.vault_a, pool.vault_b) == (1_200, 2_000)
    assert (swap.pool.vault_a, swap.pool.vault_b) == (2_700, 510)


def test_swap_that_just_empties_a_bin_stays_in_it() -> None:
    """The active bin moves only when the next one trades; then it is passed at no cost."""
    pool = MeteoraDlmmPool.from_spec(THREE_BINS)
    emptied = pool.swap_exact_in(A_TO_B, 1_000, NOW_S).pool
    assert emptied.active_id == 0
    onward = emptied.swap_exact_in(A_TO_B, 500, NOW_S)
    assert (onward.amount_out, onward.crossed, onward.pool.active_id) == (490, 0, -2)


def test_swap_starts_from_an_active_bin_that_is_absent() -> None:
    """Without a bin at the active id the walk begins at the next one in its direction."""
    pool = MeteoraDlmmPool.from_spec(spec_of([(-2, 0, 10), (3, 10, 0)], active_id=1))
    assert pool.price_x64 == 18631211514446647132
    assert pool.swap_exact_in(A_TO_B, 5, NOW_S).end_bin_id == -2
    assert pool.swap_exact_in(B_TO_A, 5, NOW_S).end_bin_id == 3


def test_swap_sets_the_rate_anew_at_each_bin() -> None:
    """Base 10^7 (1 %); two bins away 20000 adds 4*10^4 * (2*10^6)^2 / 10^11 = 1.6*10^6."""
    bins = [(-2, 0, 10**9), (0, 0, 10**9)]
    pool = MeteoraDlmmPool.from_spec(spec_of(bins, parameters=DYNAMIC))
    swap = pool.swap_exact_in(A_TO_B, 2 * 10**9, NOW_S)
    # Bin 0 costs 10^9 and a fee of 10101010.1 up; of the 989898989 left, 1.16 % is 11482828.3 up.
    assert swap.fee_in == 10_101_011 + 11_482_829
    assert swap.lp_fee + swap.protocol_fee == swap.fee_in
    assert swap.protocol_fee == 10_101_011 // 5 + 11_482_829 // 5
    assert swap.pool.accrued_fee_a == swap.fee_in
    assert swap.pool.volatility == DlmmVolatility(
        volatility_accumulator=20_000,
        volatility_reference=0,
        index_reference=0,
        last_update_timestamp=NOW_S,
    )


def test_fee_decays_with_time() -> None:
    """Right after a swap the reference stays; after the filter period half of it; later nothing."""
    bins = [(-2, 0, 10**9), (0, 0, 10**9)]
    pool = MeteoraDlmmPool.from_spec(spec_of(bins, parameters=DYNAMIC))
    moved = pool.swap_exact_in(A_TO_B, 2 * 10**9, NOW_S).pool
    accumulators = [
        moved.swap_exact_in(A_TO_B, 1_000, NOW_S + wait_s).pool.volatility.volatility_accumulator
        for wait_s in (29, 30, 599, 600)
    ]
    assert accumulators == [20_000, 10_000, 10_000, 0]


@pytest.mark.parametrize(
    ("mode", "direction", "fee_on_input"),
    [(0, A_TO_B, True), (0, B_TO_A, True), (1, A_TO_B, False), (1, B_TO_A, True)],
)
def test_collect_fee_mode_chooses_the_token(
    mode: int, direction: Direction, fee_on_input: bool
) -> None:
    """Mode 0 charges what comes in, mode 1 always token B; the fee accrues in that token."""
    pool = MeteoraDlmmPool.from_spec(
        spec_of([(0, 10**9, 10**9)], parameters=DYNAMIC, collect_fee_mode=mode)
    )
    swap = pool.swap_exact_in(direction, 10**6, NOW_S)
    assert swap.fee_on_input is fee_on_input
    assert (swap.fee_in > 0, swap.fee_out > 0) == (fee_on_input, not fee_on_input)
    fee_in_b = fee_on_input == (direction is B_TO_A)
    assert (swap.pool.accrued_fee_a > 0, swap.pool.accrued_fee_b > 0) == (not fee_in_b, fee_in_b)


def test_exact_out_books_what_it_buys_too_much_as_a_fee() -> None:
    """At 3 bins of 100 % (8 B per A) 10 B cost 2 A, which buy 16: the 6 over are the protocol's."""
    pool = MeteoraDlmmPool.from_spec(spec_of([(3, 0, 100)], active_id=3, bin_step=10_000))
    swap = pool.swap_exact_out(A_TO_B, 10, NOW_S)
    # The price is 8 less a few last places, so 2 A buy 15.99.
    assert (swap.amount_in, swap.amount_out) == (2, 10)
    assert swap.fee_out == swap.protocol_fee == swap.pool.accrued_fee_b == 6
    assert swap.pool.vault_b == 90


def test_exact_out_surplus_of_one_unit_stays_in_the_vault_as_nobodys() -> None:
    """The program's split leaves a single unit out, but the vault has it."""
    pool = MeteoraDlmmPool.from_spec(spec_of([(3, 0, 100)], active_id=3, bin_step=10_000))
    swap = pool.swap_exact_out(A_TO_B, 15, NOW_S)
    assert (swap.fee_out, swap.protocol_fee, swap.pool.accrued_fee_b) == (1, 0, 1)


def test_exact_out_charges_for_a_bin_whose_output_the_fee_eats() -> None:
    """The SDK drops that cost (case dlmm-p-0023); the bin gives its unit and is paid for it."""
    bins = [(-1, 0, 100), (0, 0, 1)]
    pool = MeteoraDlmmPool.from_spec(spec_of(bins, parameters=DYNAMIC, collect_fee_mode=1))
    swap = pool.swap_exact_out(A_TO_B, 50, NOW_S)
    # The unit of bin 0 costs 1; 50 grossed up by 1.04 % is 51, which cost 51.51 up at 1 / 1.01.
    assert (swap.amount_in, swap.fee_out, swap.bins_touched) == (1 + 52, 1 + 1, 2)


@pytest.mark.parametrize("direction", Direction)
def test_swap_refuses_more_than_the_bins_take(direction: Direction) -> None:
    """Both kinds fail with how much could be had, and take that much with partial_fill."""
    pool = MeteoraDlmmPool.from_spec(THREE_BINS)
    taken = pool.swap_exact_in(direction, 10**6, NOW_S, partial_fill=True)
    with pytest.raises(InsufficientLiquidity) as caught:
        pool.swap_exact_in(direction, 10**6, NOW_S)
    assert (caught.value.required, caught.value.available) == (10**6, taken.amount_in)
    with pytest.raises(InsufficientLiquidity) as caught:
        pool.swap_exact_out(direction, 10**6, NOW_S)
    assert (caught.value.required, caught.value.available) == (10**6, taken.amount_out)
    assert taken.pool == pool.swap_exact_out(direction, 10**6, NOW_S, partial_fill=True).pool


@pytest.mark.parametrize("bins", [(), ((0, 0, 0),), ((1, 0, 0), (2, 0, 0))])
@pytest.mark.parametrize("direction", Direction)
def test_swap_refuses_an_empty_pool(
    bins: tuple[tuple[int, int, int], ...], direction: Direction
) -> None:
    """Nothing can be had, nothing is taken, and a partial fill of nothing changes nothing."""
    pool = MeteoraDlmmPool.from_spec(spec_of(bins))
    with pytest.raises(InsufficientLiquidity):
        pool.swap_exact_in(direction, 1, NOW_S)
    with pytest.raises(InsufficientLiquidity):
        pool.swap_exact_out(direction, 1, NOW_S)
    assert pool.amount_in_to_price(direction, Q64, NOW_S) == 0
    swap = pool.swap_exact_in(direction, 1, NOW_S, partial_fill=True)
    assert (swap.amount_in, swap.amount_out, swap.crossed) == (0, 0, 0)
    assert swap.pool == pool


@pytest.mark.parametrize("amount", [0, -1, U64_MAX + 1])
def test_swap_refuses_an_impossible_amount(amount: int) -> None:
    """Zero, negative and above-u64 amounts name their field."""
    pool = MeteoraDlmmPool.from_spec(THREE_BINS)
    with pytest.raises(InvalidAmount, match="amount_in must be"):
        pool.swap_exact_in(A_TO_B, amount, NOW_S)
    with pytest.raises(InvalidAmount, match="amount_out must be"):
        pool.swap_exact_out(A_TO_B, amount, NOW_S)
    with pytest.raises(InvalidAmount, match="limit_price_x64"):
        pool.amount_in_to_price(A_TO_B, -1, NOW_S)


def test_swap_refuses_results_above_u64() -> None:
    """A price of 2^10 makes a large input's output, or a large output's cost, too large."""
    rich = MeteoraDlmmPool.from_spec(
        spec_of([(10, U64_MAX, 1 << 72)], active_id=10, bin_step=10_000)
    )
    with pytest.raises(AmountOverflow, match="amount_out"):
        rich.swap_exact_in(A_TO_B, 1 << 60, NOW_S)
    with pytest.raises(AmountOverflow, match="amount_in"):
        rich.swap_exact_out(B_TO_A, 1 << 60, NOW_S)
    assert rich.amount_in_to_price(B_TO_A, Q64 << 20, NOW_S) == U64_MAX


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"bins": (DlmmBinSpec(id=1, amount_a=1, amount_b=0),) * 2}, "each bin at most once"),
        ({"bins": (DlmmBinSpec(id=1, amount_a=-1, amount_b=0),)}, "amounts of 0 or more"),
        ({"collect_fee_mode": 2}, "0 or 1"),
        ({"parameters": DlmmFeeParameters(base_factor=-1)}, "base_factor"),
        ({"active_id": 10**6}, "an id within"),
        ({"bin_step": 0}, "a step from 1"),
        ({"known_bin_ids": (-1, 3)}, "holds the active and all other bins"),
        ({"known_bin_ids": (-2, 2)}, "holds the active and all other bins"),
        ({"known_bin_ids": (4, 9), "bins": ()}, "holds the active and all other bins"),
        ({"accrued_fee_a": -1}, "accrued_fee_a -1"),
        ({"order_proceeds_b": -1}, "order_proceeds_b -1"),
    ],
)
def test_from_spec_refuses_senseless_pools(changes: dict[str, object], expected: str) -> None:
    """A pool that no account could hold is refused with what was expected."""
    with pytest.raises(InvalidData, match=expected):
        MeteoraDlmmPool.from_spec(msgspec.structs.replace(THREE_BINS, **changes))


def test_from_spec_sorts_bins_and_ignores_orders_where_they_are_not_supported() -> None:
    """Bins come in any order; order amounts count only in pools that have orders."""
    ordered = DlmmBinSpec(id=-5, amount_a=0, amount_b=7, open_order_amount=100)
    spec = msgspec.structs.replace(THREE_BINS, bins=(*THREE_BINS.bins, ordered))
    pool = MeteoraDlmmPool.from_spec(spec)
    assert pool.bin_ids == (-5, -2, 0, 3)
    assert pool.vault_b == 2_007
    with_orders = msgspec.structs.replace(spec, supports_limit_order=True)
    assert MeteoraDlmmPool.from_spec(with_orders).vault_b == 2_107


def test_spec_reads_the_programs_names() -> None:
    """A decoded account with x and y converts directly, decimal strings and all."""
    spec = msgspec.convert(
        {
            "address": "p",
            "token_a": "SOL",
            "token_b": "USDC",
            "bin_step": 4,
            "active_id": 0,
            "parameters": {"base_factor": 1},
            "v_parameters": {"index_reference": 3},
            "bins": [{"id": 0, "amount_x": "18446744073709551615", "amount_y": "0"}],
        },
        MeteoraDlmmSpec,
        strict=False,
    )
    assert spec.bins[0].amount_a == U64_MAX
    assert spec.volatility.index_reference == 3


def test_amount_in_to_price_takes_whole_bins() -> None:
    """At 1 / 1.01^2 the second bin is the last one in; a price between takes the first alone."""
    pool = MeteoraDlmmPool.from_spec(THREE_BINS)
    low, one = pool.bin_prices_x64[:2]
    assert pool.amount_in_to_price(A_TO_B, one + 1, NOW_S) == 0
    assert pool.amount_in_to_price(A_TO_B, one, NOW_S) == 1_000
    assert pool.amount_in_to_price(A_TO_B, low + 1, NOW_S) == 1_000
    # 1000 B at 1 / 1.0201 cost 1020.1 A, up.
    assert pool.amount_in_to_price(A_TO_B, low, NOW_S) == 2_021
    assert pool.amount_in_to_price(B_TO_A, one - 1, NOW_S) == 0
    assert pool.amount_in_to_price(B_TO_A, one, NOW_S) == 500


def test_amount_in_to_price_stops_at_u64() -> None:
    """Bins that cost more than u64 together are taken in part, and the swap goes through."""
    pool = MeteoraDlmmPool.from_spec(spec_of([(0, U64_MAX - 9, 0), (1, 1_000, 0)]))
    assert pool.amount_in_to_price(B_TO_A, Q64 * 2, NOW_S) == U64_MAX
    assert pool.swap_exact_in(B_TO_A, U64_MAX, NOW_S).end_bin_id == 1


def test_amount_in_to_price_counts_the_fee_of_each_bin() -> None:
    """With 1 % at bin 0, A earns 0.99: a limit of 0.99 takes it and one unit more does not."""
    pool = MeteoraDlmmPool.from_spec(spec_of([(0, 0, 1_000)], parameters=DYNAMIC))
    at = Q64 * 99 // 100
    assert pool.amount_in_to_price(A_TO_B, at, NOW_S) == 1_011
    assert pool.amount_in_to_price(A_TO_B, at + 1, NOW_S) == 0


def swap_or_skip(
    pool: MeteoraDlmmPool, direction: Direction, amount: int, *, exact_in: bool
) -> MeteoraDlmmSwap:
    """Swap what the pool takes of an amount, or drop the example if it overflows."""
    quote = pool.swap_exact_in if exact_in else pool.swap_exact_out
    try:
        return quote(direction, amount, NOW_S, partial_fill=True)
    except OrderEngineError:
        assume(False)
        raise


@untimed
@given(dlmm_pools(), directions, amounts, st.booleans())
def test_swap_moves_the_vaults_by_exactly_its_amounts(
    pool: MeteoraDlmmPool, direction: Direction, amount: int, exact_in: bool
) -> None:
    """What enters and leaves is booked somewhere, to the unit, and nothing goes below zero (I9)."""
    laws.moves_the_vaults_by_its_amounts(pool, direction, amount, NOW_S, exact_in=exact_in)


@untimed
@given(dlmm_pools(), directions, amounts, st.booleans())
def test_all_that_the_vaults_hold_is_booked(
    pool: MeteoraDlmmPool, direction: Direction, amount: int, exact_in: bool
) -> None:
    """Bins, orders, fees and proceeds add up to the vaults, after a fill in part too."""
    swap = swap_or_skip(pool, direction, amount, exact_in=exact_in)
    after: Pool = swap.pool
    changes = after.vault_a - pool.vault_a, after.vault_b - pool.vault_b
    if direction is B_TO_A:
        changes = changes[::-1]
    assert changes == (swap.amount_in, -swap.amount_out)
    assert held_in(pool) == (pool.vault_a, pool.vault_b)
    assert held_in(swap.pool) == (swap.pool.vault_a, swap.pool.vault_b)
    fees = (
        swap.pool.accrued_fee_a - pool.accrued_fee_a,
        swap.pool.accrued_fee_b - pool.accrued_fee_b,
    )
    assert fees == (
        (swap.fee_in, swap.fee_out) if direction is A_TO_B else (swap.fee_out, swap.fee_in)
    )
    unsplit = swap.fee_in + swap.fee_out - swap.lp_fee - swap.protocol_fee
    assert 0 <= unsplit <= 2 * swap.bins_touched
    for held in swap.pool.bins:
        assert min(held.amount_a, held.amount_b, held.processed_order_amount) >= 0
        assert held.open_order_amount >= 0


@untimed
@given(dlmm_pools(), directions, amounts, st.booleans())
def test_no_bin_loses_value(
    pool: MeteoraDlmmPool, direction: Direction, amount: int, exact_in: bool
) -> None:
    """A bin's price * A + B never falls (I11), and orders get their price for what they sold."""
    swap = swap_or_skip(pool, direction, amount, exact_in=exact_in)
    sold_for_x128 = 0
    for price_x64, before, after in zip(
        pool.bin_prices_x64, pool.bins, swap.pool.bins, strict=True
    ):
        value_before = price_x64 * before.amount_a + before.amount_b * Q64
        assert price_x64 * after.amount_a + after.amount_b * Q64 >= value_before
        sold = before.processed_order_amount + before.open_order_amount
        sold -= after.processed_order_amount + after.open_order_amount
        # Q64.64 times Q64.64, so that both directions compare without a division.
        sold_for_x128 += sold * (price_x64 * Q64 if direction is B_TO_A else Q64**3 // price_x64)
    earned = swap.pool.order_proceeds_a - pool.order_proceeds_a
    earned += swap.pool.order_proceeds_b - pool.order_proceeds_b
    assert earned * Q64**2 >= sold_for_x128


@untimed
@given(dlmm_pools(), directions, amounts)
def test_exact_out_of_an_output_costs_at_most_its_input(
    pool: MeteoraDlmmPool, direction: Direction, amount_in: int
) -> None:
    """Asking for what an input bought never costs more than that input (I10)."""
    laws.asking_for_an_output_costs_at_most_its_input(pool, direction, amount_in, NOW_S)


@untimed
@given(dlmm_pools(), directions, amounts)
def test_exact_in_of_a_cost_gives_at_least_the_output(
    pool: MeteoraDlmmPool, direction: Direction, amount_out: int
) -> None:
    """Paying the quoted input buys the wanted output.

    At each bin left behind, the program may charge up to two units that just fail to reach the
    next bin, so over several bins it takes those more.
    """
    wanted = swap_or_skip(pool, direction, amount_out, exact_in=False)
    assume(wanted.amount_out > 0)
    amount_in = wanted.amount_in + 2 * wanted.crossed
    assume(amount_in <= U64_MAX)
    got = pool.swap_exact_in(direction, amount_in, NOW_S, partial_fill=True)
    assert got.amount_out >= wanted.amount_out


@untimed
@given(dlmm_pools(), directions, amounts, st.integers(1, 10**9))
def test_more_buys_no_less(
    pool: MeteoraDlmmPool, direction: Direction, amount: int, more: int
) -> None:
    """Output grows with input, and input with output."""
    laws.more_buys_no_less(pool, direction, amount, more, NOW_S)


@untimed
@given(dlmm_pools(), directions, amounts, amounts)
def test_swapping_in_two_parts_gains_no_more_than_rounding(
    pool: MeteoraDlmmPool, direction: Direction, first: int, second: int
) -> None:
    """Two swaps at one time get at most what one gets that pays two units a bin more."""
    one = swap_or_skip(pool, direction, first, exact_in=True)
    two = swap_or_skip(one.pool, direction, second, exact_in=True)
    assume(one.amount_in and two.amount_in)
    slack = 2 * (one.bins_touched + two.bins_touched)
    laws.two_parts_never_gain(pool, direction, one.amount_in, two.amount_in, NOW_S, slack)


@untimed
@given(dlmm_pools(), directions, amounts)
def test_segments_bound_the_swap(pool: MeteoraDlmmPool, direction: Direction, amount: int) -> None:
    """A bin keeps by rounding up to a unit of output and one for the fee, of input up to six.

    Three lots ceiled and their fee are up to 4.4 units of input, and two more are those that just
    fail to reach the next bin.
    """
    bins = len(pool.bins)
    laws.segments_bound_the_swap(pool, direction, amount, NOW_S, 7 * bins, 2 * bins)


@untimed
@given(dlmm_pools(), directions, st.integers(800, 1_200))
def test_amount_in_to_price_is_where_trading_on_stops_paying(
    pool: MeteoraDlmmPool, direction: Direction, thousandths: int
) -> None:
    """Measured by swaps alone, where the fee does not fall from bin to bin again."""
    steady = msgspec.structs.replace(pool.parameters, variable_fee_control=0)
    pool = msgspec.structs.replace(pool, parameters=steady)
    limit = max(pool.price_x64 * thousandths // 1_000, 1)
    # Each bin may keep seven units of input and two of output, in either swap.
    bins = len(pool.bins)
    worth_x64 = limit if direction is A_TO_B else Q64**2 // limit
    slack_out = 2 * bins * (2 + 7 * worth_x64 // Q64 + 7)
    laws.stops_at_the_price(pool, direction, limit, NOW_S, slack_out)


@untimed
@given(dlmm_pools(), directions, st.integers(500, 1_500))
def test_amount_in_to_price_empties_the_bins_within_the_limit(
    pool: MeteoraDlmmPool, direction: Direction, thousandths: int
) -> None:
    """After the input all bins touched are empty, and not one unit more is within the limit."""
    limit = max(pool.price_x64 * thousandths // 1_000, 1)
    amount_in = pool.amount_in_to_price(direction, limit, NOW_S)
    assume(amount_in < U64_MAX)
    after = pool
    if amount_in:
        swap = swap_or_skip(pool, direction, amount_in, exact_in=True)
        assert swap.amount_in == amount_in
        after = swap.pool
        end = after.bin_ids.index(swap.end_bin_id)
        assert after.bins[end].reserve_out(direction is A_TO_B) == 0
        # Two units a bin that rounding may have kept from reaching the next bin.
        rest = after.amount_in_to_price(direction, limit, NOW_S)
        assert rest <= 2 * swap.bins_touched + 2
        within_x64 = swap.amount_in * limit if direction is A_TO_B else swap.amount_in * Q64
        got_x64 = swap.amount_out * Q64 if direction is A_TO_B else swap.amount_out * limit
        # The whole swap keeps the limit but for the roundings of each bin's three lots and fee.
        unit_x64 = limit + Q64
        assert got_x64 >= within_x64 - 8 * (swap.bins_touched + 1) * unit_x64
    else:
        rest = 0
    further = after.swap_exact_in(direction, 10**17, NOW_S, partial_fill=True)
    if further.bins_touched and not rest:
        first = min if direction is B_TO_A else max
        next_id = first(
            id_
            for id_, held in zip(after.bin_ids, after.bins, strict=True)
            if held.reserve_out(direction is A_TO_B)
            and (id_ <= after.active_id if direction is A_TO_B else id_ >= after.active_id)
        )
        price_x64 = after.bin_prices_x64[after.bin_ids.index(next_id)]
        one_bin = msgspec.structs.replace(
            after,
            bin_ids=(next_id,),
            bin_prices_x64=(price_x64,),
            bins=(after.bins[after.bin_ids.index(next_id)],),
        ).swap_exact_in(direction, 10**17, NOW_S, partial_fill=True)
        assume(one_bin.amount_out > 10**6)
        if direction is A_TO_B:
            assert one_bin.amount_out * Q64 <= (one_bin.amount_in + 8) * limit + 8 * Q64
        else:
            assert one_bin.amount_out * limit <= (one_bin.amount_in + 8) * Q64 + 8 * limit


@untimed
@given(dlmm_pools(), directions, amounts)
def test_swap_leaves_the_pool_as_it_was(
    pool: MeteoraDlmmPool, direction: Direction, amount: int
) -> None:
    """And the pool, whose walks grow with what it is asked, is still the same value."""
    laws.quoting_changes_nothing(pool, direction, amount, NOW_S)
    swap = swap_or_skip(pool, direction, amount, exact_in=True)
    assert swap.pool.bin_ids is pool.bin_ids
    with pytest.raises(AttributeError):
        pool.active_id = 1  # type: ignore[misc] # it must be refused at run time too


@untimed
@given(dlmm_pools(), directions, amounts)
def test_a_spec_makes_the_same_pool_again(
    pool: MeteoraDlmmPool, direction: Direction, amount: int
) -> None:
    """Also through JSON, and after a swap; copies share nothing that could go stale."""
    swapped = swap_or_skip(pool, direction, amount, exact_in=True).pool
    for held in (pool, msgspec.structs.replace(swapped, known_bin_ids=(-9_000, 9_000))):
        spec = held.to_spec()
        assert MeteoraDlmmPool.from_spec(spec) == held
        assert msgspec.json.decode(msgspec.json.encode(spec), type=MeteoraDlmmSpec) == spec
        pickled = pickle.loads(pickle.dumps(held))  # noqa: S301  (our own bytes)
        for again in (copy(held), pickled):
            assert again == held
            assert repr(again) == repr(held)
