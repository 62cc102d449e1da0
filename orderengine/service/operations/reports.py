"""Say once what is wrong with an order, however often it is met."""

from __future__ import annotations

import logging

__all__ = ["OrderReports"]

_KNOWN_MAX = 10_000
_log = logging.getLogger("orderengine.service")


class OrderReports:
    """Log an order's error the first time; the same one again only under ``debug``."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str]] = set()

    def __call__(self, order_id: str, error: Exception) -> None:
        """Report an error that nobody foresaw, or that the order cannot be read."""
        seen = (order_id, type(error).__name__)
        if seen in self._known:
            _log.debug("order %s failed again in the same way", order_id)
            return
        if len(self._known) >= _KNOWN_MAX:
            self._known.clear()
        self._known.add(seen)
        _log.error("order %s failed in a way that nobody foresaw", order_id, exc_info=error)
