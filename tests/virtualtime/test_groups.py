"""Check groups, scopes and what tasks wait for, where anyio's own tests leave a choice."""

from __future__ import annotations

import math
from collections.abc import Callable

import anyio
import pytest
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint

from orderengine import virtualtime
from orderengine.virtualtime import now_ns


async def _fail(after: float, error: type[Exception]) -> None:
    await anyio.sleep(after)
    raise error


def test_a_group_raises_the_errors_of_all_its_tasks() -> None:
    """Errors of one instant are gathered in the order in which the tasks failed."""

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(_fail, 1, LookupError)
            group.start_soon(_fail, 1, ArithmeticError)
            group.start_soon(_fail, 2, AssertionError)

    with pytest.RaisesGroup(LookupError, ArithmeticError) as caught:
        virtualtime.run(main)
    assert [type(error) for error in caught.value.exceptions] == [LookupError, ArithmeticError]


def test_groups_in_groups_wrap_their_errors() -> None:
    """Each group adds one layer, and ends what runs beside it."""
    ended: list[int] = []

    async def inner() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(_fail, 1, LookupError)
            await anyio.sleep(5)

    async def beside() -> None:
        try:
            await anyio.sleep(5)
        finally:
            ended.append(now_ns())

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(beside)
            group.start_soon(inner)

    with pytest.RaisesGroup(pytest.RaisesGroup(LookupError)):
        virtualtime.run(main)
    assert ended == [10**9]


def test_a_shield_keeps_a_cancellation_out_until_it_opens() -> None:
    """What is shielded finishes at its own time; then the cancellation outside takes effect."""
    seen: list[tuple[str, float]] = []

    async def main() -> None:
        with anyio.move_on_after(1):
            try:
                with anyio.CancelScope(shield=True), anyio.move_on_after(10):
                    await anyio.sleep(3)
                    seen.append(("shielded", anyio.current_time()))
                await anyio.sleep(100)
            finally:
                seen.append(("cancelled", anyio.current_time()))

    virtualtime.run(main)
    assert seen == [("shielded", 3), ("cancelled", 3)]


def test_the_nearest_deadline_wins() -> None:
    """Of nested time limits the earlier one ends the wait, whichever stands outside."""

    async def main(outside: float, inside: float) -> tuple[bool, bool, float]:
        with anyio.move_on_after(outside) as outer:
            with anyio.move_on_after(inside) as inner:
                assert anyio.current_effective_deadline() == min(outside, inside)
                await anyio.sleep_forever()
        return outer.cancelled_caught, inner.cancelled_caught, anyio.current_time()

    assert virtualtime.run(main, 2, 5) == (True, False, 2)
    assert virtualtime.run(main, 5, 2) == (False, True, 2)


@pytest.mark.parametrize("deadline", [-math.inf, -1.0, 0.0])
def test_a_deadline_in_the_past_cancels_at_the_first_wait(deadline: float) -> None:
    """A limit that has passed lets code run up to its next wait."""

    async def main() -> list[str]:
        seen = ["before"]
        with anyio.move_on_at(deadline):
            seen.append("inside")
            await checkpoint()
            seen.append("never")
        return seen

    assert virtualtime.run(main) == ["before", "inside"]


@pytest.mark.parametrize("never", [math.inf, 1e308])
def test_times_that_never_come_are_taken(never: float) -> None:
    """Infinity, and what is too large for an integer of nanoseconds, mean never."""

    async def main() -> float:
        with anyio.move_on_after(never), anyio.move_on_after(1):
            await anyio.sleep(never)
        return anyio.current_time()

    assert virtualtime.run(main) == 1


def test_start_waits_for_started_and_keeps_the_callers_scope_until_then() -> None:
    """Before ``started()`` cancelling the group leaves the task alone; afterwards it does not."""
    seen: list[str] = []

    async def service(*, task_status: TaskStatus[int]) -> None:
        try:
            await anyio.sleep(2)
            seen.append("ready")
            task_status.started(7)
            await anyio.sleep_forever()
        finally:
            seen.append(f"ended at {anyio.current_time()}")

    async def cancel(group: anyio.abc.TaskGroup) -> None:
        await anyio.sleep(1)
        group.cancel_scope.cancel()

    async def main() -> None:
        async with anyio.create_task_group() as outer, anyio.create_task_group() as group:
            outer.start_soon(cancel, group)
            with anyio.CancelScope(shield=True):
                seen.append(f"started with {await group.start(service)}")

    virtualtime.run(main)
    assert seen == ["ready", "started with 7", "ended at 2.0"]


def test_a_lock_handed_to_a_task_that_is_cancelled_is_not_lost() -> None:
    """Cancelling the next in line at the instant of the release leaves the lock usable."""

    async def hold(lock: anyio.Lock, seconds: float) -> None:
        async with lock:
            await anyio.sleep(seconds)

    async def main() -> float:
        lock = anyio.Lock()
        async with anyio.create_task_group() as group:
            group.start_soon(hold, lock, 1)
            await anyio.sleep(0.5)
            waiting = group.start_soon(hold, lock, 1)
            await anyio.sleep(0.5)
            waiting.cancel()
            async with lock:
                pass
        return anyio.current_time()

    assert virtualtime.run(main) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: anyio.Semaphore(2),
        lambda: anyio.CapacityLimiter(2),
    ],
    ids=["semaphore", "limiter"],
)
def test_places_go_to_whoever_waited_longest(
    make: Callable[[], anyio.Semaphore | anyio.CapacityLimiter],
) -> None:
    """With two places, six tasks of a second each take three seconds, in spawn order."""
    seen: list[tuple[float, int]] = []

    async def work(places: anyio.Semaphore | anyio.CapacityLimiter, number: int) -> None:
        async with places:
            seen.append((anyio.current_time(), number))
            await anyio.sleep(1)

    async def main() -> None:
        places = make()
        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(work, places, number)

    virtualtime.run(main)
    assert seen == [(number // 2, number) for number in range(6)]


def test_waiting_until_the_others_wait_takes_no_time() -> None:
    """``wait_all_tasks_blocked`` returns before the clock moves, and is not woken twice."""

    async def main() -> tuple[int, int]:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 1)
            await anyio.wait_all_tasks_blocked()
            first = now_ns()
            with anyio.CancelScope() as scope:
                scope.cancel()
                await anyio.wait_all_tasks_blocked()
            await anyio.sleep(0.5)
        return first, now_ns()

    assert virtualtime.run(main) == (0, 10**9)
