"""Check that a scenario and its seed give one event log, on every interpreter that is here.

What may differ from run to run, the hash seed, the process and the version of Python, must not
reach an event. A version that is not here is skipped, and the summary says why.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import pytest

import orderengine as oe
from orderengine.model.events import AttemptFailed, Routed, Status
from orderengine.model.lifecycle import fold
from tests.study.busy import BUSY, busy, events_of
from tests.study.pythons import Interpreter, Unobtainable, find, packages_for, promised

PROGRAM = """
import sys
from orderengine import Scenario, simulate
result = simulate(Scenario.from_toml(sys.stdin.read()), progress=False)
print("{}.{}".format(*sys.version_info), result.event_log_sha256)
"""


def test_busy_study_has_everything_in_it() -> None:
    """The study that these tests repeat meets every kind of trouble, so none goes untested."""
    kinds = Counter(type(event).__name__ for log in busy().logs for event in log)
    assert kinds["CancelRequested"] > 0
    ends = Counter(log[-1].status for log in busy().logs)
    assert set(ends) == {Status.CONFIRMED, Status.FAILED, Status.CANCELLED, Status.EXPIRED}
    codes = Counter(event.code for event in events_of(busy(), AttemptFailed))
    assert codes["BLOCKHASH_EXPIRED"] > 0  # every sending was lost
    assert codes["SLIPPAGE"] > 0
    declined = Counter(d.code for event in events_of(busy(), Routed) for d in event.declined)
    assert declined["QUOTE_TIMEOUT"] > 0
    assert declined["WORSE_PRICE"] > 0
    retried = [log for log in busy().logs if fold(log).attempts > 1]
    assert {log[-1].status for log in retried} == set(ends)


def test_same_seed_repeats_and_another_differs() -> None:
    """In one process the log is the same to the byte, and follows the seed."""
    again = oe.simulate(BUSY, progress=False)
    assert again.event_log_sha256 == busy().event_log_sha256
    assert again.logs == busy().logs
    assert again.virtual_seconds == busy().virtual_seconds
    other = oe.simulate(BUSY, seed=6, progress=False)
    assert other.event_log_sha256 != busy().event_log_sha256


@pytest.fixture(scope="module", params=promised())
def interpreter(request: pytest.FixtureRequest) -> Interpreter:
    """Return an interpreter of each version that is here and can be given what a study imports."""
    version: str = request.param
    python = find(version)
    if python is None:
        pytest.skip(f"no working CPython {version} was found; ORDERENGINE_PYTHONS can name one")
    if python == sys.executable:
        return Interpreter(version, python, None)
    try:
        packages = packages_for(version, request.config.cache.mkdir("pythons"))
    except Unobtainable as error:
        pytest.skip(f"CPython {version} was found, but not what a study imports: {error}")
    return Interpreter(version, python, packages)


@pytest.mark.timeout(300)  # the first run may fetch packages
@pytest.mark.parametrize("hash_seed", [0, 4242])
def test_another_process_gives_the_same_log(interpreter: Interpreter, hash_seed: int) -> None:
    """Neither the process, nor its hash seed, nor its version of Python reaches the events."""
    printed = interpreter.say(PROGRAM, BUSY.to_toml(), hash_seed)
    assert printed.split() == [interpreter.version, busy().event_log_sha256]


@pytest.mark.parametrize(
    ("body", "is_found"),
    [
        pytest.param("echo 3.99 cpython", True, id="works"),
        pytest.param("echo 3.99 cpythont", False, id="other ABI"),
        pytest.param("echo 3.98 cpython", False, id="other version"),
        pytest.param("echo no version is chosen >&2; exit 127", False, id="stands in"),
    ],
)
def test_only_an_interpreter_that_works_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, *, is_found: bool
) -> None:
    """A name on the path is not enough."""
    program = tmp_path / "python3.99"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.delenv("ORDERENGINE_PYTHONS", raising=False)
    assert find("3.99") == (str(program) if is_found else None)
