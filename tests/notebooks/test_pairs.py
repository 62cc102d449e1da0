"""Each notebook says what its text form says, and its stored output names no machine."""

from __future__ import annotations

from pathlib import Path

import jupytext
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def _cells(path: Path) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source.strip()) for cell in jupytext.read(path).cells]


def test_there_are_notebooks() -> None:
    """The folder was not moved away from this test."""
    assert NOTEBOOKS


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_equals_its_text_form(notebook: Path) -> None:
    """``make notebooks`` was run after the last edit."""
    assert _cells(notebook) == _cells(notebook.with_suffix(".py"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_output_is_clean(notebook: Path) -> None:
    """No error, nothing on standard error, no path of the machine that ran it."""
    cells = [cell for cell in jupytext.read(notebook).cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    assert outputs, "run make notebooks"
    bad = [out for out in outputs if out.output_type == "error" or out.get("name") == "stderr"]
    assert bad == []
    text = notebook.read_text("utf-8")
    assert "/home/" not in text
    assert str(FOLDER.parent) not in text
