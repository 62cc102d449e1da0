"""Check that price and latency files are read exactly, or refused by file, row and value."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from orderengine.errors import InvalidData
from orderengine.market.prices import Trace, to_x64
from orderengine.model.instants import parse_rfc3339
from orderengine.model.tokens import token
from orderengine.study.files import file_sha256, read_latencies, read_prices
from tests.shared import SOL_2021, SOL_2026, shared_file

BASE, QUOTE = token("SOL"), token("USDC")
AT_S = 1_783_355_400
AT_NS = AT_S * 10**9
PRICES = ("81.8", "81.805", "0.000000123456789")


def x64(price: str) -> int:
    """Return the price in base units."""
    return to_x64(Decimal(price), BASE, QUOTE)


def read(path: Path) -> Trace:
    """Read SOL prices in USDC."""
    return read_prices(str(path), BASE, QUOTE)


def require_three(trace: Trace) -> None:
    """Check the three prices a second apart."""
    assert trace.start_ns == AT_NS
    seen = [trace.price_x64(0, AT_NS + k * 10**9) for k in range(3)]
    assert seen == [x64(price) for price in PRICES]


def csv_of(*rows: tuple[object, object], names: str = "timestamp,price") -> str:
    """Return the text of a file of two columns."""
    return "\n".join([names, *(f"{when},{price}" for when, price in rows)]) + "\n"


def three_rows(unit: int) -> list[tuple[object, object]]:
    """Return the three prices with Unix times in a unit of the second."""
    return [((AT_S + k) * unit, price) for k, price in enumerate(PRICES)]


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9], ids=["s", "ms", "us", "ns"])
@pytest.mark.parametrize("column", ["timestamp", "time", "open_time", "open_time_ms"])
def test_csv_times_are_told_apart_by_size(tmp_path: Path, column: str, unit: int) -> None:
    """Unix times in seconds, milli-, micro- and nanoseconds give the same instants."""
    file = tmp_path / "prices.csv"
    file.write_text(csv_of(*three_rows(unit), names=f"{column},price"))
    require_three(read(file))


def test_csv_times_may_be_rfc3339(tmp_path: Path) -> None:
    """Dates with any offset and up to nine digits are exact instants."""
    file = tmp_path / "prices.csv"
    times = ("2026-07-06T16:30:00Z", "2026-07-06T18:30:01+02:00", "2026-07-06 16:30:02.000Z")
    file.write_text(csv_of(*zip(times, PRICES, strict=True)))
    require_three(read(file))


def test_gzip_and_marks_are_read(tmp_path: Path) -> None:
    """A compressed file is known by its bytes; byte-order marks and line ends do not disturb."""
    file = tmp_path / "prices.anything"
    text = csv_of(*three_rows(1)).replace("\n", "\r\n")
    file.write_bytes(gzip.compress(b"\xef\xbb\xbf" + text.encode()))
    require_three(read(file))


def test_first_price_column_of_the_list_is_read(tmp_path: Path) -> None:
    """``price`` goes before ``open`` and ``open`` before ``close``; others are ignored."""
    file = tmp_path / "prices.csv"
    for names, expected in (
        ("close,open,timestamp,price", "4"),
        ("close,open,timestamp,high", "2"),
        ("close,low,timestamp,high", "1"),
    ):
        file.write_text(f"{names}\n1,2,{AT_S},4\n1,2,{AT_S + 1},4\n")
        assert read(file).price_x64(0, AT_NS) == x64(expected)


DATES = [datetime(2026, 7, 6, 16, 30, k, tzinfo=UTC) for k in range(3)]


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(pl.Series([AT_S + k for k in range(3)]), id="int seconds"),
        pytest.param(pl.Series([(AT_S + k) * 1_000 for k in range(3)]), id="int ms"),
        pytest.param(pl.Series([f"{when:%Y-%m-%dT%H:%M:%SZ}" for when in DATES]), id="text"),
        pytest.param(pl.Series(DATES, dtype=pl.Datetime("ms", "UTC")), id="datetime ms UTC"),
        pytest.param(pl.Series(DATES, dtype=pl.Datetime("us", "UTC")), id="datetime us UTC"),
        pytest.param(
            pl.Series([when.replace(tzinfo=None) for when in DATES], dtype=pl.Datetime("ns")),
            id="datetime ns without zone",
        ),
        pytest.param(
            pl.Series(DATES, dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone("Asia/Tokyo"),
            id="datetime in Tokyo",
        ),
    ],
)
@pytest.mark.parametrize(
    "prices",
    [
        pytest.param(pl.Series([float(price) for price in PRICES]), id="float"),
        pytest.param(pl.Series(PRICES), id="text"),
        pytest.param(pl.Series([Decimal(price) for price in PRICES]), id="decimal"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_parquet_columns_may_have_any_type(
    tmp_path: Path, times: pl.Series, prices: pl.Series, compressed: bool
) -> None:
    """Times as integers, text or dates, and prices as floats, text or decimals, are alike."""
    file = tmp_path / "prices.parquet"
    pl.DataFrame({"timestamp": times, "price": prices}).write_parquet(file)
    if compressed:
        file.write_bytes(gzip.compress(file.read_bytes()))
    require_three(read(file))


REFUSED = [
    pytest.param("", "an empty file", "rows of data", id="empty"),
    pytest.param("  \n \n", "the columns", "a column timestamp or time", id="blank"),
    pytest.param("timestamp,price\n", "0 rows", "at least 2 rows", id="no rows"),
    pytest.param(csv_of((1, 2)), "1 row", "at least 2 rows", id="one row"),
    pytest.param(csv_of((1, 2), (2, 3), names="a,price"), "a, price", "timestamp", id="no time"),
    pytest.param(csv_of((1, 2), (2, 3), names="time,b"), "time, b", "price or open", id="no price"),
    pytest.param(csv_of((5, 2), (4, 3)), "row 2.*timestamp '4'", "rise", id="unsorted"),
    pytest.param(csv_of((5, 2), (5, 3)), "row 2.*timestamp '5'", "rise", id="same time twice"),
    pytest.param(csv_of((1, 2), (2, "nan")), "row 2.*price 'nan'", "above", id="NaN"),
    pytest.param(csv_of((1, 2), (2, "inf")), "row 2.*price 'inf'", "above", id="infinite"),
    pytest.param(csv_of((1, "-2"), (2, 3)), "row 1.*price '-2'", "above", id="negative"),
    pytest.param(csv_of((1, "0.0"), (2, 3)), "row 1.*price '0.0'", "above", id="zero"),
    pytest.param(csv_of((1, "abc"), (2, 3)), "row 1.*price 'abc'", "above", id="text"),
    pytest.param(csv_of((1, ""), (2, 3)), "row 1.*price None", "above", id="missing price"),
    pytest.param(csv_of((1, "1e15"), (2, 3)), "row 1.*price '1e15'", "below 10", id="huge"),
    pytest.param(csv_of((1, "1e-999999999"), (2, 3)), "row 1.*'1e-9", "above", id="tiny"),
    pytest.param(csv_of((1, "1e-17"), (2, 3)), "row 1.*'1e-17'", "2^-64", id="no unit"),
    pytest.param(csv_of(("", 2), (2, 3)), "row 1.*timestamp None", "RFC 3339", id="missing time"),
    pytest.param(csv_of(("noon", 2), (2, 3)), "'noon'", "RFC 3339", id="text time"),
    pytest.param(csv_of(("1.5", 2), (2, 3)), "'1.5'", "RFC 3339", id="broken second"),
    pytest.param(csv_of(("-5", 2), (2, 3)), "'-5'", "RFC 3339", id="negative time"),
    pytest.param(
        csv_of(("2026-01-01", 2), (2, 3)), "'2026-01-01'", "with an offset", id="date alone"
    ),
    pytest.param(
        csv_of(("2200-01-01T00:00:00Z", 2), (2, 3)), "'2200-", "1970 to 2199", id="far future"
    ),
    pytest.param(csv_of((10**20 - 1, 2), (2, 3)), "row 1", "1970 to 2199", id="beyond 64 bits"),
    pytest.param("timestamp,price\n1,2\n2,3,4\n", "more fields", "CSV or Parquet", id="ragged"),
]


@pytest.mark.parametrize(("text", "found", "expected"), REFUSED)
def test_bad_price_file_is_refused(tmp_path: Path, text: str, found: str, expected: str) -> None:
    """The error names the file, the row and the value, and says what was expected, in one line."""
    file = tmp_path / "prices.csv"
    file.write_text(text)
    with pytest.raises(InvalidData, match=found) as caught:
        read(file)
    said = str(caught.value)
    assert said.startswith(str(file))
    assert expected in caught.value.expected
    assert "\n" not in said


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(gzip.compress(b"timestamp,price\n" * 50)[:20], id="cut off gzip"),
        pytest.param(b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 20, id="broken gzip"),
        pytest.param(b"\x1f\x8b\x00\x00", id="gzip of no method"),
        pytest.param(b"PAR1 and no more", id="broken Parquet"),
        pytest.param(bytes(range(256)), id="bytes that are no text"),
    ],
)
def test_damaged_file_is_refused(tmp_path: Path, data: bytes) -> None:
    """What cannot be unpacked is bad input, never a traceback of the unpacker."""
    file = tmp_path / "prices"
    file.write_bytes(data)
    with pytest.raises(InvalidData, match="expected a CSV or Parquet file") as caught:
        read(file)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder_are_told_apart(tmp_path: Path) -> None:
    """Neither can be read, for reasons of their own."""
    with pytest.raises(InvalidData, match="found no such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(InvalidData, match="found a folder"):
        read(tmp_path)


def test_latencies_are_sorted_nanoseconds(tmp_path: Path) -> None:
    """Milliseconds of a column, exact to the ns; rows without a value are left out."""
    file = tmp_path / "latency.csv"
    file.write_text("kind,took_ms\na,492\nb,\nc,0.000001\nd,  \ne,12.3456789\n")
    assert read_latencies(str(file), "took_ms") == (1, 12_345_679, 492_000_000)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("took,x\n1,2\n", "the columns took, x", id="no such column"),
        pytest.param("took_ms,x\n,2\n", "no values in took_ms", id="no values"),
        pytest.param("took_ms\n5\n-1\n", "row 2: .*found took_ms '-1'", id="negative"),
        pytest.param("took_ms\n0\n", "row 1: .*found took_ms '0'", id="zero"),
        pytest.param("took_ms\nsoon\n", "row 1: .*found took_ms 'soon'", id="text"),
    ],
)
def test_bad_latency_file_is_refused(tmp_path: Path, text: str, found: str) -> None:
    """The error names the file, the row and the value."""
    file = tmp_path / "latency.csv"
    file.write_text(text)
    with pytest.raises(InvalidData, match=found):
        read_latencies(str(file), "took_ms")


def test_file_hash_is_of_its_bytes(tmp_path: Path) -> None:
    """It is what ``sha256sum`` prints, and a missing file is refused."""
    file = tmp_path / "prices.csv"
    file.write_bytes(b"timestamp,price\n1,2\n")
    assert file_sha256(str(file)) == sha256(b"timestamp,price\n1,2\n").hexdigest()
    with pytest.raises(InvalidData, match="No such file"):
        file_sha256(str(tmp_path / "none.csv"))


@pytest.mark.needs_shared_data
def test_recorded_minutes_of_2026_are_read() -> None:
    """The Jupiter file's opens are read with RFC 3339 times; the price covers the snapshots."""
    trace = read(Path(shared_file(SOL_2026)))
    assert trace.start_ns == parse_rfc3339("2026-07-05T14:41:00Z")
    assert len(trace._times) == 20_160
    assert x64("73") < min(trace._prices) < max(trace._prices) < x64("84")
    spot = trace.price_x64(0, parse_rfc3339("2026-07-06T16:29:30Z"))
    assert x64("81.754") <= spot <= x64("81.841")


