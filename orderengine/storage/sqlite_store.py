"""Keep event logs and leases in an SQLite file, which several processes of one machine may share.

Writes go through one task that commits them in groups (``storage.group_commit``). Reads have a
connection of their own: in WAL mode they see the last commit and wait for nobody. Those that find
their rows by an index run where they are called, for a look-up takes less than handing it to a
thread; the one whose work grows with the backlog has a thread.

A write is committed before its caller goes on, so what a caller has been told is in the file, and
what it reads after that is at least as new.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import anyio
from anyio import to_thread

from orderengine.errors import InvariantViolated, Unavailable
from orderengine.execution.ports import IdempotencyKey, OpenOrder, Signed
from orderengine.model.events import Accepted, Event
from orderengine.model.wire import encode
from orderengine.storage import queries, statements
from orderengine.storage.connections import Synchronous, open_reader, open_writer
from orderengine.storage.group_commit import GroupCommit, Operation, T

__all__ = ["SqliteEventStore"]


class _Connections(NamedTuple):
    """Hold the store's connections to one file."""

    writer: sqlite3.Connection
    reader: sqlite3.Connection
    """For look-ups, on the event loop's thread."""
    scanner: sqlite3.Connection
    """For what takes longer, in a thread."""

    def close(self) -> None:
        """Close all; the writer last, which then moves its log into the file."""
        for db in (self.scanner, self.reader, self.writer):
            db.close()


class SqliteEventStore:
    """Implement the ports ``EventStore`` and ``History``; use it with ``async with``.

    Leaving the block commits what is still waiting. Every method may raise ``Unavailable``: the
    file is locked, the disk is full, or too much waits. A write whose caller is cancelled may still
    be committed.

    Args:
        path: the file, created if it is missing; on a local disk.
        lease_ns: how long a claim holds, at least 1 ms, on the database's clock.
        synchronous: ``FULL`` puts each commit on the disk before it counts. With ``NORMAL`` the
            last commits are lost if the machine loses power: an order that was answered, or worse,
            the record of a transaction that was sent, so that a second one could be signed.
        wait_ns: how long a group waits while other processes write.
        capacity: how many writes may wait to be committed.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        lease_ns: int = 3_000_000_000,
        synchronous: Synchronous = "FULL",
        wait_ns: int = 5_000_000_000,
        capacity: int = 100_000,
    ) -> None:
        self._path = Path(path)
        self._lease_ms = max(lease_ns // 1_000_000, 1)
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

    async def _write(self, operation: Operation[T], *, first: bool = False) -> T:
        if self._writer is None:
            raise Unavailable("the event store is not open")
        return await self._writer.run(operation, first=first)

    @property
    def _open_connections(self) -> _Connections:
        if self._connections is None:
            raise Unavailable("the event store is not open")
        return self._connections

    @property
    def _reader(self) -> sqlite3.Connection:
        return self._open_connections.reader

    async def create(self, accepted: Accepted, key: IdempotencyKey | None = None) -> str:
        """Store a new order with its first event, or return the id that the key made before."""
        body = encode(accepted).decode()
        return await self._write(partial(statements.create, accepted=accepted, body=body, key=key))

    async def append(
        self, event: Event, *, fence: int | None = None, signed: Signed | None = None
    ) -> None:
        """Append the order's next event and the transaction it announces."""
        body = encode(event).decode()
        await self._write(
            partial(statements.append, event=event, body=body, fence=fence, signed=signed)
        )

    async def events(self, order_id: str, from_seq: int = 1) -> Sequence[Event]:
        """Return the log from ``from_seq`` on, inclusive. Raises ``UnknownOrder``."""
        return queries.log(self._reader, order_id, from_seq)

    async def claim(self, order_id: str, worker: str) -> int | None:
        """Take the order's lease, or return None if it is held or the order ended."""
        del worker  # who it is shows in the log; the fence alone decides
        return await self._write(
            partial(statements.claim, order_id=order_id, lease_ms=self._lease_ms)
        )

    async def renew(self, fences: Mapping[str, int]) -> None:
        """Prolong leases before all other writes; one not held under its fence is left alone."""
        held = dict(fences)  # the caller's may change while this waits
        if held:
            renew = partial(statements.renew, fences=held, lease_ms=self._lease_ms)
            await self._write(renew, first=True)

    async def release(self, order_id: str, fence: int) -> None:
        """Give the lease back; does nothing if it is not held under this fence."""
        await self._write(partial(statements.release, order_id=order_id, fence=fence))

    async def claimable(self, limit: int) -> Sequence[OpenOrder]:
        """Return open orders that nobody holds, urgent ones first, then as they were accepted.

        It looks at every open order that is held before it finds those that are not, so it runs in
        a thread.
        """
        scan = partial(queries.claimable, self._open_connections.scanner, limit)
        return await to_thread.run_sync(scan, limiter=self._one_scan)

    async def signed(self, order_id: str, signature: str) -> Signed:
        """Return the stored transaction. Raises ``UnknownOrder``."""
        return queries.signed(self._reader, order_id, signature)

    async def orders(
        self, user: str, *, before: int | None = None, limit: int = 50, is_open: bool | None = None
    ) -> Sequence[tuple[int, str]]:
        """Return numbers and ids of a user's orders, the newest first."""
        return queries.orders(self._reader, user, before, limit, is_open)

    async def last(self) -> int:
        """Return the number of the event that was stored last, 0 if there is none."""
        return queries.last(self._reader)

    async def since(self, number: int, limit: int) -> Sequence[tuple[int, Event]]:
        """Return the events stored after one, with their numbers, in the order of storing.

        Numbers have no gaps and appear in order, for there is one writer at a time: a reader that
        goes on from the last number it saw misses nothing.
        """
        return queries.since(self._reader, number, limit)

    async def record_execution(self, signature: str, order_id: str, body: bytes) -> bytes:
        """Store what the simulated chain did with a signature, once; return what is stored."""
        record = partial(
            statements.record_execution, signature=signature, order_id=order_id, body=body
        )
        return await self._write(record)

    async def execution(self, signature: str) -> bytes | None:
        """Return what the simulated chain did with a signature, or None if it did nothing."""
        return queries.execution(self._reader, signature)
