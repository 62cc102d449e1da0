"""Put an engine together as a process has it, so that it can be killed, stopped and frozen.

A process that is killed leaves its leases behind. One that is frozen wakes up beside its successor
and goes on where it was. Neither knows of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

import anyio

from orderengine.errors import Unavailable
from orderengine.execution.deadlines import Deadlines
from orderengine.execution.engine import Engine
from orderengine.execution.executor import Executor
from orderengine.execution.journal import Journal
from orderengine.execution.policy import ExecutionPolicy, backoff
from orderengine.execution.ports import EventStore, History, Lease
from orderengine.execution.queue import MemoryQueue
from orderengine.execution.reconciler import Reconciler
from orderengine.execution.workers import Workers
from orderengine.model.events import Event
from orderengine.routing.choose import best
from tests.execution.fakes import Prices
from tests.execution.machine.chain import OneVenue

if TYPE_CHECKING:
    from tests.execution.machine.house import House

__all__ = ["Process"]


class _Line:
    """Join a process to the store, so that it can be cut off or kept waiting at every call.

    It judges, too: fences rise, and none writes once a newer one was given.
    """

    def __init__(self, store: EventStore, fences: dict[str, int]) -> None:
        self._store = store
        self._fences = fences
        self.is_dead = False
        self.is_going_on = anyio.Event()
        self.is_going_on.set()

    async def _pass(self) -> None:
        await self.is_going_on.wait()
        if self.is_dead:
            raise Unavailable("this process was killed")

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._store, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            await self._pass()
            newest = dict(self._fences)
            result = await method(*arguments, **options)
            if isinstance(result, Lease):
                order_id = arguments[0]
                assert result.fence > newest.get(order_id, 0), "a fence has not risen (I20)"
                self._fences[order_id] = max(self._fences.get(order_id, 0), result.fence)
            if (fence := options.get("fence")) is not None:
                event: Event = arguments[0]
                assert fence >= newest.get(event.order_id, 0), "an old fence has written (I20)"
            await self._pass()
            return result

        return call


class Process:
    """Hold one process: engine, queue, workers, reconciler, deadlines."""

    def __init__(self, house: House, name: str) -> None:
        self._line = _Line(house.store, house.fences)
        store = cast("EventStore", self._line)
        clock, unit_ns, prices = house.clock, house.unit_ns, Prices()
        self.queue = MemoryQueue(1_000)
        self.journal = Journal(store, clock)
        self.deadlines = Deadlines(
            journal=self.journal,
            clock=clock,
            prices=prices,
            history=cast("History", self._line) if house.has_history else None,
        )
        self.engine = Engine(
            clock=clock,
            journal=self.journal,
            queue=self.queue,
            prices=prices,
            deadlines=self.deadlines,
        )
        executor = Executor(
            clock=clock,
            venues=[OneVenue(clock, unit_ns // 5)],
            settlement=house.chain,
            prices=prices,
            store=store,
            journal=self.journal,
            policy=ExecutionPolicy(
                router=best,
                retry=backoff(3, unit_ns // 4, unit_ns),
                quote_deadline_ns=10**12,
                route_age_ns_max=10**12,
                resend_ns=unit_ns,
            ),
        )
        self.workers = Workers(
            queue=self.queue,
            store=store,
            executor=executor,
            count=2,
            name=name,
            renew_s=unit_ns / 1e9,
        )
        self._reconciler = Reconciler(store, self.queue, period_s=unit_ns / 2e9)
        self._scope = anyio.CancelScope()
        self._is_gone = anyio.Event()

    async def run(self) -> None:
        """Work until killed or stopped."""
        try:
            with self._scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._reconciler.run)
                    group.start_soon(self.deadlines.run)
                    await self.workers.run()
                    group.cancel_scope.cancel()
        finally:
            self._is_gone.set()

    async def kill(self) -> None:
        """End at once; what was held stays held until its lease runs out."""
        self._line.is_dead = True
        self._line.is_going_on.set()
        self._scope.cancel()
        await self._is_gone.wait()

    async def stop(self, grace_s: float) -> None:
        """End gently, as at SIGTERM."""
        await self.workers.drain(grace_s)
        await self._is_gone.wait()

    def freeze(self) -> None:
        """Stand still at the next call of the store."""
        self._line.is_going_on = anyio.Event()

    def thaw(self) -> None:
        """Go on."""
        self._line.is_going_on.set()
