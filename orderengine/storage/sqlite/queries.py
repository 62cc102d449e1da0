"""Read the database, one function a kind of question.

Each is a single statement, or a second one that is asked only when the first found nothing, so no
transaction is held and what is returned was all committed at one moment. A database that cannot be
read raises ``Unavailable``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from orderengine.errors import KeyReused, Unavailable, UnknownOrder
from orderengine.execution.ports import IdempotencyKey, OpenOrder, Signed, StoredEvent
from orderengine.model.events import Event
from orderengine.model.wire import decode_event
from orderengine.storage.rows import PRIORITY_OF

__all__ = [
    "claimable",
    "due",
    "execution",
    "known_log",
    "last",
    "log",
    "made_by",
    "orders",
    "raw_log",
    "rows",
    "signed",
    "since",
]

_I64_MAX = 2**63 - 1

_LOG = """
    SELECT order_id, user, e.seq, type, body FROM events e JOIN orders USING (order_id)
    WHERE order_id = ? AND e.seq >= ? ORDER BY e.seq"""
_KNOWN = "SELECT 1 FROM orders WHERE order_id = ?"
_SIGNED = """
    SELECT attempt, payload, last_valid_height, network_fee FROM signed_transactions
    WHERE order_id = ? AND signature = ?"""
_CLAIMABLE = """
    SELECT order_id, priority FROM orders INDEXED BY orders_claimable
    WHERE is_open = 1 AND lease_until_ms <= (SELECT ms FROM clock)
    ORDER BY priority, number LIMIT ?"""
_MADE = "SELECT request_sha256, order_id FROM idempotency_keys WHERE user = ? AND key = ?"
_LAST = "SELECT number FROM events ORDER BY number DESC LIMIT 1"
_SINCE = """
    SELECT e.number, order_id, user, e.seq, type, body FROM events e JOIN orders USING (order_id)
    WHERE e.number > ? ORDER BY e.number LIMIT ?"""
_DUE = """
    SELECT deadline_ns, order_id FROM orders INDEXED BY orders_due
    WHERE is_open = 1 AND deadline_ns IS NOT NULL AND deadline_ns < ?
    ORDER BY deadline_ns LIMIT ?"""
_EXECUTION = "SELECT body FROM chain WHERE signature = ?"
_ORDERS = {
    None: """
    SELECT number, order_id FROM orders INDEXED BY orders_of_user
    WHERE user = ? AND number < ? ORDER BY number DESC LIMIT ?""",
    True: """
    SELECT number, order_id FROM orders INDEXED BY orders_of_user_open
    WHERE user = ? AND number < ? AND is_open = 1 ORDER BY number DESC LIMIT ?""",
    False: """
    SELECT number, order_id FROM orders INDEXED BY orders_of_user
    WHERE user = ? AND number < ? AND is_open = 0 ORDER BY number DESC LIMIT ?""",
}


def rows(db: sqlite3.Connection, query: str, *values: object) -> list[Any]:
    """Return all rows of a query. Raises ``Unavailable``."""
    try:
        return db.execute(query, values).fetchall()
    except sqlite3.OperationalError as error:
        raise Unavailable(f"the database cannot be read: {error}") from error


def _within(number: int) -> int:
    """Return a number that SQLite can hold; as a limit, one that does not mean "all"."""
    return min(max(number, 0), _I64_MAX)


def log(db: sqlite3.Connection, order_id: str, from_seq: int) -> Sequence[Event]:
    """Return an order's log from ``from_seq`` on. Raises ``UnknownOrder``."""
    return tuple(decode_event(stored.body) for stored in raw_log(db, order_id, from_seq))


def known_log(db: sqlite3.Connection, order_id: str) -> Sequence[Event]:
    """Return an order's log; an empty one if the order is not known."""
    return tuple(decode_event(body) for *_, body in rows(db, _LOG, order_id, 1))


def raw_log(db: sqlite3.Connection, order_id: str, from_seq: int) -> Sequence[StoredEvent]:
    """Return an order's log as it is stored. Raises ``UnknownOrder``."""
    found = rows(db, _LOG, order_id, _within(from_seq))
    if not found and not rows(db, _KNOWN, order_id):
        raise UnknownOrder(order_id)
    return [StoredEvent(*row) for row in found]


def made_by(db: sqlite3.Connection, key: IdempotencyKey) -> str | None:
    """Return the id of the order that a key made, or None. Raises ``KeyReused``."""
    for request_sha256, order_id in rows(db, _MADE, key.user, key.key):
        if request_sha256 != key.request_sha256:
            raise KeyReused(key.key)
        return str(order_id)
    return None


def signed(db: sqlite3.Connection, order_id: str, signature: str) -> Signed:
    """Return a stored transaction. Raises ``UnknownOrder``."""
    for attempt, payload, height, fee in rows(db, _SIGNED, order_id, signature):
        return Signed(
            order_id=order_id,
            attempt=attempt,
            signature=signature,
            payload=payload,
            last_valid_height=height,
            network_fee=fee,
        )
    raise UnknownOrder(order_id)


def claimable(db: sqlite3.Connection, limit: int) -> Sequence[OpenOrder]:
    """Return open orders without a lease, urgent ones first, then as they were accepted.

    Looks at those that are held in between: some 60 µs a thousand.
    """
    found = rows(db, _CLAIMABLE, _within(limit))
    return [OpenOrder(order_id=order_id, priority=PRIORITY_OF[level]) for order_id, level in found]


def orders(
    db: sqlite3.Connection, user: str, before: int | None, limit: int, is_open: bool | None
) -> Sequence[tuple[int, str]]:
    """Return numbers and ids of a user's orders, the newest first."""
    below = _I64_MAX if before is None else _within(before)
    return rows(db, _ORDERS[is_open], user, below, _within(limit))


def last(db: sqlite3.Connection) -> int:
    """Return the number of the event that was stored last, 0 if there is none."""
    for (number,) in rows(db, _LAST):
        return int(number)
    return 0


def since(db: sqlite3.Connection, number: int, limit: int) -> tuple[int, Sequence[StoredEvent]]:
    """Return the events stored after one, and the number of the last of them."""
    found = rows(db, _SINCE, _within(number), _within(limit))
    return found[-1][0] if found else number, [StoredEvent(*row) for _, *row in found]


def due(db: sqlite3.Connection, before_ns: int, limit: int) -> Sequence[tuple[int, str]]:
    """Return deadlines before an instant, with the ids of the open orders."""
    return rows(db, _DUE, _within(before_ns), _within(limit))


def execution(db: sqlite3.Connection, signature: str) -> bytes | None:
    """Return what the simulated chain did with a signature, or None if it did nothing."""
    for (body,) in rows(db, _EXECUTION, signature):
        return bytes(body)
    return None
