"""Cut one order's life into phases, attempt by attempt, for timelines and their charts.

The phases follow one another without gap; together they last from accepted to the last event. A
phase is named like the stage of ``analysis.latency`` that it resembles, and colours follow names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orderengine.analysis.latency import STAGE_WORDS
from orderengine.model.events import (
    AttemptFailed,
    Claimed,
    Confirmed,
    Event,
    Requoting,
    Routed,
    Submitted,
)

__all__ = ["PHASE_WORDS", "Span", "spans"]

PHASE_WORDS = STAGE_WORDS | {"retries": "pause before the next"}
"""What each phase is called for people; ``retries`` is the pause after a failed attempt."""


@dataclass(frozen=True)
class Span:
    """Hold one phase; offsets are ns since accepted, attempt 0 is before the first."""

    attempt: int
    phase: str
    begin_ns: int
    end_ns: int


def spans(log: Sequence[Event]) -> tuple[Span, ...]:
    """Return the phases of a log that begins with accepted; phases of no length are left out."""
    origin_ns = log[0].at_ns
    found: list[Span] = []
    attempt, phase, begin_ns = 0, "queue", origin_ns

    def close(at_ns: int, next_phase: str) -> None:
        nonlocal phase, begin_ns
        if at_ns > begin_ns:
            earlier = found.pop() if found and _same(found[-1], attempt, phase) else None
            start_ns = begin_ns - origin_ns if earlier is None else earlier.begin_ns
            found.append(Span(attempt, phase, start_ns, at_ns - origin_ns))
            begin_ns = at_ns
        phase = next_phase

    resume_at_ns = origin_ns
    for event in log[1:]:
        if phase == "retries" and (event.at_ns >= resume_at_ns or isinstance(event, Routed)):
            close(min(resume_at_ns, event.at_ns), "quote")
            attempt += 1
        if isinstance(event, Claimed):
            close(event.at_ns, "quote")
            attempt += 1
        elif isinstance(event, Requoting):
            close(event.at_ns, "quote" if phase != "retries" else phase)
        elif isinstance(event, Routed):
            close(event.at_ns, "build")
        elif isinstance(event, Submitted):
            close(event.at_ns, "landing")
        elif isinstance(event, AttemptFailed):
            close(event.at_ns, "retries")
            resume_at_ns = max(event.at_ns, event.retry_at_ns)
        elif isinstance(event, Confirmed):
            close(event.landed_at_ns, "confirm")
            close(event.at_ns, "confirm")
        elif event.status.is_terminal:
            close(event.at_ns, phase)
    return tuple(found)


def _same(span: Span, attempt: int, phase: str) -> bool:
    return span.attempt == attempt and span.phase == phase
