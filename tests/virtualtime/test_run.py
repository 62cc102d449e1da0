"""Check the clock that jumps: exact to the nanosecond, in order, and gone when it is done."""

from __future__ import annotations

import asyncio
import gc
import threading  # noqa: TID251  (counts what is left behind)
from itertools import accumulate

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from orderengine import virtualtime
from orderengine.virtualtime import Deadlock, now_ns

SECOND = 1_000_000_000
DAY = 86_400 * SECOND

waits = st.integers(1, 5) | st.integers(1, 10**6) | st.integers(1, 10 * SECOND)


async def _sleep_ns(wait_ns: int) -> None:
    await anyio.sleep(wait_ns / 1e9)


def test_time_begins_at_zero_in_every_run() -> None:
    """A run knows nothing of the runs before it."""

    async def main() -> int:
        began = now_ns()
        await anyio.sleep(5)
        return began

    assert [virtualtime.run(main), virtualtime.run(main)] == [0, 0]


def test_arguments_go_in_and_the_result_comes_out() -> None:
    """``run`` calls the function with its arguments and returns what it returns."""

    async def add(one: int, other: int) -> int:
        await anyio.sleep(1)
        return one + other

    assert virtualtime.run(add, 2, 3) == 5


@given(st.lists(waits, max_size=20))
def test_time_jumps_by_exactly_what_is_slept(steps: list[int]) -> None:
    """After each sleep the time is the sum of all sleeps, to the nanosecond."""

    async def main() -> list[int]:
        seen = []
        for step in steps:
            await _sleep_ns(step)
            seen.append(now_ns())
        return seen

    assert virtualtime.run(main) == list(accumulate(steps))


@given(st.integers(0, 30 * DAY), st.lists(waits | st.integers(1, 300), min_size=1, max_size=40))
def test_sleepers_wake_at_their_instant_in_order(start: int, delays: list[int]) -> None:
    """Each of many sleepers sees its own instant, never one that is a nanosecond off."""

    async def main() -> list[tuple[int, int]]:
        await _sleep_ns(start)
        began = now_ns()
        woken: list[tuple[int, int]] = []

        async def sleeper(delay: int) -> None:
            await _sleep_ns(delay)
            woken.append((delay, now_ns() - began))

        async with anyio.create_task_group() as group:
            for delay in delays:
                group.start_soon(sleeper, delay)
        return woken

    assert virtualtime.run(main) == [(delay, delay) for delay in sorted(delays)]


def test_neighbouring_nanoseconds_are_kept_apart() -> None:
    """Two thousand sleepers one nanosecond apart wake two thousand times."""

    async def main() -> list[int]:
        woken: list[int] = []

        async def sleeper(delay: int) -> None:
            await _sleep_ns(delay)
            woken.append(now_ns())

        async with anyio.create_task_group() as group:
            for delay in range(1, 2_001):
                group.start_soon(sleeper, delay)
        return woken

    assert virtualtime.run(main) == list(range(1, 2_001))


def test_time_stands_still_while_anything_can_run() -> None:
    """Only waiting moves the clock."""

    async def main() -> set[int]:
        seen = set()
        for _ in range(100):
            await checkpoint()
            seen.add(now_ns())
        return seen

    assert virtualtime.run(main) == {0}


def test_deadlines_pass_in_virtual_time() -> None:
    """A time limit ends a wait at its instant."""

    async def main() -> tuple[bool, int]:
        with anyio.move_on_after(30) as scope:
            await anyio.sleep(3_600)
        return scope.cancelled_caught, now_ns()

    assert virtualtime.run(main) == (True, 30 * SECOND)


def test_long_waits_are_exact() -> None:
    """A wait of weeks is one number, not many days in a row."""

    async def main() -> int:
        await _sleep_ns(40 * DAY + 1)
        return now_ns()

    assert virtualtime.run(main) == 40 * DAY + 1


def test_waits_beyond_what_a_float_holds_never_hang() -> None:
    """Past 2^52 ns a float of seconds steps over nanoseconds: the run is exact there, or stops."""

    async def main() -> int:
        await _sleep_ns(2**55)
        for _ in range(5):
            await _sleep_ns(3)
        return now_ns()

    try:
        end_ns = virtualtime.run(main)
    except OverflowError:
        return
    assert end_ns == 2**55 + 15


def test_a_deadlock_is_an_error() -> None:
    """Waiting for what nobody will do raises, instead of hanging."""

    async def main() -> None:
        await anyio.sleep(1)
        await anyio.Event().wait()

    with pytest.raises(Deadlock):
        virtualtime.run(main)


def test_a_deadlock_of_several_tasks_is_an_error() -> None:
    """Tasks that wait for each other are found out, and are cancelled on the way out."""
    unwound = []

    async def main() -> None:
        async def wait(number: int) -> None:
            try:
                await anyio.Event().wait()
            finally:
                unwound.append(number)

        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(wait, number)

    with pytest.raises(Deadlock):
        virtualtime.run(main)
    assert sorted(unwound) == [0, 1, 2]


def test_exceptions_propagate() -> None:
    """What the function raises is what the caller sees."""

    async def main() -> None:
        await anyio.sleep(1)
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        virtualtime.run(main)


def test_it_runs_inside_a_running_loop() -> None:
    """A notebook cell, where a loop runs already, can call it; the outer clock does not jump."""

    async def inner() -> int:
        await anyio.sleep(3_600)
        return now_ns()

    async def cell() -> tuple[int, bool]:
        loop = asyncio.get_running_loop()
        result = virtualtime.run(inner)
        return result, asyncio.get_running_loop() is loop

    assert asyncio.run(cell()) == (3_600 * SECOND, True)


def test_exceptions_propagate_into_a_running_loop() -> None:
    """The same errors leave a call from inside a loop."""

    async def broken() -> None:
        raise LookupError("lost")

    async def stuck() -> None:
        await anyio.Event().wait()

    async def cell() -> None:
        with pytest.raises(LookupError, match="lost"):
            virtualtime.run(broken)
        with pytest.raises(Deadlock):
            virtualtime.run(stuck)

    asyncio.run(cell())


def test_nothing_is_left_behind() -> None:
    """No thread, no loop, no socket outlives a run, however it ends."""

    async def sleep() -> None:
        await anyio.sleep(1)

    async def stuck() -> None:
        await anyio.Event().wait()

    async def cell() -> None:
        virtualtime.run(sleep)
        with pytest.raises(Deadlock):
            virtualtime.run(stuck)

    threads = threading.active_count()
    virtualtime.run(sleep)
    with pytest.raises(Deadlock):
        virtualtime.run(stuck)
    asyncio.run(cell())
    gc.collect()  # an unclosed socket or loop warns here, and a warning is an error
    assert threading.active_count() == threads
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_streams_work_as_usual() -> None:
    """What anyio offers runs unchanged: a producer of one item a second, and its consumer."""

    async def main() -> list[int]:
        seen: list[int] = []
        send, receive = anyio.create_memory_object_stream[int](1)

        async def produce() -> None:
            async with send:
                for number in range(3):
                    await anyio.sleep(1)
                    await send.send(now_ns() + number)

        async with anyio.create_task_group() as group:
            group.start_soon(produce)
            async with receive:
                seen += [number async for number in receive]
        return seen

    assert virtualtime.run(main) == [SECOND, 2 * SECOND + 1, 3 * SECOND + 2]
