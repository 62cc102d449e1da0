"""Test that charts of figures render whatever the orders, show what they say, and save."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from orderengine.analysis import plots
from orderengine.analysis.fitting import fit_durations
from orderengine.analysis.fitting_slots import fit_landing_slots
from orderengine.analysis.frontier import frontier
from orderengine.analysis.intervals import Estimate, mean_of
from orderengine.analysis.plots import fits
from orderengine.analysis.reverts import attempt_table, revert_table
from orderengine.analysis.sizes import cost_by_size
from orderengine.analysis.spreads import markout_table
from orderengine.analysis.tables import order_table
from orderengine.errors import InvalidData
from tests.analysis.test_plots import LOGS, Logs, data_of

CHARTS: dict[str, Callable[[Logs], plots.AnyChart]] = {
    "hdr_latency": lambda logs: plots.hdr_latency(order_table(logs), ("quote", "total")),
    "markout": lambda logs: plots.markout(markout_table(order_table(logs))),
    "cost_by_size": lambda logs: plots.cost_by_size(cost_by_size(order_table(logs))),
    "revert_rates": lambda logs: plots.revert_rates(revert_table(attempt_table(logs))),
}


def told(chart: plots.AnyChart) -> str:
    """Return a chart's specification as text."""
    return json.dumps(chart.to_dict(), ensure_ascii=False)


def sweep(replicates: int = 3) -> pl.DataFrame:
    """Return a sweep over workers and router, with a metric of its own a cell."""
    return pl.DataFrame(
        [
            {
                "engine.workers": workers,
                "engine.router": router,
                "seed": seed,
                "shortfall_bps.mean": 10 + 8 / workers + len(router) + seed / 10,
                "latency_ms.total.p95": 1_000.0 + 9_000 / workers + 10 * len(router),
            }
            for workers in (1, 4, 64)
            for router in ("best", "split")
            for seed in range(replicates)
        ]
    )


def estimate(value: float, low: float, high: float) -> Estimate:
    """Return an estimate at 95 %."""
    return Estimate(value=value, low=low, high=high, confidence=0.95, count=9, method="")


@pytest.mark.parametrize("logs", LOGS)
@pytest.mark.parametrize("chart", CHARTS)
def test_chart_renders(chart: str, logs: str) -> None:
    """A chart of many, one or no orders is an SVG without NaN and with at most 2,000 marks."""
    drawn = CHARTS[chart](LOGS[logs]())
    assert len(data_of(drawn)) <= 2_000
    svg = plots.to_svg(drawn, "x-")
    assert svg.startswith("<svg")
    assert "NaN" not in svg


def test_charts_draw_the_intervals_of_the_figures() -> None:
    """Low and high stand in the data as the table has them."""
    table = cost_by_size(order_table(LOGS["many"]()), buckets=4)
    rows = [row for row in data_of(plots.cost_by_size(table)) if "low" in row]
    expected = table.filter((pl.col("part") == "shortfall") & (pl.col("bucket") >= 0))
    assert {row["low"] for row in rows} == set(expected["low"])
    assert {row["high"] for row in rows} == set(expected["high"])


def test_axes_carry_units() -> None:
    """ms, bps or % on every figure's axis."""
    logs = LOGS["many"]()
    for chart, unit in {
        "hdr_latency": '"title": "ms"',
        "markout": "bps of the price at landing",
        "cost_by_size": "size at acceptance, USDC",
        "revert_rates": '"title": "%"',
    }.items():
        assert unit in told(CHARTS[chart](logs))


def test_metric_over_draws_a_mean_and_an_interval_a_point() -> None:
    """As Student's t over the replicates has it; numbers over decades stand on a log axis."""
    chart = plots.metric_over(sweep(), "engine.workers", "shortfall_bps.mean", "engine.router")
    rows = [row for row in data_of(chart) if row.get("x") == 4 and "best" in row["of"]]
    expected = mean_of([16.0, 16.1, 16.2])
    assert rows[0]["value"] == pytest.approx(expected.value)
    assert rows[0]["low"] == pytest.approx(expected.low)
    assert '"type": "log"' in told(chart)
    assert "shortfall_bps.mean, bps" in told(chart)


