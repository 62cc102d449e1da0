"""Check what is read of a process and its children."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.service.processes import cpu_ms, memory_mb

BURN = "import time\nwhile time.process_time() < 0.3: pass"
PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN!r}], check=True)
child = subprocess.Popen(
    [sys.executable, "-c", {BURN!r} + "\\nprint(flush=True)\\ninput()"], stdin=subprocess.PIPE
)
input()
child.communicate(b"\\n")
"""


def test_children_count_while_they_live_and_after() -> None:
    """As the processes do that PostgreSQL makes for its connections."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # one child has burnt and ended, one has burnt and lives
        used, size = cpu_ms(process.pid), memory_mb(process.pid)
        process.communicate(b"\n")
    assert used is not None
    assert size is not None
    assert used >= 550
    assert size > 5


def test_a_process_that_is_gone_is_unknown() -> None:
    """It is not said to have used nothing."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert cpu_ms(process.pid) is None
    assert memory_mb(process.pid) is None
