"""Test a sweep's page: it has every part, fetches nothing and escapes what it is given."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from orderengine.analysis.intervals import paired_difference_of
from orderengine.analysis.page import ReportFacts, estimate_words, write_page
from orderengine.analysis.sweep_report import render_sweep_report
from orderengine.errors import InvalidData
from tests.analysis.test_figure_plots import sweep

BY = ["engine.workers", "engine.router"]


def test_page_has_every_cell_and_chart() -> None:
    """A row a cell, a chart a field and metric, the front, the failures, the difference."""
    html = render_sweep_report(
        title="Workers",
        table=sweep(),
        by=BY,
        facts=ReportFacts(lead="How many workers?", command="orderengine sweep s.toml"),
        differences={"paired": paired_difference_of([1.0, 2.0, 3.1], [0.5, 1.4, 2.8])},
        failures=["engine.workers = 9: QueueFull"],
    )
    assert html.count("<svg") == 1 + 1 + 2 * 2
    for expected in (
        "How many workers?",
        "1 run failed and is not in the figures",
        "engine.workers = 9: QueueFull",
        "Every cell",
        "Cost against latency",
        "Over engine.workers",
        "orderengine sweep s.toml",
    ):
        assert expected in html
    assert html.count("<tr>") == 1 + 1 + 1 + 6


def test_page_fetches_nothing_and_escapes() -> None:
    """No script, link or source; markup in names and values is shown, never run."""
    evil = "<script>alert(1)</script>"
    table = sweep().with_columns(pl.lit(evil).alias("engine.router"))
    html = render_sweep_report(title=evil, table=table, by=BY, failures=[evil])
    assert not re.search(r"<(script|link|iframe|object|embed|img|base)\b", html, re.IGNORECASE)
    assert not re.search(r"\b(src|href|srcset|action)\s*=", html, re.IGNORECASE)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


def test_page_of_one_replicate_or_none_shows_no_nan() -> None:
    """Where no interval is known the bounds are dashes."""
    for table in (sweep(1), sweep().clear()):
        html = render_sweep_report(title="Few", table=table, by=BY)
        text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)
        assert not re.search(r"\b(NaN|nan|None|inf)\b", text)


def test_page_is_repeatable_and_written_whole(tmp_path: Path) -> None:
    """The same table gives the same page; ids in it differ."""
    target = write_page(
        tmp_path / "sweep.html", render_sweep_report(title="x", table=sweep(), by=BY)
    )
    html = target.read_text("utf-8")
    assert html == render_sweep_report(title="x", table=sweep(), by=BY)
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(InvalidData):
        write_page(tmp_path, render_sweep_report(title="x", table=sweep(), by=BY))


def test_words_of_estimates_have_dashes_for_open_ends() -> None:
    """No figure is a dash, an open end is one, too."""
    figures = pl.DataFrame(
        {"value": [None, 2.0, 18.4], "low": [None, None, 16.0], "high": [None, None, None]},
        schema=dict.fromkeys(("value", "low", "high"), pl.Float64),
    )
    assert estimate_words(figures) == ["-", "2 [-, -]", "18 [16, -]"]
