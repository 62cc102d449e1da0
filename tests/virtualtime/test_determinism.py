"""Check that the same program takes the same steps, and which steps those are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from hypothesis import given

from orderengine import virtualtime
from orderengine.virtualtime import now_ns
from tests.virtualtime.programs import Program, program_numbered, programs, trace

PROGRAMS = 60


@given(programs)
def test_a_program_takes_the_same_steps_twice(program: Program) -> None:
    """Sleeps, events, locks, streams, time limits and cancellations leave the same trace."""
    assert trace(program) == trace(program)


@pytest.mark.parametrize("hash_seed", ["1", "4294967295"])
def test_another_process_takes_the_same_steps(hash_seed: str) -> None:
    """Neither the hash seed nor where objects lie in memory decides an order."""
    output = subprocess.run(
        [sys.executable, "-m", "tests.virtualtime.programs", str(PROGRAMS)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert output == repr([trace(program_numbered(seed)) for seed in range(PROGRAMS)])


def test_timers_of_one_instant_fire_in_the_order_they_were_set() -> None:
    """Equal times are first come, first served, however the timers came about."""
    seen: list[str] = []

    async def late(name: str, before: float, after: float) -> None:
        await anyio.sleep(before)
        await anyio.sleep(after)
        seen.append(name)

    async def limited() -> None:
        with anyio.move_on_at(1):
            await anyio.sleep_forever()
        seen.append("limit")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(late, "set at 0.5", 0.5, 0.5)
            group.start_soon(late, "set at 0.25", 0.25, 0.75)
            group.start_soon(late, "set at 0", 1, 0)
            group.start_soon(limited)
            group.start_soon(late, "set at 0.25 too", 0.25, 0.75)

    virtualtime.run(main)
    # A sleep of 0 lets the others of the instant run first.
    assert seen == ["limit", "set at 0.25", "set at 0.25 too", "set at 0.5", "set at 0"]


def test_a_timer_taken_back_and_set_again_queues_anew() -> None:
    """Whoever asks again for an instant comes after those who already had it."""
    seen: list[str] = []

    async def moves(other: anyio.CancelScope) -> None:
        with anyio.move_on_at(1) as scope:
            other.deadline = 2
            scope.deadline = 3
            other.deadline = 1
            scope.deadline = 1
            await anyio.sleep_forever()
        seen.append("own")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            with anyio.move_on_at(1) as scope:
                group.start_soon(moves, scope)
                await anyio.sleep_forever()
            seen.append("other")

    virtualtime.run(main)
    assert seen == ["other", "own"]


def test_cancellation_reaches_tasks_in_spawn_order() -> None:
    """Neither the order in which they began to wait nor what they wait for plays a part."""
    ended: list[int] = []

    async def wait(number: int, event: anyio.Event) -> None:
        try:
            await anyio.sleep((7 * number) % 10 / 1000)
            if number % 3:
                await event.wait()
            else:
                await anyio.sleep(100 - number)
        finally:
            ended.append(number)

    async def main() -> None:
        event = anyio.Event()
        async with anyio.create_task_group() as outer, anyio.create_task_group() as inner:
            for number in range(20):
                (inner if number % 2 else outer).start_soon(wait, number, event)
            await anyio.sleep(1)
            outer.cancel_scope.cancel()

    virtualtime.run(main)
    assert ended == list(range(20))


def test_sleep_until_is_exact_over_many_slots() -> None:
    """Ten thousand slots of 400 ms begin at their nanosecond, though floats ask for them."""

    async def main() -> list[int]:
        seen = []
        for slot in range(1, 10_001):
            await anyio.sleep_until(slot * 0.4)
            seen.append(now_ns())
        return seen

    assert virtualtime.run(main) == [slot * 400_000_000 for slot in range(1, 10_001)]


def test_many_waiters_are_woken_one_by_one_in_order() -> None:
    """A lock that ten thousand tasks want goes round in the order in which they came."""
    seen: list[int] = []

    async def want(lock: anyio.Lock, number: int) -> None:
        async with lock:
            seen.append(number)

    async def main() -> None:
        lock = anyio.Lock()
        async with anyio.create_task_group() as group:
            for number in range(10_000):
                group.start_soon(want, lock, number)

    virtualtime.run(main)
    assert seen == list(range(10_000))
