"""Run the code of the tutorial as a newcomer would, made small."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

TUTORIAL = Path(__file__).parents[2] / "docs" / "study" / "README.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
SMALLER = {
    r"orders=400": "orders=10",
    r"replicates=(20|118)": "replicates=2",
    r"range\(1, 7\)": "range(1, 3)",
    r'"500ms", "600ms", "800ms", "1s", ': "",
}
IN_ONE_PROCESS = """
from concurrent.futures import ThreadPoolExecutor
from functools import partial
import orderengine as oe
one = ThreadPoolExecutor(1)
oe.compare, oe.sweep = partial(oe.compare, executor=one), partial(oe.sweep, executor=one)
"""
"""Spares the start of two processes a step."""


def test_the_tutorial_runs(tmp_path: Path) -> None:
    """Each block after the other, in one script: it prints what the page shows, for fewer runs."""
    code = "\n".join(BLOCK.findall(TUTORIAL.read_text("utf-8")))
    for large, small in SMALLER.items():
        code, many = re.subn(large, small, code)
        assert many, f"the tutorial has changed: {large}"
    script = tmp_path / "tutorial.py"
    script.write_text(IN_ONE_PROCESS + code)
    run = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    for expected in (
        "10 orders in",
        "seed 2: patient",
        "b - a, paired, 95%",
        "Sweep of busy: 2 points, 2 replicates each, 4 runs done",
        "* shifted_lognormal",
    ):
        assert expected in run.stdout
    made = {path.name for path in tmp_path.iterdir()}
    assert {"deadlines", "deadlines.png", "deadlines.html", "quotes.csv"} <= made
