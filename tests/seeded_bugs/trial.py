"""Put a bug into a copy of the project, and see whether its tests notice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from signal import SIGINT

from msgspec import Struct

from tests.seeded_bugs.bug import ROOT, Bug

__all__ = ["Copy", "Trial", "copies", "project_files"]

_TESTS_S_MAX = 540
"""Of all tests in a row; each has a time limit of its own."""
_FAILED = re.compile(r"^FAILED (.+?)(?: - .*)?$", re.MULTILINE)
# The copy's package must be the one that is tested, not one that is installed.
_RUN = """
import sys
from pathlib import Path
import orderengine
assert Path(orderengine.__file__).is_relative_to(Path.cwd()), orderengine.__file__
import pytest

class Unshrunk:
    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self):
        # Nobody reads the smallest example here. Earlier, pytest could not rewrite the module.
        from hypothesis import Phase, settings
        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("unshrunk", deadline=None, max_examples=60, phases=phases)

sys.exit(pytest.main(sys.argv[1:], plugins=[Unshrunk()]))
"""


class Trial(Struct, frozen=True, kw_only=True):
    """Hold what became of one run of tests."""

    name: str
    caught_by: str | None
    """The first test that failed; None if none did."""
    seconds: float
    said: str
    """What pytest said, where nothing failed as it should."""

    @property
    def line(self) -> str:
        """The run in a line."""
        if self.caught_by is None:
            return f"NOT CAUGHT in {self.seconds:.1f} s"
        return f"caught by {self.caught_by.rpartition('/')[2]} in {self.seconds:.1f} s"


def project_files() -> Iterator[Path]:
    """Yield the files of the project as they stand in the working tree, from its root."""
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(asked, cwd=ROOT, check=True, capture_output=True).stdout
    for name in found.decode().split("\0"):
        if name and (ROOT / name).is_file():
            yield Path(name)


class Copy:
    """Hold a folder with all of the project's files; what was compiled there is used again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        for file in project_files():
            to = self._folder / file
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, to)

    def try_bug(self, bug: Bug) -> Trial:
        """Run the bug's tests with the bug in place.

        A run that could not begin, as when a module cannot be imported, has caught nothing.
        """
        file = self._folder / bug.file
        try:
            patched = bug.patched(file.read_text("utf-8"))
        except ValueError as moved:
            return Trial(name=bug.name, caught_by=None, seconds=0.0, said=str(moved))
        file.write_text(patched, "utf-8")
        try:
            code, said, seconds = self._pytest(bug.caught_by)
        finally:
            shutil.copy2(ROOT / bug.file, file)
        failed = _FAILED.search(said)
        caught_by = failed[1] if code == 1 and failed is not None else None
        return Trial(
            name=bug.name, caught_by=caught_by, seconds=seconds, said="" if caught_by else said
        )

    def run_tests(self, tests: Iterable[str]) -> str:
        """Run tests without any bug; return what was said if they fail."""
        code, said, _ = self._pytest(tests)
        return "" if code == 0 else said

    def _pytest(self, tests: Iterable[str]) -> tuple[int, str, float]:
        """Run tests, always with the same examples; return the exit code, the report, the time."""
        command = [sys.executable, "-c", _RUN, "-q", "-x", "--tb=short", "--hypothesis-seed=1"]
        for plugin in ("cacheprovider", "schemathesis", "nbmake", "benchmark"):
            command += ["-p", f"no:{plugin}"]  # each takes longer to load than most tests run
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="orderengine-tests-") as scratch:
            process = subprocess.Popen(
                [*command, f"--basetemp={scratch}/tests", *tests],
                cwd=self._folder,
                env=os.environ
                | {"PYTHONPATH": str(self._folder), "HYPOTHESIS_PROFILE": "unshrunk"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            try:
                said, _ = process.communicate(timeout=_TESTS_S_MAX)
            except subprocess.TimeoutExpired:
                process.send_signal(SIGINT)  # so that what it has started is ended, too
                process.communicate()
                return -1, f"no end within {_TESTS_S_MAX} s", time.monotonic() - began
        return process.returncode, said, time.monotonic() - began


@contextmanager
def copies(count: int) -> Iterator[SimpleQueue[Copy]]:
    """Give copies to be taken and put back; they are removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="orderengine-bugs-") as name:
        found: SimpleQueue[Copy] = SimpleQueue()
        for number in range(count):
            found.put(Copy(Path(name) / str(number)))
        yield found
