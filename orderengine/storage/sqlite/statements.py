"""Change the database, one function a kind of operation, each inside its caller's transaction.

Each function looks before it writes and raises before it has changed anything, so an operation
that is refused needs no undoing and its neighbours in the transaction stand. It looks at the
database only, never at anything remembered: other processes write to the same file.

Leases are dated by the database's clock, so that processes whose clocks differ agree on them. That
clock may be set; the fence, which only rises, is what keeps two workers apart.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from orderengine.errors import DuplicateOrder, KeyReused, LeaseLost, SequenceConflict, UnknownOrder
from orderengine.execution.ports import IdempotencyKey, Lease, Signed
from orderengine.model.events import Accepted, Event
from orderengine.storage.rows import URGENCY

__all__ = ["append", "claim", "create", "record_execution", "release", "renew"]


_INSERT_ORDER = """
    INSERT INTO orders (order_id, user, priority, status, seq, accepted_at_ns, deadline_ns)
    VALUES (?, ?, ?, ?, 1, ?, ?)"""
_INSERT_EVENT = "INSERT INTO events (order_id, seq, type, body) VALUES (?, ?, ?, ?)"
# Columns are named everywhere, so that a later schema may have more of them.
_INSERT_SIGNED = """
    INSERT INTO signed_transactions
        (order_id, signature, attempt, payload, last_valid_height, network_fee)
    VALUES (?, ?, ?, ?, ?, ?)"""
_INSERT_KEY = """
    INSERT INTO idempotency_keys (user, key, request_sha256, order_id) VALUES (?, ?, ?, ?)"""
_ADVANCE = "UPDATE orders SET seq = ?, status = ? WHERE order_id = ?"
_END = "UPDATE orders SET seq = ?, status = ?, is_open = 0, ended_at_ns = ? WHERE order_id = ?"
_STANDING = "SELECT seq, fence, is_open FROM orders WHERE order_id = ?"
_CLAIM = """
    UPDATE orders SET fence = fence + 1, lease_until_ms = (SELECT ms FROM clock) + ?,
        takeovers = takeovers + (lease_until_ms > 0)
    WHERE order_id = ? AND is_open = 1 AND lease_until_ms <= (SELECT ms FROM clock)
    RETURNING fence, takeovers"""
_BODIES = "SELECT body FROM events WHERE order_id = ? ORDER BY seq"
_RENEW = """
    UPDATE orders SET lease_until_ms = (SELECT ms FROM clock) + ?
    WHERE order_id = ? AND fence = ? AND is_open = 1 AND lease_until_ms > 0"""
_RELEASE = "UPDATE orders SET lease_until_ms = 0 WHERE order_id = ? AND fence = ? AND is_open = 1"
_RECORD = """
    INSERT INTO chain (signature, order_id, body, at_ns)
    SELECT ?, ?, ?, ms * 1000000 FROM clock WHERE true ON CONFLICT DO NOTHING"""


def _tag_of(event: Event) -> str:
    return str(type(event).__struct_config__.tag)


def create(
    db: sqlite3.Connection, accepted: Accepted, body: str, key: IdempotencyKey | None
) -> str:
    """Insert an order, its first event and its key, or return the id that the key made before."""
    if key is not None:
        made = db.execute(
            "SELECT request_sha256, order_id FROM idempotency_keys WHERE user = ? AND key = ?",
            (key.user, key.key),
        ).fetchone()
        if made is not None and made[0] != key.request_sha256:
            raise KeyReused(key.key)
        if made is not None:
            return str(made[1])
    order, order_id = accepted.order, accepted.order_id
    if db.execute(_STANDING, (order_id,)).fetchone() is not None:
        raise DuplicateOrder(order_id)
    priority, status = URGENCY[order.priority], accepted.status.value
    db.execute(
        _INSERT_ORDER,
        (order_id, order.user, priority, status, accepted.at_ns, order.deadline_ns),
    )
    db.execute(_INSERT_EVENT, (order_id, 1, _tag_of(accepted), body))
    if key is not None:
        db.execute(_INSERT_KEY, (key.user, key.key, key.request_sha256, order_id))
    return order_id


def append(
    db: sqlite3.Connection, event: Event, body: str, fence: int | None, signed: Signed | None
) -> None:
    """Insert an order's next event, and insert or remove what is signed with it."""
    order_id, seq = event.order_id, event.seq
    standing = db.execute(_STANDING, (order_id,)).fetchone()
    if standing is None:
        raise UnknownOrder(order_id)
    last_seq, newest_fence, is_open = standing
    if not is_open:  # then no lease is left to compare the fence with
        raise SequenceConflict(order_id, seq - 1, last_seq)
    if fence is not None and (fence != newest_fence or fence == 0):
        raise LeaseLost(order_id, fence, newest_fence)
    if seq != last_seq + 1:
        raise SequenceConflict(order_id, seq - 1, last_seq)
    ends = event.status.is_terminal
    db.execute(_INSERT_EVENT, (order_id, seq, _tag_of(event), body))
    if not ends:
        db.execute(_ADVANCE, (seq, event.status.value, order_id))
    else:
        db.execute(_END, (seq, event.status.value, event.at_ns, order_id))
        db.execute("DELETE FROM signed_transactions WHERE order_id = ?", (order_id,))
    if signed is not None and not ends:
        _insert_signed(db, order_id, signed)


def _insert_signed(db: sqlite3.Connection, order_id: str, signed: Signed) -> None:
    number, payload = signed.attempt, signed.payload
    height, fee = signed.last_valid_height, signed.network_fee
    db.execute(_INSERT_SIGNED, (order_id, signed.signature, number, payload, height, fee))


def claim(db: sqlite3.Connection, order_id: str, lease_ms: int) -> Lease | None:
    """Raise the fence and start a lease, unless one holds or the order has ended."""
    # All rows are fetched: a statement that is left half read would keep the commit waiting.
    for fence, takeovers in db.execute(_CLAIM, (lease_ms, order_id)).fetchall():
        bodies = db.execute(_BODIES, (order_id,)).fetchall()
        return Lease(fence, takeovers, [body for (body,) in bodies])
    if db.execute(_STANDING, (order_id,)).fetchone() is None:
        raise UnknownOrder(order_id)
    return None


def renew(db: sqlite3.Connection, fences: Mapping[str, int], lease_ms: int) -> None:
    """Prolong the leases that are held under their fences, expired or not."""
    held = ((lease_ms, order_id, fence) for order_id, fence in fences.items())
    db.executemany(_RENEW, held)


def release(db: sqlite3.Connection, order_id: str, fence: int) -> None:
    """End a lease that is held under its fence."""
    db.execute(_RELEASE, (order_id, fence))


def record_execution(db: sqlite3.Connection, signature: str, order_id: str, body: bytes) -> bytes:
    """Insert what the simulated chain did with a signature; return what stands for it."""
    db.execute(_RECORD, (signature, order_id, body))
    (stands,) = db.execute("SELECT body FROM chain WHERE signature = ?", (signature,)).fetchone()
    return bytes(stands)
