"""Hold one SQLite file open: a connection that writes in groups, and two that read.

Writes go through one task that commits them in groups (``group_commit``). Reads have connections
of their own: in WAL mode they see the last commit and wait for nobody. Those that find their rows
by an index run where they are called, for a look-up takes less than handing it to a thread; those
whose work grows with what is stored have a thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import anyio
from anyio import to_thread

from orderengine.errors import InvariantViolated, Unavailable
from orderengine.storage.sqlite.connections import Synchronous, open_reader, open_writer
from orderengine.storage.sqlite.group_commit import GroupCommit, Operation, T

__all__ = ["SqliteFile"]


class _Connections(NamedTuple):
    """Hold the connections to one file."""

    writer: sqlite3.Connection
    reader: sqlite3.Connection
    """For look-ups, on the event loop's thread."""
    scanner: sqlite3.Connection
    """For what takes longer, in a thread."""

    def close(self) -> None:
        """Close all; the writer last, which then moves its log into the file."""
        for db in (self.scanner, self.reader, self.writer):
            db.close()


class SqliteFile:
    """Open a file; use it with ``async with``. Leaving the block commits what still waits.

    Args:
        path: the file, created if it is missing; on a local disk.
        synchronous: when a commit is on the disk; see ``SqliteEventStore``.
        wait_ns: how long a group waits while other processes write.
        capacity: how many writes may wait to be committed.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        synchronous: Synchronous = "FULL",
        wait_ns: int = 5_000_000_000,
        capacity: int = 100_000,
    ) -> None:
        self._path = Path(path)
        self._synchronous = synchronous
        self._wait_s = wait_ns / 1e9
        self._capacity = capacity
        self._connections: _Connections | None = None
        self._writer: GroupCommit | None = None
        self._one_scan = anyio.CapacityLimiter(1)

    async def __aenter__(self) -> Self:
        """Open the file.

        Raises:
            InvalidData: it is no event store, or of a version that is not known yet.
            Unavailable: it cannot be opened, or is locked.
        """
        if self._connections is not None:
            raise InvariantViolated("this event store is open already")
        self._connections = await to_thread.run_sync(self._open)
        self._writer = GroupCommit(
            self._connections.writer, capacity=self._capacity, wait_s=self._wait_s
        )
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._group.start_soon(self._writer.serve)
        return self

    def _open(self) -> _Connections:
        writer = open_writer(self._path, synchronous=self._synchronous, wait_s=self._wait_s)
        return _Connections(writer, open_reader(self._path), open_reader(self._path))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Commit what waits, then close the file."""
        if self._writer is None or self._connections is None:
            raise InvariantViolated("this event store is not open")
        self._writer.close()
        # The task group must see a cancellation, which may be its own; any other error goes on as
        # it is rather than in a group of one.
        is_cancelled = isinstance(error, anyio.get_cancelled_exc_class())
        try:
            if is_cancelled:
                return await self._group.__aexit__(kind, error, trace)
            return await self._group.__aexit__(None, None, None)
        finally:
            close, self._connections = self._connections.close, None
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(close, limiter=self._one_scan)  # after a scan that runs

    async def write(
        self, operation: Operation[T], *, first: bool = False, after: object = None
    ) -> T:
        """Run an operation in the next group; see ``GroupCommit.run``."""
        if self._writer is None:
            raise Unavailable("the event store is not open")
        return await self._writer.run(operation, first=first, after=after)

    def begin(
        self, operation: Operation[T], on_done: Callable[[], None], after: object = None
    ) -> object:
        """Have an operation run in the next group without waiting; see ``GroupCommit.begin``."""
        if self._writer is None:
            raise Unavailable("the event store is not open")
        return self._writer.begin(operation, on_done, after)

    async def scan(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a query in a thread, one at a time."""
        db = self._open_connections.scanner
        return await to_thread.run_sync(query, db, limiter=self._one_scan)

    @property
    def reader(self) -> sqlite3.Connection:
        """The connection for look-ups."""
        return self._open_connections.reader

    @property
    def _open_connections(self) -> _Connections:
        if self._connections is None:
            raise Unavailable("the event store is not open")
        return self._connections
