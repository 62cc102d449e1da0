"""Check how the peer's load generator is asked and understood, with a stand-in for it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.service.cases import Case
from benchmarks.service.generators import peer_generator
from benchmarks.service.peer import Peer
from benchmarks.service.targets import Target

E2E, POST = Case("e2e-200", "e2e", 200), Case("post-50", "post", 50)
RANKED = {"p50": 1.0, "p95": 2.0, "p99": 3.0, "max": 4.0}
WHOLE: dict[str, Any] = {
    "orders_per_s": 900,
    "post_ms": RANKED,
    "e2e_ms": RANKED,
    "after_reply_ms": RANKED,
    "bad_post": 0,
    "lost": 0,
    "failed": 0,
    "missing_status": 0,
    "out_of_order": 0,
    "duplicated": 0,
    "ws_errors": 0,
    "gen_cpu_s": 0.5,
}


def stand_in(folder: Path, says: dict[str, Any], exit_code: int = 0) -> Peer:
    """Return a peer whose generator says the same to everybody, and notes what it was asked."""
    (folder / "load").mkdir()
    (folder / "load" / "load.mjs").write_text(
        "import pathlib, sys\n"
        f"pathlib.Path({str(folder / 'asked')!r}).write_text('\\n'.join(sys.argv[1:]))\n"
        f"print({json.dumps(says)!r})\n"
        f"sys.exit({exit_code} and 'it broke')\n"
    )
    return Peer(sys.executable, folder, is_installed=True)


def target(*, is_peer: bool = False) -> Target:
    """Return one that nobody asks."""
    return Target(url="http://127.0.0.1:1", pids={}, is_peer=is_peer)


def test_a_whole_run_has_no_faults(tmp_path: Path) -> None:
    """And the generator's own work is told by the order."""
    answer = peer_generator(stand_in(tmp_path, WHOLE), 7)(target(), E2E, 1_000)
    assert answer.faults == {}
    assert answer.figures["orders_per_s"] == 900
    assert answer.figures["e2e_p99_ms"] == 3.0
    assert answer.figures["generator_cpu_ms"] == 0.5


@pytest.mark.parametrize("name", [name for name, value in WHOLE.items() if value == 0])
def test_each_fault_is_told(tmp_path: Path, name: str) -> None:
    """None of them may pass for speed."""
    generate = peer_generator(stand_in(tmp_path, WHOLE | {name: 3}), 7)
    assert generate(target(), E2E, 1_000).faults == {name: 3}


def test_post_only_has_no_time_to_the_end(tmp_path: Path) -> None:
    """What nobody saw is left out, and what was answered wrongly is a fault."""
    says = {"per_s": 1_500, "bad": 2, "post_ms": RANKED, "gen_cpu_s": 0.1}
    answer = peer_generator(stand_in(tmp_path, says), 7)(target(), POST, 1_000)
    assert answer.figures["orders_per_s"] == 1_500
    assert "e2e_p50_ms" not in answer.figures
    assert answer.faults == {"bad": 2}


@pytest.mark.parametrize("is_peer", [True, False])
def test_only_ours_is_asked_in_our_words(tmp_path: Path, is_peer: bool) -> None:
    """The peer is loaded as its own generator does by itself."""
    peer_generator(stand_in(tmp_path, WHOLE), 7)(target(is_peer=is_peer), E2E, 1_000)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert {"--n=1000", "--c=200", "--mode=e2e", "--ws=mux"} <= set(asked)
    assert ("--post-path=/execute" in asked) is not is_peer
    assert any('"amount": "7"' in word for word in asked) is not is_peer


def test_a_generator_that_breaks_is_no_figure(tmp_path: Path) -> None:
    """What it said last is shown."""
    generate = peer_generator(stand_in(tmp_path, WHOLE, exit_code=1), 7)
    with pytest.raises(RuntimeError, match="it broke"):
        generate(target(), E2E, 1_000)
