"""Check waking over a real Redis: batches, lanes, and that Redis may go away at any time."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from time import process_time

import anyio
import pytest
from anyio.lowlevel import checkpoint
from msgspec.structs import replace
from saq.job import Job

from orderengine.errors import QueueFull
from orderengine.execution.queue import MemoryQueue
from orderengine.execution.reconciler import Reconciler
from orderengine.execution.workers import Workers
from orderengine.model.order import Priority
from orderengine.service.queue.job_consumer import JobConsumer, LaneQueue
from orderengine.service.queue.redis_queue import RedisQueue, lane_name
from orderengine.service.redis_link import CLIENT_NAME, RedisLink
from tests.execution.fakes import MS, ORDER, PRICE_X64, Cluster, Desk, Script, ScriptedVenue
from tests.servers import RedisServer

URGENT, NORMAL, BULK = Priority.URGENT, Priority.NORMAL, Priority.BULK
WAIT_S = 20.0


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run on asyncio, as the service does."""
    anyio.run(main, backend="asyncio")


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    with anyio.fail_after(WAIT_S):
        while not is_so():  # noqa: ASYNC110  (much of it happens in Redis)
            await anyio.sleep(0.01)


async def take(queue: MemoryQueue, count: int) -> list[str]:
    """Return the next ids of this process's own queue."""
    with anyio.fail_after(WAIT_S):
        return [str(await queue.get()) for _ in range(count)]


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the service said of Redis, without the cause."""
    found = [record for record in caplog.records if record.name == "orderengine.service"]
    return [record.getMessage().partition(":")[0] for record in found]


@pytest.mark.parametrize("batch_max", [1, 100])
def test_every_id_comes_through(redis_server: RedisServer, batch_max: int) -> None:
    """Through jobs of one id or of many, in order, and nothing stays behind in Redis."""
    ids = [f"o-{number}" for number in range(150)]

    async def main() -> None:
        local = MemoryQueue()
        waking = RedisQueue(redis_server.url, batch_max=batch_max)
        async with anyio.create_task_group() as group:
            group.start_soon(waking.run)
            for order_id in ids:
                await waking.put(NORMAL, order_id)
            await until(lambda: waking.depth(NORMAL) == 0)
            jobs = f"saq:{lane_name(NORMAL)}:queued"
            await until(lambda: redis_server.length(jobs) == -(-len(ids) // batch_max))
            group.start_soon(JobConsumer(redis_server.url, local, jobs_max=1).run)
            assert await take(local, len(ids)) == ids
            await anyio.sleep(0.3)
            group.cancel_scope.cancel()

    run(main)
    assert not [name for name in redis_server.keys() if name.startswith("saq:job:")]  # noqa: SIM118
    assert redis_server.connections(CLIENT_NAME) == 0


def test_batches_form_under_load(redis_server: RedisServer) -> None:
    """What comes while a job is being enqueued goes together into the next."""

    async def main() -> None:
        waking = RedisQueue(redis_server.url)
        async with anyio.create_task_group() as group:
            group.start_soon(waking.run)
            for number in range(300):
                await waking.put(NORMAL, f"o-{number}")
                if number % 10 == 0:
                    await checkpoint()
            await until(lambda: waking.depth(NORMAL) == 0)
            await anyio.sleep(0.1)
            group.cancel_scope.cancel()

    run(main)
    assert redis_server.length(f"saq:{lane_name(NORMAL)}:queued") < 100


def test_a_lane_without_room_does_not_block_another(redis_server: RedisServer) -> None:
    """Bulk waits for room in this process; urgent goes past it."""

    async def main() -> None:
        local = MemoryQueue(capacity=5)
        waking = RedisQueue(redis_server.url, batch_max=10)
        async with anyio.create_task_group() as group:
            group.start_soon(waking.run)
            group.start_soon(JobConsumer(redis_server.url, local).run)
            for number in range(200):
                await waking.put(BULK, f"bulk-{number}")
            await until(lambda: local.depth(BULK) == 5)
            await waking.put(URGENT, "urgent")
            await until(lambda: local.depth(URGENT) == 1)
            queued = redis_server.length(f"saq:{lane_name(BULK)}:queued")
            assert queued == 18, "more jobs were taken than two"
            group.cancel_scope.cancel()

    run(main)


def test_a_full_lane_refuses() -> None:
    """What waits here is bounded; an id beyond the bound is dropped, not waited with."""

    async def main() -> None:
        waking = RedisQueue("redis://127.0.0.1:1/0", capacity=2)
        for number in range(3):
            await waking.put(NORMAL, f"o-{number}")
        assert waking.depth(NORMAL) == 2
        with pytest.raises(QueueFull):
            waking.require_room(NORMAL)
        waking.require_room(BULK)
        waking.close()
        await waking.put(BULK, "o-4")
        assert waking.depth(BULK) == 0
        assert await waking.get() is None

    run(main)


def test_putting_while_redis_is_down(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It returns at once, the id is dropped, and what is put after the outage comes through."""

    async def main() -> None:
        local = MemoryQueue()
        waking = RedisQueue(redis_server.url, batch_max=1)
        async with anyio.create_task_group() as group:
            group.start_soon(waking.run)
            await waking.put(NORMAL, "before")
            await until(lambda: waking.depth(NORMAL) == 0)
            redis_server.stop()
            with anyio.fail_after(1):
                for number in range(5):
                    await waking.put(NORMAL, f"lost-{number}")
                waking.require_room(NORMAL)
            await until(lambda: not waking.is_available and waking.depth(NORMAL) == 0)
            await waking.put(NORMAL, "lost, too")
            assert waking.depth(NORMAL) == 0
            redis_server.start()
            await until(lambda: waking.is_available)
            await waking.put(NORMAL, "after")
            group.start_soon(JobConsumer(redis_server.url, local).run)
            assert await take(local, 1) == ["after"]  # ours forgets when it stops
            group.cancel_scope.cancel()

    run(main)
    assert lines(caplog) == ["Redis is lost for waking workers", "Redis is back for waking workers"]


