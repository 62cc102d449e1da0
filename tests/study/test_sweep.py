"""Check that a sweep gives one table whoever runs it, and that what fails loses nothing else."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading  # noqa: TID251  (a lock is what cannot be sent)
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import orderengine as oe
from orderengine.errors import InvalidData, InvalidScenario, Unavailable
from orderengine.model.order import Order, Quote
from orderengine.study.result import Result
from orderengine.study.sweep import crews
from orderengine.study.sweep.result import SweepResult
from tests.study.sweeping import SMALL, Inline, of_study

GRID: dict[str, Any] = {"engine.router": ["best", "split"], "engine.workers": [2, 8]}


def worst(order: Order, quotes: Sequence[Quote]) -> Quote:
    """Take the last quote."""
    del order
    return quotes[-1]


def measure(result: Result) -> dict[str, float | None]:
    """Give figures of one's own."""
    return {"own.mean": result.orders["attempts"].mean(), "own.none": None, "own.nan": float("nan")}  # type: ignore[dict-item]  # polars types a mean broadly


def swept(executor: Executor | None = None, **given: Any) -> SweepResult:
    """Run the grid with a function in it."""
    grid = GRID | {"engine.router": ["best", worst]}
    return oe.sweep(SMALL, grid, 2, executor, measure=measure, progress=False, **given)


@cache
def inline() -> SweepResult:
    """Return the sweep that all others must equal."""
    return swept(Inline())


def test_a_table_has_a_row_a_run() -> None:
    """Its fields, seed, hash and figures are those of the study run alone."""
    table = inline().table
    assert table.columns[:5] == [*GRID, "replicate", "seed", "event_log_sha256"]
    assert table.height == 8
    for row in table.iter_rows(named=True):
        router = worst if row["engine.router"] == "worst" else "best"
        study = SMALL.replace(
            {"engine.router": router, "engine.workers": row["engine.workers"], "seed": row["seed"]}
        )
        alone = oe.simulate(study, progress=False)
        assert row["event_log_sha256"] == alone.event_log_sha256
        assert row["latency_ms.total.p95"] == alone.figures()["latency_ms"]["total"]["p95"]
        assert row["orders"] == 12
        assert row["own.mean"] == measure(alone)["own.mean"]
    assert table["own.none"].null_count() == table["own.nan"].null_count() == 8


@pytest.mark.parametrize(
    "open_executor",
    [
        pytest.param(lambda: None, id="our processes"),
        pytest.param(lambda: ThreadPoolExecutor(3), id="threads"),
        pytest.param(
            lambda: ProcessPoolExecutor(2, mp_context=get_context("spawn")), id="process pool"
        ),
    ],
)
def test_every_executor_gives_one_table(open_executor: Any) -> None:
    """Whoever runs the cells, in whatever order, the table is the same to the last digit."""
    executor = open_executor()
    try:
        found = swept(executor)
    finally:
        if executor is not None:
            executor.shutdown()
    assert found.failures == ()
    assert_frame_equal(of_study(found), of_study(inline()), check_exact=True)
    assert found.sha256 == inline().sha256


def test_a_dask_cluster_gives_the_same_table() -> None:
    """Over real worker processes: as a client, as its executor, and by the scheduler's address."""
    distributed = pytest.importorskip("distributed", reason="the extra cluster is not installed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    )
    try:
        with distributed.Client(cluster, set_as_default=False) as client:
            for executor in (client, client.get_executor()):
                assert_frame_equal(of_study(swept(executor)), of_study(inline()), check_exact=True)
        address = cluster.scheduler_address.replace("tcp://", "dask://")
        found = swept(address)
        assert_frame_equal(of_study(found), of_study(inline()), check_exact=True)
    finally:
        cluster.close(timeout=10)


def test_a_dask_worker_that_dies_loses_no_cell(tmp_path: Path) -> None:
    """Dask runs its cell again on another one, and the table is the same."""
    distributed = pytest.importorskip("distributed", reason="the extra cluster is not installed")
    marker = tmp_path / "died"

    def dies_once(order: Order, quotes: Sequence[Quote]) -> Quote:
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return worst(order, quotes)

    grid = GRID | {"engine.router": {"best": "best", "worst": dies_once}}
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    )
    try:
        with distributed.Client(cluster, set_as_default=False) as client:
            found = oe.sweep(SMALL, grid, 2, client, measure=measure, progress=False)
    finally:
        cluster.close(timeout=10)
    assert marker.exists()
    assert_frame_equal(of_study(found), of_study(inline()), check_exact=True)


