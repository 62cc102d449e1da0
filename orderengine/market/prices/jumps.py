"""Let a price jump: a Poisson number of jumps a slot, each lognormal.

Assumption: jumps come independently of each other, of the time of day and of the diffusion, and
their logarithms are normal (R. C. Merton, "Option pricing when underlying stock returns are
discontinuous", Journal of Financial Economics 3, 1976, pp. 125-144). Rate and sizes are no measured
figures. Where it misleads: real jumps come in clusters and announce themselves in the volume.
"""

from __future__ import annotations

import math

from msgspec import Struct

from orderengine.market.draws import Draws
from orderengine.market.fields import check
from orderengine.market.prices.path import YEAR_NS

__all__ = ["JumpConfig", "Jumps"]

_HOURS_A_YEAR = YEAR_NS / 3_600_000_000_000


class JumpConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe jumps of the outside price."""

    per_hour: float = 0.0
    """Mean number of jumps an hour; 0 for none."""
    mean: float = 0.0
    """Of a jump's logarithm: below 0, jumps go down more often than up. Assumption."""
    sigma: float = 0.005
    """Standard deviation of a jump's logarithm, 0.5 %. Assumption."""

    def __post_init__(self) -> None:
        check("per_hour", self.per_hour, 0 <= self.per_hour <= 36_000, "from 0 to 36000 an hour")
        check("mean", self.mean, -1 <= self.mean <= 1, "from -1 to 1")
        check("sigma", self.sigma, 0 <= self.sigma <= 1, "from 0 to 1")


class Jumps:
    """Draw the jumps of each slot.

    With n jumps, of a Poisson number with mean m, and normal z the logarithm of the price moves by
    n · mean + sqrt(n) · sigma · z, less m · (exp(mean + sigma^2 / 2) - 1). The last term takes off
    what jumps add on average, so that the expected price stays where it is.
    """

    def __init__(self, config: JumpConfig, slot_ns: int, seed: int) -> None:
        self._mean_count = config.per_hour * _HOURS_A_YEAR * slot_ns / YEAR_NS
        self._mean, self._sigma = config.mean, config.sigma
        growth = math.expm1(config.mean + 0.5 * config.sigma * config.sigma)
        self._compensation = self._mean_count * growth
        self._draw_count = Draws(seed, "price/jump/count")
        self._draw_size = Draws(seed, "price/jump/size")

    def count(self, slot: int) -> int:
        """Return how many jumps fall into a slot."""
        return self._draw_count.poisson(self._mean_count, slot)

    def step(self, slot: int) -> float:
        """Return by how much the logarithm of the price moves through jumps."""
        count = self.count(slot)
        if not count:
            return -self._compensation
        spread = math.sqrt(count) * self._sigma * self._draw_size.normal(slot)
        return count * self._mean + spread - self._compensation
