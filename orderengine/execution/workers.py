"""Run workers: each takes an order id, claims its lease, and executes the order to its end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import anyio

from orderengine.errors import InvalidData, LeaseLost, Unavailable, UnknownOrder
from orderengine.execution.executor import Executor
from orderengine.execution.halt import TradingHalt
from orderengine.execution.ports import EventStore, Lease, WorkQueue

__all__ = ["Workers"]

_RELEASE_S_MAX = 5.0
_PAUSE_S_MIN, _PAUSE_S_MAX = 0.1, 5.0
_UNREADABLE_MAX = 10_000


class Workers:
    """Execute up to ``count`` orders at once.

    Args:
        queue: where order ids come from.
        store: where leases come from.
        executor: does the work.
        count: how many orders are executed at once; a worker that waits costs only memory.
        name: prefix of the workers' names in the log.
        renew_s: how often the leases of the orders at hand are renewed, seconds; None where leases
            last for ever.
        on_error: told of an order and of the unexpected error that it met; its lease is released
            and the worker goes on. None lets such an error end the workers, which is right in a
            study: it is a mistake in the user's own function, and must not be buried under
            thousands of failed orders.
        takeovers_max: an order whose lease ran out more often under its holders is given up, so
            that one that kills every process that takes it does not go on for ever. A lease that
            was given back, as in a restart, does not count.
        halt: while it says that all work is paused, no order is claimed.
    """

    def __init__(  # noqa: PLR0913  (what a study leaves out, a service needs)
        self,
        *,
        queue: WorkQueue,
        store: EventStore,
        executor: Executor,
        count: int,
        name: str = "worker",
        renew_s: float | None = None,
        on_error: Callable[[str, Exception], None] | None = None,
        takeovers_max: int | None = None,
        halt: TradingHalt | None = None,
    ) -> None:
        self._queue = queue
        self._store = store
        self._executor = executor
        self._count = count
        self._name = name
        self._renew_s = renew_s
        self._on_error = on_error
        self._takeovers_max = takeovers_max
        self._halt = halt
        self._is_draining = False
        self._unreadable: set[str] = set()
        """Orders whose logs this code cannot read: left to a process that can."""
        self.claimed = 0
        """Leases taken so far."""
        self.takeovers = 0
        """Those of them that had run out under another holder, then or earlier."""
        self.ended = 0
        """Orders carried to their end so far."""
        self._leases: dict[str, tuple[str, int]] = {}
        """The order and the fence that a worker holds; two workers may be woken for one order."""
        self._scope: anyio.CancelScope | None = None
        self._idle: anyio.Event | None = None

    async def run(self) -> None:
        """Work until ``drain`` is called or this call is cancelled; orders at hand are released."""
        self._idle = anyio.Event()
        try:
            with anyio.CancelScope() as self._scope:
                async with anyio.create_task_group() as group:
                    if self._renew_s is not None:
                        group.start_soon(self._renew, self._renew_s)
                    async with anyio.create_task_group() as team:
                        for index in range(self._count):
                            team.start_soon(self._work, f"{self._name}-{index}")
                    group.cancel_scope.cancel()  # nothing is left to renew
        finally:
            self._idle.set()

    def stop_claiming(self) -> None:
        """Take no new order from now on; those at hand go on."""
        self._is_draining = True
        self._queue.close()
        if self._halt is not None:
            self._halt.wake()

    async def drain(self, grace_s: float) -> None:
        """Take no new order, let those at hand end for ``grace_s`` seconds, then hand them back."""
        self.stop_claiming()
        if self._scope is None or self._idle is None:
            return  # it never ran: nothing is at hand
        with anyio.move_on_after(grace_s):
            await self._idle.wait()
        self._scope.cancel()
        await self._idle.wait()

    @property
    def at_hand(self) -> int:
        """How many orders are held now, where leases are renewed."""
        return len(self._leases)

    async def _work(self, worker: str) -> None:
        """Take order after order; where something is unavailable, try the same one again later."""
        pause_s, order_id = _PAUSE_S_MIN, await self._next()
        while order_id is not None:
            fence, is_available = None, True
            try:
                # One that another worker took over goes on there, and one may be gone.
                with suppress(LeaseLost, UnknownOrder):
                    lease = await self._store.claim(order_id, worker)
                    if lease is not None:  # else another worker has it, or it has ended
                        fence = lease.fence
                        self.claimed += 1
                        self.takeovers += lease.takeovers > 0
                        if self._renew_s is not None:
                            self._leases[worker] = (order_id, fence)
                        if not (self._is_hopeless(lease) and await self._gave_up(order_id, fence)):
                            await self._executor.execute(order_id, worker, fence, lease.log)
                        self.ended += 1
                        fence = None  # the lease of an order that has ended is over
            except Unavailable:
                is_available = False
            except Exception as error:
                if self._on_error is None:
                    raise
                self._on_error(order_id, error)
                if not self._is_unreadable(order_id, error):
                    fence = None  # not given back: it is tried again when its lease has run out
            finally:
                self._leases.pop(worker, None)
                if fence is not None:
                    await self._release(order_id, fence)
            if is_available:
                pause_s, order_id = _PAUSE_S_MIN, await self._next()
            else:
                order_id = await self._again(order_id, pause_s)
                pause_s = min(2 * pause_s, _PAUSE_S_MAX)

    async def _next(self) -> str | None:
        """Return the next order's id when it may be claimed; None once no more are taken."""
        while True:
            order_id = await self._queue.get()
            while self._halt is not None and self._halt.is_paused and not self._is_draining:
                await self._halt.wait()
            if self._is_draining:
                return None
            if order_id not in self._unreadable:
                return order_id

    @property
    def _is_paused(self) -> bool:
        return self._halt is not None and self._halt.is_paused

    async def _again(self, order_id: str, pause_s: float) -> str | None:
        """Return the same order's id after a pause; it is left if nothing may be claimed now."""
        await anyio.sleep(pause_s)
        return await self._next() if self._is_draining or self._is_paused else order_id

    def _is_unreadable(self, order_id: str, error: Exception) -> bool:
        """Return whether the order cannot be read; it is left alone here from now on."""
        if not isinstance(error, InvalidData):
            return False
        if len(self._unreadable) >= _UNREADABLE_MAX:
            self._unreadable.clear()
        self._unreadable.add(order_id)
        return True

    def _is_hopeless(self, lease: Lease) -> bool:
        return self._takeovers_max is not None and lease.takeovers > self._takeovers_max

    async def _gave_up(self, order_id: str, fence: int) -> bool:
        """End the order, or return False: its transaction is out and must be settled."""
        return (await self._executor.give_up(order_id, fence)).is_terminal

    async def _renew(self, period_s: float) -> None:
        """Prolong the leases at hand every period; one renewal that fails leaves it to the next."""
        while True:
            await anyio.sleep(period_s)
            if self._leases:
                with anyio.move_on_after(period_s), suppress(Unavailable):
                    await self._store.renew(dict(self._leases.values()))

    async def _release(self, order_id: str, fence: int) -> None:
        with anyio.move_on_after(_RELEASE_S_MAX, shield=True), suppress(Unavailable):
            await self._store.release(order_id, fence)
