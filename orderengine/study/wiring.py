"""Build the world and the engine that a scenario describes."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from orderengine.errors import InvalidScenario
from orderengine.execution.deadlines import Deadlines
from orderengine.execution.engine import Engine
from orderengine.execution.executor import Executor
from orderengine.execution.journal import Journal
from orderengine.execution.memory_store import MemoryEventStore
from orderengine.execution.policy import ExecutionPolicy, backoff, slippage
from orderengine.execution.ports import Clock
from orderengine.execution.queue import MemoryQueue
from orderengine.execution.workers import Workers
from orderengine.market.config import MarketConfig
from orderengine.market.draws import Draws
from orderengine.market.fields import duration_ns
from orderengine.market.latency import LatencyConfig, LatencyModel, latency_model
from orderengine.market.opening import Opening, open_market, opening_of
from orderengine.market.prices import PricePath, drawn_path
from orderengine.market.world import World
from orderengine.model.events import Event
from orderengine.model.instants import parse_rfc3339, rfc3339
from orderengine.model.tokens import token
from orderengine.routing.choose import ROUTERS
from orderengine.settlement.simulated import SimulatedSettlement
from orderengine.storage.snapshots import read_snapshot
from orderengine.study.files import read_latencies, read_prices
from orderengine.study.scenario import EngineConfig, Scenario
from orderengine.venues.simulated import SimulatedPrices, simulated_terms, simulated_venues

__all__ = ["Wired", "build_policy", "build_world", "latency_of", "read_opening", "wire"]

_START = "2026-07-06T16:30:00Z"


class Wired(Struct, frozen=True):
    """Hold the parts of a study that its run needs to touch."""

    world: World
    store: MemoryEventStore
    engine: Engine
    workers: Workers
    deadlines: Deadlines


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


def latency_of(config: LatencyConfig, seed: int, concern: str) -> LatencyModel:
    """Return the drawing function of a latency, reading its file of measurements, if any."""
    measured_ns: tuple[int, ...] = ()
    if config.model == "empirical":
        measured_ns = read_latencies(config.file, config.column)
    return latency_model(config, Draws(seed, concern), measured_ns)


def build_policy(config: EngineConfig) -> ExecutionPolicy:
    """Return the policy that the scenario's engine section says."""
    built_in_retry = backoff(
        config.attempts_max,
        duration_ns("backoff_first", config.backoff_first),
        duration_ns("backoff_longest", config.backoff_longest),
    )
    return ExecutionPolicy(
        router=config.router.resolve("engine.router", ROUTERS),
        retry=config.retry.resolve("engine.retry", {"backoff": built_in_retry}),
        slippage=config.slippage.resolve("engine.slippage", {"fixed": slippage}),
        quote_deadline_ns=duration_ns("quote_deadline", config.quote_deadline),
        route_age_ns_max=duration_ns("route_age_max", config.route_age_max),
        resend_ns=duration_ns("resend", config.resend),
    )


def wire(scenario: Scenario, world: World, clock: Clock, observe: Callable[[Event], None]) -> Wired:
    """Join engine and world by their ports."""
    market, seed = scenario.market, scenario.seed
    prices = SimulatedPrices(world, clock)

    def latency(config: LatencyConfig, concern: str) -> LatencyModel:
        return latency_of(config, seed, concern)

    settlement = SimulatedSettlement.of(
        market, world=world, clock=clock, seed=seed, latency=latency
    )
    store = MemoryEventStore(clock)
    journal = Journal(store, clock, observe)
    queue = MemoryQueue(capacity=scenario.orders)
    executor = Executor(
        clock=clock,
        venues=simulated_venues(market, world=world, clock=clock, seed=seed, latency=latency),
        settlement=settlement,
        prices=prices,
        store=store,
        journal=journal,
        policy=replace(build_policy(scenario.engine), terms=simulated_terms(market.fees, world)),
    )
    workers = Workers(
        queue=queue,
        store=store,
        executor=executor,
        count=min(scenario.engine.workers, scenario.orders),
    )
    deadlines = Deadlines(journal=journal, clock=clock, prices=prices)
    engine = Engine(clock=clock, journal=journal, queue=queue, prices=prices, deadlines=deadlines)
    return Wired(world, store, engine, workers, deadlines)
