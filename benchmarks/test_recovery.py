"""Measure how long the orders of a worker that is killed stand still until another goes on.

One API, two workers, PostgreSQL that waits for its disk, Redis; profile ``solana-fast``. Before
each kill some orders are placed at once; then a worker that holds some of them is killed (SIGKILL)
and started again. For each order that it held the time is taken from the kill to the date of the
order's next event, whoever writes it. A lease lasts 3 s and is looked for every half second.
"""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from orderengine.model.instants import parse_rfc3339
from orderengine.storage.opening import upgrade_database
from tests.servers import postgres_programs, running_postgres, running_redis
from tests.service.serving import Process, serving

KILLS = int(os.environ.get("ORDERENGINE_BENCH_KILLS", "50"))
AT_ONCE = 60
HELD_MIN = 5
_WAIT_S_MAX = 30.0
_SWAP = {"sell": "SOL", "buy": "USDC", "amount": "1500000000"}

_HELD = """SELECT o.order_id, o.seq FROM orders o JOIN events e
    ON e.order_id = o.order_id AND e.type = 'claimed'
    WHERE o.is_open AND o.fence = 1 AND o.lease_until_ms > now_ms() AND e.body LIKE $1"""
_NEXT = """SELECT e.order_id, e.body::jsonb ->> 'at' AS at FROM events e
    JOIN unnest($1::text[], $2::bigint[]) AS k (order_id, seq)
    ON e.order_id = k.order_id AND e.seq = k.seq + 1"""


class Workers:
    """Hold two workers, and start each again at once when it was killed."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._folder = folder
        self._env = env
        self._made = 0
        self.running = [self._begin(), self._begin()]

    def _begin(self) -> Process:
        self._made += 1
        process = Process(self._folder, "work", name=f"work-{self._made}", **self._env)
        process.wait_for("working: ")
        return process

    def kill(self, index: int) -> int:
        """Kill one; return the date at which it was dead."""
        self.running[index].kill()
        return time.time_ns()

    def begin(self, index: int) -> None:
        """Start one in the place of one that was killed."""
        self.running[index] = self._begin()

    def end(self) -> None:
        """Kill both."""
        for process in self.running:
            process.kill()


async def _place(http: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(http.post("/execute", json=_SWAP) for _ in range(AT_ONCE)))
    assert all(answer.status_code == 202 for answer in answers)


async def _one_kill(
    db: asyncpg.Connection, http: httpx.AsyncClient, workers: Workers, index: int
) -> list[float]:
    """Kill a worker in the middle of its work; return how long each of its orders stood still."""
    like = f"%-{workers.running[index].pid}-%"
    async with asyncio.timeout(_WAIT_S_MAX):
        while True:
            placing = asyncio.create_task(_place(http))
            # SQL tells nobody: it has to be asked.
            while not placing.done() and len(await db.fetch(_HELD, like)) < HELD_MIN:  # noqa: ASYNC110
                await asyncio.sleep(0)
            killed_ns = await asyncio.to_thread(workers.kill, index)
            beginning = asyncio.create_task(asyncio.to_thread(workers.begin, index))
            await placing
            held = {row["order_id"]: row["seq"] for row in await db.fetch(_HELD, like)}
            if held:
                break
            await beginning
            like = f"%-{workers.running[index].pid}-%"
    stood: dict[str, float] = {}
    async with asyncio.timeout(_WAIT_S_MAX):
        while len(stood) < len(held):
            for row in await db.fetch(_NEXT, list(held), list(held.values())):
                stood[row["order_id"]] = (parse_rfc3339(row["at"]) - killed_ns) / 1e9
            await asyncio.sleep(0.05)
    await beginning
    return list(stood.values())


async def _all_kills(database: str, url: str, workers: Workers) -> list[list[float]]:
    db = await asyncpg.connect(database)
    try:
        async with httpx.AsyncClient(base_url=url, timeout=20, trust_env=False) as http:
            found = [await _one_kill(db, http, workers, kill % 2) for kill in range(KILLS)]
            async with asyncio.timeout(_WAIT_S_MAX):
                while await db.fetchval(  # noqa: ASYNC110  (as above)
                    "SELECT count(*) FROM orders WHERE is_open"
                ):
                    await asyncio.sleep(0.1)
            return found
    finally:
        await db.close()


def _at(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 3)


@pytest.mark.benchmark(group="recovery")
@pytest.mark.timeout(1_200)
def test_orders_of_a_killed_worker(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """From kill -9 to the next event of every order that it held."""
    programs = next(iter(postgres_programs()), None)
    rounds: list[list[float]] = []
    with ExitStack() as stack:
        redis = stack.enter_context(running_redis("--maxclients", "1000"))
        postgres = stack.enter_context(running_postgres(programs=programs))
        database = postgres.create_database()
        asyncio.run(_upgrade(database))
        env = {
            "DATABASE_URL": database,
            "REDIS_URL": redis.url,
            "ORDERENGINE_SIM_PROFILE": "solana-fast",
        }
        api = stack.enter_context(serving(tmp_path, **env, ORDERENGINE_WORKERS="0"))
        workers = Workers(tmp_path, env)
        stack.callback(workers.end)

        def kill_all() -> None:
            rounds.extend(asyncio.run(_all_kills(database, api.url, workers)))

        benchmark.pedantic(kill_all, rounds=1, iterations=1)  # type: ignore[no-untyped-call]
    benchmark.extra_info.update(_figures(rounds))
    sys.stdout.write(f"{_figures(rounds)}\n")


async def _upgrade(database: str) -> None:
    await upgrade_database(database)


def _figures(rounds: list[list[float]]) -> dict[str, Any]:
    orders = [seconds for found in rounds for seconds in found]
    last = [max(found) for found in rounds]
    return {
        "kills": len(rounds),
        "orders": len(orders),
        "order_s": {"p50": _at(orders, 0.5), "p99": _at(orders, 0.99), "max": max(orders)},
        "last_order_of_a_kill_s": {"p50": _at(last, 0.5), "p99": _at(last, 0.99), "max": max(last)},
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
