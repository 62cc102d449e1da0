"""Measure what an idle socket costs, and how soon an event reaches ten thousand of them.

One serving process without workers, so that an order is one event; the sockets are held by another
process. An order is placed, and the round is over when every socket has its acceptance. Delivery is
counted from the date in the event, which is set before it is stored, to the socket's reading it. At
last some orders are placed at once; then it is the client that takes longest.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from orderengine.model.instants import parse_rfc3339
from tests.service.serving import serving

SOCKETS = int(os.environ.get("ORDERENGINE_BENCH_SOCKETS", "10000"))
ROUNDS = 30
BURST = 20
IDLE_S = 25
"""Longer than the time between pings, so that answering them is in the figure."""
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
_TICKS = os.sysconf("SC_CLK_TCK")
_SWAP = {"sell": "SOL", "buy": "USDC", "amount": "1500000000"}
_CLIENT = Path(__file__).parents[1] / "tests" / "service" / "sockets" / "idle_sockets.py"


def _rss_kib(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_KIB


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def _sockets(port: int, count: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(_CLIENT), str(port), str(count), "/ws"]
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _said(stream: IO[str] | None) -> dict[str, Any]:
    assert stream is not None
    found: dict[str, Any] = json.loads(stream.readline())
    return found


def _delays_ms(said: dict[str, Any]) -> list[float]:
    at_ns = parse_rfc3339(json.loads(said["body"])["at"])
    return [(arrived_ns - at_ns) / 1e6 for arrived_ns in said["arrived_ns"]]


def _at(ordered: list[float], share: float) -> float:
    return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1)


@pytest.mark.benchmark(group="sockets")
@pytest.mark.timeout(300)
def test_idle_sockets(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Memory of an idle socket, time of an event to all, and what is lost: nothing may be."""
    with (
        serving(tmp_path, ORDERENGINE_WORKERS="0") as served,
        httpx.Client(base_url=served.url, timeout=10) as http,
    ):

        def order() -> None:
            http.post("/execute", json=_SWAP).raise_for_status()

        for _ in range(200):
            order()
        with _sockets(served.port, 100) as warm:
            assert _said(warm.stdout) == {"open": 100}
        before = _rss_kib(served.pid)
        with _sockets(served.port, SOCKETS) as client:
            assert _said(client.stdout) == {"open": SOCKETS}
            idle = _rss_kib(served.pid)
            cpu = _cpu_s(served.pid)
            time.sleep(IDLE_S)
            cpu = (_cpu_s(served.pid) - cpu) / IDLE_S
            delays: list[float] = []

            def one_event() -> None:
                order()
                delays.extend(_delays_ms(_said(client.stdout)))

            benchmark.pedantic(one_event, rounds=ROUNDS, iterations=1)  # type: ignore[no-untyped-call]
            with ThreadPoolExecutor(BURST) as pool:
                begun_s = time.monotonic()
                list(pool.map(lambda _: order(), range(BURST)))
                burst = [_delays_ms(_said(client.stdout))[-1] for _ in range(BURST)]
                burst_s = time.monotonic() - begun_s
            after = _rss_kib(served.pid)
            assert client.stdin is not None
            client.stdin.write("\n")
            client.stdin.flush()
            end = _said(client.stdout)
    lost = SOCKETS * (ROUNDS + BURST) - sum(end["got"])
    delays.sort()
    benchmark.extra_info.update(
        {
            "sockets": SOCKETS,
            "kib_a_socket": round((idle - before) / SOCKETS, 2),
            "kib_a_socket_after": round((after - before) / SOCKETS, 2),
            "idle_cpu_share": round(cpu, 4),
            "delivery_ms": {
                "p50": _at(delays, 0.5),
                "p99": _at(delays, 0.99),
                "max": round(delays[-1], 1),
            },
            "burst_max_ms": round(max(burst), 1),
            "burst_messages_per_s": round(SOCKETS * BURST / burst_s),
            "lost": lost,
            "streams": end["streams"],
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
        }
    )
    assert (lost, end["streams"], end["codes"]) == (0, 1, {})
