"""Check when a process says that it should not be sent requests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import httpx
import pytest

from orderengine import virtualtime
from orderengine.execution.halt import TradingHalt
from orderengine.model.order import Priority
from orderengine.service.operations.heartbeat import Process, Vitals
from orderengine.service.operations.instruments import Instruments
from orderengine.service.operations.readiness import Grade, Readiness, judged, readiness
from orderengine.service.operations.standing import Standing
from orderengine.storage.database import Database, Lane
from tests.execution.fakes import VirtualClock
from tests.servers import RedisServer
from tests.service.test_app import ended, submit
from tests.service.test_processes import fleet, server, until


def _worker(progress_age_s: float | None, age_s: float = 0.5) -> Process:
    vitals = Vitals(
        roles=("worker",),
        version="1",
        host="h",
        pid=1,
        started_at="then",
        progress_age_s=progress_age_s,
    )
    return Process(name="w", age_s=age_s, vitals=vitals)


@pytest.mark.parametrize(
    ("working", "waits_s", "grade"),
    [
        ([], 0, Grade.FINE),
        ([], 4.9, Grade.FINE),
        ([], 5.1, Grade.UNFIT),
        ([_worker(None)], 29, Grade.FINE),
        ([_worker(None)], 31, Grade.POOR),
        ([_worker(40)], 31, Grade.POOR),
        ([_worker(29, 2)], 31, Grade.POOR),
        ([_worker(40), _worker(1)], 1_000, Grade.FINE),
    ],
)
def test_workers_are_judged_by_what_waits(
    working: list[Process], waits_s: float, grade: Grade
) -> None:
    """No worker matters once an order waits for one; no progress, once one waits for long."""
    instruments = cast("Instruments", SimpleNamespace(halt=TradingHalt()))
    assert judged(working, waits_s, instruments).grade is grade
    instruments.halt.set(is_paused=True)
    assert judged(working, waits_s, instruments).grade is Grade.FINE


class _Database:
    """Answer, or hang from a date on."""

    def __init__(self, hangs_from_s: float = 1e9) -> None:
        self._hangs_from_s = hangs_from_s
        self.asked = 0
        self.orders = self.operations = self

    async def _answer(self) -> None:
        self.asked += 1
        if anyio.current_time() >= self._hangs_from_s:
            await anyio.sleep_forever()

    async def position(self) -> None:
        """Answer."""
        await self._answer()

    async def beats(self) -> list[Any]:
        """Answer that there is nobody."""
        await self._answer()
        return []

    async def lanes(self) -> Mapping[Priority, Lane]:
        """Answer that nothing waits."""
        await self._answer()
        return {lane: Lane(waiting=0, oldest_ns=None, held=0) for lane in Priority}

    async def takeovers(self) -> int:
        """Answer that there was none."""
        return 0


def _instruments(database: _Database) -> Any:
    standing = Standing(cast("Database", database))
    return SimpleNamespace(
        halt=TradingHalt(), is_draining=False, is_redis_up=None, standing=standing
    )


def test_a_database_that_hangs_is_noticed_within_two_seconds() -> None:
    """The answer itself comes within a second, for all who ask at once."""
    instruments = _instruments(_Database(hangs_from_s=10))

    async def main() -> list[Readiness]:
        assert (await readiness(instruments, VirtualClock())).grade is Grade.FINE
        await anyio.sleep(10)
        began, found = anyio.current_time(), list[Readiness]()

        async def ask() -> None:
            found.append(await readiness(instruments, VirtualClock()))
            assert anyio.current_time() - began <= 1

        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(ask)
        return found

    found = virtualtime.run(main)
    assert {each.grade for each in found} == {Grade.UNFIT}
    assert found[0].trouble == "store: the database does not answer"


def test_a_crowd_of_balancers_costs_the_database_little() -> None:
    """A hundred questions a second are a few for it."""
    database = _Database()
    instruments = _instruments(database)

    async def main() -> None:
        for _ in range(1_000):
            await readiness(instruments, VirtualClock())
            await anyio.sleep(0.01)

    virtualtime.run(main)
    assert database.asked <= 10 * (4 + 2 + 1) + 10


@pytest.mark.parametrize(
    ("changes", "name"), [({"is_draining": True}, "process"), ({"is_redis_up": False}, "queue")]
)
def test_what_stands_in_the_way_is_named(changes: dict[str, Any], name: str) -> None:
    """By the thing that is not as it should be."""
    instruments = _instruments(_Database())
    vars(instruments).update(changes)

    async def main() -> Readiness:
        return await readiness(instruments, VirtualClock())

    found = virtualtime.run(main)
    assert found.grade in {Grade.LOST, Grade.UNFIT}
    assert found.trouble.startswith(f"{name}: ")


@pytest.mark.parametrize("how", ["stop", "freeze"])
def test_redis_goes_and_readiness_with_it(
    tmp_path: Path, redis_server: RedisServer, how: str
) -> None:
    """Also if it only hangs; orders are accepted and end meanwhile."""
    with (
        fleet(tmp_path, redis_server, "serve", "work") as processes,
        httpx.Client(base_url=server(processes).url, timeout=10) as http,
    ):

        def is_ready() -> bool:
            return http.get("/health/ready").status_code == 200

        until(is_ready, "ready with Redis")
        try:
            redis_server.stop() if how == "stop" else redis_server.freeze()
            until(lambda: not is_ready(), "not ready without Redis")
            answer = http.get("/health/ready")
            assert answer.headers["content-type"] == "application/problem+json"
            assert (answer.json()["code"], answer.json()["status"]) == ("NOT_READY", 503)
            assert "redis is down" in answer.json()["checks"]["queue"]
            told = http.get("/health/ready", params={"degraded": "ok"})
            assert (told.status_code, told.json()["status"]) == (200, "degraded")
            assert http.get("/health/live").status_code == 200
            assert ended(http, submit(http))["status"] == "confirmed"
        finally:
            redis_server.start() if how == "stop" else redis_server.thaw()
        until(is_ready, "ready with Redis again")
