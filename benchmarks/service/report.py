"""Say what the rounds come to: medians, ratios to the peer, and which goals are met."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from benchmarks.service.cases import COMPARED, ORIGINAL, SCALE
from benchmarks.service.rounds import Measured

__all__ = ["Goal", "Median", "faults_of", "goals", "medians", "ratios", "table"]

_COLUMNS = {
    "orders/s": "orders_per_s",
    "end p50": "e2e_p50_ms",
    "end p99": "e2e_p99_ms",
    "post p50": "post_p50_ms",
    "post p99": "post_p99_ms",
    "cpu a+w": "engine_cpu_ms",
}
_SERVERS = {"redis": "redis", "postgres": "pg"}
_WIDTH = 9
_NOTES = (
    "Times in ms; CPU in ms an order: a+w is API and workers together, pg all of PostgreSQL.",
    "POST only: what workers do after the last answer is in no figure.",
)


class Median(Struct, frozen=True, kw_only=True):
    """Hold the medians of one target in one case over all rounds."""

    part: str
    case: str
    target: str
    workers: int
    rounds: int
    figures: dict[str, float]
    cpu_ms_an_order: dict[str, float]
    memory_mb: dict[str, float]


class Goal(Struct, frozen=True, kw_only=True):
    """Hold what is to be reached and what was."""

    words: str
    at_least: float | None = None
    at_most: float | None = None
    found: float | None = None
    """None where it was not measured."""

    @property
    def is_met(self) -> bool | None:
        """Whether it is reached; None where it was not measured."""
        if self.found is None:
            return None
        is_enough = self.at_least is None or self.found >= self.at_least
        return is_enough and (self.at_most is None or self.found <= self.at_most)

    def __str__(self) -> str:
        said = {None: "not measured", True: "met", False: "MISSED"}[self.is_met]
        bound = f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"
        found = "-" if self.found is None else f"{self.found:.2f}"
        return f"{said:<13}{found:>8}  {bound:<8}{self.words}"


def medians(measured: Sequence[Measured]) -> list[Median]:
    """Return the medians of each target in each case, in the order in which they first came."""
    found: dict[tuple[str, str, str, int], list[Measured]] = {}
    for one in measured:
        found.setdefault((one.part, one.case, one.target, one.workers), []).append(one)
    return [
        Median(
            part=part,
            case=case,
            target=target,
            workers=workers,
            rounds=len(rounds),
            figures=_middle([one.figures for one in rounds]),
            cpu_ms_an_order=_middle([one.cpu_ms_an_order for one in rounds]),
            memory_mb=_middle([one.memory_mb for one in rounds]),
        )
        for (part, case, target, workers), rounds in found.items()
    ]


def ratios(found: Sequence[Median]) -> dict[str, dict[str, dict[str, float]]]:
    """Return each median over the peer's, by case, target and figure."""
    peers = {one.case: one.figures for one in found if one.target == "peer"}
    told: dict[str, dict[str, dict[str, float]]] = {}
    for one in found:
        if one.target != "peer" and one.part != SCALE and one.case in peers:
            told.setdefault(one.case, {})[one.target] = {
                name: round(value / peers[one.case][name], 3)
                for name, value in one.figures.items()
                if peers[one.case].get(name)
            }
    return told


