"""Take wake-ups out of Redis into a worker process: one SAQ worker a lane.

What SAQ does with an error of Redis is not for us: it starts the next try at once and burns a core,
or logs a traceback each second. So every call that its worker makes is kept from raising: the error
goes to the link, and taking begins again when Redis answers. What a job's status was is lost then,
and nobody needs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from signal import Signals
from typing import Any

import anyio
from saq.job import Job, Status
from saq.queue.base import Queue
from saq.queue.redis import RedisQueue as SaqQueue
from saq.types import WorkerInfo
from saq.utils import cancel_tasks
from saq.worker import Worker

from orderengine.execution.queue import MemoryQueue
from orderengine.model.order import Priority
from orderengine.service.queue.redis_queue import JOB, JOB_TIMEOUT_S, lane_name
from orderengine.service.redis_link import BLOCKED_S, RedisLink

__all__ = ["JobConsumer", "LaneQueue"]

_HAND_OVER_S_MAX = JOB_TIMEOUT_S / 2
_STOP_S_MAX = 5.0
_NEVER_S = 365 * 86_400  # no job of ours is for later, and none is aborted


class LaneQueue(SaqQueue):
    """Be SAQ's queue for its worker, but wait while Redis is lost, and never raise for it.

    Args:
        link: the connection to Redis.
        lane: whose jobs these are.
        is_closed: whether nothing is taken any more.
    """

    def __init__(
        self, link: RedisLink, lane: Priority, is_closed: Callable[[], bool] = lambda: False
    ) -> None:
        super().__init__(link.redis, lane_name(lane))
        self._link = link
        self._is_closed = is_closed

    async def dequeue(
        self,
        timeout: float = 0.0,  # noqa: ASYNC109  (SAQ's name)
        poll_interval: float = 0.0,
    ) -> Job | None:
        """Return the next job, or None after ``timeout`` seconds."""
        if self._is_closed():  # this process ends: leave the wake-ups to those that go on
            await anyio.sleep(BLOCKED_S)
            return None
        if await self._link.until_available(timeout):
            with self._link.noticing():
                return await super().dequeue(timeout, poll_interval)
        return None

    async def _update(self, job: Job, status: Status | None = None, **kwargs: object) -> None:
        with self._link.noticing():
            await super()._update(job, status, **kwargs)

    async def _finish(
        self, job: Job, status: Status, *, result: object = None, error: str | None = None
    ) -> None:
        with self._link.noticing():
            await super()._finish(job, status, result=result, error=error)

    async def _retry(self, job: Job, error: str | None) -> None:
        with self._link.noticing():
            await super()._retry(job, error)

    async def sweep(self, lock: int = 60, abort: float = 5.0) -> list[str]:
        """Remove jobs whose worker died."""
        if self._link.is_available:
            # SAQ raises RuntimeError for a job that ends, or is wiped, while it looks at it.
            with self._link.noticing(), suppress(RuntimeError):
                return await super().sweep(lock, abort)
        return []

    async def schedule(self, lock: int = 1) -> list[str]:
        """Do nothing: no job is for later."""
        del lock
        return []

    async def write_worker_info(self, worker_id: str, info: WorkerInfo, ttl: int) -> None:
        """Note that this worker is there, for SAQ's own tools."""
        if self._link.is_available:
            with self._link.noticing():
                await super().write_worker_info(worker_id, info, ttl)

    # The sweep listens for jobs to end: SAQ's listener on Redis spins if that is lost meanwhile.
    listen = Queue.listen


class _LaneWorker(Worker[Any]):
    """Be SAQ's worker, but leave the process's signals to the service, and stop without a fuss."""

    SIGNALS: list[Signals] = []  # noqa: RUF012  (SAQ's, an instance's in its types)

    async def stop(self) -> None:
        """Stop at once: what waits is cancelled, and a job at hand goes back to Redis.

        SAQ would do the same with a warning each time, for its upkeep never ends by itself.
        """
        self.event.set()
        tasks = list(self.tasks)
        self.tasks.clear()  # a second call must not cancel them while they hand back
        await cancel_tasks(tasks, _STOP_S_MAX / 2)
        await super().stop()


class JobConsumer:
    """Hand the ids of jobs to this process's own queue.

    Args:
        url: where Redis is.
        local_queue: where ``Workers`` take from. Keep it small, a few ids a worker: what waits in
            it waits while other processes may be idle. Once it is closed no job is taken.
        jobs_max: how many jobs of one lane are at hand at once; a lane whose room is used up takes
            no more, and the others go on.
    """

    def __init__(self, url: str, local_queue: MemoryQueue, *, jobs_max: int = 2) -> None:
        self._link = RedisLink(url, "taking wake-ups")
        self._local_queue = local_queue
        self._jobs_max = jobs_max

    @property
    def is_available(self) -> bool:
        """Whether Redis answers, as far as is known."""
        return self._link.is_available

    @property
    def errors(self) -> int:
        """How many calls Redis did not answer so far."""
        return self._link.errors

    async def run(self) -> None:
        """Take jobs until cancelled; those at hand go back to Redis then."""
        workers = [self._worker(lane) for lane in Priority]
        # SAQ's worker takes a cancellation for its order to stop, and needs to wait while stopping:
        # its tasks are outside of the scopes that cancel this one.
        tasks = [asyncio.create_task(worker.start()) for worker in workers]
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._link.watch)
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()  # a worker ends by our mistake only: hear of it
                raise RuntimeError("a SAQ worker stopped by itself")
        finally:
            await self._stop(workers, tasks)

    def _worker(self, lane: Priority) -> _LaneWorker:
        async def wake(context: dict[str, Any], *, order_ids: Sequence[str]) -> None:
            """Hand the ids over; drop those that find no room in time, to be found again."""
            del context
            with anyio.move_on_after(_HAND_OVER_S_MAX):
                for order_id in order_ids:
                    await self._local_queue.put(lane, order_id)

        return _LaneWorker(
            LaneQueue(self._link, lane, lambda: self._local_queue.is_closed),
            [(JOB, wake)],
            concurrency=self._jobs_max,
            dequeue_timeout=BLOCKED_S,
            timers={
                "sweep": JOB_TIMEOUT_S,
                "worker_info": 10,
                "schedule": _NEVER_S,
                "abort": _NEVER_S,
            },
        )

    async def _stop(
        self, workers: Sequence[_LaneWorker], tasks: Sequence[asyncio.Task[None]]
    ) -> None:
        with anyio.move_on_after(_STOP_S_MAX, shield=True):
            await asyncio.gather(*(worker.stop() for worker in workers))
            await asyncio.wait(tasks)
        await self._link.close()
