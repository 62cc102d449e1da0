"""Write a study's report: one self-contained HTML page, without a script or a network access.

All text is escaped, the charts are SVG inside the page, and the page follows the reader's light or
dark scheme and prints. It is written whole or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path

import polars as pl

from orderengine.analysis import plots
from orderengine.analysis.report_figures import summary_tables, tiles
from orderengine.analysis.summary import summarise
from orderengine.analysis.targets import replacing
from orderengine.analysis.timeline import timeline
from orderengine.errors import InvalidData
from orderengine.model.events import Event

__all__ = ["ReportFacts", "render_report", "write_report"]


@dataclass(frozen=True, kw_only=True)
class ReportFacts:
    """Hold what the events do not say; an empty field leaves its part of the page out."""

    lead: str = ""
    """A sentence under the title: what was studied."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """Short named facts, such as the seed or the version, shown as they print."""
    assumptions: Sequence[str] = ()
    """What the figures take for granted, a sentence each."""
    scenario_toml: str = ""
    event_log_sha256: str = ""
    command: str = ""
    """The command line that gives these figures again."""


def write_report(
    path: Path | str,
    *,
    title: str,
    facts: ReportFacts,
    logs: Sequence[Sequence[Event]],
    table: pl.DataFrame,
) -> Path:
    """Write the page and return its path; ``table`` is ``order_table(logs)``.

    The page goes to a temporary file in the same folder, which then replaces ``path``: a reader
    sees the old file or the whole new one. A symbolic link stays, the file it leads to is replaced.

    Raises:
        InvalidData: the path cannot be written, or holds no regular file; nothing is left behind.
    """
    page = render_report(title=title, facts=facts, logs=logs, table=table)
    try:
        with replacing(path) as part, part.open("wb") as file:
            file.write(page.encode("utf-8", "xmlcharrefreplace"))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        found = error.strerror or str(error)
        raise InvalidData(str(path), found, "a writable path") from error
    return Path(path)


def render_report(
    *, title: str, facts: ReportFacts, logs: Sequence[Sequence[Event]], table: pl.DataFrame
) -> str:
    """Return the page as text; the same arguments give the same page."""
    summary = summarise(table)
    css = files("orderengine.analysis").joinpath("report.css").read_text("utf-8")
    lead = f'<p class="lead">{escape(facts.lead)}</p>' if facts.lead else ""
    body = [
        f"<header><h1>{escape(title)}</h1>{lead}{_facts(facts.facts)}</header>",
        tiles(summary),
        summary_tables(summary),
        "<section><h2>Time</h2>",
        _figure("latency", plots.latency(table)),
        _figure("in-flight", plots.in_flight(logs)),
        "</section><section><h2>Cost</h2>",
        _figure("shortfall", plots.shortfall(table)),
        _figure("price", plots.price(table)),
        _figure("venues", plots.venues(table)),
        "</section>",
        _one_order(logs, table),
        _assumptions(facts.assumptions),
        _repeat(facts),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{css}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _figure(name: str, chart: plots.AnyChart) -> str:
    return f"<figure>{plots.to_svg(chart, f'{name}-')}</figure>"


def _facts(facts: Mapping[str, object]) -> str:
    if not facts:
        return ""
    told = " · ".join(f"{escape(str(name))} {escape(str(fact))}" for name, fact in facts.items())
    return f'<p class="note">{told}</p>'


def _one_order(logs: Sequence[Sequence[Event]], table: pl.DataFrame) -> str:
    """Return the life of the filled order at p95 of the total, else of the first order."""
    if table.is_empty():
        return ""
    filled = table.filter(pl.col("status") == "confirmed").sort("total_ns", "number")
    if filled.is_empty():
        number, why = 0, "the first one, for none was filled"
    else:
        number = filled["number"][max(0, -(-95 * len(filled) // 100) - 1)]
        why = "the filled order that took longer than 95 % of them"
    log = logs[number]
    return (
        f"<section><h2>One order</h2><p>Order number {number:,}: {why}.</p>"
        f"{_figure('timeline', plots.timeline(log))}"
        f'<div class="life">{timeline(log).events_html()}</div></section>'
    )


def _assumptions(assumptions: Sequence[str]) -> str:
    if not assumptions:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in assumptions)
    return f"<section><h2>What these figures assume</h2><ul>{items}</ul></section>"


def _repeat(facts: ReportFacts) -> str:
    parts = []
    if facts.command:
        parts.append(f"<pre><code>{escape(facts.command)}</code></pre>")
    if facts.event_log_sha256:
        parts.append(
            "<p>The same scenario and seed give the same events, byte for byte. "
            f"SHA-256 of the event log:<br><code>{escape(facts.event_log_sha256)}</code></p>"
        )
    if facts.scenario_toml:
        parts.append(f"<h3>Scenario</h3><pre><code>{escape(facts.scenario_toml)}</code></pre>")
    return f"<section><h2>Repeat it</h2>{''.join(parts)}</section>" if parts else ""
