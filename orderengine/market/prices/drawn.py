"""Draw the outside price: geometric Brownian motion, with jumps and wild times if asked for."""

from __future__ import annotations

import math

from orderengine.market.draws import Draws
from orderengine.market.prices.config import PriceConfig
from orderengine.market.prices.jumps import Jumps
from orderengine.market.prices.path import YEAR_NS, PricePath
from orderengine.market.prices.regimes import Regimes

__all__ = ["Gbm", "JumpDiffusion", "drawn_path"]


class Gbm:
    """Geometric Brownian motion without drift, one normal draw a slot.

    Assumption: returns of slots are independent and normal, volatility is constant. Where it
    misleads: real returns jump and volatility comes in clusters, so calm and panic are missing.
    """

    def __init__(self, start_x64: int, volatility: float, slot_ns: int, draws: Draws) -> None:
        self._level = math.log(start_x64)
        self._sigma = volatility * math.sqrt(slot_ns / YEAR_NS)
        self._draws = draws

    def price_x64(self, slot: int, at_ns: int) -> int:
        """Return the next slot's price."""
        if slot > 0:
            sigma = self._sigma
            self._level += sigma * self._draws.normal(slot) - 0.5 * sigma * sigma
        return max(round(math.exp(self._level)), 1)


class JumpDiffusion:
    """Geometric Brownian motion whose volatility switches and whose price jumps, without drift.

    The normal draw of a slot is that of ``Gbm`` under the same seed: turning jumps or wild times on
    adds to its path and changes nothing else. Assumptions and where they mislead: ``jumps`` and
    ``regimes`` say.
    """

    def __init__(self, config: PriceConfig, start_x64: int, slot_ns: int, seed: int) -> None:
        root = math.sqrt(slot_ns / YEAR_NS)
        wild = config.regimes.wild_volatility
        self._level = math.log(start_x64)
        self._calm_sigma, self._wild_sigma = config.volatility * root, wild * root
        self._regimes = Regimes(config.regimes, slot_ns, seed) if wild > 0 else None
        has_jumps = config.jumps.per_hour > 0
        self._jumps = Jumps(config.jumps, slot_ns, seed) if has_jumps else None
        self._draws = Draws(seed, "price")

    def price_x64(self, slot: int, at_ns: int) -> int:
        """Return the next slot's price."""
        del at_ns
        if slot > 0:
            is_wild = self._regimes is not None and self._regimes.is_wild(slot)
            sigma = self._wild_sigma if is_wild else self._calm_sigma
            self._level += sigma * self._draws.normal(slot) - 0.5 * sigma * sigma
            if self._jumps is not None:
                self._level += self._jumps.step(slot)
        return max(round(math.exp(self._level)), 1)


def drawn_path(config: PriceConfig, start_x64: int, slot_ns: int, seed: int) -> PricePath:
    """Return the path that a description asks for, from a price on; not for recorded prices."""
    if config.jumps.per_hour > 0 or config.regimes.wild_volatility > 0:
        return JumpDiffusion(config, start_x64, slot_ns, seed)
    return Gbm(start_x64, config.volatility, slot_ns, Draws(seed, "price"))
