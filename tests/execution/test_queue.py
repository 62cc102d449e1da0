"""Check the wake-up queue: lanes share, nobody is forgotten, nothing is lost."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import QueueFull
from orderengine.execution.queue import MemoryQueue
from orderengine.model.order import Priority
from tests.execution.conftest import Run
from tests.execution.fakes import soon

URGENT, NORMAL, BULK = Priority.URGENT, Priority.NORMAL, Priority.BULK


async def _fill(queue: MemoryQueue, lane: Priority, count: int) -> None:
    for number in range(count):
        await queue.put(lane, f"{lane}-{number}")


async def _drain(queue: MemoryQueue, count: int) -> list[str]:
    taken = [await queue.get() for _ in range(count)]
    return [order_id for order_id in taken if order_id is not None]


def test_full_lanes_share_thirteen_two_one(run: Run) -> None:
    """Of any sixteen in a row, urgent has thirteen, normal two, bulk one."""

    async def main() -> list[str]:
        queue = MemoryQueue()
        for lane in (BULK, NORMAL, URGENT):
            await _fill(queue, lane, 100)
        return [order_id.split("-")[0] for order_id in await _drain(queue, 64)]

    taken = run(main)
    for start in range(48):
        counts = Counter(islice(taken, start, start + 16))
        assert counts == {"urgent": 13, "normal": 2, "bulk": 1}


@pytest.mark.parametrize(
    ("lanes", "shares"),
    [
        ((URGENT, NORMAL), {"urgent": 14, "normal": 2}),
        ((URGENT, BULK), {"urgent": 15, "bulk": 1}),
        ((NORMAL, BULK), {"normal": 15, "bulk": 1}),
        ((BULK,), {"bulk": 16}),
    ],
    ids=str,
)
def test_an_empty_lane_leaves_its_turns(
    run: Run, lanes: tuple[Priority, ...], shares: dict[str, int]
) -> None:
    """Turns of an empty lane go to the most urgent that waits."""

    async def main() -> list[str]:
        queue = MemoryQueue()
        for lane in lanes:
            await _fill(queue, lane, 16)
        return [order_id.split("-")[0] for order_id in await _drain(queue, 16)]

    assert Counter(run(main)) == shares


@given(st.lists(st.sampled_from(Priority), max_size=60))
def test_a_lane_is_first_in_first_out_and_loses_nothing(run: Run, lanes: list[Priority]) -> None:
    """Whatever the mixture, each lane's ids come out in the order they went in."""

    async def main() -> list[str]:
        queue = MemoryQueue()
        for number, lane in enumerate(lanes):
            await queue.put(lane, f"{lane}-{number}")
        return await _drain(queue, len(lanes))

    taken = run(main)
    for lane in Priority:
        put = [f"{lane}-{number}" for number, given_ in enumerate(lanes) if given_ is lane]
        assert [order_id for order_id in taken if order_id.startswith(lane)] == put


def test_a_lane_is_bounded(run: Run) -> None:
    """A full lane refuses, names itself and its bound, and the other lanes have room."""

    async def main() -> None:
        queue = MemoryQueue(capacity=2)
        await _fill(queue, URGENT, 2)
        with pytest.raises(QueueFull) as refused:
            queue.require_room(URGENT)
        assert (refused.value.lane, refused.value.capacity) == ("urgent", 2)
        queue.require_room(NORMAL)
        assert [queue.depth(lane) for lane in (URGENT, NORMAL, BULK)] == [2, 0, 0]
        await queue.get()
        queue.require_room(URGENT)

    run(main)


def test_putting_into_a_full_lane_waits_for_room(run: Run) -> None:
    """The bound holds while writers wait, and every waiting id comes through in turn."""

    async def main() -> list[str]:
        queue = MemoryQueue(capacity=1)
        taken = []
        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(queue.put, NORMAL, f"n-{number}")
            await soon()
            while queue.depth(NORMAL):
                assert queue.depth(NORMAL) == 1
                taken += await _drain(queue, 1)
                await soon()
        return taken

    assert run(main) == ["n-0", "n-1", "n-2", "n-3"]


