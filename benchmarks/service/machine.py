"""Say on what figures were measured, without naming the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

__all__ = ["commit", "machine", "versions"]

_PACKAGES = (
    "anyio",
    "asyncpg",
    "httptools",
    "litestar",
    "msgspec",
    "orderengine",
    "redis",
    "saq",
    "uvicorn",
    "uvloop",
    "websockets",
)
_SYNCS = 50


def machine() -> dict[str, object]:
    """Return what the hardware and the system are."""
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "load_before": round(os.getloadavg()[0], 2),
        "sync_ms": _sync_ms(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of what ours is made of."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def commit() -> dict[str, object] | None:
    """Return which code it is, and whether it has changes; None where git does not know."""
    git = shutil.which("git")
    if git is None:
        return None
    told = []
    for arguments in (("rev-parse", "HEAD"), ("status", "--porcelain")):
        ended = subprocess.run(  # noqa: S603
            [git, *arguments],
            capture_output=True,
            cwd=Path(__file__).parent,
            text=True,
            check=False,
        )
        if ended.returncode:
            return None
        told.append(ended.stdout.strip())
    return {"id": told[0], "is_changed": bool(told[1])}


def _sync_ms() -> float:
    """Return how long a page takes to the disk where the databases are: what a commit waits for."""
    took = []
    with tempfile.TemporaryFile() as file:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            file.write(bytes(8192))
            file.flush()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * 1e3)
    return round(statistics.median(took), 3)
