"""Check serving and working processes together, over one Redis and one database file.

All of it is real: processes that are killed, a Redis that is stopped or wiped under their feet.
Who executed an order shows in its log, for a worker's name holds its process's id.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect

from orderengine.model.events import Claimed, Confirmed, Event, Submitted
from orderengine.model.order import Priority
from orderengine.model.wire import decode_event
from orderengine.service.queue.redis_queue import lane_name
from tests.servers import RedisServer
from tests.service.serving import Process, Serving, serving, working
from tests.service.test_app import log_of, submit
from tests.service.test_restart import flood, logs_in, require_all_end

WAIT_S = 30.0
NORMAL_JOBS = f"saq:{lane_name(Priority.NORMAL)}:queued"


@contextmanager
def fleet(
    folder: Path, redis: RedisServer, *names: str, profile: str = "instant", **env: str
) -> Iterator[dict[str, Process]]:
    """Give one process for each name: it serves or works, as the name begins, over one file.

    At the end none of them may have met an error that nobody foresaw.
    """
    env = {"REDIS_URL": redis.url, "ORDERENGINE_SIM_PROFILE": profile} | env
    processes: dict[str, Process] = {}
    with ExitStack() as stack:
        for name in names:
            if name.startswith("serve"):
                made = serving(folder, name=name, **{"ORDERENGINE_WORKERS": "0"} | env)
                processes[name] = stack.enter_context(made)
            else:
                processes[name] = stack.enter_context(working(folder, name=name, **env))
        yield processes
    for process in processes.values():
        said = process.log.read_text(errors="replace")
        assert "Traceback" not in said, f"{process.log.name}:\n{said}"


def server(processes: dict[str, Process], name: str = "serve") -> Serving:
    """Return one that serves."""
    process = processes[name]
    assert isinstance(process, Serving)
    return process


def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so; fail with its name if that takes too long."""
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, f"not within {WAIT_S:g} s: {what}"
        time.sleep(0.05)


def accept(process: Serving, count: int) -> set[str]:
    """Send orders, all at once; each must be accepted."""
    accepted = asyncio.run(flood(process.url, count))
    assert len(accepted) == count, f"{count - len(accepted)} of {count} were not accepted"
    return set(accepted)


def heard(process: Serving, order_id: str, from_seq: int = 1) -> list[Event]:
    """Return what an order's socket says until it is closed; fail if it falls silent."""
    url = f"ws://127.0.0.1:{process.port}/ws/{order_id}?from_seq={from_seq}"
    said: list[Event] = []
    with connect(url, open_timeout=WAIT_S) as socket:
        while True:
            try:
                said.append(decode_event(socket.recv(timeout=WAIT_S)))
            except ConnectionClosedOK:
                return said
            except TimeoutError:
                raise AssertionError(f"silent for {WAIT_S:g} s after {said}") from None


def claims(log: list[Event]) -> list[str]:
    """Return the names of the workers that took an order up, in order."""
    return [event.worker for event in log if isinstance(event, Claimed)]


def is_by(worker: str, process: Process) -> bool:
    """Return whether a worker belongs to a process."""
    return f"-{process.pid}-" in worker


def fences(folder: Path) -> dict[str, int]:
    """Return how often each order's lease was taken."""
    with closing(sqlite3.connect(folder / "orderengine.db")) as database:
        return dict(database.execute("SELECT order_id, fence FROM orders"))


def readiness(process: Serving) -> tuple[int, str, str]:
    """Return what it says of itself: the answer's code, its name, and the queue's state."""
    answer = httpx.get(f"{process.url}/health/ready", timeout=20)
    found = answer.json()
    return answer.status_code, found.get("code", found["status"]), found["checks"]["queue"]


def test_accepted_by_one_and_executed_by_another(tmp_path: Path, redis_server: RedisServer) -> None:
    """A socket hears the whole life without gap, on whichever process it is opened."""
    names = ("serve", "serve-2", "work")
    with (
        fleet(tmp_path, redis_server, *names, profile="original") as processes,
        httpx.Client(base_url=server(processes).url, timeout=20) as http,
    ):
        assert "no workers here" in server(processes).line
        order_id, other = submit(http), submit(http)
        events = heard(server(processes), order_id)
        types = [type(event).__name__ for event in events]
        assert types == ["Accepted", "Claimed", "Routed", "Submitted", "Confirmed"]
        assert [event.seq for event in events] == [1, 2, 3, 4, 5]
        assert all(is_by(worker, processes["work"]) for worker in claims(events))
        assert events == log_of(http, order_id) == heard(server(processes, "serve-2"), order_id)
        late = heard(server(processes, "serve-2"), other, 2)
        assert [event.seq for event in late] == [2, 3, 4, 5]
        require_all_end(server(processes), tmp_path, {order_id, other})