@pytest.mark.parametrize("x", ["engine.workers", "engine.router"])
def test_intervals_of_series_stand_side_by_side(x: str) -> None:
    """Two series at one place are drawn apart, and their points differ in shape."""
    color = "engine.router" if x == "engine.workers" else "engine.workers"
    spec = plots.metric_over(sweep(), x, "shortfall_bps.mean", color).to_dict()
    points = [layer for layer in spec["layer"] if layer["mark"]["type"] == "point"]
    offsets = [layer["mark"]["xOffset"] for layer in points]
    assert len(set(offsets)) == len(points) == sweep()[color].n_unique()
    assert sum(offsets) == 0
    shapes = points[0]["encoding"]["shape"]["scale"]
    assert len(set(shapes["range"])) == len(shapes["domain"]) == len(points)


def test_sizes_are_short_words() -> None:
    """Thousands as k, millions as M, no powers of ten, whatever the size."""
    table = cost_by_size(order_table(LOGS["many"]()), edges=[0.5, 999.7, 12_345.0, 2.5e6])
    shown = {row["size"] for row in data_of(plots.cost_by_size(table)) if "size" in row}
    words = {"below 0.5", "0.5 to 1k", "1k to 12.3k", "12.3k to 2.5M", "from 2.5M"}
    assert shown
    assert shown <= words


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ("latency_ms.total.p95", "ms"),
        ("shortfall_bps.parts.delay", "bps"),
        ("queue_ns", "ns"),
        ("fill_rate", "share"),
        ("orders", ""),
    ],
)
def test_units_are_those_of_the_name(metric: str, unit: str) -> None:
    """A difference is drawn with the unit of its metric, and a count without one."""
    assert plots.unit_of(metric) == unit
    chart = plots.paired_difference({"paired": estimate(1.0, 0.5, 1.5)}, unit)
    assert ("difference, " in told(chart)) is bool(unit)


def test_metric_over_names_and_one_replicate() -> None:
    """Names have one place each; one replicate has no interval, said by a count of 1."""
    chart = plots.metric_over(sweep(1), "engine.router", "latency_ms.total.p95")
    assert {row["x"] for row in data_of(chart) if "x" in row} == {"best", "split"}
    assert "of 1 replicates" in told(chart)
    with pytest.raises(InvalidData):
        plots.metric_over(sweep(), "engine.worker", "shortfall_bps.mean")


def test_metric_over_durations_stands_on_a_scale() -> None:
    """In ms, and ticks as people write numbers: 2,000 and not 2e+3."""
    written = {1: "500ms", 4: "1s", 64: "2s"}
    waits = sweep().with_columns(wait=pl.col("engine.workers").replace_strict(written))
    chart = plots.metric_over(waits, "wait", "shortfall_bps.mean")
    assert {row["x"] for row in data_of(chart) if "x" in row} == {500.0, 1_000.0, 2_000.0}
    assert "wait, ms" in told(chart)
    assert ">2,000<" in plots.to_svg(chart)


def test_frontier_joins_and_labels_the_best_cells() -> None:
    """More workers are faster and cheaper here, so one cell is the front."""
    by = ["engine.workers", "engine.router"]
    chart = plots.frontier(frontier(sweep(), by), by)
    rows = data_of(chart)
    assert {row["label"] for row in rows if row.get("on_front")} == {"64, best"}
    assert {row["label"] for row in rows if set(row) == {"latency", "cost", "label"}} == {
        f"{workers}, {router}" for workers in (1, 4, 64) for router in ("best", "split")
    }
    assert plots.to_svg(chart).startswith("<svg")
    assert "no cell" in told(plots.frontier(frontier(sweep().clear(), by), by))


def test_labels_of_the_front_do_not_hide_each_other() -> None:
    """Of cells that stand close together the fastest is labelled, and one far off, too."""
    by = ["engine.workers"]
    cells = [(1, 9.0, 1_000.0), (2, 8.8, 1_200.0), (3, 2.0, 9_000.0)]
    table = pl.DataFrame(
        [
            {"engine.workers": n, "shortfall_bps.mean": cost, "latency_ms.total.p95": latency}
            for n, cost, latency in cells
        ]
    )
    spec = plots.frontier(frontier(table, by), by).to_dict()
    text = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "text")
    labelled = spec["datasets"][text["data"]["name"]]
    assert [row["label"] for row in labelled] == ["1", "3"]


