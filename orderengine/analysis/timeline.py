"""Tell the life of one order: every event in words, and how long each phase took.

``timeline(log)`` reads one order's events. Its ``str()`` is for a terminal, its ``_repr_html_`` for
a notebook and the report; both hold the same lines and bars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from orderengine.analysis.palette import STAGES
from orderengine.analysis.phases import PHASE_WORDS, Span, spans
from orderengine.analysis.wording import Line, describe
from orderengine.errors import InvalidData
from orderengine.model.amounts import format_amount
from orderengine.model.events import Accepted, Event
from orderengine.model.instants import rfc3339
from orderengine.model.order import Mode, Order
from orderengine.model.tokens import token

__all__ = ["Timeline", "timeline"]

_BAR_WIDTH = 40


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Hold one order's life in words and spans; print it, or show it in a notebook."""

    order: Order
    accepted_at_ns: int
    status: str
    lines: tuple[Line, ...]
    """One an event, in order, with its offset from accepted."""
    spans: tuple[Span, ...]
    """The phases one after another, offsets from accepted in ns."""

    @property
    def title(self) -> str:
        """What was asked for, in one line."""
        return _asked(self.order)

    @property
    def duration_ns(self) -> int:
        """From accepted to the last event."""
        return self.lines[-1].offset_ns

    def __str__(self) -> str:
        out = [
            f"Order {self.order.order_id}: {self.title}",
            f"accepted {rfc3339(self.accepted_at_ns)}, {self._end}",
            "",
            f"{'ms':>11}  event",
        ]
        for line in self.lines:
            out.append(f"{_ms(line.offset_ns):>11}  {line.event:<16} {line.text}".rstrip())
            out += [f"{'':>11}  {mark} {where:<32} {text}" for mark, where, text in line.details]
        if self.spans:
            out += ["", f"{'ms':>11}  phase"]
            out += [
                f"{_ms(span.end_ns - span.begin_ns):>11}  {_label(span):<37} {self._bar(span)}"
                for span in self.spans
            ]
        return "\n".join(out)

    def __repr__(self) -> str:
        return str(self)

    @property
    def _end(self) -> str:
        return f"{self.status} after {_ms(self.duration_ns)} ms"

    def _bar(self, span: Span) -> str:
        """Return a bar over the whole life; a phase too short to see still gets a thin mark."""
        whole = max(1, self.duration_ns)
        begin = min(_BAR_WIDTH - 1, round(span.begin_ns * _BAR_WIDTH / whole))
        cells = round(span.end_ns * _BAR_WIDTH / whole) - begin
        bar = "█" * cells or "▏"
        return f"{'·' * begin}{bar}".ljust(_BAR_WIDTH, "·")

    def _repr_html_(self) -> str:
        whole = max(1, self.duration_ns)
        bars = "".join(
            f"<tr>{_cell(_ms(span.end_ns - span.begin_ns), 'ms')}{_cell(escape(_label(span)))}"
            f'<td class="bar" style="{_BAR}"><span style="'
            f"background:{STAGES[span.phase]};margin-left:{100 * span.begin_ns / whole:.2f}%;"
            f"width:{max(0.3, 100 * (span.end_ns - span.begin_ns) / whole):.2f}%"
            f'"></span></td></tr>'
            for span in self.spans
        )
        return (
            f'<div class="oe-timeline"><style>{_CSS}</style>{self.events_html()}'
            f'<table style="{_WIDE}"><tr>{_cell("ms", "ms", "th")}{_cell("phase", tag="th")}'
            f'<th class="bar" style="{_BAR}"></th></tr>{bars}</table></div>'
        )

    def events_html(self) -> str:
        """Return the events as an HTML table without style, all text escaped."""
        return (
            f"<p><b>{escape(self.title)}</b><br>Order {escape(self.order.order_id)}, "
            f"accepted {rfc3339(self.accepted_at_ns)}, {escape(self._end)}.</p>"
            f'<table style="{_WIDE}"><tr>{_cell("ms", "ms", "th")}{_cell("event", tag="th")}'
            f"{_cell('what happened', tag='th')}</tr>"
            f"{''.join(_html_line(line) for line in self.lines)}</table>"
        )


def timeline(log: Sequence[Event]) -> Timeline:
    """Return the life of the order whose events these are; it may be unfinished.

    Raises:
        InvalidData: the log does not begin with an accepted event.
    """
    accepted = log[0] if log else None
    if not isinstance(accepted, Accepted):
        found = "no event" if accepted is None else type(accepted).__name__
        raise InvalidData("the log of an order", found, "an accepted event first")
    return Timeline(
        order=accepted.order,
        accepted_at_ns=accepted.at_ns,
        status=str(log[-1].status),
        lines=tuple(describe(event, accepted) for event in log),
        spans=spans(log),
    )


def _asked(order: Order) -> str:
    sell, buy = token(order.sell).symbol, token(order.buy).symbol
    if order.mode is Mode.EXACT_IN:
        wish = f"sell {format_amount(order.amount, sell)} for {buy}"
    else:
        wish = f"buy {format_amount(order.amount, buy)} with {sell}"
    return f"{wish}, {order.priority} priority, at most {order.slippage_bps} bps from the quote"


def _label(span: Span) -> str:
    attempt = f"attempt {span.attempt}: " if span.attempt else ""
    return attempt + PHASE_WORDS[span.phase]


def _ms(duration_ns: int) -> str:
    """Return milliseconds to the microsecond, rounded half to even on the nanoseconds."""
    return f"{duration_ns / 1e6:,.3f}"


def _html_line(line: Line) -> str:
    details = "".join(
        f'<div class="{"won" if mark == "✓" else "lost"}"><i>{mark}</i>'
        f'<span class="where">{escape(where)}</span> {escape(text)}</div>'
        for mark, where, text in line.details
    )
    return (
        f"<tr>{_cell(_ms(line.offset_ns), 'ms')}{_cell(escape(line.event))}"
        f"{_cell(escape(line.text) + details)}</tr>"
    )


_WIDE = "width:100%"
_BAR = "width:55%;text-align:left"


def _cell(html: str, kind: str = "", tag: str = "td") -> str:
    """Return a cell of escaped text, numbers (``ms``) right; Jupyter would align all right."""
    look = ' class="ms" style="text-align:right"' if kind else ' style="text-align:left"'
    return f"<{tag}{look}>{html}</{tag}>"


_CSS = """
.oe-timeline table { border-collapse: collapse; width: 100%; margin: 0 0 1em; font-size: 13px }
.oe-timeline td, .oe-timeline th { text-align: left; vertical-align: top; padding: 3px 10px 3px 0 }
.oe-timeline .ms { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.oe-timeline .lost { opacity: .65 }
.oe-timeline .won { font-weight: 600 }
.oe-timeline td i { display: inline-block; width: 1.3em; font-style: normal }
.oe-timeline .where { display: inline-block; min-width: 15em }
.oe-timeline .bar { width: 55% }
.oe-timeline .bar span { display: block; height: 12px; border-radius: 2px; background: #999 }
"""
