"""Check the engine's queue against theory: M/M/c waits, and what is refused where room is short."""

from __future__ import annotations

import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import orderengine as oe
from orderengine.analysis.queueing import Mmc, loss_share
from orderengine.model.events import Failed

VALIDITY = runpy.run_path(
    str(Path(__file__).parents[2] / "docs" / "study" / "make_validity.py"), run_name="validity"
)
SERVICE_S: float = VALIDITY["SERVICE_S"]


def study_of(workers: int, utilisation: float, seed: int, orders: int) -> Any:
    """Return the M/M/c scenario of the page on validity."""
    return VALIDITY["study_of"](workers, utilisation, seed, orders)


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("utilisation", [0.5, 0.95, 1.3])
def test_waits_are_those_of_the_recursion(workers: int, utilisation: float) -> None:
    """To the nanosecond, order by order: the engine adds no time of its own, and none is lost."""
    study = study_of(workers, utilisation, 3, 1_500)
    assert VALIDITY["engine_waits_ns"](study) == VALIDITY["recursion_waits_ns"](study)


@pytest.mark.parametrize(
    ("utilisation", "replicates", "orders", "warm_up"),
    [(0.5, 5, 800, 200), (0.9, 4, 3_000, 1_000), (0.95, 4, 6_000, 2_500)],
)
def test_mean_waits_hold_theory(
    utilisation: float, replicates: int, orders: int, warm_up: int
) -> None:
    """Erlang's mean wait lies inside the 99 % interval of independent replicates."""
    means_s = []
    for seed in range(replicates):
        waits_ns = VALIDITY["engine_waits_ns"](study_of(4, utilisation, seed, orders))
        means_s.append(VALIDITY["mean_wait_s"](waits_ns, warm_up))
    _, low, high = VALIDITY["interval"](means_s)
    assert low <= Mmc(4 * utilisation / SERVICE_S, SERVICE_S, 4).mean_wait_s <= high


def test_long_runs_hold_theory_closely() -> None:
    """The recursion, which is the engine's waits, over 30 times as many orders."""
    means_s = [
        VALIDITY["mean_wait_s"](
            VALIDITY["recursion_waits_ns"](study_of(4, 0.9, seed, 25_000)), 5_000
        )
        for seed in range(10)
    ]
    mean, low, high = VALIDITY["interval"](means_s)
    theory_s = Mmc(3.6 / SERVICE_S, SERVICE_S, 4).mean_wait_s
    assert low <= theory_s <= high
    assert high - low < 0.4 * theory_s  # else it would hold whatever the engine did
    assert mean == pytest.approx(theory_s, rel=0.2)


@pytest.mark.parametrize(("workers", "room"), [(1, 1), (2, 3)])
def test_refusals_are_those_of_theory(workers: int, room: int) -> None:
    """M/M/c/K: the share that finds no room, in the 99 % interval of replicates.

    Each refused order has a log: it was accepted at the intended instant, and failed at the same.
    """
    shares = []
    for seed in range(6):
        study = study_of(workers, 0.9, seed, 1_500).replace({"engine.queue_capacity": room})
        logs = oe.simulate(study, progress=False).logs
        refused = [log for log in logs if isinstance(log[-1], Failed)]
        assert Counter(log[-1].code for log in refused) == {"QUEUE_FULL": len(refused)}  # type: ignore[attr-defined]
        assert all(len(log) == 2 and log[0].at_ns == log[1].at_ns for log in refused)
        shares.append(len(refused) / len(logs))
    _, low, high = VALIDITY["interval"](shares)
    assert low <= loss_share(workers, 0.9 * workers, room) <= high
