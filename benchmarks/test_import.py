"""Time how long a notebook waits for ``import orderengine``."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.compare import interleave

_TIMED = (
    "import resource\nused = resource.getrusage(resource.RUSAGE_SELF)\nprint(used[0] + used[1])"
)


def _cpu_seconds(statement: str) -> float:
    """Return the CPU seconds of an interpreter that runs one statement."""
    program = f"{statement}\n{_TIMED}"
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, check=True)  # noqa: S603
    return float(ended.stdout)


@pytest.mark.benchmark(group="import")
def test_import_time(benchmark: BenchmarkFixture) -> None:
    """CPU of importing the package and its clock, over a bare interpreter."""
    bare = min(_cpu_seconds("pass") for _ in range(5))
    interleave(
        benchmark,
        {
            "orderengine": lambda: _cpu_seconds("import orderengine") - bare,
            "orderengine.virtualtime": lambda: (
                _cpu_seconds("import orderengine.virtualtime") - bare
            ),
            "anyio": lambda: _cpu_seconds("import anyio, anyio.lowlevel") - bare,
        },
        1,
    )
