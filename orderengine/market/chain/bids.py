"""Say what others bid for block space, and what a bid must be above to get into a block.

A bid is micro-lamports a compute unit. Others' demand is a fluid whose bids have fixed quantiles;
a leader takes the highest first. If demand is D times the space, the top 1/D of it gets in, so the
clearing price is the quantile at 1 - 1/D, and 0 while D is at most 1.

Source of the quantiles: the 755 non-vote transactions of mainnet block 361774429, each counted
once, those that name no price as 0. Assumptions: they hold at all times and for each account, and
what a transaction bids has nothing to do with its size. Where it misleads: it is one block, of
those who got in. Its larger transactions bid less (by units: median 300, p75 2,000, p90 88,502,
p99 6,666,666), and in a rush all bid more.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right

from msgspec import Struct

from orderengine.market.fields import check

__all__ = ["BidConfig", "Bids"]


class BidConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe the bids of others in micro-lamports a compute unit: their quantiles."""

    p50: int = 300
    p75: int = 200_000
    p90: int = 4_360_000
    p99: int = 9_800_000
    highest: int = 150_000_000
    """The highest bid of the same block."""

    def __post_init__(self) -> None:
        least = 1
        for name in self.__struct_fields__:
            value = getattr(self, name)
            check(name, value, least <= value <= 10**12, f"from {least} to 10^12, rising")
            least = value + 1


class Bids:
    """Turn shares of demand into bids and back.

    Between the quantiles bids rise by equal factors; below the median on a straight line from 0.
    """

    def __init__(self, config: BidConfig) -> None:
        self._median = config.p50
        self._shares = (0.5, 0.75, 0.9, 0.99, 1.0)
        bids = (config.p50, config.p75, config.p90, config.p99, config.highest)
        self._logs = tuple([math.log(bid) for bid in bids])
        self._bids = bids

    def at(self, share: float) -> int:
        """Return the bid that this share of demand is not above, rounded down; shares 0 to 1."""
        if share <= self._shares[0]:
            return int(max(share, 0.0) / self._shares[0] * self._median)
        if share >= 1.0:
            return self._bids[-1]
        after = bisect_right(self._shares, share)
        u0, u1 = self._shares[after - 1], self._shares[after]
        y0, y1 = self._logs[after - 1], self._logs[after]
        return int(math.exp(y0 + (y1 - y0) * (share - u0) / (u1 - u0)) + 1e-6)

    def share_above(self, bid: int) -> float:
        """Return the share of demand that bids more."""
        if bid >= self._bids[-1]:
            return 0.0
        if bid <= self._median:
            return 1.0 - max(bid, 0) / self._median * self._shares[0]
        after = bisect_left(self._bids, bid)
        u0, u1 = self._shares[after - 1], self._shares[after]
        y0, y1 = self._logs[after - 1], self._logs[after]
        return 1.0 - (u0 + (u1 - u0) * (math.log(bid) - y0) / (y1 - y0))

    def clearing_price(self, demand: float) -> int:
        """Return the bid that just gets into a block that is wanted ``demand`` times over."""
        return self.at(_left_out(demand)) if demand > 1 else 0

    def paid(self, percentile: int, demand: float) -> int:
        """Return a percentile of the bids of others that got into such a block; 0 if none did."""
        if demand <= 0:
            return 0
        left_out = _left_out(demand)
        return self.at(left_out + percentile / 100 * (1.0 - left_out))


def _left_out(demand: float) -> float:
    return 1.0 - 1.0 / demand if demand > 1 else 0.0
