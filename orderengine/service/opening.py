"""Put the live engine together: store, market, queue, workers, streams; and take it apart again.

Work begins once everything stands, and ends before anything is taken down: orders at hand have some
seconds to end, then they are handed back.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio
from anyio.abc import TaskGroup

from orderengine.errors import OrderEngineError
from orderengine.execution.deadlines import Deadlines
from orderengine.execution.engine import Engine
from orderengine.execution.executor import Executor
from orderengine.execution.journal import Journal
from orderengine.execution.ports import WorkQueue
from orderengine.execution.queue import MemoryQueue
from orderengine.execution.reconciler import Reconciler
from orderengine.execution.workers import Workers
from orderengine.model.events import Event
from orderengine.model.order import Priority
from orderengine.service.clock import WallClock
from orderengine.service.live import LiveMarket
from orderengine.service.operations.instruments import Instruments
from orderengine.service.operations.logs import OrderLog
from orderengine.service.operations.reports import OrderReports
from orderengine.service.parts import Service
from orderengine.service.queue.job_consumer import JobConsumer
from orderengine.service.queue.redis_queue import RedisQueue
from orderengine.service.settings import Settings
from orderengine.service.sockets.hub import SocketHub, SocketLimits
from orderengine.service.sockets.live_log import LiveLog
from orderengine.service.sockets.nudges import Nudges
from orderengine.storage.opening import open_database

__all__ = ["open_service", "plain_errors"]

_RENEW_S = 1.0
_TAKEOVERS_MAX = 10
_QUEUE_MAX = 100_000


class _NoQueue:
    """Implement the ``WorkQueue`` port where nobody takes wake-ups: workers find orders in SQL."""

    def require_room(self, priority: Priority) -> None:
        """Have room: nothing is kept."""

    async def put(self, priority: Priority, order_id: str) -> None:
        """Keep nothing."""

    async def get(self) -> str | None:
        """Have nothing."""
        return None

    def close(self) -> None:
        """Do nothing."""


@contextmanager
def plain_errors() -> Iterator[None]:
    """Let one of our errors out of the groups that tasks wrap it in, so that it is told as one."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if isinstance(error, OrderEngineError):
            raise error from None
        raise


@asynccontextmanager
async def open_service(
    settings: Settings, *, works: bool, serves: bool = True
) -> AsyncIterator[Service]:
    """Open everything, run it in the background, and hand back what is not done at the end.

    Args:
        settings: what the operator decided.
        works: whether this process executes orders.
        serves: whether it answers requests.
    """
    async with open_database(settings.database_url) as opened:
        clock = WallClock()
        roles = (*(("api",) if serves else ()), *(("worker",) if works else ()))
        instruments = Instruments(opened, clock, settings, roles=roles)
        store = instruments.database.orders
        market = LiveMarket.open(
            settings.market,
            seed=settings.sim_seed,
            fail_rate=settings.sim_fail_rate,
            clock=clock,
            record=store,
        )
        journal = Journal(store, clock)
        sockets, nudges = _streams(settings, instruments, journal, clock)
        # What waits here waits while other processes may be idle.
        local = MemoryQueue(4 * settings.worker_concurrency if settings.redis_url else _QUEUE_MAX)
        redis = (
            RedisQueue(settings.redis_url, batch_max=settings.batch_max)
            if settings.redis_url
            else None
        )
        queue: WorkQueue = redis or (local if works else _NoQueue())
        report = OrderReports()
        deadlines = Deadlines(
            journal=journal, clock=clock, prices=market.prices, history=store, on_error=report
        )
        service = Service(
            settings=settings,
            clock=clock,
            database=instruments.database,
            store=store,
            journal=journal,
            engine=Engine(
                clock=clock, journal=journal, queue=queue, prices=market.prices, deadlines=deadlines
            ),
            market=market,
            sockets=sockets,
            redis=redis,
            instruments=instruments,
            works=works,
            failures=[],
        )
        await instruments.pauses.look()
        async with anyio.create_task_group() as group:
            group.start_soon(service.keep, market.run, clock)
            group.start_soon(service.keep, deadlines.run)
            if serves:
                instruments.sockets = sockets
                group.start_soon(service.keep, sockets.run)
            if nudges is not None:
                instruments.redis_aside.append(nudges)
                group.start_soon(service.keep, nudges.run)
            if redis is not None:
                instruments.redis.append(redis)
                group.start_soon(service.keep, redis.run)
            instruments.start(group.start_soon, service.keep)
            if works:
                _start_work(group, service, local, report)
            try:
                yield service
            finally:
                with anyio.CancelScope(shield=True):
                    await _end(service)
                group.cancel_scope.cancel()


def _streams(
    settings: Settings, instruments: Instruments, journal: Journal, clock: WallClock
) -> tuple[SocketHub, Nudges | None]:
    """Return the sockets, and what tells them and other processes of new events."""
    log = LiveLog(instruments.database.orders, clock)
    nudges: Nudges | None = None
    if settings.redis_url:
        hears = "api" in instruments.roles
        nudges = Nudges(settings.redis_url, log.tell if hears else None)
        if hears:
            log.listen(nudges)

    def tell(event: Event) -> None:
        log.tell(event)
        if nudges is not None:
            nudges.tell(event)

    journal.watch(tell)
    order_log = OrderLog()
    if order_log.is_wanted:
        journal.trace(order_log)
    limits = SocketLimits(settings.sockets_max, settings.sockets_user_max)
    return SocketHub(log, limits=limits), nudges


def _start_work(
    group: TaskGroup, service: Service, local: MemoryQueue, report: OrderReports
) -> None:
    """Execute orders: those that others wake this process for, and those it finds."""
    workers = service.instruments.workers = _workers(service, local, report)
    group.start_soon(service.keep, workers.run)
    group.start_soon(service.keep, Reconciler(service.store, local).run)
    if service.settings.redis_url:
        consumer = JobConsumer(service.settings.redis_url, local)
        service.instruments.redis.append(consumer)
        group.start_soon(service.keep, consumer.run)


async def _end(service: Service) -> None:
    """Let orders at hand end or hand them back, then have this process forgotten."""
    service.drain()
    if service.instruments.workers is not None:
        await service.instruments.workers.drain(service.grace_s)
    await service.instruments.pulse.end()


def _workers(service: Service, queue: MemoryQueue, report: OrderReports) -> Workers:
    executor = Executor(
        clock=service.clock,
        venues=service.market.venues,
        settlement=service.market.settlement,
        prices=service.market.prices,
        store=service.store,
        journal=service.journal,
        policy=service.policy,
        halt=service.instruments.halt,
    )
    return Workers(
        queue=queue,
        store=service.store,
        executor=executor,
        count=service.settings.worker_concurrency,
        name=f"{socket.gethostname()}-{os.getpid()}",
        renew_s=_RENEW_S,
        takeovers_max=_TAKEOVERS_MAX,
        on_error=report,
        halt=service.instruments.halt,
    )
