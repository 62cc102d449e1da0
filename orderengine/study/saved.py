"""Read a run's events and orders back from the files that it wrote.

Nothing is read before it is asked for, and of the events only as many as it takes: one order's, or
all of them, one part of the file after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from orderengine.errors import InvalidData
from orderengine.model.events import Event
from orderengine.model.wire import decode_event

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "EVENTS_FILE",
    "LINES_FILE",
    "ORDERS_FILE",
    "SCENARIO_FILE",
    "SUMMARY_FILE",
    "SavedLogs",
    "readable",
]

EVENTS_FILE, ORDERS_FILE = "events.parquet", "orders.parquet"
"""What ``study.recording`` writes; see there."""
LINES_FILE = "events.jsonl"
"""The events of a run that was kept in memory."""
SCENARIO_FILE, SUMMARY_FILE = "scenario.toml", "summary.json"
"""Beside either; the summary comes last, so where it stands all is whole."""

_ROWS_AT_ONCE = 16_384


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Tell an error of reading a run's files as ours.

    Raises:
        InvalidData: a file is gone, or is not what a run has written.
    """
    import polars as pl  # noqa: PLC0415  (part of the extra study)
    import pyarrow as pa  # noqa: PLC0415  (as above)

    try:
        yield
    except (OSError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        reason = getattr(error, "strerror", None) or (str(error) or repr(error)).splitlines()[0]
        raise InvalidData(str(folder), reason, "a folder that a run has written") from None


class SavedLogs(Sequence[Sequence[Event]]):
    """Be every order's log, by order number, as it stands in a folder.

    Each method that reads raises ``InvalidData`` if a file is gone or is not what was written.

    Args:
        folder: holds the two files.
        count: how many orders there are.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._folder = folder
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, number: int) -> Sequence[Event]: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[Sequence[Event]]: ...

    def __getitem__(self, number: int | slice) -> Any:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(self._count))]
        number += self._count if number < 0 else 0
        if not 0 <= number < self._count:
            raise IndexError(number)
        import polars as pl  # noqa: PLC0415  (part of the extra study)

        rows = self._scan(EVENTS_FILE).filter(pl.col("number") == number)
        return [decode_event(line) for line in self._collect(rows.select("event"))["event"]]

    def __iter__(self) -> Iterator[Sequence[Event]]:
        """Yield the logs by order number; one that ended before an earlier one waits for it."""
        begun: dict[int, list[Event]] = {}
        following = 0
        for numbers, lines in self._parts("number", "event"):
            for number, line in zip(numbers, lines, strict=True):
                begun.setdefault(number, []).append(decode_event(line))
            while following in begun and begun[following][-1].status.is_terminal:
                yield begun.pop(following)
                following += 1

    def is_in(self, folder: Path) -> bool:
        """Return whether this is the folder that the logs are read from."""
        return self._folder.resolve() == folder.resolve()

    def number_of(self, order_id: str) -> int | None:
        """Return the number of an order, None if there is no such order."""
        import polars as pl  # noqa: PLC0415  (part of the extra study)

        rows = self._scan(ORDERS_FILE).filter(pl.col("order_id") == order_id).select("number")
        found = self._collect(rows)
        return int(found["number"][0]) if found.height else None

    def lines(self) -> Iterator[bytes]:
        """Yield the canonical lines of all events, many at a time, as they were hashed."""
        for (lines,) in self._parts("event"):
            yield "".join(lines).encode()

    def order_table(self) -> pl.DataFrame:
        """Return ``analysis.tables.order_table`` of all orders.

        Column by column: sorting them all at once takes three times the memory.
        """
        import polars as pl  # noqa: PLC0415  (part of the extra study)

        path = self._folder / ORDERS_FILE
        with readable(self._folder):
            places = pl.read_parquet(path, columns=["number"])["number"].arg_sort()
            names = pl.read_parquet_schema(path)
            return pl.DataFrame(
                [pl.read_parquet(path, columns=[name])[name].gather(places) for name in names]
            )

    def event_table(self) -> pl.DataFrame:
        """Return ``analysis.tables.event_table`` of all events."""
        return self._collect(self._scan(EVENTS_FILE).drop("event").sort("number", "seq"))

    def _scan(self, name: str) -> pl.LazyFrame:
        import polars as pl  # noqa: PLC0415  (part of the extra study)

        with readable(self._folder):
            return pl.scan_parquet(self._folder / name)

    def _collect(self, rows: pl.LazyFrame) -> pl.DataFrame:
        with readable(self._folder):
            return rows.collect()

    def _parts(self, *columns: str) -> Iterator[tuple[list[Any], ...]]:
        import pyarrow.parquet as pq  # noqa: PLC0415  (part of the extra study)

        with readable(self._folder), pq.ParquetFile(self._folder / EVENTS_FILE) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(columns)):
                yield tuple(column.to_pylist() for column in batch.columns)
