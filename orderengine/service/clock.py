"""Tell the date on the wall."""

from __future__ import annotations

import asyncio
import time

__all__ = ["WallClock"]


class WallClock:
    """Implement the ``Clock`` port.

    The date is read once and carried on by the monotonic clock, so a correction of the system's
    date neither makes a deadline pass early nor lets one pass twice.
    """

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        """Return nanoseconds since the Unix epoch."""
        return self._offset_ns + time.monotonic_ns()

    async def sleep_until(self, at_ns: int) -> None:
        """Wait until a date; if it has come, only let others run."""
        wait_ns = at_ns - self.now_ns()
        # An order does this some ten times, and asyncio's own costs a fraction of anyio's.
        await asyncio.sleep(wait_ns / 1e9 if wait_ns > 0 else 0)