def test_getting_waits_for_an_id(run: Run) -> None:
    """An empty queue hands out what comes later, to those who waited first."""

    async def main() -> list[tuple[str, str | None]]:
        queue = MemoryQueue()
        taken: list[tuple[str, str | None]] = []

        async def take(name: str) -> None:
            taken.append((name, await queue.get()))

        async with anyio.create_task_group() as group:
            for name in "abc":
                group.start_soon(take, name)
                await soon()
            for number in range(3):
                await anyio.sleep(0.001)
                await queue.put(BULK, f"b-{number}")
                await soon()
        return taken

    assert run(main) == [("a", "b-0"), ("b", "b-1"), ("c", "b-2")]


@pytest.mark.parametrize("waiters", [0, 2])
@pytest.mark.parametrize("is_woken_first", [True, False])
def test_a_cancelled_getter_loses_no_id(run: Run, waiters: int, *, is_woken_first: bool) -> None:
    """Cancelled in the moment it is woken, before or after, it takes the id or passes it on."""

    async def main() -> None:
        queue = MemoryQueue()
        taken: list[str | None] = []
        doomed = anyio.CancelScope()

        async def take(scope: anyio.CancelScope) -> None:
            with scope:
                taken.append(await queue.get())

        async with anyio.create_task_group() as group:
            group.start_soon(take, doomed)
            await soon()
            for _ in range(waiters):
                group.start_soon(take, anyio.CancelScope())
                await soon()
            if not is_woken_first:
                doomed.cancel()
            await queue.put(NORMAL, "n-0")
            doomed.cancel()
            await soon()
            if not taken and not waiters:
                taken.append(await queue.get())
            assert taken == ["n-0"]
            group.cancel_scope.cancel()

    run(main)


@pytest.mark.parametrize("is_woken_first", [True, False])
def test_a_cancelled_putter_loses_no_room(run: Run, *, is_woken_first: bool) -> None:
    """Room that was offered to a writer who leaves is used by it or by the next one."""

    async def main() -> None:
        queue = MemoryQueue(capacity=1)
        await queue.put(NORMAL, "n-0")
        doomed = anyio.CancelScope()
        done: list[str] = []

        async def put(order_id: str, scope: anyio.CancelScope) -> None:
            with scope:
                await queue.put(NORMAL, order_id)
                done.append(order_id)

        async with anyio.create_task_group() as group:
            group.start_soon(put, "n-1", doomed)
            await soon()
            group.start_soon(put, "n-2", anyio.CancelScope())
            await soon()
            if not is_woken_first:
                doomed.cancel()
            assert await queue.get() == "n-0"
            doomed.cancel()
            await soon()
            taken = []
            while queue.depth(NORMAL):
                taken += await _drain(queue, 1)
                await soon()
        assert taken == done
        assert taken[-1] == "n-2"

    run(main)


def test_a_cancelled_waiter_is_forgotten(run: Run) -> None:
    """One who leaves before being woken takes no wake-up along."""

    async def main() -> None:
        queue = MemoryQueue()
        with anyio.move_on_after(0.01):
            await queue.get()
        await queue.put(NORMAL, "n-0")
        assert await queue.get() == "n-0"

    run(main)


def test_closing_ends_every_get(run: Run) -> None:
    """Those who wait and those who come later hear None; what was not handed out stays inside."""

    async def main() -> None:
        queue = MemoryQueue()
        taken: list[str | None] = []

        async def take() -> None:
            taken.append(await queue.get())

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(take)
            await soon()
            queue.close()
        assert taken == [None, None, None]
        await queue.put(NORMAL, "n-0")
        assert await queue.get() is None

    run(main)


def test_closing_frees_those_who_wait_for_room(run: Run) -> None:
    """Nobody will make room any more: the writer goes on, and its order stays in the store."""

    async def main() -> None:
        queue = MemoryQueue(capacity=1)
        await queue.put(NORMAL, "n-0")
        async with anyio.create_task_group() as group:
            group.start_soon(queue.put, NORMAL, "n-1")
            await soon()
            queue.close()
        await queue.put(NORMAL, "n-2")
        assert queue.depth(NORMAL) == 1

    run(main)


