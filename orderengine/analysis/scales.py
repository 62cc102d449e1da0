"""Read the values of a sweep's field as numbers on a scale: numbers as they are, durations in ms.

Durations stand in a sweep's table as they were written ("250ms", "2s"), so that a point can be
named by them; to draw them or to fit a line they have to be numbers.
"""

from __future__ import annotations

import polars as pl

from orderengine.errors import InvalidAmount, InvalidData
from orderengine.model.amounts import parse_duration

__all__ = ["in_units", "on_scale"]

_MS = 1_000_000


def on_scale(values: pl.Series) -> tuple[pl.Series, str] | None:
    """Return the values as numbers, and their unit: ``ms`` of durations, else none.

    None if they are neither numbers nor all durations.
    """
    if values.dtype.is_numeric():
        return values, ""
    if values.dtype != pl.String or not len(values):
        return None
    try:
        found = [parse_duration(text) / _MS for text in values]
    except InvalidAmount:
        return None
    return pl.Series(values.name, found, dtype=pl.Float64), "ms"


def in_units(step: float | str) -> float:
    """Return a step on the scale: a number as it is, a duration such as "100ms" in ms.

    Raises:
        InvalidData: it is 0 or less.
        InvalidAmount: no duration.
    """
    found = parse_duration(step) / _MS if isinstance(step, str) else float(step)
    if not found > 0:
        raise InvalidData("the step", repr(step), "above 0")
    return found
