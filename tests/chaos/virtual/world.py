"""Put a plan's world together and run it in virtual time: the real engine over unreliable things.

A process is what the service opens: workers, reconciler and deadlines over the shared store, and an
engine where it answers requests. It is torn down when it dies and opened anew. When all is healed
and every order has ended, or should have, the judge looks at everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, cast
from unittest.mock import patch

import anyio
from anyio.abc import TaskGroup
from msgspec import Struct
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.execution.deadlines import Deadlines
from orderengine.execution.engine import Engine
from orderengine.execution.executor import Executor
from orderengine.execution.halt import TradingHalt
from orderengine.execution.journal import Journal
from orderengine.execution.policy import ExecutionPolicy, backoff
from orderengine.execution.ports import History, PriceFeed, Settlement, Venue, WorkQueue
from orderengine.execution.punctual import PunctualSettlement, PunctualVenue
from orderengine.execution.queue import MemoryQueue
from orderengine.execution.reconciler import Reconciler
from orderengine.execution.workers import Workers
from orderengine.model.order import Priority
from orderengine.model.wire import event_log_sha256
from orderengine.routing.choose import best
from orderengine.service import clock as service_clock
from tests.chaos.virtual.adapters import NodeSettlement, OnePrice, RemoteVenue
from tests.chaos.virtual.chain import START_NS, Chain
from tests.chaos.virtual.host import MS, Host, MachineTime, Process, running
from tests.chaos.virtual.items import (
    Again,
    Away,
    Cancel,
    Deliveries,
    Follow,
    Freeze,
    Jump,
    Kill,
    Lag,
    Luck,
    Mute,
    Pause,
    Place,
    SignError,
    Slow,
    Stop,
    VenueFault,
    Wipe,
)
from tests.chaos.virtual.judge import Judge
from tests.chaos.virtual.market import MarketFates, open_market
from tests.chaos.virtual.plan import HEALED_MS, Plan
from tests.chaos.virtual.store import LEASE_NS, RemoteStore, SharedStore
from tests.chaos.virtual.users import Users
from tests.chaos.virtual.wakes import LocalQueue, RemoteQueue, Wakes

__all__ = ["Report", "run_plan"]

_POLICY = ExecutionPolicy(
    router=best,
    retry=backoff(3, 100 * MS, 500 * MS),
    quote_deadline_ns=400 * MS,
    route_age_ns_max=1_500 * MS,
    resend_ns=700 * MS,
)
_RENEW_S = 0.6
_WORKERS = 3
_TAKEOVERS_MAX = 10
_BOUND_S = 30.0
_LOOK_S = 0.4
_CALM_S = 0.5
_STARTS_MS = 10


class Report(Struct, frozen=True):
    """Say what a run came to."""

    violations: tuple[str, ...]
    struck: Counter[str]
    """How often each kind of fault really struck, and what orders came to."""
    orders: int
    events: int
    virtual_s: float
    event_log_sha256: str


def run_plan(plan: Plan) -> Report:
    """Run a plan to its end."""
    with patch.object(service_clock, "time", MachineTime):
        world: _World = virtualtime.run(_run, plan)
    logs = [event for log in world.judge.logs.values() for event in log]
    return Report(
        violations=tuple(dict.fromkeys(world.judge.violations)),
        struck=world.struck,
        orders=len(world.judge.logs),
        events=len(logs),
        virtual_s=world.ended_s,
        event_log_sha256=event_log_sha256(logs),
    )


async def _run(plan: Plan) -> _World:
    async with anyio.create_task_group() as group:
        world = _World(plan, group)
        await world.live()
        group.cancel_scope.cancel()
    return world


def _of(plan: Plan, *kinds: type[Any]) -> list[Any]:
    return [item for item in plan.items if isinstance(item, kinds)]


class _World:
    """Hold everything of one run."""

    def __init__(self, plan: Plan, group: TaskGroup) -> None:
        self._plan = plan
        self._group = group
        self.struck: Counter[str] = Counter()
        self.ended_s = 0.0
        self._over = anyio.Event()
        self.judge = Judge(LEASE_NS, self._over.set)
        clock = virtualtime.VirtualClock(START_NS)
        self.store = SharedStore(clock, self.judge)
        self._chain = Chain(
            {(luck.order, luck.nth): luck for luck in _of(plan, Luck)}, self.judge.violate
        )
        self._market = MarketFates(self.store.record, self.judge.violate)
        self.judge.fates = self._market if plan.is_real else self._chain
        self.processes = [Process(number, plan, self.struck) for number in range(len(plan.roles))]
        self.judge.skew_ns = lambda: max(process.skew_ns_max for process in self.processes)
        self._wakes = Wakes(_of(plan, Deliveries), group.start_soon, self.struck)
        doors = [process for process in self.processes if process.role != "work"]
        self.users = Users(doors, self.judge, _of(plan, Place))
        self._halt = TradingHalt()
        self._acting = 0

    async def live(self) -> None:
        """Run to the end, and judge."""
        spawn = self._group.start_soon
        for process in self.processes:
            spawn(self._keep_alive, process)
        for place in _of(self._plan, Place):
            spawn(self._act, self.users.place, place)
        for item in _of(self._plan, Again):
            spawn(self._act, self.users.again, item)
        for item in _of(self._plan, Cancel):
            spawn(self._act, self.users.cancel, item)
        for item in _of(self._plan, Follow):
            spawn(self._act, self.users.follow, item)
        for item in _of(self._plan, Wipe):
            spawn(self._wakes.wipe, item)
        for item in _of(self._plan, Pause):
            spawn(self._pause, item)
        for item in _of(self._plan, Stop):
            spawn(self._stop, item)
        spawn(self._watch)
        await self._over.wait()
        self.ended_s = virtualtime.now_ns() / 1e9
        self._judge_all()

    async def _act(self, act: Any, item: object) -> None:
        self._acting += 1
        try:
            await act(item)
        finally:
            self._acting -= 1

    async def _pause(self, item: Pause) -> None:
        await anyio.sleep(item.at_ms / 1e3)
        self.struck["pause of a venue" if item.venue else "pause of all"] += 1
        self._halt.set(is_paused=not item.venue, venues=[item.venue] if item.venue else [])
        await anyio.sleep(item.for_ms / 1e3)
        self._halt.set(is_paused=False)

    async def _stop(self, item: Stop) -> None:
        await anyio.sleep(item.at_ms / 1e3)
        host = self.processes[item.process].host
        if host is not None:
            self.struck["stop"] += 1
            if host.workers is not None:
                await host.workers.drain(item.grace_ms / 1e3)
            host.kill(item.down_ms)

    async def _watch(self) -> None:
        """End the run when all is over, or should be."""
        healed_s = max((_end_ms(item) / 1e3 for item in self._plan.items), default=0.0)
        await anyio.sleep(1.0)
        await self._look_twice()
        while True:
            now_s = virtualtime.now_ns() / 1e9
            landed_s = 0.0 if self._plan.is_real else self._chain.valid_until_ns / 1e9
            is_done = not self.judge.open and not self._acting
            if is_done and now_s >= healed_s:
                await anyio.sleep(_CALM_S)
                break
            if now_s > max(healed_s, landed_s, HEALED_MS / 1e3) + _BOUND_S:
                break
            await anyio.sleep(_LOOK_S)
        await self._look_twice()
        self._over.set()

    async def _look_twice(self) -> None:
        """Check that a reconciler that looks again adds nothing (I31)."""
        queue = MemoryQueue(1_000)
        reconciler = Reconciler(self.store, queue)
        depths = []
        for _ in range(3):
            await reconciler.once()
            depths.append(sum(queue.depth(lane) for lane in Priority))
        if len(set(depths)) > 1:
            self.judge.violate("I31", "all", f"looking again found {depths}")

    def _judge_all(self) -> None:
        judge = self.judge
        judge.check_logs(self.store.logs)
        disturbed = [span for process in self.processes for span in process.disturbed]
        self.struck["deadline watched in peace"] += judge.check_expiries(disturbed)
        judge.check_wishes(list(self.users.wishes.values()))
        judge.check_readings(self.users.readings)
        if self._acting:
            judge.violate("I2", "all", f"{self._acting} users wait for answers")
        self._market.require_conserved()
        self.struck.update(self._chain.struck)
        self.struck.update(f"order {log[-1].status}" for log in judge.logs.values())

    async def _keep_alive(self, process: Process) -> None:
        """Start a process, and again whenever it has died."""
        running.set(process)
        await anyio.sleep(process.number * _STARTS_MS / 1e3)
        while True:
            host = process.host = Host(process, self._group.start_soon)
            try:
                with host.scope:
                    await self._live_once(host)
            except Exception as error:  # noqa: BLE001  (whatever it is, it must not happen)
                self.judge.crashed(process.name, error)
            process.host = None
            self._wakes.queues.pop(process.number, None)
            await anyio.sleep(host.down_ms / 1e3 + 0.001)

    async def _live_once(self, host: Host) -> None:
        process = host.process
        clock, store = host.clock, RemoteStore(host, self.store)
        settlement: Settlement
        prices: PriceFeed
        venues: Sequence[Venue]
        policy = _POLICY
        async with anyio.create_task_group() as group:
            host.tasks = group
            if self._plan.is_real:
                market = open_market(self._plan.seed, clock, store)
                self._market.worlds.append(market.world)
                settlement, prices, venues = market.settlement, market.prices, market.venues
                policy = replace(policy, terms=market.terms)
                group.start_soon(market.run, clock)
            else:
                prices = OnePrice()
                node = NodeSettlement(self._chain, host, _of(self._plan, SignError))
                settlement = PunctualSettlement(node, clock)
                venues = self._venues(host)
            journal = Journal(store, clock)
            report = self._reporter(process)
            deadlines = Deadlines(
                journal=journal,
                clock=clock,
                prices=prices,
                history=cast("History", store),
                on_error=report,
            )
            group.start_soon(deadlines.run)
            local = LocalQueue(host)
            if process.role != "api":
                self._wakes.queues[process.number] = local
                executor = Executor(
                    clock=clock,
                    venues=venues,
                    settlement=settlement,
                    prices=prices,
                    store=store,
                    journal=journal,
                    policy=policy,
                    halt=self._halt,
                )
                host.workers = workers = Workers(
                    queue=local,
                    store=store,
                    executor=executor,
                    count=_WORKERS,
                    name=f"{process.name}.{process.lives}",
                    renew_s=_RENEW_S,
                    takeovers_max=_TAKEOVERS_MAX,
                    on_error=report,
                    halt=self._halt,
                )
                group.start_soon(workers.run)
                group.start_soon(Reconciler(store, local).run)
            if process.role != "work":
                queue: WorkQueue = (
                    RemoteQueue(host, self._wakes) if process.role == "api" else local
                )
                host.engine = Engine(
                    clock=clock, journal=journal, queue=queue, prices=prices, deadlines=deadlines
                )
                host.group = group

    def _venues(self, host: Host) -> list[Venue]:
        faults: list[VenueFault] = _of(self._plan, VenueFault)
        return [
            PunctualVenue(
                RemoteVenue(name, host, [fault for fault in faults if fault.venue == number]),
                host.clock,
            )
            for number, name in enumerate(("raydium", "orca")[: self._plan.venues])
        ]

    def _reporter(self, process: Process) -> Any:
        def report(order_id: str, error: Exception) -> None:
            self.judge.crashed(f"{process.name}/{order_id}", error)

        return report


def _end_ms(item: object) -> int:
    """Return when an item is over, at the latest; what users do has no end of its own."""
    match item:
        case Kill():
            return min(item.after_ms, HEALED_MS) + item.down_ms
        case Freeze():
            return item.after_ms + item.for_ms
        case Stop():
            return item.at_ms + item.grace_ms + item.down_ms
        case Pause() | Away() | Slow() | Deliveries() | Jump() | Lag() | Mute() | VenueFault():
            return item.at_ms + item.for_ms
        case Wipe():
            return item.at_ms
        case _:
            return 0
