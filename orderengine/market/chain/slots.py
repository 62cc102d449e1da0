"""Say when slots begin: evenly, or with lengths that are drawn one by one.

Assumption of ``JitteredSlots``: lengths are independent and lognormal, and their mean is the
target. Source: of 437 one-minute means (2025-08-22, slots 361585915 to 361652365; 382 to 423 ms)
the standard deviation is 6.3 ms and neighbours do not go together (correlation -0.09). Independent
lengths with a standard deviation of 78 ms, a fifth of a slot, give just that over 152 slots.
Where it misleads: minute means cannot tell independent lengths from ones that make up for each
other within seconds, and a skipped slot lasts as long as any other.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Protocol

from orderengine.market.draws import Draws

__all__ = ["EvenSlots", "JitteredSlots", "Slots", "slots_of"]


class Slots(Protocol):
    """Tell slots and instants apart; instants are nanoseconds since the Unix epoch."""

    def start_ns(self, slot: int) -> int:
        """Return the instant at which a slot begins."""

    def length_ns(self, slot: int) -> int:
        """Return how long a slot lasts."""

    def at(self, now_ns: int) -> int:
        """Return the slot that holds an instant."""


class EvenSlots:
    """Slots of one length.

    Args:
        origin_ns: the instant at which slot 0 begins.
        slot_ns: a slot's length.
    """

    def __init__(self, origin_ns: int, slot_ns: int) -> None:
        self._origin_ns = origin_ns
        self._slot_ns = slot_ns

    def start_ns(self, slot: int) -> int:
        """Return the instant at which a slot begins."""
        return self._origin_ns + slot * self._slot_ns

    def length_ns(self, slot: int) -> int:
        """Return the one length."""
        del slot
        return self._slot_ns

    def at(self, now_ns: int) -> int:
        """Return the slot that holds an instant."""
        return (now_ns - self._origin_ns) // self._slot_ns


class JitteredSlots:
    """Slots of drawn lengths, from one slot on; those before it are even.

    Starts are summed up in integers as far as somebody asks, 40 bytes a slot, and kept: an answer
    costs a look-up.

    Args:
        origin_ns: the instant at which slot 0 would begin if all slots had the mean length.
        slot_ns: the mean length.
        jitter: the standard deviation of a length's logarithm; that of a length is about this
            share of the mean.
        draws: drawn by slot.
        first_slot: the first one whose length is drawn. It begins as if all before were even.
    """

    def __init__(
        self, origin_ns: int, slot_ns: int, jitter: float, draws: Draws, first_slot: int = 0
    ) -> None:
        self._even = EvenSlots(origin_ns, slot_ns)
        self._median_ns = slot_ns * math.exp(-jitter * jitter / 2)  # so that the mean is slot_ns
        self._jitter = jitter
        self._draws = draws
        self._first = first_slot
        self._starts = [self._even.start_ns(first_slot)]

    def start_ns(self, slot: int) -> int:
        """Return the instant at which a slot begins."""
        index = slot - self._first
        if index < 0:
            return self._even.start_ns(slot)
        while index >= len(self._starts):
            self._extend()
        return self._starts[index]

    def length_ns(self, slot: int) -> int:
        """Return how long a slot lasts, at least 1 ns."""
        return self.start_ns(slot + 1) - self.start_ns(slot)

    def at(self, now_ns: int) -> int:
        """Return the slot that holds an instant."""
        if now_ns < self._starts[0]:
            return self._even.at(now_ns)
        while self._starts[-1] <= now_ns:
            self._extend()
        return self._first + bisect_right(self._starts, now_ns) - 1

    def _extend(self) -> None:
        slot = self._first + len(self._starts) - 1
        length = round(self._draws.lognormal(self._median_ns, self._jitter, slot))
        self._starts.append(self._starts[-1] + max(length, 1))


def slots_of(origin_ns: int, slot_ns: int, jitter: float, draws: Draws, first_slot: int) -> Slots:
    """Return slots with this jitter; even ones where it is 0."""
    if jitter == 0:
        return EvenSlots(origin_ns, slot_ns)
    return JitteredSlots(origin_ns, slot_ns, jitter, draws, first_slot)
