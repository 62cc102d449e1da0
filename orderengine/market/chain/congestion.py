"""Move the demand for block space from slot to slot: calm and busy times, and bursts.

Demand is a multiple of the space that there is. Its logarithm is an autoregressive process of first
order around the median; on top of it, a chain of two states, calm and burst, multiplies it. All is
drawn by slot, so two policies meet the same congestion.

Assumption: this form and all figures but one. The source of that one: mainnet block 361774429 holds
59,998,391 cost units of 60,000,000, so a demand of about 1 is usual. Where it misleads: real bursts
have causes, such as a fall of the price, and then come together with it; here they do not.
"""

from __future__ import annotations

import math

from msgspec import Struct

from orderengine.market.draws import Draws
from orderengine.market.fields import Duration, check, duration_ns

__all__ = ["Congestion", "CongestionConfig"]


class CongestionConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe what others want of block space and of the leaders' attention."""

    demand: float = 0.0
    """Median demand of others for a block, as a multiple of its space; 0 for no congestion."""
    account_demand: float = 0.0
    """Median demand of others for each pool's account, as a multiple of an account's limit.
    Assumption: it moves as the demand for the block does."""
    sigma: float = 0.4
    """Standard deviation of the logarithm of demand, bursts apart. Assumption."""
    half_life: Duration = "20s"
    """Time in which a departure from the median halves, as a rule. Assumption."""
    burst_factor: float = 3.0
    """How many times the demand in a burst is that of calm. Assumption."""
    burst_every: Duration = "120s"
    """Mean calm between two bursts; "0s" for no bursts. Assumption."""
    burst_length: Duration = "10s"
    """Mean length of a burst. Assumption."""
    ingress: float = 1.0
    """Demand beyond which leaders cannot take in all that is sent to them, so that sendings are
    lost and late (``landing.paths``). Assumption."""

    def __post_init__(self) -> None:
        for name in ("demand", "account_demand"):
            check(name, getattr(self, name), 0 <= getattr(self, name) <= 1_000, "from 0 to 1000")
        check("sigma", self.sigma, 0 <= self.sigma <= 3, "from 0 to 3")
        check("half_life", self.half_life, duration_ns("half_life", self.half_life) > 0, "above 0")
        factor = self.burst_factor
        check("burst_factor", factor, 1 <= factor <= 1_000, "from 1 to 1000")
        duration_ns("burst_every", self.burst_every)
        length = self.burst_length
        check("burst_length", length, duration_ns("burst_length", length) > 0, "above 0")
        check("ingress", self.ingress, 0 < self.ingress <= 1_000, "above 0, at most 1000")


class Congestion:
    """Hold the present level; it begins as likely as it is at any time.

    Args:
        config: the description.
        slot_ns: a slot's mean length.
        level: drawn by slot, for the autoregressive process.
        burst: drawn by slot, for the chain.
    """

    def __init__(
        self, config: CongestionConfig, slot_ns: int, *, level: Draws, burst: Draws
    ) -> None:
        self._config = config
        self._level_draws = level
        self._burst_draws = burst
        self._stays = 0.5 ** (slot_ns / duration_ns("half_life", config.half_life))
        self._shock = config.sigma * math.sqrt(1 - self._stays**2)
        every_ns = duration_ns("burst_every", config.burst_every)
        length_ns = duration_ns("burst_length", config.burst_length)
        self._begins = min(slot_ns / every_ns, 1.0) if every_ns else 0.0
        self._ends = min(slot_ns / length_ns, 1.0)
        self._level: float | None = None
        self.is_burst = False
        self.factor = 1.0
        """The present demand over the median."""

    @property
    def demand(self) -> float:
        """The demand of others for the present block, as a multiple of its space."""
        return self._config.demand * self.factor

    @property
    def account_demand(self) -> float:
        """The demand of others for each pool's account, as a multiple of an account's limit."""
        return self._config.account_demand * self.factor

    @property
    def strain(self) -> float:
        """How many times what leaders can take in is sent to them; 1 if they can take it all."""
        return max(1.0, self.demand / self._config.ingress)

    def step(self, slot: int) -> None:
        """Go on to the next slot; slots are asked for one after another."""
        config = self._config
        if config.demand == 0 and config.account_demand == 0:
            return
        normal = self._level_draws.normal(slot)
        if self._level is None:
            self._level = config.sigma * normal
            share = self._begins / (self._begins + self._ends)
            self.is_burst = self._burst_draws.happens(share, slot)
        else:
            self._level = self._stays * self._level + self._shock * normal
            changes = self._ends if self.is_burst else self._begins
            self.is_burst ^= self._burst_draws.happens(changes, slot)
        self.factor = math.exp(self._level) * (config.burst_factor if self.is_burst else 1.0)
