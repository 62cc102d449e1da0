"""Run workers: each takes an order id, claims its lease, and executes the order to its end."""

from __future__ import annotations

import anyio

from orderengine.errors import LeaseLost, UnknownOrder
from orderengine.execution.executor import Executor
from orderengine.execution.ports import EventStore, WorkQueue

__all__ = ["Workers"]

_RELEASE_S_MAX = 5.0


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
        while True:
            order_id = await self._queue.get()
            if order_id is None:
                return
            try:
                fence = await self._store.claim(order_id, worker)
            except UnknownOrder:
                continue  # the wake-up outlived its order
            if fence is None:
                continue  # a second wake-up: another worker has it, or it has ended
            try:
                await self._executor.execute(order_id, worker, fence)
            except LeaseLost:
                continue  # it goes on with the worker that took it over
            finally:
                with anyio.move_on_after(_RELEASE_S_MAX, shield=True):
                    await self._store.release(order_id, fence)
