"""Keep what operators decide, and what processes say of themselves, in the SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial

from orderengine.errors import UnknownOrder
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
from orderengine.storage.rows import PRIORITY_OF, order_row
from orderengine.storage.sqlite.file import SqliteFile
from orderengine.storage.sqlite.queries import rows

__all__ = ["SqliteOperations"]

_SILENT_MS = 3_600_000
_NOW = "(SELECT ms FROM clock)"
_COUNTS = """
    SELECT status, sum(orders), sum(takeovers), (SELECT max(number) FROM events) FROM (
        SELECT status, count(*) AS orders, sum(takeovers) AS takeovers FROM orders GROUP BY status
        UNION ALL SELECT status, orders, takeovers FROM bygone
    ) GROUP BY status"""
_LANES = f"""
    SELECT priority, sum(lease_until_ms <= {_NOW}), sum(lease_until_ms > {_NOW}),
        min(CASE WHEN lease_until_ms <= {_NOW} THEN accepted_at_ns END)
    FROM orders WHERE is_open = 1 GROUP BY priority"""  # noqa: S608
_FIND = f"""
    SELECT order_id, user, priority, status, seq, accepted_at_ns, ended_at_ns, deadline_ns, fence,
        takeovers, iif(is_open, max(lease_until_ms - {_NOW}, 0), 0) FROM orders
    WHERE {{where}} ORDER BY number {{direction}} LIMIT ?"""  # noqa: S608
_TAKEOVERS = """
    SELECT (SELECT total(takeovers) FROM orders INDEXED BY orders_taken_over WHERE takeovers > 0)
        + (SELECT total(takeovers) FROM bygone)"""
_BYGONE = """
    INSERT INTO bygone (status, orders, takeovers)
    SELECT status, count(*), sum(takeovers) FROM orders
    WHERE order_id IN (SELECT order_id FROM temp.going) GROUP BY status
    ON CONFLICT DO UPDATE SET orders = orders + excluded.orders,
        takeovers = takeovers + excluded.takeovers"""


class SqliteOperations:
    """Implement ``Operations``."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def schema_version(self) -> int:
        """Return the version of the schema."""
        ((version,),) = rows(self._file.reader, "PRAGMA user_version")
        return int(version)

    async def size_bytes(self) -> int:
        """Return how much room the database takes, without the log beside it."""
        query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        ((size,),) = rows(self._file.reader, query)
        return int(size)

    async def beat(self, process: str, body: bytes) -> None:
        """Store what a process says of itself now, and forget those silent for an hour."""

        def write(db: sqlite3.Connection) -> None:
            db.execute(f"DELETE FROM heartbeats WHERE at_ms < {_NOW} - ?", (_SILENT_MS,))  # noqa: S608
            db.execute(
                f"REPLACE INTO heartbeats (process, at_ms, body) VALUES (?, {_NOW}, ?)",  # noqa: S608
                (process, body),
            )

        await self._file.write(write)

    async def beats(self) -> Sequence[Heartbeat]:
        """Return what every process said last."""
        query = f"SELECT process, {_NOW} - at_ms, body FROM heartbeats ORDER BY process"  # noqa: S608
        return [
            Heartbeat(process=process, age_ms=max(age_ms, 0), body=body)
            for process, age_ms, body in rows(self._file.reader, query)
        ]

    async def unbeat(self, process: str) -> None:
        """Forget a process that ends."""
        await self._execute("DELETE FROM heartbeats WHERE process = ?", process)

    async def pauses(self) -> Sequence[Pause]:
        """Return what rests."""
        found = rows(self._file.reader, "SELECT name, since_ns, reason FROM pauses ORDER BY name")
        return [Pause(name=name, since_ns=since, reason=reason) for name, since, reason in found]

    async def pause(self, pause: Pause) -> None:
        """Let something rest; what rests already keeps its first date."""
        statement = """
            INSERT INTO pauses (name, since_ns, reason) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"""
        await self._execute(statement, pause.name, pause.since_ns, pause.reason)

    async def resume(self, name: str) -> bool:
        """Let it go on; return False if it did not rest."""
        return await self._execute("DELETE FROM pauses WHERE name = ?", name) == 1

    async def _execute(self, statement: str, *values: object) -> int:
        """Return how many rows a statement changed."""
        return await self._file.write(lambda db: db.execute(statement, values).rowcount)

    async def counts(self) -> OrderCounts:
        """Count all orders. Reads every order's row: ask once, then follow the log."""
        return await self._file.scan(_counts)

    async def lanes(self) -> Mapping[Priority, Lane]:
        """Return how each lane stands."""
        found = await self._file.scan(partial(rows, query=_LANES))
        lanes = {lane: Lane(waiting=0, oldest_ns=None, held=0) for lane in Priority}
        for urgency, waiting, held, oldest_ns in found:
            lane = PRIORITY_OF[urgency]
            lanes[lane] = Lane(waiting=waiting, oldest_ns=oldest_ns, held=held)
        return lanes

    async def find(self, query: OrderQuery) -> Sequence[OrderRow]:
        """Return orders, in the order of acceptance or the newest first. May read every row."""
        return await self._file.scan(partial(_find, query=query))

    async def takeovers(self) -> int:
        """Return how many leases ran out under their holders."""
        ((takeovers,),) = rows(self._file.reader, _TAKEOVERS)
        return int(takeovers)

    async def server(self) -> DatabaseServer:
        """Return what the database says of itself."""
        ((version, ms),) = rows(self._file.reader, "SELECT sqlite_version(), ms FROM clock")
        return DatabaseServer(version=f"SQLite {version}", clock_ns=ms * 1_000_000)

    async def open_orders(self, user: str) -> int:
        """Return how many orders of a user are open."""
        query = """SELECT count(*) FROM orders INDEXED BY orders_of_user_open
            WHERE user = ? AND is_open = 1"""
        ((count,),) = rows(self._file.reader, query, user)
        return int(count)

    async def free(self, order_id: str) -> bool:
        """Drop an open order's lease and its count of takeovers.

        Return False if it has ended. Its old holder can write nothing more. Raises
        ``UnknownOrder``.
        """
        return await self._file.write(partial(_free, order_id=order_id))

    async def prune(self, ended_before_ns: int, limit: int) -> int:
        """Delete up to ``limit`` orders that ended before; they stay in ``counts``."""
        return await self._file.write(partial(_prune, before_ns=ended_before_ns, limit=limit))


