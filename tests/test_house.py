"""The house keeps its rules: what an import linter cannot see."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "orderengine"
PURE = (
    "model",
    "pools",
    "routing",
    "market",
    "analysis",
    "execution/step.py",
    "execution/policy.py",
    "execution/priority_fee.py",
    "execution/volatility.py",
)
CLOCKS = {("time", "time"), ("time", "time_ns"), ("time", "monotonic"), ("datetime", "now")}


def _modules(place: str) -> list[Path]:
    root = PACKAGE / place
    return [root] if root.is_file() else sorted(root.rglob("*.py"))


@pytest.mark.parametrize("place", PURE)
def test_pure_rooms_have_no_async_code_and_read_no_clock(place: str) -> None:
    """What can be a plain function is one, and its time is passed in."""
    modules = _modules(place)
    assert modules, f"{place} has moved: change this test with it"
    for module in modules:
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), f"{module}:{node.lineno}"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in CLOCKS, f"{module}:{node.lineno}"


def test_every_room_is_named_in_the_architecture() -> None:
    """A reader of docs/architecture.md meets every folder of the package."""
    text = (PACKAGE.parent / "docs" / "architecture.md").read_text("utf-8")
    rooms = sorted(child.name for child in PACKAGE.iterdir() if (child / "__init__.py").exists())
    assert [room for room in rooms if f"`{room}/`" not in text] == []


def test_the_lifecycle_page_is_drawn_from_the_table() -> None:
    """docs/lifecycle.md is what docs/make_lifecycle.py writes today."""
    folder = PACKAGE.parent / "docs"
    drawn = runpy.run_path(str(folder / "make_lifecycle.py"))["page"]()
    assert (folder / "lifecycle.md").read_text("utf-8") == drawn
