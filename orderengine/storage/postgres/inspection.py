"""Answer what operators ask of orders and of the server."""

from __future__ import annotations

from collections.abc import Sequence

from orderengine.storage.database import DatabaseServer, OrderQuery, OrderRow
from orderengine.storage.postgres.batches import Line
from orderengine.storage.postgres.lines import CONNECTIONS_MAX
from orderengine.storage.postgres.reads import PRIORITY_OF, ask, is_storable, within

__all__ = ["find", "server", "takeovers"]

_FIND = """
SELECT order_id, user_id, priority, status, seq, accepted_at_ns, ended_at_ns, deadline_ns, fence,
    takeovers, CASE WHEN is_open THEN greatest(lease_until_ms - now_ms(), 0) ELSE 0 END
FROM orders
WHERE ($1::text IS NULL OR order_id = $1) AND ($2::text IS NULL OR user_id = $2)
    AND ($3::boolean IS NULL OR is_open = $3) AND (status = ANY ($4::text[]) OR $4 = '{{}}')
    AND ($5::bigint IS NULL OR accepted_at_ns < $5)
ORDER BY number {direction} LIMIT $6"""
_TAKEOVERS = """
SELECT (coalesce((SELECT sum(takeovers) FROM orders WHERE takeovers > 0), 0)
    + coalesce((SELECT sum(takeovers) FROM bygone), 0))::bigint"""
_SERVER = """
SELECT split_part(version(), ' on ', 1), (SELECT now_ms()),
    current_setting('max_connections')::bigint, (SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend')"""


async def find(line: Line, query: OrderQuery) -> Sequence[OrderRow]:
    """Return orders, in the order of acceptance or the newest first. May read every row."""
    names = [name for name in (query.order_id, query.user) if name is not None]
    if not all(map(is_storable, names)):
        return []
    statement = _FIND.format(direction="ASC" if query.is_oldest_first else "DESC")
    found = await ask(
        line,
        statement,
        query.order_id,
        query.user,
        query.is_open,
        list(query.statuses),
        None if query.accepted_before_ns is None else within(query.accepted_before_ns),
        within(query.limit),
    )
    return [_row(*values) for values in found]


def _row(order_id: str, user: str, urgency: int, *rest: int) -> OrderRow:
    status, seq, accepted, ended, deadline, fence, lost, lease_ms = rest
    return OrderRow(
        order_id=order_id,
        user=user,
        priority=PRIORITY_OF[urgency],
        status=str(status),
        seq=seq,
        accepted_at_ns=accepted,
        ended_at_ns=ended,
        deadline_ns=deadline,
        fence=fence,
        takeovers=lost,
        lease_ms=lease_ms,
    )


async def takeovers(line: Line) -> int:
    """Return how many leases ran out under their holders."""
    ((count,),) = await ask(line, _TAKEOVERS)
    return int(count)


async def server(line: Line) -> DatabaseServer:
    """Return what the server says of itself."""
    ((version, ms, most, used),) = await ask(line, _SERVER)
    return DatabaseServer(
        version=version,
        clock_ns=ms * 1_000_000,
        connections_max=most,
        connections_used=used,
        connections_a_process=CONNECTIONS_MAX,
    )
