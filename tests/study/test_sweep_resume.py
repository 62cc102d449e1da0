"""Check that a sweep that was killed or stopped goes on where it was, and ends as if never so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import orderengine as oe
from orderengine.errors import InvalidData
from orderengine.model.order import Order, Quote
from orderengine.study.sweep.result import SweepResult
from tests.study.sweeping import SMALL, Inline, of_study

GRID: dict[str, Any] = {"engine.workers": [20, 40, 80], "engine.router": ["best", "split"]}

PROGRAM = """
import sys
import orderengine as oe
from tests.study.test_sweep_resume import GRID
from tests.study.sweeping import SMALL
def told(done, failed, total):
    print(done, flush=True)
oe.sweep(SMALL.replace(orders=40), GRID, 3, workers=2, out=sys.argv[1], progress=told)
"""

BIG = SMALL.replace(orders=40)


def begun(folder: Path) -> subprocess.Popen[str]:
    """Start the sweep in a process of its own."""
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
        text=True,
    )


def stored(folder: Path) -> set[str]:
    """Return the cells that a folder holds whole."""
    return {file.name for file in (folder / "cells").glob("[!.]*.json")}


def until_done(process: subprocess.Popen[str], cells: int) -> None:
    """Wait until it has told of so many cells."""
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= cells:
            return
    raise AssertionError(process.communicate()[1])


def resumed(folder: Path, **changes: Any) -> SweepResult:
    """Run the sweep on to its end."""
    return oe.sweep(BIG, GRID, 3, Inline(), out=folder, progress=False, **changes)


def test_a_sweep_killed_half_way_ends_with_the_same_table(tmp_path: Path) -> None:
    """SIGKILL loses the cells at hand and no more; what was done is not run again."""
    whole = oe.sweep(BIG, GRID, 3, Inline(), progress=False)
    folder = tmp_path / "killed"
    for cells in (2, 7):
        process = begun(folder)
        try:
            until_done(process, cells)
        finally:
            process.kill()
            process.communicate(timeout=20)
        assert process.returncode == -signal.SIGKILL
    there = stored(folder)
    assert 7 <= len(there) < 18
    kept = {name: (folder / "cells" / name).stat().st_mtime_ns for name in there}
    with pytest.raises(InvalidData, match="has not ended"):
        SweepResult.load(folder)
    ended = resumed(folder)
    assert ended.resumed == len(there)
    assert_frame_equal(of_study(ended), of_study(whole), check_exact=True)
    assert ended.sha256 == whole.sha256
    assert {name: (folder / "cells" / name).stat().st_mtime_ns for name in there} == kept
    assert SweepResult.load(folder).table.equals(ended.table)


def test_ctrl_c_keeps_what_is_done(tmp_path: Path) -> None:
    """And ends the workers, at once."""
    folder = tmp_path / "stopped"
    process = begun(folder)
    try:
        until_done(process, 3)
        children = _children(process.pid)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in said
    assert children
    assert not any(map(_is_alive, children))
    there = len(stored(folder))
    assert there >= 3
    assert resumed(folder).resumed == there


def _children(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in listed.stdout.split()]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_end_when_their_sweep_was_killed(tmp_path: Path) -> None:
    """Nobody is left behind: they go when they have finished what they were at."""
    process = begun(tmp_path / "orphans")
    try:
        until_done(process, 2)
        children = _children(process.pid)
    finally:
        process.kill()
        process.communicate(timeout=20)
    until = time.monotonic() + 10
    while any(map(_is_alive, children)) and time.monotonic() < until:
        time.sleep(0.05)
    assert children
    assert not any(map(_is_alive, children))


def small(folder: Path, grid: Any = None, replicates: int = 1, **given: Any) -> SweepResult:
    """Run a sweep of two points into a folder."""
    chosen = {"engine.workers": [1, 2]} if grid is None else grid
    study = given.pop("scenario", SMALL)
    return oe.sweep(study, chosen, replicates, Inline(), out=folder, progress=False, **given)


def test_a_folder_of_another_study_is_refused(tmp_path: Path) -> None:
    """In one line that says what differs; nothing in it is touched."""
    small(tmp_path)
    before = (tmp_path / "study.json").read_bytes()
    other = SMALL.replace(seed=2)

    def mine(order: Order, quotes: Sequence[Quote]) -> Quote:
        del order
        return quotes[0]

    tries: tuple[tuple[dict[str, Any], str], ...] = (
        ({"grid": {"engine.workers": [1, 3]}}, "another grid"),
        ({"grid": {"engine.router": [mine]}}, "another grid"),
        ({"measure": lambda _: {}}, "another measure"),
        ({"scenario": other}, "another scenario"),
    )
    for asked, message in tries:
        with pytest.raises(InvalidData) as told:
            small(tmp_path, **asked)
        assert message in str(told.value)
        assert len(str(told.value).splitlines()) == 1
        assert (tmp_path / "study.json").read_bytes() == before


def test_another_version_is_another_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells were computed by other code."""
    small(tmp_path)
    monkeypatch.setattr("orderengine.study.sweep.identity.__version__", "9.9.9")
    monkeypatch.setattr("orderengine.study.sweep.run.__version__", "9.9.9")
    with pytest.raises(InvalidData, match=r"a study that orderengine .* ran \(this is 9.9.9\)"):
        small(tmp_path)


