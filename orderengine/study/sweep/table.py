"""Lay a sweep's runs out as a table: a row a run, a column a field and figure, one type each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from orderengine.study.sweep.cells import Plan
from orderengine.study.sweep.figures import Figure

if TYPE_CHECKING:
    import polars

__all__ = ["column", "table_of"]


def table_of(plan: Plan, rows: Mapping[int, Mapping[str, Figure]]) -> polars.DataFrame:
    """Return the rows of the cells that are done, in the order of the plan."""
    import polars as pl  # noqa: PLC0415  (part of the extra study)

    lines: list[dict[str, Figure]] = []
    for cell in plan.cells:
        if cell.number in rows:
            labels: dict[str, Figure] = dict(plan.labels(cell.point))
            labels |= {"replicate": cell.replicate, "seed": cell.scenario.seed}
            lines.append(labels | _without(rows[cell.number], labels))
    first = [*plan.fields, "replicate", "seed", "event_log_sha256"]
    # Which venues fill an order differs from run to run; a sorted name keeps no trace of it.
    names = dict.fromkeys([*first, *(name for line in lines for name in line)])
    ordered = [name for name in names if not name.startswith("venues.")]
    ordered += sorted(name for name in names if name.startswith("venues."))
    labels_of = dict(zip(plan.fields, zip(*plan.points, strict=True), strict=False))
    columns = [
        column(name, [line.get(name) for line in lines], like=labels_of.get(name))
        for name in ordered
    ]
    return pl.DataFrame(columns)


def _without(row: Mapping[str, Figure], labels: Mapping[str, object]) -> dict[str, Figure]:
    return {name: value for name, value in row.items() if name not in labels}


def column(
    name: str, values: Sequence[Figure], like: Sequence[Figure] | None = None
) -> polars.Series:
    """Return a column of the one type that holds all values, or all those that it is to be like."""
    import polars as pl  # noqa: PLC0415  (part of the extra study)

    if name.startswith("venues."):
        values = [value or 0 for value in values]  # a venue that filled nothing is not named
    kinds = {type(value) for value in (like or values) if value is not None}
    if str in kinds:
        return pl.Series(name, [None if v is None else str(v) for v in values], dtype=pl.String)
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int}:
        return pl.Series(name, values, dtype=pl.Int64)
    return pl.Series(name, values, dtype=pl.Float64)
