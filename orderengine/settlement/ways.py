"""Know the ways on which the simulated settlement sends: which one an order takes, what it does."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from orderengine.market.chain.paths import PATHS, PathConfig, drop_chance, stretch
from orderengine.market.config import LandingConfig
from orderengine.market.latency import LatencyModel, LatencyOf
from orderengine.market.transactions import decode_transaction
from orderengine.model.order import Priority

__all__ = ["Way", "Ways"]


class Way(Struct, frozen=True):
    """Hold one way to a leader."""

    config: PathConfig
    delay: LatencyModel
    """Without strain, by order key and sending."""

    def drop_chance(self, strain: float) -> float:
        """Return the chance that a sending is lost under a strain."""
        return drop_chance(self.config, strain)

    def delay_ns(self, strain: float, key: int, k: int) -> int:
        """Return how long a sending takes under a strain, rounded to the nearest."""
        return round(self.delay(key, k) * stretch(self.config, strain))


class Ways:
    """Hold all ways of the landing model ``network``, and the choice between them.

    Every way draws its delays under one concern, so that an order meets the same luck on each.
    """

    def __init__(self, landing: LandingConfig, latency: LatencyOf) -> None:
        self._normal = landing.path
        self._urgent = landing.urgent_path or landing.path
        self._ways: Mapping[str, Way] = {
            name: Way(config, latency(config.delay, "latency/landing"))
            for name in PATHS
            for config in [getattr(landing.paths, name)]
        }

    def chosen(self, priority: Priority) -> tuple[str, int]:
        """Return the name of the way that orders of a priority take, and its tip in lamports."""
        name = self._urgent if priority is Priority.URGENT else self._normal
        return name, self._ways[name].config.tip_lamports

    def of_signed(self, payload: bytes) -> Way:
        """Return the way that was chosen as a transaction was signed."""
        return self._ways[decode_transaction(payload).path or self._normal]
