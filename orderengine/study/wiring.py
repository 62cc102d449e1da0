"""Build the world and the engine that a scenario describes."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from msgspec import Struct
from msgspec.structs import replace

from orderengine.errors import InvalidScenario
from orderengine.execution.deadlines import Deadlines
from orderengine.execution.engine import Engine
from orderengine.execution.executor import Executor
from orderengine.execution.journal import Journal
from orderengine.execution.memory_store import MemoryEventStore
from orderengine.execution.ports import Clock, PriceFeed
from orderengine.execution.volatility import SeenPrices
from orderengine.execution.workers import Workers
from orderengine.market.config import MarketConfig
from orderengine.market.draws import Draws
from orderengine.market.fees import Fees
from orderengine.market.fields import duration_ns
from orderengine.market.latency import LatencyConfig, LatencyModel, latency_model
from orderengine.market.opening import Opening, open_market, opening_of
from orderengine.market.prices import PricePath, drawn_path
from orderengine.market.world import World
from orderengine.model.events import Event
from orderengine.model.instants import parse_rfc3339, rfc3339
from orderengine.model.tokens import token
from orderengine.settlement.simulated import SimulatedSettlement
from orderengine.storage.snapshots import read_snapshot
from orderengine.study.files import read_latencies, read_prices
from orderengine.study.plugin import Plugin
from orderengine.study.policies import build_policy, queue_of, unit_prices
from orderengine.study.scenario import Scenario
from orderengine.venues.simulated import (
    SimulatedFees,
    SimulatedPrices,
    simulated_terms,
    simulated_venues,
)

__all__ = ["Ends", "Wired", "build_world", "latency_of", "read_opening", "wire"]

_START = "2026-07-06T16:30:00Z"


class Ends:
    """Let a user of a closed loop wait for the end of an order."""

    def __init__(self) -> None:
        self._awaited: dict[str, anyio.Event] = {}

    def of(self, order_id: str) -> anyio.Event:
        """Return what is set when the order ends; ask for it before the order is placed."""
        ended = self._awaited[order_id] = anyio.Event()
        return ended

    def observe(self, event: Event) -> None:
        """Take an event of any order."""
        if event.status.is_terminal and self._awaited:
            ended = self._awaited.pop(event.order_id, None)
            if ended is not None:
                ended.set()


class Wired(Struct, frozen=True, kw_only=True):
    """Hold the parts of a study that its run needs to touch."""

    world: World
    clock: Clock
    store: MemoryEventStore
    journal: Journal
    engine: Engine
    workers: Workers
    deadlines: Deadlines
    settlement: SimulatedSettlement
    ends: Ends
    """Of a closed loop."""


def build_world(scenario: Scenario) -> World:
    """Read the scenario's price file and snapshot, if any, and open the world at its start.

    Raises:
        InvalidData: a file is not what it should be.
        InvalidScenario: the start is outside the prices, or a pool cannot be opened at its price.
    """
    market, opening = scenario.market, read_opening(scenario.market)
    base, quote = token(market.base), token(market.quote)
    path: PricePath
    if market.price.model == "trace":
        path = trace = read_prices(market.price.file, base, quote)
        start_ns = parse_rfc3339(scenario.start) if scenario.start else trace.start_ns
        if not trace.start_ns <= start_ns < trace.end_ns:
            covered = f"from {rfc3339(trace.start_ns)} to before {rfc3339(trace.end_ns)}"
            raise InvalidScenario("start", scenario.start, f"a time in the price file, {covered}")
    else:
        slot_ns = duration_ns("market.slot", market.slot)
        path = drawn_path(market.price, opening.price_x64, slot_ns, scenario.seed)
        start_ns = opening.start_s * 1_000_000_000 or parse_rfc3339(_START)
        if scenario.start:
            start_ns = parse_rfc3339(scenario.start)
    pools = open_market(market, opening, path.price_x64(0, start_ns))
    return World(
        market,
        scenario.seed,
        pools,
        path,
        start_ns,
        constant_prices_x64=opening.constant_prices_x64,
    )


def read_opening(market: MarketConfig) -> Opening:
    """Return what a market starts from, reading its snapshot, if it names one.

    Raises:
        InvalidData: the file is none.
        InvalidScenario: the file has no pool of the pair, or the price is too small.
    """
    return opening_of(market, read_snapshot(market.snapshot) if market.snapshot else None)


def latency_of(
    config: LatencyConfig, seed: int, concern: str, clock: Clock | None = None
) -> LatencyModel:
    """Return the drawing function of a latency, reading its file of measurements, if any.

    The clock is needed where the description has slow periods.
    """
    measured_ns: tuple[int, ...] = ()
    if config.model == "empirical":
        measured_ns = read_latencies(config.file, config.column)
    now_ns = None if clock is None else clock.now_ns
    return latency_model(config, Draws(seed, concern), measured_ns, now_ns=now_ns)


def wire(scenario: Scenario, world: World, clock: Clock, observe: Callable[[Event], None]) -> Wired:
    """Join engine and world by their ports."""
    market, seed, ends = scenario.market, scenario.seed, Ends()
    half_life_s = duration_ns("slippage_half_life", scenario.engine.slippage_half_life) / 1e9
    seen = SeenPrices(SimulatedPrices(world, clock), clock, half_life_s)
    learns = scenario.engine.slippage == Plugin("volatility")
    prices: PriceFeed = seen if learns else SimulatedPrices(world, clock)
    unit_price = unit_prices(scenario.engine, Fees(market.fees), SimulatedFees(world, clock))

    def latency(config: LatencyConfig, concern: str) -> LatencyModel:
        return latency_of(config, seed, concern, clock)

    def observed(event: Event) -> None:
        observe(event)
        ends.observe(event)

    store = MemoryEventStore(clock)
    is_closed = scenario.arrivals.model == "closed"
    journal = Journal(store, clock, observed if is_closed else observe)
    queue = queue_of(scenario.engine, scenario.orders, store.order)
    settlement = SimulatedSettlement.of(
        market, world=world, clock=clock, seed=seed, latency=latency
    )
    executor = Executor(
        clock=clock,
        venues=simulated_venues(
            market, world=world, clock=clock, seed=seed, latency=latency, unit_price=unit_price
        ),
        settlement=settlement,
        prices=prices,
        store=store,
        journal=journal,
        policy=replace(
            build_policy(scenario.engine, seen, unit_price),
            terms=simulated_terms(market.fees, world, unit_price),
        ),
    )
    workers = Workers(
        queue=queue,
        store=store,
        executor=executor,
        count=min(scenario.engine.workers, scenario.orders),
    )
    deadlines = Deadlines(journal=journal, clock=clock, prices=prices)
    return Wired(
        world=world,
        clock=clock,
        store=store,
        journal=journal,
        engine=Engine(
            clock=clock, journal=journal, queue=queue, prices=prices, deadlines=deadlines
        ),
        workers=workers,
        deadlines=deadlines,
        settlement=settlement,
        ends=ends,
    )
