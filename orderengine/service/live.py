"""Run the simulated world on the wall clock, and keep a record of its chain.

Theory of operation. Each process that executes orders has a world of its own in memory: pools,
prices and pending transactions are lost when it ends, and the next world opens at the slot that the
clock says, so block heights only ever rise. What must not be lost is which transactions executed.
So a fate, be it an execution or a lapse, counts only once it stands in the chain's record, which
all processes share and which takes the first word on a signature as the last: a transaction that is
sent again, after a crash or by a worker that took the order over, is told the fate it had.
"""

from __future__ import annotations

import json

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from orderengine.errors import InvalidData, InvalidScenario
from orderengine.execution.policy import TermsPolicy
from orderengine.execution.ports import (
    Clock,
    Outcome,
    Signed,
    SwapPlan,
    Venue,
)
from orderengine.market.config import MarketConfig
from orderengine.market.draws import Draws
from orderengine.market.fields import duration_ns
from orderengine.market.latency import LatencyConfig, LatencyModel, latency_model
from orderengine.market.opening import open_market, opening_of
from orderengine.market.prices import drawn_path
from orderengine.market.world import World
from orderengine.model.canonical import writer_of
from orderengine.settlement.simulated import SimulatedSettlement
from orderengine.storage.database import ChainRecord
from orderengine.storage.snapshots import read_snapshot
from orderengine.venues.simulated import SimulatedPrices, simulated_terms, simulated_venues

__all__ = ["LiveMarket", "RecordedSettlement"]

_GENESIS_NS = 1_767_225_600_000_000_000
"""2026-01-01T00:00:00Z, the instant of slot 0 of every live world."""
_TICK_NS = 50_000_000
"""A world that nobody looks at is moved this often, so that nobody has to catch up for long."""
_SIGNED_MAX = 10_000
_FORGET_SLOTS = 64
"""Executions are dropped this many slots after the last copy of them could land."""


def _encode(outcome: Outcome) -> bytes:
    """Return JSON: msgspec's own forms end at 64 bits, and prices are longer."""
    return writer_of(type(outcome))(outcome).encode()


def _decode(body: bytes) -> Outcome:
    found: Outcome = msgspec.convert(json.loads(body), Outcome)
    return found


class RecordedSettlement:
    """Implement the ``Settlement`` port: the simulated one, with the record as its memory."""

    def __init__(self, inner: SimulatedSettlement, record: ChainRecord) -> None:
        self._inner = inner
        self._record = record
        self._sent_here: set[str] = set()
        self._signed_here: dict[str, Signed] = {}
        """Signed by this process and not sent yet: nothing is known of these very ones. Read back
        from the store they are others: whoever held the order meanwhile may have sent them."""

    async def sign(self, plan: SwapPlan, until_ns: int) -> Signed | None:
        """Build and sign."""
        signed = await self._inner.sign(plan, until_ns)
        if signed is not None:
            self._signed_here[signed.signature] = signed
            if len(self._signed_here) > _SIGNED_MAX:
                del self._signed_here[next(iter(self._signed_here))]
        return signed

    async def send(self, signed: Signed, until_ns: int) -> None:
        """Send the bytes, unless they have executed before this process was there."""
        signature = signed.signature
        is_new = self._signed_here.pop(signature, None) is signed
        if is_new or signature in self._sent_here or not await self._known(signed):
            self._sent_here.add(signature)
            await self._inner.send(signed, until_ns)

    async def outcome(self, signed: Signed, until_ns: int) -> Outcome | None:
        """Wait for the fate; it counts once it is recorded."""
        if signed.signature not in self._sent_here and (known := await self._known(signed)):
            return known
        outcome = await self._inner.outcome(signed, until_ns)
        if outcome is None:
            return None
        ours = _encode(outcome)
        body = await self._record.record_execution(signed.signature, signed.order_id, ours)
        self._sent_here.discard(signed.signature)
        return outcome if body == ours else _decode(body)

    async def _known(self, signed: Signed) -> Outcome | None:
        body = await self._record.execution(signed.signature)
        return None if body is None else _decode(body)


class LiveMarket(Struct, frozen=True):
    """Hold a world and the adapters that trade in it."""

    world: World
    venues: tuple[Venue, ...]
    settlement: RecordedSettlement
    prices: SimulatedPrices
    terms: TermsPolicy
    """What a strategy is told of the network's fees."""
    forget_slots: int
    """How long executions are remembered."""

    @classmethod
    def open(
        cls, config: MarketConfig, *, seed: int, fail_rate: float, clock: Clock, record: ChainRecord
    ) -> LiveMarket:
        """Open the world in the slot that the clock says.

        Raises:
            InvalidData, InvalidScenario: the snapshot that the description names is none, or has no
                pool of the pair; or processes would not agree on block heights.
        """
        _require_clockwork(config)
        config = replace(config, landing=replace(config.landing, fail_rate=fail_rate))
        slot_ns = duration_ns("slot", config.slot)
        opening = opening_of(config, read_snapshot(config.snapshot) if config.snapshot else None)
        path = drawn_path(config.price, opening.price_x64, slot_ns, seed)
        pools = open_market(config, opening, opening.price_x64)
        first_slot = (clock.now_ns() - _GENESIS_NS) // slot_ns
        world = World(
            config,
            seed,
            pools,
            path,
            _GENESIS_NS,
            constant_prices_x64=opening.constant_prices_x64,
            first_slot=first_slot,
            has_faucet=True,
        )

        def latency(described: LatencyConfig, concern: str) -> LatencyModel:
            if described.model == "empirical":
                raise InvalidData("latency.model", "empirical", "a model without a file, live")
            return latency_model(described, Draws(seed, concern), now_ns=clock.now_ns)

        parts = {"world": world, "clock": clock, "seed": seed, "latency": latency}
        inner = SimulatedSettlement.of(config, **parts)  # type: ignore[arg-type]
        return cls(
            world=world,
            venues=tuple(simulated_venues(config, **parts)),  # type: ignore[arg-type]
            settlement=RecordedSettlement(inner, record),
            prices=SimulatedPrices(world, clock),
            terms=simulated_terms(config.fees, world),
            forget_slots=config.landing.blockhash_blocks + _FORGET_SLOTS,
        )

    async def run(self, clock: Clock) -> None:
        """Move the world on while nobody looks at it, until cancelled."""
        tick_ns = max(self.world.slot_ns, _TICK_NS)
        while True:
            self.world.advance(clock.now_ns())
            self.world.forget(self.world.slot - self.forget_slots)
            await clock.sleep_until(clock.now_ns() + tick_ns)


def _require_clockwork(config: MarketConfig) -> None:
    """Refuse a world whose slots and heights do not follow from the clock alone.

    A process that starts later must count the same; what is drawn slot by slot it has not seen.
    """
    drawn = {
        "market.slot_jitter": config.slot_jitter,
        "market.skip_rate": config.skip_rate,
        "market.consensus.fork_rate": config.consensus.fork_rate,
    }
    for field, value in drawn.items():
        if value > 0:
            raise InvalidScenario(field, value, "0 in a live world")
