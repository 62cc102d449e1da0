"""Run a storm over real processes: every order that was accepted ends once, whatever fails.

``CHAOS_SEED``, ``CHAOS_ORDERS`` and ``CHAOS_FAULTS`` in the environment choose another one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from signal import SIGINT
from subprocess import PIPE, STDOUT

import msgspec
import pytest

from tests.chaos.plan import KINDS
from tests.servers import missing, postgres_programs, redis_program

SEED = os.environ.get("CHAOS_SEED", "1")
ORDERS = os.environ.get("CHAOS_ORDERS", "2000")
FAULTS = os.environ.get("CHAOS_FAULTS", "25")
ROOT = Path(__file__).parents[2]
RUN_S_MAX, STOP_S_MAX = 240, 40
KINDS_MIN = 8


@pytest.mark.timeout(300)
def test_a_storm_violates_nothing(tmp_path: Path) -> None:
    """Processes killed and stopped, servers lost, networks cut: no invariant is violated."""
    if redis_program() is None or not postgres_programs():
        missing("NO SERVERS: a storm needs programs of Redis and PostgreSQL, to kill them")
    file = tmp_path / "chaos.json"
    command = [sys.executable, "-m", "tests.chaos", "--report", str(file)]
    command += ["--seed", SEED, "--orders", ORDERS, "--faults", FAULTS]
    # A process of its own: what the clients leave open in it when they are cut is theirs.
    process = subprocess.Popen(command, stdout=PIPE, stderr=STDOUT, text=True, cwd=ROOT)
    try:
        said, _ = process.communicate(timeout=RUN_S_MAX)
    except subprocess.TimeoutExpired:
        process.send_signal(SIGINT)  # so that it ends the processes that it started
        said, _ = process.communicate(timeout=STOP_S_MAX)
    assert process.returncode == 0, said
    found = msgspec.json.decode(file.read_bytes())
    assert found["figures"]["orders"] >= int(ORDERS)
    assert len(found["faults"]) == int(FAULTS)
    kinds = {fault["kind"] for fault in found["faults"]}
    assert len(kinds) >= min(KINDS_MIN, int(FAULTS))
    idle = [row["id"] for row in found["invariants"] if not row["checked"]]
    assert not idle or int(FAULTS) < len(KINDS), f"nothing was checked of {idle}"
