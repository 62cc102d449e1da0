"""Fit the models of a scenario to measured files, and say how well they fit.

``calibrate`` reads one column of a CSV or Parquet file and fits what a scenario can hold: a latency
model, priority fees, the slot's length, or the slots until landing. It gives the fields to paste
into a scenario, every figure with its interval, where the fit is bad, and a chart of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orderengine.analysis.fitting import fit_durations, lag_1
from orderengine.analysis.fitting_fees import fit_fees
from orderengine.analysis.fitting_slots import fit_landing_slots, fit_slot_times
from orderengine.errors import InvalidData
from orderengine.study.calibrated import Calibration, Kind

if TYPE_CHECKING:
    import polars


__all__ = ["calibrate"]

_FIELDS: dict[Kind, str] = {
    "latency": "market.quote_latency",
    "fee": "market.fees",
    "slot_time": "market.slot",
    "landing_slots": "market.landing",
}
_COUNT_COLUMN = "num_slots"


def calibrate(  # noqa: PLR0913  (named, each with a default)
    path: str | os.PathLike[str],
    column: str,
    *,
    kind: Kind = "latency",
    field: str | None = None,
    model: str | None = None,
    where: Mapping[str, str] | None = None,
    confidence: float = 0.95,
) -> Calibration:
    """Fit one column of a file, and return the fit with the scenario's fields for it.

    Args:
        path: CSV or Parquet, plain or gzip, with a header.
        column: of numbers. A row without a value is left out; of fees, it is a bid of 0.
        kind: ``latency``: ms above 0; ``fee``: micro-lamports a compute unit; ``slot_time``: mean
            ms of a slot, over ``num_slots`` slots where the file has that column, else over 1;
            ``landing_slots``: slots from sending to landing, from 1 up.
        field: the scenario's field to fit; None takes ``market.quote_latency``, ``market.fees``,
            ``market.slot`` or ``market.landing``.
        model: of a latency: ``exponential``, ``gamma``, ``lognormal``, ``shifted_lognormal`` or
            ``empirical``; None takes the one with the least AIC.
        where: only rows whose columns hold these texts, such as ``{"is_vote": "0"}``.
        confidence: of the intervals.

    Raises:
        InvalidData: unreadable, no such column, too few values, or some that cannot be.
    """
    file = os.fspath(path)
    table = _read(file)
    for name, text in (where or {}).items():
        table = table.filter(_picked(table, name, file) == text)
    texts = [
        None if value is None else str(value).strip() for value in _picked(table, column, file)
    ]
    given = [_number(file, row, column, text) for row, text in enumerate(texts, 1) if text]
    made: dict[str, Any] = {
        "path": file,
        "column": column,
        "kind": kind,
        "field": field or _FIELDS[kind],
        "values": tuple(given),
        "rows": len(texts),
    }
    try:
        if kind == "fee":
            bids = given + [0.0] * (len(texts) - len(given))
            return Calibration(**made, fit=fit_fees(bids, confidence))
        if kind == "slot_time":
            counts = [1.0] * len(given)
            if _COUNT_COLUMN in table.columns:
                known = zip(texts, table[_COUNT_COLUMN], strict=True)
                counts = [float(many) for text, many in known if text]
            return Calibration(**made, fit=fit_slot_times(given, counts, confidence))
        if kind == "landing_slots":
            return Calibration(**made, fit=fit_landing_slots(given, confidence))
        fits = tuple(fit_durations(given, confidence))
        chosen = fits[0] if model is None else next((f for f in fits if f.model == model), None)
        if chosen is None:
            raise InvalidData("model", model or "", f"one of {', '.join(f.model for f in fits)}")
        return Calibration(**made, fits=fits, chosen=chosen, lag=lag_1(given, confidence))
    except InvalidData as error:
        if error.source == "model":
            raise
        raise InvalidData(f"{file}, {column}", error.found, error.expected) from None


def _read(path: str) -> polars.DataFrame:
    import polars as pl  # noqa: PLC0415  (the extra ``study``)

    try:
        data = Path(path).read_bytes()
        if data[:4] == b"PAR1":
            return pl.read_parquet(data)
        return pl.read_csv(data, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        expected = "a CSV or Parquet file, plain or gzip"
        raise InvalidData(path, f"one that cannot be read ({reason})", expected) from None


def _picked(table: polars.DataFrame, column: str, path: str) -> polars.Series:
    if column not in table.columns:
        raise InvalidData(path, f"the columns {', '.join(table.columns)}", f"a column {column!r}")
    return table[column]


def _number(path: str, row: int, column: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidData(f"{path}, row {row}", f"{column} {text!r}", "a number") from None
