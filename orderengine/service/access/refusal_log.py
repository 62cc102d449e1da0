"""Log who is refused at the door, in so few lines that nobody can fill a disk with them.

An address is named once a minute for each way in which it is refused, and at most so many addresses
a minute are. What was asked for is left out: a key may stand in it.
"""

from __future__ import annotations

import logging

from orderengine.execution.ports import Clock
from orderengine.service.access.identity import Refusal

__all__ = ["RefusalLog"]

_MINUTE_NS = 60_000_000_000
_LINES_MAX = 1_000
"""In a minute."""
_STATUSES = frozenset({401, 403, 429})
"""What says that somebody has no business here, or too much of it."""
_log = logging.getLogger("orderengine.access")


class RefusalLog:
    """Remember who was named in this minute.

    Args:
        clock: says when the next one begins.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._minute = 0
        self._named: set[tuple[str, str]] = set()

    def note(self, address: str, refusal: Refusal) -> None:
        """Log a refusal of an address, unless this minute has a line for it."""
        if refusal.status not in _STATUSES or not _log.isEnabledFor(logging.INFO):
            return
        minute = self._clock.now_ns() // _MINUTE_NS
        if minute != self._minute:
            self._minute = minute
            self._named.clear()
        name = address, refusal.code
        if name in self._named or len(self._named) >= _LINES_MAX:
            return
        self._named.add(name)
        fields = {"address": address, "status": refusal.status, "code": refusal.code}
        _log.info("refused", extra={"fields": fields})
