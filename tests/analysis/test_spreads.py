"""Test spreads and mark-outs against hand computation, and their identities on drawn logs."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given

from orderengine.analysis.spreads import (
    markout_table,
    observed_prices,
    spread_columns,
    spread_table,
    with_markouts,
)
from orderengine.analysis.tables import order_table
from orderengine.errors import InvalidAmount, InvalidData
from orderengine.model.events import Event
from tests.analysis.logs import MS, START_NS, an_order, drawn_logs, filled_log, seeded_logs, x64

SOL, USDC = 10**9, 10**6
AT_100, AT_102 = x64(0.1), x64(0.102)
"""100 and 102 USDC for 1 SOL, in base units of USDC for one of SOL."""


def sold(amount_out: int, order_id: str = "order-1") -> list[Event]:
    """Return the log of 1 SOL sold at 100, landed at 102 USDC after 10 ms."""
    order = an_order(order_id=order_id, amount=SOL)
    return filled_log(order, price=AT_100, landed_price=AT_102, amounts=(SOL, amount_out)).events


def bought(amount_in: int) -> list[Event]:
    """Return the log of 1 SOL bought for USDC at 100, landed at 102 USDC."""
    order = an_order(order_id="order-2", sell="USDC", buy="SOL", amount=amount_in)
    return filled_log(
        order, price=x64(10.0), landed_price=x64(1 / 0.102), amounts=(amount_in, SOL)
    ).events


def prices(*points: tuple[int, float]) -> pl.DataFrame:
    """Return a price series from (ms after the start, USDC for 1 SOL)."""
    return pl.DataFrame(
        {
            "at": pl.Series([START_NS + ms * MS for ms, _ in points], dtype=pl.Int64),
            "price": [price for _, price in points],
        }
    )


def test_a_seller_below_the_price_and_a_buyer_above_it_pay() -> None:
    """One sells at 99 and one buys at 103: 200 and 600 bps to the 100 of arrival."""
    table = order_table([sold(99 * USDC), bought(103 * USDC)]).with_columns(spread_columns())
    assert table["effective_spread_bps"].to_list() == pytest.approx([200.0, 600.0])
    landed = [2e4 * 3 / 102, 2e4 * 1 / 102]
    assert table["effective_spread_landed_bps"].to_list() == pytest.approx(landed)


def test_spread_table_weighs_by_size() -> None:
    """A buyer of three times the size moves the value-weighted mean towards their spread."""
    big = an_order(order_id="big", amount=3 * SOL)
    logs = [
        sold(99 * USDC),
        filled_log(big, price=AT_100, amounts=(3 * SOL, 3 * 98 * USDC)).events,
    ]
    found = spread_table(order_table(logs)).filter(pl.col("metric") == "effective_spread_bps")
    assert dict(found["weighting", "value"].iter_rows()) == pytest.approx(
        {"orders": 300.0, "value": 350.0}
    )


def test_markout_is_the_price_after_the_fill() -> None:
    """The seller at 101 sees 102 at landing, then 99: first a loss, then a gain."""
    series = prices((0, 100.0), (5, 102.0), (1_000, 99.0), (10_000, 98.0))
    table = with_markouts(order_table([sold(101 * USDC)]), series, ("0s", "989ms", "990ms", "1h"))
    row = table.row(0, named=True)
    assert row["markout_0s_bps"] == pytest.approx(-1e4 / 102)
    assert row["markout_989ms_bps"] == pytest.approx(-1e4 / 102)
    assert row["markout_990ms_bps"] == pytest.approx(2e4 / 102)
    assert row["markout_3600s_bps"] is None, "the series ends before it"


def test_markout_before_the_series_begins_is_unknown() -> None:
    """The order landed at 10 ms; a price of 11 ms says nothing of then."""
    table = with_markouts(order_table([sold(101 * USDC)]), prices((11, 1.0), (99, 1.0)), ("0s",))
    assert table["markout_0s_bps"].to_list() == [None]


def test_realised_spread_is_minus_twice_the_markout() -> None:
    """At each horizon and weighting, with its interval turned round."""
    table = order_table(seeded_logs(300))
    found = markout_table(table.filter(pl.col("market") == "SOL/USDC"), horizons=("0s", "2s"))
    gains = found.filter(pl.col("metric") == "markout_bps")
    realised = found.filter(pl.col("metric") == "realised_spread_bps")
    assert realised["value"].to_list() == pytest.approx([-2 * v for v in gains["value"]])
    assert realised["low"].to_list() == pytest.approx([-2 * v for v in gains["high"]])


@given(drawn_logs())
def test_markout_at_landing_is_minus_half_the_effective_spread(logs: list[list[Event]]) -> None:
    """Where the series holds the landing price itself, whatever the order."""
    table = order_table(logs).with_columns(spread_columns())
    for one in table.filter(pl.col("effective_spread_landed_bps").is_not_null()).partition_by(
        "number"
    ):
        series = one.select(at="landed_at", price="price_end")
        marked = with_markouts(one, series, ("0s",))
        expected = -one["effective_spread_landed_bps"][0] / 2
        assert marked["markout_0s_bps"][0] == pytest.approx(expected, abs=1e-9)


def test_observed_prices_rise_in_time() -> None:
    """One market's, each instant once, from the first acceptance on."""
    table = order_table(seeded_logs(200))
    series = observed_prices(table)
    assert series["at"].is_sorted()
    assert series["at"].n_unique() == len(series) > 200
    market = table.filter(pl.col("market") == "SOL/USDC")
    assert series["at"][0] == market["accepted_at"].min()


def test_runs_have_a_series_each() -> None:
    """Over runs the interval is between them; a wrong number of series is refused."""
    tables = [order_table(seeded_logs(80, seed)) for seed in range(3)]
    found = markout_table(tables, [observed_prices(table) for table in tables], ("1s",))
    assert set(found["method"]) == {"replicates"}
    assert set(found["count"]) == {3}
    with pytest.raises(InvalidData):
        markout_table(tables, [observed_prices(tables[0])], ("1s",))


def test_no_fills_have_no_spread() -> None:
    """Also with no order at all."""
    empty = order_table([])
    assert spread_table(empty)["value"].null_count() == 4
    assert markout_table(empty)["value"].null_count() == 20


@pytest.mark.parametrize(
    "series",
    [
        prices((5, 1.0), (1, 1.0)),
        prices(),
        pl.DataFrame({"time": [1], "price": [1.0]}),
    ],
    ids=["falls", "empty", "no column"],
)
def test_wrong_series_are_refused(series: pl.DataFrame) -> None:
    """With our own error."""
    with pytest.raises(InvalidData):
        with_markouts(order_table([sold(99 * USDC)]), series)


def test_wrong_horizon_is_refused() -> None:
    """A number as text has no unit."""
    with pytest.raises(InvalidAmount):
        with_markouts(order_table([sold(99 * USDC)]), None, ("5",))
