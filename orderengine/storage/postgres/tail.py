"""Read the log of all orders from where it was left, and miss nothing.

Theory of operation. Every event has a number, given out in turn; but transactions commit in another
order, so a reader may see 7 before 6. What it skipped it keeps as missing, and asks for again with
what is newer. A number may also never appear, because its transaction was undone.

Which of the two it is, the database knows. A transaction locks or writes a row before it is given
a number, so it has an id by then. A reader that finds a number missing takes an id of its own,
which is higher. As soon as every transaction below that id has ended (``xmin`` of a later look has
reached it) and the number is still not there, it never will be. This needs no clock, and no guess
of how long a transaction may last. A transaction that stays open keeps numbers on the list longer,
and keeps nothing back. A snapshot's ``xmax`` would not do in the place of an id of one's own: it
follows the last transaction that has ended, and one that runs may be above it.

An order's next event is written only after the one before it was committed, so its number is
higher, and who sees it sees the one before it too: sorted by number, they come in turn.
"""

from __future__ import annotations

from collections.abc import Sequence

from orderengine.execution.ports import Position, StoredEvent
from orderengine.storage.postgres.batches import Line
from orderengine.storage.postgres.reads import ask, within

__all__ = ["NEXT_ID", "NUMBERS", "SKIPPED_MAX", "after", "since", "skipped", "start"]

SKIPPED_MAX = 10_000
"""Numbers below the newest that are looked for when a reader begins, or jumps: a bound, for there
are gaps where orders were pruned, and a sequence may have been set by hand."""
_MISSING_MAX = 10 * SKIPPED_MAX

NEXT_ID = "SELECT pg_current_xact_id()::text::bigint"
NUMBERS = f"""
SELECT newest.number, array(
    SELECT * FROM generate_series(greatest(newest.number - {SKIPPED_MAX}, 1), newest.number)
    EXCEPT SELECT number FROM events WHERE number >= newest.number - {SKIPPED_MAX}
    ORDER BY 1)
FROM (SELECT coalesce((SELECT number FROM events ORDER BY number DESC LIMIT 1), 0) AS number) newest
"""  # noqa: S608  (constants)
_SINCE = """
SELECT pg_snapshot_xmin(h)::text::bigint, e.number, o.order_id, o.user_id, e.seq, e.type, e.body
FROM pg_current_snapshot() h LEFT JOIN (
    (SELECT * FROM events WHERE number > $1 ORDER BY number LIMIT $3)
    UNION ALL
    (SELECT * FROM events WHERE number = ANY ($2::bigint[]))
    ORDER BY number LIMIT $3
) e ON true LEFT JOIN LATERAL (
    SELECT order_id, user_id FROM orders o WHERE o.order_id = e.order_id LIMIT 1
) o ON true
ORDER BY e.number"""


async def start(line: Line) -> Position:
    """Return where the log ends now."""
    ((number, missing),) = await ask(line, NUMBERS)
    if not missing:
        return Position(number)
    ((ends,),) = await ask(line, NEXT_ID)
    return Position(number, tuple((skipped, ends) for skipped in missing))


async def since(
    line: Line, position: Position, limit: int
) -> tuple[Sequence[StoredEvent], Position]:
    """Return what appeared after a position, and the position after that."""
    if limit < 1:
        return [], position
    missing = [number for number, _ in position.missing]
    rows = await ask(line, _SINCE, within(position.number), missing, within(limit))
    xmin = rows[0][0]
    told = [row[1:] for row in rows if row[1] is not None]
    numbers = [row[0] for row in told]
    gaps, ends = skipped(position, numbers), 0
    if gaps:
        ((ends,),) = await ask(line, NEXT_ID)
    return (
        [StoredEvent(*row[1:]) for row in told],
        after(position, numbers, is_all=len(told) < limit, xmin=xmin, ends=ends),
    )


def skipped(position: Position, numbers: Sequence[int]) -> list[int]:
    """Return the numbers above a position that are missing below the newest that was told."""
    newest = numbers[-1] if numbers else 0
    told = set(numbers)
    first = max(position.number + 1, newest - SKIPPED_MAX)
    return [number for number in range(first, newest) if number not in told]


def after(
    position: Position, numbers: Sequence[int], *, is_all: bool, xmin: int, ends: int
) -> Position:
    """Return the position after some numbers were told.

    Args:
        position: the one before.
        numbers: what was told, rising.
        is_all: whether there was nothing else to tell.
        xmin: all transactions with a lower id had ended.
        ends: an id that was given out after these numbers were seen.
    """
    told = set(numbers)
    newest = max(position.number, numbers[-1] if numbers else 0)
    looked_to = newest if is_all else numbers[-1]
    missing = [
        (number, until)
        for number, until in position.missing
        if number not in told and (until > xmin or number > looked_to)
    ]
    missing += [(number, ends) for number in skipped(position, numbers)]
    return Position(newest, tuple(missing[-_MISSING_MAX:]))
