"""Take, prolong and give back many leases in one statement each, on the database's clock."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from orderengine.errors import UnknownOrder
from orderengine.execution.ports import Lease
from orderengine.storage.postgres.batches import Kind
from orderengine.storage.postgres.connections import Link

__all__ = ["CLAIM", "RELEASE", "RENEW", "Claim", "Release", "Renew"]

# Rows are locked in the order of their ids, as everywhere.
_CLAIM = """
WITH standing AS MATERIALIZED (
    SELECT order_id, is_open AND lease_until_ms <= now_ms() AS is_free
    FROM orders WHERE order_id = ANY ($1::text[]) ORDER BY order_id FOR NO KEY UPDATE
), claimed AS (
    UPDATE orders SET fence = fence + 1, lease_until_ms = now_ms() + $2::bigint,
        takeovers = takeovers + (lease_until_ms > 0)::int
    WHERE order_id = ANY (ARRAY(SELECT order_id FROM standing WHERE is_free))
    RETURNING order_id, fence, takeovers, seq
)
SELECT order_id, fence, takeovers, CASE WHEN fence IS NOT NULL THEN array(
    SELECT body FROM events e WHERE e.order_id = claimed.order_id ORDER BY e.seq) END, seq
FROM standing LEFT JOIN claimed USING (order_id)"""
_RENEW = """
WITH held AS MATERIALIZED (
    SELECT o.order_id FROM orders o
    JOIN unnest($1::text[], $2::bigint[]) AS i (order_id, fence) USING (order_id)
    WHERE o.order_id = ANY ($1) AND o.fence = i.fence AND o.is_open AND o.lease_until_ms > 0
    ORDER BY o.order_id FOR NO KEY UPDATE OF o
)
UPDATE orders SET lease_until_ms = now_ms() + $3::bigint
WHERE order_id = ANY (ARRAY(SELECT order_id FROM held))"""
_RELEASE = """
WITH held AS MATERIALIZED (
    SELECT o.order_id FROM orders o
    JOIN unnest($1::text[], $2::bigint[]) AS i (order_id, fence) USING (order_id)
    WHERE o.order_id = ANY ($1) AND o.fence = i.fence AND o.is_open
    ORDER BY o.order_id FOR NO KEY UPDATE OF o
)
UPDATE orders SET lease_until_ms = 0 WHERE order_id = ANY (ARRAY(SELECT order_id FROM held))"""


class Claim(NamedTuple):
    """Ask for an order's lease. All of one store last equally long."""

    order_id: str
    lease_ms: int

    def touches(self) -> tuple[Hashable, ...]:
        """Return the order."""
        return (self.order_id,)


class Release(NamedTuple):
    """Give a lease back."""

    order_id: str
    fence: int

    def touches(self) -> tuple[Hashable, ...]:
        """Return the order."""
        return (self.order_id,)


class Renew(NamedTuple):
    """Prolong leases."""

    fences: Mapping[str, int]
    lease_ms: int

    def touches(self) -> tuple[Hashable, ...]:
        """Return nothing: these are done one after another anyway."""
        return ()


async def _claim(link: Link, batch: Sequence[Claim]) -> Sequence[Lease | UnknownOrder | None]:
    ids = [claim.order_id for claim in batch]
    rows = await link.fetch(_CLAIM, ids, batch[0].lease_ms)
    found = {order_id: tuple(told) for order_id, *told in rows}
    return [_claimed(order_id, found.get(order_id)) for order_id in ids]


def _claimed(order_id: str, found: tuple[Any, ...] | None) -> Lease | UnknownOrder | None:
    if found is None:
        return UnknownOrder(order_id)
    fence, takeovers, log, seq = found
    # What was stored while the claim waited for the row is not in its snapshot.
    return None if fence is None else Lease(fence, takeovers, log if len(log) == seq else ())


async def _release(link: Link, batch: Sequence[Release]) -> Sequence[None]:
    ids, fences = [release.order_id for release in batch], [release.fence for release in batch]
    await link.fetch(_RELEASE, ids, fences)
    return [None] * len(batch)


async def _renew(link: Link, batch: Sequence[Renew]) -> Sequence[None]:
    (renew,) = batch
    await link.fetch(_RENEW, list(renew.fences), list(renew.fences.values()), renew.lease_ms)
    return [None]


CLAIM = Kind[Claim, Lease | None](_claim, Claim.touches)
RELEASE = Kind[Release, None](_release, Release.touches)
RENEW = Kind[Renew, None](_renew, Renew.touches, size=1)
