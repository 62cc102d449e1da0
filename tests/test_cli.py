"""Check the command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import subprocess
import sys
import termios
import tomllib
from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import click.testing
import polars as pl
import pytest

import orderengine
from orderengine.cli import main

VECTORS = Path(__file__).parent / "vectors"
CPMM, DLMM = (VECTORS / f"{name}_public.jsonl.gz" for name in ("raydium_cpmm", "meteora_dlmm"))
SMALL = ("simulate", "seed_default", "--orders", "20")

FIGURES = {
    "orders",
    "confirmed",
    "failed",
    "cancelled",
    "expired",
    "event_log_sha256",
    "latency_ms",
    "shortfall_bps",
    "venues",
    "virtual_seconds",
    "cpu_seconds",
    "us_cpu_per_order",
    "peak_rss_mb",
}
"""The keys that INTERFACES.md promises."""


def invoke(*args: str | Path) -> click.testing.Result:
    """Run the command in this process; an unexpected error is raised, not shown."""
    runner = click.testing.CliRunner()
    return runner.invoke(main, [str(arg) for arg in args], catch_exceptions=False)


def shell(*args: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a process of its own."""
    command = Path(sys.executable).with_name("orderengine")
    return subprocess.run(
        [command, *map(str, args)], cwd=cwd, capture_output=True, text=True, check=False
    )


def write(folder: Path, name: str, data: str | bytes) -> str:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(path)


def require_one_line(stderr: str, *said: str) -> None:
    """Check that an error is one line of ours that says all of this, and no traceback."""
    assert stderr.startswith("orderengine: ")
    assert stderr.count("\n") == 1
    assert "Traceback" not in stderr
    for part in said:
        assert part in stderr


# simulate


