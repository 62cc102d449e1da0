"""The documentation keeps up with the code: links lead somewhere, tables name what there is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pytest

import orderengine as oe
from tests.study.busy import busy
from tests.study.sweeping import SMALL, Inline

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")])
STUDY = ROOT / "docs" / "study"
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = CODE.sub("", page.read_text("utf-8"))
    heads = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def dead_links(page: Path) -> list[str]:
    """Return the relative links of a page that lead nowhere."""
    found = []
    for link in LINK.findall(CODE.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        is_page = target.suffix == ".md"
        if not target.exists() or (anchor and is_page and anchor not in anchors(target)):
            found.append(link)
    return found


def test_relative_links_lead_somewhere() -> None:
    """To a file that is there, and in a page to a heading that is there."""
    assert len(PAGES) > 30, "the documentation has moved: change this test with it"
    dead = {str(page.relative_to(ROOT)): dead_links(page) for page in PAGES}
    assert {page: links for page, links in dead.items() if links} == {}


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    """A missing file, and a missing heading; code and the web are left alone."""
    page = tmp_path / "page.md"
    page.write_text(
        "# A page, and more\n[a](#a-page-and-more) [b](gone.md) [c](page.md#none)\n"
        "[d](https://example.org/x)\n```\n[e](gone.md)\n```\n"
    )
    assert dead_links(page) == ["gone.md", "page.md#none"]


def test_the_index_names_every_page_of_studies() -> None:
    """Each page of docs/study is linked from its README."""
    index = (STUDY / "README.md").read_text("utf-8")
    pages = {page.name for page in STUDY.glob("*.md")} - {"README.md"}
    assert sorted(page for page in pages if f"]({page}" not in index) == []


def documented(heading: str) -> list[tuple[str, str]]:
    """Return names and types of the table under a heading of docs/study/tables.md."""
    text = (STUDY / "tables.md").read_text("utf-8")
    part = text.split(f"## {heading}", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `([^`]+)` \| (\w+) \|", part, re.MULTILINE)


def named(schema: pl.Schema, names: Iterable[str]) -> list[tuple[str, str]]:
    """Return names and plain types of a table's columns."""
    return [(name, str(schema[name]).split("(", 1)[0]) for name in names]


@pytest.mark.parametrize("table", ["orders", "events"])
def test_the_page_of_tables_has_the_columns_of_a_run(table: str) -> None:
    """Exactly these, in their order, with their types."""
    frame: pl.DataFrame = getattr(busy(), table)
    assert documented(f"`{table}`") == named(frame.schema, frame.columns)


def test_the_page_of_tables_has_the_columns_of_a_sweep() -> None:
    """Each column has one line, and each line a column; words in capitals stand for any."""
    table = oe.sweep(SMALL, {"engine.workers": [2]}, 1, Inline(), progress=False).table
    left = named(table.schema, [name for name in table.columns if name != "engine.workers"])
    for name, kind in documented("A sweep's table"):
        pattern = re.sub(r"[A-Z]{2,}", r"[^.]+", re.escape(name))
        found = [column for column in left if re.fullmatch(pattern, column[0])]
        assert found, name
        assert {of for _, of in found} == {kind}, name
        left = [column for column in left if column not in found]
    assert left == []
