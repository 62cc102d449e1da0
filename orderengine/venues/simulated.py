"""Quote orders on the pools of the simulated world, and hand the pools out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from orderengine.errors import Rejected, WrongPair
from orderengine.execution.policy import TermsPolicy
from orderengine.execution.ports import Clock, Reading
from orderengine.execution.priority_fee import UnitPriceOf
from orderengine.market.config import FeeConfig, MarketConfig
from orderengine.market.draws import Draws, key_of
from orderengine.market.fees import COMPUTE_UNITS, Fees
from orderengine.market.latency import LatencyModel, LatencyOf
from orderengine.market.transactions import require_room
from orderengine.market.world import World
from orderengine.model.order import Declined, Mode, Order, Priority, Quote
from orderengine.pools import Pool, direction_of
from orderengine.routing.request import Costs, Terms

__all__ = [
    "SimulatedFees",
    "SimulatedPrices",
    "SimulatedVenue",
    "one_pool_an_order",
    "simulated_terms",
    "simulated_venues",
]


class SimulatedPrices:
    """Implement the ``PriceFeed`` port: the world's outside price, known at once and exactly."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock

    def reference_price_x64(self, sell: str, buy: str) -> int:
        """Return the outside price for a seller of ``sell``; raises ``InvalidRequest``."""
        self._world.advance(self._clock.now_ns())
        return self._world.reference_price_x64(sell, buy)


