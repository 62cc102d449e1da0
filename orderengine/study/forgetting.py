"""Let a run forget the orders that have ended, so that its memory grows with those in flight only.

Nothing of what is dropped can be asked for again in a study: an order that has ended takes no more
events, and a transaction is dropped once the block height has passed its limit, when no copy of it
can land. So a run that forgets takes the same steps as one that does not.
"""

from __future__ import annotations

from collections import deque

from orderengine.execution.memory_store import MemoryEventStore
from orderengine.market.world import World
from orderengine.model.events import Event, Submitted
from orderengine.settlement.simulated import SimulatedSettlement

__all__ = ["Forgetting"]


class Forgetting:
    """Drop what store, settlement and world keep of orders that have ended."""

    def __init__(
        self, store: MemoryEventStore, settlement: SimulatedSettlement, world: World
    ) -> None:
        self._store = store
        self._settlement = settlement
        self._world = world
        self._signed: deque[tuple[int, str]] = deque()
        """Limits and signatures of ended orders, as they ended: roughly in the order of limits."""

    def end(self, order_id: str) -> list[Event]:
        """Forget an order that has just ended, and return its log."""
        log = self._store.forget(order_id)
        signed, world = self._signed, self._world
        signed += [(it.last_valid_height, it.signature) for it in log if type(it) is Submitted]
        while signed and world.is_expired(signed[0][0]):
            self._settlement.forget(signed.popleft()[1])
        return log
