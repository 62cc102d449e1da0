"""Estimate how far two scenarios are apart from paired blocks, and what the pairing was worth.

With A_k and B_k the metric's means in block k under a and b, and D_k = B_k - A_k::

    difference  mean D           ± t(K - 1) · s_D / √K
    unpaired    mean B - mean A  ± t(f) · √((s_A² + s_B²) / K)    f after Welch (1947)
    variance reduction = (s_A² + s_B²) / s_D²

The last is how many times more orders independent seeds would need for the same width: a variance
of a mean falls with the number of blocks. It is itself an estimate, so it comes with an interval:
the jackknife over blocks, on the logarithm.
"""

from __future__ import annotations

import math
import os
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from orderengine.analysis.intervals import Estimate, mean_of, needed_count, paired_difference_of
from orderengine.errors import InvalidData
from orderengine.study.assumptions.sentences import assumptions_of
from orderengine.study.pairing import batches, correlation, deviation, reduction, welch
from orderengine.study.scenario import Scenario

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars

    from orderengine.analysis.plots import AnyChart

__all__ = ["Comparison", "compared"]


class Comparison(Struct, frozen=True, kw_only=True):
    """Hold how b's metric differs from a's."""

    metric: str
    a: str
    b: str
    changes: dict[str, tuple[str, str]]
    """The scenario fields that differ, as (a's, b's)."""
    difference: Estimate
    """b - a, over pairs; ``method`` says over which blocks."""
    unpaired: Estimate
    """The same difference with the interval that independent seeds would give."""
    mean_a: Estimate
    mean_b: Estimate
    variance_reduction: Estimate
    """How many times more orders independent seeds would need for the same width; infinite where
    all blocks differ by the same."""
    correlation: float
    """Of the blocks' means under a and b."""
    orders: int
    """Orders in all under each scenario."""
    replicates: int
    blocks: int
    pairs: int
    """Pairs behind the means: of orders, or of runs where the metric is one of runs."""
    left_out: int
    """Orders that counted in one of the two runs only."""
    precision: float
    """The half width that the needed numbers are for."""
    orders_needed: int
    """Orders under each scenario for ``precision``, paired, in whole blocks."""
    orders_needed_unpaired: int
    """The same with independent seeds."""
    block_means: tuple[tuple[float, float], ...]
    """(a's, b's) mean a block."""
    scenario_toml: str
    """a, as TOML."""
    assumptions: tuple[str, ...]
    """What a takes for granted, a sentence each."""

    @property
    def table(self) -> polars.DataFrame:
        """One row a block: ``block``, ``a``, ``b``, ``difference``."""
        import polars as pl  # noqa: PLC0415  (part of the extra study)

        rows = [(n, of_a, of_b, of_b - of_a) for n, (of_a, of_b) in enumerate(self.block_means)]
        return pl.DataFrame(rows, schema=["block", "a", "b", "difference"], orient="row")

    def figures(self) -> dict[str, Any]:
        """Return all of it as plain values; infinite bounds as None."""
        return {name: _plain(getattr(self, name)) for name in self.__struct_fields__}

    def plot(self) -> AnyChart:
        """Draw the paired difference and the unpaired one with their intervals."""
        from orderengine.analysis import plots  # noqa: PLC0415  (loads altair)

        return plots.paired_difference(self.differences, plots.unit_of(self.metric))

    def report(self, path: str | os.PathLike[str], command: str = "") -> Path:
        """Write a report: one self-contained HTML page, whole or not at all.

        Raises:
            InvalidData: the path cannot be written.
        """
        from orderengine.study.reports import write_comparison_page  # noqa: PLC0415  (as above)

        return write_comparison_page(self, Path(path), command)

    @property
    def differences(self) -> dict[str, Estimate]:
        """The difference by pairs, and with the interval that independent seeds would give."""
        return {"paired": self.difference, "unpaired": self.unpaired}

    def lines(self) -> list[tuple[str, str]]:
        """Return what it prints: heads and words."""
        changes = [f"{field}: {old} → {new}" for field, (old, new) in self.changes.items()]
        over = f"interval over {self.blocks} {_over(self.difference.method)}"
        percent = f"{self.difference.confidence:.0%}"
        replicates = f"{self.replicates} replicate{'s' * (self.replicates != 1)}"
        pairs = f"{self.pairs:,} pairs" + f", {self.left_out:,} left out" * bool(self.left_out)
        return [
            ("a", f"{self.a}: {self.mean_a}"),
            ("b", f"{self.b}: {self.mean_b}"),
            ("changed", "; ".join(changes) or "nothing"),
            (f"b - a, paired, {percent}", str(self.difference)),
            (f"b - a, unpaired, {percent}", str(self.unpaired)),
            ("variance reduction", _times(self.variance_reduction)),
            ("correlation of a and b", f"{self.correlation:.3f}"),
            (
                f"orders for ± {_short(self.precision)}",
                f"{self.orders_needed:,} paired, {self.orders_needed_unpaired:,} unpaired",
            ),
            (
                "from",
                f"{self.orders:,} orders each in {replicates}, {pairs}; {over}",
            ),
        ]

    def __str__(self) -> str:
        lines = self.lines()
        width = max(len(head) for head, _ in lines)
        return "\n".join([self.metric, *(f"  {head.ljust(width)}  {said}" for head, said in lines)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><td style="text-align:left">{escape(head)}</td>'
            f'<td style="text-align:left">{escape(said)}</td></tr>'
            for head, said in self.lines()
        )
        return f"<table><caption>{escape(self.metric)}</caption>{rows}</table>"


def compared(  # noqa: PLR0913  (each by name but the first four)
    a: Scenario,
    b: Scenario,
    of_a: list[npt.NDArray[np.float64]],
    of_b: list[npt.NDArray[np.float64]],
    *,
    metric: str,
    confidence: float,
    precision: float | None,
) -> Comparison:
    """Return the comparison of two scenarios' values, one array a replicate, NaN where none.

    Raises:
        InvalidData: no pair counts, a replicate has none, or a run's only value is none.
    """
    import numpy as np  # noqa: PLC0415  (part of the extra study)

    counts = [(np.isfinite(x), np.isfinite(y)) for x, y in zip(of_a, of_b, strict=True)]
    pairs = sum(int((x & y).sum()) for x, y in counts)
    left_out = sum(int((x ^ y).sum()) for x, y in counts)
    left = [x[p & q] for x, (p, q) in zip(of_a, counts, strict=True)]
    right = [y[p & q] for y, (p, q) in zip(of_b, counts, strict=True)]
    if not all(map(len, left)):
        raise InvalidData("metric", "a replicate without a pair", "pairs that count in both runs")
    method = "replicate_means"
    if len(left) == 1 and len(left[0]) > 1:
        left, right = batches(left[0]), batches(right[0])
        method = "batch_means"
    means_a = np.array([block.mean() for block in left])
    means_b = np.array([block.mean() for block in right])
    difference = replace(paired_difference_of(means_b, means_a, confidence), method=method)
    blocks, orders = len(means_a), a.orders * len(of_a)
    wanted = difference.half_width if precision is None else precision
    a_block = orders / blocks
    has_spread = blocks > 1 and math.isfinite(wanted) and wanted > 0
    sds = (deviation(means_b - means_a), math.hypot(deviation(means_a), deviation(means_b)))
    needed = [
        math.ceil(needed_count(sd, wanted, confidence) * a_block) if has_spread else orders
        for sd in sds
    ]
    return Comparison(
        metric=metric,
        a=a.name,
        b=b.name if b.name != a.name else f"{b.name} (changed)",
        changes=_changes(a, b),
        difference=difference,
        unpaired=welch(means_a, means_b, confidence),
        mean_a=replace(mean_of(means_a, confidence), method=method),
        mean_b=replace(mean_of(means_b, confidence), method=method),
        variance_reduction=reduction(means_a, means_b, confidence),
        correlation=correlation(means_a, means_b),
        orders=orders,
        replicates=len(of_a),
        blocks=blocks,
        pairs=pairs,
        left_out=left_out,
        precision=wanted,
        orders_needed=needed[0],
        orders_needed_unpaired=needed[1],
        block_means=tuple(zip(means_a.tolist(), means_b.tolist(), strict=True)),
        scenario_toml=a.to_toml(),
        assumptions=tuple(assumptions_of(a)),
    )


def _changes(a: Scenario, b: Scenario) -> dict[str, tuple[str, str]]:
    """Return the fields that differ, but for the names and seeds."""
    old, new = _fields(a.to_dict()), _fields(b.to_dict())
    names = dict.fromkeys([*old, *new])
    return {
        name: (old.get(name, "-"), new.get(name, "-"))
        for name in names
        if name not in {"name", "seed"} and old.get(name) != new.get(name)
    }


def _fields(tree: Any, above: str = "") -> dict[str, str]:  # noqa: ANN401
    if isinstance(tree, dict) and set(tree) == {"name", "source_sha256"}:
        return {above: str(tree["name"])}
    if isinstance(tree, dict | list):
        parts = tree.items() if isinstance(tree, dict) else enumerate(tree)
        found: dict[str, str] = {}
        for name, value in parts:
            found |= _fields(value, f"{above}.{name}" if above else str(name))
        return found
    return {above: str(tree)}


def _times(factor: Estimate) -> str:
    if not math.isfinite(factor.value):
        return "none to tell: all blocks differ by the same"
    bounds = f" [{factor.low:,.1f}, {factor.high:,.1f}]" if factor.low > 0 else ""
    return f"{factor.value:,.1f}{bounds} times fewer orders than with independent seeds"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


def _over(method: str) -> str:
    return "means of replicates" if method == "replicate_means" else "batch means of one run"


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value
