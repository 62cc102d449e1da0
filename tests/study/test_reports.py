"""Check the charts and pages of whole results: of a run, a sweep and a comparison."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import orderengine as oe
from orderengine.analysis.plots import to_svg
from orderengine.errors import InvalidData
from orderengine.study.compared import Comparison
from orderengine.study.sweep.result import SweepResult
from tests.study.busy import BUSY, busy
from tests.study.sweeping import SMALL, Inline

GRID: dict[str, Any] = {"engine.workers": [1, 4], "engine.router": ["best", "split"]}


@cache
def swept() -> SweepResult:
    """Return a small sweep."""
    return oe.sweep(SMALL, GRID, 2, Inline(), progress=False)


@cache
def compared(metric: str = "shortfall_bps") -> Comparison:
    """Return a small comparison."""
    other = SMALL.replace(engine__router="split")
    return oe.compare(SMALL, other, replicates=3, metric=metric, executor=Inline(), progress=False)


def words_of(page: Path) -> str:
    """Return a page's text without markup."""
    html = page.read_text("utf-8")
    html = re.sub(r"<(style|svg).*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"<[^>]+>", " ", html)


def test_every_chart_of_a_run_renders() -> None:
    """Those that need an argument take their usual one, too."""
    result, plot = busy(), busy().plot
    prices = result.orders.select(at="accepted_at", price="price_accept").sort("at").unique("at")
    charts = {
        "latency": plot.latency(),
        "hdr": plot.hdr_latency(),
        "hdr of stages": plot.hdr_latency("quote", "total"),
        "markout": plot.markout(),
        "markout over prices": plot.markout(prices.sort("at")),
        "cost by size": plot.cost_by_size(),
        "reverts": plot.revert_rates(),
    }
    for name, chart in charts.items():
        assert len(to_svg(chart)) > 2_000, name


def test_a_run_says_how_its_queue_was(tmp_path: Path) -> None:
    """The page has the queue's figures for the scenario's workers."""
    words = words_of(busy().report(tmp_path / "run.html"))
    assert f"The queue, {BUSY.engine.workers} workers" in words
    assert "Little's law" in words


@pytest.mark.parametrize(
    ("metric", "x", "color"),
    [
        ("shortfall_bps.mean", None, None),
        ("latency_ms.total.p95", "engine.router", None),
        ("fill_rate", "engine.workers", "engine.router"),
    ],
)
def test_a_sweep_is_drawn(metric: str, x: str | None, color: str | None) -> None:
    """Over a number and over names, with a second field or without."""
    svg = to_svg(swept().plot(metric, x, color))
    assert metric in svg
    assert "NaN" not in svg
    if x != "engine.router":
        assert "engine.router = split" in svg


def test_a_sweep_has_a_page(tmp_path: Path) -> None:
    """Each point with its intervals, what was assumed, the scenario, and how to run it again."""
    page = swept().report(tmp_path / "sweep.html", command="orderengine sweep s.toml --out s")
    words = words_of(page)
    for expected in (
        "Sweep of seed_default",
        "Every cell",
        "Over engine.workers",
        "Over engine.router",
        "What these figures assume",
        "exact to the unit",
        "orderengine sweep s.toml --out s",
        swept().sha256,
    ):
        assert expected in words
    assert page.read_text("utf-8").count("<svg") == 1 + 2 * 4
    loaded = SweepResult.load(swept().save(tmp_path / "kept"))
    again = loaded.report(tmp_path / "again.html", command="orderengine sweep s.toml --out s")
    assert again.read_bytes() == page.read_bytes()


def test_a_page_shows_the_figures_asked_for(tmp_path: Path) -> None:
    """And refuses one that is not there before anything is written."""
    words = words_of(swept().report(tmp_path / "one.html", ["fill_rate"]))
    assert "fill_rate" in words
    assert "latency_ms" not in words
    with pytest.raises(InvalidData, match="one of orders"):
        swept().report(tmp_path / "two.html", ["fill_rates"])
    assert not (tmp_path / "two.html").exists()


def test_a_comparison_has_a_chart_and_a_page(tmp_path: Path) -> None:
    """Both intervals, with the metric's unit; what was changed; each side's mean."""
    found = compared()
    assert "difference, bps" in to_svg(found.plot())
    assert "difference, ms" in to_svg(compared("latency_ms.total.p50").plot())
    words = words_of(found.report(tmp_path / "pair.html", command="python pair.py"))
    for expected in (
        "engine.router from best to split",
        str(found.difference),
        str(found.unpaired),
        "variance reduction",
        "What these figures assume",
        "python pair.py",
    ):
        assert expected in words


def test_a_wrong_confidence_is_told_before_anything_runs() -> None:
    """Not after the runs that it would have been for."""
    with pytest.raises(InvalidData, match="confidence"):
        oe.compare(SMALL, SMALL, confidence=95.0, progress=False)


def test_a_table_goes_to_arrow_and_parquet(tmp_path: Path) -> None:
    """Amounts stay unsigned integers and instants stay UTC, there and back."""
    orders = busy().orders
    orders.write_parquet(tmp_path / "orders.parquet")
    back = pl.read_parquet(tmp_path / "orders.parquet")
    assert back.equals(orders)
    assert back.schema == orders.schema
    again = pl.from_arrow(orders.to_arrow())
    assert isinstance(again, pl.DataFrame)
    assert again.equals(orders)
