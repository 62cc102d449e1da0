"""Replay a recorded price."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

__all__ = ["Trace"]


class Trace:
    """A recorded price, joined by straight lines between its samples and held after the last.

    Where it misleads: a straight line has no volatility inside a sample's interval, so with minute
    data the price moves less from slot to slot than it did.

    Args:
        times_ns: rising instants.
        prices_x64: the price at each.
    """

    def __init__(self, times_ns: Sequence[int], prices_x64: Sequence[int]) -> None:
        self._times = times_ns
        self._prices = prices_x64

    @property
    def start_ns(self) -> int:
        """The first instant."""
        return self._times[0]

    @property
    def end_ns(self) -> int:
        """The last instant; after it the last price is held."""
        return self._times[-1]

    def price_x64(self, slot: int, at_ns: int) -> int:
        """Return the price at ``at_ns``, rounded down."""
        del slot
        after = bisect_right(self._times, at_ns)
        if after == 0:
            return self._prices[0]
        if after == len(self._times):
            return self._prices[-1]
        t0, t1 = self._times[after - 1], self._times[after]
        p0, p1 = self._prices[after - 1], self._prices[after]
        return p0 + (p1 - p0) * (at_ns - t0) // (t1 - t0)
