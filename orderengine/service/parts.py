"""Hold the parts of the live engine together, for those who answer requests."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct, field
from msgspec.structs import replace

from orderengine.errors import InvalidRequest
from orderengine.execution.engine import Engine
from orderengine.execution.inquiry import Choice, Inquiry
from orderengine.execution.journal import Journal
from orderengine.execution.policy import ExecutionPolicy, backoff
from orderengine.model.order import Order
from orderengine.routing.choose import ROUTERS
from orderengine.routing.strategies import STRATEGIES
from orderengine.service.clock import WallClock
from orderengine.service.live import LiveMarket
from orderengine.service.operations.instruments import Instruments
from orderengine.service.queue.redis_queue import RedisQueue
from orderengine.service.settings import Settings
from orderengine.service.sockets.hub import SocketHub
from orderengine.storage.database import Database, OrderStore

__all__ = ["Service"]

_log = logging.getLogger("orderengine.service")


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
    instruments: Instruments
    works: bool
    failures: list[Exception]
    """What ended a part that should run for ever; the process then ends too."""
    inquiries: dict[str | None, Inquiry] = field(default_factory=dict)
    """By strategy; each keeps what it has computed of pools that have not changed."""
    draining: list[float] = field(default_factory=list)
    """When this process was told to end, on the monotonic clock; empty before."""

    def drain(self) -> None:
        """Begin to end: not ready from now on, and no order is claimed; requests are answered."""
        if not self.draining:
            self.draining.append(time.monotonic())  # anyio's is not at hand in a signal's callback
            self.instruments.is_draining = True
            if self.instruments.workers is not None:
                self.instruments.workers.stop_claiming()

    @property
    def grace_s(self) -> float:
        """How much longer orders at hand may go on; they are handed back then."""
        passed_s = time.monotonic() - self.draining[0] if self.draining else 0.0
        return max(self.settings.grace_s - passed_s, 0.0)

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
            policy = self.policy
            if strategy is not None:
                policy = replace(policy, router=STRATEGIES[strategy])
            inquiry = Inquiry(self.market.venues, self.clock, policy, self.instruments.halt)
            self.inquiries[strategy] = inquiry
        return inquiry.choose(order, await inquiry.ask(order, 1))

    async def keep(self, run: Callable[..., Awaitable[None]], *arguments: object) -> None:
        """Run a part; if it fails, end the process as SIGTERM does, so that it is started again.

        A process that answers while half of it is dead would only look alive.
        """
        try:
            await run(*arguments)
        except Exception as error:  # noqa: BLE001  (reported, and the end of the process)
            _log.critical("%s has failed: this process ends", run, exc_info=error)
            self.failures.append(error)
            # A second signal would end the process at once.
            if len(self.failures) == 1 and not self.draining:
                os.kill(os.getpid(), signal.SIGTERM)

    @property
    def policy(self) -> ExecutionPolicy:
        """How orders are executed here."""
        return ExecutionPolicy(
            router=ROUTERS[self.settings.router],
            terms=self.market.terms,
            retry=backoff(3, 200_000_000, 5_000_000_000),
        )

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
