"""Keep the connection to Redis, and know whether Redis answers.

Redis may go and come back at any time, and nothing may depend on it. So one task asks it twice a
second and, while it does not answer, less and less often; all others only look at what that task
knows, and tell it when they meet an error. Nobody else tries again, so nothing spins.

Who asks whether the service is ready must hear within two seconds that Redis is gone, also if it
only hangs. So the question has a short deadline of its own; commands that do work may take longer.
A process that is too busy to hear the answer in time knows that it was late itself, and asks again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

__all__ = ["ANSWER_S_MAX", "BLOCKED_S", "CLIENT_NAME", "REDIS_ERRORS", "RedisLink", "connect"]

log = logging.getLogger("orderengine.service")

REDIS_ERRORS = (RedisError, OSError)
"""All that a call of Redis raises when it cannot be done: the network's errors are ``OSError``."""

CLIENT_NAME = "orderengine"
"""How our connections show in Redis's own list of clients."""

ANSWER_S_MAX = 3.0
"""Within this Redis answers a command, or counts as lost."""
BLOCKED_S = 1.0
"""How long a command that waits for work waits; must stay well below ``ANSWER_S_MAX``."""
_ASK_S = 0.5
_REPLY_S_MAX = 0.7
"""Within this Redis answers whether it is there."""
_LATE_S = 0.2
"""A deadline that is noticed so late says nothing of Redis: this process was busy."""
_ASKED_MAX = 3
_PAUSE_S_MIN, _PAUSE_S_MAX = 0.1, 5.0
_CLOSE_S_MAX = 2.0


def connect(url: str) -> Redis:
    """Return a client of Redis; it connects when it is first used."""
    # Defaults differ between versions of redis-py, down to waiting for ever: all that bounds a wait
    # is set here. A dead network shows by the time limits and the health check. One retry hides a
    # connection that a restart of Redis has cut; longer outages are the link's.
    return Redis.from_url(
        url,
        socket_connect_timeout=1.0,
        socket_timeout=ANSWER_S_MAX,
        health_check_interval=10,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), retries=1),
        max_connections=64,
        client_name=CLIENT_NAME,
    )


class RedisLink:
    """Watch one client of Redis; log once when Redis is lost, and once when it is back.

    Args:
        url: where Redis is, ``redis://host:port/0`` for one.
        role: what the client is for, as the log shall call it.
    """

    def __init__(self, url: str, role: str) -> None:
        self.redis = connect(url)
        self._role = role
        self._back: anyio.Event | None = None
        self._outages = 0
        self.errors = 0
        """Calls that Redis did not answer so far."""
        self._trouble = anyio.Event()

    @property
    def is_available(self) -> bool:
        """Whether Redis answered when it was last used; true before that."""
        return self._back is None

    async def watch(self) -> None:
        """Ask Redis again and again until cancelled."""
        pause_s = _PAUSE_S_MIN
        while True:
            self._trouble = anyio.Event()
            with self.noticing():
                await self._ask()
                self._found()
                with anyio.move_on_after(_ASK_S) as calm:
                    await self._trouble.wait()
                if calm.cancelled_caught:  # not where it answers this and refuses all else
                    pause_s = _PAUSE_S_MIN
            if not self.is_available:
                await anyio.sleep(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_S_MAX)

    async def _ask(self) -> None:
        """Ask whether Redis is there. Raises one of ``REDIS_ERRORS`` if it does not answer."""
        for _ in range(_ASKED_MAX):
            began = anyio.current_time()
            with anyio.move_on_after(_REPLY_S_MAX):
                await self.redis.ping()  # type: ignore[misc]  # typed for both clients
                return
            if anyio.current_time() - began < _REPLY_S_MAX + _LATE_S:
                break
        raise TimeoutError(f"no answer within {_REPLY_S_MAX:g} s")

    @contextmanager
    def noticing(self) -> Iterator[None]:
        """Take an error of Redis as the news that it is lost; the block is left, nothing raised."""
        outages = self._outages
        try:
            yield
        except REDIS_ERRORS as error:
            self.errors += 1
            if outages == self._outages:  # else it was lost then, and is back
                self._lost(error)

    async def until_available(self, wait_s: float) -> bool:
        """Return true as soon as Redis answers, or false after ``wait_s`` seconds."""
        if self._back is not None:
            with anyio.move_on_after(wait_s):
                await self._back.wait()
        return self.is_available

    async def close(self) -> None:
        """Give up all connections."""
        with anyio.move_on_after(_CLOSE_S_MAX, shield=True), self.noticing():
            await self.redis.aclose()

    def _lost(self, error: Exception) -> None:
        self._trouble.set()
        if self._back is None:
            self._back = anyio.Event()
            said = str(error) or "no answer in time"
            log.warning("Redis is lost for %s: %s: %s", self._role, type(error).__name__, said)

    def _found(self) -> None:
        if self._back is not None:
            self._back.set()
            self._back = None
            self._outages += 1
            log.warning("Redis is back for %s", self._role)