def test_a_consumer_survives_a_restart(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes up its work by itself, and says twice that something happened."""

    async def main() -> None:
        local = MemoryQueue()
        consumer = JobConsumer(redis_server.url, local)
        waking = RedisQueue(redis_server.url)
        async with anyio.create_task_group() as group:
            group.start_soon(waking.run)
            group.start_soon(consumer.run)
            await waking.put(NORMAL, "before")
            assert await take(local, 1) == ["before"]
            redis_server.stop()
            await until(lambda: not (consumer.is_available or waking.is_available))
            redis_server.start()
            await until(lambda: consumer.is_available and waking.is_available)
            await waking.put(URGENT, "after")
            assert await take(local, 1) == ["after"]
            group.cancel_scope.cancel()

    caplog.set_level(logging.WARNING)
    run(main)
    said = Counter(lines(caplog))
    assert said == {
        f"Redis is {state} for {role}": 1
        for state in ("lost", "back")
        for role in ("waking workers", "taking wake-ups")
    }
    assert {record.name for record in caplog.records} == {"orderengine.service"}


def test_nothing_spins_while_redis_is_down(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage of two seconds costs next to no CPU and no log; SAQ alone burns a core."""

    async def main() -> float:
        waking = RedisQueue(redis_server.url)
        consumer = JobConsumer(redis_server.url, MemoryQueue())
        async with anyio.create_task_group() as group:
            group.start_soon(waking.run)
            group.start_soon(consumer.run)
            await anyio.sleep(0.3)
            redis_server.stop()
            await until(lambda: not (consumer.is_available or waking.is_available))
            caplog.clear()
            before_s = process_time()
            for number in range(100):
                await waking.put(NORMAL, f"o-{number}")
                await anyio.sleep(0.02)
            used_s = process_time() - before_s
            assert caplog.records == []
            group.cancel_scope.cancel()
        return used_s

    caplog.set_level(logging.INFO)
    assert anyio.run(main, backend="asyncio") < 0.5


def test_a_redis_that_hangs_counts_as_lost(redis_server: RedisServer) -> None:
    """Its connections stay open and nothing comes back: time limits tell, and nobody waits."""

    async def main() -> None:
        local = MemoryQueue()
        waking = RedisQueue(redis_server.url)
        consumer = JobConsumer(redis_server.url, local)
        async with anyio.create_task_group() as group:
            group.start_soon(waking.run)
            group.start_soon(consumer.run)
            await waking.put(NORMAL, "before")
            assert await take(local, 1) == ["before"]
            redis_server.freeze()
            try:
                with anyio.fail_after(0.5):
                    await waking.put(NORMAL, "during")
                await until(lambda: not (consumer.is_available or waking.is_available))
            finally:
                redis_server.thaw()
            await until(lambda: consumer.is_available and waking.is_available)
            await waking.put(NORMAL, "after")
            taken = [""]
            while taken[-1] != "after":  # which others come, or come again, nobody can know
                taken += await take(local, 1)
            assert set(taken) <= {"", "before", "during", "after"}
            group.cancel_scope.cancel()

    run(main)


def test_both_start_without_redis(redis_server: RedisServer) -> None:
    """Redis may come after us."""

    async def main() -> None:
        local = MemoryQueue()
        waking = RedisQueue(redis_server.url)
        consumer = JobConsumer(redis_server.url, local)
        redis_server.stop()
        async with anyio.create_task_group() as group:
            group.start_soon(waking.run)
            group.start_soon(consumer.run)
            await until(lambda: not (consumer.is_available or waking.is_available))
            redis_server.start()
            await until(lambda: consumer.is_available and waking.is_available)
            await waking.put(BULK, "o-1")
            assert await take(local, 1) == ["o-1"]
            group.cancel_scope.cancel()

    run(main)


def test_a_wiped_redis_loses_only_wake_ups(redis_server: RedisServer) -> None:
    """What was queued is gone; what comes next is taken as ever."""

    async def main() -> None:
        local = MemoryQueue()
        waking = RedisQueue(redis_server.url)
        async with anyio.create_task_group() as group:
            group.start_soon(waking.run)
            await waking.put(NORMAL, "wiped")
            jobs = f"saq:{lane_name(NORMAL)}:queued"
            await until(lambda: redis_server.length(jobs) == 1)
            redis_server.flushall()
            group.start_soon(JobConsumer(redis_server.url, local).run)
            await anyio.sleep(0.3)
            redis_server.flushall()
            await waking.put(NORMAL, "next")
            assert await take(local, 1) == ["next"]
            group.cancel_scope.cancel()

    run(main)


def test_what_a_stopped_consumer_has_at_hand_goes_back(redis_server: RedisServer) -> None:
    """A process that stops while its queue is full leaves the job to the next one."""

    async def main() -> None:
        full, free = MemoryQueue(capacity=1), MemoryQueue()
        await full.put(NORMAL, "other")
        waking = RedisQueue(redis_server.url)
        async with anyio.create_task_group() as group:
            group.start_soon(waking.run)
            async with anyio.create_task_group() as first:
                first.start_soon(JobConsumer(redis_server.url, full).run)
                await waking.put(NORMAL, "o-1")
                active = f"saq:{lane_name(NORMAL)}:active"
                await until(lambda: redis_server.length(active) == 1)
                await anyio.sleep(0.2)
                first.cancel_scope.cancel()
            group.start_soon(JobConsumer(redis_server.url, free).run)
            assert await take(free, 1) == ["o-1"]
            group.cancel_scope.cancel()

    run(main)


def test_a_draining_process_leaves_wake_ups_to_others(redis_server: RedisServer) -> None:
    """Once its own queue is closed it takes no job, and another process has them all."""

    async def main() -> None:
        closed, open_ = MemoryQueue(), MemoryQueue()
        closed.close()
        waking = RedisQueue(redis_server.url, batch_max=1)
        async with anyio.create_task_group() as group:
            group.start_soon(waking.run)
            group.start_soon(JobConsumer(redis_server.url, closed).run)
            await until(lambda: redis_server.connections(CLIENT_NAME) >= 2)
            for number in range(50):
                await waking.put(NORMAL, f"o-{number}")
            jobs = f"saq:{lane_name(NORMAL)}:queued"
            await until(lambda: redis_server.length(jobs) == 50)
            group.start_soon(JobConsumer(redis_server.url, open_).run)
            assert len(await take(open_, 50)) == 50
            group.cancel_scope.cancel()

    run(main)


def test_a_job_whose_worker_was_killed_is_woken_again(redis_server: RedisServer) -> None:
    """SAQ's sweep finds it, without SAQ's listener, which would spin in an outage."""
    waiting, at_hand = (f"saq:{lane_name(NORMAL)}:{state}" for state in ("queued", "active"))

    async def listen() -> None:
        pytest.fail("a listener was started")

    async def main() -> None:
        waking = RedisQueue(redis_server.url)
        link = RedisLink(redis_server.url, "sweeping")
        lane = LaneQueue(link, NORMAL)
        lane._pubsub.start = listen  # type: ignore[method-assign]
        async with anyio.create_task_group() as group:
            group.start_soon(waking.run)
            await waking.put(NORMAL, "o-1")
            assert await lane.dequeue(timeout=5) is not None  # and nothing more is heard of it
            assert [redis_server.length(name) for name in (waiting, at_hand)] == [0, 1]
            await lane.sweep(abort=0.1)
            assert [redis_server.length(name) for name in (waiting, at_hand)] == [1, 0]
            await link.close()
            group.cancel_scope.cancel()

    run(main)


def test_a_job_that_goes_while_it_is_swept_is_no_error(redis_server: RedisServer) -> None:
    """It has ended, or Redis was wiped, between two of the sweep's questions."""

    async def main() -> None:
        waking = RedisQueue(redis_server.url)
        link = RedisLink(redis_server.url, "sweeping")
        lane = LaneQueue(link, NORMAL)
        asked: list[str] = []

        async def abort(job: Job, error: str, ttl: float = 5) -> None:
            asked.append(f"{job.key} {error} {ttl}")
            redis_server.flushall()

        lane.abort = abort  # type: ignore[method-assign]
        async with anyio.create_task_group() as group:
            group.start_soon(waking.run)
            await waking.put(NORMAL, "o-1")
            assert await lane.dequeue(timeout=5) is not None
            assert await lane.sweep(abort=0.1) == []
            assert len(asked) == 1
            assert link.is_available
            await link.close()
            group.cancel_scope.cancel()

    run(main)


def test_orders_end_once_though_redis_goes_away(redis_server: RedisServer) -> None:
    """Two hundred orders, Redis stopped amid them: accepting goes on, and each ends once."""
    count = 200

    async def main() -> None:
        desk = Desk(
            ScriptedVenue("raydium", latency_ns=20 * MS), cluster=Cluster(Script(after_ns=50 * MS))
        )
        waking, local = RedisQueue(redis_server.url, batch_max=10), MemoryQueue(capacity=32)
        workers = Workers(
            queue=local, store=desk.store, executor=desk.executor, count=16, renew_s=1.0
        )
        lanes = list(Priority)
        async with anyio.create_task_group() as group:
            for task in (
                waking.run,
                JobConsumer(redis_server.url, local).run,
                Reconciler(desk.store, local, period_s=0.2).run,
                workers.run,
            ):
                group.start_soon(task)
            for number in range(count):
                order = replace(ORDER, order_id=f"o-{number}", priority=lanes[number % 3])
                waking.require_room(order.priority)
                await desk.journal.open(order, PRICE_X64)
                await waking.put(order.priority, order.order_id)
                await anyio.sleep(0.005)
                if number == count // 3:
                    redis_server.stop()
                if number == 2 * count // 3:
                    redis_server.start()
            await until(lambda: all(log[-1].status.is_terminal for log in desk.store.logs))
            group.cancel_scope.cancel()
        assert len(desk.store.logs) == count
        assert len(desk.cluster.landed) == count
        desk.require_sound()

    run(main)
