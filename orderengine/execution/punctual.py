"""Keep deadlines for adapters that cannot: wrap them, and leave them when their time is up."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from orderengine.errors import Unavailable
from orderengine.execution.ports import Clock, Outcome, Reading, Settlement, Signed, SwapPlan, Venue
from orderengine.model.order import Declined, Order, Quote

__all__ = ["PunctualSettlement", "PunctualVenue"]


_GRACE_NS = 1_000_000_000
"""How long after its deadline an adapter that waits for an outcome is left alone: as a rule it
looks once more at the deadline itself, and what it sees then counts."""


def _at(clock: Clock, until_ns: int) -> anyio.CancelScope:
    return anyio.move_on_after(max(until_ns - clock.now_ns(), 0) / 1e9)


class PunctualVenue:
    """Implement the ``Venue`` port over one that may answer late or never."""

    def __init__(self, venue: Venue, clock: Clock) -> None:
        self._venue = venue
        self._clock = clock

    @property
    def name(self) -> str:
        """The program's name."""
        return self._venue.name

    @property
    def is_immediate(self) -> bool:
        """Whether it answers without waiting."""
        return self._venue.is_immediate

    async def quote(
        self, order: Order, attempt: int, until_ns: int
    ) -> Sequence[Quote | Declined] | None:
        """Return the venue's answers, or None at ``until_ns``."""
        with _at(self._clock, until_ns):
            return await self._venue.quote(order, attempt, until_ns)
        return None

    async def read(self, order: Order, attempt: int, until_ns: int) -> Reading | None:
        """Return the venue's pools, or None at ``until_ns``."""
        with _at(self._clock, until_ns):
            return await self._venue.read(order, attempt, until_ns)
        return None


class PunctualSettlement:
    """Implement the ``Settlement`` port over one that may answer late or never."""

    def __init__(self, settlement: Settlement, clock: Clock) -> None:
        self._settlement = settlement
        self._clock = clock

    async def sign(self, plan: SwapPlan, until_ns: int) -> Signed | None:
        """Build and sign, or return None at ``until_ns``."""
        with _at(self._clock, until_ns):
            return await self._settlement.sign(plan, until_ns)
        return None

    async def send(self, signed: Signed, until_ns: int) -> None:
        """Send the bytes; give up at ``until_ns``."""
        with _at(self._clock, until_ns):
            await self._settlement.send(signed, until_ns)

    async def outcome(self, signed: Signed, until_ns: int) -> Outcome | None:
        """Wait for the transaction's fate, or return None at ``until_ns``."""
        with _at(self._clock, until_ns + _GRACE_NS):
            try:
                return await self._settlement.outcome(signed, until_ns)
            except Unavailable:
                await self._clock.sleep_until(until_ns)  # no news
        return None
