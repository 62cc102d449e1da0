"""Count what passes through this process within a minute that slides, in bounded memory.

The window slides as the library's does that counts in Redis: the count of this minute, and that of
the one before by how much of it the last sixty seconds still cover.
"""

from __future__ import annotations

__all__ = ["Passed"]

_MINUTE_MS = 60_000


class _Counts:
    """Hold the counts of one name."""

    __slots__ = ("before", "minute", "now")

    def __init__(self, minute: int) -> None:
        self.minute = minute
        self.now = 0
        self.before = 0

    def move_to(self, minute: int) -> None:
        """Begin another minute, if it is one."""
        if minute != self.minute:
            self.before = self.now if minute == self.minute + 1 else 0
            self.minute, self.now = minute, 0


class Passed:
    """Hold counts by name; beyond ``names_max`` the name that came first is forgotten."""

    def __init__(self, names_max: int = 10_000) -> None:
        self._names_max = names_max
        self._counts: dict[str, _Counts] = {}

    def take(self, name: str, limit: int, now_ms: int) -> int:
        """Count one and return 0; or count nothing, and return how many milliseconds to wait."""
        minute, into_ms = divmod(now_ms, _MINUTE_MS)
        counts = self._counts.get(name)
        if counts is None:
            if len(self._counts) >= self._names_max:
                del self._counts[next(iter(self._counts))]
            counts = self._counts[name] = _Counts(minute)
        counts.move_to(minute)
        if counts.now + counts.before * (_MINUTE_MS - into_ms) // _MINUTE_MS < limit:
            counts.now += 1
            return 0
        if counts.now >= limit:
            return _MINUTE_MS - into_ms
        # So much of the minute must pass that what is left of the one before makes room for one.
        room_ms = _MINUTE_MS - (limit - counts.now) * _MINUTE_MS // counts.before
        return max(room_ms - into_ms, 0) + 1

    def give_back(self, name: str) -> None:
        """Take one back that was counted and did not pass."""
        counts = self._counts.get(name)
        if counts is not None and counts.now:
            counts.now -= 1
