"""Ask the venues' own SDKs for quotes, in one node process that stays up."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.pool_cases import PoolCase

__all__ = ["SdkProcess", "sdk_process"]

_OURS = Path(__file__).parent / "sdk_quotes"


class SdkProcess:
    """Ask a running ``quotes.mjs``; ``versions`` are those of the installed SDKs."""

    def __init__(self, process: subprocess.Popen[str], log: Path, versions: dict[str, str]) -> None:
        self._process = process
        self._log = log
        self.versions = versions

    def answers(self, case: PoolCase) -> list[dict[str, str]]:
        """Return amount_in, amount_out and fee of each swap."""
        found: list[dict[str, str]] = self._ask(case, {})["answers"]
        return found

    def passes(self, case: PoolCase, cpu_s: float) -> int:
        """Return how often the case's swaps fit into some CPU time, after warming up."""
        return int(self._ask(case, {"cpu_s": cpu_s})["passes"])

    def cpu_s_a_quote(self, case: PoolCase, passes: int) -> float:
        """Quote every swap so many times; return the CPU seconds of the node process for one."""
        found = self._ask(case, {"passes": passes})
        return float(found["cpu_s"] / found["quotes"])

    def _ask(self, case: PoolCase, how: dict[str, float]) -> dict[str, Any]:
        cases = [{"pool": case.pool, "swap": swap} for swap in case.swaps]
        asked, said = self._process.stdin, self._process.stdout
        assert asked is not None
        assert said is not None
        asked.write(json.dumps({"venue": case.venue, "cases": cases, **how}) + "\n")
        asked.flush()
        line = said.readline()
        if not line:
            pytest.fail(f"the SDKs' process ended:\n{self._log.read_text(errors='replace')}")
        found: dict[str, Any] = json.loads(line)
        if "error" in found:
            pytest.fail(f"the SDK of {case.venue} refused:\n{found['error']}")
        return found


@contextmanager
def sdk_process() -> Iterator[SdkProcess]:
    """Run the SDKs until the block ends, or skip: they are others' and may not be here."""
    node = shutil.which("node") or pytest.skip("NO SDK: it needs node")
    folder = os.environ.get("ORDERENGINE_SDK")
    if not folder:
        pytest.skip(
            "NO SDK: set ORDERENGINE_SDK to an installed copy of benchmarks/peers/sdk_quotes"
        )
    versions = _versions(Path(folder))
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "node.log"
        with log.open("w") as said:
            process = subprocess.Popen(  # noqa: S603
                [node, str(_OURS / "quotes.mjs"), folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        with process:
            try:
                yield SdkProcess(process, log, versions)
            finally:
                process.kill()


def _versions(folder: Path) -> dict[str, str]:
    """Return the installed versions, or skip if they are not the pinned ones."""
    pinned: dict[str, str] = json.loads((_OURS / "package.json").read_text())["dependencies"]
    for name, version in pinned.items():
        described = folder / "node_modules" / name / "package.json"
        found = json.loads(described.read_text())["version"] if described.exists() else "absent"
        if found != version:
            pytest.skip(f"NO SDK: {name} is {found} in ORDERENGINE_SDK, not {version} (npm ci?)")
    return pinned
