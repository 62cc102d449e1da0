"""Check that importing the package is light, and that its names resolve."""

from __future__ import annotations

import subprocess
import sys

import pytest

import orderengine as oe

EXTRAS = (
    "IPython",
    "altair",
    "distributed",
    "httpx",
    "litestar",
    "matplotlib",
    "numba",
    "numpy",
    "pandas",
    "polars",
    "pyarrow",
    "redis",
    "rich",
    "rich_click",
    "saq",
    "solders",
    "sqlite3",
    "tomli_w",
    "tqdm",
    "uvicorn",
    "vl_convert",
    "websockets",
)


def loaded_after(program: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has after a program."""
    printed = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.splitlines()[-1]
    return {name.partition(".")[0] for name in printed.split()}


def test_import_loads_no_extra() -> None:
    """Who only wants orders and amounts does not pay for tables, servers or chains."""
    loaded = loaded_after("import orderengine")
    assert "orderengine" in loaded
    assert "msgspec" in loaded
    assert loaded.isdisjoint(EXTRAS)


def test_a_study_needs_no_tables() -> None:
    """Running a study loads none of the extras; its tables and charts do, when asked for."""
    run = "import orderengine\nresult = orderengine.simulate('seed_default', orders=3, progress={})"
    assert loaded_after(run.format(False)).isdisjoint(EXTRAS)
    assert "polars" in loaded_after(run.format(False) + "\nresult.orders")


def test_command_line_loads_no_extra() -> None:
    """Help and version answer on an installation without extras."""
    loaded = loaded_after("import orderengine.cli")
    assert loaded.isdisjoint(set(EXTRAS) - {"rich", "rich_click", "IPython"})


@pytest.mark.parametrize("name", oe.__all__)
def test_every_public_name_resolves(name: str) -> None:
    """What ``__all__`` and ``dir`` promise is there."""
    assert name in dir(oe)
    assert getattr(oe, name) is not None


def test_lazy_names_resolve_in_a_fresh_interpreter() -> None:
    """The names that load later work as attributes and as imports."""
    program = (
        "import orderengine as oe\n"
        "assert callable(oe.simulate) and callable(oe.scenario)\n"
        "assert callable(oe.Client.load)\n"
        "assert oe.Scenario().orders == 5000 and oe.Result.__name__ == 'Result'\n"
        "assert oe.amount('1.5', 'SOL') == 1500000000\n"
        "from orderengine import simulate, Scenario\n"
        "assert simulate is oe.simulate\n"
    )
    assert "orderengine" in loaded_after(program)


def test_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name fails like any module's."""
    with pytest.raises(AttributeError, match="module 'orderengine' has no attribute 'simulat'"):
        _ = oe.simulat
