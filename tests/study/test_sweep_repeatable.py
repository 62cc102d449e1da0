"""Check that the cells of a sweep are the same runs on every interpreter that is here."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

import orderengine as oe
from orderengine.study.sweep.cells import plan_of
from orderengine.study.sweep.identity import Keys
from orderengine.study.sweep.result import SweepResult
from tests.study.busy import BUSY
from tests.study.pythons import Interpreter, Unobtainable, find, packages_for, promised
from tests.study.sweeping import Inline

STUDY = BUSY.replace(orders=60)
GRID: dict[str, Any] = {"engine.workers": [4, 64], "engine.router": ["best", "split"]}

PROGRAM = """
import sys
from orderengine import Scenario, simulate
from orderengine.study.sweep.cells import plan_of
from orderengine.study.sweep.identity import Keys
study = Scenario.from_toml(sys.stdin.read())
grid = {"engine.workers": [4, 64], "engine.router": ["best", "split"]}
for cell in plan_of(study, grid, 2, Keys(None)).cells:
    print(cell.key, cell.scenario.seed, simulate(cell.scenario, progress=False).event_log_sha256)
"""


@cache
def swept() -> SweepResult:
    """Return the sweep of this process."""
    return oe.sweep(STUDY, GRID, 2, Inline(), progress=False)


@pytest.fixture(scope="module", params=promised())
def interpreter(request: pytest.FixtureRequest) -> Interpreter:
    """Return an interpreter of each version that is here and can be given what a study imports."""
    version: str = request.param
    python = find(version)
    if python is None:
        pytest.skip(f"no working CPython {version} was found; ORDERENGINE_PYTHONS can name one")
    try:
        return Interpreter(
            version, python, packages_for(version, request.config.cache.mkdir("pythons"))
        )
    except Unobtainable as error:
        pytest.skip(f"CPython {version} was found, but not what a study imports: {error}")


@pytest.mark.timeout(300)  # the first run may fetch packages
@pytest.mark.parametrize("hash_seed", [0, 4242])
def test_another_interpreter_runs_the_same_cells(interpreter: Interpreter, hash_seed: int) -> None:
    """Keys, seeds and event logs depend on no process, hash seed or version of Python."""
    printed = interpreter.say(PROGRAM, STUDY.to_toml(), hash_seed).split()
    table = swept().table
    assert printed[1::3] == [str(seed) for seed in table["seed"]]
    assert printed[2::3] == table["event_log_sha256"].to_list()
    assert len(set(printed[2::3])) == 8
    assert printed[0::3] == [cell.key for cell in plan_of(STUDY, GRID, 2, Keys(None)).cells]
