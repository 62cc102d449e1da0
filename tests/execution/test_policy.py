"""Check what is allowed between quote and execution, and how long a retry waits."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.execution.policy import ExecutionPolicy, backoff, slippage
from orderengine.model.amounts import U64_MAX
from orderengine.model.events import Status
from orderengine.model.lifecycle import OrderState
from orderengine.model.order import Mode, Order, Route
from orderengine.routing.choose import best
from tests.strategies import amounts

ORDER = Order(order_id="o-1", sell="SOL", buy="USDC", amount=1_000)
positive = amounts.filter(bool)


def _route(amount_in: int, amount_out: int) -> Route:
    return Route(legs=(), amount_in=amount_in, amount_out=amount_out)


@pytest.mark.parametrize(
    ("amount_out", "slippage_bps", "amount_out_min"),
    [
        (10_000, 0, 10_000),  # 10000
        (10_000, 1, 9_999),  # 9999
        (10_000, 50, 9_950),  # 9950
        (9_999, 50, 9_950),  # 9949.005
        (201, 50, 200),  # 199.995
        (200, 50, 199),  # 199
        (199, 50, 199),  # 198.005
        (1, 1, 1),  # 0.9999
        (1, 9_999, 1),  # 0.0001
        (1, 10_000, 1),  # 0, but nothing is never enough
        (3, 3_333, 3),  # 2.0001
        (3, 3_334, 2),  # 1.9998
        (2**64 - 1, 1, 18_444_899_399_302_180_660),  # 18444899399302180659.8385
    ],
)
def test_the_least_output_is_rounded_up(
    amount_out: int, slippage_bps: int, amount_out_min: int
) -> None:
    """In the trader's favour: never less than the exact quotient in the comment, nor than 1."""
    order = replace(ORDER, slippage_bps=slippage_bps)
    assert slippage(order, _route(1_000, amount_out)) == (1_000, amount_out_min)


@pytest.mark.parametrize(
    ("amount_in", "slippage_bps", "amount_in_max"),
    [
        (10_000, 0, 10_000),  # 10000
        (10_000, 1, 10_001),  # 10001
        (10_000, 50, 10_050),  # 10050
        (9_999, 50, 10_048),  # 10048.995
        (201, 50, 202),  # 202.005
        (199, 50, 199),  # 199.995
        (1, 9_999, 1),  # 1.9999
        (1, 10_000, 2),  # 2
        (3, 3_333, 3),  # 3.9999
        (3, 3_334, 4),  # 4.0002
    ],
)
def test_the_greatest_input_is_rounded_down(
    amount_in: int, slippage_bps: int, amount_in_max: int
) -> None:
    """In the trader's favour: never more than the exact quotient in the comment."""
    order = replace(ORDER, mode=Mode.EXACT_OUT, slippage_bps=slippage_bps)
    assert slippage(order, _route(amount_in, 1_000)) == (amount_in_max, 1_000)


@given(positive, positive, st.integers(0, 10_000))
def test_slippage_is_within_a_unit_of_exact(
    amount_in: int, amount_out: int, slippage_bps: int
) -> None:
    """The bound is the nearest integer on the trader's side, at least one; the other stays."""
    route = _route(amount_in, amount_out)
    sells = replace(ORDER, slippage_bps=slippage_bps)
    fixed, least = slippage(sells, route)
    exact = max(amount_out * Fraction(10_000 - slippage_bps, 10_000), Fraction(1))
    assert fixed == amount_in
    assert exact <= least < exact + 1
    greatest, fixed = slippage(replace(sells, mode=Mode.EXACT_OUT), route)
    exact = amount_in * Fraction(10_000 + slippage_bps, 10_000)
    assert fixed == amount_out
    most = min(exact, Fraction(U64_MAX))
    assert most - 1 < greatest <= most


def _failed_before(attempts: int, order_id: str = "o-1") -> OrderState:
    return OrderState(
        order=replace(ORDER, order_id=order_id),
        status=Status.ROUTING,
        seq=9,
        accepted_at_ns=0,
        attempts=attempts,
    )


@given(
    st.integers(0, 80),
    st.integers(0, 10**10),
    st.integers(0, 10**12),
    st.text(min_size=1, max_size=5),
)
def test_a_wait_is_between_half_and_whole(
    attempts: int, first_ns: int, longest_ns: int, order_id: str
) -> None:
    """The whole doubles with each attempt up to the longest; the same arguments, the same wait."""
    retry = backoff(1_000, first_ns, longest_ns)
    state = _failed_before(attempts, order_id)
    wait_ns = retry(state, "NO_ROUTE")
    whole_ns = min(first_ns * 2**attempts, longest_ns)
    assert wait_ns is not None
    assert whole_ns // 2 <= wait_ns <= whole_ns
    assert backoff(1_000, first_ns, longest_ns)(state, "SLIPPAGE") == wait_ns


@pytest.mark.parametrize(
    ("attempts", "whole_ms"), [(0, 200), (1, 400), (2, 800), (3, 1_000), (70, 1_000)]
)
def test_waits_double_and_differ_between_orders(attempts: int, whole_ms: int) -> None:
    """A thousand orders that failed together spread over the second half of the wait."""
    retry = backoff(1_000, 200_000_000, 1_000_000_000)
    waits = [retry(_failed_before(attempts, f"o-{number}"), "NO_ROUTE") for number in range(1_000)]
    times = sorted(wait / 1e6 for wait in waits if wait is not None)
    assert len(set(times)) > 990
    assert whole_ms / 2 <= times[0] < 0.51 * whole_ms
    assert 0.99 * whole_ms < times[-1] <= whole_ms
    assert 0.73 * whole_ms < sum(times) / len(times) < 0.77 * whole_ms


def test_attempts_of_one_order_are_drawn_apart() -> None:
    """Each attempt has a draw of its own."""
    retry = backoff(1_000, 1_000_000, 1_000_000)
    assert len({retry(_failed_before(attempts), "NO_ROUTE") for attempts in range(20)}) == 20


def test_a_known_wait_does_not_change() -> None:
    """The draw is a hash, the same on every machine and in every version."""
    waits = [backoff(9, 200_000_000, 10**10)(_failed_before(n), "NO_ROUTE") for n in range(3)]
    assert waits == [185_862_434, 216_561_564, 493_497_151]


@pytest.mark.parametrize("attempts_max", [1, 2, 5])
def test_the_last_attempt_is_not_followed(attempts_max: int) -> None:
    """``attempts_max`` attempts in all, the first one counted."""
    retry = backoff(attempts_max, 1, 1)
    waits = [retry(_failed_before(attempts), "NO_ROUTE") for attempts in range(attempts_max + 2)]
    assert [wait is None for wait in waits] == [
        attempts + 1 >= attempts_max for attempts in range(attempts_max + 2)
    ]


@pytest.mark.parametrize(
    "code", ["INVALID_REQUEST", "INVALID_AMOUNT", "UNKNOWN_TOKEN", "INSUFFICIENT_FUNDS"]
)
def test_what_no_retry_can_mend_is_given_up_at_once(code: str) -> None:
    """A request that is wrong stays wrong."""
    assert backoff(9, 1, 1)(_failed_before(0), code) is None


def test_no_wait_is_no_wait() -> None:
    """Zero means at once."""
    assert backoff(9, 0, 10)(_failed_before(3), "NO_ROUTE") == 0


def test_a_policy_cannot_be_edited() -> None:
    """Executors share it."""
    policy = ExecutionPolicy(router=best)
    with pytest.raises(AttributeError):
        policy.resend_ns = 1  # type: ignore[misc]