def test_one_worker_or_three_give_the_same() -> None:
    """How many work at once is nothing that a result depends on."""
    found = [swept(None, workers=workers).sha256 for workers in (1, 3)]
    assert found == [inline().sha256] * 2


SCRIPT = """
import sys
import orderengine as oe
shift = 1
def mine(order, quotes):
    return quotes[-shift]
class Fixed:
    def __init__(self, ns):
        self.ns = ns
    def __call__(self, state, code):
        return self.ns
def measure(result):
    print("what a function prints is no answer")
    return {"own": float(result.orders.height + shift)}
study = oe.scenario("seed_default").replace(orders=12, arrivals__rate_per_s=5.0)
grid = {"engine.router": ["best", mine], "engine.retry": {"fixed": Fixed(5)}}
result = oe.sweep(study, grid, 2, measure=measure, workers=2)
print(result.table["own"].to_list(), len(result.failures), file=sys.stderr)
print(*result.table["event_log_sha256"])
"""


def test_functions_of_a_script_travel(tmp_path: Path) -> None:
    """A plain script without a guard runs a sweep of its own functions, from a file or a pipe."""
    file = tmp_path / "script.py"
    file.write_text(SCRIPT)
    said = [
        subprocess.run(command, input=told, capture_output=True, text=True, check=True, timeout=60)
        for command, told in (([sys.executable, str(file)], ""), ([sys.executable, "-"], SCRIPT))
    ]
    assert "[13.0, 13.0, 13.0, 13.0] 0" in said[0].stderr
    hashes = said[0].stdout.split()
    assert len(hashes) == 4
    assert said[1].stdout.split() == hashes
    best = oe.sweep(SMALL, {}, 2, Inline(), progress=False).table["event_log_sha256"].to_list()
    assert hashes[:2] == best


def breaks(order: Order, quotes: Sequence[Quote]) -> Quote:
    """Fail."""
    raise ValueError(f"no router for {order.buy}\nbut {len(quotes)} quotes")


def dies(order: Order, quotes: Sequence[Quote]) -> Quote:
    """Take the process with it."""
    del order, quotes
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


@pytest.mark.parametrize("executor", [Inline(), None], ids=["inline", "processes"])
def test_a_failing_cell_does_not_lose_the_others(executor: Executor | None) -> None:
    """Its error is told with its place; the other points are whole."""
    found = oe.sweep(SMALL, {"engine.router": ["best", breaks]}, 2, executor, progress=False)
    assert found.table["engine.router"].to_list() == ["best", "best"]
    assert [(failure.replicate, failure.kind) for failure in found.failures] == [
        (0, "ValueError"),
        (1, "ValueError"),
    ]
    failure = found.failures[0]
    assert failure.point == {"engine.router": "breaks"}
    assert failure.seed == SMALL.seed
    assert "in breaks" in failure.trace
    line = next(line for line in str(found).splitlines() if line.startswith("failed: "))
    assert line.startswith("failed: engine.router = breaks, replicate 0 (seed 1): ValueError: no r")
    summary = found.summary("fill_rate")
    assert summary["count"].to_list() == [2, 0]
    assert summary["engine.router"].to_list() == ["best", "breaks"]


def test_a_function_that_cannot_be_sent_costs_nothing() -> None:
    """It is told before the first cell runs, wherever in the grid it stands."""
    lock = threading.Lock()

    def locked(order: Order, quotes: Sequence[Quote]) -> Quote:
        del order
        with lock:
            return quotes[0]

    told: list[int] = []
    with pytest.raises(InvalidScenario, match="cannot pickle"):
        oe.sweep(
            SMALL,
            {"engine.router": ["best", locked]},
            2,
            Inline(),
            progress=lambda done, *_: told.append(done),
        )
    assert told == []


class Untellable(Exception):
    """Fail even at saying why."""

    def __str__(self) -> str:
        raise TypeError("no words")


@pytest.mark.parametrize(
    ("error", "begins"),
    [
        pytest.param(OSError("no file caf\udce9"), "no file caf\\udce9", id="half a character"),
        pytest.param(ValueError("x" * 1_000_000), "xxx", id="a megabyte"),
        pytest.param(Untellable(), "an error that cannot be told", id="untellable"),
    ],
)
def test_whatever_an_error_says_the_table_is_written(
    tmp_path: Path, error: Exception, begins: str
) -> None:
    """Names of files may hold half characters, and a message may hold all that was read."""

    def raises(order: Order, quotes: Sequence[Quote]) -> Quote:
        raise error

    oe.sweep(SMALL, {"engine.router": ["best", raises]}, 1, Inline(), out=tmp_path, progress=False)
    found = SweepResult.load(tmp_path)
    assert found.table.height == 1
    (failure,) = found.failures
    assert failure.kind == type(error).__name__
    assert failure.message.startswith(begins)
    assert (tmp_path / "failures.json").stat().st_size < 50_000


