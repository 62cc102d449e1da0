"""Space out repeated tries: pauses that double, with jitter, up to a bound."""

from __future__ import annotations

from collections.abc import Iterator
from secrets import SystemRandom

__all__ = ["pauses_s"]

_FIRST_S, _LONGEST_S = 0.05, 2.0
_DRAW = SystemRandom()


def pauses_s() -> Iterator[float]:
    """Yield pauses in seconds: half to all of 50 ms, 100 ms, … 2 s, without end.

    The jitter keeps clients that failed together from coming back together.
    """
    pause_s = _FIRST_S
    while True:
        yield pause_s * _DRAW.uniform(0.5, 1.0)
        pause_s = min(pause_s * 2, _LONGEST_S)