def test_a_function_with_another_body_is_another_study(tmp_path: Path) -> None:
    """Although it has the same name."""

    def routers(n: int) -> Any:
        def mine(order: Order, quotes: Sequence[Quote]) -> Quote:
            del order
            return quotes[min(n, len(quotes) - 1)]

        return mine

    small(tmp_path, {"engine.router": [routers(0)]})
    assert small(tmp_path, {"engine.router": [routers(0)]}).resumed == 1
    with pytest.raises(InvalidData, match="another measure, function or data file"):
        small(tmp_path, {"engine.router": [routers(1)]})


def test_more_replicates_add_to_what_is_there(tmp_path: Path) -> None:
    """The first ones are not run again, and the table is that of all."""
    first = small(tmp_path, replicates=2)
    more = small(tmp_path, replicates=3)
    assert (first.resumed, more.resumed) == (0, 4)
    assert_frame_equal(
        of_study(more), of_study(oe.sweep(SMALL, {"engine.workers": [1, 2]}, 3, Inline()))
    )


def test_what_failed_is_run_again(tmp_path: Path) -> None:
    """A failed cell is not kept as done."""
    marker = tmp_path / "marker"

    def sometimes(order: Order, quotes: Sequence[Quote]) -> Quote:
        del order
        if not marker.exists():
            raise RuntimeError("not yet")
        return quotes[0]

    grid = {"engine.router": ["best", sometimes]}
    assert len(small(tmp_path / "out", grid).failures) == 1
    assert len(SweepResult.load(tmp_path / "out").failures) == 1
    marker.touch()
    again = small(tmp_path / "out", grid)
    assert (again.resumed, again.failures) == (1, ())
    assert SweepResult.load(tmp_path / "out").failures == ()


@settings(max_examples=12)
@given(keep=st.integers(0, 400), junk=st.binary(max_size=20))
def test_a_damaged_cell_is_run_again(
    tmp_path_factory: pytest.TempPathFactory, keep: int, junk: bytes
) -> None:
    """Whatever a crash of the machine left of its file."""
    folder = tmp_path_factory.mktemp("damaged")
    whole = small(folder)
    file = min((folder / "cells").iterdir())
    file.write_bytes(file.read_bytes()[:keep] + junk)
    again = small(folder)
    assert again.resumed == 1
    assert_frame_equal(of_study(again), of_study(whole))


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    """One that is not a sweep's is not made one; an empty one, or one just begun, is."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InvalidData, match=r"other files in it \(notes.txt\)"):
        small(tmp_path)
    file = tmp_path / "notes.txt"
    with pytest.raises(InvalidData, match="expected a folder"):
        small(file)
    started = tmp_path / "started"
    (started / "cells").mkdir(parents=True)
    (started / ".study.json.1.part").write_text("{")
    assert small(started).resumed == 0
