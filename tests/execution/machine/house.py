"""Put engines over one store, one process after the other, and a chain beside them."""

from __future__ import annotations

from typing import cast

import anyio
import anyio.lowlevel
from msgspec import Struct, field

from orderengine.errors import Unavailable
from orderengine.execution.engine import Engine
from orderengine.execution.memory_store import MemoryEventStore
from orderengine.execution.ports import Clock, EventStore
from orderengine.model.events import Accepted, Event
from orderengine.model.order import Priority
from orderengine.storage.database import Database
from tests.execution.machine.chain import Chain
from tests.execution.machine.openings import Opening
from tests.execution.machine.process import Process

__all__ = ["House", "Stream"]

LEASE_UNITS = 3


class Stream(Struct):
    """Hold what a reader of an order's log has seen."""

    order_id: str
    from_seq: int
    seen: list[Event] = field(default_factory=list)
    is_whole: bool = False
    """Whether it ended by itself."""


class House:
    """Hold the store, the chain, and the processes; ``stand`` must run."""

    store: EventStore
    database: Database
    chain: Chain
    clock: Clock
    process: Process
    """The one that requests come to."""

    def __init__(self, opening: Opening, unit_ns: int, *, has_history: bool) -> None:
        self.unit_ns = unit_ns
        self.has_history = has_history
        self.frozen: list[Process] = []
        self.failures: list[Exception] = []
        self.streams: list[Stream] = []
        self.fences: dict[str, int] = {}
        """The newest one given of each order."""
        self._opening = opening
        self._count = 0
        self._is_over = anyio.Event()

    async def stand(self) -> None:
        """Open the store, and let processes run until ``end``."""
        try:
            async with self._opening(LEASE_UNITS * self.unit_ns) as (self.database, self.clock):
                self.store = self.database.orders
                self.chain = Chain(self.clock, self.unit_ns)
                async with anyio.create_task_group() as self._group:
                    self._hire()
                    await self._is_over.wait()
                    self._group.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001  (raised where it is seen)
            self.failures.append(error)

    async def until_it_stands(self) -> None:
        """Wait for the first process."""
        while not hasattr(self, "process"):
            self.require_well()
            await anyio.sleep(0.001)

    def require_well(self) -> None:
        """Raise what went wrong in the background."""
        if self.failures:
            raise self.failures[0]

    def _hire(self) -> None:
        self._count += 1
        self.process = Process(self, f"process-{self._count}")
        self._group.start_soon(self.process.run)

    async def replace(self, how: str) -> None:
        """Kill, stop or freeze the process; another takes its place."""
        process = self.process
        if how == "kill":
            await process.kill()
        elif how == "freeze":
            process.freeze()
            self.frozen.append(process)
        else:
            await process.stop(0 if how == "stop at once" else 2 * self.unit_ns / 1e9)
        self._hire()
        if not self.has_history:
            store = cast("MemoryEventStore", self.store)
            for accepted, *_ in store.logs:
                assert isinstance(accepted, Accepted)
                self.process.deadlines.watch(accepted.order)

    def thaw(self) -> None:
        """Let all that were frozen go on beside the present one."""
        for process in self.frozen:
            process.thaw()
        self.frozen.clear()

    async def wipe(self) -> None:
        """Lose all wake-ups that wait."""
        queue = self.process.queue
        with anyio.move_on_after(0.001):  # what is left then is in a worker's hands
            while any(queue.depth(lane) for lane in Priority):
                await queue.get()

    def follow(self, order_id: str, from_seq: int) -> None:
        """Read an order's stream from a number on, in the background."""
        stream = Stream(order_id, from_seq)
        self.streams.append(stream)
        self._group.start_soon(self._follow, self.process.engine, stream)

    async def _follow(self, engine: Engine, stream: Stream) -> None:
        try:
            async for event in engine.subscribe(stream.order_id, stream.from_seq):
                stream.seen.append(event)
        except Unavailable:  # its process was killed
            return
        stream.is_whole = True

    async def end(self) -> None:
        """Let ``stand`` return."""
        self._is_over.set()
        await anyio.lowlevel.checkpoint()
