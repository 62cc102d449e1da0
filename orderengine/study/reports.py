"""Write the report pages of a sweep and of a comparison: their figures, charts and assumptions.

The assumptions are those of the scenario that both begin from; what a grid or the other scenario
changes of them stands in the figures' names, and a run's own page (``Result.report``) has them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orderengine.study.compared import Comparison
    from orderengine.study.sweep.result import SweepResult

__all__ = ["write_comparison_page", "write_sweep_page"]


def write_sweep_page(
    result: SweepResult, path: Path, metrics: Sequence[str] | None, command: str
) -> Path:
    """Write a sweep's page, whole or not at all; None takes the headline figures.

    Raises:
        InvalidData: the path cannot be written.
    """
    from orderengine.analysis.page import ReportFacts, write_page  # noqa: PLC0415  (loads altair)
    from orderengine.analysis.sweep_report import (  # noqa: PLC0415  (loads altair)
        METRICS,
        render_sweep_report,
    )

    record = result.record
    facts = ReportFacts(
        lead=record.lead,
        facts={
            "points": len(record.points),
            "replicates": record.replicates,
            "runs done": result.table.height,
            "sha256": result.sha256,
        },
        assumptions=record.assumptions,
        scenario_toml=record.scenario_toml,
        command=command,
    )
    page = render_sweep_report(
        title=f"Sweep of {record.scenario}",
        table=result.table,
        by=result.fields,
        facts=facts,
        metrics=METRICS if metrics is None else metrics,
        failures=[str(failure) for failure in result.failures],
    )
    return write_page(path, page)


def write_comparison_page(found: Comparison, path: Path, command: str) -> Path:
    """Write a comparison's page, whole or not at all.

    Raises:
        InvalidData: the path cannot be written.
    """
    import polars as pl  # noqa: PLC0415  (part of the extra study)

    from orderengine.analysis.page import ReportFacts, write_page  # noqa: PLC0415  (loads altair)
    from orderengine.analysis.sweep_report import render_sweep_report  # noqa: PLC0415  (as above)

    rows = [
        {"scenario": name, "block": k, found.metric: means[side]}
        for k, means in enumerate(found.block_means)
        for side, name in enumerate((found.a, found.b))
    ]
    facts = ReportFacts(
        lead=_changes_in_words(found.changes),
        facts=dict(found.lines()[3:]),
        assumptions=found.assumptions,
        scenario_toml=found.scenario_toml,
        command=command,
    )
    page = render_sweep_report(
        title=f"{found.metric}: {found.b} against {found.a}",
        table=pl.DataFrame(rows),
        by=["scenario"],
        facts=facts,
        metrics=[found.metric],
        differences=found.differences,
    )
    return write_page(path, page)


def _changes_in_words(changes: Mapping[str, tuple[str, str]]) -> str:
    said = "; ".join(f"{field} from {old} to {new}" for field, (old, new) in changes.items())
    return f"Changed: {said}." if said else "Nothing was changed."
