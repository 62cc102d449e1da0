"""Check the reconciler: whatever became of a wake-up, an open order is taken up again."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.errors import Unavailable
from orderengine.execution.ports import EventStore, Lease, OpenOrder
from orderengine.execution.queue import MemoryQueue
from orderengine.execution.reconciler import Reconciler
from orderengine.model.events import Claimed, Status
from orderengine.model.order import Priority
from tests.execution.fakes import (
    LEASE_NS,
    MS,
    ORDER,
    PRICE_X64,
    SECOND,
    Cluster,
    Desk,
    Script,
    ScriptedVenue,
)

NORMAL, BULK = Priority.NORMAL, Priority.BULK


async def _open(desk: Desk, number: int, priority: Priority = NORMAL) -> list[str]:
    """Accept orders of which nobody is told; return their ids."""
    ids = [f"{priority}-{index}" for index in range(number)]
    for order_id in ids:
        await desk.journal.open(replace(ORDER, order_id=order_id, priority=priority), PRICE_X64)
    return ids


async def _work(desk: Desk, for_s: float) -> None:
    """Let the workers and the reconciler run for a while."""
    async with anyio.create_task_group() as group:
        group.start_soon(desk.workers.run)
        group.start_soon(Reconciler(desk.store, desk.queue).run)
        await anyio.sleep(for_s)
        group.cancel_scope.cancel()


def test_orders_whose_wake_ups_were_lost_end() -> None:
    """All of them, once, though nobody was ever woken for them."""
    desk = Desk(count=3)

    async def main() -> None:
        await _open(desk, 20)
        await _work(desk, 10)

    virtualtime.run(main)
    assert len(desk.store.logs) == 20
    desk.require_sound()


@pytest.mark.parametrize("lease_ns", [LEASE_NS, 10 * SECOND])
def test_an_order_whose_worker_died_is_taken_up_when_its_lease_ends(lease_ns: int) -> None:
    """Not before, and at most one period after."""
    desk = Desk(lease_ns=lease_ns)

    async def main() -> None:
        await desk.journal.open(ORDER, PRICE_X64)
        assert await desk.store.claim(ORDER.order_id, "dead") == Lease(1, 0)
        await _work(desk, 15)

    virtualtime.run(main)
    claimed_ns = [event.at_ns for event in desk.observed if isinstance(event, Claimed)]
    accepted_ns = desk.observed[0].at_ns
    assert len(claimed_ns) == 1
    assert lease_ns <= claimed_ns[0] - accepted_ns <= lease_ns + SECOND // 2
    desk.require_sound()


def test_a_dead_workers_transaction_is_settled_not_made_again() -> None:
    """Its signature is out: the next worker waits for its fate."""
    desk = Desk(cluster=Cluster(Script(after_ns=2 * SECOND)))

    async def main() -> None:
        with anyio.move_on_after(1):
            await desk.execute(worker="dead")  # its lease is not given back
        assert desk.state().status is Status.SUBMITTED
        await _work(desk, 10)

    virtualtime.run(main)
    assert len(desk.cluster.signed) == 1
    desk.require_sound()


def test_an_order_that_was_released_is_taken_up() -> None:
    """Workers that drained handed it back; the next ones find it within a period."""
    desk = Desk(ScriptedVenue("raydium", latency_ns=SECOND), lease_ns=None)

    async def main() -> None:
        await desk.engine.submit(ORDER)
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await anyio.sleep(0.5)
            await desk.workers.drain(grace_s=0)
        desk.reopen_queue()
        desk.workers = desk.hire("next")
        await _work(desk, 5)

    virtualtime.run(main)
    assert desk.state().status is Status.CONFIRMED
    desk.require_sound()


def test_orders_at_hand_are_left_alone() -> None:
    """What is leased or has ended wakes nobody."""
    desk = Desk()

    async def main() -> None:
        ids = await _open(desk, 3)
        assert await desk.store.claim(ids[0], "w") == Lease(1, 0)
        await desk.engine.cancel(ids[1])
        await Reconciler(desk.store, desk.queue).once()
        assert desk.queue.depth(NORMAL) == 1
        assert await desk.queue.get() == ids[2]

    virtualtime.run(main)


def test_looking_again_adds_nothing() -> None:
    """At start-up it may run any number of times."""
    desk = Desk()

    async def main() -> None:
        await _open(desk, 5)
        for _ in range(10):
            await Reconciler(desk.store, desk.queue).once()
        assert desk.queue.depth(NORMAL) == 5

    virtualtime.run(main)


def test_it_takes_no_more_than_there_is_room_for() -> None:
    """A full lane is left for later and does not keep others from theirs; nobody waits."""
    desk = Desk(capacity=4)

    async def main() -> None:
        ids = await _open(desk, 10)
        bulk = await _open(desk, 2, BULK)
        with anyio.fail_after(1):
            await Reconciler(desk.store, desk.queue).once()
        assert virtualtime.now_ns() == 0
        assert [desk.queue.depth(lane) for lane in (NORMAL, BULK)] == [4, 2]
        taken = [await desk.queue.get() for _ in range(6)]
        assert sorted(filter(None, taken)) == sorted([*ids[:4], *bulk])

    virtualtime.run(main)


def test_the_limit_prefers_the_urgent_and_the_old() -> None:
    """One look asks for so many only."""
    desk = Desk()

    async def main() -> None:
        await _open(desk, 3, BULK)
        await _open(desk, 3)
        await Reconciler(desk.store, desk.queue, limit=4).once()
        assert [desk.queue.depth(lane) for lane in (NORMAL, BULK)] == [3, 1]

    virtualtime.run(main)


class _ShakyStore:
    """Be unavailable for the first looks."""

    def __init__(self, failures: int) -> None:
        self._failures = failures
        self.looks: list[int] = []

    async def claimable(self, limit: int) -> Sequence[OpenOrder]:
        """Fail, or find nothing."""
        assert limit == 1_000
        self.looks.append(virtualtime.now_ns() // MS)
        if len(self.looks) <= self._failures:
            raise Unavailable("the database is away")
        return ()


def test_an_unavailable_store_is_waited_out() -> None:
    """Looks become rarer, down to one in five seconds, and as frequent as before afterwards."""
    store = _ShakyStore(failures=5)

    async def main() -> None:
        with anyio.move_on_after(17.6):
            await Reconciler(_as_store(store), MemoryQueue()).run()

    virtualtime.run(main)
    assert store.looks == [0, 1_000, 3_000, 7_000, 12_000, 17_000, 17_500]


def test_looking_once_says_that_the_store_is_unavailable() -> None:
    """Whoever starts up decides what that means."""

    async def main() -> None:
        with pytest.raises(Unavailable):
            await Reconciler(_as_store(_ShakyStore(failures=1)), MemoryQueue()).once()

    virtualtime.run(main)


def _as_store(store: _ShakyStore) -> EventStore:
    return store  # type: ignore[return-value]  # the reconciler asks one thing only
