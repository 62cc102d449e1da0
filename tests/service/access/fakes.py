"""Stand in for the database's keys, and for the clock, in virtual time."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import anyio

from orderengine import virtualtime
from orderengine.errors import Unavailable
from orderengine.model.api_key import ApiKey


class VirtualClock:
    """Implement the ``Clock`` port in virtual time."""

    def now_ns(self) -> int:
        """Return nanoseconds since the start."""
        return virtualtime.now_ns()

    async def sleep_until(self, at_ns: int) -> None:
        """Wait until a date."""
        await anyio.sleep(max(at_ns - self.now_ns(), 0) / 1e9)


class FakeKeys:
    """Implement ``Keys`` in memory, as slow and as broken as it is told to be."""

    def __init__(self, *, answer_s: float = 0.0) -> None:
        self.answer_s = answer_s
        self.is_away = False
        self.by_hash: dict[str, ApiKey] = {}
        self.asked: list[str] = []

    async def _answer(self) -> None:
        await anyio.sleep(self.answer_s)
        if self.is_away:
            raise Unavailable("the database is away")

    async def add(self, key: ApiKey, secret_sha256: str) -> bool:
        """Add a key."""
        self.by_hash[secret_sha256] = key
        return True

    async def find(self, secret_sha256: str) -> ApiKey | None:
        """Return the key as it was when the question came."""
        self.asked.append(secret_sha256)
        found = self.by_hash.get(secret_sha256)
        await self._answer()
        return found

    async def all(self) -> Sequence[ApiKey]:
        """Return every key."""
        return list(self.by_hash.values())

    async def revoke(self, key_id: str, at_ns: int) -> bool:
        """Refuse: tests change ``by_hash``."""
        raise AssertionError("no test may come to ask this")

    async def dead(self, key_ids: Collection[str], now_ns: int) -> frozenset[str]:
        """Return those that are dead or not known."""
        await self._answer()
        alive = {key.key_id for key in self.by_hash.values() if not key.is_dead(now_ns)}
        return frozenset(key_ids) - alive

    async def add_ticket(self, ticket_sha256: str, key_id: str, expires_at_ns: int) -> None:
        """Refuse: tickets are tested with a real database."""
        raise AssertionError("no test may come to ask this")

    async def take_ticket(self, ticket_sha256: str, now_ns: int) -> ApiKey | None:
        """Refuse: tickets are tested with a real database."""
        raise AssertionError("no test may come to ask this")
