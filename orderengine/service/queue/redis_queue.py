"""Wake workers in other processes through Redis: SAQ jobs that carry batches of order ids.

Theory of operation. SAQ costs about 2 ms of CPU a job, so a job carries many ids; those that come
while a job is being enqueued go into the next one, and a pause after one that carried several lets
more gather: who comes alone does not wait. SAQ
has no priorities on Redis, so each lane is a queue of its own. A job is a wake-up and nothing more:
its ids may come twice, late or never, for the store decides who works on an order, and the
``Reconciler`` finds what nobody was woken for. So an id is dropped rather than waited with, and
nothing that Redis does reaches the one who accepts an order.
"""

from __future__ import annotations

from collections import deque

import anyio
from saq.queue.redis import RedisQueue as SaqQueue

from orderengine.errors import QueueFull
from orderengine.model.order import Priority
from orderengine.service.redis_link import RedisLink

__all__ = ["JOB", "JOB_TIMEOUT_S", "RedisQueue", "lane_name"]

_CROWD = 4
"""A job that carried so many ids is followed by a pause, in which more gather for the next."""
_GATHER_S = 0.01

JOB = "wake"
"""The function that a job names."""
JOB_TIMEOUT_S = 60
"""A job that is older is dead: its worker was killed. SAQ's sweep then removes it."""


def lane_name(lane: Priority) -> str:
    """Return the name of the lane's SAQ queue."""
    return f"orderengine-{lane}"


class RedisQueue:
    """Implement the ``WorkQueue`` port for a process that accepts orders; ``run`` must run.

    Args:
        url: where Redis is.
        batch_max: how many ids a job carries at most; 1 makes each order a job of its own.
        capacity: how many ids of one lane wait here at most.
    """

    def __init__(self, url: str, *, batch_max: int = 100, capacity: int = 100_000) -> None:
        self._link = RedisLink(url, "waking workers")
        self._saq = {lane: SaqQueue(self._link.redis, lane_name(lane)) for lane in Priority}
        self._batches: dict[Priority, deque[str]] = {lane: deque() for lane in Priority}
        self._batch_max = batch_max
        self._capacity = capacity
        self._gathered = anyio.Event()
        self._is_closed = False

    @property
    def is_available(self) -> bool:
        """Whether Redis answers, as far as is known; what is put meanwhile is dropped."""
        return self._link.is_available

    @property
    def errors(self) -> int:
        """How many calls Redis did not answer so far."""
        return self._link.errors

    def depth(self, priority: Priority) -> int:
        """Return how many ids of a lane have not been given to Redis."""
        return len(self._batches[priority])

    def require_room(self, priority: Priority) -> None:
        """Raise ``QueueFull`` if the lane holds its capacity."""
        if len(self._batches[priority]) >= self._capacity:
            raise QueueFull(priority, self._capacity)

    async def put(self, priority: Priority, order_id: str) -> None:
        """Add an id without waiting; drops it if Redis is lost, the lane full, or all closed."""
        batch = self._batches[priority]
        if self._is_closed or not self.is_available or len(batch) >= self._capacity:
            return
        batch.append(order_id)
        self._gathered.set()

    async def get(self) -> str | None:
        """Return None: ids leave by way of Redis, for a ``JobConsumer`` in any process."""
        return None

    def close(self) -> None:
        """Drop every id that comes from now on; what has gathered is still sent."""
        self._is_closed = True

    async def run(self) -> None:
        """Give to Redis what gathers, until cancelled."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._link.watch)
                while True:
                    await self._gathered.wait()
                    with self._link.noticing():
                        while any(self._batches.values()):
                            count = await self._enqueue_each_lane()
                            waiting = max(map(len, self._batches.values()))
                            if count >= _CROWD and waiting < self._batch_max:
                                await anyio.sleep(_GATHER_S)
                        self._gathered = anyio.Event()
                    if not self.is_available:
                        self._drop_all()
        finally:
            await self._link.close()

    async def _enqueue_each_lane(self) -> int:
        """Enqueue one job a lane, so that no lane waits for more than one job of each other.

        Returns how many ids they carry.
        """
        count = 0
        for lane, batch in self._batches.items():
            if batch:
                ids = [batch.popleft() for _ in range(min(len(batch), self._batch_max))]
                await self._saq[lane].enqueue(
                    JOB,
                    order_ids=ids,
                    # No key: SAQ makes one that never repeats, and silently drops one that does.
                    timeout=JOB_TIMEOUT_S,
                    retries=1,  # the reconciler wakes again, long before SAQ would
                    ttl=-1,  # leave nothing behind once it is done
                )
                count += len(ids)
        return count

    def _drop_all(self) -> None:
        for batch in self._batches.values():
            batch.clear()
