"""Write a run's events and orders to disk while it runs, so that its memory does not grow with it.

Events are observed in the order of time, so only those of one instant need sorting before they are
written and hashed, by (order number, seq). The hash is that of the same run kept in memory.

``events.parquet`` has a row an event, in the order in which they are hashed: ``number`` and
``order_id`` of the order, ``seq``, ``type``, ``status``, ``at`` (UTC, ns), and ``event``, the
canonical JSON with its line feed, from which the event is rebuilt exactly. Those texts, one after
the other, have the run's hash. ``orders.parquet`` has a row an order, in the order in which they
ended, with the columns of ``analysis.tables.order_table``; ``number`` tells the order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from orderengine.analysis.targets import replacing
from orderengine.errors import InvariantViolated
from orderengine.model.canonical import tag_of, writer_of
from orderengine.model.events import Accepted, AnyEvent, Event
from orderengine.study.saved import EVENTS_FILE, LINES_FILE, ORDERS_FILE, SUMMARY_FILE
from orderengine.study.targets import writable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DiskRecording", "require_one_end"]

_EVENTS_AT_ONCE = 4_096
"""Measured: with 1,024 an order costs 3 % more, and more than these save nothing."""
_ORDERS_AT_ONCE = 4_096
_ROWS_A_GROUP = 65_536
"""About 23 MB of events: what is read to see one order."""

_REPEATING = [
    "status",
    "code",
    "sell",
    "buy",
    "market",
    "side",
    "mode",
    "priority",
    "user",
    "venue",
    "pool",
]
"""Columns of orders with few different values."""

_TAGS: dict[type[Event], str] = {kind: str(tag_of(kind)) for kind in get_args(AnyEvent)}


class _Batch(NamedTuple):
    """Hold events side by side with their dates and the numbers of their orders."""

    events: list[Event]
    dates: list[int]
    numbers: list[int]


class DiskRecording:
    """Record one run in a folder.

    Args:
        folder: where the files go; it is made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        from orderengine.analysis.tables import order_row, table_of_rows  # noqa: PLC0415  (polars)

        self._row, self._table_of_rows = order_row, table_of_rows
        self._folder = folder
        self._sha256 = sha256()
        self.orders = 0
        """How many have begun."""
        self._numbers: dict[str, int] = {}
        """Of the orders of which an event is pending or to come."""
        self._over: list[str] = []
        """Those of them that have ended."""
        self._pending: list[Event] = []
        self._full_at = _EVENTS_AT_ONCE
        self._written_ns = 0
        self._rows: list[tuple[Any, ...]] = []
        self._events_file = _Table(folder / EVENTS_FILE, ["type", "status"], ["number", "at"])
        self._orders_file = _Table(folder / ORDERS_FILE, _REPEATING, ["number"])

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Move the files to their places if all goes well; else nothing is left of them."""
        with (
            writable(self._folder),
            _folder_for(self._folder),
            self._events_file.whole(),
            self._orders_file.whole(),
        ):
            yield
            self._write_events(len(self._pending))
            self._write_rows()
            for earlier in (SUMMARY_FILE, LINES_FILE):
                (self._folder / earlier).unlink(missing_ok=True)

    @property
    def event_log_sha256(self) -> str:
        """The hash of what was written."""
        return self._sha256.hexdigest()

    def observe(self, event: Event) -> None:
        """Take an event, no earlier than the one before it.

        Raises:
            InvariantViolated: it is earlier.
            InvalidData: the disk is full.
        """
        pending = self._pending
        if len(pending) >= self._full_at:
            self._write_before(pending[-1].at_ns)
        if type(event) is Accepted:
            self._numbers[event.order_id] = self.orders
            self.orders += 1
        pending.append(event)

    def end(self, log: Sequence[Event]) -> None:
        """Take the log of an order that has ended; all of it was observed.

        Raises:
            InvariantViolated: it does not end exactly once.
            InvalidData: the disk is full.
        """
        require_one_end(log)
        order_id = log[0].order_id
        self._over.append(order_id)
        self._rows.append(self._row(self._numbers[order_id], log))
        if len(self._rows) >= _ORDERS_AT_ONCE:
            with writable(self._folder):
                self._write_rows()

    def _write_before(self, now_ns: int) -> None:
        """Write the events of earlier instants: to this one more may come."""
        pending = self._pending
        count = len(pending)
        while count and pending[count - 1].at_ns == now_ns:
            count -= 1
        with writable(self._folder):
            self._write_events(count)
        self._full_at = len(pending) + _EVENTS_AT_ONCE

    def _write_events(self, count: int) -> None:
        if not count:
            return
        events, self._pending[:count] = self._pending[:count], []
        numbers_of = self._numbers
        dates = [event.at_ns for event in events]
        numbers = [numbers_of[event.order_id] for event in events]
        keys = list(zip(dates, numbers, strict=True))
        batch = _Batch(events, dates, numbers)
        if keys != sorted(keys):
            places = sorted(range(count), key=keys.__getitem__)  # stable: seq by seq
            batch = _Batch(
                [events[place] for place in places],
                [dates[place] for place in places],
                [numbers[place] for place in places],
            )
        if batch.dates[0] < self._written_ns:
            raise InvariantViolated(f"an event of {batch.dates[0]} ns came after later ones")
        self._written_ns = batch.dates[-1]
        lines = [writer_of(type(event))(event) for event in batch.events]
        lines.append("")
        text = "\n".join(lines).encode()
        self._sha256.update(text)
        self._events_file.add(_rows_of(batch, lines, text))
        self._forget_numbers()

    def _forget_numbers(self) -> None:
        """Drop the numbers of ended orders, but of those with events that are still pending."""
        left = {event.order_id for event in self._pending}
        for order_id in self._over:
            if order_id not in left:
                del self._numbers[order_id]
        self._over = [order_id for order_id in self._over if order_id in left]

    def _write_rows(self) -> None:
        if self._rows:
            table = self._table_of_rows(self._rows).to_arrow()
            self._rows = []
            for rows in table.to_batches():
                self._orders_file.add(rows)


@contextmanager
def _folder_for(folder: Path) -> Iterator[None]:
    """Make a folder, and take it away again if what was to fill it fails."""
    was_there = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if not was_there:
            with suppress(OSError):  # somebody else has put something there
                folder.rmdir()
        raise


class _Table:
    """Write one Parquet file batch by batch, some batches a row group.

    Args:
        path: the file.
        repeating: columns of few different values.
        sought: columns of which each row group tells the range, so that others are left unread.
    """

    def __init__(self, path: Path, repeating: list[str], sought: list[str]) -> None:
        self._path = path
        self._sought = sought
        self._repeating = repeating
        self._part: Path | None = None
        self._writer: Any = None
        self._batches: list[pa.RecordBatch] = []
        self._rows = 0

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Move the file to its place if all goes well."""
        with replacing(self._path) as self._part:
            try:
                yield
                self._flush()
            finally:
                if self._writer is not None:
                    self._writer.close()

    def add(self, batch: pa.RecordBatch) -> None:
        self._batches.append(batch)
        self._rows += batch.num_rows
        if self._rows >= _ROWS_A_GROUP:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        import pyarrow as pa  # noqa: PLC0415  (part of the extra study)
        import pyarrow.parquet as pq  # noqa: PLC0415

        table = pa.Table.from_batches(self._batches)
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._part,
                table.schema,
                compression="zstd",
                use_dictionary=self._repeating,
                write_statistics=self._sought,
            )
        self._writer.write_table(table)
        self._batches, self._rows = [], 0


