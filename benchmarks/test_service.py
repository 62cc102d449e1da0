"""Say what an order costs as a service: speed, delay and CPU, beside a Fastify and BullMQ peer.

The peer is not part of this project: ``ORDERENGINE_PEER`` names the folder that holds it, with
``fastify_bullmq`` (its packages installed) and ``load/load.mjs``, a load generator that drives
both services alike. The peer keeps orders in a Redis that writes nothing to disk.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest
import redis
from pytest_benchmark.fixture import BenchmarkFixture

from orderengine.study.live import Client
from orderengine.study.load_report import LoadReport
from tests.servers import running_redis
from tests.service.serving import serving, working

ROUNDS = int(os.environ.get("ORDERENGINE_BENCH_ROUNDS", "5"))
AT_ONCE = 50
PEER_ORDERS, WARM_UP = 3_000, 500
FAULTS = ("lost", "duplicated", "out_of_order", "missing")

_START_S_MAX, _LOAD_S_MAX = 30.0, 300.0
_BODY = json.dumps({"sell": "SOL", "buy": "USDC", "amount": "1500000000"})
_OURS = (
    "--post-path=/execute",
    "--ws-path=/ws/{id}",
    "--mux-path=/ws",
    "--id-field=order_id",
    f"--body={_BODY}",
)
_KINDS = {"post": ("--mode=post",), "e2e": ("--mode=e2e", "--ws=mux")}


def cpu_ms(pid: int) -> float | None:
    """Return the CPU time that a process has used, its threads included, where it can be read."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return None
    fields = stat.read_text().rpartition(")")[2].split()  # the name before may hold anything
    return (int(fields[11]) + int(fields[12])) * 1e3 / os.sysconf("SC_CLK_TCK")


def load(url: str, orders: int) -> LoadReport:
    """Send orders with our own client, closed loop, one socket for all events."""

    async def main() -> LoadReport:
        async with Client(url) as client:
            result = await client.load(orders=orders, concurrency=AT_ONCE, progress=False)
            assert result.load is not None
            return result.load

    return anyio.run(main)


def require_whole(found: LoadReport, orders: int) -> None:
    """Check that every order was accepted and ended, and every event came once."""
    assert (found.accepted, sum(found.ended.values())) == (orders, orders), found
    assert found.is_whole, found


@pytest.mark.benchmark(group="service")
@pytest.mark.parametrize("orders", [1_000, 5_000])
def test_orders_through_the_service(
    benchmark: BenchmarkFixture, tmp_path: Path, orders: int
) -> None:
    """One process that serves and works, a fresh file each round, 50 orders at once."""
    rounds: list[dict[str, float | None]] = []

    def one_round() -> None:
        folder = tmp_path / str(len(rounds))
        folder.mkdir()
        with serving(folder, ORDERENGINE_SIM_PROFILE="instant") as process:
            began_ms = cpu_ms(process.pid)
            found = load(process.url, orders)
            ended_ms = cpu_ms(process.pid)
        require_whole(found, orders)
        used = None if began_ms is None or ended_ms is None else (ended_ms - began_ms) / orders
        rounds.append(_figures(found, used))

    benchmark.pedantic(one_round, rounds=ROUNDS, iterations=1)  # type: ignore[no-untyped-call]
    benchmark.extra_info.update(_medians(rounds) | dict.fromkeys(FAULTS, 0) | _machine())


def _figures(found: LoadReport, cpu_ms_an_order: float | None) -> dict[str, float | None]:
    accepted, ended = found.latency_ms["accepted"], found.latency_ms["ended"]
    return {
        "orders_per_s": found.orders_per_s,
        "accepted_p50_ms": accepted["p50"],
        "accepted_p99_ms": accepted["p99"],
        "ended_p50_ms": ended["p50"],
        "ended_p99_ms": ended["p99"],
        "cpu_ms_an_order": cpu_ms_an_order,
        "client_cpu_ms_an_order": found.cpu_seconds * 1e3 / found.orders,
    }


def _medians(rounds: list[dict[str, float | None]]) -> dict[str, float]:
    """Return each figure's median over the rounds; one that could not be measured is left out."""
    medians = {}
    for name in rounds[0]:
        values = [found[name] for found in rounds]
        known = [value for value in values if value is not None]
        if known:
            medians[name] = round(statistics.median(known), 3)
    return medians


