"""Hold the few connections of one process to PostgreSQL, each with its own kind of work.

What must not wait for other work has a connection of its own: renewals of leases above all. The
number of connections is fixed, so that an operator can tell how many processes a server bears.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

import anyio

from orderengine.errors import InvariantViolated
from orderengine.storage.postgres.batches import Line
from orderengine.storage.postgres.connections import Link

__all__ = ["CONNECTIONS_MAX", "PostgresLines"]

CAPACITY = 400_000
"""Operations that may wait for each connection: three of each order at hand, and some."""
_READERS = 2
CONNECTIONS_MAX = 6 + _READERS
"""Connections that one process holds at most. Opening takes one more for a moment, and so does
counting all orders."""


class PostgresLines:
    """Hold the lines; use it with ``async with``. Leaving the block does what still waits.

    Each connects when it is first used, and again after its connection broke.

    Args:
        url: of the database, which has been checked.
    """

    def __init__(self, url: str) -> None:
        self.url = url

        def line() -> Line:
            return Line(Link(url), capacity=CAPACITY)

        self.create = line()
        self.append = line()
        self.leases = line()
        """Claims and releases."""
        self.renew = line()
        self.other = line()
        """What else is written, one statement after another."""
        self.logs = line()
        self._readers = tuple(line() for _ in range(_READERS))
        self._is_open = False

    @property
    def reader(self) -> Line:
        """The line for other reads that has the least to do."""
        return min(self._readers, key=len)

    @property
    def _all(self) -> tuple[Line, ...]:
        writers = (self.create, self.append, self.leases, self.renew, self.other)
        return (*writers, self.logs, *self._readers)

    async def __aenter__(self) -> Self:
        """Begin to take operations. It is done once."""
        if self._is_open:
            raise InvariantViolated("these lines are open already")
        self._is_open = True
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        for line in self._all:
            self._group.start_soon(line.serve)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Do what waits, then close the connections."""
        for line in self._all:
            line.close()
        # The task group must see a cancellation, which may be its own; any other error goes on as
        # it is rather than in a group of one.
        if isinstance(error, anyio.get_cancelled_exc_class()):
            return await self._group.__aexit__(kind, error, trace)
        return await self._group.__aexit__(None, None, None)
