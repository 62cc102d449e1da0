"""Check that a run written to disk while it runs is the run that is kept in memory."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import orderengine as oe
from orderengine.errors import InvalidData, InvariantViolated, UnknownOrder
from orderengine.model.order import Order, Quote
from orderengine.study.recording import DiskRecording
from orderengine.study.result import Result
from orderengine.study.scenario import Scenario
from tests.study.busy import BUSY, busy

FILES = ["events.parquet", "orders.parquet", "scenario.toml", "summary.json"]


def names(folder: Path) -> list[str]:
    """Return the names of all files in a folder, hidden ones too."""
    return sorted(file.name for file in folder.iterdir())


def assert_same(written: Result, kept: Result) -> None:
    """Check all that a result shows, but for what the run itself cost."""
    assert written.event_log_sha256 == kept.event_log_sha256
    assert written.supply == kept.supply
    assert [list(log) for log in written.logs] == [list(log) for log in kept.logs]
    assert_frame_equal(written.orders, kept.orders)
    assert_frame_equal(written.events, kept.events)
    assert written.summary() == kept.summary()
    assert written.scenario.to_toml() == kept.scenario.to_toml()


@pytest.mark.parametrize(
    "study",
    [
        pytest.param(BUSY, id="busy"),
        pytest.param(
            oe.scenario("simpy_twin").replace({"arrivals.model": "burst", "orders": 1_200}),
            id="burst",
        ),
        pytest.param(
            BUSY.replace({"order.cancel_share": 1, "order.cancel_after.median": "20s"}),
            id="cancelled too late",
        ),
        pytest.param(BUSY.replace({"engine.workers": 1, "orders": 60}), id="expired while queued"),
        pytest.param(
            BUSY.replace({"market.landing.drop_rate": 0.9, "engine.resend": "400ms"}), id="resent"
        ),
        pytest.param(
            oe.scenario("attacked").replace({"orders": 150, "order.deadline": "20s"}), id="attacked"
        ),
    ],
)
def test_written_run_is_the_run_in_memory(study: Scenario, tmp_path: Path) -> None:
    """Hash, logs, tables and summary agree, though the one forgets each order at its end."""
    kept = oe.simulate(study, progress=False)
    written = oe.simulate(study, progress=False, out=tmp_path)
    assert names(tmp_path) == FILES
    assert_same(written, kept)
    assert written.attacks == kept.attacks
    assert_same(oe.load(tmp_path), kept)


def test_saved_run_is_loaded(tmp_path: Path) -> None:
    """A run kept in memory and saved is the same after ``load``; a second save stays whole."""
    busy().save(tmp_path)
    assert_same(oe.load(tmp_path), busy())
    oe.simulate(BUSY, progress=False, out=tmp_path)
    assert names(tmp_path) == FILES
    busy().save(tmp_path)
    assert names(tmp_path) == ["events.jsonl", *FILES[1:]]
    assert_same(oe.load(tmp_path), busy())


def test_texts_of_the_file_have_the_hash(tmp_path: Path) -> None:
    """Texts one after the other are the lines of ``events.jsonl``; rows stand in that order."""
    result = oe.simulate(BUSY, progress=False, out=tmp_path / "run")
    table = pl.read_parquet(tmp_path / "run" / "events.parquet")
    assert sha256("".join(table["event"]).encode()).hexdigest() == result.event_log_sha256
    keys = table.select(pl.col("at").cast(pl.Int64), "number", "seq").rows()
    assert all(a < b for a, b in pairwise(keys))
    for row in table.head(200).to_dicts():
        event = json.loads(row["event"])
        assert [event[name] for name in ("order_id", "seq", "type", "status")] == [
            row[name] for name in ("order_id", "seq", "type", "status")
        ]
    result.save(tmp_path / "again")
    data = (tmp_path / "again" / "events.jsonl").read_bytes()
    assert sha256(data).hexdigest() == result.event_log_sha256


def test_one_order_is_found_by_number_and_id(tmp_path: Path) -> None:
    """Timelines read one order; slices and negative numbers work as in a list."""
    written = oe.simulate(BUSY, progress=False, out=tmp_path)
    last = busy().logs[-1]
    assert list(written.logs[-1]) == list(last)
    assert [list(log) for log in written.logs[2:5]] == [list(log) for log in busy().logs[2:5]]
    assert str(written.timeline(last[0].order_id)) == str(busy().timeline(BUSY.orders - 1))
    with pytest.raises(UnknownOrder):
        written.timeline("no such order")
    with pytest.raises(UnknownOrder):
        written.timeline(BUSY.orders)
    assert written.plot.in_flight().to_dict() == busy().plot.in_flight().to_dict()


def test_failed_run_leaves_no_file(tmp_path: Path) -> None:
    """What an error ends half-way is not there, and what an earlier run wrote still is."""
    oe.simulate(BUSY, progress=False, out=tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    asked = 0

    def router(order: Order, quotes: Sequence[Quote]) -> Quote:
        nonlocal asked
        asked += 1
        if asked > 200:
            raise ZeroDivisionError
        return quotes[0]

    with pytest.raises(ZeroDivisionError):
        oe.simulate(BUSY, engine__router=router, progress=False, out=tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


_FULL = """
import resource, sys
from orderengine.cli import main
sys.argv = ["orderengine", *sys.argv[1:]]
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
main()
"""


def test_full_disk_is_one_line(tmp_path: Path) -> None:
    """Where no more can be written the command says so, and leaves nothing that looks whole."""
    pytest.importorskip("resource")
    out = tmp_path / "run"
    changes = [f"--set={change}" for change in ("engine.workers=1", "order.deadline=1ms")]
    command = ["simulate", "simpy_twin", "--orders", "100000", *changes, "--out", str(out)]
    ended = subprocess.run(
        [sys.executable, "-c", _FULL, *command], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert str(out) in ended.stderr
    assert not out.exists()


def test_unfinished_or_foreign_folder_is_refused(tmp_path: Path) -> None:
    """Without a summary there is no study; with a file that is none, reading says so."""
    with pytest.raises(InvalidData, match="a study was saved in"):
        oe.load(tmp_path)
    oe.simulate(BUSY, progress=False, out=tmp_path)
    (tmp_path / "events.parquet").write_bytes(b"PAR1")
    with pytest.raises(InvalidData, match="a run has written"):
        oe.load(tmp_path).timeline(0)


def test_events_must_not_go_back_in_time(tmp_path: Path) -> None:
    """An event that is earlier than what is written cannot be sorted in any more."""
    recording = DiskRecording(tmp_path)
    early, late = busy().logs[0], busy().logs[-1]

    def run() -> None:
        with recording.whole():
            for event in late:
                recording.observe(event)
            recording._write_events(len(late))  # as when a thousand more had come
            recording.observe(early[0])

    with pytest.raises(InvariantViolated, match="came after later ones"):
        run()
    assert names(tmp_path) == []


def test_collector_is_as_before() -> None:
    """A run changes how often cycles are looked for, and changes it back."""
    before = (gc.get_threshold(), gc.isenabled(), gc.get_freeze_count())
    oe.simulate(BUSY, orders=5, progress=False)
    assert (gc.get_threshold(), gc.isenabled(), gc.get_freeze_count()) == before
