"""Let venues see the outside price a little off, each by a deviation that returns to zero.

The outside price as a venue or a pool sees it is P · exp(X), with P the price of the path and X an
Ornstein-Uhlenbeck process of its own. Arbitrageurs trade a pool to what is seen there, so pools
differ by up to their fees and, while deviations last, by more.

P stays what "the outside price" means everywhere else: orders are sized, valued and measured
against P alone. So an order that is routed to where X favours it shows less than no price impact.

Assumption: deviations are normal, of venues independent of each other, and arbitrageurs of one pool
do not trade it against another (G. E. Uhlenbeck and L. S. Ornstein, "On the theory of the Brownian
motion", Physical Review 36, 1930, pp. 823-841). Their size is no measured figure. Where it
misleads: real searchers close what differs by more than two fees within a block, so large
deviations here reward splitting an order more than mainnet would.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from orderengine.market.draws import Draws
from orderengine.market.fields import Duration, check, duration_ns
from orderengine.pools import Pool
from orderengine.pools.fixed_point import Q64

__all__ = ["Spread", "SpreadConfig"]


class SpreadConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe how far the price seen at a venue is off the outside price."""

    bps: float = 0.0
    """Standard deviation in the long run, in basis points; 0 for none."""
    half_life: Duration = "10s"
    """After which half of a deviation is left. Assumption."""
    by: Literal["venue", "pool"] = "venue"
    """Whether pools of one program share a deviation, or each has its own."""

    def __post_init__(self) -> None:
        check("bps", self.bps, 0 <= self.bps <= 1_000, "from 0 to 1000 bps")
        check("half_life", self.half_life, duration_ns("half_life", self.half_life) > 0, "above 0")


class Spread:
    """Move the deviations from slot to slot, exactly as the process does at those instants.

    X' = a · X + s · sqrt(1 - a^2) · z with a = 2^(-slot / half_life), s the long-run deviation and
    z normal; the first X is s · z, so every slot has the long-run law.
    """

    def __init__(
        self, config: SpreadConfig, slot_ns: int, seed: int, pools: Iterable[Pool]
    ) -> None:
        self._by_venue = config.by == "venue"
        self._sigma = config.bps / 10_000
        self._decay = 2.0 ** (-slot_ns / duration_ns("half_life", config.half_life))
        self._kick = self._sigma * math.sqrt(1 - self._decay * self._decay)
        names = dict.fromkeys(map(self._name_of, pools))
        self._draws = {name: Draws(seed, f"price/spread/{name}") for name in names}
        self._levels: dict[str, float] = {}

    def move(self, slot: int) -> None:
        """Bring the deviations to the next slot."""
        levels, decay, kick = self._levels, self._decay, self._kick
        if not levels:
            self._levels = {
                name: self._sigma * draws.normal(slot) for name, draws in self._draws.items()
            }
            return
        for name, draws in self._draws.items():
            levels[name] = decay * levels[name] + kick * draws.normal(slot)

    def deviation(self, pool: Pool) -> float:
        """Return X, the logarithm of what is seen at a pool over the outside price."""
        return self._levels[self._name_of(pool)]

    def seen_x64(self, pool: Pool, price_x64: int) -> int:
        """Return the outside price as it is seen at a pool, rounded down, at least 1."""
        factor_x64 = round(math.exp(self.deviation(pool)) * Q64)
        return max(price_x64 * factor_x64 >> 64, 1)

    def _name_of(self, pool: Pool) -> str:
        return pool.venue if self._by_venue else pool.address
