"""Lay out a sweep: the points of its grid, its replicates, and the cells where they meet.

Replicate r has the same seed at every point (common random numbers), so points differ by their
fields and not by their luck.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from orderengine.errors import InvalidScenario
from orderengine.market.draws import Draws
from orderengine.routing.request import Strategy
from orderengine.study.plugin import Plugin
from orderengine.study.scenario import Scenario
from orderengine.study.scenario_form import to_dict
from orderengine.study.sweep.identity import Keys

__all__ = ["VARIANT", "Cell", "Grid", "Label", "Plan", "plan_of", "replicate_seed"]

Label = str | int | float | bool
"""What a grid's value is called in tables."""

Grid = Mapping[str, Iterable[Any]] | Sequence[Mapping[str, Any]]
"""Dotted fields to their values, all combinations; or a list of points, a mapping each. In a list,
``variant`` is no field but what a point is called."""

VARIANT = "variant"
_CELLS_MAX = 1_000_000


class Cell(Struct, frozen=True, kw_only=True):
    """Hold one run of a sweep: a point of the grid under one seed."""

    number: int
    """Counts from 0, replicates within points."""
    point: int
    replicate: int
    key: str
    """Names all that decides the outcome: ``identity.Keys``."""
    scenario: Scenario


class Plan(Struct, frozen=True, kw_only=True):
    """Hold the cells of a sweep, and what its points are called."""

    scenario: Scenario
    fields: tuple[str, ...]
    points: tuple[tuple[Label, ...], ...]
    """One label a field and point."""
    replicates: int
    cells: tuple[Cell, ...]

    def labels(self, point: int) -> dict[str, Label]:
        """Return a point's labels by field."""
        return dict(zip(self.fields, self.points[point], strict=True))


def plan_of(scenario: Scenario, grid: Grid, replicates: int, keys: Keys) -> Plan:
    """Return the cells of a grid; each scenario is checked here, before any is run.

    Raises:
        InvalidScenario: a field, a value or the number of cells is wrong.
    """
    if type(replicates) is not int or not 1 <= replicates <= _CELLS_MAX:
        raise InvalidScenario("replicates", replicates, f"an integer from 1 to {_CELLS_MAX}")
    changes = list(_named(grid) if isinstance(grid, Mapping) else _listed(grid))
    if len(changes) * replicates > _CELLS_MAX:
        raise InvalidScenario("grid", len(changes) * replicates, f"at most {_CELLS_MAX} cells")
    fields = tuple(dict.fromkeys(field for change in changes for field in change))
    for field in fields:
        if field in {"seed", "name"}:
            expected = "another field: replicates derive their seeds from the scenario's"
            raise InvalidScenario("grid", field, expected)
    if VARIANT in fields:
        fields = (VARIANT, *(field for field in fields if field != VARIANT))
        _require_variants(grid, [change.get(VARIANT) for change in changes])
    plain = [
        {field: _Named.value_of(value) for field, value in change.items() if field != VARIANT}
        for change in changes
    ]
    at_point = [scenario.replace(change) for change in plain]
    columns = [_labels([_asked(change, field, scenario) for change in changes]) for field in fields]
    points = tuple(zip(*columns, strict=True)) if columns else ((),)
    if len(dict.fromkeys(points)) < len(points):
        twice = next(point for n, point in enumerate(points) if point in points[:n])
        raise InvalidScenario("grid", twice, "points that differ")
    seeds = [replicate_seed(scenario.seed, replicate) for replicate in range(replicates)]
    cells: list[Cell] = []
    for (point, found), (replicate, seed) in itertools.product(
        enumerate(at_point), enumerate(seeds)
    ):
        study = found if seed == found.seed else found.replace(seed=seed)
        cells.append(
            Cell(
                number=len(cells),
                point=point,
                replicate=replicate,
                key=keys.key(study),
                scenario=study,
            )
        )
    return Plan(
        scenario=scenario,
        fields=fields,
        points=points,
        replicates=replicates,
        cells=tuple(cells),
    )


