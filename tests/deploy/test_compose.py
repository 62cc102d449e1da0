"""Run what compose.yaml says, word by word, as far as that goes without containers.

The commands and their environments are the file's own; only host names and ports are those of
servers on this machine.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deploy.files import FILLED, compose, image_env
from tests.servers import PostgresServer, RedisServer, running_redis
from tests.service.serving import Process

_BOOTSTRAP = {"Authorization": f"Bearer {FILLED['ORDERENGINE_BOOTSTRAP_KEY']}"}
_SWAP = {"sell": "SOL", "buy": "USDC", "amount": "1500000000"}
_WAIT_S = 30.0


class Composed:
    """Start services of the file as processes."""

    def __init__(self, folder: Path, redis_url: str, database_url: str) -> None:
        self.services: dict[str, Any] = compose(FILLED)["services"]
        self.folder = folder
        self._addresses = {"REDIS_URL": redis_url, "DATABASE_URL": database_url}

    def env(self, name: str) -> dict[str, str]:
        """Return a service's environment."""
        env: dict[str, str] = image_env() | self.services[name]["environment"]
        env.pop("PATH")
        assert self._addresses.keys() <= env.keys()
        return env | self._addresses | {"HOST": "127.0.0.1", "PORT": "0"}

    def start(self, name: str, command: list[str] | None = None) -> Process:
        """Start a service, or another command in its container."""
        words = command or self.services[name]["command"]
        assert words[0] == "orderengine"
        return Process(self.folder, *words[1:], name="-".join(words), **self.env(name))


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """Give a Redis that was started with the file's own words."""
    program, *words = compose(FILLED)["services"]["redis"]["command"]
    assert program == "redis-server"
    password = words[words.index("--requirepass") + 1]
    with running_redis(*words, password=password) as server:
        yield server


def test_the_file_starts_a_service(
    tmp_path: Path, redis: RedisServer, postgres: PostgresServer
) -> None:
    """Upgrade, serve, work, ask for health, place an order, make a key, scrape, and end."""
    composed = Composed(tmp_path, redis.url, postgres.create_database())
    with ExitStack() as stack:
        upgrade = composed.start("upgrade")
        stack.callback(upgrade.kill)
        assert upgrade.wait() == 0, upgrade.log.read_text()
        api, worker = composed.start("api"), composed.start("worker")
        stack.callback(api.kill)
        stack.callback(worker.kill)
        url = api.wait_for(r"listening on (http://[^:]+:\d+)")[1]
        worker.wait_for("working: ")
        _check_health(composed, url)
        made = composed.start("api", ["orderengine", "keys", "create", "--user", "alice"])
        assert made.wait() == 0, made.log.read_text()
        secret = made.log.read_text().split()[-1]
        assert secret.startswith("oe_")
        with httpx.Client(base_url=url, timeout=10) as http:
            assert http.get("/orders").status_code == 401
            _place(http, {"Authorization": f"Bearer {secret}"})
            metrics = http.get("/metrics", headers=_BOOTSTRAP)
            assert metrics.status_code == 200
            assert "orderengine_orders_accepted_total 1.0" in metrics.text
        doctor = composed.start("api", ["orderengine", "doctor"])
        said = doctor.wait_for(r"(?s)workers.*")[0] if doctor.wait() == 0 else ""
        assert said, doctor.log.read_text()
        for process in (api, worker):
            grace_s = int(composed.services["api"]["stop_grace_period"].removesuffix("s"))
            began = time.monotonic()
            assert process.stop(signal.SIGTERM) == 0, process.log.read_text()
            assert time.monotonic() - began < grace_s
            assert FILLED["ORDERENGINE_BOOTSTRAP_KEY"] not in process.log.read_text()


def _check_health(composed: Composed, url: str) -> None:
    """Run the file's own health check against the port that was free here."""
    kind, program, *words = composed.services["api"]["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    words = [word.replace("http://127.0.0.1:3000", url) for word in words]
    subprocess.run([sys.executable, *words], check=True, timeout=20)


def _place(http: httpx.Client, headers: dict[str, str]) -> None:
    """Place an order and wait for its end."""
    answer = http.post("/execute", json=_SWAP, headers=headers)
    assert answer.status_code == 202, answer.text
    path = f"/orders/{answer.json()['order_id']}"
    assert http.get(path, headers=_BOOTSTRAP).status_code == 404
    until = time.monotonic() + _WAIT_S
    while (found := http.get(path, headers=headers).json())["status"] != "confirmed":
        assert time.monotonic() < until, found
        time.sleep(0.1)
