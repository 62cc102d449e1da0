"""Check what is said of a loop that is late."""

from __future__ import annotations

import time

import anyio
import pytest

from orderengine.service.operations.lag import LoopLag


def test_one_long_delay_shows_in_the_maximum_and_not_in_the_percentile() -> None:
    """Of a hundred waits, one was late; after ten seconds it is forgotten."""
    lag = LoopLag()
    assert (lag.max_s, lag.p99_s) == (0, 0)
    lag.note(0.5, 0.1)
    for number in range(1, 100):
        lag.note(0.1 * number, 0.1 * number - 0.001)
    assert lag.max_s == pytest.approx(0.4)
    assert lag.p99_s == pytest.approx(0.001)
    lag.note(10.6, 10.6)
    assert lag.max_s == pytest.approx(0.001)


def test_a_loop_that_is_kept_busy_is_late() -> None:
    """As seen by the task that measures it."""
    lag = LoopLag()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(lag.run)
            await anyio.sleep(0.05)
            time.sleep(0.3)  # noqa: ASYNC251  (what must not happen)
            while lag.max_s < 0.15:  # noqa: ASYNC110  (nothing tells of it)
                await anyio.sleep(0.01)
            group.cancel_scope.cancel()

    anyio.run(main)