def _counts(db: sqlite3.Connection) -> OrderCounts:
    found = rows(db, _COUNTS)
    return OrderCounts(
        position=Position(found[0][3] or 0 if found else 0),
        by_status={status: orders for status, orders, _, _ in found if orders},
        takeovers=sum(takeovers for _, _, takeovers, _ in found),
    )


def _find(db: sqlite3.Connection, query: OrderQuery) -> Sequence[OrderRow]:
    asked: dict[str, object] = {
        "order_id = ?": query.order_id,
        "user = ?": query.user,
        "is_open = ?": query.is_open,
        "accepted_at_ns < ?": query.accepted_before_ns,
    }
    asked = {text: value for text, value in asked.items() if value is not None}
    where = list(asked)
    if query.statuses:
        where.append(f"status IN ({', '.join('?' * len(query.statuses))})")
    statement = _FIND.format(
        where=" AND ".join(where) or "true", direction="ASC" if query.is_oldest_first else "DESC"
    )
    found = rows(db, statement, *asked.values(), *query.statuses, max(query.limit, 0))
    return [order_row(values) for values in found]


def _free(db: sqlite3.Connection, order_id: str) -> bool:
    query = "SELECT status, is_open, takeovers FROM orders WHERE order_id = ?"
    found = db.execute(query, (order_id,)).fetchone()
    if found is None:
        raise UnknownOrder(order_id)
    status, is_open, takeovers = found
    if is_open:
        db.execute(
            """UPDATE orders SET fence = fence + 1, lease_until_ms = 0, takeovers = 0
            WHERE order_id = ?""",
            (order_id,),
        )
        db.execute(
            """INSERT INTO bygone (status, orders, takeovers) VALUES (?, 0, ?)
            ON CONFLICT DO UPDATE SET takeovers = takeovers + excluded.takeovers""",
            (status, takeovers),
        )
    return bool(is_open)


def _prune(db: sqlite3.Connection, before_ns: int, limit: int) -> int:
    db.execute("CREATE TEMP TABLE IF NOT EXISTS going (order_id TEXT PRIMARY KEY)")
    db.execute("DELETE FROM temp.going")
    db.execute(
        """INSERT INTO temp.going SELECT order_id FROM orders INDEXED BY orders_ended
        WHERE is_open = 0 AND coalesce(ended_at_ns, accepted_at_ns) < ?
        ORDER BY coalesce(ended_at_ns, accepted_at_ns) LIMIT ?""",
        (before_ns, limit),
    )
    db.execute(_BYGONE)
    for table in ("idempotency_keys", "signed_transactions", "chain", "events", "orders"):
        gone = db.execute(
            f"DELETE FROM {table} WHERE order_id IN (SELECT order_id FROM temp.going)"  # noqa: S608
        )
    return gone.rowcount
