"""Let an operator pause work, or single venues, while orders go on being accepted.

Paused, workers take nothing new and no attempt begins; what is out is settled all the same, and
cancellations and deadlines hold. A study has none.
"""

from __future__ import annotations

from collections.abc import Collection

import anyio

__all__ = ["TradingHalt"]


class TradingHalt:
    """Say what rests; whoever decides it calls ``set``."""

    def __init__(self) -> None:
        self.is_paused = False
        """Whether all work rests."""
        self.paused_venues: frozenset[str] = frozenset()
        self._news = anyio.Event()

    def set(self, *, is_paused: bool, venues: Collection[str] = ()) -> bool:
        """Let this rest from now on and nothing else; return whether that is a change."""
        paused_venues = frozenset(venues)
        if (is_paused, paused_venues) == (self.is_paused, self.paused_venues):
            return False
        self.is_paused, self.paused_venues = is_paused, paused_venues
        self.wake()
        return True

    def wake(self) -> None:
        """Let all who wait look again."""
        self._news.set()
        self._news = anyio.Event()

    async def wait(self) -> None:
        """Wait for a change or a ``wake``: ask again what rests after it."""
        await self._news.wait()
