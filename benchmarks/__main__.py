"""Run every benchmark and write one JSON file with machine, versions, commit and repeats."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Run the benchmarks; further arguments go to pytest."""
    RESULTS.mkdir(exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")  # noqa: TID251  (names a file)
    pytest = [sys.executable, "-m", "pytest", "benchmarks", "-q", "--timeout", "1800"]
    output = f"--benchmark-json={RESULTS / stamp}.json"
    arguments = [*pytest, "--benchmark-columns=median,rounds", output, *sys.argv[1:]]
    return subprocess.run(arguments, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    raise SystemExit(main())
