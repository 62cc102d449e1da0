"""Keep what operators decide, and what processes say of themselves, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orderengine.errors import InvalidData, Unavailable, UnknownOrder
from orderengine.execution.ports import Position
from orderengine.model.order import Priority
from orderengine.storage.database import (
    DatabaseServer,
    Heartbeat,
    Lane,
    OrderCounts,
    OrderQuery,
    OrderRow,
    Pause,
)
from orderengine.storage.postgres import inspection, tail
from orderengine.storage.postgres.batches import Kind
from orderengine.storage.postgres.connections import FAULTS, Link, close, connect, explained
from orderengine.storage.postgres.lines import PostgresLines
from orderengine.storage.postgres.reads import ask, is_storable, within
from orderengine.storage.rows import PRIORITY_OF

__all__ = ["PostgresOperations"]

_COUNT_S = 60.0
_VERSION = "SELECT max(version) FROM schema_versions"
_SIZE = "SELECT pg_database_size(current_database())"
# Another process may be forgetting the same ones: leave those to it.
_BEAT = """
WITH forgotten AS (
    DELETE FROM heartbeats WHERE process IN (
        SELECT process FROM heartbeats WHERE at_ms < now_ms() - 3600000 AND process <> $1
        FOR UPDATE SKIP LOCKED)
)
INSERT INTO heartbeats (process, at_ms, body) VALUES ($1, now_ms(), $2)
ON CONFLICT (process) DO UPDATE SET at_ms = excluded.at_ms, body = excluded.body"""
_BEATS = "SELECT process, now_ms() - at_ms, body FROM heartbeats ORDER BY process"
_UNBEAT = "DELETE FROM heartbeats WHERE process = $1"
_PAUSES = "SELECT name, since_ns, reason FROM pauses ORDER BY name"
_PAUSE = "INSERT INTO pauses (name, since_ns, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_RESUME = "DELETE FROM pauses WHERE name = $1 RETURNING true"
_COUNTS = """
SELECT status, sum(orders)::bigint, sum(takeovers)::bigint FROM (
    SELECT status, count(*) AS orders, sum(takeovers) AS takeovers FROM orders GROUP BY status
    UNION ALL SELECT status, orders, takeovers FROM bygone
) counted GROUP BY status"""
_LANES = """
SELECT priority, count(*) FILTER (WHERE NOT is_held), count(*) FILTER (WHERE is_held),
    min(accepted_at_ns) FILTER (WHERE NOT is_held)
