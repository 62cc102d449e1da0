"""Run serving and working processes for tests: real ones, ended by id whatever happens."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_S_MAX = 30.0
_STOP_S_MAX = 30.0
CODE = "from orderengine.cli import main; main()"


class Process:
    """Hold one process of ours and what it says on standard error."""

    def __init__(self, folder: Path, *arguments: str, name: str, **env: str) -> None:
        self.log = folder / f"{name}.log"
        clean = {key: value for key, value in os.environ.items() if not is_setting(key)}
        with self.log.open("ab") as file:
            self._process = subprocess.Popen(
                self.command(*arguments),
                cwd=folder,
                env=clean | env,
                stderr=file,
                stdout=file,
            )
        self.said_before = 0

    def command(self, *arguments: str) -> list[str]:
        """Return what starts it; its id must be that of the process that is started."""
        return [sys.executable, "-c", CODE, *arguments]

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the first match in what it says; fail if it ends or says nothing in time."""
        deadline = time.monotonic() + _START_S_MAX
        while time.monotonic() < deadline:
            said = self.log.read_text(errors="replace")
            if match := re.search(pattern, said[self.said_before :]):
                return match
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"{pattern!r} was not said:\n{self.log.read_text(errors='replace')}")

    def wait(self) -> int:
        """Wait for it to end by itself and return its exit code."""
        return self._process.wait(_STOP_S_MAX)

    def kill(self) -> None:
        """End it at once, as kill -9 does."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(_STOP_S_MAX)

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal and go on."""
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end and return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(_STOP_S_MAX)


def is_setting(name: str) -> bool:
    """Return whether a variable of the environment is read by the service."""
    return name in {"HOST", "PORT", "REDIS_URL", "DATABASE_URL"} or name.startswith("ORDERENGINE_")


class Serving(Process):
    """Hold a serving process."""

    def __init__(self, folder: Path, *, name: str = "serve", port: str = "0", **env: str) -> None:
        said = (folder / f"{name}.log").stat().st_size if (folder / f"{name}.log").exists() else 0
        super().__init__(folder, "serve", "--port", port, name=name, **env)
        self.said_before = said
        try:
            found = self.wait_for(r"listening on (http://[^:]+:(\d+)): (.*)")
        except AssertionError:
            self.kill()
            raise
        self.url, self.port, self.line = found[1], int(found[2]), found[0]


@contextmanager
def serving(folder: Path, *, name: str = "serve", **env: str) -> Iterator[Serving]:
    """Give a serving process in an empty environment but for what is named."""
    process = Serving(folder, name=name, **env)
    try:
        yield process
    finally:
        process.kill()


@contextmanager
def working(folder: Path, *, name: str = "work", **env: str) -> Iterator[Process]:
    """Give a working process."""
    process = Process(folder, "work", name=name, **env)
    try:
        process.wait_for("working: ")
        yield process
    finally:
        process.kill()
