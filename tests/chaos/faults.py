"""Do the faults of a plan to a fleet, each in its own time, and note what they did."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from secrets import token_hex
from signal import SIGCONT, SIGSTOP
from time import monotonic

import asyncpg
import httpx
import redis.asyncio
from saq.queue.redis import RedisQueue as SaqQueue

from orderengine.errors import Unavailable
from orderengine.market.draws import Draws
from orderengine.model.order import Priority
from orderengine.service.queue.redis_queue import JOB, lane_name
from orderengine.storage.opening import open_database
from tests.chaos.fleet import Fleet
from tests.chaos.habits import USERS
from tests.chaos.holder import hold
from tests.chaos.plan import WORKERS, Fault
from tests.chaos.record import FaultSeen, Record, Stream
from tests.chaos.sockets import freeze_one
from tests.chaos.traffic import Traffic
from tests.service.serving import Process

__all__ = ["Faults"]

_AT_ONCE = 5
"""Faults that are open or wait for their target."""
_FLOOD = 250
_READY_S = 0.05
_WOKEN_OPEN, _WOKEN_ENDED, _WOKEN_UNKNOWN = 300, 100, 20
_AGAIN_S = 0.1
_CALM_S_MAX = 30.0


class Faults:
    """Do what a plan says; faults of one target wait for one another, all others overlap."""

    def __init__(
        self, fleet: Fleet, traffic: Traffic, record: Record, keys: dict[str, str]
    ) -> None:
        self._fleet = fleet
        self._traffic = traffic
        self._record = record
        self._keys = keys
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._acts: dict[str, Callable[[Fault, FaultSeen], Awaitable[None]]] = {
            "kill9_api": self._kill,
            "kill9_worker": self._kill,
            "kill9_workers": self._kill_workers,
            "stop_api": self._stop,
            "stop_worker": self._stop,
            "sigterm_api": self._terminate,
            "sigterm_worker": self._terminate,
            "redis_flushall": self._flush,
            "redis_restart": self._redis_away,
            "redis_outage": self._redis_away,
            "redis_freeze": self._redis_freeze,
            "postgres_crash": self._postgres_crash,
            "postgres_terminate": self._postgres_terminate,
            "postgres_freeze": self._postgres_freeze,
            "duplicate_delivery": self._deliver_again,
            "sockets_cut": self._cut_clients,
            "frozen_reader": self._freeze_readers,
            "proxy_delay": self._delay,
            "proxy_cut": self._cut,
            "proxy_blackhole": self._black_hole,
            "proxy_partition": self._partition,
            "clients_delay": self._delay_clients,
            "pause_resume": self._pause,
            "flood": self._flood,
            "stale_holder": self._hold_beyond,
        }

    async def run(self, plan: tuple[Fault, ...]) -> None:
        """Do all of it, each when so many orders have been accepted; return when all are healed.

        Clients hold while too many faults are open, so that none comes when they are done.
        """
        room = asyncio.Semaphore(_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for fault in plan:
                await self._traffic.until_accepted(fault.at_orders)
                self._traffic.hold()
                await room.acquire()
                self._traffic.go()
                group.create_task(self._do(fault, room))
        self._record.calm_s = monotonic()

    async def _do(self, fault: Fault, room: asyncio.Semaphore) -> None:
        try:
            await self._do_alone(fault)
        finally:
            room.release()

    async def _do_alone(self, fault: Fault) -> None:
        async with self._locks[_what(fault)]:
            seen = FaultSeen(
                number=fault.number,
                kind=fault.kind,
                target=fault.target,
                began_s=monotonic(),
                open_orders=len(self._record.accepted_s) - len(self._record.ended_s),
            )
            self._record.faults.append(seen)
            await self._acts[fault.kind](fault, seen)
            seen.healed_s = monotonic()

    async def _kill(self, fault: Fault, seen: FaultSeen) -> None:
        await self._fleet.end(fault.target, Process.kill)
        await _pause(fault)
        await self._fleet.begin(fault.target)

    async def _kill_workers(self, fault: Fault, seen: FaultSeen) -> None:
        async with self._locks[WORKERS[0]], self._locks[WORKERS[1]]:
            await asyncio.gather(*(self._fleet.end(name, Process.kill) for name in WORKERS))
            await _pause(fault)
            await asyncio.gather(*(self._fleet.begin(name) for name in WORKERS))

    async def _stop(self, fault: Fault, seen: FaultSeen) -> None:
        process = self._fleet.process(fault.target)
        process.tell(SIGSTOP)
        try:
            await _pause(fault)
        finally:
            process.tell(SIGCONT)

    async def _terminate(self, fault: Fault, seen: FaultSeen) -> None:
        ending = asyncio.create_task(self._fleet.end(fault.target, Process.stop))
        if fault.kind == "sigterm_api":
            url = f"{self._fleet.direct_url(fault.target)}/health/ready?degraded=ok"
            async with httpx.AsyncClient(timeout=2, trust_env=False) as http:
                while not ending.done():
                    try:
                        seen.ready.append((await http.get(url)).status_code)
                    except httpx.TransportError:
                        seen.ready.append(0)
                    await asyncio.sleep(_READY_S)
        seen.exit_code = await ending
        await _pause(fault)
        await self._fleet.begin(fault.target)

    async def _flush(self, fault: Fault, seen: FaultSeen) -> None:
        await asyncio.to_thread(self._fleet.servers.redis.flushall)

    async def _redis_away(self, fault: Fault, seen: FaultSeen) -> None:
        await asyncio.to_thread(self._fleet.servers.redis.stop)
        await _pause(fault)
        await asyncio.to_thread(self._fleet.servers.redis.start)

    async def _redis_freeze(self, fault: Fault, seen: FaultSeen) -> None:
        self._fleet.servers.redis.freeze()
        try:
            await _pause(fault)
        finally:
            self._fleet.servers.redis.thaw()

    async def _postgres_crash(self, fault: Fault, seen: FaultSeen) -> None:
        await asyncio.to_thread(self._fleet.servers.postgres.stop)
        await _pause(fault)
        await asyncio.to_thread(self._fleet.servers.postgres.start)

    async def _postgres_terminate(self, fault: Fault, seen: FaultSeen) -> None:
        ended = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"""
        await asyncio.to_thread(self._fleet.servers.postgres.execute, ended)

    async def _postgres_freeze(self, fault: Fault, seen: FaultSeen) -> None:
        self._fleet.servers.postgres.freeze()
        try:
            await _pause(fault)
        finally:
            self._fleet.servers.postgres.thaw()

    async def _deliver_again(self, fault: Fault, seen: FaultSeen) -> None:
        """Give ids to the real lanes: thrice, in another order each time, on any lane."""
        query = """(SELECT order_id, is_open, fence FROM orders WHERE is_open LIMIT {})
            UNION ALL (SELECT order_id, is_open, fence FROM orders WHERE NOT is_open
            ORDER BY number DESC LIMIT {})"""
        rows = await self._query(query.format(_WOKEN_OPEN, _WOKEN_ENDED))
        seen.woken = {row["order_id"]: row["fence"] for row in rows if not row["is_open"]}
        ids = [row["order_id"] for row in rows]
        ids += [token_hex(16) for _ in range(_WOKEN_UNKNOWN)]
        draws = Draws(fault.number, "chaos/deliveries")
        client = redis.asyncio.Redis.from_url(self._fleet.servers.redis.url, socket_timeout=5)
        with suppress(redis.RedisError):
            for turn in range(3):
                shuffled = sorted(range(len(ids)), key=lambda n, turn=turn: draws.u64(n, turn))  # type: ignore[misc]
                for first in range(0, len(ids), 50):
                    part = [ids[n] for n in shuffled[first : first + 50]]
                    lane = list(Priority)[draws.u64(first, turn) % 3]
                    queue = SaqQueue(client, lane_name(lane))
                    await queue.enqueue(JOB, order_ids=part, timeout=60, retries=1, ttl=-1)
                    seen.deliveries += len(part)
        await client.aclose()

    async def _cut_clients(self, fault: Fault, seen: FaultSeen) -> None:
        await self._fleet.links.cut(f"clients/{fault.target}")

    async def _freeze_readers(self, fault: Fault, seen: FaultSeen) -> None:
        url, for_s = self._fleet.api_urls[fault.target], fault.for_ms / 1e3
        async with asyncio.TaskGroup() as group:
            for user in USERS:
                stream = Stream(user=user, api=fault.target)
                reading = freeze_one(stream, url, self._keys[user], self._record, for_s)
                group.create_task(reading)

    async def _delay(self, fault: Fault, seen: FaultSeen) -> None:
        both = _links(fault)
        await self._fleet.links.delay(*both, ms=20 + fault.for_ms % 80)
        await _pause(fault)
        await self._fleet.links.delay(*both, ms=0)

    async def _delay_clients(self, fault: Fault, seen: FaultSeen) -> None:
        name = f"clients/{fault.target}"
        await self._fleet.links.delay(name, ms=20 + fault.for_ms % 80)
        await _pause(fault)
        await self._fleet.links.delay(name, ms=0)

    async def _cut(self, fault: Fault, seen: FaultSeen) -> None:
        await self._fleet.links.cut(*_links(fault))

    async def _black_hole(self, fault: Fault, seen: FaultSeen) -> None:
        name = f"{fault.target}/postgres"
        await self._fleet.links.hold(name)
        await _pause(fault)
        await self._fleet.links.free(name)

    async def _partition(self, fault: Fault, seen: FaultSeen) -> None:
        both = _links(fault)
        await self._fleet.links.hold(*both)
        await _pause(fault)
        await self._fleet.links.cut(*both)

    async def _pause(self, fault: Fault, seen: FaultSeen) -> None:
        await self._command("pause", "--reason", "chaos")
        await _pause(fault)
        await self._command("resume")

    async def _command(self, *arguments: str) -> None:
        """Run a command until it is done: the database may be away meanwhile."""
        async with asyncio.timeout(_CALM_S_MAX):
            while True:
                with suppress(RuntimeError):
                    await self._fleet.command(*arguments)
                    return

    async def _flood(self, fault: Fault, seen: FaultSeen) -> None:
        await self._traffic.flood(fault.number, _FLOOD)

    async def _hold_beyond(self, fault: Fault, seen: FaultSeen) -> None:
        """Be a worker that stops: let leases run out, let another take them, then try to write.

        Again from the beginning where the database goes away in between.
        """
        until_s = monotonic() + _CALM_S_MAX
        while not seen.stale and monotonic() < until_s:
            with suppress(Unavailable):
                async with open_database(self._fleet.servers.database) as database:
                    seen.stale += await hold(database.orders, fault.for_ms / 1e3)
            await asyncio.sleep(_AGAIN_S)

    async def _query(self, query: str, *values: object) -> list[asyncpg.Record]:
        """Ask PostgreSQL, again while it is away."""
        async with asyncio.timeout(_CALM_S_MAX):
            while True:
                try:
                    connection = await asyncpg.connect(self._fleet.servers.database, timeout=2)
                    try:
                        return list(await connection.fetch(query, *values, timeout=5))
                    finally:
                        await connection.close(timeout=2)
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                    await asyncio.sleep(_AGAIN_S)


def _what(fault: Fault) -> str:
    """Return what must not be spoilt in two ways at once."""
    if fault.kind.startswith("proxy_"):
        return f"{fault.target}/links"
    if fault.kind in ("clients_delay", "sockets_cut"):
        return f"clients/{fault.target}"
    if fault.kind in ("frozen_reader", "duplicate_delivery"):
        return fault.kind
    return fault.target


def _links(fault: Fault) -> tuple[str, str]:
    return f"{fault.target}/redis", f"{fault.target}/postgres"


async def _pause(fault: Fault) -> None:
    await asyncio.sleep(fault.for_ms / 1e3)
