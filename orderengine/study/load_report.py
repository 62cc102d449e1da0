"""Say what a service did with a load of orders: speed, refusals, and whether events were whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from orderengine.study.load_tally import OrderTally

__all__ = ["LoadReport", "report_of"]

_RANKS = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
_ENDINGS = ("confirmed", "failed", "cancelled", "expired")
_WORDS = {
    "lost": "accepted, and no end seen",
    "duplicated": "events sent twice",
    "out_of_order": "events sent late",
    "missing": "events never sent",
}
_STAGE_WORDS = {"accepted": "start to receipt", "ended": "start to end"}


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """Hold what one load run measured, from the client's side."""

    orders: int
    """Orders sent, or tried to."""
    accepted: int
    """Orders answered with a receipt."""
    refused: dict[str, int]
    """Orders without a receipt, by the error's code; UNAVAILABLE where no answer came in time."""
    ended: dict[str, int]
    """Orders by terminal status."""
    lost: int
    """Accepted orders of which no end could be learned, from the log neither."""
    duplicated: int
    """Messages on sockets that repeated an event."""
    out_of_order: int
    """Events that came on a socket after a later one of the same order."""
    missing: int
    """Events that the log has and no socket sent."""
    reconnects: int
    """Sockets opened again; with one socket for all, what happened meanwhile is missing."""
    latency_ms: dict[str, dict[str, float | None]]
    """p50, p95, p99 from the intended start to the receipt (``accepted``) and to the client's
    knowledge of the end (``ended``). An order sent late counts from when it should have been."""
    seconds: float
    """From the first intended start to the last end."""
    orders_per_s: float | None
    """Orders ended, a second."""
    cpu_seconds: float
    """CPU time of the client's process."""

    @property
    def is_whole(self) -> bool:
        """Whether no order was lost and every event came exactly once, in order."""
        return not (self.lost or self.duplicated or self.out_of_order or self.missing)

    def figures(self) -> dict[str, Any]:
        """Return all fields as plain values."""
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def report_of(
    tallies: Sequence[OrderTally],
    *,
    refused: Mapping[str, int],
    reconnects: int,
    began_at: float,
    cpu_seconds: float,
) -> LoadReport:
    """Return the report of a run whose accepted orders are ``tallies``."""
    ends = [tally for tally in tallies if tally.ended_at is not None]
    seconds = max((tally.ended_at or 0 for tally in ends), default=began_at) - began_at
    statuses = Counter(
        event.status.value
        for tally in ends
        for event in tally.events.values()
        if event.status.is_terminal
    )
    return LoadReport(
        orders=len(tallies) + sum(refused.values()),
        accepted=len(tallies),
        refused=dict(sorted(refused.items())),
        ended={name: statuses[name] for name in _ENDINGS},
        lost=len(tallies) - len(ends),
        duplicated=sum(tally.duplicated for tally in tallies),
        out_of_order=sum(tally.out_of_order for tally in tallies),
        missing=sum(tally.missing for tally in tallies),
        reconnects=reconnects,
        latency_ms={
            "accepted": _ranked(tally.accepted_at - tally.intended_at for tally in tallies),
            "ended": _ranked((tally.ended_at or 0) - tally.intended_at for tally in ends),
        },
        seconds=round(seconds, 6),
        orders_per_s=round(len(ends) / seconds, 3) if seconds > 0 else None,
        cpu_seconds=round(cpu_seconds, 6),
    )


def _ranked(durations_s: Iterable[float]) -> dict[str, float | None]:
    """Return percentiles in ms: the smallest value that so many are no greater than."""
    ranked = sorted(durations_s)
    if not ranked:
        return dict.fromkeys(_RANKS)
    return {
        name: round(ranked[ceil(share * len(ranked)) - 1] * 1e3, 3)
        for name, share in _RANKS.items()
    }


def _lines(report: LoadReport) -> list[str]:
    rate = "-" if report.orders_per_s is None else f"{report.orders_per_s:,.1f}"
    lines = [f"{report.orders:,} orders in {report.seconds:,.3f} s, {rate} ended a second", ""]
    lines.append(_row("Orders", ""))
    lines.append(_row("  accepted", f"{report.accepted:,}"))
    lines += [_row(f"  refused, {code}", f"{many:,}") for code, many in report.refused.items()]
    lines += [_row(f"  {name}", f"{many:,}") for name, many in report.ended.items() if many]
    lines += ["", _row("What must be 0", "")]
    lines += [_row(f"  {words}", f"{getattr(report, name):,}") for name, words in _WORDS.items()]
    lines += [_row("Sockets opened again", f"{report.reconnects:,}"), ""]
    lines.append(_row("Latency, in ms", *_RANKS))
    for stage, ranked in report.latency_ms.items():
        cells = ("-" if ms is None else f"{ms:,.1f}" for ms in ranked.values())
        lines.append(_row(f"  {_STAGE_WORDS[stage]}", *cells))
    return lines


def _row(label: str, *cells: str) -> str:
    return (f"{label:<30}" + "".join(f"{cell:>12}" for cell in cells)).rstrip()
