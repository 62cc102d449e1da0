"""Let a user, a key and an address ask so many times a minute, over all processes and in this one.

Each process counts what passes through it, whoever else counts, so no more than the limit passes
through one process, whatever becomes of Redis. What it would let pass, Redis is asked for, which
counts for all processes by the library ``limits``: a window of a minute that slides, by the counts
of this minute and the one before. While Redis is away or slow requests go on without it.
"""

from __future__ import annotations

import anyio
from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from orderengine.execution.ports import Clock
from orderengine.service.access.identity import Identity, Refusal
from orderengine.service.access.passed import Passed
from orderengine.service.redis_link import RedisLink

__all__ = ["RateLimits"]

_REFUSED_MAX = 10_000
_REFUSED_MS_MAX = 1_000
"""How long a refusal is given again without counting anew: a flood costs Redis nothing."""
_ANSWER_S_MAX = 0.25
_REST_S = 1.0
"""How long Redis is not asked after it was too slow: no request waits for it again."""
_LATE_S = 0.05
"""A deadline that is noticed so late says nothing of Redis: this process was busy."""
_ASKED_MAX = 16
"""Questions to Redis at once, each on a connection: a crowd opens no more, and waits its turn."""
_CONNECT_S_MAX = 1.0


class RateLimits:
    """Count requests, and refuse those that are too many.

    Args:
        clock: dates refusals.
        per_user: requests a minute of a user; 0 for no limit.
        per_address: requests a minute of an address; 0 for no limit.
        redis_url: where all processes count together; empty for each by itself.
    """

    def __init__(
        self, clock: Clock, *, per_user: int, per_address: int, redis_url: str = ""
    ) -> None:
        self._clock = clock
        self._per_user = per_user
        self._per_address = per_address
        self._here = Passed()
        self._turns = anyio.Semaphore(_ASKED_MAX)
        self._link: RedisLink | None = None
        self._rests_until = 0.0
        self._refused_until_ms: dict[str, int] = {}
        if redis_url:
            self._link = RedisLink(redis_url, "rate limits")
            shared = RedisStorage(
                "async+redis://",  # the pool says where
                implementation="redispy",
                key_prefix="orderengine-rate",
                connection_pool=self._link.redis.connection_pool,  # type: ignore[arg-type]  # as documented
            )
            self._shared = SlidingWindowCounterRateLimiter(shared)

    @property
    def counts_addresses(self) -> bool:
        """Whether addresses are limited at all."""
        return self._per_address > 0

    @property
    def errors(self) -> int:
        """How many calls Redis did not answer so far."""
        return 0 if self._link is None else self._link.errors

    async def connect(self) -> None:
        """Connect to Redis now, so that the first requests count there too; give up soon."""
        if self._link is not None:
            with self._link.noticing(), anyio.fail_after(_CONNECT_S_MAX):
                await self._link.redis.ping()  # type: ignore[misc]  # typed for both clients

    async def run(self) -> None:
        """Watch the connection to Redis, if there is one, until cancelled."""
        if self._link is not None:
            try:
                await self._link.watch()
            finally:
                await self._link.close()

    async def refuse_address(self, address: str) -> Refusal | None:
        """Count a request of an address; return how it is refused, or None if it may go on."""
        if not self._per_address:
            return None
        return await self._refuse(f"address:{address}", self._per_address)

    async def refuse_caller(self, identity: Identity) -> Refusal | None:
        """Count a request of a key with a limit of its own, or else of its user."""
        if identity.requests_per_minute is not None and identity.key_id is not None:
            return await self._refuse(f"key:{identity.key_id}", identity.requests_per_minute)
        if not self._per_user:
            return None
        return await self._refuse(f"user:{identity.user}", self._per_user)

    async def _refuse(self, key: str, limit: int) -> Refusal | None:
        now_ms = self._clock.now_ns() // 1_000_000
        wait_ms = self._refused_until_ms.get(key, 0) - now_ms
        if wait_ms <= 0:
            wait_ms = await self._wait_ms(key, limit, now_ms)
            if wait_ms == 0:
                return None
            self._remember(key, now_ms + min(wait_ms, _REFUSED_MS_MAX))
        wait_s = str(-(-wait_ms // 1_000)).encode()
        return Refusal(
            429,
            "RATE_LIMITED",
            f"at most {limit} requests a minute; try again in {wait_s.decode()} s",
            (
                (b"retry-after", wait_s),
                (b"ratelimit-limit", str(limit).encode()),
                (b"ratelimit-remaining", b"0"),
                (b"ratelimit-reset", wait_s),
            ),
        )

    async def _wait_ms(self, key: str, limit: int, now_ms: int) -> int:
        """Count a request and return 0; or count nothing, and return when to try again."""
        wait_ms = self._here.take(key, limit, now_ms)
        if wait_ms or self._link is None:
            return wait_ms
        async with self._turns:
            wait_ms = await self._ask(self._link, key, RateLimitItemPerMinute(limit))
        if wait_ms:
            self._here.give_back(key)
        return wait_ms

    async def _ask(self, link: RedisLink, key: str, item: RateLimitItemPerMinute) -> int:
        """Return what Redis says, or 0 if it says nothing in time."""
        began = anyio.current_time()
        if not link.is_available or began < self._rests_until:
            return 0
        with link.noticing():
            with anyio.move_on_after(_ANSWER_S_MAX):
                if await self._shared.hit(item, key):
                    return 0
                stats = await self._shared.get_window_stats(item, key)
                now_ms = self._clock.now_ns() // 1_000_000
                return max(round(stats.reset_time * 1_000) - now_ms, 1)
            now = anyio.current_time()
            if now - began < _ANSWER_S_MAX + _LATE_S:
                self._rests_until = now + _REST_S
        return 0

    def _remember(self, key: str, until_ms: int) -> None:
        if len(self._refused_until_ms) >= _REFUSED_MAX:
            self._refused_until_ms.clear()
        self._refused_until_ms[key] = until_ms
