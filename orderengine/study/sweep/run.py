"""Run a sweep: lay out its cells, run those that are not done yet, keep each as it ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from orderengine import __version__
from orderengine.errors import InvalidScenario
from orderengine.study.assumptions.sentences import assumptions_of, sentence_of
from orderengine.study.progress import cell_progress_of
from orderengine.study.run import scenario as find_scenario
from orderengine.study.scenario import Scenario
from orderengine.study.sweep.batch import ExecutorLike, Means, run_batch
from orderengine.study.sweep.cells import Grid, Plan, plan_of
from orderengine.study.sweep.figures import Figure, Figures, Measure
from orderengine.study.sweep.folder import Failure, Folder, Record
from orderengine.study.sweep.identity import Keys, digest
from orderengine.study.sweep.result import SweepResult
from orderengine.study.sweep.table import table_of
from orderengine.study.sweep.task import Done, Failed, packed

__all__ = ["sweep"]

_DAY_S = 86_400.0


def sweep(  # noqa: PLR0913  (each by name but the first four)
    scenario: Scenario | str,
    grid: Grid,
    replicates: int = 1,
    executor: ExecutorLike | str | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    measure: Measure | None = None,
    workers: int | None = None,
    cell_s_max: float = _DAY_S,
    progress: bool | Callable[[int, int, int], None] | None = None,
) -> SweepResult:
    """Run a scenario at each point of a grid, so many times each, and return a table.

    Replicate r has the same seed at each point, the first one the scenario's own. What comes out
    depends neither on who runs the cells nor on the order in which they end. A cell that fails is
    told in ``failures``; the others go on.

    Args:
        scenario: a scenario, or the name or path of one.
        grid: dotted fields to lists of values, all combinations of which are run; or a list of
            points, each a mapping of fields to values. A value may be a function; where functions
            have no telling names, a mapping of names to values takes the place of the list.
        replicates: runs at each point.
        executor: None for processes of our own, a core each; any ``concurrent.futures.Executor``;
            a Dask client or its executor; ``"dask://HOST:PORT"``. It stays open.
        out: a folder that keeps each cell as it ends, and at last ``sweep.parquet``. Cells that are
            in it are not run again, so a sweep that was stopped or killed goes on where it was.
        measure: takes a result and returns figures of one's own by name.
        workers: how many processes of our own.
        cell_s_max: a cell that takes longer, in a process of our own, is stopped and has failed.
        progress: True shows a bar, False none, None one where somebody watches; a function is
            called with the cells done, failed, and in all.

    Raises:
        InvalidScenario: a field or a value is wrong.
        InvalidData: the folder is another study's, or cannot be written.
        Unavailable: workers cannot be started, or no scheduler answers.
    """
    chosen = scenario if isinstance(scenario, Scenario) else find_scenario(scenario)
    if workers is not None and not 1 <= workers <= 4_096:
        raise InvalidScenario("workers", workers, "from 1 to 4096")
    if not 0 < cell_s_max <= 30 * _DAY_S:
        raise InvalidScenario("cell_s_max", cell_s_max, "seconds, up to 30 days")
    plan = plan_of(chosen, grid, replicates, Keys(measure))
    record = _record_of(plan)
    folder = None if out is None else Folder(_path_of(out), record)
    rows: dict[int, dict[str, Figure]] = {}
    failures: dict[int, Failure] = {}
    for cell in plan.cells:
        row = None if folder is None else folder.row(cell.key)
        if row is not None:
            rows[cell.number] = row
    resumed = len(rows)

    def pack(number: int) -> bytes:
        return packed(plan.cells[number].scenario, Figures(measure))

    def ended(number: int, answer: Done | Failed) -> None:
        if isinstance(answer, Failed):
            failures[number] = _failure_of(plan, number, answer)
        else:
            rows[number] = answer.value
            if folder is not None:
                folder.store(plan.cells[number].key, answer.value)
        shown.update(len(rows), len(failures))

    waiting = [cell.number for cell in plan.cells if cell.number not in rows]
    for number in {plan.cells[number].point: number for number in waiting}.values():
        pack(number)  # a function that cannot be carried is told now, and not hours later
    with cell_progress_of(progress, len(plan.cells), resumed) as shown:
        if waiting:
            means = Means(executor, workers, cell_s_max)
            try:
                if folder is not None:
                    folder.begin()
                run_batch(waiting, pack, means, ended)
            finally:
                means.close()
    told = [failures[number] for number in sorted(failures)]
    result = SweepResult(record, table_of(plan, rows), told, resumed)
    if out is not None:
        result.save(_path_of(out))
    return result


def _path_of(out: str | os.PathLike[str]) -> Path:
    if not os.fspath(out):
        raise InvalidScenario("out", out, "a folder")
    return Path(out)


def _record_of(plan: Plan) -> Record:
    """Return what the sweep is; its hash leaves out how many replicates there are."""
    first = [cell.key for cell in plan.cells if cell.replicate == 0]
    return Record(
        version=__version__,
        study_sha256=digest([plan.fields, plan.points, first]),
        scenario=plan.scenario.name,
        scenario_toml=plan.scenario.to_toml(),
        fields=plan.fields,
        points=plan.points,
        replicates=plan.replicates,
        lead=sentence_of(plan.scenario),
        assumptions=tuple(assumptions_of(plan.scenario)),
    )


def _failure_of(plan: Plan, number: int, answer: Failed) -> Failure:
    cell = plan.cells[number]
    return Failure(
        point=plan.labels(cell.point),
        replicate=cell.replicate,
        seed=cell.scenario.seed,
        kind=answer.kind,
        message=answer.message,
        trace=answer.trace,
    )
