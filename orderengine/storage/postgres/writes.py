"""Write many orders and events in one statement each.

Each statement looks and writes at once, and answers for every operation why it was refused. Rows
are locked before they are changed, in the order of their ids, so that two processes wait for one
another and never in a circle; what is looked at after the lock is what stands.

A row that another process commits while a statement runs is not seen by it. Where that is why
nothing was written, the operation is done again: the next statement sees it.

An event's number is given out only after its transaction has locked or written a row, which
``tail`` relies on.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from orderengine.errors import (
    DuplicateOrder,
    KeyReused,
    LeaseLost,
    OrderEngineError,
    SequenceConflict,
    UnknownOrder,
)
from orderengine.execution.ports import IdempotencyKey, Signed
from orderengine.model.canonical import writer_of
from orderengine.model.events import Accepted, Event
from orderengine.storage.postgres.batches import AGAIN, Again, Kind
from orderengine.storage.postgres.connections import Link
from orderengine.storage.rows import URGENCY

__all__ = ["APPEND", "CREATE", "RECORD", "Append", "Create", "Execution"]


# A sub-select with a limit is asked once for each row, by its index, whatever the planner believes
# of the tables' sizes. The keys come first, sorted: whoever inserts the same ones waits there.
_CREATE = """
WITH input AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[],
        $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[])
        WITH ORDINALITY AS i (order_id, user_id, priority, status, accepted_at_ns, deadline_ns,
            type, body, key_user, key, request_sha256, n)
), looked AS MATERIALIZED (
    SELECT i.*, k.request_sha256 AS made_sha256, k.order_id AS made_id,
        o.seq IS NOT NULL AS is_taken
    FROM input i
    LEFT JOIN LATERAL (
        SELECT request_sha256, order_id FROM idempotency_keys k
        WHERE k.user_id = i.key_user AND k.key = i.key LIMIT 1) k ON true
    LEFT JOIN LATERAL (SELECT seq FROM orders o WHERE o.order_id = i.order_id LIMIT 1) o ON true
), fresh AS (
    SELECT * FROM looked WHERE made_id IS NULL AND NOT is_taken
), keyed AS (
    INSERT INTO idempotency_keys (user_id, key, request_sha256, order_id)
    SELECT key_user, key, request_sha256, order_id FROM fresh WHERE key IS NOT NULL
    ORDER BY key_user, key
    ON CONFLICT DO NOTHING RETURNING order_id
), allowed AS MATERIALIZED (
    SELECT * FROM fresh WHERE key IS NULL OR order_id IN (SELECT order_id FROM keyed)
), ordered AS (
    INSERT INTO orders (order_id, user_id, priority, status, seq, accepted_at_ns, deadline_ns)
    SELECT order_id, user_id, priority, status, 1, accepted_at_ns, deadline_ns FROM allowed
    ORDER BY n RETURNING order_id
), logged AS (
    INSERT INTO events (order_id, seq, type, body)
    SELECT order_id, 1, type, body FROM allowed JOIN ordered USING (order_id) ORDER BY n
)
SELECT l.made_sha256, l.made_id, l.is_taken, a.n IS NOT NULL AS is_new
FROM looked l LEFT JOIN allowed a USING (n) ORDER BY n"""

_APPEND = """
WITH input AS (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[],
        $6::text[], $7::boolean[], $8::bigint[], $16::bigint[], $17::boolean[]) WITH ORDINALITY
        AS i (order_id, seq, fence, type, status, body, ends, at_ns, place, is_last, n)
), standing AS MATERIALIZED (
    SELECT order_id, seq, fence, is_open FROM orders WHERE order_id = ANY ($1)
    ORDER BY order_id FOR NO KEY UPDATE
), looked AS MATERIALIZED (
    SELECT i.*, s.seq AS last_seq, s.fence AS newest_fence, s.is_open,
        coalesce(s.is_open AND i.seq = s.seq + i.place
            AND (i.fence IS NULL OR i.fence = s.fence AND i.fence > 0), false) AS is_next
    FROM input i LEFT JOIN standing s USING (order_id)
), advanced AS (
    UPDATE orders o SET seq = l.seq, status = l.status, is_open = NOT l.ends,
        ended_at_ns = CASE WHEN l.ends THEN l.at_ns END
    FROM looked l
    WHERE o.order_id = l.order_id AND l.is_next AND l.is_last AND o.order_id = ANY ($1)
), logged AS (
    INSERT INTO events (order_id, seq, type, body)
    SELECT order_id, seq, type, body FROM looked WHERE is_next ORDER BY n
), announced AS (
    INSERT INTO signed_transactions
        (order_id, signature, attempt, payload, last_valid_height, network_fee)
    SELECT s.* FROM unnest($9::text[], $10::text[], $11::bigint[], $12::bytea[], $13::bigint[],
        $14::bigint[]) AS s (order_id, signature, attempt, payload, height, fee)
    JOIN looked l USING (order_id) WHERE l.is_next AND l.is_last AND NOT l.ends
), forgotten AS (
    DELETE FROM signed_transactions t USING looked l
    WHERE t.order_id = ANY ($15::text[]) AND t.order_id = l.order_id AND l.is_next AND l.is_last
        AND l.ends
)
SELECT last_seq, newest_fence, is_open, is_next FROM looked ORDER BY n"""

_RECORD = """
WITH input AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[]) WITH ORDINALITY
        AS i (signature, order_id, body, n)
), recorded AS (
    INSERT INTO chain (signature, order_id, body, at_ms)
    SELECT signature, order_id, body, now_ms() FROM input ORDER BY signature
    ON CONFLICT DO NOTHING RETURNING signature, body
)
SELECT coalesce(r.body, c.body) AS body FROM input i
LEFT JOIN recorded r USING (signature)
LEFT JOIN LATERAL (
    SELECT body FROM chain c WHERE c.signature = i.signature LIMIT 1) c ON true