@pytest.mark.parametrize("batch_max", ["1", "100"])
def test_two_workers_execute_each_order_once(
    tmp_path: Path, redis_server: RedisServer, batch_max: str
) -> None:
    """Whether a job of the queue carries one order or many: nobody takes what another has."""
    env = {"ORDERENGINE_BATCH_MAX": batch_max}
    names = ("serve", "work-1", "work-2")
    with fleet(tmp_path, redis_server, *names, **env) as processes:
        accepted = accept(server(processes), 200)
        require_all_end(server(processes), tmp_path, accepted)
        logs = logs_in(tmp_path)
        assert set(logs) == accepted
        assert {len(claims(log)) for log in logs.values()} == {1}
        assert set(fences(tmp_path).values()) == {1}
        workers = [claims(log)[0] for log in logs.values()]
        for name in ("work-1", "work-2"):
            assert any(is_by(worker, processes[name]) for worker in workers), f"{name} did nothing"
    assert redis_server.length(NORMAL_JOBS) == 0


@pytest.mark.parametrize("profile", ["original", "solana-fast"])
def test_a_worker_is_killed_and_another_takes_over(
    tmp_path: Path, redis_server: RedisServer, profile: str
) -> None:
    """With transactions out: each ends once, under a fence that the dead one does not hold."""
    with fleet(tmp_path, redis_server, "serve", "work-1", "work-2", profile=profile) as processes:
        first = processes["work-1"]
        accepted = accept(server(processes), 200)
        until(lambda: bool(_in_flight(tmp_path, first)), "work-1 has a transaction out")
        first.kill()
        held = _in_flight(tmp_path, first)
        assert held, "it was killed too late to show anything"
        require_all_end(server(processes), tmp_path, accepted)
        fence_of = fences(tmp_path)
        assert all(fence_of[order_id] > 1 for order_id in held)


def _in_flight(folder: Path, process: Process) -> set[str]:
    """Return the orders whose transaction a process has sent and whose end is not known."""
    logs = logs_in(folder)
    return {
        order_id
        for order_id, log in logs.items()
        if isinstance(log[-1], Submitted) and is_by(claims(log)[-1], process)
    }


def test_redis_goes_and_comes_back(tmp_path: Path, redis_server: RedisServer) -> None:
    """Accepting goes on, orders end meanwhile, and readiness is lost and comes back."""
    with fleet(tmp_path, redis_server, "serve", "work", profile="solana-fast") as processes:
        serve = server(processes)
        until(lambda: readiness(serve) == (200, "ok", "redis"), "ready with Redis")
        accepted = accept(serve, 50)
        redis_server.stop()
        accepted |= accept(serve, 50)
        degraded = (503, "NOT_READY", "redis is down, polling SQL")
        until(lambda: readiness(serve) == degraded, "not ready without Redis")
        accepted |= accept(serve, 50)
        require_all_end(serve, tmp_path, accepted)
        assert readiness(serve) == degraded
        redis_server.start()
        until(lambda: readiness(serve) == (200, "ok", "redis"), "ready with Redis again")
        accepted |= accept(serve, 50)
        require_all_end(serve, tmp_path, accepted)
        assert len(logs_in(tmp_path)) == 200
        for name, process in processes.items():
            _require_said_once(process, name)


def _require_said_once(process: Process, name: str) -> None:
    """Check that an outage makes a line when it begins and one when it is over, not one a try."""
    for role in ("waking workers", *(["taking wake-ups"] if name == "work" else [])):
        lost, back = (f"Redis is {state} for {role}" for state in ("lost", "back"))
        process.wait_for(back)
        said = process.log.read_text(errors="replace")
        assert (said.count(lost), said.count(back)) == (1, 1), said


def test_redis_is_wiped_while_orders_wait(tmp_path: Path, redis_server: RedisServer) -> None:
    """Nobody works yet and all wake-ups are gone: whoever starts finds the orders in the file."""
    with fleet(tmp_path, redis_server, "serve") as processes:
        accepted = accept(server(processes), 200)
        until(lambda: redis_server.length(NORMAL_JOBS) > 0, "wake-ups are in Redis")
        assert not any(claims(log) for log in logs_in(tmp_path).values())
        redis_server.flushall()
        with fleet(tmp_path, redis_server, "work"):
            require_all_end(server(processes), tmp_path, accepted)
        assert all(isinstance(log[-1], Confirmed) for log in logs_in(tmp_path).values())


def test_a_worker_of_another_queue_breaks_nothing(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    """One that knows no Redis looks into the same file, beside a process that serves and works."""
    with (
        fleet(tmp_path, redis_server, "serve", ORDERENGINE_WORKERS="1") as processes,
        fleet(tmp_path, redis_server, "work", REDIS_URL=""),
    ):
        accepted = accept(server(processes), 500)
        require_all_end(server(processes), tmp_path, accepted)
        assert {len(claims(log)) for log in logs_in(tmp_path).values()} == {1}
        assert set(fences(tmp_path).values()) == {1}
