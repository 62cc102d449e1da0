"""Check that nothing is left behind, however a run ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import threading  # noqa: TID251  (two kernels at once need two threads)
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress

import anyio
import pytest
import sniffio
from anyio.lowlevel import checkpoint

from orderengine import virtualtime
from orderengine.virtualtime import Deadlock, now_ns


def _nothing_left() -> bool:
    gc.collect()  # a coroutine that was never awaited warns here, and a warning is an error
    with pytest.raises(RuntimeError):
        now_ns()
    with pytest.raises(sniffio.AsyncLibraryNotFoundError):
        sniffio.current_async_library()
    return True


def _interrupted(signalled: type[BaseException]) -> tuple[list[str], Callable[[], Awaitable[None]]]:
    ended: list[str] = []

    async def wait(name: str) -> None:
        try:
            with anyio.CancelScope(shield=True):
                await anyio.sleep_forever()
        finally:
            ended.append(name)

    async def stop() -> None:
        await anyio.sleep(1)
        raise signalled

    async def main() -> None:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(wait, "first")
                group.start_soon(stop)
                group.start_soon(wait, "second")
        finally:
            ended.append("main")

    return ended, main


@pytest.mark.parametrize("signalled", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_ends_every_task(signalled: type[BaseException]) -> None:
    """A stopped cell unwinds all tasks, shielded ones too, and raises what stopped it."""
    ended, main = _interrupted(signalled)
    with pytest.raises(signalled):
        virtualtime.run(main)
    assert ended == ["first", "second", "main"]
    assert _nothing_left()


def test_an_interrupt_leaves_the_loop_around_as_it_was() -> None:
    """In a notebook the loop around goes on after a cell was stopped."""
    ended, main = _interrupted(KeyboardInterrupt)

    async def cell() -> str:
        with pytest.raises(KeyboardInterrupt):
            virtualtime.run(main)
        await checkpoint()
        return sniffio.current_async_library()

    assert asyncio.run(cell()) == "asyncio"
    assert ended == ["first", "second", "main"]


def test_a_task_that_has_not_begun_is_left_without_a_warning() -> None:
    """An interrupt right after a spawn leaves no coroutine that was never awaited."""

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        virtualtime.run(main)
    assert _nothing_left()


def test_a_task_that_will_not_end_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    """A task that swallows every cancellation cannot keep a run from ending."""
    seen: list[str] = []

    async def stubborn() -> None:
        while True:
            try:
                await anyio.sleep_forever()
            except virtualtime.Cancelled:
                continue
            finally:
                seen.append("again")

    async def sleepy() -> None:
        while True:
            with suppress(virtualtime.Cancelled):
                await anyio.sleep(1)

    async def busy() -> None:
        while True:
            with suppress(virtualtime.Cancelled):
                await checkpoint()

    async def stop() -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for function in (stubborn, sleepy, busy, stop):
                group.start_soon(function)

    with caplog.at_level(logging.CRITICAL), pytest.raises(KeyboardInterrupt):
        virtualtime.run(main)
    assert 10 < len(seen) < 1_000
    assert _nothing_left()


def test_deeply_nested_groups_unwind() -> None:
    """Three hundred groups, each in a task of the one around it, all end."""
    ended: list[int] = []

    async def nest(depth: int) -> None:
        try:
            async with anyio.create_task_group() as group:
                if depth:
                    group.start_soon(nest, depth - 1)
                else:
                    await anyio.sleep_forever()
        finally:
            ended.append(depth)

    with pytest.raises(Deadlock):
        virtualtime.run(nest, 300)
    assert ended == list(range(301))
    assert _nothing_left()


async def _numbers(ended: list[str], name: str) -> AsyncGenerator[int, None]:
    try:
        yield 1
        yield 2
    finally:
        await checkpoint()
        ended.append(name)


def test_async_generators_are_closed_at_the_end() -> None:
    """What a half-used async generator still has to do is done before the run returns."""
    ended: list[str] = []
    kept = []

    async def main() -> None:
        for name in ("first", "second"):
            generator = _numbers(ended, name)
            kept.append(generator)
            await anext(generator)

    virtualtime.run(main)
    assert sorted(ended) == ["first", "second"]
    assert _nothing_left()


def test_a_forgotten_async_generator_is_closed_meanwhile() -> None:
    """A generator that nobody refers to any more is closed by a task of its own."""
    ended: list[str] = []

    async def main() -> list[str]:
        await anext(_numbers(ended, "forgotten"))
        gc.collect()
        await anyio.sleep(1)
        return list(ended)

    assert virtualtime.run(main) == ["forgotten"]


def test_a_generator_forgotten_at_the_very_end_is_closed() -> None:
    """The last thing a run does is to end what its last line let go."""
    ended: list[str] = []

    async def main() -> None:
        await anext(_numbers(ended, "last"))

    virtualtime.run(main)
    gc.collect()
    assert _nothing_left()


def test_two_kernels_run_in_two_threads() -> None:
    """Each thread has its own clock, and neither sees the other's."""
    seen: dict[str, list[int]] = {"one": [], "other": []}

    async def count(name: str, seconds: int) -> None:
        for _ in range(200):
            await anyio.sleep(seconds)
            seen[name].append(now_ns())

    threads = [
        threading.Thread(target=virtualtime.run, args=(count, name, seconds))
        for name, seconds in (("one", 1), ("other", 3))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen["one"] == [second * 10**9 for second in range(1, 201)]
    assert seen["other"] == [second * 3 * 10**9 for second in range(1, 201)]


def test_ctrl_c_comes_between_steps() -> None:
    """A signal in the middle of a step lets the step end; the old handler is back afterwards."""
    ended: list[str] = []

    async def main() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
            ended.append("the step went on")
            await anyio.sleep(1)
            ended.append("never")
        finally:
            ended.append("main")

    with pytest.raises(KeyboardInterrupt):
        virtualtime.run(main)
    assert ended == ["the step went on", "main"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_does_not_wait() -> None:
    """A step that does not end is left at once by the second signal."""

    async def main() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second one raises here")

    with pytest.raises(KeyboardInterrupt):
        virtualtime.run(main)


def test_ctrl_c_at_the_very_end_is_heard() -> None:
    """It came in the last step: the run is over, and still interrupted."""

    async def main() -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        virtualtime.run(main)