def test_simulate_json_is_one_object_and_nothing_else(tmp_path: Path) -> None:
    """Standard output is one JSON object with the promised keys; standard error is empty."""
    done = shell(*SMALL, "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert set(figures) >= FIGURES
    ends = ("confirmed", "failed", "cancelled", "expired")
    assert sum(figures[name] for name in ends) == figures["orders"] == 20
    assert len(bytes.fromhex(figures["event_log_sha256"])) == 32
    assert all(set(stage) == {"p50", "p95", "p99"} for stage in figures["latency_ms"].values())
    assert set(figures["shortfall_bps"]) >= {"mean", "p50", "p95", "parts"}
    assert sum(figures["venues"].values()) == figures["confirmed"]
    assert figures["us_cpu_per_order"] > 0
    assert list(tmp_path.iterdir()) == []


def test_simulate_repeats_and_agrees_with_the_library() -> None:
    """The command is the same study as the function."""
    first, again = (json.loads(invoke(*SMALL, "--seed", "9", "--json").stdout) for _ in range(2))
    result = orderengine.simulate("seed_default", orders=20, seed=9, progress=False)
    assert first["event_log_sha256"] == again["event_log_sha256"] == result.event_log_sha256
    other = json.loads(invoke(*SMALL, "--seed", "10", "--json").stdout)
    assert other["event_log_sha256"] != result.event_log_sha256


def test_simulate_prints_text_for_people() -> None:
    """Without --json there are tables, what was conserved, and the hash."""
    done = invoke(*SMALL)
    assert done.exit_code == 0
    result = orderengine.simulate("seed_default", orders=20, progress=False)
    assert done.stdout.startswith(str(result))
    assert "Conserved to the unit over users, pools and fees: SOL, USDC" in done.stdout
    assert result.event_log_sha256 in done.stdout
    assert max(map(len, str(result).splitlines())) <= 80


def test_simulate_writes_what_it_is_asked_for(tmp_path: Path) -> None:
    """--out has the log, whose file hash is the log's, the orders and the summary; --report a page.

    Nothing else is left behind, and a folder that is there already is used.
    """
    out = tmp_path / "a" / "b"
    for _ in range(2):
        done = invoke(*SMALL, "--out", out, "--report", tmp_path / "report.html", "--json")
        figures = json.loads(done.stdout)
        names = {"events.jsonl", "orders.parquet", "scenario.toml", "summary.json"}
        assert {path.name for path in out.iterdir()} == names
        log = (out / "events.jsonl").read_bytes()
        assert sha256(log).hexdigest() == figures["event_log_sha256"]
        assert pl.read_parquet(out / "orders.parquet").height == 20
        assert json.loads((out / "summary.json").read_text()) == figures
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert figures["event_log_sha256"] in page
    assert {path.name for path in tmp_path.iterdir()} == {"a", "report.html"}
    again = invoke("simulate", out / "scenario.toml", "--json")
    assert json.loads(again.stdout)["event_log_sha256"] == figures["event_log_sha256"]


def test_report_may_lie_in_the_folder_that_is_made(tmp_path: Path) -> None:
    """--out DIR --report DIR/report.html works also when DIR is new."""
    out = tmp_path / "new"
    assert invoke(*SMALL, "--out", out, "--report", out / "report.html").exit_code == 0
    assert {"report.html", "events.jsonl"} <= {path.name for path in out.iterdir()}


def test_set_changes_fields_and_wins(tmp_path: Path) -> None:
    """--set reaches any field, after --orders and --seed; a TOML file may be the scenario."""
    scenario = write(tmp_path, "mine.toml", 'extends = "seed_default"\nname = "mine"\norders = 9')
    changes = ("--set", "market.slot=20ms", "--set", "market.pools.0.trade_fee_rate=100")
    done = invoke("simulate", scenario, *changes, "--set", "orders=4", "--orders", "7", "--json")
    figures = json.loads(done.stdout)
    assert (figures["orders"], figures["scenario"]) == (4, "mine")
    plain = json.loads(invoke("simulate", scenario, "--orders", "4", "--json").stdout)
    assert figures["event_log_sha256"] != plain["event_log_sha256"]


def test_prices_make_a_trace(tmp_path: Path) -> None:
    """--prices takes CSV, compressed or not, and says which file it was."""
    text = "timestamp,price\n1783355400,81\n1783355460,82\n"
    plain = write(tmp_path, "p.csv", text)
    packed = write(tmp_path, "p.csv.gz", gzip.compress(text.encode()))
    found = [
        json.loads(invoke(*SMALL, "--prices", file, "--json").stdout) for file in (plain, packed)
    ]
    assert found[0]["event_log_sha256"] == found[1]["event_log_sha256"]
    assert found[0]["prices_sha256"] == sha256(text.encode()).hexdigest()


BAD_VALUES = [
    pytest.param(("--orders", "0"), ("orders", "from 1 to 10000000", "0"), id="zero orders"),
    pytest.param(("--orders", "-5"), ("orders", "from 1 to 10000000", "-5"), id="negative"),
    pytest.param(("--orders", "many"), ("orders", "int", "'many'"), id="text for a number"),
    pytest.param(("--orders", "1.5"), ("orders", "int", "1.5"), id="broken number"),
    pytest.param(("--orders", ""), ("orders", "int", "''"), id="nothing"),
    pytest.param(("--seed", "9" * 5_000), ("seed", "int"), id="endless seed"),
    pytest.param(("--seed", "-1"), ("seed", "from 0 to 2^63 - 1"), id="negative seed"),
    pytest.param(("--set", "wrokers=5"), ("wrokers", "one of the keys", "5"), id="wrong key"),
    pytest.param(("--set", "engine.workers"), ("--set", "key=value"), id="no value"),
    pytest.param(("--set", "market.slot=400"), ("market.slot", "a unit", "400"), id="no unit"),
    pytest.param(("--set", "market.slot=4min2"), ("market.slot", "a unit", "4min2"), id="unit"),
    pytest.param(("--set", "market.pools=[]"), ("market.pools", "at least one pool"), id="no pool"),
    pytest.param(
        ("--set", "market.pools.0.depth=18446744073709551616"),
        ("market.pools[0].depth", "2^64 - 1", "18446744073709551616"),
        id="depth above u64",
    ),
    pytest.param(
        ("--set", "order.size_median=99999999999SOL"),
        ("order.size_median", "2^64 - 1", "99999999999SOL"),
        id="size above u64",
    ),
    pytest.param(("--set", "order.size_median=0"), ("order.size_median", "at least one"), id="0"),
    pytest.param(("--set", "order.buy_share=nan"), ("order.buy_share", "0 to 1", "nan"), id="NaN"),
    pytest.param(("--set", "market.pools.²=1"), ("market.pools.²", "an index"), id="odd digit"),
    pytest.param(("--set", 'start="2300-01-01T00:00:00Z"'), ("start", "to 2199"), id="year 2300"),
    pytest.param(("--set", "order.deadline=9000h"), ("order.deadline", "24h"), id="too long"),
    pytest.param(
        ("--set", "engine.router=3"), ("engine.router", "a name or a function"), id="no f"
    ),
    pytest.param(("--prices", "none.csv"), ("none.csv", "no such file"), id="no file"),
    pytest.param(("--prices", "."), (".", "a folder"), id="folder for a file"),
    pytest.param(("--report", "."), ("a writable path", "is a folder"), id="folder for a page"),
    pytest.param(("--report", "no/r.html"), ("no/r.html", "No such file"), id="no folder"),
    pytest.param(("--report", ""), ("a writable path", "empty"), id="empty report"),
    pytest.param(("--out", ""), ("--out", "an empty path"), id="empty folder"),
    pytest.param(("--report", "/dev/null"), ("/dev/null", "no regular file"), id="device"),
    pytest.param(("--set", "orders=5\nseed=1"), ("--set", "one line"), id="two lines"),
    pytest.param(("--set", "order.deadline=60"), ("order.deadline", "a unit"), id="bare number"),
    pytest.param(("--prices", "/dev/null"), ("/dev/null", "not a regular"), id="no price file"),
    pytest.param(("--bogus",), ("No such option", "--bogus"), id="unknown option"),
    pytest.param(("--orders",), ("--orders", "argument"), id="option without value"),
    pytest.param(("more",), ("unexpected extra argument",), id="too many arguments"),
]


@pytest.mark.parametrize(("args", "said"), BAD_VALUES)
def test_bad_value_is_one_line_and_exit_2(
    args: tuple[str, ...], said: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line names the field, the value found and what was expected; nothing is written."""
    monkeypatch.chdir(tmp_path)
    done = invoke("simulate", "default", "--out", "out", *args)
    assert (done.exit_code, done.stdout) == (2, "")
    require_one_line(done.stderr, *said)
    assert list(tmp_path.iterdir()) == []


BROKEN_GZIP = b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 20
"""A good header, and no block that could be unpacked."""

PRICE_FILES = {
    "empty": (b"", "an empty file"),
    "header": (b"timestamp,price\n", "0 rows"),
    "unsorted": (b"timestamp,price\n2,5\n1,5\n", "row 2"),
    "twice": (b"timestamp,price\n2,5\n2,5\n", "row 2"),
    "nan": (b"timestamp,price\n1,5\n2,nan\n", "row 2"),
    "negative": (b"timestamp,price\n1,5\n2,-5\n", "row 2"),
    "zero": (b"timestamp,price\n1,0\n2,5\n", "row 1"),
    "text": (b"timestamp,price\n1,five\n2,5\n", "'five'"),
    "columns": (b"when,price\n1,5\n2,5\n", "a column timestamp"),
    "parquet": (b"PAR1 and no more", "a CSV or Parquet file"),
    "gzip": (BROKEN_GZIP, "decompressing"),
}


@pytest.mark.parametrize("name", PRICE_FILES)
def test_bad_price_file_is_one_line_and_exit_2(name: str, tmp_path: Path) -> None:
    """The line names the file, the row and the value; nothing is written, not even in part."""
    data, said = PRICE_FILES[name]
    file = write(tmp_path, f"{name}.csv", data)
    out, report = tmp_path / "out", tmp_path / "report.html"
    done = invoke("simulate", "--prices", file, "--out", out, "--report", report, "--json")
    assert (done.exit_code, done.stdout) == (2, "")
    require_one_line(done.stderr, file, said)
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.csv"]


SCENARIO_FILES: dict[str, tuple[str | bytes, str]] = {
    "unknown key": ("orders = 5\nwhat = 3", "what"),
    "wrong type": ('orders = "5"', "orders"),
    "no TOML": ("orders = ", "expected TOML"),
    "extends": ('extends = ["default"]', "extends"),
    "no function": ('[engine]\nrouter = { name = "f", source_sha256 = "00" }', "engine.router"),
    "no text": (b"\xff\xfe", "not UTF-8"),
}


@pytest.mark.parametrize("name", SCENARIO_FILES)
def test_bad_scenario_file_is_one_line_and_exit_2(name: str, tmp_path: Path) -> None:
    """A file that is no scenario is refused by what is wrong in it."""
    text, said = SCENARIO_FILES[name]
    done = invoke("simulate", write(tmp_path, "s.toml", text))
    assert (done.exit_code, done.stdout) == (2, "")
    require_one_line(done.stderr, said)


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        pytest.param(("simulate", "nobody"), 2, "seed_default", id="unknown scenario"),
        pytest.param(("simulate", "none.toml"), 2, "No such file", id="no scenario file"),
        pytest.param(("simulate", "--orders", "0"), 2, "orders", id="orders"),
        pytest.param(("simulate", "--set", "market.slot=4"), 2, "market.slot", id="unit"),
        pytest.param(("simulate", "--prices", "bad.csv"), 2, "row 2", id="prices"),
        pytest.param(("simulate", "--prices", "packed.csv"), 2, "decompressing", id="broken gzip"),
        pytest.param(("simulate", "--report", "bad.csv/r.html"), 2, "bad.csv/r.html", id="report"),
        pytest.param(("simulate", "--out", "bad.csv"), 2, "bad.csv", id="out is a file"),
        pytest.param(("simulate", "--out", "bad.csv/out"), 2, "bad.csv", id="out below a file"),
        pytest.param(("simulate", "--bogus"), 2, "--bogus", id="option"),
        pytest.param(("nonsense",), 2, "nonsense", id="command"),
        pytest.param(("verify", "none.jsonl"), 2, "none.jsonl", id="verify nothing"),
        pytest.param(("verify",), 2, "FILE", id="verify without files"),
    ],
)
def test_real_command_fails_in_one_line(
    args: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    """The installed command behaves so in a process of its own, and leaves no file behind."""
    write(tmp_path, "bad.csv", "timestamp,price\n2,5\n1,5\n")
    write(tmp_path, "packed.csv", BROKEN_GZIP)
    done = shell(*args, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    require_one_line(done.stderr, said)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", "packed.csv"]


def test_unwritable_folder_is_noticed_before_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No work is done for a result that cannot be kept."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    done = invoke("simulate", "--orders", "10000000", "--out", tmp_path / "out")
    assert done.exit_code == 2
    require_one_line(done.stderr, "cannot be written")


@pytest.mark.parametrize("missing", ["polars", "altair", "tomli_w", "tqdm"])
def test_missing_extra_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the command says what to install."""
    monkeypatch.setitem(sys.modules, missing, None)
    done = invoke(*SMALL)
    assert done.exit_code == 2
    require_one_line(done.stderr, missing, "pip install 'orderengine[study]'")


def test_missing_extra_is_named_in_a_real_process(tmp_path: Path) -> None:
    """A process that cannot import polars gets one line, and verify works all the same."""
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['polars', 'altair', 'tomli_w', 'tqdm']))\n"
        "from orderengine.cli import main\n"
        "main()\n"
    )
    done = [
        subprocess.run(
            [sys.executable, "-c", program, *args],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        for args in (["simulate"], ["verify", str(CPMM)])
    ]
    assert done[0].returncode == 2
    require_one_line(done[0].stderr, "polars", "pip install")
    assert (done[1].returncode, done[1].stdout) == (0, "300 passed, 0 failed\n")


STOPPED = """
import os, signal, sys
from orderengine.cli import main
signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
signal.setitimer(signal.ITIMER_REAL, 1.5)
main()
"""
"""The command, stopped by Ctrl-C after a while."""


def test_ctrl_c_stops_in_one_line(tmp_path: Path) -> None:
    """A study of an hour ends at once, with exit code 130, and leaves no file."""
    args = ("simulate", "--orders", "5000000", "--out", "out", "--report", "r.html")
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, *args],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "orderengine: stopped\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("args", [SMALL, ("scenario",), ("verify", CPMM)])
def test_a_closed_pipe_is_no_error(args: tuple[str | Path, ...], tmp_path: Path) -> None:
    """Nobody reads what ``| head`` has left, and nothing is said about it."""
    reader, writer = os.pipe()
    os.close(reader)
    command = Path(sys.executable).with_name("orderengine")
    done = subprocess.run(
        [command, *map(str, args)],
        cwd=tmp_path,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("command", [("simulate",), ("scenario",), ("verify", "--venue", "x")])
def test_pipes_are_not_waited_for(command: tuple[str, ...], tmp_path: Path) -> None:
    """A pipe or a device in the place of a file is refused instead of read for ever."""
    pipe = tmp_path / "s.toml"
    os.mkfifo(pipe)
    done = shell(*command, pipe, cwd=tmp_path)
    assert done.returncode == 2
    require_one_line(done.stderr, "s.toml", "a pipe or device")


def test_a_pipe_is_no_report(tmp_path: Path) -> None:
    """What is no regular file is not replaced by one."""
    pipe = tmp_path / "r.html"
    os.mkfifo(pipe)
    done = invoke(*SMALL, "--report", pipe)
    assert done.exit_code == 2
    require_one_line(done.stderr, "r.html", "no regular file")
    assert pipe.is_fifo()


def test_standard_output_is_no_report(tmp_path: Path) -> None:
    """A pipe that has no name of its own is refused as well."""
    done = shell(*SMALL, "--report", "/dev/stdout", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    require_one_line(done.stderr, "/dev/stdout", "no regular file")


def test_bar_is_plain_and_leaves_nothing(tmp_path: Path) -> None:
    """On a terminal one bar counts the orders, and is wiped at the end."""
    main_end, terminal = os.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    command = Path(sys.executable).with_name("orderengine")
    done = subprocess.run(
        [command, *SMALL], cwd=tmp_path, stdout=subprocess.PIPE, stderr=terminal, check=False
    )
    os.set_blocking(main_end, False)
    told = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            told += os.read(main_end, 65_536)
    os.close(terminal)
    os.close(main_end)
    assert done.returncode == 0
    assert b"simulating" in told
    assert b"\n" not in told
    *_, wiped, rest = told.decode().split("\r")
    assert (wiped.strip(), rest) == ("", "")


# scenario


def test_scenario_prints_what_can_be_run(tmp_path: Path) -> None:
    """The whole scenario is TOML that reads back, changes included."""
    done = invoke("scenario", "seed_default", "--set", "market.pools[0].depth=7USDC")
    assert (done.exit_code, done.stderr) == (0, "")
    read = orderengine.Scenario.from_toml(done.stdout)
    assert read == orderengine.scenario("seed_default").replace(market__pools__0__depth="7USDC")
    again = invoke("scenario", write(tmp_path, "mine.toml", done.stdout))
    assert again.stdout.replace('"mine"', '"seed_default"') == done.stdout
    assert tomllib.loads(invoke("scenario").stdout)["market"]["quote_latency"]["sigma"] == 0.531


def test_scenario_refuses_in_one_line() -> None:
    """A wrong name or field is bad input."""
    for args, said in ((("nobody",), "seed_default"), (("--set", "orders=0"), "orders")):
        done = invoke("scenario", *args)
        assert (done.exit_code, done.stdout) == (2, "")
        require_one_line(done.stderr, said)


# verify


@pytest.mark.parametrize(
    ("file", "last"),
    [
        ("raydium_cpmm_public", "300 passed, 0 failed"),
        ("meteora_dlmm_public", "299 passed, 0 failed, 1 skipped"),
        ("meteora_dlmm_binprice", "1000 passed, 0 failed"),
    ],
)
def test_verify_ends_with_its_counts(file: str, last: str) -> None:
    """The last line counts what passed, what failed, and what was skipped if anything was."""
    done = invoke("verify", VECTORS / f"{file}.jsonl.gz")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == last


def test_verify_sums_over_files() -> None:
    """Files of several venues are checked together."""
    done = invoke("verify", CPMM, DLMM)
    assert done.stdout.splitlines()[-1] == "599 passed, 0 failed, 1 skipped"


def changed_case(change: Callable[[dict[str, object]], object]) -> str:
    """Return the first three cases as plain lines, the second one changed."""
    lines = gzip.decompress(CPMM.read_bytes()).decode().splitlines()[:3]
    case = json.loads(lines[0])
    change(case["expect"])
    return "\n".join([lines[2], json.dumps(case), "", lines[1]])


def corrupt(expect: dict[str, object]) -> None:
    """Expect one unit more."""
    expect["amount_in"] = str(int(str(expect["amount_in"])) + 1)


def test_verify_tells_a_wrong_unit(tmp_path: Path) -> None:
    """One unit off fails: exit code 1, the case and both numbers named, the counts last."""
    file = write(tmp_path, "raydium_cpmm_bad.jsonl", changed_case(corrupt))
    done = invoke("verify", file)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == "2 passed, 1 failed"
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("failed")]
    assert "cpmm-p-0000" in line
    assert "amount_in is 531665564331647424, expected 531665564331647425" in line


def test_verify_json_is_one_object(tmp_path: Path) -> None:
    """Counts and details, and nothing else on standard output; the exit code stays."""
    file = write(tmp_path, "raydium_cpmm_bad.jsonl", changed_case(corrupt))
    done = invoke("verify", file, DLMM, "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (found["passed"], found["failed"], found["skipped"]) == (301, 1, 1)
    assert {detail["status"] for detail in found["details"]} == {"failed", "skipped"}


def test_verify_takes_the_venue_by_flag(tmp_path: Path) -> None:
    """A file of any name is checked as the program that --venue names."""
    file = write(tmp_path, "cases.jsonl", gzip.decompress(CPMM.read_bytes()))
    assert invoke("verify", file, "--venue", "raydium_cpmm").stdout == "300 passed, 0 failed\n"
    refused = invoke("verify", file)
    assert refused.exit_code == 2
    require_one_line(refused.stderr, "cases.jsonl", "raydium_cpmm")
    unknown = invoke("verify", file, "--venue", "nobody")
    assert unknown.exit_code == 2
    require_one_line(unknown.stderr, "nobody", "raydium_cpmm")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b'{"id": "x"', "raydium_cpmm.jsonl:1", id="no JSON"),
        pytest.param(b"[1, 2]", "a case as a JSON object", id="no object"),
        pytest.param(b'{"id": "x"}', "raydium_cpmm.jsonl:1", id="keys missing"),
        pytest.param(b"\xff\xfe", "raydium_cpmm.jsonl:1", id="no text"),
        pytest.param(b"", "one case a line", id="empty"),
        pytest.param(b"\n\n", "one case a line", id="blank"),
        pytest.param(BROKEN_GZIP, "a readable JSONL file", id="gzip"),
    ],
)
def test_verify_refuses_a_malformed_line(data: bytes, said: str, tmp_path: Path) -> None:
    """What is no case is bad input, exit code 2, by file and line."""
    done = invoke("verify", write(tmp_path, "raydium_cpmm.jsonl", data))
    assert done.exit_code == 2
    require_one_line(done.stderr, said)


# The command itself


def test_version_is_the_packages(tmp_path: Path) -> None:
    """The command, the package and its metadata agree."""
    done = shell("--version", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.strip().endswith(orderengine.__version__)
    assert orderengine.__version__ == version("orderengine")


@pytest.mark.parametrize("args", [("--help",), ("simulate", "-h"), ("verify", "--help")])
def test_help_is_no_error(args: tuple[str, ...]) -> None:
    """Help goes to standard output."""
    done = invoke(*args)
    assert done.exit_code == 0
    assert "Usage" in done.stdout
