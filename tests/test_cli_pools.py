"""Check the commands that take pools into a file and quote from it, and who reads the file."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import anyio
import pytest

from orderengine.errors import InvalidData
from orderengine.pools.snapshot import Snapshot, decode_snapshot, encode_snapshot
from orderengine.service.settings import Settings
from orderengine.solana.accounts import Account
from orderengine.study.run import scenario
from orderengine.study.scenario import Scenario
from tests.market.test_opening import cpmm
from tests.shared import shared_path
from tests.solana.node import Node, running, status
from tests.test_cli import invoke, require_one_line, shell, write
from tests.venues.accounts.recorded import SIX
from tests.venues.accounts.test_raydium_cpmm import POOL, made_accounts

TIME_S = 1_783_355_400
HELD = Snapshot(
    slot=7,
    time_s=TIME_S,
    pools=(
        cpmm("deep", mirrored=True),
        cpmm("shallow", 100, 8_100),
        cpmm("odd", tokens=("A", "B")),
    ),
)
FIGURES = {"amount_in", "amount_out", "fee", "end_price", "crossed"}
"""The keys that INTERFACES.md promises."""


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return the path of a snapshot file."""
    return write(tmp_path, "pools.json", encode_snapshot(HELD))


def dumped(folder: Path, *accounts: Account) -> Path:
    """Dump accounts, one a file."""
    folder.mkdir(parents=True)
    for number, account in enumerate(accounts):
        data = base64.b64encode(account.data).decode()
        wire = {"address": account.address, "owner": account.owner, "base64Data": data}
        write(folder, f"{number}.json", json.dumps(wire))
    return folder


def beside(node: Node, *args: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a process of its own while a node answers; URL is its URL."""
    command = str(Path(sys.executable).with_name("orderengine"))

    async def main() -> subprocess.CompletedProcess[bytes]:
        async with running(node):
            words = [str(arg).replace("URL", node.url) for arg in args]
            return await anyio.run_process([command, *words], cwd=cwd, check=False)

    done = anyio.run(main)
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


# snapshot


def test_snapshot_over_rpc_in_a_real_process(tmp_path: Path) -> None:
    """A line a pool, the slot and the time, and a file that reads back; busy answers waited out."""
    node = Node(made_accounts(), slot=9, time_s=TIME_S)
    node.faults = [status(429, retry_after="0")]
    done = beside(
        node, "snapshot", "--rpc", "URL/?api-key=x", "--pool", POOL, "--out", "p.json", cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, last = done.stdout.splitlines()
    assert first.startswith(f"raydium_cpmm {POOL} ")
    assert last == "1 pool, 0 left out; slot 9, 2026-07-06T16:30:00Z; p.json"
    read = decode_snapshot((tmp_path / "p.json").read_bytes(), "p.json")
    assert (read.slot, read.time_s, [pool.address for pool in read.pools]) == (9, TIME_S, [POOL])


def test_snapshot_says_in_one_line_why_not(tmp_path: Path) -> None:
    """Exit code 2, no file, and no key."""
    fixed = ("--pool", POOL, "--out", "p.json")
    nothing = beside(
        Node([], time_s=TIME_S), "snapshot", "--rpc", "URL/v2/s3cr3t-k3y", *fixed, cwd=tmp_path
    )
    refusing = Node([])
    refusing.faults = [status(403)]
    refused = beside(refusing, "snapshot", "--rpc", "URL/v2/s3cr3t-k3y", *fixed, cwd=tmp_path)
    for done, said in ((nothing, "no such account"), (refused, "HTTP 403")):
        assert (done.returncode, done.stdout) == (2, "")
        require_one_line(done.stderr, said)
        assert "s3cr3t" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_snapshot_from_files(tmp_path: Path) -> None:
    """Folders below are read, what is left out is said with its reason; the same bytes twice."""
    pool, *others = made_accounts()
    whole = dumped(tmp_path / "in" / "whole", pool, *others)
    write(whole, "notes.json", "{}")
    write(whole, "broken.json", "{")
    folders = (tmp_path / "in", dumped(tmp_path / "more"))
    for name in ("a.json", "b.json"):
        done = shell("snapshot", "--from-files", *folders, "--out", name, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "6 JSON files: 4 accounts, 1 hold something else"
    assert lines[1].startswith("not used ")
    assert "broken.json: no JSON" in lines[1]
    assert lines[2].startswith(f"raydium_cpmm {POOL}")
    assert lines[-1] == "1 pool, 0 left out; slot not known, 2023-11-14T22:13:20Z; b.json"
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_snapshot_of_nothing_is_an_error(tmp_path: Path) -> None:
    """The reasons are said before, and no file is written."""
    folder = dumped(tmp_path / "in", *made_accounts()[:2])
    done = shell("snapshot", "--from-files", folder, "--out", "p.json", cwd=tmp_path)
    assert done.returncode == 2
    assert f"left out raydium_cpmm {POOL}: vault A" in done.stdout
    require_one_line(done.stderr, "no pool whose accounts are complete")
    assert not (tmp_path / "p.json").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "--rpc URL --pool ADDRESS"),
        (("--rpc", "http://h"), "--rpc URL --pool ADDRESS"),
        (("--pool", POOL), "--rpc URL --pool ADDRESS"),
        (("--rpc", "http://h", "--pool", POOL, "--from-files", "."), "--from-files DIR"),
        (("--rpc", "h?key=s3cr3t", "--pool", POOL), "not shown"),
        (("--rpc", "http://127.0.0.1:1", "--pool", "x"), "32 bytes in base58"),
        (("--from-files", "none"), "no such file or folder"),
        (("--from-files", ".", "--out", "no/p.json"), "no/p.json"),
    ],
)
def test_snapshot_refuses_bad_input(
    args: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, exit code 2, nothing written."""
    monkeypatch.chdir(tmp_path)
    done = invoke("snapshot", "--out", "p.json", *args)
    assert (done.exit_code, done.stdout) == (2, "")
    require_one_line(done.stderr, said)
    assert "s3cr3t" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["httpx", "solders"])
