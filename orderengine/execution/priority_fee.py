"""Decide what to pay for a place in a block: micro-lamports a compute unit, for each attempt.

A policy is a plain function of the order, the attempt (from 1) and a view of what others paid. Its
answer is capped, and asked for once an attempt: what a quote counts, what a strategy weighs and
what is signed are one price, though blocks go by in between.

Assumption: what was paid lately is a guide to what will do. Where it misleads: in a sudden rush the
recent blocks are cheap, and after one they are dear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orderengine.errors import InvalidAmount
from orderengine.execution.ports import FeeFeed
from orderengine.model.order import Order, Priority

__all__ = ["FeePolicy", "FeeView", "UnitPriceOf", "UnitPrices", "at_percentile", "escalating"]

FeePolicy = Callable[[Order, int, "FeeView"], int]
"""Return micro-lamports a compute unit for an attempt, at least 0."""

UnitPriceOf = Callable[[Order, int], "int | None"]
"""Return the price that an attempt pays; None leaves it to the settlement's own by priority."""

_KEPT_MAX = 65_536
"""Attempts whose price is remembered: more than are between quote and signature at once."""


class FeeView:
    """Show a policy what it may know: the settlement's own prices, and what others paid.

    Args:
        by_priority: micro-lamports a unit that the settlement would pay by itself.
        feed: tells what others paid.
    """

    def __init__(self, by_priority: Mapping[Priority, int], feed: FeeFeed) -> None:
        self._by_priority = by_priority
        self._feed = feed

    def fixed(self, priority: Priority) -> int:
        """Return the settlement's own price for a priority."""
        return self._by_priority[priority]

    def recent(self, percentile: int) -> int:
        """Return a percentile, 0 to 100, of what was paid in recent blocks; 0 if nothing was."""
        return self._feed.recent_unit_price(percentile)


def at_percentile(percentile: int, least: int = 0) -> FeePolicy:
    """Return a policy that pays a percentile of recent blocks, whatever the priority."""

    def price(order: Order, attempt: int, view: FeeView) -> int:
        del order, attempt
        return max(view.recent(percentile), least)

    return price


def escalating(growth: float, least: int = 0) -> FeePolicy:
    """Return a policy that begins with the fixed price and multiplies it at each further attempt.

    The price is rounded up. ``least`` is the first attempt's where the fixed price is below.
    """

    def price(order: Order, attempt: int, view: FeeView) -> int:
        first = max(view.fixed(order.priority), least)
        # Steps of a thousandth keep it an integer, however often it is multiplied.
        for _ in range(attempt - 1):
            first = -(-first * round(growth * 1_000) // 1_000)
        return first

    return price


class UnitPrices:
    """Ask a policy once an attempt, cap its answer, and remember it for the attempt.

    Args:
        policy: what is asked.
        view: what it is shown.
        cap: the most that is paid, micro-lamports a unit.
    """

    def __init__(self, policy: FeePolicy, view: FeeView, cap: int) -> None:
        self._policy = policy
        self._view = view
        self._cap = cap
        self._kept: dict[str, tuple[int, int]] = {}
        """By order: the attempt and its price, the one decided first at the start."""

    def __call__(self, order: Order, attempt: int) -> int:
        """Return the attempt's price.

        Raises:
            InvalidAmount: the policy's answer is no int from 0.
        """
        kept = self._kept.get(order.order_id)
        if kept is not None and kept[0] == attempt:
            return kept[1]
        price: object = self._policy(order, attempt, self._view)
        if type(price) is not int or price < 0:
            expected = "an int of micro-lamports a compute unit, at least 0"
            raise InvalidAmount("the priority fee", price, expected)
        price = min(price, self._cap)
        self._kept.pop(order.order_id, None)
        self._kept[order.order_id] = (attempt, price)
        if len(self._kept) > _KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        return price
