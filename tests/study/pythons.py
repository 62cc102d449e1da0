"""Find an interpreter of each version that the package promises, and let it run a study.

The interpreter that runs the tests has all it needs. Another one gets the few locked packages that
a study imports, in a folder of pytest's cache, so only the first run has to fetch them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import orderengine

__all__ = ["Interpreter", "Unobtainable", "find", "packages_for", "promised"]

ROOT = Path(__file__).parents[2]
OWN = "{}.{}".format(*sys.version_info)

NEEDED = ("anyio", "idna", "msgspec", "sniffio", "typing-extensions")
"""All that ``orderengine.simulate`` imports, and what those import in turn."""

PROBE = "import sys; print('%d.%d' % sys.version_info[:2], sys.implementation.name + sys.abiflags)"
PROBE_S_MAX, FETCH_S_MAX, SAY_S_MAX = 20, 90, 60


class Interpreter(NamedTuple):
    """Hold an interpreter, and where its packages are if it has none of its own."""

    version: str
    python: str
    packages: Path | None

    def say(self, program: str, told: str, hash_seed: int) -> str:
        """Return what a program prints in a process of its own that reads ``told``."""
        path = [self.packages, Path(orderengine.__file__).parents[1]]
        settings = {
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": str(hash_seed),
            "PYTHONPATH": os.pathsep.join(str(folder) for folder in path if folder),
        }
        ended = subprocess.run(
            [self.python, "-c", program],
            input=told,
            env=os.environ | settings,
            capture_output=True,
            check=False,
            text=True,
            timeout=SAY_S_MAX,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


class Unobtainable(Exception):
    """Say why an interpreter cannot be given the packages that it needs."""


def promised() -> list[str]:
    """Return the versions that the package's classifiers name, and the one that runs this."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    return [*named, *({OWN} - set(named))]


def find(version: str) -> str | None:
    """Return a CPython of the version that works, or None.

    ``ORDERENGINE_PYTHONS`` may list interpreters that stand neither on the path nor where pyenv
    puts them.
    """
    return next((path for path in _candidates(version) if _is_cpython(path, version)), None)


def _candidates(version: str) -> Iterator[str]:
    if version == OWN:
        yield sys.executable
    yield from filter(None, os.environ.get("ORDERENGINE_PYTHONS", "").split(os.pathsep))
    name = f"python{version}"
    found = [Path(folder) / name for folder in os.get_exec_path()]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found += sorted(pyenv.glob(f"versions/{version}.*/bin/{name}"))
    yield from (str(path) for path in found if path.exists())


def _is_cpython(path: str, version: str) -> bool:
    """Whether the program runs: one of that name may only stand in for a version not chosen."""
    command = [path, "-I", "-c", PROBE]
    try:
        said = subprocess.run(
            command, capture_output=True, check=False, text=True, timeout=PROBE_S_MAX
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said.stdout.split() == [version, "cpython"]


def packages_for(version: str, cache: Path) -> Path:
    """Return a folder with the locked packages, built for the version; fetch them if need be.

    Raises:
        Unobtainable: there is no pip, or it did not get them in time.
    """
    pins = _pins()
    key = sha256(f"{sysconfig.get_platform()}\n{pins}".encode()).hexdigest()
    ready = cache / f"{version}-{key[:16]}"
    if not ready.exists():
        with TemporaryDirectory(dir=cache) as folder:
            _fetch(version, pins, Path(folder))
            (Path(folder) / "packages").rename(ready)  # whole or not at all
    return ready


def _pins() -> str:
    """Return the lines of the lock that pin what a study imports."""
    lock = (ROOT / "requirements" / "study.txt").read_text("utf-8")
    pins = re.findall(rf"^(?:{'|'.join(NEEDED)})==.*\n(?: +--hash=.*\n)+", lock, re.MULTILINE)
    assert [pin.partition("==")[0] for pin in pins] == [*NEEDED]
    return "".join(pins)


def _fetch(version: str, pins: str, folder: Path) -> None:
    """Let our own pip unpack the other version's wheels: that one may have neither pip nor venv."""
    (folder / "pins.txt").write_text(pins, "utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--retries", "0", "--timeout", "15", "--no-deps", "--only-binary", ":all:"]
    command += ["--python-version", version, "--target", str(folder / "packages")]
    command += ["--require-hashes", "--requirement", str(folder / "pins.txt")]
    try:
        ended = subprocess.run(
            command, capture_output=True, check=False, text=True, timeout=FETCH_S_MAX
        )
    except subprocess.TimeoutExpired:
        raise Unobtainable(f"pip took more than {FETCH_S_MAX} s") from None
    if ended.returncode != 0:
        raise Unobtainable(
            (ended.stderr.splitlines() or ["pip said nothing"])[-1].removeprefix("ERROR: ")
        )
