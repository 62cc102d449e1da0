"""Run one study of a batch wherever it was carried to, and hand back a plain answer.

What travels is bytes that cloudpickle made, so functions of a script or a notebook cell arrive by
value, in another process or on another machine, and each run has a copy of its own.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from orderengine.errors import InvalidScenario
from orderengine.study.result import Result
from orderengine.study.run import simulate
from orderengine.study.scenario import Scenario

__all__ = ["Done", "Failed", "Probe", "failed", "packed", "run_task"]

Probe = Callable[[Result], Any]
"""Takes from a result what is kept of it: plain values."""

_TRACE_LINES_MAX = 30
_LETTERS_MAX = 10_000
"""Of a message, and of a trace: they are kept in a file of all failures."""


class Done(Struct, frozen=True):
    """Hold what a probe took from a result."""

    value: Any


class Failed(Struct, frozen=True):
    """Say why a task gave nothing."""

    kind: str
    """The error's class, or ``WorkerDied``."""
    message: str
    trace: str = ""


def failed(error: BaseException, trace: str = "") -> Failed:
    """Return the answer of a task that raised; whatever the error says can be written to a file."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001  (the user's class, which may fail at this, too)
        message = "an error that cannot be told"
    return Failed(type(error).__name__, _writable(message), _writable(trace))


def _writable(text: str) -> str:
    """Return a text without half characters, as file names may have, and not longer than wanted."""
    return text[:_LETTERS_MAX].encode("utf-8", "backslashreplace").decode()


def packed(scenario: Scenario, probe: Probe) -> bytes:
    """Return a task that ``run_task`` runs anywhere.

    Raises:
        InvalidScenario: a function of the scenario or the probe cannot be carried.
    """
    import cloudpickle  # noqa: PLC0415  (part of the extra study)

    try:
        data: bytes = cloudpickle.dumps((scenario, probe))
    except Exception as error:  # noqa: BLE001  (each object may refuse in its own way)
        expected = f"functions that can be sent to another process ({error})"
        raise InvalidScenario("scenario", scenario.name, expected) from None
    return data


def run_task(task: bytes) -> Done | Failed:
    """Run a packed task; an error of any kind becomes an answer, and the next task goes on."""
    try:
        scenario, probe = pickle.loads(task)  # noqa: S301  (made by ``packed`` in our own process)
        return Done(probe(simulate(scenario, progress=False)))
    except Exception as error:  # noqa: BLE001  (one failing cell does not lose the others)
        lines = traceback.format_exc().splitlines()[-_TRACE_LINES_MAX:]
        return failed(error, "\n".join(lines))
