"""Open the store that an engine stands on: in memory, or in a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

from orderengine.execution.memory_store import MemoryEventStore
from orderengine.execution.ports import Clock
from orderengine.service.clock import WallClock
from orderengine.storage.database import Database
from orderengine.storage.opening import open_database
from tests.execution.fakes import VirtualClock

__all__ = ["Opening", "in_memory", "in_sql"]

Opening = Callable[[int], AbstractAsyncContextManager[tuple[Database, Clock]]]
"""Open a store whose leases last so many nanoseconds."""


class _Freeing:
    """Be the part of ``Operations`` that trying an order again needs, over the store in memory."""

    def __init__(self, store: MemoryEventStore) -> None:
        self._store = store

    async def free(self, order_id: str) -> bool:
        """Drop an open order's lease."""
        entry = self._store._entry(order_id)
        if entry.log[-1].status.is_terminal:
            return False
        entry.fence += 1
        entry.leased_until_ns = entry.takeovers = 0
        return True


@asynccontextmanager
async def in_memory(lease_ns: int) -> AsyncIterator[tuple[Database, Clock]]:
    """Open a store in memory, in virtual time."""
    clock = VirtualClock()
    store: Any = MemoryEventStore(clock, lease_ns)
    yield Database(store, cast("Any", None), cast("Any", _Freeing(store)), "memory"), clock


def in_sql(url: str) -> Opening:
    """Return what opens a database, in real time."""

    @asynccontextmanager
    async def opening(lease_ns: int) -> AsyncIterator[tuple[Database, Clock]]:
        async with open_database(url, lease_ns=lease_ns, upgrade=True) as database:
            yield database, WallClock()

    return opening