def _machine() -> dict[str, object]:
    return {
        "at_once": AT_ONCE,
        "rounds": ROUNDS,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


class Target(NamedTuple):
    """Hold a running service as the load generator needs it."""

    url: str
    options: tuple[str, ...]
    pids: dict[str, int]


@contextmanager
def alone(folder: Path) -> Iterator[Target]:
    """Run our service as one process: a queue in memory, orders in a file."""
    with serving(folder, ORDERENGINE_SIM_PROFILE="instant") as process:
        yield Target(process.url, _OURS, {"serve": process.pid})


@contextmanager
def over_redis(folder: Path) -> Iterator[Target]:
    """Run ours in the shape of the peer: one process accepts, another executes, Redis between."""
    with ExitStack() as stack:
        redis_url, redis_pid = stack.enter_context(_own_redis())
        env = {"ORDERENGINE_SIM_PROFILE": "instant", "REDIS_URL": redis_url}
        serve = stack.enter_context(serving(folder, ORDERENGINE_WORKERS="0", **env))
        work = stack.enter_context(working(folder, **env))
        pids = {"serve": serve.pid, "work": work.pid, "redis": redis_pid}
        yield Target(serve.url, _OURS, pids)


@contextmanager
def peer(folder: Path) -> Iterator[Target]:
    """Run the peer, as it was meant: one process accepts, another executes, Redis between."""
    with ExitStack() as stack:
        redis_url, redis_pid = stack.enter_context(_own_redis())
        port = _free_port()
        env = {
            "REDIS_URL": redis_url,
            "PORT": str(port),
            "QUOTE_MS": "0",
            "EXEC_MS": "0",
            "CONCURRENCY": str(AT_ONCE),
        }
        api = stack.enter_context(_node(folder, "api", env))
        worker = stack.enter_context(_node(folder, "worker", env))
        pids = {"api": api, "worker": worker, "redis": redis_pid}
        yield Target(f"http://127.0.0.1:{port}", (), pids)


@contextmanager
def _own_redis() -> Iterator[tuple[str, int]]:
    """Give the url and the process of a Redis that is ours alone, so that its CPU time is too."""
    with running_redis("--maxclients", "1000") as server:
        with redis.Redis.from_url(server.url) as client:
            pid = int(client.info("server")["process_id"])
        yield server.url, pid


@contextmanager
def _node(folder: Path, name: str, env: dict[str, str]) -> Iterator[int]:
    """Run one of the peer's programs until the block ends; give its process id."""
    log = folder / f"{name}.log"
    with log.open("wb") as said:
        process = subprocess.Popen(  # noqa: S603
            [_node_program(), f"{name}.js"],
            cwd=_peer_folder() / "fastify_bullmq",
            env=os.environ | env,
            stdout=said,
            stderr=said,
        )
    try:
        _wait_for(log, f"{name} pid", process)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _wait_for(log: Path, words: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S_MAX
    while words not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"the peer did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.02)


def _peer_folder() -> Path:
    """Return the peer's folder, or skip: it is somebody else's and may not be here."""
    folder = os.environ.get("ORDERENGINE_PEER")
    if not folder:
        pytest.skip("NO PEER: set ORDERENGINE_PEER to the folder of the Fastify and BullMQ peer")
    for part in ("fastify_bullmq/node_modules/bullmq", "load/load.mjs"):
        if not (Path(folder) / part).exists():
            pytest.skip(f"NO PEER: ORDERENGINE_PEER has no {part} (npm install?)")
    return Path(folder)


def _node_program() -> str:
    return shutil.which("node") or pytest.skip("NO PEER: it needs node")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _drive(target: Target, kind: str, orders: int) -> dict[str, Any]:
    """Send orders with the peer's own load generator and return what it says."""
    pids = ",".join(f"{name}:{pid}" for name, pid in target.pids.items())
    command = [_node_program(), str(_peer_folder() / "load" / "load.mjs")]
    command += [f"--url={target.url}", f"--n={orders}", f"--c={AT_ONCE}", f"--pids={pids}"]
    command += [*_KINDS[kind], *target.options]
    ended = subprocess.run(  # noqa: S603
        command, capture_output=True, check=True, timeout=_LOAD_S_MAX
    )
    found: dict[str, Any] = json.loads(ended.stdout)
    faults = ("bad", "bad_post", "lost", "failed", "missing_status", "out_of_order", "duplicated")
    assert not any(found.get(name) for name in faults), (target.url, found)
    return found


def _measured(found: dict[str, Any], kind: str) -> dict[str, float | None]:
    """Return what is compared, under names that both kinds share."""
    latency = found["post_ms" if kind == "post" else "e2e_ms"]
    used = [said["cpu_ms_per_order"] for said in found["procs"].values() if said]
    return {
        "orders_per_s": found["per_s" if kind == "post" else "orders_per_s"],
        "p50_ms": latency["p50"],
        "p99_ms": latency["p99"],
        "cpu_ms_an_order": sum(used) if used else None,
    }


@pytest.mark.benchmark(group="service")
@pytest.mark.parametrize("kind", list(_KINDS))
def test_beside_the_peer(benchmark: BenchmarkFixture, tmp_path: Path, kind: str) -> None:
    """Ours alone, ours over Redis and the peer in turn, all fresh, under the same generator.

    One kind only counts answers to POST, while orders are executed all the same: what a worker does
    after the last answer is in nobody's figures. The other waits for each order's end on one
    socket. The first orders warm a service up and do not count.
    """
    _peer_folder()
    rounds: dict[str, list[dict[str, float | None]]] = {"alone": [], "over_redis": [], "peer": []}

    def one_round() -> None:
        for opened in (alone, over_redis, peer):
            name = opened.__name__
            folder = tmp_path / f"{name}-{len(rounds[name])}"
            folder.mkdir()
            with opened(folder) as target:
                _drive(target, "e2e", WARM_UP)
                rounds[name].append(_measured(_drive(target, kind, PEER_ORDERS), kind))

    benchmark.pedantic(one_round, rounds=ROUNDS, iterations=1)  # type: ignore[no-untyped-call]
    medians = {name: _medians(found) for name, found in rounds.items()}
    theirs = medians["peer"]
    ratios = {
        name: {figure: round(value / theirs[figure], 3) for figure, value in found.items()}
        for name, found in medians.items()
    }
    benchmark.extra_info.update({"medians": medians, "ours_over_peer": ratios} | _machine())
