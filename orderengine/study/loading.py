"""Open a run again from the folder that it was saved in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from orderengine.errors import InvalidData
from orderengine.model.events import Event
from orderengine.model.wire import decode_event
from orderengine.study.result import Result
from orderengine.study.saved import (
    EVENTS_FILE,
    LINES_FILE,
    SCENARIO_FILE,
    SUMMARY_FILE,
    SavedLogs,
)
from orderengine.study.scenario import Scenario

__all__ = ["load"]

_EXPECTED = "a folder that a study was saved in"


def load(folder: str | os.PathLike[str]) -> Result:
    """Open a study that ``simulate(..., out=folder)`` or ``Result.save(folder)`` wrote.

    A study written while it ran is read from the folder when something is asked of it, so the
    folder must stay; a saved one is read as a whole. A function of the user's own is no part of the
    files: the scenario names it, and runs again only with it.

    Raises:
        InvalidData: no study was saved there, or not to the end, or it was a live run.
    """
    target = Path(folder)
    try:
        summary = msgspec.json.decode((target / SUMMARY_FILE).read_bytes(), type=_Summary)
        scenario = Scenario.from_toml((target / SCENARIO_FILE).read_text("utf-8"))
        if (target / EVENTS_FILE).exists():
            logs: Any = SavedLogs(target, summary.orders)
        else:
            logs = _logs_of((target / LINES_FILE).read_bytes())
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidData(str(target), reason, _EXPECTED) from None
    if summary.load is not None:
        raise InvalidData(str(target), "a run of a live service", _EXPECTED)
    return Result(
        scenario=scenario,
        logs=logs,
        event_log_sha256=summary.event_log_sha256,
        cpu_seconds=summary.cpu_seconds,
        peak_rss_mb=summary.peak_rss_mb,
        supply={token: int(amount) for token, amount in summary.supply.items()},
        prices_sha256=summary.prices_sha256,
    )


class _Summary(msgspec.Struct):
    """Hold what of ``summary.json`` is not computed from the events."""

    orders: int
    event_log_sha256: str
    cpu_seconds: float
    peak_rss_mb: float
    prices_sha256: str
    supply: dict[str, str] = {}
    load: dict[str, Any] | None = None


def _logs_of(data: bytes) -> list[list[Event]]:
    """Return the logs by order number: orders are accepted in the order of their numbers."""
    logs: dict[str, list[Event]] = {}
    for line in data.splitlines():
        event = decode_event(line)
        logs.setdefault(event.order_id, []).append(event)
    return list(logs.values())
