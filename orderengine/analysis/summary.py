"""Say in one screen what became of a study's orders, how long they took and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest

import polars as pl

from orderengine.analysis.costs import PART_WORDS, Shortfall, shortfall_summary
from orderengine.analysis.in_flight import in_flight_max
from orderengine.analysis.latency import PERCENTILES, STAGE_WORDS, latency_percentiles
from orderengine.analysis.wording import NONE, count, number

__all__ = [
    "ENDING_WORDS",
    "Summary",
    "ending_counts",
    "render_summary",
    "summarise",
    "venue_counts",
]

ENDING_WORDS = {
    "confirmed": "filled",
    "failed": "failed",
    "cancelled": "cancelled",
    "expired": "expired",
    "open": "still open",
}
"""What each end of an order is called for people."""

_VENUES_SHOWN = 5
_LEFT_COLUMN = 39
_LABEL = 30


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Hold the headline figures of a table of orders; a figure that no order gives is None."""

    orders: int
    confirmed: int
    failed: int
    cancelled: int
    expired: int
    open: int
    """Orders that have not ended."""
    fill_rate: float | None
    """confirmed / orders, from 0 to 1."""
    filled_per_second: float | None
    """confirmed / virtual_seconds."""
    virtual_seconds: float
    """From the first accepted order to the last end, on the clock of the events."""
    in_flight_max: int
    """The largest number of orders open at once."""
    attempts_mean: float | None
    """Attempts that are over, for one order that ended."""
    venues: dict[str, int]
    """Orders filled, by venue; a split over two venues counts as ``a+b``; largest first."""
    codes: dict[str, int]
    """Failed orders by code; largest first."""
    latency_ms: dict[str, dict[str, float | None]]
    """Percentiles by stage: ``analysis.latency.latency_percentiles``."""
    shortfall_bps: Shortfall
    """Cost: ``analysis.costs.shortfall_summary``."""

    def __str__(self) -> str:
        return render_summary(self)

    def __repr__(self) -> str:
        return str(self)


def summarise(table: pl.DataFrame) -> Summary:
    """Return the headline figures of an order table."""
    counts = ending_counts(table)
    ended = table.filter(pl.col("ended_at").is_not_null())
    seconds = _seconds(table)
    confirmed = counts["confirmed"]
    return Summary(
        orders=len(table),
        **counts,
        fill_rate=confirmed / len(table) if len(table) else None,
        filled_per_second=confirmed / seconds if seconds else None,
        virtual_seconds=seconds,
        in_flight_max=in_flight_max(table),
        attempts_mean=int(ended["attempts"].sum()) / len(ended) if len(ended) else None,
        venues=venue_counts(table),
        codes=_counts(table["code"]),
        latency_ms=latency_percentiles(table),
        shortfall_bps=shortfall_summary(table),
    )


def ending_counts(table: pl.DataFrame) -> dict[str, int]:
    """Return the number of orders by terminal status, and ``open`` for the rest."""
    by_status = _counts(table["status"])
    ended = {name: by_status.get(name, 0) for name in ENDING_WORDS if name != "open"}
    return ended | {"open": len(table) - sum(ended.values())}


def venue_counts(table: pl.DataFrame) -> dict[str, int]:
    """Return the number of orders filled by venue, largest first, equal ones by name."""
    return _counts(table["venue"])


def _counts(values: pl.Series) -> dict[str, int]:
    found = (
        values.drop_nulls().value_counts(name="n").sort("n", values.name, descending=[True, False])
    )
    return dict(zip(found[values.name].to_list(), found["n"].to_list(), strict=True))


def _seconds(table: pl.DataFrame) -> float:
    begin, end = (table[name].cast(pl.Int64) for name in ("accepted_at", "ended_at"))
    begin_ns, end_ns = begin.min(), end.max()
    if not isinstance(begin_ns, int) or not isinstance(end_ns, int):
        return 0.0
    return (end_ns - begin_ns) / 1e9


def render_summary(summary: Summary, clock: str = "virtual time") -> str:
    """Return the summary as plain text of at most 80 columns and 30 lines, without a last line end.

    Figures that no order gives show as a dash; statuses that no order has are left out. ``clock``
    says which time the seconds are of.
    """
    seconds = number(summary.virtual_seconds, 3)
    head = (
        f"{count(summary.orders, 'order')} in {seconds} s of {clock}, "
        f"at most {summary.in_flight_max:,} open at once"
    )
    lines = [head, ""]
    for left, right in zip_longest(_ended_lines(summary), _venue_lines(summary), fillvalue=""):
        lines.append(f"{left:<{_LEFT_COLUMN}}   {right}".rstrip())
    if summary.codes:
        reasons = ", ".join(f"{code} {many:,}" for code, many in summary.codes.items())
        lines.append(_cut(f"  failed because of {reasons}", 80))
    lines += ["", _row("Where the time went, in ms", list(PERCENTILES))]
    for stage, ranked in summary.latency_ms.items():
        lines.append(_row(f"  {STAGE_WORDS[stage]}", [number(ms, 1) for ms in ranked.values()]))
    cost = summary.shortfall_bps
    lines += ["", _row("What it cost, in basis points", ["mean", "p50", "p95"])]
    for part, words in PART_WORDS.items():
        lines.append(_row(f"  {words}", [number(cost["parts"][part], 2)]))
    totals = [number(bps, 2) for bps in (cost["mean"], cost["p50"], cost["p95"])]
    return "\n".join([*lines, _row("  shortfall in all", totals)])


def _ended_lines(summary: Summary) -> list[str]:
    lines = [f"{'How they ended':<20}{'orders':>10}"]
    for name, words in ENDING_WORDS.items():
        many = getattr(summary, name)
        if many or name == "confirmed":
            lines.append(f"  {words:<18}{many:>10,}{_share(many, summary.orders):>9}")
    lines.append(f"  {'filled per second':<18}{number(summary.filled_per_second, 1):>10}")
    lines.append(f"  {'attempts an order':<18}{number(summary.attempts_mean, 2):>10}")
    return lines


def _venue_lines(summary: Summary) -> list[str]:
    counts: dict[str, int] = {}
    for venue, many in summary.venues.items():
        shared = venue.count("+") + 1
        name = venue if shared == 1 else f"{shared} venues"
        counts[name] = counts.get(name, 0) + many
    ordered = dict(sorted(counts.items(), key=lambda item: -item[1]))
    return _shares("Filled by", ordered, summary.confirmed)


def _shares(title: str, counts: Mapping[str, int], of: int) -> list[str]:
    """Return at most seven lines; what does not fit is counted together as others."""
    shown = list(counts.items())
    if len(shown) > _VENUES_SHOWN:
        rest = sum(count for _, count in shown[_VENUES_SHOWN - 1 :])
        shown = [*shown[: _VENUES_SHOWN - 1], (f"{len(counts) - _VENUES_SHOWN + 1} others", rest)]
    return [title, *(f"  {_cut(name, 17):<18}{n:>10,}{_share(n, of):>8}" for name, n in shown)]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _row(label: str, cells: list[str]) -> str:
    return f"{label:<{_LABEL}}" + "".join(f"{cell:>12}" for cell in cells)


def _share(many: int, of: int) -> str:
    return f"{100 * many / of:.1f} %" if of else NONE
