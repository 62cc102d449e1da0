"""Keep event logs and leases in an SQLite file, which several processes of one machine may share.

A write is committed before its caller goes on, so what a caller has been told is in the file, and
what it reads after that is at least as new. Only a note is not waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike
from types import TracebackType
from typing import Self

from orderengine.execution.ports import (
    IdempotencyKey,
    Lease,
    OpenOrder,
    Position,
    Signed,
    StoredEvent,
)
from orderengine.model.events import Accepted, Event
from orderengine.model.wire import encode
from orderengine.storage.sqlite import queries, statements
from orderengine.storage.sqlite.connections import Synchronous
from orderengine.storage.sqlite.file import SqliteFile

__all__ = ["SqliteEventStore"]


class SqliteEventStore:
    """Implement ``OrderStore``; use it with ``async with``.

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
        self.file = SqliteFile(path, synchronous=synchronous, wait_ns=wait_ns, capacity=capacity)
        self._lease_ms = max(lease_ns // 1_000_000, 1)

    async def __aenter__(self) -> Self:
        """Open the file.

        Raises:
            InvalidData: it is no event store, or of a version that is not known yet.
            Unavailable: it cannot be opened, or is locked.
        """
        await self.file.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Commit what waits, then close the file."""
        return await self.file.__aexit__(kind, error, trace)

    async def create(self, accepted: Accepted, key: IdempotencyKey | None = None) -> str:
        """Store a new order with its first event, or return the id that the key made before."""
        body = encode(accepted).decode()
        create = partial(statements.create, accepted=accepted, body=body, key=key)
        return await self.file.write(create)

    async def made_by(self, key: IdempotencyKey) -> str | None:
        """Return the id of the order that a key made, or None. Raises ``KeyReused``."""
        return queries.made_by(self.file.reader, key)

    async def append(
        self,
        event: Event,
        *,
        fence: int | None = None,
        signed: Signed | None = None,
        after: object = None,
    ) -> None:
        """Append the order's next event and the transaction it announces."""
        body = encode(event).decode()
        append = partial(statements.append, event=event, body=body, fence=fence, signed=signed)
        await self.file.write(append, after=after)

    async def note(
        self, event: Event, *, fence: int, stored: Callable[[], None], after: object = None
    ) -> object:
        """Have the order's next event appended, and do not wait."""
        body = encode(event).decode()
        append = partial(statements.append, event=event, body=body, fence=fence, signed=None)
        return self.file.begin(append, stored, after)

    async def events(self, order_id: str, from_seq: int = 1) -> Sequence[Event]:
        """Return the log from ``from_seq`` on, inclusive. Raises ``UnknownOrder``."""
        return queries.log(self.file.reader, order_id, from_seq)

    async def logs(self, order_ids: Sequence[str]) -> Mapping[str, Sequence[Event]]:
        """Return the logs of several orders; those that are not known are left out."""
        found = {order_id: queries.known_log(self.file.reader, order_id) for order_id in order_ids}
        return {order_id: log for order_id, log in found.items() if log}

    async def raw(self, order_id: str, from_seq: int = 1) -> Sequence[StoredEvent]:
        """Return an order's log from ``from_seq`` on, as it is stored. Raises ``UnknownOrder``."""
        return queries.raw_log(self.file.reader, order_id, from_seq)

    async def claim(self, order_id: str, worker: str) -> Lease | None:
        """Take the order's lease, or return None if it is held or the order ended."""
        del worker  # who it is shows in the log; the fence alone decides
        claim = partial(statements.claim, order_id=order_id, lease_ms=self._lease_ms)
        return await self.file.write(claim)

    async def renew(self, fences: Mapping[str, int]) -> None:
        """Prolong leases before all other writes; one not held under its fence is left alone."""
        held = dict(fences)  # the caller's may change while this waits
        if held:
            renew = partial(statements.renew, fences=held, lease_ms=self._lease_ms)
            await self.file.write(renew, first=True)

    async def release(self, order_id: str, fence: int) -> None:
        """Give the lease back; does nothing if it is not held under this fence."""
        await self.file.write(partial(statements.release, order_id=order_id, fence=fence))

    async def claimable(self, limit: int) -> Sequence[OpenOrder]:
        """Return open orders that nobody holds, urgent ones first, then as they were accepted.

        It looks at every open order that is held before it finds those that are not, so it runs in
        a thread.
        """
        return await self.file.scan(partial(queries.claimable, limit=limit))

    async def signed(self, order_id: str, signature: str) -> Signed:
        """Return the stored transaction. Raises ``UnknownOrder``."""
        return queries.signed(self.file.reader, order_id, signature)

    async def orders(
        self, user: str, *, before: int | None = None, limit: int = 50, is_open: bool | None = None
    ) -> Sequence[tuple[int, str]]:
        """Return numbers and ids of a user's orders, the newest first."""
        return queries.orders(self.file.reader, user, before, limit, is_open)

    async def position(self) -> Position:
        """Return where the log of all orders ends now."""
        return Position(queries.last(self.file.reader))

    async def since(self, position: Position, limit: int) -> tuple[Sequence[StoredEvent], Position]:
        """Return what was stored after a position, and the position after that.

        Numbers have no gaps and appear in order, for there is one writer at a time: a reader that
        goes on from the last number it saw misses nothing.
        """
        number, found = queries.since(self.file.reader, position.number, limit)
        return found, Position(number) if found else position

    async def due(self, before_ns: int, limit: int) -> Sequence[tuple[int, str]]:
        """Return deadlines before an instant, with the ids of the open orders, the first first."""
        return queries.due(self.file.reader, before_ns, limit)

    async def record_execution(self, signature: str, order_id: str, body: bytes) -> bytes:
        """Store what the simulated chain did with a signature, once; return what is stored."""
        return await self.file.write(
            partial(statements.record_execution, signature=signature, order_id=order_id, body=body)
        )

    async def execution(self, signature: str) -> bytes | None:
        """Return what the simulated chain did with a signature, or None if it did nothing."""
        return queries.execution(self.file.reader, signature)
