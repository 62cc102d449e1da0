"""Render the headline figures of a summary as tiles and tables in HTML, for report and notebook."""

from __future__ import annotations

from html import escape

from orderengine.analysis.costs import PART_WORDS
from orderengine.analysis.latency import PERCENTILES, STAGE_WORDS
from orderengine.analysis.summary import ENDING_WORDS, Summary
from orderengine.analysis.wording import NONE, count, number

__all__ = ["notebook_summary", "summary_tables", "tiles"]

_VENUES_SHOWN = 8


def tiles(summary: Summary) -> str:
    """Return the six figures that a reader wants first."""
    total, cost = summary.latency_ms["total"], summary.shortfall_bps
    filled = None if summary.fill_rate is None else 100 * summary.fill_rate
    shown = (
        (number(filled, 1), "%", f"filled, of {count(summary.orders, 'order')}"),
        (number(cost["mean"], 1), "bps", "mean cost against the price at acceptance"),
        (number(total["p50"], 0), "ms", "from accepted to the end, median"),
        (number(total["p95"], 0), "ms", "from accepted to the end, p95"),
        (number(summary.filled_per_second, 1), "/ s", "orders filled, virtual time"),
        (f"{summary.in_flight_max:,}", "", "orders open at once, at most"),
    )
    boxes = "".join(
        f'<div class="tile"><b>{figure}<i> {unit if figure != NONE else ""}</i></b>'
        f"<span>{words}</span></div>"
        for figure, unit, words in shown
    )
    return f'<div class="tiles">{boxes}</div>'


def summary_tables(summary: Summary) -> str:
    """Return how orders ended, who filled them, how long it took and what it cost."""
    cost = summary.shortfall_bps
    ended = []
    for name, words in ENDING_WORDS.items():
        many = int(getattr(summary, name))
        if many or name == "confirmed":
            ended.append([words, f"{many:,}", _share(many, summary.orders)])
        if name == "failed":
            ended += [[f"because of {code}", f"{n:,}", ""] for code, n in summary.codes.items()]
    venues = list(summary.venues.items())
    if len(venues) > _VENUES_SHOWN:
        rest = venues[_VENUES_SHOWN - 1 :]
        others = (f"{len(rest)} other combinations", sum(n for _, n in rest))
        venues = [*venues[: _VENUES_SHOWN - 1], others]
    none = [["no venue", "0", ""]]
    filled = [[name, f"{n:,}", _share(n, summary.confirmed)] for name, n in venues]
    times = [
        [STAGE_WORDS[stage], *(number(ms, 1) for ms in ranked.values())]
        for stage, ranked in summary.latency_ms.items()
    ]
    costs = [[PART_WORDS[part], number(bps, 2), "", ""] for part, bps in cost["parts"].items()]
    costs.append(
        ["shortfall in all", *(number(bps, 2) for bps in (cost["mean"], cost["p50"], cost["p95"]))]
    )
    return (
        '<section><h2>In figures</h2><div class="pair">'
        f"<div><h3>How orders ended</h3>{_table(['', 'orders', ''], ended)}</div>"
        f"<div><h3>Who filled them</h3>{_table(['', 'orders', ''], filled or none)}</div>"
        "<div><h3>Where the time went, ms</h3>"
        f"{_table(['', *PERCENTILES], times, total=True)}"
        '<p class="note">Stages of filled orders; the end of any order.</p></div>'
        "<div><h3>What it cost, bps</h3>"
        f"{_table(['', 'mean', 'p50', 'p95'], costs, total=True)}"
        '<p class="note">Implementation shortfall of all orders that ended, each counted once; '
        "cancelled ones are left out. A price move between the first route and the last one counts "
        "as a failed attempt.</p></div></div></section>"
    )


def notebook_summary(summary: Summary, lead_html: str = "") -> str:
    """Return tiles and tables with their own style, for a notebook's light or dark page.

    ``lead_html`` stands above them as it is given: the caller has escaped it.
    """
    lead = f"<p>{lead_html}</p>" if lead_html else ""
    return (
        f'<div class="oe-summary"><style>{_NOTEBOOK_CSS}</style>{lead}'
        f"{tiles(summary)}{summary_tables(summary)}</div>"
    )


def _table(heads: list[str], rows: list[list[str]], *, total: bool = False) -> str:
    """Return a table with numbers from the second column on; ``total`` marks the last row."""
    head = "".join(f"<th{_look(i)}>{escape(text)}</th>" for i, text in enumerate(heads))
    body = "".join(
        f"<tr{' class=sum' if total and k == len(rows) - 1 else ''}>"
        + "".join(f"<td{_look(i)}>{escape(text)}</td>" for i, text in enumerate(row))
        + "</tr>"
        for k, row in enumerate(rows)
    )
    return f'<table style="width:100%"><tr>{head}</tr>{body}</table>'


def _look(column: int) -> str:
    """Return class and style of a cell; Jupyter's own style would align all of them right."""
    return ' class="n" style="text-align:right"' if column else ' style="text-align:left"'


def _share(many: int, of: int) -> str:
    return f"{100 * many / of:.1f} %" if of else NONE


_NOTEBOOK_CSS = """
.oe-summary { max-width: 900px; font-size: 14px; line-height: 1.4 }
.oe-summary h2 { display: none }
.oe-summary h3 { font-size: 14px; margin: 18px 0 4px }
.oe-summary .tiles { display: grid; grid-template-columns: repeat(3, 1fr); gap: 10px }
.oe-summary .tile { border: 1px solid #8884; border-radius: 6px; padding: 8px 12px }
.oe-summary .tile b { display: block; font-size: 20px; font-weight: 600 }
.oe-summary .tile i { font-style: normal; font-size: 13px; font-weight: 400; opacity: .7 }
.oe-summary .tile span, .oe-summary .note, .oe-summary th { font-size: 12px; opacity: .7 }
.oe-summary .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 0 36px }
.oe-summary table { border-collapse: collapse; width: 100%; margin: 0; font-size: 13px }
.oe-summary th, .oe-summary td { text-align: left; padding: 3px 0; background: none; border: 0;
  border-bottom: 1px solid #8884; font-weight: 400 }
.oe-summary .n { text-align: right; padding-left: 12px; font-variant-numeric: tabular-nums }
.oe-summary tr.sum td { font-weight: 600 }
"""
