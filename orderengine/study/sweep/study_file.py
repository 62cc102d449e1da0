"""Read a sweep from a TOML file: a scenario, what to set in it, a grid, and how often to run it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import Any

from msgspec import Struct

from orderengine.errors import InvalidScenario
from orderengine.study.run import scenario as find_scenario
from orderengine.study.scenario import Scenario
from orderengine.study.sweep.cells import Grid

__all__ = ["StudyFile", "read_study"]

_KEYS = ("scenario", "set", "grid", "replicates")
_GRID = "a table of fields to lists, such as [grid] engine.workers = [16, 64]"


class StudyFile(Struct, frozen=True, kw_only=True):
    """Hold what a study file says."""

    scenario: Scenario
    grid: Grid
    replicates: int


def read_study(path: str) -> StudyFile:
    """Read a study file.

    ``scenario`` is a name, the path of a scenario's file, or a table as such a file has it (with
    ``extends``, if wanted); ``[set]`` changes fields of it; ``[grid]`` has a list a field, all
    combinations of which are run, and ``[[grid]]`` a table a point; ``replicates`` is 1 if absent.
    Fields are dotted, quoted or not.

    Raises:
        InvalidScenario: it cannot be read, or a key or value is wrong.
    """
    try:
        wire = tomllib.loads(Path(path).read_text("utf-8").removeprefix("\ufeff"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidScenario("study", path, f"a readable .toml file ({reason})") from None
    except (ValueError, RecursionError) as error:
        raise InvalidScenario("study", str(error), "TOML") from None
    for key in wire:
        if key not in _KEYS:
            raise InvalidScenario(key, wire[key], f"one of the keys {', '.join(_KEYS)}")
    if "grid" not in wire:
        raise InvalidScenario("grid", "nothing", _GRID)
    changes = wire.get("set", {})
    if not isinstance(changes, dict):
        raise InvalidScenario("set", changes, "a table of fields to values")
    scenario = _scenario(wire.get("scenario", "default"), Path(path).stem)
    return StudyFile(
        scenario=scenario.replace(_flat(changes)),
        grid=_grid(wire["grid"]),
        replicates=wire.get("replicates", 1),
    )


def _scenario(written: object, name: str) -> Scenario:
    if isinstance(written, str):
        return find_scenario(written)
    if not isinstance(written, dict):
        raise InvalidScenario("scenario", written, "a name, a .toml file, or a table")
    import tomli_w  # noqa: PLC0415  (part of the extra study)

    return Scenario.from_toml(tomli_w.dumps({"name": name} | written))


def _grid(written: object) -> Grid:
    if isinstance(written, dict):
        grid = _flat(written)
        for field, values in grid.items():
            if not isinstance(values, list):
                raise InvalidScenario(f"grid.{field}", values, "a list of values")
        return grid
    if isinstance(written, list) and all(isinstance(point, dict) for point in written):
        return [_flat(point) for point in written]
    raise InvalidScenario("grid", written, _GRID)


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return tables in tables by dotted fields, dates as text, as scenarios hold them."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{above}{name}.")
        else:
            found[above + name] = _undated(value)
    return found


def _undated(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return [_undated(item) for item in value]
    return value.isoformat() if isinstance(value, date | time) else value
