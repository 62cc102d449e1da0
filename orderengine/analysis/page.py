"""Build a self-contained HTML page, without a script or a network access, and write it whole.

All text is escaped, charts are SVG inside the page, and the page follows the reader's light or dark
scheme and prints. It goes to a temporary file in the same folder, which then replaces the path.
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
from orderengine.analysis.intervals import Estimate
from orderengine.analysis.targets import replacing
from orderengine.analysis.wording import NONE
from orderengine.errors import InvalidData

__all__ = [
    "ReportFacts",
    "estimate_words",
    "figure",
    "head",
    "html_table",
    "page",
    "said_at_the_end",
    "write_page",
]


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
    workers: int = 0
    """Orders executed at once, for the queue's figures; 0 leaves them out."""


def page(title: str, body: Sequence[str]) -> str:
    """Return the whole page around the parts of its body, which are HTML."""
    css = files("orderengine.analysis").joinpath("report.css").read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{css}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def write_page(path: Path | str, text: str) -> Path:
    """Write a page whole or not at all, and return its path.

    A reader sees the old file or the whole new one. A symbolic link stays, the file it leads to is
    replaced.

    Raises:
        InvalidData: the path cannot be written, or holds no regular file; nothing is left behind.
    """
    try:
        with replacing(path) as part, part.open("wb") as file:
            file.write(text.encode("utf-8", "xmlcharrefreplace"))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        found = error.strerror or str(error)
        raise InvalidData(str(path), found, "a writable path") from error
    return Path(path)


def head(title: str, facts: ReportFacts) -> str:
    """Return the title, the sentence under it and the short facts."""
    lead = f'<p class="lead">{escape(facts.lead)}</p>' if facts.lead else ""
    told = " · ".join(f"{escape(str(k))} {escape(str(v))}" for k, v in facts.facts.items())
    note = f'<p class="note">{told}</p>' if told else ""
    return f"<header><h1>{escape(title)}</h1>{lead}{note}</header>"


def figure(name: str, chart: plots.AnyChart) -> str:
    """Return a chart as SVG; ``name`` is its own on the page."""
    return f"<figure>{plots.to_svg(chart, f'{name}-')}</figure>"


def html_table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 1) -> str:
    """Return a table; the first ``texts`` columns are words, the others numbers."""
    top = "".join(
        f"<th{' class=n' if i >= texts else ''}>{escape(text)}</th>" for i, text in enumerate(heads)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{' class=n' if i >= texts else ''}>{escape(text).replace(chr(10), '<br>')}</td>"
            for i, text in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"


def estimate_words(figures: pl.DataFrame) -> list[str]:
    """Return each row of a table of figures as value and interval; an open end is a dash."""
    said = []
    for row in figures.to_dicts():
        value, low, high = (row[name] for name in ("value", "low", "high"))
        if value is None:
            said.append(NONE)
            continue
        found = Estimate(
            value=value,
            low=-float("inf") if low is None else low,
            high=float("inf") if high is None else high,
            confidence=row.get("confidence") or 0.0,
            count=1,
            method="",
        )
        said.append(str(found).replace("-inf", NONE).replace("inf", NONE))
    return said


def said_at_the_end(facts: ReportFacts) -> str:
    """Return what the figures assume, and how to repeat them."""
    parts = []
    if facts.assumptions:
        items = "".join(f"<li>{escape(text)}</li>" for text in facts.assumptions)
        parts.append(f"<section><h2>What these figures assume</h2><ul>{items}</ul></section>")
    repeat = []
    if facts.command:
        repeat.append(f"<pre><code>{escape(facts.command)}</code></pre>")
    if facts.event_log_sha256:
        repeat.append(
            "<p>The same scenario and seed give the same events, byte for byte. "
            f"SHA-256 of the event log:<br><code>{escape(facts.event_log_sha256)}</code></p>"
        )
    if facts.scenario_toml:
        repeat.append(f"<h3>Scenario</h3><pre><code>{escape(facts.scenario_toml)}</code></pre>")
    if repeat:
        parts.append(f"<section><h2>Repeat it</h2>{''.join(repeat)}</section>")
    return "".join(parts)
