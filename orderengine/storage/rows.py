"""Say how both databases write what is no text or number, and read rows into our nouns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from orderengine.model.api_key import ApiKey, Role
from orderengine.model.order import Priority
from orderengine.storage.database import OrderRow

__all__ = ["PRIORITY_OF", "URGENCY", "key_of", "order_row", "row_of_key"]

URGENCY = {Priority.URGENT: 0, Priority.NORMAL: 1, Priority.BULK: 2}
"""How a priority is stored, so that sorting by it puts urgent orders first."""
PRIORITY_OF = {urgency: priority for priority, urgency in URGENCY.items()}


def row_of_key(key: ApiKey, secret_sha256: str) -> tuple[object, ...]:
    """Return id, hash, user, role, creation, expiry, revocation, order limits as JSON, and rate."""
    return (
        key.key_id,
        secret_sha256,
        key.user,
        key.role.value,
        key.created_at_ns,
        key.expires_at_ns,
        key.revoked_at_ns,
        None if key.order_max is None else json.dumps(key.order_max),
        key.requests_per_minute,
    )


def key_of(row: Sequence[Any]) -> ApiKey:
    """Return the key of a row as ``row_of_key`` makes it, without the hash."""
    key_id, user, role, created, expires, revoked, order_max, per_minute = row
    return ApiKey(
        key_id=key_id,
        user=user,
        role=Role(role),
        created_at_ns=created,
        expires_at_ns=expires,
        revoked_at_ns=revoked,
        order_max=None if order_max is None else json.loads(order_max),
        requests_per_minute=per_minute,
    )


def order_row(row: Sequence[Any]) -> OrderRow:
    """Return what is kept of an order, of a row in the order of ``OrderRow``'s fields."""
    order_id, user, urgency, status, seq, accepted, ended, deadline, fence, takeovers, ms = row
    return OrderRow(
        order_id=order_id,
        user=user,
        priority=PRIORITY_OF[urgency],
        status=status,
        seq=seq,
        accepted_at_ns=accepted,
        ended_at_ns=ended,
        deadline_ns=deadline,
        fence=fence,
        takeovers=takeovers,
        lease_ms=ms,
    )