ORDER BY n"""


class Create(NamedTuple):
    """Ask for a new order."""

    accepted: Accepted
    key: IdempotencyKey | None

    def touches(self) -> tuple[Hashable, ...]:
        """Return the order and the key."""
        order_id, key = self.accepted.order_id, self.key
        return (order_id,) if key is None else (order_id, (key.user, key.key))

    def row(self) -> tuple[Any, ...]:
        """Return the values of the statement's input."""
        accepted, order, key = self.accepted, self.accepted.order, self.key
        return (
            accepted.order_id,
            order.user,
            URGENCY[order.priority],
            accepted.status,
            accepted.at_ns,
            order.deadline_ns,
            _tag(accepted),
            writer_of(type(accepted))(accepted),
            *((None, None, None) if key is None else (key.user, key.key, key.request_sha256)),
        )


class Append(NamedTuple):
    """Ask for an order's next event."""

    event: Event
    fence: int | None
    signed: Signed | None

    def touches(self) -> tuple[Hashable, ...]:
        """Return the order."""
        return (self.event.order_id,)

    def follows(self, earlier: Append) -> bool:
        """Return whether this goes on where an earlier one of the same writer ends.

        A transaction is stored with the last event of such a run, so none may come before.
        """
        return (
            self.fence is not None
            and self.fence == earlier.fence
            and self.event.seq == earlier.event.seq + 1
            and earlier.signed is None
            and not earlier.event.status.is_terminal
        )

    def row(self) -> tuple[Any, ...]:
        """Return the values of the statement's input."""
        event = self.event
        return (
            event.order_id,
            event.seq,
            self.fence,
            _tag(event),
            event.status,
            writer_of(type(event))(event),
            event.status.is_terminal,
            event.at_ns,
        )


class Execution(NamedTuple):
    """Say what the simulated chain did with a signature."""

    signature: str
    order_id: str
    body: bytes

    def touches(self) -> tuple[Hashable, ...]:
        """Return the signature."""
        return (self.signature,)


def _tag(event: Event) -> str:
    return str(type(event).__struct_config__.tag)


def _columns(rows: Sequence[tuple[Any, ...]], count: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[]] * count


async def _create(link: Link, batch: Sequence[Create]) -> Sequence[str | OrderEngineError | Again]:
    columns = _columns([create.row() for create in batch], 11)
    found = await link.fetch(_CREATE, *columns)
    return [_created(create, *row) for create, row in zip(batch, found, strict=True)]


def _created(
    create: Create, made_sha256: str | None, made_id: str | None, is_taken: bool, is_new: bool
) -> str | OrderEngineError | Again:
    if is_new:
        return create.accepted.order_id
    if made_id is not None and create.key is not None:
        is_same = made_sha256 == create.key.request_sha256
        return made_id if is_same else KeyReused(create.key.key)
    return DuplicateOrder(create.accepted.order_id) if is_taken else AGAIN


async def _append(link: Link, batch: Sequence[Append]) -> Sequence[OrderEngineError | None]:
    columns = _columns([append.row() for append in batch], 8)
    signed = [append.signed for append in batch if append.signed is not None]
    transactions = [
        (s.order_id, s.signature, s.attempt, s.payload, s.last_valid_height, s.network_fee)
        for s in signed
    ]
    ended = [append.event.order_id for append in batch if append.event.status.is_terminal]
    places, last = _runs(batch)
    found = await link.fetch(_APPEND, *columns, *_columns(transactions, 6), ended, places, last)
    return [_appended(append, *row) for append, row in zip(batch, found, strict=True)]


def _runs(batch: Sequence[Append]) -> tuple[list[int], list[bool]]:
    """Return each event's place among those of its order, from 1, and whether it is the last."""
    places, last, counts = list[int](), [False] * len(batch), dict[str, int]()
    newest = dict[str, int]()
    for index, append in enumerate(batch):
        order_id = append.event.order_id
        counts[order_id] = place = counts.get(order_id, 0) + 1
        places.append(place)
        newest[order_id] = index
    for index in newest.values():
        last[index] = True
    return places, last


def _appended(
    append: Append, last_seq: int | None, fence: int, is_open: bool, is_next: bool
) -> OrderEngineError | None:
    order_id, seq = append.event.order_id, append.event.seq
    if is_next:
        return None
    if last_seq is None:
        return UnknownOrder(order_id)
    if not is_open:  # then no lease is left to compare the fence with
        return SequenceConflict(order_id, seq - 1, last_seq)
    if append.fence is not None and (append.fence != fence or append.fence == 0):
        return LeaseLost(order_id, append.fence, fence)
    return SequenceConflict(order_id, seq - 1, last_seq)


async def _record(link: Link, batch: Sequence[Execution]) -> Sequence[bytes | Again]:
    found = await link.fetch(_RECORD, *_columns(batch, 3))
    return [AGAIN if body is None else bytes(body) for (body,) in found]


CREATE = Kind[Create, str](_create, Create.touches)
APPEND = Kind[Append, None](
    _append, Append.touches, follows=lambda earlier, append: append.follows(earlier)
)
RECORD = Kind[Execution, bytes](_record, Execution.touches)
