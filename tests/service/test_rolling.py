"""Restart each process of a service in turn, under load: no request fails and no order is lost.

Two serving processes and two working ones over one PostgreSQL and one Redis; a balancer that asks
for readiness stands before the first two. ``ROLLING_ORDERS`` and ``ROLLING_ROUNDS`` in the
environment make it longer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from orderengine.storage.opening import upgrade_database
from tests.servers import PostgresServer, RedisServer
from tests.service.serving import CODE, Process, Serving

ORDERS = int(os.environ.get("ROLLING_ORDERS", "200"))
ROUNDS = int(os.environ.get("ROLLING_ROUNDS", "1"))


class Fleet:
    """Hold four processes, and start each again with what it was started with."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._folder = folder
        self._env = env
        self._processes: dict[str, Process] = {}
        for name in ("serve-1", "serve-2", "work-1", "work-2"):
            self._start(name, "0")

    @property
    def ports(self) -> list[int]:
        """The ports of those that serve."""
        return [found.port for found in self._processes.values() if isinstance(found, Serving)]

    def _start(self, name: str, port: str) -> None:
        if name.startswith("serve"):
            env = self._env | {"ORDERENGINE_WORKERS": "0"}
            self._processes[name] = Serving(self._folder, name=name, port=port, **env)
        else:
            process = Process(self._folder, "work", name=name, **self._env)
            process.wait_for("working: ")
            self._processes[name] = process

    def restart_each(self) -> None:
        """Ask one after the other to end, and start it again at the same port."""
        for name, process in list(self._processes.items()):
            assert process.stop() == 0, process.log.read_text(errors="replace")
            self._start(name, str(process.port) if isinstance(process, Serving) else "0")

    def end(self) -> None:
        """End all."""
        for process in self._processes.values():
            process.kill()

    def logs(self) -> Iterator[str]:
        """Yield what each has said."""
        for process in self._processes.values():
            yield process.log.read_text(errors="replace")


@contextmanager
def balanced(ports: list[int]) -> Iterator[str]:
    """Give the URL of a balancer in front of some ports."""
    command = [sys.executable, "-m", "tests.service.balancer", *map(str, ports)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


@contextmanager
def loading(url: str, orders: int, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Give the program that sends orders and follows each on a socket of its own."""
    arguments = ["load", "--url", url, "--orders", str(orders), "--concurrency", "50"]
    arguments += ["--ws", "per-order", "--lost-after", "60", "--json"]
    with (folder / "load.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", CODE, *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.mark.timeout(600)
def test_rolling_restarts_lose_nothing(
    tmp_path: Path, redis_server: RedisServer, postgres: PostgresServer
) -> None:
    """Each of them; the client sees no refusal, and every event of every order, once."""
    url = postgres.create_database()
    anyio.run(upgrade_database, url)
    env = {
        "DATABASE_URL": url,
        "REDIS_URL": redis_server.url,
        "ORDERENGINE_SIM_PROFILE": "original",
        "ORDERENGINE_DRAIN_S": "1",
        "ORDERENGINE_GRACE_S": "1",
    }
    fleet = Fleet(tmp_path, env)
    try:
        with balanced(fleet.ports) as balancer, loading(balancer, ORDERS, tmp_path) as load:
            rounds = 0
            while rounds < ROUNDS or load.poll() is None:
                fleet.restart_each()
                rounds += 1
            said, _ = load.communicate(timeout=120)
        assert said, (tmp_path / "load.log").read_text()
        report: dict[str, Any] = json.loads(said)
        assert (report["orders"], report["accepted"], report["refused"]) == (ORDERS, ORDERS, {})
        assert report["ended"]["confirmed"] == ORDERS, report["ended"]
        wrong = {name: report[name] for name in ("lost", "duplicated", "out_of_order", "missing")}
        assert not any(wrong.values()), wrong
        ended = "SELECT status, count(*) FROM orders GROUP BY status"
        assert postgres.execute(ended, url) == [("confirmed", ORDERS)]
        seqs = """SELECT count(*) FROM (SELECT order_id, max(seq) - count(*) AS gap FROM events
            GROUP BY order_id) logs WHERE gap <> 0"""
        assert postgres.execute(seqs, url) == [(0,)]
        for log in fleet.logs():
            assert "Traceback" not in log, log
    finally:
        fleet.end()
