"""Read the database, one function a kind of question.

Logs are asked for most, so many waiting reads of them become one statement. The other questions are
single statements, so no transaction is held and what is returned was all committed at one moment.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from orderengine.errors import KeyReused, UnknownOrder
from orderengine.execution.ports import IdempotencyKey, OpenOrder, Signed, StoredEvent
from orderengine.storage.postgres.batches import Kind, Line
from orderengine.storage.postgres.connections import Link
from orderengine.storage.rows import PRIORITY_OF

__all__ = [
    "LOG",
    "Log",
    "ask",
    "claimable",
    "due",
    "execution",
    "is_storable",
    "made_by",
    "orders",
    "signed",
    "within",
]

_I64_MAX = 2**63 - 1

# Sub-selects are asked once for each row, by their index, whatever the planner believes.
_LOGS = """
SELECT i.n, o.user_id, e.seq, e.type, e.body
FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS i (order_id, from_seq, n)
JOIN LATERAL (SELECT user_id FROM orders o WHERE o.order_id = i.order_id LIMIT 1) o ON true
LEFT JOIN LATERAL (
    SELECT seq, type, body FROM events e WHERE e.order_id = i.order_id AND e.seq >= i.from_seq
    ORDER BY seq) e ON true"""
_SIGNED = """
SELECT attempt, payload, last_valid_height, network_fee FROM signed_transactions
WHERE order_id = $1 AND signature = $2"""
_CLAIMABLE = """
SELECT order_id, priority FROM orders
WHERE is_open AND lease_until_ms <= (SELECT now_ms()) ORDER BY priority, number LIMIT $1"""
_MADE_BY = "SELECT request_sha256, order_id FROM idempotency_keys WHERE user_id = $1 AND key = $2"
_DUE = """
SELECT deadline_ns, order_id FROM orders
WHERE is_open AND deadline_ns IS NOT NULL AND deadline_ns < $1 ORDER BY deadline_ns LIMIT $2"""
_EXECUTION = "SELECT body FROM chain WHERE signature = $1"
_ORDERS = {
    None: """
SELECT number, order_id FROM orders
WHERE user_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3""",
    True: """
SELECT number, order_id FROM orders
WHERE user_id = $1 AND number < $2 AND is_open ORDER BY number DESC LIMIT $3""",
    False: """
SELECT number, order_id FROM orders
WHERE user_id = $1 AND number < $2 AND NOT is_open ORDER BY number DESC LIMIT $3""",
}


def within(number: int) -> int:
    """Return a number that a bigint holds and a limit may be."""
    return min(max(number, 0), _I64_MAX)


def is_storable(text: str) -> bool:
    """Return whether PostgreSQL can hold a text; if not, it holds nothing under that name."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


class Log(NamedTuple):
    """Ask for an order's log from a number on; the answer is None if it is not known."""

    order_id: str
    from_seq: int

    def touches(self) -> tuple[Hashable, ...]:
        """Return nothing: reads may share a statement."""
        return ()


class _Question(NamedTuple):
    """Ask one statement, by itself."""

    statement: str
    values: tuple[object, ...]

    def touches(self) -> tuple[Hashable, ...]:
        """Return nothing: these are asked one after another anyway."""
        return ()


async def _logs(link: Link, batch: Sequence[Log]) -> Sequence[list[StoredEvent] | None]:
    ids = [log.order_id for log in batch]
    rows = await link.fetch(_LOGS, ids, [log.from_seq for log in batch])
    found: list[list[StoredEvent] | None] = [None] * len(ids)
    for n, user, seq, kind, body in rows:
        log = found[n - 1]
        if log is None:
            log = found[n - 1] = []
        if seq is not None:
            log.append(StoredEvent(ids[n - 1], user, seq, kind, body))
    for log in filter(None, found):
        log.sort(key=lambda stored: stored.seq)  # nothing promises the order of a join
    return found


async def _ask(link: Link, batch: Sequence[_Question]) -> Sequence[Sequence[Any]]:
    return [await link.fetch(question.statement, *question.values) for question in batch]


LOG = Kind[Log, list[StoredEvent] | None](_logs, Log.touches)
_QUESTION = Kind[_Question, Sequence[Any]](_ask, _Question.touches, size=1)


async def ask(line: Line, statement: str, *values: object) -> Sequence[Any]:
    """Return the rows of a statement, which is committed by itself."""
    return await line.do(_QUESTION, _Question(statement, values))


async def made_by(line: Line, key: IdempotencyKey) -> str | None:
    """Return the order that a key made, if any. Raises ``KeyReused``."""
    if not (is_storable(key.user) and is_storable(key.key)):
        return None
    for request_sha256, order_id in await ask(line, _MADE_BY, key.user, key.key):
        if request_sha256 != key.request_sha256:
            raise KeyReused(key.key)
        return str(order_id)
    return None


async def signed(line: Line, order_id: str, signature: str) -> Signed:
    """Return a stored transaction. Raises ``UnknownOrder``."""
    if is_storable(order_id) and is_storable(signature):
        for attempt, payload, height, fee in await ask(line, _SIGNED, order_id, signature):
            return Signed(
                order_id=order_id,
                attempt=attempt,
                signature=signature,
                payload=payload,
                last_valid_height=height,
                network_fee=fee,
            )
    raise UnknownOrder(order_id)


async def claimable(line: Line, limit: int) -> Sequence[OpenOrder]:
    """Return open orders without a lease, urgent ones first, then as they were accepted.

    Looks at those that are held in between.
    """
    found = await ask(line, _CLAIMABLE, within(limit))
    return [OpenOrder(order_id=order_id, priority=PRIORITY_OF[level]) for order_id, level in found]


async def orders(
    line: Line, user: str, before: int | None, limit: int, is_open: bool | None
) -> Sequence[tuple[int, str]]:
    """Return numbers and ids of a user's orders, the newest first."""
    if not is_storable(user):
        return []
    below = _I64_MAX if before is None else within(before)
    found = await ask(line, _ORDERS[is_open], user, below, within(limit))
    return [(number, order_id) for number, order_id in found]


async def due(line: Line, before_ns: int, limit: int) -> Sequence[tuple[int, str]]:
    """Return deadlines before an instant, with the ids of the open orders."""
    found = await ask(line, _DUE, within(before_ns), within(limit))
    return [(deadline_ns, order_id) for deadline_ns, order_id in found]


async def execution(line: Line, signature: str) -> bytes | None:
    """Return what the simulated chain did with a signature, or None if it did nothing."""
    for (body,) in await ask(line, _EXECUTION, signature):
        return bytes(body)
    return None
