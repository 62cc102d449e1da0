"""Compare two scenarios on common random numbers: the same orders, the same luck, paired.

Both run under the same seeds, and draws are counted by seed, concern and order, so order n of
replicate r meets the same draws under both. What the two share drops out of the difference, and an
interval of a given width takes fewer orders than with independent seeds (A. M. Law, Simulation
Modeling and Analysis, 5th ed. 2015, 11.2).

It misleads where the metric is one of few orders, such as a far percentile, for the pairs then
share little; and it says nothing of a difference that the model itself does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orderengine.errors import InvalidData, InvalidRequest, InvalidScenario
from orderengine.study.compared import Comparison, compared
from orderengine.study.progress import cell_progress_of
from orderengine.study.result import Result
from orderengine.study.run import scenario as find_scenario
from orderengine.study.scenario import Scenario
from orderengine.study.sweep.batch import ExecutorLike, Means, run_batch
from orderengine.study.sweep.cells import replicate_seed
from orderengine.study.sweep.figures import flat
from orderengine.study.sweep.task import Done, Failed, packed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Metric", "compare"]

Metric = str | Callable[[Result], Any]
"""A column of ``Result.orders``, a figure of ``Result.figures`` by its dotted name, or a function
of a result that returns a number, or one an order (None where an order does not count)."""

_REPLICATES = 10
_DAY_S = 86_400.0


def compare(  # noqa: PLR0913  (each by name but the first two)
    a: Scenario | str,
    b: Scenario | str,
    *,
    orders: int | None = None,
    replicates: int | None = None,
    metric: Metric = "shortfall_bps",
    confidence: float = 0.95,
    precision: float | None = None,
    executor: ExecutorLike | str | None = None,
    workers: int | None = None,
    progress: bool | Callable[[int, int, int], None] | None = None,
) -> Comparison:
    """Run two scenarios under the same seeds, and estimate how much b's metric is above a's.

    Of a metric of orders, each order is paired with itself in the other run; those that count in
    one run only are left out and told. Orders of one run are dependent, so the interval is over the
    means of replicates; over batch means, less surely, where there is one replicate.

    Args:
        a: what is compared with, or its name or path; its seed serves both.
        b: what is compared.
        orders: in each run; None for as many as the scenarios have.
        replicates: runs of each; None for 10.
        metric: ``shortfall_bps`` or another column of ``Result.orders`` (of costs, orders count as
            in the report: not those that were cancelled); a figure such as
            ``latency_ms.total.p95``; or a function.
        confidence: of the intervals.
        precision: half the width that is wanted, in the metric's unit; None for the width obtained.
        executor: who runs them, as for ``sweep``.
        workers: how many processes of our own.
        progress: as for ``sweep``.

    Raises:
        InvalidScenario: a field is wrong, or the two have different numbers of orders.
        InvalidData: the confidence is none, or no order counts in both.
        InvalidRequest: a run failed, or has no such metric; says which and why.
    """
    both = [chosen if isinstance(chosen, Scenario) else find_scenario(chosen) for chosen in (a, b)]
    count = _REPLICATES if replicates is None else replicates
    if not 1 <= count <= 100_000:
        raise InvalidScenario("replicates", replicates, "from 1 to 100000")
    if orders is not None:
        both = [study.replace(orders=orders) for study in both]
    elif both[0].orders != both[1].orders:
        raise InvalidScenario(
            "orders", both[1].orders, f"{both[0].orders}, as many as of the other"
        )
    if precision is not None and not precision > 0:
        raise InvalidScenario("precision", precision, "more than 0")
    if not 0 < confidence < 1:
        raise InvalidData("the confidence", str(confidence), "a number between 0 and 1")
    values = _run(both, count, _Values(metric), Means(executor, workers, _DAY_S), progress)
    return compared(
        both[0],
        both[1],
        values[0::2],
        values[1::2],
        metric=metric if isinstance(metric, str) else getattr(metric, "__name__", "metric"),
        confidence=confidence,
        precision=precision,
    )


def _run(
    both: list[Scenario],
    replicates: int,
    values_of: _Values,
    means: Means,
    progress: bool | Callable[[int, int, int], None] | None,
) -> list[npt.NDArray[np.float64]]:
    """Return the metric's values of a and b in turn, replicate by replicate."""
    seed = both[0].seed
    found: dict[int, npt.NDArray[np.float64]] = {}

    def pack(number: int) -> bytes:
        study = both[number % 2].replace(seed=replicate_seed(seed, number // 2))
        return packed(study, values_of)

    def ended(number: int, answer: Done | Failed) -> None:
        if isinstance(answer, Failed):
            which = f"replicate {number // 2} of {'ab'[number % 2]} ({both[number % 2].name})"
            raise InvalidRequest(f"{which} failed: {answer.kind}: {answer.message}")
        found[number] = answer.value
        shown.update(len(found), 0)

    try:
        with cell_progress_of(progress, 2 * replicates, doing="comparing") as shown:
            run_batch(range(2 * replicates), pack, means, ended)
    finally:
        means.close()
    return [found[number] for number in range(2 * replicates)]


class _Values:
    """Take a metric from a result: one value, or one an order with NaN where it does not count."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def __call__(self, result: Result) -> npt.NDArray[np.float64]:
        import numpy as np  # noqa: PLC0415  (part of the extra study)

        metric = self._metric
        found = _named(result, metric) if isinstance(metric, str) else metric(result)
        if found is None:
            raise InvalidData("metric", "no value for a whole run", "a number")
        values = np.atleast_1d(
            np.asarray(list(found) if hasattr(found, "__len__") else found, float)
        )
        if values.shape not in {(1,), (len(result.logs),)}:
            expected = f"one number, or one for each of {len(result.logs)} orders"
            raise InvalidData("metric", f"values of shape {values.shape}", expected)
        return values


def _named(result: Result, metric: str) -> Any:  # noqa: ANN401  (a number, or one an order)
    from orderengine.analysis.costs import counted  # noqa: PLC0415  (loads polars)

    orders = result.orders
    if metric in orders.columns and orders[metric].dtype.is_numeric():
        if not metric.endswith("_bps") or metric == "slippage_bps":
            return orders[metric].cast(float).to_list()
        of_order = dict(counted(orders).select("number", metric).iter_rows())
        return [of_order.get(number) for number in range(orders.height)]
    figures = flat(result.figures())
    found = figures.get(metric)
    if metric in figures and not isinstance(found, str):
        return found
    names = [name for name in orders.columns if orders[name].dtype.is_numeric()]
    names += [name for name, value in figures.items() if not isinstance(value, str)]
    raise InvalidData("metric", repr(metric), f"one of {', '.join(dict.fromkeys(names))}")