def replicate_seed(seed: int, replicate: int) -> int:
    """Return the seed of a replicate: of the first the scenario's own, then 63 drawn bits."""
    return seed if replicate == 0 else Draws(seed, "replicate").u64(replicate) >> 1


def _require_variants(grid: Grid, names: list[object]) -> None:
    """Refuse variants of a product, and points of a list that are not each called otherwise."""
    if isinstance(grid, Mapping):
        raise InvalidScenario("grid", VARIANT, "a list of points, for points to have names")
    for number, name in enumerate(names):
        if not isinstance(name, str) or not name or name in names[:number]:
            raise InvalidScenario(f"grid.{VARIANT}", name, "a name of its own for each point")


class _Named(Struct, frozen=True):
    """Carry a value with the name that the user gave it."""

    name: str
    value: Any

    @staticmethod
    def value_of(value: object) -> object:
        return value.value if isinstance(value, _Named) else value


def _named(grid: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """Yield the full product, the last field turning fastest."""
    columns: list[list[Any]] = []
    for field, values in grid.items():
        if isinstance(values, Mapping):
            column: list[Any] = [_Named(str(name), value) for name, value in values.items()]
        elif isinstance(values, Iterable) and not isinstance(values, str | bytes):
            column = [_item(value) for value in values]
        else:
            raise InvalidScenario(f"grid.{field}", values, "a list of values")
        if not column:
            raise InvalidScenario(f"grid.{field}", column, "at least one value")
        columns.append(column)
    total = 1
    for column in columns:
        total *= len(column)
    if total > _CELLS_MAX:
        raise InvalidScenario("grid", total, f"at most {_CELLS_MAX} cells")
    for values in itertools.product(*columns):
        yield dict(zip(grid, values, strict=True))


def _listed(grid: Any) -> Iterable[dict[str, Any]]:  # noqa: ANN401  (checked here)
    expected = "a mapping of fields to lists, or a list of mappings of fields to values"
    if isinstance(grid, str | bytes) or not isinstance(grid, Sequence) or not grid:
        raise InvalidScenario("grid", grid, expected)
    for point in grid:
        if not isinstance(point, Mapping):
            raise InvalidScenario("grid", point, expected)
        yield {str(field): _item(value) for field, value in point.items()}


def _item(value: Any) -> Any:  # noqa: ANN401
    """Return a NumPy scalar as Python's own, anything else as it is."""
    return value.item() if hasattr(value, "dtype") and hasattr(value, "item") else value


def _asked(change: Mapping[str, Any], field: str, scenario: Scenario) -> object:
    """Return a point's value of a field; one that it does not name stays the scenario's."""
    if field in change:
        return change[field]
    found: Any = to_dict(scenario)
    for part in field.replace("[", ".").replace("]", "").split("."):
        found = found[int(part)] if isinstance(found, list) else found[part]
    return found


def _labels(values: list[object]) -> list[Label]:
    """Return what the values of one field are called; two that differ are not called alike."""
    called: dict[Label, list[object]] = {}
    labels: list[Label] = []
    for value in values:
        label = _label(value)
        alike = called.setdefault(label, [])
        same = [n for n, other in enumerate(alike) if _is_same(other, value)]
        if not same:
            alike.append(value)
        number = same[0] if same else len(alike) - 1
        labels.append(f"{label} #{number + 1}" if number else label)
    kinds = {type(label) for label in labels}
    if len(kinds) == 1 or kinds == {int, float}:
        return [float(label) for label in labels] if float in kinds else labels
    return [str(label) for label in labels]


def _is_same(one: object, other: object) -> bool:
    return one is other or (type(one) is type(other) and bool(one == other))


def _label(value: object) -> Label:
    if isinstance(value, _Named):
        return value.name
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Plugin | Strategy):
        return value.name
    if callable(value):
        return Plugin.of(value).name
    tree = to_dict(value) if isinstance(value, Struct) else value
    return msgspec.json.encode(tree, enc_hook=str).decode()