def test_a_worker_that_dies_is_one_failed_cell() -> None:
    """It is replaced, and the cells that others were at are not touched."""
    found = oe.sweep(SMALL, {"engine.router": [dies, "best", worst]}, 2, workers=2, progress=False)
    assert [failure.kind for failure in found.failures] == ["WorkerDied"] * 2
    assert "SIGKILL" in found.failures[0].message
    assert found.table["engine.router"].to_list() == ["best"] * 2 + ["worst"] * 2


def test_a_broken_pool_is_gone_on_without() -> None:
    """The one cell that broke it fails; those that it held run again, in processes of our own."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = oe.sweep(
            SMALL, {"engine.router": ["best", dies, worst]}, 2, pool, workers=1, progress=False
        )
    assert [failure.kind for failure in found.failures] == ["WorkerDied"] * 2
    assert found.table["engine.router"].to_list() == ["best"] * 2 + ["worst"] * 2


class Forgetful(Inline):
    """Cancel all but the first task, as Dask does when its scheduler is gone."""

    is_gone = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the first, and cancel the others."""
        if not self.is_gone:
            self.is_gone = True
            return super().submit(fn, *args, **kwargs)
        lost: Future[Any] = Future()
        lost.cancel()
        return lost


def test_work_that_an_executor_cancels_is_done_without_it() -> None:
    """No cell fails for it, and the table is the same."""
    found = swept(Forgetful())
    assert not found.failures
    assert_frame_equal(of_study(found), of_study(inline()), check_exact=True)


def test_a_cell_that_takes_too_long_is_stopped() -> None:
    """A function that never returns ends with its time, and not with ours."""

    def endless(order: Order, quotes: Sequence[Quote]) -> Quote:
        del order, quotes
        while True:
            pass

    found = oe.sweep(
        SMALL, {"engine.router": [endless, "best"]}, workers=1, cell_s_max=3.0, progress=False
    )
    assert [failure.message for failure in found.failures] == [
        "took longer than 3 s and was stopped"
    ]
    assert found.table.height == 1


def test_all_cells_may_fail() -> None:
    """Then the table is empty, and everything else still answers."""
    found = oe.sweep(SMALL, {"engine.router": [breaks]}, 2, Inline(), progress=False)
    assert found.table.height == 0
    assert len(found.failures) == 2
    assert "2 failed" in str(found)
    assert "breaks" in found._repr_html_()
    assert found.figures()["done"] == 0


def test_a_measure_that_gives_no_numbers_fails_its_cells() -> None:
    """And says which name, and what it found."""
    for own, message in (
        ({"orders": 1.0}, "names that no other figure has"),
        ({"own": "words"}, "expected a number, found 'words'"),
        ([1.0], "a mapping of names to numbers"),
    ):
        found = oe.sweep(SMALL, {}, 1, Inline(), measure=lambda _, own=own: own, progress=False)  # type: ignore[misc]
        assert message in found.failures[0].message


def test_progress_is_told_in_cells() -> None:
    """Done, failed and in all, with each cell that ends."""
    told: list[tuple[int, int, int]] = []
    grid = {"engine.router": ["best", breaks]}
    oe.sweep(SMALL, grid, 2, Inline(), progress=lambda *at: told.append(at))
    assert told == [(1, 0, 4), (2, 0, 4), (2, 1, 4), (2, 2, 4)]


