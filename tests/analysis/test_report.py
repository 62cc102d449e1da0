"""Test the report page: self-contained, escaped, written whole or not at all."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from orderengine.analysis.report import ReportFacts, render_report, write_report
from orderengine.analysis.tables import order_table
from orderengine.analysis.targets import replaceable
from orderengine.errors import InvalidData
from orderengine.model.events import Event
from tests.analysis.logs import an_order, filled_log, seeded_logs
from tests.analysis.test_summary import only_failed

FACTS = ReportFacts(
    lead="A lead & more",
    facts={"seed": 7},
    assumptions=["Pools <do not> move."],
    scenario_toml='name = "<script>alert(1)</script>"  # https://example.org',
    event_log_sha256="ab" * 32,
    command="orderengine simulate default --seed 7",
)


def page(logs: list[list[Event]], facts: ReportFacts = FACTS, title: str = "A study") -> str:
    """Return the page of some logs."""
    return render_report(title=title, facts=facts, logs=logs, table=order_table(logs))


def test_page_has_every_part() -> None:
    """Tiles, tables, ten charts, one order, assumptions, scenario, hash and command."""
    html = page(seeded_logs(300))
    assert html.count("<svg") == 10
    assert html.count('class="tile"') == 6
    for expected in (
        "A lead &amp; more",
        "seed 7",
        "Pools &lt;do not&gt; move.",
        "ab" * 32,
        "orderengine simulate default --seed 7",
        "What it cost, bps",
        "longer than 95 % of them",
    ):
        assert expected in html


def test_page_fetches_nothing_and_runs_nothing() -> None:
    """No script, no link, no source, no import and no remote url stands in the page."""
    html = page(seeded_logs(60))
    assert not re.search(r"<(script|link|iframe|object|embed|img|base)\b", html, re.IGNORECASE)
    assert not re.search(r"\b(src|href|srcset|action)\s*=", html, re.IGNORECASE)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    assert not re.search(r"\son[a-z]+\s*=", html)


def test_page_escapes_names() -> None:
    """Markup in titles, users' ids, scenarios and facts is shown, never run."""
    evil = "<script>alert(1)</script>"
    log = filled_log(an_order(order_id=evil, user=evil), price=2**63, amounts=(10, 5)).events
    facts = ReportFacts(
        lead=evil, facts={evil: evil}, assumptions=[evil], scenario_toml=evil, command=evil
    )
    html = page([log], facts, title=evil)
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 8


@pytest.mark.parametrize("logs", [[], only_failed(), seeded_logs(1)], ids=["none", "failed", "one"])
def test_page_of_few_orders_shows_no_nan(logs: list[list[Event]]) -> None:
    """A page of no orders or only failed ones is whole and shows neither NaN nor None."""
    html = page(logs, ReportFacts())
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)
    assert html.endswith("</html>\n")
    assert not re.search(r"\b(NaN|nan|None|inf)\b", text)
    assert "NaN" not in html


def test_same_arguments_give_the_same_page() -> None:
    """The page holds neither a date of writing nor a counter."""
    logs = seeded_logs(40)
    assert page(logs) == page(logs)


def test_ids_in_charts_differ() -> None:
    """Clip paths of one chart never apply to another."""
    ids = re.findall(r'\bid="([^"]+)"', page(seeded_logs(60)))
    assert len(ids) == len(set(ids))


def test_report_replaces_the_file_whole(tmp_path: Path) -> None:
    """An older page is replaced, and no temporary file stays."""
    logs = only_failed()
    target = tmp_path / "report.html"
    target.write_text("old")
    written = write_report(target, title="New", facts=FACTS, logs=logs, table=order_table(logs))
    assert written == target
    assert target.read_text("utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [target]


def test_links_stay_and_their_file_is_replaced(tmp_path: Path) -> None:
    """A link to a page elsewhere still leads there, to the new page."""
    (tmp_path / "pages").mkdir()
    real, link = tmp_path / "pages" / "real.html", tmp_path / "link.html"
    real.write_text("old")
    link.symlink_to(real)
    written = write_report(link, title="t", facts=ReportFacts(), logs=[], table=order_table([]))
    assert written == link
    assert link.is_symlink()
    assert real.read_text("utf-8").startswith("<!doctype html>")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["link.html", "pages", "real.html"]


def test_only_regular_files_are_replaced(tmp_path: Path) -> None:
    """A pipe, a device, a loop of links and no path at all are refused, and stay."""
    pipe, loop, to_device = (tmp_path / name for name in ("pipe", "loop", "device"))
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    to_device.symlink_to("/dev/null")
    for path in (pipe, loop, to_device, "/dev/null", ""):
        with pytest.raises(InvalidData, match="a writable path"):
            write_report(path, title="t", facts=ReportFacts(), logs=[], table=order_table([]))
    assert pipe.is_fifo()
    assert to_device.is_symlink()
    assert replaceable(tmp_path / "new") == (tmp_path / "new").resolve()


def test_text_that_is_no_unicode_is_written(tmp_path: Path) -> None:
    """A lone surrogate becomes a reference instead of an error."""
    write_report(
        tmp_path / "r.html", title="bad \ud800", facts=ReportFacts(), logs=[], table=order_table([])
    )
    assert "&#55296;" in (tmp_path / "r.html").read_text("utf-8")


@pytest.mark.parametrize("name", ["missing/report.html", "file/report.html", "folder"])
def test_unwritable_path_is_refused_and_nothing_stays(tmp_path: Path, name: str) -> None:
    """A missing folder, a file in its place, or a folder as the target name the path."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InvalidData, match="expected a writable path") as caught:
        write_report(
            tmp_path / name, title="t", facts=ReportFacts(), logs=[], table=order_table([])
        )
    assert caught.value.source == str(tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before
