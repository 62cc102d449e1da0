"""Check ``orderengine sweep``: what it reads, prints and keeps, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click.testing
import polars as pl
import pytest

import orderengine as oe
from orderengine.cli import main

STUDY = """
scenario = "seed_default"
replicates = 2

[set]
orders = 12
arrivals.rate_per_s = 5.0

[grid]
"engine.router" = ["best", "split"]
engine.workers = [2, 8]
"""


def invoke(*args: str | Path) -> click.testing.Result:
    """Run the command in this process; an unexpected error is raised, not shown."""
    runner = click.testing.CliRunner()
    return runner.invoke(main, [str(arg) for arg in args], catch_exceptions=False)


def written(folder: Path, text: str = STUDY) -> Path:
    """Write a study file."""
    file = folder / "study.toml"
    file.write_text(text)
    return file


def test_a_sweep_is_run_kept_and_gone_on_with(tmp_path: Path) -> None:
    """One object on standard output, a table on disk; the second time nothing is run."""
    out = tmp_path / "out"
    first = invoke("sweep", written(tmp_path), "--out", out, "--json", "--workers", "2")
    assert (first.exit_code, first.stderr) == (0, "")
    said = json.loads(first.stdout)
    assert (said["points"], said["cells"], said["done"], said["resumed"]) == (4, 8, 8, 0)
    table = pl.read_parquet(out / "sweep.parquet")
    assert table["engine.router"].to_list() == ["best"] * 4 + ["split"] * 4
    study = oe.scenario("seed_default").replace(orders=12, arrivals__rate_per_s=5.0)
    alone = oe.simulate(study, engine__workers=2, progress=False)
    assert table["event_log_sha256"][0] == alone.event_log_sha256
    again = json.loads(invoke("sweep", tmp_path / "study.toml", "--out", out, "--json").stdout)
    assert again == said | {"resumed": 8}
    shown = invoke("sweep", tmp_path / "study.toml", "--out", out)
    assert "4 points, 2 replicates each, 8 runs done" in shown.stdout
    assert "8 runs were there already" in shown.stdout


def test_a_scenario_may_stand_in_the_file(tmp_path: Path) -> None:
    """As a table that extends a named one; points may be listed one by one."""
    text = """
        scenario = { extends = "seed_default", orders = 5 }
        [[grid]]
        engine.workers = 2
        start = 2026-01-01T00:00:00Z
        [[grid]]
        engine.workers = 8
    """
    found = invoke("sweep", written(tmp_path, text), "--out", tmp_path / "out", "--json")
    said = json.loads(found.stdout)
    assert said["scenario"] == "study"
    assert [point["engine.workers"] for point in said["summary"]] == [2, 8]
    assert [point["start"] for point in said["summary"]] == ["2026-01-01T00:00:00+00:00", ""]


def test_a_failed_cell_is_told_and_the_code_is_one(tmp_path: Path) -> None:
    """The others are done; the line says where and why."""
    text = STUDY.replace(
        '"engine.router" = ["best", "split"]',
        'market.price = [{ model = "gbm" }, { model = "trace", file = "nowhere.csv" }]',
    )
    file = written(tmp_path, text)
    found = invoke("sweep", file, "--out", tmp_path / "out")
    assert found.exit_code == 1
    assert "4 runs done, 4 failed" in found.stdout
    assert "nowhere.csv: expected a CSV or Parquet file, found no such file" in found.stdout
    again = invoke("sweep", file, "--out", tmp_path / "out", "--json")
    assert again.exit_code == 1
    said = json.loads(again.stdout)
    assert (said["done"], said["resumed"], said["failed"]) == (4, 4, 4)
    assert said["failures"][0]["kind"] == "InvalidData"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("grid", "TOML", id="no TOML"),
        pytest.param("scenario = 'default'", "grid: expected a table", id="no grid"),
        pytest.param("[grid]\nengine.workers = 4", "a list of values", id="no list"),
        pytest.param("grid = 4", "grid: expected a table", id="a number"),
        pytest.param("[grid]\nengine.wokers = [4]", "engine.wokers", id="field"),
        pytest.param("[grid]\n[sets]\norders = 2", "one of the keys scenario, set", id="key"),
        pytest.param("[grid]\n[set]\norder = 2", "order", id="set"),
        pytest.param("set = 1\n[grid]", "set: expected a table", id="set a number"),
        pytest.param("scenario = 'calmer'\n[grid]", "a scenario's name", id="scenario"),
        pytest.param("scenario = 5\n[grid]", "a name, a .toml file, or a table", id="number"),
        pytest.param("replicates = 'two'\n[grid]", "replicates", id="replicates"),
        pytest.param("[grid]\nseed = [1, 2]", "derive their seeds", id="seed"),
    ],
)
def test_a_wrong_file_is_one_line_and_two(tmp_path: Path, text: str, message: str) -> None:
    """Nothing is run, nothing is written."""
    found = invoke("sweep", written(tmp_path, text), "--out", tmp_path / "out", "--json")
    assert found.exit_code == 2
    assert found.stdout == ""
    assert message in found.stderr
    assert len(found.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_wrong_arguments_are_one_line_and_two(tmp_path: Path) -> None:
    """Executors, schedulers that are not there, missing options, folders of another study."""
    file, out = written(tmp_path), tmp_path / "out"
    for args, message in (
        ((file, "--out", out, "--executor", "threads"), "processes, dask://HOST:PORT"),
        ((file, "--out", out, "--executor", "dask://here"), "expected dask://HOST:PORT"),
        ((file, "--out", out, "--workers", "0"), "--workers"),
        ((file,), "--out"),
        ((tmp_path / "none.toml", "--out", out), "No such file"),
        ((tmp_path, "--out", out), "a readable .toml file"),
        ((file, "--out", ""), "out: expected a folder"),
    ):
        found = invoke("sweep", *args)
        assert found.exit_code == 2, args
        assert message in found.stderr
        assert len(found.stderr.splitlines()) == 1
        assert not out.exists()
    out.mkdir()
    (out / "mine.txt").touch()
    found = invoke("sweep", file, "--out", out)
    assert (found.exit_code, len(found.stderr.splitlines())) == (2, 1)
    assert "other files in it (mine.txt)" in found.stderr


def test_no_scheduler_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of its own says so, after a while, and nothing else."""
    pytest.importorskip("distributed", reason="the extra cluster is not installed")
    program = (
        "from orderengine.study.sweep import batch; batch._CONNECT_S = 1\n"
        "from orderengine.cli import main; main()"
    )
    args = ["sweep", str(written(tmp_path)), "--out", str(tmp_path / "out")]
    path = os.pathsep.join(filter(None, sys.path))
    monkeypatch.setenv("PYTHONPATH", path)
    found = subprocess.run(
        [sys.executable, "-c", program, *args, "--executor", "dask://127.0.0.1:9"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.returncode == 2
    assert found.stdout == ""
    assert found.stderr == "orderengine: no Dask scheduler answers at 127.0.0.1:9 (OSError)\n"
