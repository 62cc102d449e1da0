"""Hold what was fitted to a file: the scenario's fields, the figures, where it is bad, a chart."""

from __future__ import annotations

from functools import cached_property
from html import escape
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orderengine.analysis.fitting import Fit
from orderengine.analysis.fitting_fees import FeeFit
from orderengine.analysis.fitting_slots import LandingFit, SlotFit
from orderengine.model.amounts import format_duration

if TYPE_CHECKING:
    import polars

    from orderengine.analysis.intervals import Estimate
    from orderengine.analysis.plots import AnyChart

__all__ = ["Calibration", "Kind"]

Kind = Literal["latency", "fee", "slot_time", "landing_slots"]
"""What the column holds: ms; micro-lamports a compute unit; mean ms of a slot; slots to landing."""

_URGENT, _NORMAL, _BULK = 0.75, 0.5, 0.25
"""Percentiles of a block's bids that the three priorities take, as in the default scenario."""


class Calibration:
    """Hold a fit; it prints as a table of figures, and shows itself in a notebook."""

    def __init__(  # noqa: PLR0913  (a record, made in one place, by name)
        self,
        *,
        path: str,
        column: str,
        kind: Kind,
        field: str,
        values: tuple[float, ...],
        rows: int,
        fit: FeeFit | LandingFit | SlotFit | None = None,
        fits: tuple[Fit, ...] = (),
        chosen: Fit | None = None,
        lag: Estimate | None = None,
    ) -> None:
        self.path = path
        self.column = column
        self.kind = kind
        self.field = field
        """The scenario's field that the fit is for."""
        self.values = values
        """The values that were fitted, in the file's order."""
        self.rows = rows
        """Rows looked at, with those that hold no value."""
        self.fit = fit
        """What was found of fees or slots; None for a latency."""
        self.fits = fits
        """Of a latency: a fit a model, the best first."""
        self.chosen = chosen
        """Of a latency: the fit that ``settings`` holds."""
        self.lag = lag
        """Correlation of neighbours in the file, of a latency."""

    @property
    def settings(self) -> dict[str, object]:
        """The fields for a scenario: ``oe.scenario().replace(calibration.settings)``."""
        found: object
        if isinstance(self.fit, FeeFit):
            points = self.fit.points
            found = {
                "urgent_micro_lamports": round(points[_URGENT].value),
                "normal_micro_lamports": round(points[_NORMAL].value),
                "bulk_micro_lamports": round(points[_BULK].value),
            }
            return {f"{self.field}.{name}": price for name, price in found.items()}
        if isinstance(self.fit, SlotFit):
            return {self.field: _ms(self.fit.mean.value)}
        if isinstance(self.fit, LandingFit):
            chance = round(self.fit.slots_p.value, 4)
            return {f"{self.field}.model": "slots", f"{self.field}.slots_p": chance}
        return {self.field: self._latency}

    @property
    def _latency(self) -> dict[str, object]:
        fit = self.chosen
        if fit is None or fit.model == "empirical":
            return {"model": "empirical", "file": self.path, "column": self.column}
        found: dict[str, object] = {"model": fit.model}
        for name, estimate in fit.parameters.items():
            is_number = name in {"sigma", "shape"}
            found[name] = round(estimate.value, 4) if is_number else _ms(estimate.value)
        return found

    def to_toml(self) -> str:
        """Return the fields as lines of a scenario file, outside of its tables."""
        return "\n".join(f"{name} = {_toml(value)}" for name, value in self.settings.items())

    @cached_property
    def table(self) -> polars.DataFrame:
        """One row a figure: ``model``, ``figure``, and the six columns of a table of figures.

        ``aic`` and ``ks`` have no interval.
        """
        import polars as pl  # noqa: PLC0415  (the extra ``study``)

        from orderengine.analysis.estimates import estimate_table  # noqa: PLC0415  (loads polars)

        named = {"model": pl.String, "figure": pl.String}
        return estimate_table(
            (
                ({"model": model, "figure": figure}, found)
                for model, figure, found in self._figures()
            ),
            named,
        )

    def _figures(self) -> list[tuple[str, str, Estimate]]:
        if isinstance(self.fit, FeeFit):
            points = [(f"p{100 * q:g}", found) for q, found in self.fit.points.items()]
            figures = [("percentiles", name, found) for name, found in points]
            law = self.fit.lognormal.parameters.items()
            zero = ("percentiles", "zero_share", self.fit.zero_share)
            return [zero, *figures, *(("lognormal", name, found) for name, found in law)]
        if isinstance(self.fit, SlotFit):
            names = ("mean", "mean_sd", "jitter_sd", "lag_1")
            return [("slots", name, getattr(self.fit, name)) for name in names]
        if isinstance(self.fit, LandingFit):
            return [("geometric", "slots_p", self.fit.slots_p)]
        return [
            (fit.model, name, found) for fit in self.fits for name, found in fit.parameters.items()
        ]

    @property
    def warnings(self) -> list[str]:
        """Where the fit is bad, a sentence each; empty where nothing speaks against it."""
        said = []
        if self.chosen is not None:
            said += [f"{self.chosen.model}: {miss}." for miss in self.chosen.misses]
            if self.lag is not None and not self.lag.low <= 0 <= self.lag.high:
                said.append(
                    f"Neighbours in the file correlate by {self.lag}: the values are not "
                    "independent draws, and the intervals are too narrow."
                )
        if isinstance(self.fit, FeeFit):
            said += [f"lognormal: {miss}." for miss in self.fit.lognormal.misses]
        if isinstance(self.fit, LandingFit):
            said += [f"geometric: {miss}." for miss in self.fit.misses]
        if isinstance(self.fit, SlotFit) and self.fit.lag_1.low > 0:
            said.append(
                f"Neighbouring means correlate by {self.fit.lag_1}: part of the spread is a slow "
                "drift, and jitter_sd is too large for one slot."
            )
        return said

    def plot(self) -> AnyChart:
        """Draw the data's shares against the model's, and the percentiles against each other."""
        from orderengine.analysis.plots import fits  # noqa: PLC0415  (loads altair)

        if isinstance(self.fit, FeeFit):
            bids = [value for value in self.values if value > 0]
            return fits.fit_chart(
                bids, [self.fit.lognormal], "micro-lamports a unit", log_scale=True
            )
        if isinstance(self.fit, LandingFit):
            return fits.landing_chart(self.fit)
        if isinstance(self.fit, SlotFit):
            return fits.series_chart(self.values, "mean slot, ms")
        shown = [fit for fit in self.fits if fit is self.chosen or fit.model == "lognormal"]
        return fits.fit_chart(self.values, shown, "ms", log_scale=False)

    def __str__(self) -> str:
        name = Path(self.path).name
        head = f"{self.column} of {name}: {len(self.values):,} values in {self.rows:,} rows"
        lines = [head, ""]
        for fit in self.fits:
            mark = "*" if fit is self.chosen else " "
            told = ", ".join(f"{n} {found}" for n, found in fit.parameters.items())
            aic = "" if isnan(fit.aic) else f"AIC {fit.aic:,.0f}, KS {fit.ks:.3f}, "
            lines.append(f"{mark} {fit.model:<18}{aic}{told}".rstrip(", "))
        if not self.fits:
            lines += [f"  {figure:<12}{found}" for _, figure, found in self._figures()]
        said = [f"  {warning}" for warning in self.warnings]
        lines += (
            ["", "Where the fit is bad:", *said] if said else ["", "Nothing speaks against it."]
        )
        return "\n".join([*lines, "", self.to_toml()])

    def __repr__(self) -> str:
        return f"<Calibration of {self.field}: {self.column}, {len(self.values):,} values>"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def _ms(value: float) -> str:
    """Return a duration of ms to the nearest 10 microseconds, as a scenario writes it."""
    rounded_ns = round(value * 100) * 10_000
    return format_duration(rounded_ns) if rounded_ns else "0ms"


def _toml(value: object) -> str:
    import tomli_w  # noqa: PLC0415  (the extra ``study``)

    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + " }"
    return tomli_w.dumps({"v": value}).partition(" = ")[2].strip()
