"""Run a plan of faults over a fleet under traffic, until all is calm and every order has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic

from msgspec import Struct

from tests.chaos.evidence import Evidence, gather
from tests.chaos.faults import Faults
from tests.chaos.fleet import Fleet, open_fleet, running_servers
from tests.chaos.habits import USERS
from tests.chaos.plan import APIS, Fault
from tests.chaos.record import Record
from tests.chaos.traffic import GREEDY, Traffic
from tests.servers import PostgresServer, RedisServer

__all__ = ["CALM_S_MAX", "storm"]

CALM_S_MAX = 30.0
"""Every order must have ended so long after the last fault."""
_HEAR_S_MAX = 15.0
"""How much longer clients may take to hear of it."""
_ORDERS_A_SECOND_MIN = 20
"""A run that accepts fewer is stuck."""
_START_S = 90.0


class _Scale(Struct, frozen=True):
    seed: int
    orders: int


def storm(
    plan: tuple[Fault, ...],
    *,
    seed: int,
    orders: int,
    folder: Path,
    tell: Callable[[Record, Fleet], None],
) -> Evidence:
    """Do all of a plan while clients send so many orders; return what is known in the end.

    Args:
        plan: the faults.
        seed: of what clients do.
        orders: how many they send.
        folder: takes the processes' logs.
        tell: called about twice a second with what has been seen.
    """
    with running_servers() as (redis, postgres):
        return asyncio.run(_storm(plan, _Scale(seed, orders), folder, (redis, postgres), tell))


async def _storm(
    plan: tuple[Fault, ...],
    scale: _Scale,
    folder: Path,
    servers: tuple[RedisServer, PostgresServer],
    tell: Callable[[Record, Fleet], None],
) -> Evidence:
    record = Record()
    async with open_fleet(folder, *servers, record) as fleet:
        names = (*USERS, GREEDY)
        keys = dict(zip(names, await asyncio.gather(*map(fleet.key_of, names)), strict=True))
        traffic = Traffic(scale.seed, scale.orders, fleet.api_urls, keys, record)
        try:
            async with _beside(fleet, traffic, record, tell):
                async with asyncio.timeout(_START_S + scale.orders / _ORDERS_A_SECOND_MIN):
                    trading = asyncio.create_task(traffic.run())
                    try:
                        await Faults(fleet, traffic, record, keys).run(plan)
                        await _until_all_ended(fleet, record, trading)
                    finally:
                        trading.cancel()
                        with suppress(asyncio.CancelledError):
                            await trading
            urls = fleet.api_urls
        except TimeoutError:
            done = f"{traffic.accepted} of {scale.orders} orders, {len(record.faults)} faults"
            record.mishaps.append(f"the run was stuck at {done}")
            record.calm_s = record.over_s = monotonic()
            await asyncio.to_thread(_mend, *servers)
            urls = {}  # nobody knows how the APIs are
        finally:
            traffic.close()
        database = fleet.servers.database
        return await gather(database, urls, keys, fleet.operator_key, record)


def _mend(redis: RedisServer, postgres: PostgresServer) -> None:
    """Let both answer again, whatever was being done to them."""
    for server in (redis, postgres):
        server.thaw()
        server.start()


async def _until_all_ended(fleet: Fleet, record: Record, trading: asyncio.Task[None]) -> None:
    """Wait until no order is open and every client has heard of it, or for as long as they may."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CALM_S_MAX + _HEAR_S_MAX):
            await asyncio.shield(trading)
            while await asyncio.to_thread(_open_orders, fleet):  # noqa: ASYNC110  (SQL tells nobody)
                await asyncio.sleep(0.2)
    record.over_s = monotonic()


def _open_orders(fleet: Fleet) -> int:
    query = "SELECT count(*) FROM orders WHERE is_open"
    return int(fleet.servers.postgres.execute(query, fleet.servers.database)[0][0])


@asynccontextmanager
async def _beside(
    fleet: Fleet, traffic: Traffic, record: Record, tell: Callable[[Record, Fleet], None]
) -> AsyncIterator[None]:
    """Watch the processes, and listen to every user's orders on every API."""

    async def report() -> None:
        while True:
            tell(record, fleet)
            await asyncio.sleep(0.5)

    tasks = [asyncio.create_task(fleet.watch()), asyncio.create_task(report())]
    for user in USERS:
        tasks += [asyncio.create_task(traffic.hear_all(user, api)) for api in APIS]
    try:
        yield
    finally:
        for task in tasks:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
