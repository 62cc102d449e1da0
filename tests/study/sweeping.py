"""Give small scenarios, and ways to run them, to the tests of sweeps."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import polars as pl

from orderengine.study.run import scenario
from orderengine.study.sweep.figures import MACHINE_FIGURES
from orderengine.study.sweep.result import SweepResult

SMALL = scenario("seed_default").replace({"orders": 12, "arrivals.rate_per_s": 5.0})
"""A study of a tenth of a second."""


class Inline(Executor):
    """Run each task where it is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Return a future that is done."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def of_study(result: SweepResult) -> pl.DataFrame:
    """Return a sweep's table without the figures of the machine."""
    return result.table.drop(MACHINE_FIGURES)
