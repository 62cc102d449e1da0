"""Be one end of the queue over Redis, in a process of its own: ``produce`` or ``consume``.

Both first pass some ids that do not count, so that all is connected. The producer then waits for a
line on standard input, and says when it put the first id; the consumer says when it had the last
one. The clock is the machine's, so the two dates may be subtracted.
"""

from __future__ import annotations

import json
import sys
import time

import anyio
from anyio.lowlevel import checkpoint

from orderengine.execution.queue import MemoryQueue
from orderengine.model.order import Priority
from orderengine.service.queue.job_consumer import JobConsumer
from orderengine.service.queue.redis_queue import RedisQueue

WARM_UP = 200
_DONE_S_MAX = 120.0
_YIELD_EVERY = 100
_LOCAL_MAX = 8_192
"""As many ids as a worker of the default concurrency lets wait."""


def _say(**said: float) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


async def _put(queue: RedisQueue, count: int) -> None:
    """Put ids as requests do, many between two turns of the loop."""
    for number in range(count):
        await queue.put(Priority.NORMAL, f"{count}-{number:028}")  # as long as an order's id
        if number % _YIELD_EVERY == 0:
            await checkpoint()


async def produce(url: str, count: int, batch_max: int) -> None:
    """Put ids once told to, and end once all are in Redis."""
    queue = RedisQueue(url, batch_max=batch_max)
    with anyio.fail_after(_DONE_S_MAX):
        async with anyio.create_task_group() as group:
            group.start_soon(queue.run)
            await _put(queue, WARM_UP)
            await anyio.to_thread.run_sync(sys.stdin.readline)
            began_ns, cpu_s = time.monotonic_ns(), time.process_time()
            await _put(queue, count)
            while queue.depth(Priority.NORMAL):  # noqa: ASYNC110  (it leaves by way of Redis)
                await anyio.sleep(0.01)
            _say(began_ns=began_ns, cpu_s=time.process_time() - cpu_s)
            group.cancel_scope.cancel()


async def consume(url: str, count: int) -> None:
    """Take ids and do nothing with them; say when the warm-up is over, and when all is."""
    local = MemoryQueue(_LOCAL_MAX)
    with anyio.fail_after(_DONE_S_MAX):
        async with anyio.create_task_group() as group:
            group.start_soon(JobConsumer(url, local).run)
            for _ in range(WARM_UP):
                await local.get()
            cpu_s = time.process_time()
            _say(taken=WARM_UP)
            taken = {await local.get() for _ in range(count)}
            _say(ended_ns=time.monotonic_ns(), cpu_s=time.process_time() - cpu_s, taken=len(taken))
            group.cancel_scope.cancel()


if __name__ == "__main__":
    _side, _url, _count, _batch_max = sys.argv[1:]
    _options = {"use_uvloop": sys.platform != "win32"}  # as the service does
    if _side == "produce":
        anyio.run(produce, _url, int(_count), int(_batch_max), backend_options=_options)
    else:
        anyio.run(consume, _url, int(_count), backend_options=_options)
