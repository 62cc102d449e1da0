"""Send a scenario's orders, open or closed loop, and gather each one's events to its end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress

import anyio
from anyio import current_time
from anyio.abc import TaskStatus

from orderengine.client.client import Client
from orderengine.client.forms import Connected
from orderengine.client.sockets import Closed
from orderengine.errors import OrderEngineError, Unavailable, UnknownOrder
from orderengine.model.events import Accepted, Event
from orderengine.study.load_tally import OrderTally, Tallies
from orderengine.study.orders import OrderSource, arrival_times
from orderengine.study.progress import Progress
from orderengine.study.scenario import Scenario

__all__ = ["LoadRun"]

_SENDING_MAX = 10_000
"""Orders between their start and their receipt; beyond it starts are late, and count as such."""

_QUIET_S, _QUIET_LONGEST_S = 5.0, 40.0
_LINGER_S, _LINGER_LONGEST_S = 0.25, 2.0
"""After the last end: how long no message may come, and how long to wait for that."""


class LoadRun:
    """Run once; what was found is then in ``tallies``, ``refused`` and ``reconnects``."""

    def __init__(  # noqa: PLR0913  (a record, made in one place, by name)
        self,
        client: Client,
        study: Scenario,
        *,
        price_x64: int,
        concurrency: int | None,
        ws: str,
        lost_after_s: float,
        progress: Progress,
    ) -> None:
        self.tallies = Tallies()
        self.refused: Counter[str] = Counter()
        self.reconnects = 0
        self.began_at = 0.0
        self._client = client
        self._study = study
        self._source = OrderSource(study)
        self._price_x64 = price_x64
        self._concurrency = concurrency
        self._one_socket = ws == "one"
        self._lost_after_s = lost_after_s
        self._progress = progress
        self._done = 0
        self._heard_at = 0.0
        self._sending = anyio.Semaphore(_SENDING_MAX)

    def logs(self) -> list[list[Event]]:
        """Return the logs of accepted orders, by the time of their receipt.

        A lost order's is as far as it is known; one whose first event is not known is left out.
        """
        logs = (tally.log for tally in self.tallies.claimed.values())
        return [log for log in logs if log and isinstance(log[0], Accepted)]

    async def run(self) -> None:
        """Send every order and wait for its end, or until it counts as lost."""
        with self._progress:
            async with anyio.create_task_group() as group:
                if self._one_socket:
                    await group.start(self._listen)
                self.began_at = current_time()
                async with anyio.create_task_group() as orders:
                    if self._concurrency is None:
                        await self._open_loop(orders)
                    else:
                        numbers = iter(range(self._study.orders))
                        for _ in range(min(self._concurrency, self._study.orders)):
                            orders.start_soon(self._closed_loop, numbers)
                await self._linger()
                group.cancel_scope.cancel()
            await self._fill_in_all()

    async def _open_loop(self, group: anyio.abc.TaskGroup) -> None:
        arrives = arrival_times(self._study.arrivals, self._study.seed, self._study.orders)
        after_ns = 0
        for number in range(self._study.orders):
            after_ns = arrives(number, after_ns)
            start_at = self.began_at + after_ns / 1e9
            if start_at > current_time():
                await anyio.sleep_until(start_at)
            await self._sending.acquire()
            group.start_soon(self._run_one, number, start_at)

    async def _closed_loop(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            await self._sending.acquire()
            await self._run_one(number, current_time())

    async def _run_one(self, number: int, start_at: float) -> None:
        """Submit one order and see it to its end."""
        try:
            found = await self._submit(number, start_at)
        finally:
            self._sending.release()
        if found is not None:
            await self._see_to_its_end(*found)
        self._done += 1
        self._progress.update(self._done)

    async def _submit(self, number: int, start_at: float) -> tuple[str, OrderTally] | None:
        """Return the id that the service gave, and the tally; None if it refused."""
        order = self._source.make(number, self._price_x64, time.time_ns())
        try:
            receipt = await self._client.submit(order)
        except OrderEngineError as error:
            self.refused[error.code] += 1
            return None
        order_id = receipt.order_id
        return order_id, self.tallies.claim(order_id, start_at, current_time())

    async def _see_to_its_end(self, order_id: str, tally: OrderTally) -> None:
        if self._one_socket:
            await self._await_end(order_id, tally)
            return
        async with anyio.create_task_group() as group:
            over = anyio.Event()
            group.start_soon(self._watch, order_id, tally, over)
            await self._await_end(order_id, tally)
            with anyio.move_on_after(_LINGER_LONGEST_S if tally.ended.is_set() else 0):
                await over.wait()
            group.cancel_scope.cancel()

    async def _await_end(self, order_id: str, tally: OrderTally) -> None:
        """Wait for the end; where the socket stays silent, look into the log now and then."""
        lost_at = tally.accepted_at + self._lost_after_s
        quiet_s = min(_QUIET_S, self._lost_after_s / 4)
        while not tally.ended.is_set():
            left_s = lost_at - current_time()
            with anyio.move_on_after(max(min(quiet_s, left_s), 0)):
                await tally.ended.wait()
            if not tally.ended.is_set():
                await self._fill_in(order_id, tally)
                if current_time() >= lost_at:
                    return
            quiet_s = min(quiet_s * 2, _QUIET_LONGEST_S)

    async def _listen(self, *, task_status: TaskStatus[None]) -> None:
        """Take every message of the one socket; once it is given up, the logs say the rest."""
        started = False
        try:
            async with aclosing(self._client.stream()) as items:
                async for item in items:
                    if not isinstance(item, Connected):
                        self._heard_at = current_time()
                        self.tallies.heard(item, self._heard_at)
                    elif started:
                        self.reconnects += 1
                    else:
                        task_status.started()
                        started = True
        except Unavailable:
            if not started:
                raise

    async def _watch(self, order_id: str, tally: OrderTally, over: anyio.Event) -> None:
        """Take every message of an order's own socket, up to its closing after the end."""
        items: AsyncGenerator[Event | Connected | Closed]
        # What a socket that breaks off did not send counts as missing.
        with suppress(Unavailable, UnknownOrder):
            async with aclosing(self._client.watch(order_id, lambda: tally.next_seq)) as items:
                async for item in items:
                    if isinstance(item, Closed):
                        if tally.ended.is_set():
                            break
                    elif isinstance(item, Connected):
                        self.reconnects += item.times > 1
                    elif item.order_id == order_id:
                        tally.heard(item, current_time())
        over.set()

    async def _linger(self) -> None:
        """Let late messages come: the faults of a stream may follow an order's end."""
        with anyio.move_on_after(_LINGER_LONGEST_S if self._one_socket else 0):
            last = current_time()
            # Each message puts the instant off.
            while (until := max(last, self._heard_at) + _LINGER_S) > current_time():  # noqa: ASYNC110
                await anyio.sleep_until(until)

    async def _fill_in_all(self) -> None:
        """Read the log of each order of which an event is not known, some at a time."""
        limiter = anyio.CapacityLimiter(50)

        async def one(order_id: str, tally: OrderTally) -> None:
            async with limiter:
                await self._fill_in(order_id, tally)

        async with anyio.create_task_group() as group:
            for order_id, tally in self.tallies.claimed.items():
                if not tally.is_whole:
                    group.start_soon(one, order_id, tally)

    async def _fill_in(self, order_id: str, tally: OrderTally) -> None:
        """Read an order's log; where it cannot be read, the order stays as it is known."""
        try:
            events = await self._client.events(order_id)
        except OrderEngineError:
            return
        now = current_time()
        for event in events:
            tally.learned(event, now)