@given(st.lists(st.sampled_from(["get", "put", "cancel"]), max_size=40), st.integers(1, 3))
def test_under_cancellation_every_id_comes_out_once(
    run: Run, steps: list[str], capacity: int
) -> None:
    """Readers and writers come, wait and are cancelled: each id that went in comes out once."""

    async def main() -> None:
        queue = MemoryQueue(capacity)
        put: list[str] = []
        taken: list[str | None] = []
        scopes: list[anyio.CancelScope] = []

        async def write(order_id: str, scope: anyio.CancelScope) -> None:
            with scope:
                await queue.put(NORMAL, order_id)
                put.append(order_id)

        async def read(scope: anyio.CancelScope) -> None:
            with scope:
                taken.append(await queue.get())

        async with anyio.create_task_group() as group:
            for number, step in enumerate(steps):
                scope = anyio.CancelScope()
                if step == "get":
                    group.start_soon(read, scope)
                elif step == "put":
                    group.start_soon(write, f"n-{number}", scope)
                elif scopes:
                    scopes.pop(number % len(scopes)).cancel()
                scopes.append(scope)
                if number % 3:
                    await soon(3)
            await soon()
            while queue.depth(NORMAL):
                taken.append(await queue.get())
                await soon()
            group.cancel_scope.cancel()
        assert sorted(filter(None, taken)) == sorted(put)

    run(main)


def test_an_id_that_waits_already_is_dropped(run: Run) -> None:
    """In whatever lane; once it has been handed out it may come again."""

    async def main() -> None:
        queue = MemoryQueue()
        await queue.put(NORMAL, "n-0")
        await queue.put(NORMAL, "n-1")
        await queue.put(NORMAL, "n-0")
        await queue.put(URGENT, "n-0")
        assert [queue.depth(lane) for lane in (URGENT, NORMAL)] == [0, 2]
        assert await _drain(queue, 2) == ["n-0", "n-1"]
        await queue.put(NORMAL, "n-0")
        assert await _drain(queue, 1) == ["n-0"]
        with anyio.move_on_after(0.01) as waited:
            await queue.get()
        assert waited.cancelled_caught

    run(main)


def test_a_duplicate_takes_no_room(run: Run) -> None:
    """Its writer does not wait, and whoever waits for room gets it."""

    async def main() -> None:
        queue = MemoryQueue(capacity=1)
        await queue.put(NORMAL, "n-0")
        with anyio.fail_after(1):
            await queue.put(NORMAL, "n-0")
        async with anyio.create_task_group() as group:
            for order_id in ("n-1", "n-1", "n-2"):
                group.start_soon(queue.put, NORMAL, order_id)
                await soon()
            assert await _drain(queue, 1) == ["n-0"]
            await soon()
            assert await _drain(queue, 1) == ["n-1"]
            await soon()
            taken = await _drain(queue, 1)
            if taken == ["n-1"]:  # its writer found it handed out
                await soon()
                taken = await _drain(queue, 1)
            assert taken == ["n-2"]

    run(main)


def test_of_two_who_wait_with_one_id_the_second_adds_nothing(run: Run) -> None:
    """Both found the lane full; by the time the second has room, the id is there."""

    async def main() -> None:
        queue = MemoryQueue(capacity=2)
        await _fill(queue, NORMAL, 2)
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(queue.put, NORMAL, "n-9")
            await soon()
            assert len(await _drain(queue, 2)) == 2
        assert queue.depth(NORMAL) == 1
        await _fill(queue, NORMAL, 1)
        queue.require_room(BULK)
        assert await _drain(queue, 2) == ["n-9", "normal-0"]
        with anyio.fail_after(1):
            await _fill(queue, NORMAL, 2)  # the room of the second was given back

    run(main)


@given(st.lists(st.integers(0, 5), max_size=40))
def test_every_id_that_was_put_is_handed_out_after_it(run: Run, numbers: list[int]) -> None:
    """Ids repeat, and are taken now and then: nobody who was woken for is forgotten."""

    async def main() -> None:
        queue = MemoryQueue()
        owed: set[str] = set()
        for number in numbers:
            if number:
                await queue.put(NORMAL, f"n-{number}")
                owed.add(f"n-{number}")
            elif owed:
                owed.remove(str(await queue.get()))
            assert queue.depth(NORMAL) == len(owed)

    run(main)