def test_snapshot_names_its_extra(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And quote needs none."""
    monkeypatch.setitem(sys.modules, missing, None)
    done = invoke("snapshot", "--from-files", tmp_path, "--out", tmp_path / "p.json")
    assert done.exit_code == 2
    require_one_line(done.stderr, missing, "pip install 'orderengine[solana]'")


@pytest.mark.needs_shared_data
def test_snapshot_of_the_recorded_folders(tmp_path: Path) -> None:
    """The command as a user gives it, and a golden quote from its file."""
    raw = shared_path(f"{SIX}/raw")
    done = shell("snapshot", "--from-files", raw, "--out", "p.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    pool = "7JuwJuNU88gurFnyWeiyGKbFmExMWcmRZntn9imEzdny"
    assert f"raydium_cpmm {pool} SOL/USDC 81.69388" in done.stdout
    args = ("quote", "--snapshot", tmp_path / "p.json", "--pool", pool, "--sell", "SOL")
    found = json.loads(invoke(*args, "--amount", "1000000", "--json").stdout)
    assert found["amount_out"] == "81443"


# quote


def test_quote_json_is_one_object(file: str, tmp_path: Path) -> None:
    """Amounts are strings of base units, the price is in shown units; no extra is needed."""
    args = ["quote", "--snapshot", file, "--pool", "shallow", "--sell", "SOL", "--amount", "1SOL"]
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['solders', 'httpx', 'polars', 'uvicorn']))\n"
        "from orderengine.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *args, "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert set(found) >= FIGURES
    expected = 8_100_000_000 * 997_500_000 // 100_997_500_000  # the reserve times net over sum
    assert (found["amount_in"], found["amount_out"]) == ("1000000000", str(expected))
    assert (found["fee"], found["fee_token"], found["crossed"]) == ("2500000", "SOL", 0)
    assert (found["at_s"], found["end_price_unit"]) == (TIME_S, "USDC per SOL")
    assert found["end_price"].startswith("79.4")


def test_quote_prints_text_for_people(file: str) -> None:
    """Each amount in shown and in base units, and whose token the fee is in."""
    args = ("quote", "--snapshot", file, "--pool", "deep")
    done = invoke(*args, "--sell", "USDC", "--amount", "1SOL", "--exact-out", "--at", "5")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "raydium_cpmm deep, 1970-01-01T00:00:05Z"
    assert lines[1].startswith("sell      80.2085")
    assert lines[2] == "receive   1 SOL (1000000000)"
    assert lines[3].startswith("fee       0.2005")
    assert lines[3].endswith("part of what is sold")
    assert lines[4].endswith("SOL per USDC")
    assert lines[5] == "crossed   0 ticks or bins"


def test_quote_takes_any_name_of_a_token(file: str) -> None:
    """Symbol or mint, and the other direction is another quote."""
    args = ("quote", "--snapshot", file, "--pool", "deep", "--json", "--amount", "1000000")
    mint = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
    by_symbol, by_mint, other = (
        json.loads(invoke(*args, "--sell", name).stdout) for name in ("USDC", mint, "SOL")
    )
    assert by_symbol == by_mint
    assert (by_symbol["sell"], by_symbol["buy"], other["sell"]) == ("USDC", "SOL", "SOL")
    odd = invoke("quote", "--snapshot", file, "--pool", "odd", "--sell", "B", "--amount", "1000")
    assert "1000 base units of B" in odd.stdout
    assert "base units of B per A" in odd.stdout


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"--snapshot": "none.json"}, "none.json"),
        ({"--snapshot": "."}, "a folder"),
        ({"--snapshot": "/dev/zero"}, "a pipe or device"),
        ({"--pool": "x"}, "no pool x"),
        ({"--sell": "JUP"}, "SOL (So11"),
        ({"--amount": "0"}, "amount_in"),
        ({"--amount": "1USDC"}, "an amount of SOL"),
        ({"--amount": "1.5"}, "base units or shown units"),
        ({"--amount": "-1"}, "amount"),
        ({"--amount": str(2**64)}, "2^64 - 1"),
        ({"--at": "-1"}, "--at"),
        ({"--at": "now"}, "--at"),
        ({"--pool": "odd", "--sell": "A", "--amount": "1.5A"}, "A is not built in"),
    ],
)
def test_quote_refuses_bad_input(
    changes: dict[str, str], said: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, exit code 2."""
    monkeypatch.chdir(tmp_path)
    options = {"--snapshot": file, "--pool": "shallow", "--sell": "SOL", "--amount": "1"} | changes
    done = invoke("quote", *[word for option in options.items() for word in option])
    assert (done.exit_code, done.stdout) == (2, "")
    require_one_line(done.stderr, said)


def test_quote_above_what_the_pool_holds_is_said(file: str) -> None:
    """The pool, what is asked for and what it has."""
    args = ("quote", "--snapshot", file, "--pool", "shallow", "--sell", "SOL", "--exact-out")
    done = invoke(*args, "--amount", "9000USDC")
    assert (done.exit_code, done.stdout) == (2, "")
    require_one_line(done.stderr, "pool shallow must pay 9000000000 base units and can pay")


# simulate, scenario and the service


def test_simulate_trades_in_the_pools_of_a_snapshot(file: str) -> None:
    """In place of the scenario's, at the price of the deepest, and the same each time."""
    args = ("simulate", "--set", f"market.snapshot={file}", "--orders", "20")
    first, again = (json.loads(invoke(*args, "--json").stdout) for _ in range(2))
    assert first["event_log_sha256"] == again["event_log_sha256"]
    assert first["venues"] == {"raydium_cpmm": first["confirmed"]}
    assert first["confirmed"] > 0
    text = invoke(*args).stdout
    assert f"Pools: 2 pools of {file}; the price starts at 80, that of the deepest" in text
    plain = json.loads(invoke("simulate", "--orders", "20", "--json").stdout)
    assert plain["event_log_sha256"] != first["event_log_sha256"]


def test_simulate_begins_at_the_snapshots_time(file: str, tmp_path: Path) -> None:
    """Dynamic fees count from there; a start that is given wins."""
    for start, expected in (("", "2026-07-06T16:30"), ("2027-01-01T00:00:00Z", "2027-01-01T00:00")):
        out = tmp_path / f"out{start[:4]}"
        args = ("--set", f"market.snapshot={file}", "--set", f'start="{start}"', "--orders", "2")
        assert invoke("simulate", *args, "--out", out).exit_code == 0
        first = json.loads((out / "events.jsonl").read_text().splitlines()[0])
        assert first["at"].startswith(expected)


def test_a_scenario_keeps_the_name_of_its_snapshot(file: str) -> None:
    """It prints as TOML and reads back."""
    done = invoke("scenario", "--set", f"market.snapshot={file}")
    assert tomllib.loads(done.stdout)["market"]["snapshot"] == file
    assert Scenario.from_toml(done.stdout) == scenario("default").replace(market__snapshot=file)


@pytest.mark.parametrize("name", ["none.json", "bad.json", "other.json"])
def test_simulate_refuses_what_is_no_snapshot(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not there, no JSON, or without a pool of the pair."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "bad.json", "{}")
    held = Snapshot(slot=0, time_s=0, pools=(cpmm(tokens=("A", "B")),))
    write(tmp_path, "other.json", encode_snapshot(held))
    done = invoke("simulate", "--set", f"market.snapshot={name}", "--orders", "2")
    assert (done.exit_code, done.stdout) == (2, "")
    require_one_line(done.stderr, name)


def test_the_service_reads_a_snapshot(file: str) -> None:
    """The variable names the file; its pools are those of the market."""
    settings = Settings.from_env({"ORDERENGINE_SNAPSHOT": file})
    assert (settings.snapshot, settings.market.snapshot) == (file, file)
    for wrong in ("none.json", "/dev/zero", __file__):
        with pytest.raises(
            InvalidData, match=r"^ORDERENGINE_SNAPSHOT: expected a readable file of"
        ):
            Settings.from_env({"ORDERENGINE_SNAPSHOT": wrong})
