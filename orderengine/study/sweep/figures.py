"""Take the figures of one run as a flat row: dotted names, and numbers or words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from orderengine.errors import InvalidData
from orderengine.study.result import Result

__all__ = ["MACHINE_FIGURES", "Figure", "Figures", "Measure", "flat"]

Figure = float | int | str | bool | None
"""One value of a row; None where no order gives it."""

Measure = Callable[[Result], Mapping[str, float | None]]
"""Computes figures of one's own from a result."""

MACHINE_FIGURES = ("cpu_seconds", "us_cpu_per_order", "peak_rss_mb")
"""Figures of the machine and not of the study: they differ from run to run. ``peak_rss_mb`` is of
the process, which may have run other cells before."""


class Figures:
    """Return a result's figures as a row, with those of the user's own measure."""

    def __init__(self, measure: Measure | None) -> None:
        self._measure = measure

    def __call__(self, result: Result) -> dict[str, Figure]:
        """Return the row.

        Raises:
            InvalidData: the measure gives no numbers, or a name that is taken.
        """
        told = result.figures()
        del told["supply"]  # in base units of what was given out, and no answer to anything
        row = flat(told)
        if self._measure is None:
            return row
        own: Any = self._measure(result)
        if not isinstance(own, Mapping):
            raise InvalidData("measure", type(own).__name__, "a mapping of names to numbers")
        for name, value in own.items():
            if not isinstance(name, str) or name in row:
                raise InvalidData("measure", repr(name), "names that no other figure has")
            row[name] = _number(name, value)
        return row


def flat(figures: Mapping[str, Any], above: str = "") -> dict[str, Figure]:
    """Return nested figures by dotted names; lists are left out, what is not finite is None."""
    row: dict[str, Figure] = {}
    for name, value in figures.items():
        if isinstance(value, Mapping):
            row |= flat(value, f"{above}{name}.")
        elif isinstance(value, float):
            row[above + name] = value if math.isfinite(value) else None
        elif value is None or isinstance(value, int | str):
            row[above + name] = value
    return row


def _number(name: str, value: Any) -> float | None:  # noqa: ANN401  (NumPy's numbers, too)
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InvalidData(f"measure {name!r}", repr(value), "a number") from None
    return number if math.isfinite(number) else None
