"""Print what each of many tasks in a sleep weighs, in a fresh process: traced or resident bytes."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from pathlib import Path

import anyio

from orderengine import virtualtime

TASKS = 100_000


def _bytes_now(measure: str) -> int:
    if measure == "traced":
        return tracemalloc.get_traced_memory()[0]
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def _waiter() -> None:
    await anyio.sleep(1)


async def _park(measure: str) -> float:
    gc.collect()
    before = _bytes_now(measure)
    async with anyio.create_task_group() as group:
        for _ in range(TASKS):
            group.start_soon(_waiter)
        await anyio.sleep(0.5)
        after = _bytes_now(measure)
    return (after - before) / TASKS


if __name__ == "__main__":
    if sys.argv[1] == "traced":
        tracemalloc.start()
    sys.stdout.write(f"{virtualtime.run(_park, sys.argv[1]):.0f}\n")
