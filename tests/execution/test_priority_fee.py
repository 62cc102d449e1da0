"""Check what is paid for a place in a block: the policies, the cap, one price an attempt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import InvalidAmount
from orderengine.execution.priority_fee import (
    FeeView,
    UnitPrices,
    at_percentile,
    escalating,
)
from orderengine.model.order import Order, Priority

OWN = {Priority.URGENT: 200_000, Priority.NORMAL: 300, Priority.BULK: 0}
ORDER = Order(order_id="o", sell="SOL", buy="USDC", amount=1, priority=Priority.NORMAL)


class _Blocks:
    """Say what recent blocks took: a thousand a percent, more at each look."""

    def __init__(self) -> None:
        self.looks = 0

    def recent_unit_price(self, percentile: int) -> int:
        self.looks += 1
        return percentile * 1_000 + self.looks


def test_a_percentile_is_taken_from_recent_blocks() -> None:
    """Whatever the priority, and never below the floor."""
    view = FeeView(OWN, _Blocks())
    assert at_percentile(75)(ORDER, 1, view) == 75_001
    assert at_percentile(50, least=60_000)(ORDER, 1, view) == 60_000


@given(st.integers(1, 12), st.integers(1_000, 5_000))
def test_escalation_multiplies_at_each_attempt(attempt: int, thousandths: int) -> None:
    """The next attempt pays growth times what this one paid, rounded up."""
    policy, view = escalating(thousandths / 1_000, least=7), FeeView(OWN, _Blocks())
    now, then = policy(ORDER, attempt, view), policy(ORDER, attempt + 1, view)
    assert policy(ORDER, 1, view) == 300
    assert then == -(-now * thousandths // 1_000)


def test_escalation_from_nothing_needs_a_floor() -> None:
    """A bulk order pays 0, and any multiple of 0; the floor is its first price."""
    bulk = Order(order_id="o", sell="SOL", buy="USDC", amount=1, priority=Priority.BULK)
    view = FeeView(OWN, _Blocks())
    assert escalating(3.0)(bulk, 4, view) == 0
    assert [escalating(3.0, least=10)(bulk, n, view) for n in (1, 2, 3)] == [10, 30, 90]


def test_an_attempt_has_one_price() -> None:
    """Though blocks go by: it is asked once; the next attempt, and another order, ask anew."""
    blocks = _Blocks()
    prices = UnitPrices(at_percentile(50), FeeView(OWN, blocks), cap=10**9)
    other = Order(order_id="p", sell="SOL", buy="USDC", amount=1)
    asked = [prices(ORDER, 1), prices(other, 1), prices(ORDER, 1), prices(ORDER, 2)]
    assert asked == [50_001, 50_002, 50_001, 50_003]
    assert blocks.looks == 3


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt that was decided first is forgotten first."""
    monkeypatch.setattr("orderengine.execution.priority_fee._KEPT_MAX", 2)
    blocks = _Blocks()
    prices = UnitPrices(at_percentile(0), FeeView(OWN, blocks), cap=10**9)
    orders = [Order(order_id=name, sell="SOL", buy="USDC", amount=1) for name in "abc"]
    assert [prices(order, 1) for order in orders] == [1, 2, 3]
    assert [prices(orders[2], 1), prices(orders[1], 1), prices(orders[0], 1)] == [3, 2, 4]


def test_no_policy_pays_more_than_the_cap() -> None:
    """A function of one's own neither."""
    prices = UnitPrices(lambda order, attempt, view: 10**15, FeeView(OWN, _Blocks()), cap=123)
    assert prices(ORDER, 1) == 123


@pytest.mark.parametrize("answer", [-1, 1.5, None, True, "12"], ids=str)
def test_an_answer_that_is_no_price_is_refused(answer: object) -> None:
    """The error says what was answered."""
    prices = UnitPrices(lambda order, attempt, view: answer, FeeView(OWN, _Blocks()), cap=123)  # type: ignore[arg-type,return-value]
    with pytest.raises(InvalidAmount) as caught:
        prices(ORDER, 1)
    assert caught.value.found == answer
