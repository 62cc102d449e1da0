"""Hold what one process knows of itself, and how it comes to know of the others."""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any, Protocol

import anyio

from orderengine.execution.halt import TradingHalt
from orderengine.execution.ports import Clock
from orderengine.execution.workers import Workers
from orderengine.model.instants import rfc3339
from orderengine.service.operations.counted import ErrorCount, counted
from orderengine.service.operations.heartbeat import Pulse, Vitals, process_name
from orderengine.service.operations.lag import LoopLag
from orderengine.service.operations.pauses import Pauses
from orderengine.service.operations.request_figures import RequestFigures
from orderengine.service.operations.standing import Standing
from orderengine.service.operations.tally import Tally
from orderengine.service.settings import Settings
from orderengine.storage.database import Database

__all__ = ["VERSION", "Instruments", "RedisAside", "RedisUser", "SocketFigures"]

VERSION = version("orderengine")
Keep = Callable[..., Awaitable[None]]
"""Runs a part for ever, and ends the process if the part fails."""


class RedisAside(Protocol):
    """Be something that uses Redis and does as well without."""

    @property
    def errors(self) -> int:
        """How many calls Redis did not answer so far."""


class RedisUser(RedisAside, Protocol):
    """Be something that needs Redis to be on time, and knows whether it answers."""

    @property
    def is_available(self) -> bool:
        """Whether Redis answers, as far as is known."""


class _Log(Protocol):
    @property
    def lag_s(self) -> float:
        """How old the newest event was when it was handed out, seconds."""


class SocketFigures(Protocol):
    """Count what the sockets of this process do."""

    @property
    def count(self) -> int:
        """Sockets that are open."""

    @property
    def slow_readers(self) -> int:
        """Sockets closed so far because their readers were too slow."""

    @property
    def log(self) -> _Log:
        """What they are told from."""


class Instruments:
    """Measure this process; the rest of it is told and asked through here.

    Args:
        database: where orders and heartbeats are; use ``self.database`` from here on, for that one
            counts its failures.
        clock: dates the start.
        settings: what the operator decided.
        roles: ``api``, ``worker``, or both.
    """

    def __init__(
        self, database: Database, clock: Clock, settings: Settings, *, roles: tuple[str, ...]
    ) -> None:
        self.settings = settings
        self.database_errors = ErrorCount()
        self.database = counted(database, self.database_errors)
        self.process = process_name()
        self.roles = roles
        self.halt = TradingHalt()
        self.lag = LoopLag()
        self.requests = RequestFigures()
        self.standing = Standing(self.database)
        self.tally = Tally(self.database.operations, self.database.orders)
        self.pauses = Pauses(self.database.operations, self.halt)
        self.pulse = Pulse(self.database.operations, self.process, self.vitals)
        self.is_draining = False
        self.workers: Workers | None = None
        self.sockets: SocketFigures | None = None
        self.redis: list[RedisUser] = []
        """What wakes workers and is woken."""
        self.redis_aside: list[RedisAside] = []
        """What else asks Redis; its errors count, readiness does not depend on it."""
        self._started_at = rfc3339(clock.now_ns())
        self._ended = 0
        self._progress_at: float | None = None

    def start(self, start_soon: Callable[..., Any], keep: Keep) -> None:
        """Run everything that runs by itself."""
        start_soon(keep, self.lag.run)
        start_soon(keep, self.pauses.run)
        start_soon(keep, self.pulse.run)
        if "api" in self.roles:
            start_soon(keep, self.tally.run)

    @property
    def redis_errors(self) -> int:
        """How many calls Redis did not answer so far."""
        return sum(user.errors for user in (*self.redis, *self.redis_aside))

    @property
    def is_redis_up(self) -> bool | None:
        """Whether Redis answers, as far as is known; None where none is used."""
        return all(user.is_available for user in self.redis) if self.redis else None

    def vitals(self) -> Vitals:
        """Return how this process is now."""
        workers, now = self.workers, anyio.current_time()
        if workers is not None and workers.ended > self._ended:
            self._ended, self._progress_at = workers.ended, now
        return Vitals(
            roles=self.roles,
            version=VERSION,
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at=self._started_at,
            at_hand=0 if workers is None else workers.at_hand,
            capacity=0 if workers is None else self.settings.worker_concurrency,
            claimed=0 if workers is None else workers.claimed,
            ended=0 if workers is None else workers.ended,
            takeovers=0 if workers is None else workers.takeovers,
            progress_age_s=None if self._progress_at is None else now - self._progress_at,
            lag_max_s=self.lag.max_s,
            lag_p99_s=self.lag.p99_s,
            redis_errors=self.redis_errors,
            database_errors=self.database_errors.total,
            is_draining=self.is_draining,
            is_paused=self.halt.is_paused,
        )
