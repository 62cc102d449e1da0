"""Say what waiting costs in virtual time, and what a waiting task weighs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anyio
import pytest
import trio
import trio.testing
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.compare import cpu_seconds, interleave
from benchmarks.peers import asyncio_jump
from orderengine import virtualtime

TASKS, SLEEPS = 2_000, 20


async def _sleepers() -> None:
    async def sleeper(number: int) -> None:
        for turn in range(SLEEPS):
            await anyio.sleep(0.001 * (1 + (7 * number + 13 * turn) % 97))

    async with anyio.create_task_group() as group:
        for number in range(TASKS):
            group.start_soon(sleeper, number)


@pytest.mark.benchmark(group="tasks x sleeps")
def test_tasks_that_sleep(benchmark: BenchmarkFixture) -> None:
    """What a sleep costs in a run of 2,000 tasks, beside asyncio and trio on a jumping clock."""

    def on_trio() -> None:
        trio.run(_sleepers, clock=trio.testing.MockClock(autojump_threshold=0))

    interleave(
        benchmark,
        {
            "virtualtime": lambda: cpu_seconds(virtualtime.run, _sleepers),
            "asyncio_jump": lambda: cpu_seconds(asyncio_jump.run, _sleepers),
            "trio_mock_clock": lambda: cpu_seconds(on_trio),
        },
        TASKS * SLEEPS,
    )


@pytest.mark.benchmark(group="memory")
def test_memory_of_a_parked_task(benchmark: BenchmarkFixture) -> None:
    """What each of 100,000 tasks in a sleep weighs, its two coroutines included."""
    measures = ["traced", *(["resident"] if Path("/proc/self/statm").exists() else [])]

    def run() -> None:
        for measure in measures:
            command = [sys.executable, "-m", "benchmarks.parked_tasks", measure]
            ended = subprocess.run(command, capture_output=True, check=True)  # noqa: S603
            benchmark.extra_info[f"{measure}_bytes_a_task"] = int(ended.stdout)

    benchmark.pedantic(run, rounds=1, iterations=1)  # type: ignore[no-untyped-call]
