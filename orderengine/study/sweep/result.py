"""Hold what a sweep gave: a table with a row a run, means with intervals, and what failed."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from orderengine.analysis.targets import replacing
from orderengine.errors import InvalidData
from orderengine.study.sweep.cells import VARIANT
from orderengine.study.sweep.folder import Failure, Record, read_record, write_record
from orderengine.study.sweep.identity import digest
from orderengine.study.sweep.table import column

if TYPE_CHECKING:
    import polars

    from orderengine.analysis.intervals import Estimate
    from orderengine.analysis.plots import AnyChart

__all__ = ["SweepResult"]

_HEADLINES = (
    "fill_rate",
    "latency_ms.total.p50",
    "latency_ms.total.p95",
    "shortfall_bps.mean",
)
"""Shown where nobody asked for others."""

_TABLE, _FAILURES = "sweep.parquet", "failures.json"
_SHOWN_MAX = 40
_FAILURES_SHOWN = 10


class SweepResult:
    """Hold a sweep's runs; made by ``orderengine.sweep``, or read by ``load``."""

    def __init__(
        self,
        record: Record,
        table: polars.DataFrame,
        failures: Sequence[Failure],
        resumed: int = 0,
    ) -> None:
        self.record = record
        self.table = table
        """One row a run that ended well, by point and replicate: the grid's fields, ``replicate``,
        ``seed``, ``event_log_sha256``, and each figure of ``Result.figures`` and of the measure.
        Nested figures have dots (``latency_ms.total.p95``); null is a figure that no order gives.
        ``cpu_seconds``, ``us_cpu_per_order`` and ``peak_rss_mb`` are of the machine that ran it."""
        self.failures = tuple(failures)
        """The runs that failed, and why."""
        self.resumed = resumed
        """Runs that were found in the folder and not run again."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The grid's dotted fields, as the table's columns."""
        return self.record.fields

    @property
    def sha256(self) -> str:
        """SHA-256 over each run's point, seed and event log: the same wherever it was run."""
        kept = [*self.fields, "replicate", "seed", "event_log_sha256"]
        return digest([kept, self.table.select(kept).rows()])

    def summary(self, metric: str, confidence: float = 0.95) -> polars.DataFrame:
        """Return one row a point: its fields, and ``mean``, ``low``, ``high``, ``count``.

        The mean is over replicates, which are independent, with Student's t interval; so two are
        needed for an interval, and some ten for a good one. Nulls are left out and not counted.

        Raises:
            InvalidData: no such figure, or one in words.
        """
        found = self._estimates(metric, confidence)
        return self._frame("mean", found)

    def differences(
        self, metric: str, base: Mapping[str, object], confidence: float = 0.95
    ) -> polars.DataFrame:
        """Return one row a point: how it differs from a base point, paired by replicate.

        Points share their seeds, so the interval of the difference is mostly narrower than the two
        intervals of ``summary`` suggest. Student's t over the differences.

        Args:
            metric: a column of the table.
            base: fields and values that name one point.
            confidence: of the intervals.

        Raises:
            InvalidData: no such figure, or not one such point.
        """
        return self._frame("difference", self._paired(metric, base, confidence))

    def estimate(
        self,
        metric: str,
        point: Mapping[str, object],
        base: Mapping[str, object] | None = None,
        confidence: float = 0.95,
    ) -> Estimate:
        """Return one point's mean, or how it differs from a base point, with the interval.

        It prints as ``12.3 [11.8, 12.9]``. Intervals are those of ``summary`` and ``differences``.

        Raises:
            InvalidData: no such figure, or not one such point.
        """
        number = self._point("point", point)
        if base is None:
            return self._estimates(metric, confidence)[number]
        return self._paired(metric, base, confidence)[number]

    def slope(
        self,
        metric: str,
        field: str | None = None,
        *,
        step: float | str = 1.0,
        confidence: float = 0.95,
    ) -> Estimate:
        """Return by how much a figure rises for one step of a field, along a straight line.

        The line is fitted in each replicate; the interval is Student's t over replicates. Other
        fields of the grid are averaged over.

        Args:
            metric: a column of the table.
            field: of the grid, with numbers or durations; None for its first.
            step: such as 10, or "100ms" for a field of durations.
            confidence: of the interval.

        Raises:
            InvalidData: no such figure or field, or one in words.
        """
        from orderengine.analysis.slopes import slope_of  # noqa: PLC0415  (loads polars)

        self._require_number(metric)
        over = field or next(iter(self.fields), "")
        self._require_field("slope", over)
        return slope_of(self.table, over, metric, step=step, confidence=confidence)

    def plot(self, metric: str, x: str | None = None, color: str | None = None) -> AnyChart:
        """Draw a figure's mean and 95 % interval over a field of the grid.

        Args:
            metric: a column of the table.
            x: a field; None for the grid's first.
            color: another field, a line a value; None for the grid's second, if it has two.

        Raises:
            InvalidData: no such figure or field.
        """
        self._require_number(metric)
        fields = self.fields
        over = x or (fields[0] if fields else "")
        if color is None and x is None and len(fields) == 2 and over != VARIANT:
            color = fields[1]
        for field in (over, color):
            if field is not None:
                self._require_field("plot", field)
        from orderengine.analysis.plots.sweeps import metric_over  # noqa: PLC0415  (loads altair)

        return metric_over(self.table, over, metric, color)

    def report(
        self,
        path: str | os.PathLike[str],
        metrics: Sequence[str] | None = None,
        command: str = "",
    ) -> Path:
        """Write a report: one self-contained HTML page, whole or not at all.

        Args:
            path: of the HTML file.
            metrics: columns of the table to show; None for the headline figures.
            command: the command line that gives these figures again, shown as it is.

        Raises:
            InvalidData: the path cannot be written, or no such figure.
        """
        for metric in metrics or ():
            self._require_number(metric)
        from orderengine.study.reports import write_sweep_page  # noqa: PLC0415  (loads altair)

        return write_sweep_page(self, Path(path), metrics, command)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``sweep.parquet``, ``failures.json`` and ``study.json``, each whole or not at all.

        Raises:
            InvalidData: the folder cannot be written.
        """
        target = Path(folder)
        try:
            target.mkdir(parents=True, exist_ok=True)
            with replacing(target / _TABLE) as part:
                self.table.write_parquet(part)
            with replacing(target / _FAILURES) as part:
                part.write_bytes(msgspec.json.format(msgspec.json.encode(self.failures)) + b"\n")
            write_record(target, self.record)
        except OSError as error:
            reason = error.strerror or str(error)
            raise InvalidData(str(target), reason, "a folder that can be written") from None
        return target

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> SweepResult:
        """Read what ``save`` wrote.

        Raises:
            InvalidData: the folder holds no finished sweep.
        """
        import polars as pl  # noqa: PLC0415  (part of the extra study)

        path = Path(folder)
        record = read_record(path)
        try:
            table = pl.read_parquet(path / _TABLE)
            failures = msgspec.json.decode((path / _FAILURES).read_bytes(), type=list[Failure])
        except (OSError, msgspec.DecodeError, pl.exceptions.PolarsError) as error:
            found = f"one that has not ended ({type(error).__name__})"
            raise InvalidData(str(path), found, "a finished sweep") from None
        return cls(record, table, failures)

    def figures(self) -> dict[str, Any]:
        """Return what ``orderengine sweep --json`` prints."""
        return {
            "scenario": self.record.scenario,
            "fields": list(self.fields),
            "points": len(self.record.points),
            "replicates": self.record.replicates,
            "cells": len(self.record.points) * self.record.replicates,
            "done": self.table.height,
            "resumed": self.resumed,
            "failed": len(self.failures),
            "failures": [msgspec.to_builtins(failure) for failure in self.failures],
            "sha256": self.sha256,
            "summary": self._point_figures(),
        }

    def __str__(self) -> str:
        heads, rows = self._shown()
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        lines = [
            "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            for row in [heads, *rows[:_SHOWN_MAX]]
        ]
        more = len(rows) - _SHOWN_MAX
        lines += [f"… and {more} more points"] if more > 0 else []
        return "\n".join([self._lead, "", *lines, *self._failure_lines()])

    def __repr__(self) -> str:
        return f"<{self._lead}>"

    def _repr_html_(self) -> str:
        heads, rows = self._shown()

        def line(cells: Sequence[str], tag: str) -> str:
            return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"

        body = "".join(line(row, "td") for row in rows[:_SHOWN_MAX])
        failed = "".join(f"<p>{escape(text)}</p>" for text in self._failure_lines() if text)
        return f"<p>{escape(self._lead)}</p><table>{line(heads, 'th')}{body}</table>{failed}"

    @property
    def _lead(self) -> str:
        points, replicates = len(self.record.points), self.record.replicates
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return (
            f"Sweep of {self.record.scenario}: {points} point{'s' * (points != 1)}, "
            f"{replicates} replicate{'s' * (replicates != 1)} each, "
            f"{self.table.height} runs done{failed}"
        )

    def _failure_lines(self) -> list[str]:
        if not self.failures:
            return []
        lines = [f"failed: {failure}" for failure in self.failures[:_FAILURES_SHOWN]]
        more = len(self.failures) - _FAILURES_SHOWN
        return ["", *lines, *([f"failed: {more} more"] if more > 0 else [])]

    def _shown(self) -> tuple[list[str], list[list[str]]]:
        """Return heads and rows: the fields, then each headline's mean with its 95 % interval."""
        shown = self._headlines()
        # A variant's name says which fields it has.
        many = 1 if self.fields[:1] == (VARIANT,) else len(self.fields)
        rows = [
            [*map(str, point[:many]), *(_said(estimates[n]) for estimates in shown.values())]
            for n, point in enumerate(self.record.points)
        ]
        return [*self.fields[:many], *shown], rows

    def _point_figures(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [
            dict(zip(self.fields, point, strict=True)) for point in self.record.points
        ]
        for metric, estimates in self._headlines().items():
            for of_point, estimate in zip(found, estimates, strict=True):
                bounds = {"mean": estimate.value, "low": estimate.low, "high": estimate.high}
                of_point[metric] = {
                    name: value if math.isfinite(value) else None for name, value in bounds.items()
                }
        return found

    def _headlines(self) -> dict[str, list[Estimate]]:
        known = [name for name in _HEADLINES if name in self.table.columns]
        return {metric: self._estimates(metric, 0.95) for metric in known}

    def _estimates(self, metric: str, confidence: float) -> list[Estimate]:
        from orderengine.analysis.intervals import mean_of  # noqa: PLC0415  (loads NumPy)

        return [mean_of(list(values.values()), confidence) for values in self._values(metric)]

    def _paired(self, metric: str, base: Mapping[str, object], confidence: float) -> list[Estimate]:
        from orderengine.analysis.intervals import paired_difference_of  # noqa: PLC0415

        number, values = self._point("base", base), self._values(metric)
        of_base = values[number]
        found = []
        for own in values:
            both = [replicate for replicate in own if replicate in of_base]
            left, right = [own[r] for r in both], [of_base[r] for r in both]
            found.append(paired_difference_of(left, right, confidence))
        return found

    def _point(self, what: str, wanted: Mapping[str, object]) -> int:
        """Return the number of the one point that has these values."""
        points = [dict(zip(self.fields, point, strict=True)) for point in self.record.points]
        named = [n for n, at in enumerate(points) if wanted.items() <= at.items()]
        if len(named) != 1:
            raise InvalidData(what, f"{len(named)} such points", "fields that name one point")
        return named[0]

    def _values(self, metric: str) -> list[dict[int, float]]:
        """Return each point's values of a figure by replicate, without nulls."""
        self._require_number(metric)
        by_point: dict[tuple[Any, ...], dict[int, float]] = {
            point: {} for point in self.record.points
        }
        rows = self.table.select(*self.fields, "replicate", metric).drop_nulls(metric)
        for *point, replicate, value in rows.iter_rows():
            by_point[tuple(point)][int(replicate)] = float(value)
        return list(by_point.values())

    def _frame(self, name: str, found: Sequence[Estimate]) -> polars.DataFrame:
        """Return one row a point: its fields, and an estimate."""
        import polars as pl  # noqa: PLC0415  (part of the extra study)

        columns = zip(*self.record.points, strict=True)
        fields = [column(f, values) for f, values in zip(self.fields, columns, strict=False)]
        figures = {
            name: [estimate.value for estimate in found],
            "low": [estimate.low for estimate in found],
            "high": [estimate.high for estimate in found],
            "count": [estimate.count for estimate in found],
        }
        return pl.DataFrame([*fields, *pl.DataFrame(figures).get_columns()])

    def _require_field(self, asked_by: str, field: str) -> None:
        if field not in self.fields:
            expected = f"a field of the grid ({', '.join(self.fields)})"
            raise InvalidData(asked_by, repr(field), expected)

    def _require_number(self, metric: str) -> None:
        apart = {*self.fields, "replicate", "seed"}
        known = [
            n for n in self.table.columns if self.table[n].dtype.is_numeric() and n not in apart
        ]
        if metric not in known:
            raise InvalidData("metric", repr(metric), f"one of {', '.join(known)}")


def _said(estimate: Estimate) -> str:
    return str(estimate) if estimate.count > 1 else f"{estimate.value:,.6g}"