def _rows_of(batch: _Batch, lines: list[str], text: bytes) -> pa.RecordBatch:
    """Return the rows of ``events.parquet``; ``text`` is the lines, joined by line feeds.

    It is not copied: each row's line stands in it where it was written.
    """
    import pyarrow as pa  # noqa: PLC0415  (part of the extra study)

    events, count = batch.events, len(batch.events)
    sizes = [len(line) + 1 for line in lines[:count]]
    if sum(sizes) != len(text):  # not all of it is ASCII
        sizes = [len(line.encode()) + 1 for line in lines[:count]]
    starts = pa.array(accumulate(sizes, initial=0), pa.int32()).buffers()[1]
    return pa.record_batch(
        {
            "number": pa.array(batch.numbers, pa.int64()),
            "order_id": pa.array([event.order_id for event in events], pa.string()),
            "seq": pa.array([event.seq for event in events], pa.int64()),
            "type": pa.array([_TAGS[type(event)] for event in events], pa.string()),
            "status": pa.array([event.status for event in events], pa.string()),
            "at": pa.array(batch.dates, pa.int64()).cast(pa.timestamp("ns", "UTC")),
            "event": pa.StringArray.from_buffers(count, starts, pa.py_buffer(text)),
        }
    )


def require_one_end(log: Sequence[Event]) -> None:
    """Check that a log is numbered without gaps and ends exactly once, at its end.

    Raises:
        InvariantViolated: it is not, or does not.
    """
    last = len(log)
    for expected, event in enumerate(log, 1):
        if event.seq != expected or event.status.is_terminal is not (expected == last):
            numbers = [event.seq for event in log]
            ends = [event.seq for event in log if event.status.is_terminal]
            raise InvariantViolated(f"order {log[0].order_id} ended at {ends} of {numbers}")
