"""Check the workers: one execution an order, no more at once than allowed, and a clean way out."""

from __future__ import annotations

import anyio
import pytest
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.execution.workers import Workers
from orderengine.model.events import Claimed, Status
from orderengine.model.order import Order, Priority
from tests.execution.fakes import (
    MS,
    ORDER,
    PRICE_X64,
    SECOND,
    Cluster,
    Desk,
    Script,
    ScriptedVenue,
    soon,
)

NORMAL = Priority.NORMAL


def orders(number: int) -> list[Order]:
    """Return orders that differ by their id."""
    return [replace(ORDER, order_id=f"o-{index}") for index in range(number)]


async def _submit_all(desk: Desk, number: int) -> None:
    for order in orders(number):
        await desk.engine.submit(order)


def test_every_order_that_was_submitted_ends() -> None:
    """A few workers carry many orders, one after the other."""
    desk = Desk(count=3)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await _submit_all(desk, 20)
            await anyio.sleep(10)
            await desk.workers.drain(grace_s=0)

    virtualtime.run(main)
    assert len(desk.store.logs) == 20
    desk.require_sound()


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_orders_are_at_hand_than_workers(workers: int) -> None:
    """Each order takes a second and a half; n workers take n at once."""
    desk = Desk(
        ScriptedVenue("raydium", latency_ns=SECOND),
        cluster=Cluster(Script(after_ns=500 * MS)),
        count=workers,
    )

    async def main() -> list[int]:
        at_hand = []
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await _submit_all(desk, 6)
            for _ in range(30):
                await anyio.sleep(0.4)
                states = [desk.state(log[0].order_id) for log in desk.store.logs]
                at_hand.append(
                    sum(
                        not state.is_terminal and state.status is not Status.PENDING
                        for state in states
                    )
                )
            await desk.workers.drain(grace_s=0)
        return at_hand

    at_hand = virtualtime.run(main)
    assert max(at_hand) == workers
    assert at_hand[-1] == 0
    desk.require_sound()


def test_urgent_orders_go_first() -> None:
    """With one worker, the lane decides."""
    desk = Desk(count=1)

    async def main() -> None:
        for order in orders(3):
            await desk.engine.submit(replace(order, priority=Priority.BULK))
        await desk.engine.submit(replace(ORDER, order_id="o-now", priority=Priority.URGENT))
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await anyio.sleep(10)
            await desk.workers.drain(grace_s=0)

    virtualtime.run(main)
    claims = [event.order_id for event in desk.observed if isinstance(event, Claimed)]
    assert claims == ["o-now", "o-0", "o-1", "o-2"]


def test_a_duplicate_wake_up_executes_once() -> None:
    """Before, while and after the order is executed, by one worker or several."""
    venue = ScriptedVenue("raydium", latency_ns=100 * MS)
    desk = Desk(venue, count=4)

    async def main() -> None:
        await desk.engine.submit(ORDER)
        await desk.queue.put(NORMAL, ORDER.order_id)
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            for _ in range(20):
                await anyio.sleep(0.05)
                await desk.queue.put(NORMAL, ORDER.order_id)
            await anyio.sleep(5)
            await desk.workers.drain(grace_s=0)

    virtualtime.run(main)
    assert desk.tags() == ["accepted", "claimed", "routed", "submitted", "confirmed"]
    assert venue.asked == [1]
    assert len(desk.cluster.sent) == 1


def test_a_wake_up_of_an_unknown_order_is_dropped() -> None:
    """One that comes after the order was pruned stops nobody."""
    desk = Desk(count=1)

    async def main() -> None:
        await desk.queue.put(NORMAL, "o-gone")
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await desk.engine.submit(ORDER)
            await anyio.sleep(5)
            await desk.workers.drain(grace_s=0)

    virtualtime.run(main)
    desk.require_sound()


def test_workers_sign_with_their_names() -> None:
    """The log tells who took an order up."""
    desk = Desk(ScriptedVenue("raydium", latency_ns=SECOND), count=2)
    team = desk.hire("east")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(team.run)
            await _submit_all(desk, 2)
            await anyio.sleep(5)
            await team.drain(grace_s=0)

    virtualtime.run(main)
    names = [event.worker for event in desk.observed if isinstance(event, Claimed)]
    assert sorted(names) == ["east-0", "east-1"]


def test_a_lost_lease_stops_nobody() -> None:
    """The worker that was overtaken goes on with the next order."""
    desk = Desk(cluster=Cluster(sign_ns=10 * SECOND), count=1)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await desk.engine.submit(ORDER)
            await anyio.sleep(5)
            fence = await desk.store.claim(ORDER.order_id, "other")
            assert fence is not None
            await desk.engine.submit(replace(ORDER, order_id="o-2"))
            await anyio.sleep(7)  # the first worker has lost the order by now
            assert desk.state().status is Status.BUILDING
            desk.cluster._sign_ns = 0
            await desk.executor.execute(ORDER.order_id, "other", fence)
            await anyio.sleep(20)
            await desk.workers.drain(grace_s=0)

    virtualtime.run(main)
    assert {log[-1].status for log in desk.store.logs} == {Status.CONFIRMED}
    desk.require_sound()


