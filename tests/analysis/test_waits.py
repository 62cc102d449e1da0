"""Test a queue's figures: on an M/M/1 queue drawn here, and Little's law on drawn logs."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given

from orderengine.analysis.tables import order_table
from orderengine.analysis.waits import little_table, wait_table
from orderengine.errors import InvalidData
from orderengine.model.events import Event
from tests.analysis.logs import drawn_logs, seeded_logs


def queue(seed: int, count: int = 20_000, load: float = 0.5) -> pl.DataFrame:
    """Return the orders of an M/M/1 queue with a mean service of 100 ms, by Lindley's recursion."""
    source = np.random.Generator(np.random.PCG64(seed))
    arrived = np.cumsum(source.exponential(100 / load, count))
    service = source.exponential(100, count)
    began = np.empty(count)
    free = 0.0
    for k in range(count):
        began[k] = max(arrived[k], free)
        free = began[k] + service[k]
    instants = {"accepted_at": arrived, "claimed_at": began, "ended_at": began + service}
    nanoseconds = {name: np.round(ms * 1e6).astype(np.int64) for name, ms in instants.items()}
    return pl.DataFrame(nanoseconds).with_columns(pl.all().cast(pl.Datetime("ns", "UTC")))


def figures(tables: pl.DataFrame | list[pl.DataFrame]) -> dict[str, tuple[float, float, float]]:
    """Return low, value and high by metric, at 99 %."""
    table = wait_table(tables, 1, warm_up=500, confidence=0.99)
    return {row["metric"]: (row["low"], row["value"], row["high"]) for row in table.to_dicts()}


def test_a_queue_waits_as_theory_says() -> None:
    """M/M/1 at load 0.5: wait rho/(1-rho) services, chance to wait rho (Kleinrock 1975, 3.2)."""
    found = figures([queue(seed) for seed in range(8)])
    for metric, theory in {
        "wait_mean": 100.0,
        "wait_chance": 0.5,
        "wait_p95": 100 * np.log(0.5 / 0.05) / 0.5,
        "wait_p99": 100 * np.log(0.5 / 0.01) / 0.5,
        "service_mean": 100.0,
        "arrival_rate": 5.0,
        "offered_load": 0.5,
    }.items():
        low, value, high = found[metric]
        assert low <= theory <= high
        assert value == pytest.approx(theory, rel=0.1)


def test_one_run_covers_the_mean_wait_about_as_often_as_it_says() -> None:
    """Waits of neighbours are alike; spans of the run see that, at 90 % and more of 60 runs."""
    hits = 0
    for seed in range(60):
        row = wait_table(queue(seed, 4_000), 1).row(0, named=True)
        hits += row["low"] <= 100 <= row["high"]
    assert hits >= 51


@given(drawn_logs())
def test_littles_law_holds_on_every_log(logs: list[list[Event]]) -> None:
    """Orders integrated over time are arrivals times mean stay, in each part."""
    for row in little_table(order_table(logs)).to_dicts():
        assert row["mean_open"] == pytest.approx(row["rate_times_mean"])


def test_parts_add_up_to_all() -> None:
    """Those that wait and those with a worker are all that are open."""
    table = little_table(order_table(seeded_logs(200)))
    queue_, workers, every = table["mean_open"]
    assert queue_ + workers == pytest.approx(every)
    assert every > 0


def test_warm_up_leaves_out_the_first_orders() -> None:
    """A queue that starts empty waits less at first."""
    table = queue(1, 5_000, load=0.9)
    cold, warm = (wait_table(table, 1, warm_up=k)["count"][0] for k in (0, 1_000))
    assert (cold, warm) == (5_000, 4_000)


def test_no_orders_have_no_waits() -> None:
    """An empty study gives null figures; wrong numbers are refused."""
    empty = order_table([])
    assert wait_table(empty, 1)["value"].is_null().all()
    assert set(little_table(empty)["mean_open"]) == {0.0}
    for workers, warm_up in ((0, 0), (1, -1)):
        with pytest.raises(InvalidData):
            wait_table(empty, workers, warm_up=warm_up)
