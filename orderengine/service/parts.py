"""Put the live engine together: store, market, queue, workers, streams; and take it apart again."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from msgspec import Struct, field
from msgspec.structs import replace

from orderengine.errors import InvalidRequest
from orderengine.execution.deadlines import Deadlines
from orderengine.execution.engine import Engine
from orderengine.execution.executor import Executor
from orderengine.execution.inquiry import Choice, Inquiry
from orderengine.execution.journal import Journal
from orderengine.execution.policy import ExecutionPolicy, backoff
from orderengine.execution.ports import WorkQueue
from orderengine.execution.queue import MemoryQueue
from orderengine.execution.reconciler import Reconciler
from orderengine.execution.workers import Workers
from orderengine.model.events import Event
from orderengine.model.order import Order, Priority
from orderengine.routing.choose import ROUTERS
from orderengine.routing.strategies import STRATEGIES
from orderengine.service.clock import WallClock
from orderengine.service.live import LiveMarket
from orderengine.service.queue.job_consumer import JobConsumer
from orderengine.service.queue.redis_queue import RedisQueue
from orderengine.service.settings import Settings
from orderengine.service.sockets.hub import SocketHub, SocketLimits
from orderengine.service.sockets.live_log import LiveLog
from orderengine.service.sockets.nudges import Nudges
from orderengine.storage.database import Database, OrderStore
from orderengine.storage.opening import open_database

__all__ = ["Service", "open_service"]

LEASE_NS = 3_000_000_000
_RENEW_S = 1.0
_TAKEOVERS_MAX = 10
_GRACE_S = 5.0
"""How long orders at hand may go on when the process is told to stop; then they are handed back."""
_QUEUE_MAX = 100_000
_log = logging.getLogger("orderengine.service")


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


class Service(Struct, frozen=True):
    """Hold the parts that requests need."""

    settings: Settings
    clock: WallClock
    database: Database
    store: OrderStore
    journal: Journal
    engine: Engine
    market: LiveMarket
    sockets: SocketHub
    redis: RedisQueue | None
    works: bool
    failures: list[Exception]
    """What ended a part that should run for ever; the process then ends too."""
    inquiries: dict[str | None, Inquiry] = field(default_factory=dict)
    """By strategy; each keeps what it has computed of pools that have not changed."""

    async def quote(self, order: Order, strategy: str | None = None) -> Choice:
        """Route an order that nobody placed, as the workers would, or by a strategy's name.

        Raises:
            InvalidRequest: the market does not trade the pair, or no strategy has the name.
            Rejected: there is no route.
        """
        self.market.prices.reference_price_x64(order.sell, order.buy)
        if strategy is not None and strategy not in STRATEGIES:
            known = ", ".join(STRATEGIES)
            raise InvalidRequest(f"strategy must be one of {known}, was {strategy!r}")
        inquiry = self.inquiries.get(strategy)
        if inquiry is None:
            policy = _policy(self.settings, self.market)
            if strategy is not None:
                policy = replace(policy, router=STRATEGIES[strategy])
            inquiry = Inquiry(self.market.venues, self.clock, policy)
            self.inquiries[strategy] = inquiry
        return inquiry.choose(order, await inquiry.ask(order, 1))

    async def keep(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run a part of the process for as long as it lives; if the part fails, both end."""
        await _keep(self, run)

    def describe(self) -> str:
        """Return what this service stands on, in a few words."""
        queue = "Redis queue" if self.redis is not None else "queue in memory"
        if not self.works and self.redis is None:
            queue = "no queue (workers poll the store)"
        count = self.settings.worker_concurrency
        works = f"{count} orders at once" if self.works else "no workers here"
        pools = f", pools of {self.settings.snapshot}" if self.settings.snapshot else ""
        profile, seed = self.settings.sim_profile, self.settings.sim_seed
        market = f"simulated market ({profile}, seed {seed}{pools})"
        routed = f"router {self.settings.router}"
        return f"{queue}, store {self.database.description}, {market}, {routed}, {works}"


