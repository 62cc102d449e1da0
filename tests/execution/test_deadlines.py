"""Deadlines hold for orders that nobody is looking at."""

from __future__ import annotations

import anyio
import pytest
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.errors import Unavailable
from orderengine.model.events import Status
from tests.execution.fakes import MS, ORDER, SECOND, START_NS, Cluster, Desk, Script, ScriptedVenue


def test_orders_that_wait_in_a_lane_expire_on_time() -> None:
    """No worker runs; each order ends at its own deadline, whatever the order of submission."""
    desk = Desk()
    after_ms = (700, 300, None, 300, 900)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.deadlines.run)
            for number, after in enumerate(after_ms):
                due = None if after is None else START_NS + after * MS
                await desk.engine.submit(replace(ORDER, order_id=f"o-{number}", deadline_ns=due))
            await anyio.sleep(0.5)
            await desk.engine.submit(
                replace(ORDER, order_id="late", deadline_ns=START_NS + 600 * MS)
            )
            await anyio.sleep(10)
            group.cancel_scope.cancel()

    virtualtime.run(main)
    for number, after in enumerate(after_ms):
        last = desk.log(f"o-{number}")[-1]
        if after is None:
            assert last.status is Status.PENDING
        else:
            assert (last.status, last.at_ns) == (Status.EXPIRED, START_NS + after * MS)
    assert desk.log("late")[-1].at_ns == START_NS + 600 * MS


@pytest.mark.parametrize("latency_ms", [200, 699, 700, 701])
def test_an_order_at_a_worker_expires_once(latency_ms: int) -> None:
    """The worker and the watch meet at the deadline: one of them writes the end."""
    desk = Desk(ScriptedVenue("slow", latency_ns=latency_ms * MS), cluster=Cluster(sign_ns=SECOND))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.deadlines.run)
            group.start_soon(desk.workers.run)
            await desk.engine.submit(replace(ORDER, deadline_ns=START_NS + 700 * MS))
            await anyio.sleep(30)
            await desk.workers.drain(grace_s=1)
            group.cancel_scope.cancel()

    virtualtime.run(main)
    ends = [event for event in desk.log() if event.status.is_terminal]
    assert [(end.status, end.at_ns) for end in ends] == [(Status.EXPIRED, START_NS + 700 * MS)]
    assert desk.cluster.sent == []


def test_a_live_signature_is_left_alone() -> None:
    """What is out may land after the deadline, and then the order is filled."""
    desk = Desk(cluster=Cluster(Script(after_ns=5 * SECOND)))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.deadlines.run)
            group.start_soon(desk.workers.run)
            await desk.engine.submit(replace(ORDER, deadline_ns=START_NS + SECOND))
            await anyio.sleep(30)
            await desk.workers.drain(grace_s=1)
            group.cancel_scope.cancel()

    virtualtime.run(main)
    assert desk.log()[-1].status is Status.CONFIRMED


def test_a_store_that_is_away_delays_the_end_only() -> None:
    """The watch goes on, and the order expires once the store answers again."""
    desk = Desk()
    away = [Unavailable("locked")] * 3

    async def failing() -> None:
        if away and desk.log():
            raise away.pop()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.deadlines.run)
            await desk.engine.submit(replace(ORDER, deadline_ns=START_NS + SECOND))
            desk.store.point = failing
            await anyio.sleep(10)
            group.cancel_scope.cancel()

    virtualtime.run(main)
    assert not away
    assert desk.log()[-1].status is Status.EXPIRED
    assert desk.log()[-1].at_ns > START_NS + SECOND
