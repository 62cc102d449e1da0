"""Do not repeat what others paid for: one test a lesson, where no process is needed to show it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import anyio
import pytest
from anyio.lowlevel import checkpoint
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.execution.ports import IdempotencyKey
from orderengine.execution.reconciler import Reconciler
from orderengine.model.events import AttemptFailed, Confirmed, Event, Failed, Status
from orderengine.model.order import Priority
from tests.execution.fakes import (
    LEASE_NS,
    MS,
    ORDER,
    PRICE_X64,
    SECOND,
    Cluster,
    Desk,
    Fate,
    Script,
    ScriptedVenue,
)

LATE = Script(after_ns=9 * SECOND, send_errors=3)


@pytest.mark.parametrize(
    "cluster",
    [
        pytest.param(lambda: Cluster(LATE, send_ns=10 * SECOND), id="timed-out"),
        pytest.param(lambda: Cluster(LATE), id="refused"),
    ],
)
def test_a_send_that_timed_out_is_not_sent_as_a_new_transaction(
    cluster: Callable[[], Cluster],
) -> None:
    """It had arrived: others signed anew, and both landed. The same bytes go out again."""
    desk = Desk(cluster=cluster())
    end = virtualtime.run(desk.execute)
    assert end.status is Status.CONFIRMED
    assert len(desk.cluster.sent) > 1
    assert {signed.signature for _, signed in desk.cluster.sent} == {"sig-0"}
    assert len(desk.cluster.signed) == len(desk.cluster.landed) == 1
    desk.require_sound()


def test_a_fill_is_booked_once_however_often_the_process_restarts() -> None:
    """Killed at every place once the transaction is out, and taken over: one fill, one fee."""
    for k in count(1):
        desk = Desk(ScriptedVenue("raydium"), cluster=Cluster(Script(after_ns=0)))
        passed = 0

        async def main(desk: Desk = desk, k: int = k) -> None:
            scope = anyio.CancelScope()

            async def kill() -> None:
                nonlocal passed
                passed += bool(desk.cluster.landed)
                if passed == k:
                    scope.cancel()
                    await checkpoint()

            await desk.journal.open(ORDER, PRICE_X64)
            desk.store.point = desk.cluster.point = kill
            with scope:
                await desk.execute()
            for _ in range(3):
                await anyio.sleep(LEASE_NS / 1e9)
                lease = await desk.store.claim(ORDER.order_id, "next")
                if lease is not None:
                    await desk.executor.execute(ORDER.order_id, "next", lease.fence)

        virtualtime.run(main)
        assert sum(isinstance(event, Confirmed) for event in desk.log()) == 1
        assert desk.state().network_fees == 5_000
        desk.require_sound()
        if passed < k:
            assert k > 3, "nothing was killed"
            return


def test_a_wake_up_that_comes_four_times_executes_once() -> None:
    """A queue ran one job four times. Here four workers are woken, and one lease is given."""
    desk = Desk(ScriptedVenue("raydium", latency_ns=100 * MS), count=4)

    async def main() -> None:
        await desk.engine.submit(ORDER)
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            for _ in range(4):
                await desk.queue.put(Priority.NORMAL, ORDER.order_id)
                await anyio.sleep(0.05)
            await anyio.sleep(5)
            await desk.queue.put(Priority.NORMAL, ORDER.order_id)
            await anyio.sleep(5)
            await desk.workers.drain(grace_s=0)

    virtualtime.run(main)
    assert desk.tags() == ["accepted", "claimed", "routed", "submitted", "confirmed"]
    assert desk.workers.claimed == 1
    desk.require_sound()


def test_an_order_whose_wake_up_died_with_its_process_runs() -> None:
    """The key was stored and the wake-up lost; the retry was answered with an order that never ran.

    The answer is the same order, and it does not need the retry: who looks into the store finds it.
    """
    desk = Desk()
    key = IdempotencyKey(user=ORDER.user, key="k", request_sha256="body")

    async def die(priority: Priority, order_id: str) -> None:
        del priority, order_id
        await anyio.sleep_forever()

    async def main() -> None:
        desk.queue.put = die  # type: ignore[method-assign]  # between the two steps
        with anyio.move_on_after(1) as scope:
            await desk.engine.submit(ORDER, key)
        assert scope.cancelled_caught
        desk.reopen_queue()
        workers = desk.hire("next")
        answer = await desk.engine.submit(replace(ORDER, order_id="o-2"), key)
        assert (answer.order_id, answer.status) == (ORDER.order_id, Status.PENDING)
        assert desk.queue.depth(Priority.NORMAL) == 0, "the retry woke somebody"
        async with anyio.create_task_group() as group:
            group.start_soon(Reconciler(desk.store, desk.queue).run)
            group.start_soon(workers.run)
            await anyio.sleep(10)
            group.cancel_scope.cancel()

    virtualtime.run(main)
    assert desk.state().status is Status.CONFIRMED
    assert len(desk.store.logs) == 1


@pytest.mark.parametrize("fate", [Fate.REVERTS, Fate.LAPSES])
def test_failed_is_not_announced_while_another_attempt_follows(fate: Fate) -> None:
    """Who was told ``failed`` traded again, and then the retry succeeded: two positions."""
    desk = Desk(cluster=Cluster(Script(fate), Script(fate), Script()))
    seen: list[Event] = []

    async def follow() -> None:
        seen.extend([event async for event in desk.engine.subscribe(ORDER.order_id)])

    async def main() -> None:
        await desk.engine.submit(ORDER)
        async with anyio.create_task_group() as group:
            group.start_soon(follow)
            group.start_soon(desk.execute)

    virtualtime.run(main)
    assert seen == desk.log()
    assert sum(isinstance(event, AttemptFailed) for event in seen) == 2
    assert not any(isinstance(event, Failed) for event in seen)
    assert {event.status for event in seen if isinstance(event, AttemptFailed)} == {Status.ROUTING}
    assert seen[-1].status is Status.CONFIRMED