def goals(found: Sequence[Median], faults: int) -> list[Goal]:
    """Return what the service is to reach, and what it did."""
    over = ratios(found)

    def over_peer(case: str, target: str, figure: str) -> float | None:
        return over.get(case, {}).get(target, {}).get(figure)

    last_ends_ms = [
        one.figures["after_reply_max_ms"]
        for one in found
        if one.case == ORIGINAL.name and "after_reply_max_ms" in one.figures
    ]
    beside = "of the peer's"
    return [
        Goal(
            words=f"{beside} orders/s to the end, 200 in flight: PostgreSQL and Redis",
            at_least=1.5,
            found=over_peer("e2e-200", "postgres", "orders_per_s"),
        ),
        Goal(
            words=f"{beside} p99 to the end, 200 in flight: PostgreSQL and Redis",
            at_most=1.0,
            found=over_peer("e2e-200", "postgres", "e2e_p99_ms"),
        ),
        Goal(
            words=f"{beside} answers/s to POST only, 50 in flight: PostgreSQL and Redis",
            at_least=1.0,
            found=over_peer("post-50", "postgres", "orders_per_s"),
        ),
        Goal(
            words=f"{beside} CPU an order over API and worker, 200 in flight: PostgreSQL and Redis",
            at_most=1.0,
            found=over_peer("e2e-200", "postgres", "engine_cpu_ms"),
        ),
        Goal(
            words=f"{beside} orders/s to the end, 200 in flight: SQLite, one process",
            at_least=1.0,
            found=over_peer("e2e-200", "sqlite", "orders_per_s"),
        ),
        Goal(
            words="seconds from the last accept to the last end, 1,000 at the original's delays",
            at_most=4.0,
            found=last_ends_ms[0] / 1e3 if last_ends_ms else None,
        ),
        Goal(
            words="orders or events lost, repeated, late or wrong, in all rounds together",
            at_most=0,
            found=faults if found else None,
        ),
    ]


def faults_of(measured: Sequence[Measured]) -> list[str]:
    """Return a line for each run in which something was that should not be."""
    return [
        f"round {one.round}, {one.case}, {one.target}: "
        + ", ".join(f"{many:,} {name}" for name, many in one.faults.items())
        for one in measured
        if one.faults
    ]


def table(found: Sequence[Median]) -> list[str]:
    """Return lines that show all medians, and under ours what they are of the peer's."""
    lines: list[str] = []
    over = ratios(found)
    for case in (*COMPARED, ORIGINAL):
        rows = [one for one in found if one.part == case.name]
        if rows:
            lines += ["", f"{case.name}: {case.words}; medians of {rows[0].rounds}"]
            lines += _rows(rows, over.get(case.name, {}))
    scaled = [one for one in found if one.part == SCALE]
    if scaled:
        lines += ["", f"{SCALE}: PostgreSQL and Redis, medians of {scaled[0].rounds}"]
        lines += _rows(scaled, {})
    return [*lines, "", *_NOTES]


def _rows(rows: Sequence[Median], over: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    yield _line("", [*_COLUMNS, *_SERVERS.values(), "api MB", "worker MB"])
    for one in rows:
        memory = [one.memory_mb.get("api"), one.memory_mb.get("worker")]
        servers = [one.cpu_ms_an_order.get(name) for name in _SERVERS]
        values = [*(one.figures.get(name) for name in _COLUMNS.values()), *servers, *memory]
        yield _line(_name(one), [_shown(value) for value in values])
        if one.target in over:
            told = [over[one.target].get(name) for name in _COLUMNS.values()]
            yield _line("  of the peer's", ["" if x is None else f"{x:.2f} x" for x in told])
        if one.part == ORIGINAL.name and "after_reply_max_ms" in one.figures:
            last_end_s = one.figures["after_reply_max_ms"] / 1e3
            yield f"  all ended at most {last_end_s:.2f} s after the last was accepted"


def _name(one: Median) -> str:
    if one.part != SCALE:
        return one.target
    return f"{one.case}, {one.workers} worker{'s' if one.workers > 1 else ''}"


def _line(label: str, cells: Sequence[str]) -> str:
    return (f"{label:<20}" + "".join(f"{cell:>{_WIDTH + 1}}" for cell in cells)).rstrip()


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 10 else f"{value:.3f}"


def _middle(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return each figure's median over the rounds that have it."""
    names = dict.fromkeys(name for figures in rounds for name in figures)
    return {
        name: round(statistics.median(one[name] for one in rounds if name in one), 4)
        for name in names
    }
