"""Log failures of ours at most once a second, so that nobody fills the disk by making us fail."""

from __future__ import annotations

import logging
import time

__all__ = ["failure_log"]

_PERIOD_S = 1.0


class _Sparing(logging.Filter):
    """Let one record pass in a while, and let it say how many did not."""

    def __init__(self) -> None:
        super().__init__()
        self._next_s = 0.0
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is logged."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            self._left_out += 1
            return False
        self._next_s = now_s + _PERIOD_S
        if self._left_out:
            record.msg = f"{record.msg} ({self._left_out} before it were not logged)"
            self._left_out = 0
        return True


def failure_log(name: str) -> logging.Logger:
    """Return a logger that writes so seldom."""
    log = logging.getLogger(name)
    if not any(isinstance(found, _Sparing) for found in log.filters):
        log.addFilter(_Sparing())
    return log
