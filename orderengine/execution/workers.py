"""Run workers: each takes an order id, claims its lease, and executes the order to its end."""

from __future__ import annotations

from contextlib import suppress

import anyio

from orderengine.errors import LeaseLost, Unavailable, UnknownOrder
from orderengine.execution.executor import Executor
from orderengine.execution.ports import EventStore, WorkQueue

__all__ = ["Workers"]

_RELEASE_S_MAX = 5.0
_PAUSE_S_MIN, _PAUSE_S_MAX = 0.1, 5.0


class Workers:
    """Execute up to ``count`` orders at once.

    Args:
        queue: where order ids come from.
        store: where leases come from.
        executor: does the work.
        count: how many orders are executed at once; a worker that waits costs only memory.
        name: prefix of the workers' names in the log.
    """

    def __init__(
        self,
        *,
        queue: WorkQueue,
        store: EventStore,
        executor: Executor,
        count: int,
        name: str = "worker",
    ) -> None:
        self._queue = queue
        self._store = store
        self._executor = executor
        self._count = count
        self._name = name
        self._scope: anyio.CancelScope | None = None
        self._idle: anyio.Event | None = None

    async def run(self) -> None:
        """Work until ``drain`` is called or this call is cancelled; orders at hand are released."""
        self._idle = anyio.Event()
        try:
            with anyio.CancelScope() as self._scope:
                async with anyio.create_task_group() as group:
                    for index in range(self._count):
                        group.start_soon(self._work, f"{self._name}-{index}")
        finally:
            self._idle.set()

    async def drain(self, grace_s: float) -> None:
        """Take no new order, let those at hand end for ``grace_s`` seconds, then hand them back."""
        self._queue.close()
        if self._scope is None or self._idle is None:
            return  # it never ran: nothing is at hand
        with anyio.move_on_after(grace_s):
            await self._idle.wait()
        self._scope.cancel()
        await self._idle.wait()

    async def _work(self, worker: str) -> None:
        """Take order after order; where something is unavailable, try the same one again later.

        Any other error is nobody's to handle here, and ends the workers: in a study it is a mistake
        in the user's own function, which must not be buried under thousands of failed orders.
        """
        pause_s, order_id = _PAUSE_S_MIN, await self._queue.get()
        while order_id is not None:
            fence, is_available = None, True
            try:
                fence = await self._store.claim(order_id, worker)
                if fence is not None:  # else another worker has it, or it has ended
                    await self._executor.execute(order_id, worker, fence)
                    fence = None  # the lease of an order that has ended is over
            except (LeaseLost, UnknownOrder):
                pass  # it goes on with the worker that took it over, or it is gone
            except Unavailable:
                is_available = False
            finally:
                if fence is not None:
                    await self._release(order_id, fence)
            if is_available:
                pause_s, order_id = _PAUSE_S_MIN, await self._queue.get()
            else:
                await anyio.sleep(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_S_MAX)

    async def _release(self, order_id: str, fence: int) -> None:
        with anyio.move_on_after(_RELEASE_S_MAX, shield=True), suppress(Unavailable):
            await self._store.release(order_id, fence)
