"""Keep orders for all processes, and be the unreliable way there.

``SharedStore`` is the real store in memory, which tells the judge of all that it stores.
``RemoteStore`` is how one process sees it: slow, away, answering late or not at all, and sometimes
done all the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import anyio
from msgspec.structs import replace

from orderengine.errors import OrderEngineError, Unavailable
from orderengine.execution.memory_store import MemoryEventStore
from orderengine.execution.ports import Clock, IdempotencyKey, Lease, OpenOrder, Signed
from orderengine.model.events import Accepted, Event, Submitted
from orderengine.model.wire import encode
from tests.chaos.virtual.host import Host
from tests.chaos.virtual.judge import Judge

__all__ = ["LEASE_NS", "RemoteStore", "SharedStore"]

T = TypeVar("T")

LEASE_NS = 2_000_000_000
_LATE_S = 0.4


class SharedStore(MemoryEventStore):
    """Be the database: the store in memory, with deadlines and the record of the chain."""

    def __init__(self, clock: Clock, judge: Judge) -> None:
        super().__init__(clock, LEASE_NS)
        self._judge = judge
        self._deadlines: dict[str, int] = {}
        """Of open orders that have one."""
        self.record: dict[str, tuple[str, bytes]] = {}
        """What became of which signature of the simulated market, by order."""

    async def create(self, accepted: Accepted, key: IdempotencyKey | None = None) -> str:
        """Store a new order, and tell the judge."""
        made = await super().create(accepted, key)
        if made == accepted.order_id:
            self._judge.appended(accepted, None)
            if accepted.order.deadline_ns is not None:
                self._deadlines[made] = accepted.order.deadline_ns
        return made

    async def append(
        self,
        event: Event,
        *,
        fence: int | None = None,
        signed: Signed | None = None,
        after: object = None,
    ) -> None:
        """Append an event, and tell the judge."""
        del after  # that is seen to on the way here
        await super().append(event, fence=fence, signed=signed)
        self._judge.appended(event, fence)
        if isinstance(event, Submitted):
            self._judge.announced(event, signed)
        if event.status.is_terminal:
            self._deadlines.pop(event.order_id, None)

    async def claim(self, order_id: str, worker: str) -> Lease | None:
        """Give out a lease, and tell the judge."""
        lease = await super().claim(order_id, worker)
        if lease is not None:
            self._judge.claimed(order_id, lease)
        return lease

    async def renew(self, fences: Mapping[str, int]) -> None:
        """Prolong leases, and tell the judge."""
        await super().renew(fences)
        for order_id, fence in fences.items():
            self._judge.renewed(order_id, fence)

    async def release(self, order_id: str, fence: int) -> None:
        """Take a lease back, and tell the judge."""
        await super().release(order_id, fence)
        self._judge.released(order_id, fence)

    async def due(self, before_ns: int, limit: int) -> Sequence[tuple[int, str]]:
        """Return deadlines of open orders before an instant, the first first."""
        found = [(at_ns, name) for name, at_ns in self._deadlines.items() if at_ns < before_ns]
        return sorted(found)[:limit]

    async def execution(self, signature: str) -> bytes | None:
        """Return what was recorded of a signature."""
        found = self.record.get(signature)
        return None if found is None else found[1]

    async def record_execution(self, signature: str, order_id: str, body: bytes) -> bytes:
        """Record what became of a signature, once; return what stands."""
        return self.record.setdefault(signature, (order_id, body))[1]


class _Noted:
    """Hold what became of an event that nobody waits for."""

    def __init__(self) -> None:
        self.is_done = anyio.Event()
        self.error: OrderEngineError | None = None

    async def require(self) -> None:
        """Wait until it was tried. Raises what it was refused with."""
        await self.is_done.wait()
        if self.error is not None:
            raise self.error


class RemoteStore:
    """Implement the ``EventStore`` port, the part of ``History`` and the ``ChainRecord``."""

    def __init__(self, host: Host, shared: SharedStore) -> None:
        self._host = host
        self._process = host.process
        self._shared = shared

    async def _call(self, place: str, call: Callable[[], Awaitable[T]]) -> T:
        """Go there, have it done, come back; each of the three may fail."""
        host, process = self._host, self._process
        await host.travel(place + ">")
        if process.is_cut_off:
            process.struck["store away"] += 1
            raise Unavailable("the store does not answer")
        lost = process.lost_answer(place) if process.lost else ""
        if lost == "undone":
            raise Unavailable("the store did not hear")
        if lost == "late":
            host.spawn(_late, call)
            raise Unavailable("the store answers too late")
        done = await call()
        await host.travel(place + "<")
        if lost:
            raise Unavailable("the store's answer was lost")
        return done

    async def create(self, accepted: Accepted, key: IdempotencyKey | None = None) -> str:
        """Store a new order."""
        return await self._call("store.create", lambda: self._shared.create(accepted, key))

    async def made_by(self, key: IdempotencyKey) -> str | None:
        """Return the order that a key made."""
        return await self._call("store.made_by", lambda: self._shared.made_by(key))

    async def append(
        self,
        event: Event,
        *,
        fence: int | None = None,
        signed: Signed | None = None,
        after: object = None,
    ) -> None:
        """Append an event, after what it rests on."""
        if isinstance(after, _Noted):
            await after.require()
        await self._call(
            "store.append", lambda: self._shared.append(event, fence=fence, signed=signed)
        )

    async def note(
        self, event: Event, *, fence: int, stored: Callable[[], None], after: object = None
    ) -> object:
        """Append an event beside what the process does next, as stores on SQL do."""
        noted, tasks = _Noted(), self._host.tasks
        if tasks is None:
            raise Unavailable("this process has not begun")

        async def append() -> None:
            try:
                await self.append(event, fence=fence, after=after)
                stored()
            except OrderEngineError as error:
                noted.error = error
            finally:
                noted.is_done.set()

        tasks.start_soon(append)
        return noted

    async def events(self, order_id: str, from_seq: int = 1) -> Sequence[Event]:
        """Return a log."""
        return await self._call("store.events", lambda: self._shared.events(order_id, from_seq))

    async def claim(self, order_id: str, worker: str) -> Lease | None:
        """Take a lease."""
        return await self._call("store.claim", lambda: self._claimed(order_id, worker))

    async def _claimed(self, order_id: str, worker: str) -> Lease | None:
        """Take a lease that tells the log, as stores on SQL do."""
        lease = await self._shared.claim(order_id, worker)
        if lease is None:
            return None
        log = await self._shared.events(order_id)
        return replace(lease, log=[encode(event).decode() for event in log])

    async def renew(self, fences: Mapping[str, int]) -> None:
        """Prolong leases."""
        await self._call("store.renew", lambda: self._shared.renew(fences))

    async def release(self, order_id: str, fence: int) -> None:
        """Give a lease back."""
        await self._call("store.release", lambda: self._shared.release(order_id, fence))

    async def claimable(self, limit: int) -> Sequence[OpenOrder]:
        """Return orders that nobody holds."""
        return await self._call("store.claimable", lambda: self._shared.claimable(limit))

    async def signed(self, order_id: str, signature: str) -> Signed:
        """Return stored bytes."""
        return await self._call("store.signed", lambda: self._shared.signed(order_id, signature))

    async def due(self, before_ns: int, limit: int) -> Sequence[tuple[int, str]]:
        """Return deadlines that are near."""
        return await self._call("store.due", lambda: self._shared.due(before_ns, limit))

    async def execution(self, signature: str) -> bytes | None:
        """Return what was recorded of a signature."""
        return await self._call("store.execution", lambda: self._shared.execution(signature))

    async def record_execution(self, signature: str, order_id: str, body: bytes) -> bytes:
        """Record what became of a signature."""
        return await self._call(
            "store.record_execution",
            lambda: self._shared.record_execution(signature, order_id, body),
        )


async def _late(call: Callable[[], Awaitable[object]]) -> None:
    """Do what was asked for after whoever asked has given up on it."""
    await anyio.sleep(_LATE_S)
    try:
        await call()
    except OrderEngineError:
        return  # nobody is there to be told
