"""Answer what operators ask of orders and of the server."""

from __future__ import annotations

from collections.abc import Sequence

from orderengine.storage.database import DatabaseServer, OrderQuery, OrderRow
from orderengine.storage.postgres.batches import Line
from orderengine.storage.postgres.lines import CONNECTIONS_MAX
from orderengine.storage.postgres.reads import ask, is_storable, within
from orderengine.storage.rows import order_row

__all__ = ["find", "server", "takeovers"]

_FIND = """
SELECT order_id, user_id, priority, status, seq, accepted_at_ns, ended_at_ns, deadline_ns, fence,
    takeovers, CASE WHEN is_open THEN greatest(lease_until_ms - now_ms(), 0) ELSE 0 END
FROM {orders} WHERE {where} ORDER BY number {direction} LIMIT {limit}"""
_OPEN = {
    None: "orders",
    False: "(SELECT * FROM orders WHERE NOT is_open) found",
    # With the fence they are found by an index of their own, not among all that ever were.
    True: "(SELECT * FROM orders WHERE is_open OFFSET 0) found",
}
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
    # Only what is asked for is named: one statement for all questions would find no index.
    where, values = ["true"], list[object]()
    before_ns = query.accepted_before_ns
    for text, value in (
        ("order_id = ${}", query.order_id),
        ("user_id = ${}", query.user),
        ("status = ANY (${}::text[])", list(query.statuses) or None),
        ("accepted_at_ns < ${}", None if before_ns is None else within(before_ns)),
    ):
        if value is not None:
            values.append(value)
            where.append(text.format(len(values)))
    statement = _FIND.format(
        orders=_OPEN[query.is_open],
        where=" AND ".join(where),
        direction="ASC" if query.is_oldest_first else "DESC",
        limit=f"${len(values) + 1}",
    )
    found = await ask(line, statement, *values, within(query.limit))
    return [order_row(row) for row in found]


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
