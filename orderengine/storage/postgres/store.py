"""Keep event logs and leases in PostgreSQL, which any number of processes share.

A write is committed before its caller goes on, so what a caller has been told is on the server's
disk, and what it reads after that is at least as new. Only a note is not waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from orderengine.errors import UnknownOrder
from orderengine.execution.ports import (
    IdempotencyKey,
    Lease,
    OpenOrder,
    Position,
    Signed,
    StoredEvent,
)
from orderengine.model.events import Accepted, Event
from orderengine.model.wire import decode_event
from orderengine.storage.postgres import reads, tail
from orderengine.storage.postgres.leases import CLAIM, RELEASE, RENEW, Claim, Release, Renew
from orderengine.storage.postgres.lines import PostgresLines
from orderengine.storage.postgres.reads import LOG, Log, is_storable
from orderengine.storage.postgres.writes import APPEND, CREATE, RECORD, Append, Create, Execution

__all__ = ["PostgresEventStore"]

_RENEWED_AT_ONCE = 2_048


class PostgresEventStore:
    """Implement ``OrderStore``.

    Every method may raise ``Unavailable``: the server is away, slow or full, or too much waits. A
    write whose caller is cancelled, or is told that the connection broke, may be committed all the
    same.

    Args:
        lines: the connections, open as long as this is used.
        lease_ns: how long a claim holds, at least 1 ms, on the database's clock.
    """

    def __init__(self, lines: PostgresLines, *, lease_ns: int = 3_000_000_000) -> None:
        self._lines = lines
        self._lease_ms = max(lease_ns // 1_000_000, 1)

    async def create(self, accepted: Accepted, key: IdempotencyKey | None = None) -> str:
        """Store a new order with its first event, or return the id that the key made before."""
        return await self._lines.create.do(CREATE, Create(accepted, key))

    async def made_by(self, key: IdempotencyKey) -> str | None:
        """Return the id of the order that a key made, if any. Raises ``KeyReused``."""
        return await reads.made_by(self._lines.reader, key)

    async def append(
        self,
        event: Event,
        *,
        fence: int | None = None,
        signed: Signed | None = None,
        after: object = None,
    ) -> None:
        """Append the order's next event and the transaction it announces."""
        await self._lines.append.do(APPEND, Append(event, fence, signed), after)

    async def note(
        self, event: Event, *, fence: int, stored: Callable[[], None], after: object = None
    ) -> object:
        """Have the order's next event appended, and do not wait."""
        return self._lines.append.begin(APPEND, Append(event, fence, None), stored, after)

    async def events(self, order_id: str, from_seq: int = 1) -> Sequence[Event]:
        """Return the log from ``from_seq`` on, inclusive. Raises ``UnknownOrder``."""
        return tuple(decode_event(stored.body) for stored in await self.raw(order_id, from_seq))

    async def logs(self, order_ids: Sequence[str]) -> Mapping[str, Sequence[Event]]:
        """Return the logs of several orders; those that are not known are left out."""
        found = await self._lines.logs.do_all(
            LOG, [Log(order_id, 1) for order_id in order_ids if is_storable(order_id)]
        )
        return {
            log[0].order_id: tuple(decode_event(stored.body) for stored in log)
            for log in found
            if log
        }

    async def raw(self, order_id: str, from_seq: int = 1) -> Sequence[StoredEvent]:
        """Return an order's log from ``from_seq`` on, as it is stored. Raises ``UnknownOrder``."""
        found = None
        if is_storable(order_id):
            found = await self._lines.logs.do(LOG, Log(order_id, reads.within(from_seq)))
        if found is None:
            raise UnknownOrder(order_id)
        return found

    async def claim(self, order_id: str, worker: str) -> Lease | None:
        """Take the order's lease, or return None if it is held or the order ended."""
        del worker  # who it is shows in the log; the fence alone decides
        if not is_storable(order_id):
            raise UnknownOrder(order_id)
        return await self._lines.leases.do(CLAIM, Claim(order_id, self._lease_ms))

    async def renew(self, fences: Mapping[str, int]) -> None:
        """Prolong leases, beside all other writes; one not held under its fence is left alone."""
        held = list(fences.items())
        parts = [
            Renew(dict(held[first : first + _RENEWED_AT_ONCE]), self._lease_ms)
            for first in range(0, len(held), _RENEWED_AT_ONCE)
        ]
        await self._lines.renew.do_all(RENEW, parts)

    async def release(self, order_id: str, fence: int) -> None:
        """Give the lease back; does nothing if it is not held under this fence."""
        await self._lines.leases.do(RELEASE, Release(order_id, fence))

    async def claimable(self, limit: int) -> Sequence[OpenOrder]:
        """Return open orders that nobody holds, urgent ones first, then as they were accepted."""
        return await reads.claimable(self._lines.reader, limit)

    async def signed(self, order_id: str, signature: str) -> Signed:
        """Return the stored transaction. Raises ``UnknownOrder``."""
        return await reads.signed(self._lines.reader, order_id, signature)

    async def orders(
        self, user: str, *, before: int | None = None, limit: int = 50, is_open: bool | None = None
    ) -> Sequence[tuple[int, str]]:
        """Return numbers and ids of a user's orders, the newest first."""
        return await reads.orders(self._lines.reader, user, before, limit, is_open)

    async def position(self) -> Position:
        """Return where the log of all orders ends now."""
        return await tail.start(self._lines.reader)

    async def since(self, position: Position, limit: int) -> tuple[Sequence[StoredEvent], Position]:
        """Return what was stored after a position, and the position after that."""
        return await tail.since(self._lines.reader, position, limit)

    async def due(self, before_ns: int, limit: int) -> Sequence[tuple[int, str]]:
        """Return deadlines before an instant, with the ids of the open orders, the first first."""
        return await reads.due(self._lines.reader, before_ns, limit)

    async def record_execution(self, signature: str, order_id: str, body: bytes) -> bytes:
        """Store what the simulated chain did with a signature, once; return what is stored."""
        return await self._lines.other.do(RECORD, Execution(signature, order_id, body))

    async def execution(self, signature: str) -> bytes | None:
        """Return what the simulated chain did with a signature, or None if it did nothing."""
        return await reads.execution(self._lines.reader, signature)
