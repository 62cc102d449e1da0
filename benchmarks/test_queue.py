"""Say how many orders a second the queue alone wakes one worker for, through SAQ on Redis.

One process puts ids as one that accepts orders does, another takes them and does nothing: so what
is found is the most that the service could do if orders cost nothing. Counted from the first id put
to the last one taken; nothing may be lost, and nothing is repeated.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.queue_processes import WARM_UP
from tests.servers import RedisServer, running_redis

ROUNDS = 5
GOAL_PER_S = 10_000
"""With the default batch."""
_PROGRAM = Path(__file__).parent / "queue_processes.py"
_END_S_MAX = 30.0


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    """Run a Redis that writes nothing to disk, as the service's may."""
    with running_redis() as server:
        yield server


@contextmanager
def _side(name: str, url: str, orders: int, batch_max: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.queue_processes"]
    command += [name, url, str(orders), str(batch_max)]
    with subprocess.Popen(  # noqa: S603
        command, cwd=_PROGRAM.parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
            assert process.wait(_END_S_MAX) == 0
        finally:
            process.kill()


def _said(stream: IO[str] | None) -> dict[str, Any]:
    assert stream is not None
    found: dict[str, Any] = json.loads(stream.readline())
    return found


@pytest.mark.benchmark(group="queue")
@pytest.mark.parametrize(("batch_max", "orders"), [(100, 50_000), (1, 2_000)])
def test_orders_through_the_queue(
    benchmark: BenchmarkFixture, redis_server: RedisServer, batch_max: int, orders: int
) -> None:
    """Jobs of the default size; and for contrast a job an order, which is how SAQ is meant."""
    rounds: list[dict[str, float]] = []

    def one_round() -> None:
        redis_server.flushall()
        with (
            _side("consume", redis_server.url, orders, batch_max) as consumer,
            _side("produce", redis_server.url, orders, batch_max) as producer,
        ):
            assert _said(consumer.stdout) == {"taken": WARM_UP}
            assert producer.stdin is not None
            producer.stdin.write("\n")
            producer.stdin.flush()
            put, taken = _said(producer.stdout), _said(consumer.stdout)
        assert taken["taken"] == orders
        rounds.append(
            {
                "orders_per_s": orders / (taken["ended_ns"] - put["began_ns"]) * 1e9,
                "producer_cpu_us_an_order": put["cpu_s"] / orders * 1e6,
                "worker_cpu_us_an_order": taken["cpu_s"] / orders * 1e6,
            }
        )

    benchmark.pedantic(one_round, rounds=ROUNDS, iterations=1)  # type: ignore[no-untyped-call]
    benchmark.extra_info.update(
        {name: round(statistics.median(one[name] for one in rounds), 1) for name in rounds[0]}
        | {"orders": orders, "batch_max": batch_max, "rounds": ROUNDS, "goal_per_s": GOAL_PER_S}
    )