@asynccontextmanager
async def open_service(settings: Settings, *, works: bool) -> AsyncIterator[Service]:
    """Open everything, run it in the background, and hand back what is not done at the end.

    Args:
        settings: what the operator decided.
        works: whether this process executes orders.
    """
    async with open_database(settings.database_url, lease_ns=LEASE_NS) as database:
        store = database.orders
        clock = WallClock()
        market = LiveMarket.open(
            settings.market,
            seed=settings.sim_seed,
            fail_rate=settings.sim_fail_rate,
            clock=clock,
            record=store,
        )
        journal = Journal(store, clock)
        log = LiveLog(store, clock)
        nudges = Nudges(settings.redis_url, log.tell) if settings.redis_url else None
        if nudges is not None:
            log.listen(nudges)
        limits = SocketLimits(settings.sockets_max, settings.sockets_user_max)
        sockets = SocketHub(log, limits=limits)

        def tell(event: Event) -> None:
            log.tell(event)
            if nudges is not None:
                nudges.tell(event)

        journal.watch(tell)
        local = MemoryQueue(_QUEUE_MAX)
        redis = None
        queue: WorkQueue = local if works else _NoQueue()
        if settings.redis_url:
            queue = redis = RedisQueue(settings.redis_url, batch_max=settings.batch_max)
        deadlines = Deadlines(journal=journal, clock=clock, prices=market.prices)
        engine = Engine(
            clock=clock, journal=journal, queue=queue, prices=market.prices, deadlines=deadlines
        )
        service = Service(
            settings, clock, database, store, journal, engine, market, sockets, redis, works, []
        )
        for found in await store.claimable(_QUEUE_MAX):
            deadlines.watch((await journal.load(found.order_id)).order)
        async with anyio.create_task_group() as group:
            group.start_soon(_keep, service, market.run, clock)
            group.start_soon(_keep, service, sockets.run)
            group.start_soon(_keep, service, deadlines.run)
            if redis is not None:
                group.start_soon(_keep, service, redis.run)
            if nudges is not None:
                group.start_soon(_keep, service, nudges.run)
            workers = _workers(service, local) if works else None
            if workers is not None:
                group.start_soon(_keep, service, workers.run)
                group.start_soon(_keep, service, Reconciler(store, local).run)
                if settings.redis_url:
                    group.start_soon(_keep, service, JobConsumer(settings.redis_url, local).run)
            try:
                yield service
            finally:
                with anyio.CancelScope(shield=True):
                    if workers is not None:
                        await workers.drain(_GRACE_S)
                group.cancel_scope.cancel()


async def _keep(service: Service, run: Callable[..., Awaitable[None]], *arguments: object) -> None:
    """Run a part; if it fails, end the process as SIGTERM does, so that it is started again.

    A process that answers while half of it is dead would only look alive.
    """
    try:
        await run(*arguments)
    except Exception as error:  # noqa: BLE001  (reported, and the end of the process)
        _log.critical("%s has failed: this process ends", run, exc_info=error)
        service.failures.append(error)
        os.kill(os.getpid(), signal.SIGTERM)


def _policy(settings: Settings, market: LiveMarket) -> ExecutionPolicy:
    return ExecutionPolicy(
        router=ROUTERS[settings.router],
        terms=market.terms,
        retry=backoff(3, 200_000_000, 5_000_000_000),
    )


def _workers(service: Service, queue: MemoryQueue) -> Workers:
    executor = Executor(
        clock=service.clock,
        venues=service.market.venues,
        settlement=service.market.settlement,
        prices=service.market.prices,
        store=service.store,
        journal=service.journal,
        policy=_policy(service.settings, service.market),
    )
    return Workers(
        queue=queue,
        store=service.store,
        executor=executor,
        count=service.settings.worker_concurrency,
        name=f"{socket.gethostname()}-{os.getpid()}",
        renew_s=_RENEW_S,
        takeovers_max=_TAKEOVERS_MAX,
        on_error=_report,
    )


def _report(order_id: str, error: Exception) -> None:
    _log.error("order %s failed in a way that nobody foresaw", order_id, exc_info=error)
