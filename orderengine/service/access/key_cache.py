"""Find who holds a secret, asking the database at most every half second for the same one.

What is remembered is bounded, and so are the questions in flight: random secrets neither fill the
memory nor hold up the database. A key that is revoked elsewhere is dead here within ``FRESH_NS``;
while the database is away nobody is let in for longer than that.
"""

from __future__ import annotations

from functools import partial

from msgspec import Struct

from orderengine.execution.ports import Clock
from orderengine.model.api_key import ApiKey
from orderengine.service.access.identity import Identity
from orderengine.service.access.questions import Questions
from orderengine.service.credentials import sha256_of
from orderengine.storage.database import Keys

__all__ = ["FRESH_NS", "KeyCache"]

FRESH_NS = 500_000_000
"""How long an answer of the database holds, from when it was asked on."""
_KNOWN_MAX, _UNKNOWN_MAX = 10_000, 1_000


class _Answer(Struct, frozen=True):
    """Hold what the database said of a secret."""

    asked_at_ns: int
    key: ApiKey | None
    identity: Identity | None


class KeyCache:
    """Remember keys by the hashes of their secrets.

    Args:
        keys: the database's.
        clock: dates the answers and the ends of keys.
    """

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        # Apart, so that secrets that are made up push out no key that exists.
        self._known: dict[str, _Answer] = {}
        self._unknown: dict[str, _Answer] = {}
        self._questions = Questions[_Answer]("keys")

    async def identify(self, secret: str) -> Identity | None:
        """Return who holds a secret; None if nobody does, or no more.

        Raises:
            Unavailable: the database does not say.
        """
        digest = sha256_of(secret)
        answer = self._remembered(digest)
        if answer is None:
            answer = await self._questions.ask(digest, partial(self._ask, digest))
        if answer.key is None or answer.key.is_dead(self._clock.now_ns()):
            return None
        return answer.identity

    def _remembered(self, digest: str) -> _Answer | None:
        answer = self._known.get(digest) or self._unknown.get(digest)
        is_fresh = answer is not None and self._clock.now_ns() - answer.asked_at_ns < FRESH_NS
        return answer if is_fresh else None

    async def _ask(self, digest: str) -> _Answer:
        asked_at_ns = self._clock.now_ns()
        key = await self._keys.find(digest)
        answer = _Answer(asked_at_ns, key, None if key is None else Identity.of(key))
        self._remember(digest, answer)
        return answer

    def _remember(self, digest: str, answer: _Answer) -> None:
        self._known.pop(digest, None)
        self._unknown.pop(digest, None)
        held, most = self._known, _KNOWN_MAX
        if answer.key is None:
            held, most = self._unknown, _UNKNOWN_MAX
        if len(held) >= most:
            del held[next(iter(held))]
        held[digest] = answer
