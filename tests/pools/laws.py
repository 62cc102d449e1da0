"""Hold any pool to what all pools must keep, whatever their program.

Each law takes a pool and a swap that hypothesis drew. What the pool refuses is dropped, but where
a refusal would break the law. I9 to I12 are numbers of the project's list of invariants.
"""

from __future__ import annotations

from hypothesis import assume

from orderengine.errors import OrderEngineError
from orderengine.pools import Direction, Pool, Swap
from orderengine.pools.fixed_point import Q64, U64_MAX
from orderengine.pools.segments import output_of

A_TO_B = Direction.A_TO_B


def swap_of(
    pool: Pool, direction: Direction, amount: int, now_s: int, *, exact_in: bool = True
) -> Swap:
    """Swap, or drop the example where the pool refuses."""
    do = pool.swap_exact_in if exact_in else pool.swap_exact_out
    try:
        return do(direction, amount, now_s)
    except OrderEngineError:
        assume(False)
        raise


def moves_the_vaults_by_its_amounts(
    pool: Pool, direction: Direction, amount: int, now_s: int, *, exact_in: bool
) -> Swap:
    """Require that vaults gain and lose what the trader pays and gets, all within u64 (I9)."""
    swap = swap_of(pool, direction, amount, now_s, exact_in=exact_in)
    after = swap.pool
    changes = after.vault_a - pool.vault_a, after.vault_b - pool.vault_b
    if direction is not A_TO_B:
        changes = changes[::-1]
    assert changes == (swap.amount_in, -swap.amount_out)
    assert 0 <= swap.amount_in <= U64_MAX
    assert 0 <= swap.amount_out <= U64_MAX
    assert min(after.vault_a, after.vault_b) >= 0
    assert (swap.amount_in if exact_in else swap.amount_out) == amount
    assert 0 <= swap.fee_in <= swap.amount_in
    assert swap.fee_out >= 0
    assert swap.end_price_x64 == after.price_x64
    return swap


def asking_for_an_output_costs_at_most_its_input(
    pool: Pool, direction: Direction, amount_in: int, now_s: int, slack_in: int = 0
) -> None:
    """exact-out(exact-in(x).out) costs at most x and the slack (I10); it is not refused either."""
    bought = swap_of(pool, direction, amount_in, now_s)
    assume(bought.amount_out > 0)
    cost = pool.swap_exact_out(direction, bought.amount_out, now_s)
    assert cost.amount_in <= amount_in + slack_in


def more_buys_no_less(pool: Pool, direction: Direction, amount: int, more: int, now_s: int) -> None:
    """Output grows with input, and input with output."""
    small = swap_of(pool, direction, amount, now_s)
    large = swap_of(pool, direction, amount + more, now_s)
    assert small.amount_out <= large.amount_out
    cheap = swap_of(pool, direction, amount, now_s, exact_in=False)
    dear = swap_of(pool, direction, amount + more, now_s, exact_in=False)
    assert cheap.amount_in <= dear.amount_in


def two_parts_never_gain(
    pool: Pool, direction: Direction, first: int, second: int, now_s: int, slack_in: int = 0
) -> None:
    """Two swaps pay at most what one swap of the sum and ``slack_in`` more units pays."""
    one = swap_of(pool, direction, first, now_s)
    two = swap_of(one.pool, direction, second, now_s)
    whole = swap_of(pool, direction, first + second + slack_in, now_s)
    assert one.amount_out + two.amount_out <= whole.amount_out


def quoting_changes_nothing(pool: Pool, direction: Direction, amount: int, now_s: int) -> None:
    """Asking twice gives the same answer, and the pool after it is another value."""
    first = swap_of(pool, direction, amount, now_s)
    before = repr(pool)
    assert repr(first.pool) is not before
    assert pool.swap_exact_in(direction, amount, now_s) == first
    assert repr(pool) == before


def segments_bound_the_swap(
    pool: Pool, direction: Direction, amount_in: int, now_s: int, slack_in: int, slack_out: int
) -> None:
    """Pieces pay no less than the program, and no more than rounding explains.

    ``slack_in`` and ``slack_out`` are the units of each token that the program may keep by
    rounding; 10^-9 is for the doubles' own error.
    """
    swap = swap_of(pool, direction, amount_in, now_s)
    segments = list(pool.segments(direction, now_s))
    assert all(segment.amount_out > 0 and segment.amount_in > 0 for segment in segments)
    most = output_of(segments, amount_in)
    assert swap.amount_out <= most * (1 + 1e-9) + 1e-9
    least = output_of(segments, max(amount_in - slack_in, 0)) - slack_out
    assert swap.amount_out >= least * (1 - 1e-9)


def stops_at_the_price(
    pool: Pool, direction: Direction, limit_x64: int, now_s: int, slack_out: int = 2
) -> None:
    """Require that the last tenth of the input earns the limit, and another tenth does not."""
    amount_in = pool.amount_in_to_price(direction, limit_x64, now_s)
    assume(100 <= amount_in <= U64_MAX // 2)
    step = amount_in // 10
    before = swap_of(pool, direction, amount_in - step, now_s).amount_out
    at = swap_of(pool, direction, amount_in, now_s).amount_out
    # Each swap rounds its output by under a unit, and its fees by under two units of input.
    if direction is A_TO_B:
        assert (at - before + slack_out) * Q64 >= limit_x64 * (step - 4)
    else:
        assert (at - before + slack_out) * limit_x64 >= Q64 * (step - 4)
    try:
        beyond = pool.swap_exact_in(direction, amount_in + step, now_s).amount_out
    except OrderEngineError:
        return
    if direction is A_TO_B:
        assert (beyond - at - slack_out) * Q64 <= limit_x64 * (step + 4)
    else:
        assert (beyond - at - slack_out) * limit_x64 <= Q64 * (step + 4)
