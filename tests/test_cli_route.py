"""Check the command that routes an order over a snapshot's pools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orderengine.pools.snapshot import encode_snapshot
from tests.study.test_routes import HELD
from tests.test_cli import invoke, require_one_line

LEG = {"pool", "venue", "sell", "buy", "amount_in", "amount_out", "fee"}
FIGURES = {"amount_in", "amount_out", "bound", "gap_bps", "price_impact_bps", "legs", "left_out"}
"""The keys that INTERFACES.md promises."""


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return the path of a snapshot of two pools of SOL/USDC and an odd one."""
    path = tmp_path / "pools.json"
    path.write_bytes(encode_snapshot(HELD))
    return str(path)


def asked(file: str, *more: str) -> Any:
    """Return the JSON of a route of SOL for USDC."""
    done = invoke("route", "--snapshot", file, "--sell", "SOL", "--buy", "USDC", *more, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_json_has_the_promised_figures(file: str) -> None:
    """Amounts are decimal strings, ratios numbers; legs add up to the order."""
    found = asked(file, "--amount", "1000SOL")
    assert set(found) >= FIGURES
    assert all(set(leg) >= LEG for leg in found["legs"])
    for key in ("amount_in", "amount_out"):
        assert sum(int(leg[key]) for leg in found["legs"]) == int(found[key])
    assert found["amount_in"] == "1000000000000"
    assert int(found["bound"]) >= int(found["amount_out"])
    assert 0 <= found["gap_bps"] < 1e-3 < found["price_impact_bps"]
    assert found["left_out"] == []


def test_each_flag_does_what_it_says(file: str) -> None:
    """Exact-out, few legs, some pools, another strategy, costs."""
    bought = asked(file, "--amount", "50USDC", "--exact-out")
    assert bought["amount_out"] == "50000000"
    assert int(bought["bound"]) <= int(bought["amount_in"])
    assert len(asked(file, "--amount", "1000SOL", "--max-legs", "1")["legs"]) == 1
    only = asked(file, "--amount", "1000SOL", "--pool", "b")
    assert [leg["pool"] for leg in only["legs"]] == ["b"]
    grid = asked(file, "--amount", "1000SOL", "--strategy", "grid")
    assert (grid["strategy"], len(grid["legs"])) == ("grid", 2)
    dear = asked(file, "--amount", "100SOL", "--unit-price", "10000000000")
    assert len(dear["legs"]) == 1
    assert {"network_cost", "net_bound", "net_gap_bps"} <= set(dear)
    told = asked(file, "--amount", "1SOL", "--max-legs", "1", "--explain")
    assert [said["pool"] for said in told["left_out"]] == ["b"]
    assert int(told["others"]["greedy1"]["amount_out"]) > 0


def test_people_read_legs_bound_and_reasons(file: str) -> None:
    """One line a fact; --explain adds why pools are left out and what others would pay."""
    arguments = ("route", "--snapshot", file, "--sell", "SOL", "--buy", "USDC", "--amount", "1SOL")
    short = invoke(*arguments)
    assert short.exit_code == 0
    assert "bound" in short.stdout
    assert "no route without cycles pays more" in short.stdout
    assert "left out  1 (--explain says why)" in short.stdout
    long = invoke(*arguments, "--explain").stdout
    assert "left out  raydium_cpmm b: " in long
    assert "greedy5" in long


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--buy", "USDC", "--amount", "1"), "at least"),
        (("--buy", "DOGE", "--amount", "1SOL"), "DOGE"),
        (("--buy", "X", "--amount", "1SOL"), "no pool"),
        (("--buy", "USDC", "--amount", "1SOL", "--strategy", "luck"), "luck"),
        (("--buy", "USDC", "--amount", "99999999USDC", "--exact-out"), "can pay"),
        (("--buy", "USDC", "--amount", "1SOL", "--pool", "none"), "none"),
        (("--buy", "SOL", "--amount", "1SOL"), "another token"),
        (("--buy", "USDC", "--amount", "1SOL", "--max-legs", "0"), "max-legs"),
    ],
)
def test_bad_input_is_one_line(file: str, more: tuple[str, ...], said: str) -> None:
    """Exit code 2, and what was missing."""
    done = invoke("route", "--snapshot", file, "--sell", "SOL", *more)
    assert done.exit_code == 2
    require_one_line(done.stderr, said)