def test_a_bug_stops_the_workers_and_frees_the_order() -> None:
    """Our own mistake is heard at once; the order is not held until its lease runs out."""
    desk = Desk(ScriptedVenue("broken", ZeroDivisionError()), lease_ns=None)

    async def main() -> None:
        await desk.engine.submit(ORDER)
        with pytest.raises(ExceptionGroup) as stopped:
            await desk.workers.run()
        assert stopped.group_contains(ZeroDivisionError)
        assert await desk.store.claim(ORDER.order_id, "next") is not None

    virtualtime.run(main)


async def _slow_team(desk: Desk, group: anyio.abc.TaskGroup) -> Workers:
    """Start workers on two of four orders that take a second each."""
    group.start_soon(desk.workers.run)
    await _submit_all(desk, 4)
    await soon()
    await anyio.sleep(0.1)
    return desk.workers


def _slow_desk() -> Desk:
    return Desk(ScriptedVenue("raydium", latency_ns=SECOND), count=2, lease_ns=None)


def test_drain_lets_orders_at_hand_end() -> None:
    """Within the grace they end; those not taken stay open, for another to find."""
    desk = _slow_desk()

    async def main() -> int:
        async with anyio.create_task_group() as group:
            workers = await _slow_team(desk, group)
            await workers.drain(grace_s=30)
        return virtualtime.now_ns()

    ended_at_ns = virtualtime.run(main)
    assert [log[-1].status for log in desk.store.logs] == [
        Status.CONFIRMED,
        Status.CONFIRMED,
        Status.PENDING,
        Status.PENDING,
    ]
    assert ended_at_ns == 1_400 * MS
    desk.require_sound(is_over=False)


def test_drain_hands_back_what_does_not_end_in_time() -> None:
    """After the grace the lease is released at once, and the next worker goes on from the log."""
    desk = _slow_desk()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            workers = await _slow_team(desk, group)
            await workers.drain(grace_s=0.3)
        assert virtualtime.now_ns() == 400 * MS
        statuses = [log[-1].status for log in desk.store.logs]
        assert statuses == [Status.ROUTING, Status.ROUTING, Status.PENDING, Status.PENDING]
        for order in orders(4):
            fence = await desk.store.claim(order.order_id, "next")
            assert fence is not None
            await desk.executor.execute(order.order_id, "next", fence)

    virtualtime.run(main)
    assert desk.tags("o-0")[:3] == ["accepted", "claimed", "routed"]
    desk.require_sound()


def test_drain_hands_back_a_live_signature() -> None:
    """Work that is submitted is settled by the next worker: never a second signature."""
    desk = Desk(cluster=Cluster(Script(after_ns=5 * SECOND)), lease_ns=None)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await desk.engine.submit(ORDER)
            await anyio.sleep(1)
            await desk.workers.drain(grace_s=1)
        assert desk.state().status is Status.SUBMITTED
        await desk.execute(worker="next")

    virtualtime.run(main)
    assert len(desk.cluster.signed) == 1
    desk.require_sound()


def test_idle_workers_drain_at_once() -> None:
    """Nothing at hand, nothing to wait for."""
    desk = Desk()

    async def main() -> int:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await soon()
            await desk.workers.drain(grace_s=100)
        return virtualtime.now_ns()

    assert virtualtime.run(main) == 0


def test_workers_that_never_ran_drain_at_once() -> None:
    """And when they run after all they take nothing."""
    desk = Desk()

    async def main() -> None:
        await desk.engine.submit(ORDER)
        await desk.workers.drain(grace_s=100)
        await desk.workers.run()

    virtualtime.run(main)
    assert desk.tags() == ["accepted"]


def test_draining_twice_is_draining_once() -> None:
    """A second signal changes nothing."""
    desk = _slow_desk()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            workers = await _slow_team(desk, group)
            group.start_soon(workers.drain, 10)
            await soon()
            await workers.drain(grace_s=10)
            await workers.drain(grace_s=10)

    virtualtime.run(main)
    assert [log[-1].status.is_terminal for log in desk.store.logs] == [True, True, False, False]


def test_cancelled_workers_free_their_orders() -> None:
    """However they are stopped, no lease stays behind."""
    desk = _slow_desk()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            await _slow_team(desk, group)
            group.cancel_scope.cancel()
        for order in orders(4):
            assert await desk.store.claim(order.order_id, "next") is not None

    virtualtime.run(main)


def test_an_order_that_another_engine_accepted_is_executed() -> None:
    """The log and a wake-up are enough."""
    desk = Desk()

    async def main() -> None:
        await desk.journal.open(ORDER, PRICE_X64)
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await desk.queue.put(NORMAL, ORDER.order_id)
            await anyio.sleep(5)
            await desk.workers.drain(grace_s=0)

    virtualtime.run(main)
    desk.require_sound()
