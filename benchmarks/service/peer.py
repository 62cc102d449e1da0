"""Find and run the Fastify and BullMQ peer, which is not part of this project.

``ORDERENGINE_PEER`` names the folder that holds it: ``fastify_bullmq`` with its packages installed,
and ``load/load.mjs``, a load generator that drives both services alike.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

__all__ = ["Peer", "find_peer"]

_START_S_MAX = 30.0
_PACKAGES = ("fastify", "bullmq", "ioredis", "ws")


class Peer(Struct, frozen=True):
    """Hold where the peer is."""

    node: str
    folder: Path
    is_installed: bool
    """Whether its packages are there; the generator needs none."""

    @property
    def generator(self) -> list[str]:
        """What runs the load generator."""
        return [self.node, str(self.folder / "load" / "load.mjs")]

    def versions(self) -> dict[str, str]:
        """Return the version of node, and of what the peer is made of."""
        said = subprocess.run(  # noqa: S603
            [self.node, "--version"], capture_output=True, check=True, text=True, timeout=10
        )
        found = {"node": said.stdout.strip()}
        for name in _PACKAGES:
            file = self.folder / "fastify_bullmq" / "node_modules" / name / "package.json"
            if file.exists():
                found[name] = json.loads(file.read_text())["version"]
        return found

    @contextmanager
    def running(self, folder: Path, redis_url: str, concurrency: int) -> Iterator[Processes]:
        """Run it as it was meant: one process accepts orders, another executes them.

        Args:
            folder: where its logs go.
            redis_url: a Redis of its own.
            concurrency: how many orders it executes at once.
        """
        port = _free_port()
        env = {
            "REDIS_URL": redis_url,
            "PORT": str(port),
            "QUOTE_MS": "0",
            "EXEC_MS": "0",
            "CONCURRENCY": str(concurrency),
        }
        with self._program(folder, "api", env) as api, self._program(folder, "worker", env) as work:
            yield Processes(f"http://127.0.0.1:{port}", api, work)

    @contextmanager
    def _program(self, folder: Path, name: str, env: dict[str, str]) -> Iterator[int]:
        """Run one of its programs until the block ends; give its process id."""
        log = folder / f"{name}.log"
        with log.open("wb") as said:
            process = subprocess.Popen(  # noqa: S603
                [self.node, f"{name}.js"],
                cwd=self.folder / "fastify_bullmq",
                env=os.environ | env,
                stdout=said,
                stderr=said,
            )
        try:
            _wait_for(log, f"{name} pid", process)
            yield process.pid
        finally:
            process.kill()
            process.wait()


class Processes(Struct, frozen=True):
    """Hold the peer's processes while they run."""

    url: str
    api: int
    worker: int


def find_peer() -> Peer | str:
    """Return the peer, or why there is none."""
    folder, node = os.environ.get("ORDERENGINE_PEER"), shutil.which("node")
    if not folder:
        return "set ORDERENGINE_PEER to the folder of the Fastify and BullMQ peer"
    if node is None:
        return "node is not installed"
    if not (Path(folder) / "load" / "load.mjs").exists():
        return "ORDERENGINE_PEER has no load/load.mjs"
    installed = Path(folder) / "fastify_bullmq" / "node_modules" / "bullmq"
    return Peer(node, Path(folder).resolve(), installed.exists())


def _wait_for(log: Path, words: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S_MAX
    while words not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace")
            raise RuntimeError(f"the peer did not start:\n{said}")
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