FROM (
    SELECT priority, accepted_at_ns, lease_until_ms > (SELECT now_ms()) AS is_held
    FROM orders WHERE is_open
) standing GROUP BY priority"""
_OPEN_ORDERS = "SELECT count(*) FROM orders WHERE user_id = $1 AND is_open"
_FREE = """
WITH standing AS MATERIALIZED (
    SELECT order_id, status, is_open, takeovers FROM orders WHERE order_id = $1
    FOR NO KEY UPDATE
), freed AS (
    UPDATE orders o SET fence = o.fence + 1, lease_until_ms = 0, takeovers = 0
    FROM standing s WHERE o.order_id = $1 AND o.order_id = s.order_id AND s.is_open
), counted AS (
    INSERT INTO bygone (status, orders, takeovers)
    SELECT status, 0, takeovers FROM standing WHERE is_open AND takeovers > 0
    ON CONFLICT (status) DO UPDATE SET takeovers = bygone.takeovers + excluded.takeovers
)
SELECT is_open FROM standing"""
_GOING = """
SELECT order_id FROM orders WHERE NOT is_open AND ended_at_ns < $1
ORDER BY ended_at_ns LIMIT $2 FOR UPDATE SKIP LOCKED"""
_BYGONE = """
INSERT INTO bygone (status, orders, takeovers)
SELECT status, count(*), sum(takeovers) FROM orders WHERE order_id = ANY ($1::text[])
GROUP BY status ORDER BY status
ON CONFLICT (status) DO UPDATE SET orders = bygone.orders + excluded.orders,
    takeovers = bygone.takeovers + excluded.takeovers"""
_DELETE = [
    f"DELETE FROM {table} WHERE order_id = ANY ($1::text[])"  # noqa: S608  (constants)
    for table in ("idempotency_keys", "signed_transactions", "chain", "events", "orders")
]


class _Prune(tuple[int, int]):
    """Ask to delete orders that ended before an instant, so many at most."""

    __slots__ = ()


class PostgresOperations:
    """Implement ``Operations``."""

    def __init__(self, lines: PostgresLines) -> None:
        self._lines = lines

    async def schema_version(self) -> int:
        """Return the version of the schema."""
        ((version,),) = await ask(self._lines.reader, _VERSION)
        return int(version)

    async def size_bytes(self) -> int:
        """Return how much room the database takes."""
        ((size,),) = await ask(self._lines.reader, _SIZE)
        return int(size)

    async def beat(self, process: str, body: bytes) -> None:
        """Store what a process says of itself now, and forget those silent for an hour."""
        await ask(self._lines.other, _BEAT, process, body)

    async def beats(self) -> Sequence[Heartbeat]:
        """Return what every process said last."""
        return [
            Heartbeat(process=process, age_ms=max(age_ms, 0), body=bytes(body))
            for process, age_ms, body in await ask(self._lines.reader, _BEATS)
        ]

    async def unbeat(self, process: str) -> None:
        """Forget a process that ends."""
        await ask(self._lines.other, _UNBEAT, process)

    async def pauses(self) -> Sequence[Pause]:
        """Return what rests."""
        found = await ask(self._lines.reader, _PAUSES)
        return [Pause(name=name, since_ns=since, reason=reason) for name, since, reason in found]

    async def pause(self, pause: Pause) -> None:
        """Let something rest; what rests already keeps its first date."""
        await ask(self._lines.other, _PAUSE, pause.name, pause.since_ns, pause.reason)

    async def resume(self, name: str) -> bool:
        """Let it go on; return False if it did not rest."""
        return bool(await ask(self._lines.other, _RESUME, name))

    async def counts(self) -> OrderCounts:
        """Count all orders. Reads every order's row: ask once, then follow the log."""
        try:
            connection = await connect(self._lines.url, statement_s=_COUNT_S)
        except InvalidData as error:  # it was known before: somebody is at work on it
            raise Unavailable(str(error)) from None
        try:
            # One moment for both statements: what is counted is what lies before the position.
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                await connection.execute("SET LOCAL enable_seqscan = on")
                found = await connection.fetch(_COUNTS)
                ((number, missing),) = await connection.fetch(tail.NUMBERS)
            ends = await connection.fetchval(tail.NEXT_ID) if missing else 0
        except FAULTS as error:
            raise explained(error) from error
        finally:
            await close(connection)
        return OrderCounts(
            position=Position(number, tuple((skipped, ends) for skipped in missing)),
            by_status={status: orders for status, orders, _ in found if orders},
            takeovers=sum(takeovers for _, _, takeovers in found),
        )

    async def lanes(self) -> Mapping[Priority, Lane]:
        """Return how each lane stands."""
        lanes = {lane: Lane(waiting=0, oldest_ns=None, held=0) for lane in Priority}
        for urgency, waiting, held, oldest_ns in await ask(self._lines.reader, _LANES):
            lane = PRIORITY_OF[urgency]
            lanes[lane] = Lane(waiting=waiting, oldest_ns=oldest_ns, held=held)
        return lanes

    async def find(self, query: OrderQuery) -> Sequence[OrderRow]:
        """Return orders, in the order of acceptance or the newest first. May read every row."""
        return await inspection.find(self._lines.reader, query)

    async def takeovers(self) -> int:
        """Return how many leases ran out under their holders."""
        return await inspection.takeovers(self._lines.reader)

    async def server(self) -> DatabaseServer:
        """Return what the server says of itself."""
        return await inspection.server(self._lines.reader)

    async def open_orders(self, user: str) -> int:
        """Return how many orders of a user are open."""
        if not is_storable(user):
            return 0
        ((count,),) = await ask(self._lines.reader, _OPEN_ORDERS, user)
        return int(count)

    async def free(self, order_id: str) -> bool:
        """Drop an open order's lease and its count of takeovers.

        Return False if it has ended. Its old holder can write nothing more. Raises
        ``UnknownOrder``.
        """
        found = await ask(self._lines.other, _FREE, order_id) if is_storable(order_id) else []
        if not found:
            raise UnknownOrder(order_id)
        return bool(found[0][0])

    async def prune(self, ended_before_ns: int, limit: int) -> int:
        """Delete up to ``limit`` orders that ended before; they stay in ``counts``."""
        asked = _Prune((within(ended_before_ns), within(limit)))
        return await self._lines.other.do(_PRUNE, asked)


async def _prune(link: Link, batch: Sequence[_Prune]) -> Sequence[int]:
    ((before_ns, limit),) = batch
    async with link.transaction() as fetch:
        ids = [order_id for (order_id,) in await fetch(_GOING, before_ns, limit)]
        for statement in (_BYGONE, *_DELETE) if ids else ():
            await fetch(statement, ids)
    return [len(ids)]


_PRUNE = Kind[_Prune, int](_prune, lambda _: (), size=1)