@pytest.mark.needs_shared_data
def test_recorded_minutes_of_2021_are_read() -> None:
    """The Binance file has millisecond times and a gap of two hours, crossed by a line."""
    trace = read_prices(shared_file(SOL_2021), BASE, token("USDT"))
    assert len(trace._times) == 43_079
    gaps = {after - before for before, after in pairwise(trace._times)}
    assert min(gaps) == 60 * 10**9
    assert 7_200 * 10**9 <= max(gaps) <= 7_260 * 10**9
    assert x64("116") <= min(trace._prices) < max(trace._prices) <= x64("178")


@pytest.mark.needs_shared_data
@pytest.mark.parametrize(
    ("name", "column", "count", "least_ms", "most_ms"),
    [
        ("ping_thing_priority_fee_sweep_2024-10-01.csv", "time_difference_ms", 188, 1_343, 6_594),
        ("jupiter_quote_latency_2025-10-23.csv", "took_ms", 871, 0, 2_161),
    ],
)
def test_recorded_latencies_are_read(
    name: str, column: str, count: int, least_ms: int, most_ms: int
) -> None:
    """The measured files of the study's figures can be drawn from."""
    values = read_latencies(shared_file(f"latency/{name}"), column)
    assert len(values) == count
    assert values[0] >= least_ms * 10**6
    assert values[-1] == most_ms * 10**6
