"""Read the files that a scenario names: prices, arrivals and latencies, as CSV or Parquet.

Numbers are read as text and converted exactly; nothing passes through a float unless the file holds
floats. Every complaint names the file, the row and the value.
"""

from __future__ import annotations

import re
import zlib
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from orderengine.errors import InvalidAmount, InvalidData
from orderengine.market.fields import INSTANT_NS_END
from orderengine.market.prices import Trace, to_x64
from orderengine.model.instants import parse_rfc3339
from orderengine.model.tokens import Token

if TYPE_CHECKING:
    import polars

__all__ = ["file_sha256", "read_arrivals", "read_latencies", "read_prices"]

TIME_COLUMNS = ("timestamp", "time", "open_time", "open_time_ms")
PRICE_COLUMNS = ("price", "open", "close")
"""The first of these that a file has is read; ``open`` is the price at a candle's time stamp."""

_DIGITS = re.compile(r"[0-9]{1,20}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}\.[0-9]{1,18}", re.ASCII)
_LEAST, _MOST = Decimal("1e-18"), Decimal("1e15")


def file_sha256(path: str) -> str:
    """Return the hash of a file's bytes. Raises ``InvalidData``."""
    try:
        return sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise InvalidData(path, error.strerror or str(error), "a readable file") from None


def read_prices(path: str, base: Token, quote: Token) -> Trace:
    """Read a price trace: quote tokens for one base token over time.

    Args:
        path: CSV or Parquet, plain or gzip. A time column (``timestamp``, ``time``, ``open_time``,
            ``open_time_ms``) of RFC 3339 or Unix s, ms, us or ns (told apart by size), strictly
            rising; a price column (``price``, ``open``, ``close``; the first there is).
        base: the token priced.
        quote: the token it is priced in.

    Raises:
        InvalidData: unreadable, empty, unsorted, or a price that is not above 0 and finite.
    """
    table = _read(path)
    times = _pick(table, TIME_COLUMNS, path)
    prices = _pick(table, PRICE_COLUMNS, path)
    if table.height < 2:
        rows = f"{table.height} row{'s' * (table.height != 1)}"
        raise InvalidData(path, rows, "at least 2 rows of prices")
    times_ns: list[int] = []
    prices_x64: list[int] = []
    for row, (when, price) in enumerate(zip(table[times], table[prices], strict=True), start=1):
        where = f"{path}, row {row}"
        at_ns = _instant(where, times, when)
        if times_ns and at_ns <= times_ns[-1]:
            raise InvalidData(where, f"{times} {when!r}", "times that rise from row to row")
        times_ns.append(at_ns)
        try:
            prices_x64.append(to_x64(_positive(where, prices, price), base, quote))
        except InvalidData as error:
            raise InvalidData(where, f"{prices} {price!r}", error.expected) from None
    return Trace(times_ns, prices_x64)


def read_arrivals(path: str, column: str) -> tuple[int, ...]:
    """Read recorded instants of arrival, and count them from the first one.

    Args:
        path: CSV or Parquet, plain or gzip.
        column: of RFC 3339, of Unix time in s, ms, us or ns (told apart by size), or of seconds
            with a decimal point; never falling from row to row. Rows without a value are left out.

    Returns:
        ns from the first arrival, the first of them 0.

    Raises:
        InvalidData: unreadable, no such column, no values, or one that is no instant or falls.
    """
    table = _read(path)
    _require_column(table, column, path)
    instants: list[int] = []
    for row, value in enumerate(table[column], start=1):
        if value is None or not str(value).strip():
            continue
        where = f"{path}, row {row}"
        text = str(value).strip()
        if _SECONDS.fullmatch(text):
            at_ns = int(Decimal(text) * 1_000_000_000)
        else:
            at_ns = _instant(where, column, value)
        if instants and at_ns < instants[-1]:
            raise InvalidData(where, f"{column} {value!r}", "instants that do not fall")
        instants.append(at_ns)
    if not instants:
        raise InvalidData(path, f"no values in {column}", "at least one instant")
    return tuple([at_ns - instants[0] for at_ns in instants])


def read_latencies(path: str, column: str) -> tuple[int, ...]:
    """Read measured latencies from a column of milliseconds; rows without a value are left out.

    Returns:
        The values in ns, rounded to the nearest, sorted.

    Raises:
        InvalidData: unreadable, no such column, no values, or one that is not above 0 and finite.
    """
    table = _read(path)
    _require_column(table, column, path)
    values = sorted(
        round(_positive(f"{path}, row {row}", column, value) * 1_000_000)
        for row, value in enumerate(table[column], start=1)
        if value is not None and str(value).strip()
    )
    if not values:
        raise InvalidData(path, f"no values in {column}", "at least one latency in ms")
    return tuple(values)


def _read(path: str) -> polars.DataFrame:
    import polars as pl  # noqa: PLC0415  (part of the extra study)

    file = Path(path)
    try:
        if not file.is_file():
            other = "not a regular file" if file.exists() else "no such file"
            found = "a folder" if file.is_dir() else other
            raise InvalidData(path, found, "a CSV or Parquet file")
        data = file.read_bytes()
        if not data:
            raise InvalidData(path, "an empty file", "rows of data")
        if data[:2] == b"\x1f\x8b":
            import gzip  # noqa: PLC0415  (only for such files)

            data = gzip.decompress(data)
        if data[:4] == b"PAR1":
            return pl.read_parquet(data).with_columns(pl.col(pl.Datetime).dt.epoch("ns"))
        return pl.read_csv(data, infer_schema=False)
    except (OSError, EOFError, zlib.error, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        found = f"one that cannot be read ({reason})"
        raise InvalidData(path, found, "a CSV or Parquet file, plain or gzip") from None


def _require_column(table: polars.DataFrame, column: str, path: str) -> None:
    if column not in table.columns:
        raise InvalidData(path, f"the columns {', '.join(table.columns)}", f"a column {column!r}")


def _pick(table: polars.DataFrame, names: tuple[str, ...], path: str) -> str:
    for name in names:
        if name in table.columns:
            return name
    raise InvalidData(
        path, f"the columns {', '.join(table.columns)}", f"a column {' or '.join(names)}"
    )


def _instant(where: str, column: str, value: object) -> int:
    text = "" if value is None else str(value).strip()
    try:
        at_ns = _unix_ns(int(text)) if _DIGITS.fullmatch(text) else parse_rfc3339(text)
    except InvalidAmount:
        at_ns = -1
    if not 0 <= at_ns < INSTANT_NS_END:
        expected = "RFC 3339 with an offset or a Unix time, from 1970 to 2199"
        raise InvalidData(where, f"{column} {value!r}", expected)
    return at_ns


def _unix_ns(number: int) -> int:
    """Return ns of a Unix time in s, ms, us or ns, told apart by size."""
    for limit, unit_ns in ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3)):
        if number < limit:
            return number * unit_ns
    return number


def _positive(where: str, column: str, value: object) -> Decimal:
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not _LEAST <= number < _MOST:
        raise InvalidData(where, f"{column} {value!r}", "a number above 10^-18 and below 10^15")
    return number
