"""Give further figures of a run to a sweep: what became of attempts, and how a queue waited.

Each function takes a result and returns numbers by name, as ``oe.sweep(..., measure=...)`` wants.
They cost a pass over the events, so a sweep has them only where they are asked for.
"""

from __future__ import annotations

from orderengine.study.result import Result

__all__ = ["attempts", "waits"]

_WARM_UP = 4
"""One order in so many, the first ones, met an engine that was still empty."""


def attempts(result: Result) -> dict[str, float | None]:
    """Return what attempts came to, and what orders cost if each is traded in the end.

    Returns:
        ``attempts_mean``: attempts that are over, for one order that ended; ``revert_rate``,
        ``lost_rate``, ``unsent_rate``: shares of landed transactions, of sent ones, and of all
        attempts, as in ``analysis.reverts``; ``completed_bps``: ``analysis.costs.completed_mean``.
    """
    from orderengine.analysis.costs import completed_mean  # noqa: PLC0415  (loads polars)
    from orderengine.analysis.reverts import (  # noqa: PLC0415  (loads polars)
        attempt_table,
        revert_table,
    )

    rates = revert_table(attempt_table(result.logs))
    of_all_codes = {
        metric: value
        for metric, code, value in rates.select("metric", "code", "value").iter_rows()
        if code is None and metric.endswith("_rate")
    }
    return {
        "attempts_mean": result.summary().attempts_mean,
        **of_all_codes,
        "completed_bps": completed_mean(result.orders),
    }


def waits(result: Result) -> dict[str, float | None]:
    """Return how orders waited for a worker, without the first quarter of them.

    Of all orders that a worker took, also of those that were not filled; one that was cancelled or
    expired while it waited has no wait. Times in ms.

    Returns:
        ``wait_mean``, ``wait_p95``, ``wait_p99``, ``wait_chance``, ``service_mean``,
        ``arrival_rate`` and ``offered_load``, as in ``analysis.waits``.
    """
    from orderengine.analysis.waits import wait_table  # noqa: PLC0415  (loads polars)

    orders = result.orders
    workers = result.scenario.engine.workers
    table = wait_table(orders, workers, warm_up=len(orders) // _WARM_UP)
    return dict(table.select("metric", "value").iter_rows())
