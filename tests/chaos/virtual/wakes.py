"""Carry wake-ups between processes, unreliably: lost, twice, late, out of turn, wiped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import anyio

from orderengine import virtualtime
from orderengine.execution.queue import MemoryQueue
from orderengine.model.order import Priority
from tests.chaos.virtual.host import MS, Host
from tests.chaos.virtual.items import Deliveries, Wipe

__all__ = ["LocalQueue", "RemoteQueue", "Wakes"]

_LANE_MAX = 12
_LATE_S = 1.5


class Wakes:
    """Be what stands between processes; knows each one's queue while it lives."""

    def __init__(
        self, deliveries: Sequence[Deliveries], spawn: Callable[..., object], struck: Counter[str]
    ) -> None:
        self._deliveries = deliveries
        self._spawn = spawn
        self._struck = struck
        self._count = 0
        self._wiped = 0
        self.queues: dict[int, LocalQueue] = {}
        """By process."""

    def publish(self, priority: Priority, order_id: str) -> None:
        """Wake a process for the order; each in its turn."""
        self._count += 1
        kind = self._kind()
        if kind:
            self._struck[f"wake-ups {kind}"] += 1
        if kind == "lost" or not self.queues:
            return
        processes = sorted(self.queues)
        chosen = [processes[self._count % len(processes)]]
        if kind == "twice":
            chosen = processes * 2
        for turn, process in enumerate(chosen):
            # The first of two is overtaken by the second.
            wait_s = _LATE_S / self._count if kind == "late" else 0.002 + 0.3 * turn
            self._spawn(self._deliver, process, priority, order_id, wait_s)

    def _kind(self) -> str:
        now_ms = virtualtime.now_ns() // MS
        for item in self._deliveries:
            if item.at_ms <= now_ms < item.at_ms + item.for_ms:
                return item.kind
        return ""

    async def _deliver(
        self, process: int, priority: Priority, order_id: str, wait_s: float
    ) -> None:
        wiped = self._wiped
        await anyio.sleep(wait_s)
        queue = self.queues.get(process)
        if wiped == self._wiped and queue is not None and queue.has_room(priority):
            await queue.put(priority, order_id)

    async def wipe(self, item: Wipe) -> None:
        """Forget all that waits, here and in every process."""
        await anyio.sleep(item.at_ms / 1e3)
        self._struck["wipe"] += 1
        self._wiped += 1
        for queue in self.queues.values():
            queue.wipe()


class LocalQueue:
    """Implement the ``WorkQueue`` port: the queue in memory, which can be wiped."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._inner = MemoryQueue(_LANE_MAX)
        self._waiting: dict[str, None] = {}
        self._lost: set[str] = set()

    def require_room(self, priority: Priority) -> None:
        """Raise ``QueueFull`` if the lane holds its capacity."""
        self._inner.require_room(priority)

    def has_room(self, priority: Priority) -> bool:
        """Return whether a put would not wait."""
        return self._inner.depth(priority) < _LANE_MAX

    async def put(self, priority: Priority, order_id: str) -> None:
        """Add a wake-up."""
        await self._inner.put(priority, order_id)
        self._waiting[order_id] = None

    async def get(self) -> str | None:
        """Return the next order id that was not wiped."""
        while True:
            order_id = await self._inner.get()
            await self._host.reach("queue.get<")
            if order_id is None:
                return None
            self._waiting.pop(order_id, None)
            if order_id not in self._lost:
                return order_id
            self._lost.discard(order_id)

    def close(self) -> None:
        """Let every ``get`` return None."""
        self._inner.close()

    def wipe(self) -> None:
        """Forget what waits."""
        self._lost.update(self._waiting)


class RemoteQueue:
    """Implement the ``WorkQueue`` port of a process that accepts orders for others to execute."""

    def __init__(self, host: Host, wakes: Wakes) -> None:
        self._host = host
        self._wakes = wakes

    def require_room(self, priority: Priority) -> None:
        """Have room: what does not fit is dropped later."""

    async def put(self, priority: Priority, order_id: str) -> None:
        """Wake someone."""
        await self._host.reach("queue.put>")
        self._wakes.publish(priority, order_id)
        await self._host.reach("queue.put<")

    async def get(self) -> str | None:
        """Have nothing."""
        return None

    def close(self) -> None:
        """Do nothing."""