class SimulatedFees:
    """Implement the ``FeeFeed`` port: what the world's recent blocks took, known at once."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock

    def recent_unit_price(self, percentile: int) -> int:
        """Return a percentile of micro-lamports a unit; 0 where the world has no fee market."""
        self._world.advance(self._clock.now_ns())
        return self._world.recent_unit_price(percentile)


class SimulatedVenue:
    """Implement the ``Venue`` port over the world's pools of one program.

    The latency passes first and the pools are read at its end; the way back to the engine is part
    of the build latency.

    Args:
        name: the program.
        pools: addresses of its pools.
        world: the world.
        clock: the date.
        latency: from asking to reading, by order key and attempt.
        network_fees: what a swap here costs, in lamports.
        fee_of: what it costs for an order's attempt, in the place of ``network_fees``.
        only: the one pool that quotes an order, by order key; None for all.
        is_immediate: whether the latency is always 0.
    """

    def __init__(  # noqa: PLR0913  (wired once, by name)
        self,
        name: str,
        pools: Sequence[str],
        *,
        world: World,
        clock: Clock,
        latency: LatencyModel,
        network_fees: Mapping[Priority, int],
        fee_of: Callable[[Order, int], int] | None = None,
        only: Callable[[int], str] | None = None,
        is_immediate: bool = False,
    ) -> None:
        self._name = name
        self._pools = dict.fromkeys(pools)
        self._world = world
        self._clock = clock
        self._latency = latency
        self._network_fees = network_fees
        self._fee_of = fee_of
        self._only = only
        self._is_immediate = is_immediate

    @property
    def name(self) -> str:
        """The program's name."""
        return self._name

    @property
    def is_immediate(self) -> bool:
        """Whether no answer takes any time."""
        return self._is_immediate

    async def quote(
        self, order: Order, attempt: int, until_ns: int
    ) -> Sequence[Quote | Declined] | None:
        """Return a quote or a reason for each pool, from the state at the end of the latency."""
        key = key_of(order.order_id)
        addresses = self._asked(key)
        if not addresses:
            return ()
        read_ns = self._clock.now_ns() + self._latency(key, attempt)
        await self._clock.sleep_until(min(read_ns, until_ns))
        return self._quotes(order, attempt, addresses, read_ns) if read_ns <= until_ns else None

    async def read(self, order: Order, attempt: int, until_ns: int) -> Reading | None:
        """Return the pools as they are at the end of the latency, the same as that of ``quote``."""
        key, world = key_of(order.order_id), self._world
        addresses = self._asked(key)
        if not addresses:
            return Reading((), world.slot)
        read_ns = self._clock.now_ns() + self._latency(key, attempt)
        await self._clock.sleep_until(min(read_ns, until_ns))
        if read_ns > until_ns:
            return None
        world.advance(read_ns)
        return Reading(tuple([world.pools[name] for name in addresses]), world.slot)

    def _asked(self, key: int) -> Collection[str]:
        """Return the addresses of the pools that answer for an order."""
        if self._only is None:
            return self._pools
        only = self._only(key)
        return (only,) if only in self._pools else ()

    def _quotes(
        self, order: Order, attempt: int, addresses: Iterable[str], now_ns: int
    ) -> Sequence[Quote | Declined]:
        world = self._world
        world.advance(now_ns)
        cost = self._network_cost(order, attempt)
        now_s = now_ns // 1_000_000_000
        return [self._quote(order, world.pools[name], cost, now_s) for name in addresses]

    def _network_cost(self, order: Order, attempt: int) -> int:
        """Return the network's fee in the token that varies, rounded up."""
        fee_of = self._fee_of
        fee = self._network_fees[order.priority] if fee_of is None else fee_of(order, attempt)
        return -(-fee * _lamport_x64(self._world, order) // 2**64) if fee else 0

    def _quote(self, order: Order, pool: Pool, cost: int, now_s: int) -> Quote | Declined:
        try:
            direction = direction_of(pool, order.sell, order.buy)
            if order.mode is Mode.EXACT_IN:
                swap = pool.swap_exact_in(direction, order.amount, now_s)
            else:
                swap = pool.swap_exact_out(direction, order.amount, now_s)
            require_room(pool, direction, swap.amount_in)
        except (Rejected, WrongPair) as error:
            return Declined(venue=self._name, pool=pool.address, code=error.code, reason=str(error))
        return Quote(
            venue=self._name,
            pool=pool.address,
            amount_in=swap.amount_in,
            amount_out=swap.amount_out,
            fee_in=swap.fee_in,
            fee_out=swap.fee_out,
            network_cost=cost,
            slot=self._world.slot,
        )


def _lamport_x64(world: World, order: Order) -> int:
    """Return what a lamport is worth in the token that varies, Q64.64, rounded down."""
    varies = order.buy if order.mode is Mode.EXACT_IN else order.sell
    return 2**64 if varies == "SOL" else world.reference_price_x64("SOL", varies)


def simulated_terms(
    config: FeeConfig, world: World, unit_price: UnitPriceOf | None = None
) -> TermsPolicy:
    """Return the terms under which a strategy routes: the fees, at the outside price of SOL.

    Args:
        config: the fees.
        world: has the price.
        unit_price: what an attempt pays, in the place of the fixed prices by priority.
    """
    fees = Fees(config)
    is_free = unit_price is None and not any(
        getattr(config, name) for name in config.__struct_fields__
    )

    def terms(order: Order, attempt: int) -> Terms:
        if is_free:
            return Terms(is_one_transaction=True)
        price = None if unit_price is None else unit_price(order, attempt)
        costs = Costs(
            signature_lamports=config.signature_lamports,
            unit_price=fees.unit_price(order.priority) if price is None else price,
            lamport_price_x64=_lamport_x64(world, order),
        )
        return Terms(costs=costs, is_one_transaction=True)

    return terms


def one_pool_an_order(pools: Sequence[str], draws: Draws) -> Callable[[int], str]:
    """Return an ``only`` under which each order is quoted by one pool, drawn for it."""
    count = len(pools)
    return lambda key: pools[draws.u64(key) % count]


def _fee_of(venue: str, fees: Fees, unit_price: UnitPriceOf) -> Callable[[Order, int], int]:
    """Return what a swap at a venue costs for an order's attempt, in lamports."""
    units = COMPUTE_UNITS[venue]

    def fee_of(order: Order, attempt: int) -> int:
        price = unit_price(order, attempt)
        return fees.fee_at(fees.unit_price(order.priority) if price is None else price, units)

    return fee_of


def simulated_venues(
    market: MarketConfig,
    *,
    world: World,
    clock: Clock,
    seed: int,
    latency: LatencyOf,
    unit_price: UnitPriceOf | None = None,
) -> list[SimulatedVenue]:
    """Return one venue a program, in the order in which the world's pools first name it."""
    pools = list(world.pools.values())
    names, fees = [pool.address for pool in pools], Fees(market.fees)
    only = None
    if market.quote_pools == "one":
        only = one_pool_an_order(names, Draws(seed, "quote/pool"))
    return [
        SimulatedVenue(
            venue,
            [pool.address for pool in pools if pool.venue == venue],
            world=world,
            clock=clock,
            latency=latency(market.quote_latency, f"latency/quote/{venue}"),
            network_fees={
                priority: fees.network_fee(priority, COMPUTE_UNITS[venue]) for priority in Priority
            },
            fee_of=None if unit_price is None else _fee_of(venue, fees, unit_price),
            only=only,
            is_immediate=market.quote_latency.is_none,
        )
        for venue in dict.fromkeys(pool.venue for pool in pools)
    ]
