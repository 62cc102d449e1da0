"""Hold functions that a scenario can carry, one a definition, so that each has a source."""

from __future__ import annotations

from collections.abc import Sequence

from orderengine.model.order import Order, Quote


def first(order: Order, quotes: Sequence[Quote]) -> Quote:
    """Take the first quote."""
    del order
    return quotes[0]


def last(order: Order, quotes: Sequence[Quote]) -> Quote:
    """Take the last quote."""
    del order
    return quotes[-1]


def nothing(order: Order, quotes: Sequence[Quote]) -> None:
    """Take no quote."""
    del order, quotes


class Nth:
    """Take the n-th quote."""

    def __init__(self, n: int) -> None:
        self._n = n

    def __call__(self, order: Order, quotes: Sequence[Quote]) -> Quote:
        """Return it, or the last there is."""
        del order
        return quotes[min(self._n, len(quotes) - 1)]