def test_frontier_gives_cells_at_one_place_one_label() -> None:
    """Two cells that do the same are named together and not over one another."""
    twice = pl.concat([sweep(), sweep().with_columns(pl.lit("same").alias("engine.router"))])
    alike = twice.filter(pl.col("engine.router") != "split").with_columns(
        pl.col("shortfall_bps.mean").first().over("engine.workers", "seed"),
    )
    by = ["engine.workers", "engine.router"]
    rows = data_of(plots.frontier(frontier(alike, by), by))
    assert "64, best; 64, same" in {row["label"] for row in rows if "label" in row}


def test_paired_difference_fills_the_points_that_differ() -> None:
    """An interval over 0 has an open point; an infinite one is drawn at its value."""
    chart = plots.paired_difference(
        {
            "paired": estimate(1.0, 0.5, 1.5),
            "unpaired": estimate(1.0, -3.0, 5.0),
            "one run": estimate(2.0, -float("inf"), float("inf")),
        }
    )
    rows = {row["what"]: row for row in data_of(chart) if "what" in row}
    assert rows["paired"]["filled"]
    assert not rows["unpaired"]["filled"]
    assert (rows["one run"]["low"], rows["one run"]["high"]) == (2.0, 2.0)
    assert plots.to_svg(chart).startswith("<svg")
    assert "nothing was compared" in told(plots.paired_difference({}))


def test_queueing_draws_theory_and_measurement() -> None:
    """A curve from the rows with theory, points from those with a measured value."""
    figures = pl.DataFrame(
        {
            "x": [0.3, 0.5, 0.9, 0.5],
            "theory": [43.0, 100.0, 900.0, None],
            "value": [None, None, None, 99.0],
            "low": [None, None, None, 95.0],
            "high": [None, None, None, 104.0],
            "series": ["1 worker"] * 4,
            "confidence": [None, None, None, 0.99],
        }
    )
    chart = plots.queueing(figures)
    assert "99 % intervals" in told(chart)
    assert plots.to_svg(chart).startswith("<svg")
    assert "nothing measured" in told(plots.queueing(figures.clear()))


def test_fits_draw_data_and_models() -> None:
    """Shares of both, and a diagonal to hold percentiles against."""
    values = [float(k) ** 1.5 for k in range(1, 60)]
    chart = fits.fit_chart(values, fit_durations(values), "ms", log_scale=False)
    assert {row["of"] for row in data_of(chart) if "of" in row} == {
        "data",
        "exponential",
        "gamma",
        "lognormal",
        "shifted_lognormal",
    }
    assert plots.to_svg(chart).startswith("<svg")
    landing = fits.landing_chart(fit_landing_slots([1, 2, 3, 5] * 5))
    assert sum(row["share"] for row in data_of(landing)[:5]) == pytest.approx(1.0)
    assert "row of the file" in told(fits.series_chart([1.0, 2.0], "ms"))


@pytest.mark.parametrize(
    ("ending", "begins"), [(".svg", b"<svg"), (".png", b"\x89PNG"), (".pdf", b"%PDF")]
)
def test_charts_are_saved_for_a_paper(tmp_path: Path, ending: str, begins: bytes) -> None:
    """By the file's ending, whole, without a file beside it."""
    chart = plots.paired_difference({"a": estimate(1.0, 0.5, 1.5)})
    path = plots.save(chart, tmp_path / f"figure{ending}")
    assert path.read_bytes().startswith(begins)
    assert list(tmp_path.iterdir()) == [path]


def test_charts_are_not_saved_elsewhere(tmp_path: Path) -> None:
    """Another ending or a folder that is not there is refused in one line."""
    chart = plots.paired_difference({"a": estimate(1.0, 0.5, 1.5)})
    for path in (tmp_path / "figure.gif", tmp_path / "no" / "figure.svg"):
        with pytest.raises(InvalidData):
            plots.save(chart, path)
