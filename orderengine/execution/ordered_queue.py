"""Hand out waiting orders in one sequence: the order with the least sort key first.

A discipline is a function of an order that returns its key; orders with equal keys go in the order
in which they came. This queue serves studies of disciplines; the service has lanes.

Where it misleads: keys are fixed when an order joins, so an order does not become more urgent by
waiting; and ``priority``, ``lifo`` and ``edf`` have no guard against starving the orders they
put last, as the lanes have.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

import anyio

from orderengine.errors import InvalidAmount, QueueFull
from orderengine.model.order import Order, Priority

__all__ = ["DISCIPLINES", "Discipline", "OrderedQueue"]

Discipline = Callable[[Order], Any]
"""Return a sort key: a number, or a tuple of numbers of one length for all orders."""

_URGENCY = {Priority.URGENT: 0, Priority.NORMAL: 1, Priority.BULK: 2}


def _fifo(order: Order) -> int:
    del order
    return 0


def _by_priority(order: Order) -> int:
    return _URGENCY[order.priority]


def _by_deadline(order: Order) -> float:
    return math.inf if order.deadline_ns is None else order.deadline_ns


DISCIPLINES: dict[str, Discipline] = {
    "fifo": _fifo,
    "priority": _by_priority,
    "edf": _by_deadline,
    "lifo": _fifo,
}
"""``fifo``: first come, first served; ``priority``: every urgent order before any normal one, and
these before bulk; ``edf``: the earliest deadline first; ``lifo``: the last come first."""


class OrderedQueue:
    """Implement the ``WorkQueue`` port.

    Args:
        discipline: gives the keys.
        order_of: gives the order of an id, once it is accepted.
        capacity: the most ids that wait, of all priorities together.
        is_last_first: whether, of equal keys, the order that came last is the first.
    """

    def __init__(
        self,
        discipline: Discipline,
        order_of: Callable[[str], Order],
        *,
        capacity: int = 100_000,
        is_last_first: bool = False,
    ) -> None:
        self._discipline = discipline
        self._order_of = order_of
        self._capacity = capacity
        self._heap: list[tuple[tuple[float, ...], int, str]] = []
        self._waiting: set[str] = set()
        self._turns = count(0, -1 if is_last_first else 1)
        self._ids = anyio.Semaphore(0, fast_acquire=True)
        self._room = anyio.Semaphore(capacity, fast_acquire=True)
        self._closed = False

    def depth(self) -> int:
        """Return how many ids wait."""
        return len(self._heap)

    def require_room(self, priority: Priority) -> None:
        """Raise ``QueueFull`` if the queue holds its capacity."""
        if len(self._heap) >= self._capacity:
            raise QueueFull(priority, self._capacity)

    async def put(self, priority: Priority, order_id: str) -> None:
        """Add an id, waiting for room; drops one that waits already, and all once closed.

        Raises:
            InvalidAmount: the discipline's key is none.
        """
        del priority  # the order has it
        if order_id in self._waiting:
            return
        key = _checked(self._discipline(self._order_of(order_id)))
        await self._room.acquire()
        if self._closed or order_id in self._waiting:  # it may have come in meanwhile
            self._room.release()  # for the next who waits
            return
        self._waiting.add(order_id)
        heappush(self._heap, (key, next(self._turns), order_id))
        self._ids.release()

    async def get(self) -> str | None:
        """Return the first id, waiting for one; None once the queue is closed."""
        await self._ids.acquire()
        if self._closed:
            self._ids.release()  # for the next who waits
            return None
        self._room.release()
        _, _, order_id = heappop(self._heap)
        self._waiting.discard(order_id)
        return order_id

    def close(self) -> None:
        """Let every ``get`` return None and every ``put`` return."""
        if self._closed:
            return
        self._closed = True
        self._ids.release()
        self._room.release()


def _checked(key: object) -> tuple[float, ...]:
    """Return the key as a tuple, which sorts without surprise."""
    parts = key if isinstance(key, tuple) else (key,)
    for part in parts:
        if not isinstance(part, int | float) or math.isnan(part):
            expected = "a number, or a tuple of numbers"
            raise InvalidAmount("the discipline's key", key, expected)
    return parts
