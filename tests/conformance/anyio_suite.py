"""Run anyio's own tests on the virtual-time backend: ``make conformance``.

The tests come from anyio's source distribution at the locked version, obtained by pip. They keep
their own pytest settings; what is added to their ``conftest.py`` is one ``anyio_backend`` fixture
whose only parameter is our backend. Tests that never use the fixture say nothing about a backend
and are left out, and so are the files that wait on the real world: see ``LEFT_OUT``.

Not collected by the project's own pytest. Ends with pytest's closing line and its exit code.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "conformance.txt"
BUILD = ROOT / "build" / "conformance"
SECONDS_MAX = 300
"""A whole run takes about half a minute; a run that hangs is ended."""

FILES = [
    "test_concurrency_utils.py",
    "test_contextmanagers.py",
    "test_debugging.py",
    "test_eventloop.py",
    "test_functools.py",
    "test_futures.py",
    "test_itertools.py",
    "test_lowlevel.py",
    "test_pytest_plugin.py",
    "test_synchronization.py",
    "test_taskgroups.py",
    "streams/test_buffered.py",
    "streams/test_memory.py",
    "streams/test_stapled.py",
    "streams/test_text.py",
]

LEFT_OUT = {
    "test_all_attributes.py, test_lazyimport.py, test_typedattr.py": "never run a backend",
    "test_sockets.py, streams/test_tls.py": "sockets wait on the real world",
    "test_to_thread.py, test_from_thread.py": "threads wait on the real world",
    "test_fileio.py, test_tempfile.py, streams/test_file.py": "anyio reads files in threads",
    "test_subprocesses.py, test_to_process.py": "processes wait on the real world",
    "test_to_interpreter.py": "interpreters run in threads",
    "test_signals.py": "signals come from the real world",
}

SKIPPED = {
    "test_taskgroups.py::test_fail_after_scope_cancelled_before_timeout[virtualtime]": (
        "expects (strict xfail) that the deadline passes during time.sleep(); "
        "virtual time stands still there, so what the test would like to hold does hold"
    ),
}

_ADDED = """

# --- added by orderengine's tests/conformance/anyio_suite.py ---
from orderengine.virtualtime import register as _register

_register()
_SKIPPED = {skipped!r}


@pytest.fixture(params=[pytest.param("virtualtime", id="virtualtime")])
def anyio_backend(request):
    return request.param


def pytest_collection_modifyitems(items):
    names = {{item.nodeid.removeprefix("tests/"): item for item in items}}
    for name, reason in _SKIPPED.items():
        names[name].add_marker(pytest.mark.skip(reason=reason))
"""


def locked_version() -> str:
    """Return the version of anyio that the lock names, which must be the one installed."""
    found = re.search(r"^anyio==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{LOCK.relative_to(ROOT)} does not lock anyio")
    if version("anyio") != found[1]:
        raise SystemExit(f"anyio {found[1]} is locked, {version('anyio')} is installed")
    return found[1]


def unpack(anyio_version: str) -> Path:
    """Return a folder with the untouched source distribution, obtaining it if need be."""
    BUILD.mkdir(parents=True, exist_ok=True)
    archive = BUILD / f"anyio-{anyio_version}.tar.gz"
    if not archive.exists():
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
        wanted = ["--no-deps", "--no-binary", "anyio", f"anyio=={anyio_version}"]
        subprocess.run([*pip, *wanted, "--dest", str(BUILD)], check=True)
    folder = BUILD / f"anyio-{anyio_version}"
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(archive) as packed:
        packed.extractall(BUILD, filter="data")
    return folder


def main() -> int:
    """Run the suite; further arguments go to pytest."""
    folder = unpack(locked_version())
    with (folder / "tests" / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(_ADDED.format(skipped=SKIPPED))
    print("Left out, for they wait on the real world or never run a backend:")  # noqa: T201
    for names, reason in LEFT_OUT.items():
        print(f"  {names}: {reason}")  # noqa: T201
    sys.stdout.flush()
    files = [f"tests/{name}" for name in FILES]
    pytest = [sys.executable, "-m", "pytest", "-q", "-k", "virtualtime", *sys.argv[1:], *files]
    # Only the plug-ins that the suite's own settings name, as its authors run it.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    try:
        ended = subprocess.run(
            pytest, cwd=folder, env=environment, timeout=SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        print(f"the suite hung: ended after {SECONDS_MAX} s")  # noqa: T201
        return 1
    return ended.returncode


if __name__ == "__main__":
    raise SystemExit(main())
