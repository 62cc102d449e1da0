"""Estimate how much a price moves, from what was seen of it, and allow slippage by that.

The tolerance is ``floor + sigmas · sigma · sqrt(T)``, up to a cap: sigma is the standard deviation
of the log price over a second, T how long a transaction is expected to take. With independent
normal returns a price then moves against the order by more than its share in Φ(-sigmas) of cases.

Sigma is the root of an exponentially weighted mean of squared log returns a second. Weights are
those of RiskMetrics (J.P. Morgan, "RiskMetrics: Technical Document", 1996), for samples at any
distance: a return over dt seconds has weight 1 - 2^(-dt / half-life). Only prices that were asked
for count.

Assumption: returns have mean 0 and are independent. Where it misleads: a jump is seen only after it
happened; a price that reverts between samples looks calmer than it is; and at the start, before
two prices were seen, sigma is 0 and only the floor is allowed.
"""

from __future__ import annotations

import math

from msgspec import Struct

from orderengine.execution.policy import SlippagePolicy
from orderengine.execution.ports import Clock, PriceFeed
from orderengine.model.amounts import U64_MAX
from orderengine.model.order import Mode, Order, Route

__all__ = ["SeenPrices", "Volatility", "VolatilitySlippage", "slippage_by_volatility"]

_MILLION = 1_000_000


class Volatility:
    """Keep the weighted mean of squared returns of one price.

    Args:
        half_life_s: seconds in which a return's weight falls by half.
    """

    __slots__ = ("_at_ns", "_decay", "_log", "_mean", "_weight")

    def __init__(self, half_life_s: float) -> None:
        self._decay = math.log(2) / half_life_s
        self._at_ns: int | None = None
        self._log = self._mean = self._weight = 0.0

    def see(self, price: int, at_ns: int) -> None:
        """Take a price, at least 1 and in whatever unit, at an instant that is not before the last.

        Of several prices of one instant the first counts.
        """
        if self._at_ns is None:
            self._at_ns, self._log = at_ns, math.log(price)
            return
        dt = (at_ns - self._at_ns) / 1e9
        if dt <= 0:
            return
        log, kept = math.log(price), math.exp(-self._decay * dt)
        self._mean = kept * self._mean + (1 - kept) * (log - self._log) ** 2 / dt
        self._weight = kept * self._weight + (1 - kept)
        self._at_ns, self._log = at_ns, log

    @property
    def sigma(self) -> float:
        """Standard deviation of the log price over a second; 0 before two prices were seen."""
        return math.sqrt(self._mean / self._weight) if self._weight > 0 else 0.0


class SeenPrices:
    """Implement the ``PriceFeed`` port over another one, and learn from each price."""

    def __init__(self, feed: PriceFeed, clock: Clock, half_life_s: float) -> None:
        self._feed = feed
        self._clock = clock
        self._half_life_s = half_life_s
        self._seen: dict[tuple[str, str], Volatility] = {}

    def reference_price_x64(self, sell: str, buy: str) -> int:
        """Return what the other feed says."""
        price = self._feed.reference_price_x64(sell, buy)
        # Both directions of a pair are one price: only the size of a return counts.
        pair = (sell, buy) if sell < buy else (buy, sell)
        seen = self._seen.get(pair)
        if seen is None:
            seen = self._seen[pair] = Volatility(self._half_life_s)
        seen.see(price if sell < buy else (1 << 128) // max(price, 1), self._clock.now_ns())
        return price

    def sigma(self, sell: str, buy: str) -> float:
        """Return the standard deviation of a pair's log price over a second, as seen so far."""
        seen = self._seen.get((sell, buy) if sell < buy else (buy, sell))
        return 0.0 if seen is None else seen.sigma


class VolatilitySlippage(Struct, frozen=True, kw_only=True):
    """Say how much slippage a given volatility allows."""

    sigmas: float
    landing_s: float
    """How long a transaction is expected to take, seconds."""
    floor_bps: float
    cap_bps: float

    def millionths(self, sigma: float) -> int:
        """Return the tolerance in millionths (hundredths of a basis point), rounded up."""
        bps = self.floor_bps + self.sigmas * sigma * math.sqrt(self.landing_s) * 10_000
        return math.ceil(min(bps, self.cap_bps) * 100)


def slippage_by_volatility(rule: VolatilitySlippage, prices: SeenPrices) -> SlippagePolicy:
    """Return a policy that allows slippage by the volatility seen so far.

    It takes the place of the order's own ``slippage_bps``. The bound on the free side is rounded in
    the trader's favour, as under the fixed policy.
    """

    def slippage(order: Order, route: Route) -> tuple[int, int]:
        allowed = rule.millionths(prices.sigma(order.sell, order.buy))
        if order.mode is Mode.EXACT_IN:
            kept = route.amount_out * (_MILLION - min(allowed, _MILLION))
            return route.amount_in, max(-(-kept // _MILLION), 1)
        most = route.amount_in * (_MILLION + allowed) // _MILLION
        return min(most, U64_MAX), route.amount_out

    return slippage
