"""Wake workers from memory: a bounded queue of order ids with three priority lanes.

Of sixteen ids handed out, the first look is at urgent thirteen times, at normal twice and at bulk
once; a look that finds its lane empty goes on in the order urgent, normal, bulk. So urgent orders
hardly wait behind others, and a flood of them cannot starve bulk.
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
        self._getters: deque[anyio.Event] = deque()
        self._putters: dict[Priority, deque[anyio.Event]] = {lane: deque() for lane in _LANES}
        self._turn = 0
        self._closed = False

    def depth(self, priority: Priority) -> int:
        """Return how many ids wait in a lane."""
        return len(self._lanes[priority])

    def require_room(self, priority: Priority) -> None:
        """Raise ``QueueFull`` if the lane holds its capacity."""
        if len(self._lanes[priority]) >= self._capacity:
            raise QueueFull(priority, self._capacity)

    async def put(self, priority: Priority, order_id: str) -> None:
        """Add an id, waiting for room in its lane; once the queue is closed it is dropped."""
        lane, putters = self._lanes[priority], self._putters[priority]
        while len(lane) >= self._capacity and not self._closed:
            await _wait_in(putters)
        if self._closed:
            return
        lane.append(order_id)
        _wake_first(self._getters)

    async def get(self) -> str | None:
        """Return the next id, waiting for one; None once the queue is closed."""
        while not self._closed:
            lane = self._take_turn()
            if lane is not None:
                order_id = self._lanes[lane].popleft()
                _wake_first(self._putters[lane])
                return order_id
            await _wait_in(self._getters)
        return None

    def close(self) -> None:
        """Let every ``get`` return None and every ``put`` return.

        Ids not handed out stay in the store as open orders.
        """
        self._closed = True
        for waiters in (self._getters, *self._putters.values()):
            while waiters:
                waiters.popleft().set()

    def _take_turn(self) -> Priority | None:
        """Return the lane to take from, and count the turn; None if all are empty."""
        for lane in (_FIRST_LOOK[self._turn], *_LANES):
            if self._lanes[lane]:
                self._turn = (self._turn + 1) % len(_FIRST_LOOK)
                return lane
        return None


def _wake_first(waiters: deque[anyio.Event]) -> None:
    if waiters:
        waiters.popleft().set()


async def _wait_in(waiters: deque[anyio.Event]) -> None:
    """Wait to be woken; one that is cancelled after being woken wakes the next in its place."""
    turn = anyio.Event()
    waiters.append(turn)
    try:
        await turn.wait()
    except BaseException:
        if turn.is_set():
            _wake_first(waiters)
        else:
            waiters.remove(turn)
        raise