def test_a_bar_shows_cells_and_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, with the failed ones."""
    oe.sweep(SMALL, {"engine.router": ["best", breaks]}, 3, Inline(), progress=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert "/6" in said.err
    assert "cells" in said.err
    assert "failed" in said.err


def test_a_mean_has_its_interval_and_points_are_compared_by_replicate() -> None:
    """Against Student's t by hand, for four replicates: the quantile is 3.182446."""
    found = oe.sweep(SMALL, {"engine.workers": [2, 8]}, 4, Inline(), progress=False)
    values = found.table.select("engine.workers", "replicate", "shortfall_bps.mean")
    two = values.filter(pl.col("engine.workers") == 2)["shortfall_bps.mean"].to_numpy()
    eight = values.filter(pl.col("engine.workers") == 8)["shortfall_bps.mean"].to_numpy()
    summary = found.summary("shortfall_bps.mean").row(1, named=True)
    half = 3.182446 * eight.std(ddof=1) / 2
    assert summary["mean"] == pytest.approx(eight.mean())
    assert summary["high"] - summary["mean"] == pytest.approx(half, rel=1e-6)
    apart = found.differences("shortfall_bps.mean", {"engine.workers": 2}).row(1, named=True)
    assert apart["difference"] == pytest.approx((eight - two).mean())
    half = 3.182446 * (eight - two).std(ddof=1) / 2
    assert apart["high"] - apart["difference"] == pytest.approx(half, rel=1e-6)
    assert apart["count"] == 4
    mean = found.estimate("shortfall_bps.mean", {"engine.workers": 8})
    assert (mean.value, mean.high) == (summary["mean"], summary["high"])
    paired = found.estimate("shortfall_bps.mean", {"engine.workers": 8}, {"engine.workers": 2})
    assert (paired.value, paired.high) == (apart["difference"], apart["high"])


def test_variants_are_shown_by_their_names() -> None:
    """In the printed table and on the axis, with the fields in the table alone."""
    points = [{"variant": "few", "engine.workers": 2}, {"variant": "many", "engine.workers": 8}]
    found = oe.sweep(SMALL, points, 2, Inline(), progress=False)
    assert found.table["variant"].to_list() == ["few", "few", "many", "many"]
    assert found.table["engine.workers"].to_list() == [2, 2, 8, 8]
    assert "engine.workers" not in str(found)
    assert found.estimate("fill_rate", {"variant": "few"}).count == 2
    chart = str(found.plot("fill_rate").to_dict())
    assert "few" in chart
    assert "engine.workers" not in chart


def test_wrong_questions_are_refused() -> None:
    """By name, with what there is."""
    for ask, message in (
        (lambda: inline().summary("shortfall"), "one of orders, confirmed"),
        (lambda: inline().summary("event_log_sha256"), "one of orders, confirmed"),
        (lambda: inline().differences("fill_rate", {"engine.workers": 2}), "2 such points"),
        (lambda: inline().estimate("fill_rate", {"engine.workers": 9}), "0 such points"),
        (lambda: inline().plot("fill_rate", "engine.router", "engine"), "a field of the grid"),
    ):
        with pytest.raises(InvalidData) as told:
            ask()
        assert message in str(told.value)
    with pytest.raises(InvalidScenario, match="workers"):
        swept(None, workers=0)
    with pytest.raises(InvalidScenario, match="cell_s_max"):
        swept(None, cell_s_max=0.0)
    with pytest.raises(InvalidScenario, match="can be sent to another process"):
        oe.sweep(SMALL, {}, 1, measure=Locked(), progress=False)


class Locked:
    """Hold what cannot be sent."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __call__(self, result: Result) -> dict[str, float]:
        """Give nothing."""
        del result
        return {}


def test_an_executor_that_is_shut_down_says_so() -> None:
    """As something that may be tried again with another."""
    with ThreadPoolExecutor(1) as executor:
        pass
    with pytest.raises(Unavailable, match="takes no more work"):
        swept(executor)


def test_workers_that_cannot_start_end_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than failing each cell in turn."""
    monkeypatch.setattr(crews, "_START", "raise SystemExit(7)")
    with pytest.raises(Unavailable, match="before it was up, with exit code 7"):
        swept(None, workers=1)


def test_results_are_written_and_read(tmp_path: Path) -> None:
    """Table, failures and what the sweep was come back as they were; shown as text and HTML."""
    found = oe.sweep(SMALL, {"engine.router": ["best", breaks]}, 2, Inline(), progress=False)
    again = SweepResult.load(found.save(tmp_path / "sweep"))
    assert_frame_equal(again.table, found.table)
    assert again.failures == found.failures
    assert again.record == found.record
    assert str(again) == str(found)
    assert pl.read_parquet(tmp_path / "sweep" / "sweep.parquet").equals(found.table)
    assert "<td>best</td>" in again._repr_html_()
    assert (
        repr(again) == "<Sweep of seed_default: 2 points, 2 replicates each, 2 runs done, 2 failed>"
    )
    with pytest.raises(InvalidData, match="a sweep's folder"):
        SweepResult.load(tmp_path)
    assert pickle.loads(pickle.dumps(found)).sha256 == found.sha256  # noqa: S301  (our own)
