"""Wake workers from memory: a bounded queue of order ids with three priority lanes.

Of sixteen ids handed out, the first look is at urgent thirteen times, at normal twice and at bulk
once; a look that finds its lane empty goes on in the order urgent, normal, bulk. So urgent orders
hardly wait behind others, and a flood of them cannot starve bulk.

An id that waits already is not added again: it will be handed out anyway, and whoever wakes workers
by scanning for open orders may do so as often as it likes.
"""

from __future__ import annotations

from collections import deque

import anyio

from orderengine.errors import QueueFull
from orderengine.model.order import Priority

__all__ = ["MemoryQueue"]

_LANES = (Priority.URGENT, Priority.NORMAL, Priority.BULK)
_FIRST_LOOK = tuple(
    Priority.BULK if turn == 15 else Priority.NORMAL if turn in (5, 10) else Priority.URGENT
    for turn in range(16)
)


class MemoryQueue:
    """Implement the ``WorkQueue`` port.

    Args:
        capacity: the most ids that one lane holds.
    """

    def __init__(self, capacity: int = 100_000) -> None:
        self._capacity = capacity
        self._lanes: dict[Priority, deque[str]] = {lane: deque() for lane in _LANES}
        self._ids = anyio.Semaphore(0, fast_acquire=True)
        self._room = {lane: anyio.Semaphore(capacity, fast_acquire=True) for lane in _LANES}
        self._waiting: set[str] = set()
        self._turn = 0
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether every id is dropped from now on."""
        return self._closed

    def depth(self, priority: Priority) -> int:
        """Return how many ids wait in a lane."""
        return len(self._lanes[priority])

    def require_room(self, priority: Priority) -> None:
        """Raise ``QueueFull`` if the lane holds its capacity."""
        if len(self._lanes[priority]) >= self._capacity:
            raise QueueFull(priority, self._capacity)

    async def put(self, priority: Priority, order_id: str) -> None:
        """Add an id, waiting for room in its lane; drops one that waits already.

        Once the queue is closed every id is dropped.
        """
        if order_id in self._waiting:
            return
        room = self._room[priority]
        await room.acquire()
        if self._closed or order_id in self._waiting:  # it may have come in meanwhile
            room.release()  # for the next who waits
            return
        self._waiting.add(order_id)
        self._lanes[priority].append(order_id)
        self._ids.release()

    async def get(self) -> str | None:
        """Return the next id, waiting for one; None once the queue is closed."""
        await self._ids.acquire()
        if self._closed:
            self._ids.release()  # for the next who waits
            return None
        lane = self._take_turn()
        self._room[lane].release()
        order_id = self._lanes[lane].popleft()
        self._waiting.discard(order_id)
        return order_id

    def close(self) -> None:
        """Let every ``get`` return None and every ``put`` return.

        Ids not handed out stay in the store as open orders.
        """
        if self._closed:
            return
        self._closed = True
        for waiters in (self._ids, *self._room.values()):
            waiters.release()

    def _take_turn(self) -> Priority:
        """Return the lane to take from, and count the turn; one of them holds an id."""
        for lane in (_FIRST_LOOK[self._turn], *_LANES):
            if self._lanes[lane]:
                break
        self._turn = (self._turn + 1) % len(_FIRST_LOOK)
        return lane
