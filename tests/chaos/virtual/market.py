"""Let processes trade in the simulated market as the service does, each in a world of its own.

Here the chain is the record that all processes share: the first word on a signature is the last. So
a signature is dead once the record says that it did not land, and live as long as it says nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from orderengine.errors import InvariantViolated
from orderengine.execution.ports import Clock, Landed, Outcome, Signed
from orderengine.market.config import FlowConfig, LandingConfig, MarketConfig
from orderengine.market.latency import LatencyConfig
from orderengine.market.pools import PoolConfig
from orderengine.market.world import World
from orderengine.service.live import LiveMarket
from orderengine.storage.database import ChainRecord
from tests.chaos.virtual.chain import Violate

__all__ = ["MarketFates", "open_market"]

_CONFIG = MarketConfig(
    slot="100ms",
    skip_rate=0.0,
    quote_latency=LatencyConfig(median="20ms"),
    build_latency=LatencyConfig(median="5ms"),
    pools=(
        PoolConfig(name="raydium", venue="raydium_cpmm", depth="5000000USDC"),
        PoolConfig(name="meteora", venue="meteora_dlmm", depth="2000000USDC", bin_step=20),
    ),
    flow=FlowConfig(trades_per_slot=0.0),
    arbitrage=False,
    landing=LandingConfig(
        delay=LatencyConfig(model="uniform", low="50ms", high="900ms"),
        drop_rate=0.3,
        drop_notice="0ms",
        confirm=LatencyConfig(median="100ms"),
        blockhash_blocks=40,
    ),
)


def open_market(seed: int, clock: Clock, record: ChainRecord) -> LiveMarket:
    """Open the world of one process."""
    return LiveMarket.open(_CONFIG, seed=seed, fail_rate=0.1, clock=clock, record=record)


class MarketFates:
    """Know what the record says, and every world that was opened."""

    def __init__(self, record: Mapping[str, tuple[str, bytes]], violate: Violate) -> None:
        self._record = record
        self._violate = violate
        self._stored: dict[str, list[str]] = {}
        self.worlds: list[World] = []

    def _outcome(self, signature: str) -> Outcome | None:
        found = self._record.get(signature)
        if found is None:
            return None
        outcome: Outcome = msgspec.convert(json.loads(found[1]), Outcome)
        return outcome

    def stored(self, signed: Signed) -> None:
        """Judge: from now on the signature may be out."""
        mine = self._stored.setdefault(signed.order_id, [])
        for other in mine:
            if self.is_live(other):
                said = f"{signed.signature} is stored while {other} can land"
                self._violate("I6", signed.order_id, said)
        mine.append(signed.signature)

    def is_live(self, signature: str) -> bool:
        """Return whether it can still land, or has landed."""
        outcome = self._outcome(signature)
        return outcome is None or isinstance(outcome, Landed)

    def fills(self, order_id: str) -> list[tuple[str, Landed]]:
        """Return the signatures of an order that landed, with what they moved."""
        found = [
            (signature, self._outcome(signature)) for signature in self._stored.get(order_id, ())
        ]
        return [(signature, fill) for signature, fill in found if isinstance(fill, Landed)]

    def require_conserved(self) -> None:
        """Check that no world made or lost a token (I9)."""
        for world in self.worlds:
            try:
                world.require_conserved()
            except InvariantViolated as error:
                self._violate("I9", "all", str(error))
