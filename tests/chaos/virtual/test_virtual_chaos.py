"""Let everything go wrong at once, seed after seed, and have every invariant hold.

``VIRTUAL_CHAOS_SEEDS`` and ``VIRTUAL_CHAOS_FIRST`` say which seeds; ``python -m
tests.chaos.virtual`` runs more of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.virtual.items import Kill
from tests.chaos.virtual.plan import API_PLACES, RECORD_PLACES, WORK_PLACES, plan_of
from tests.chaos.virtual.soak import explain, run_seeds
from tests.chaos.virtual.world import run_plan

SEEDS = int(os.environ.get("VIRTUAL_CHAOS_SEEDS", "2000"))
FIRST = int(os.environ.get("VIRTUAL_CHAOS_FIRST", "0"))
BATCH = 250
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, BATCH))
def test_every_invariant_holds(first: int) -> None:
    """Whatever dies, stops, lies or is lost."""
    tally = run_seeds(first, min(BATCH, FIRST + SEEDS - first))
    said = [explain(failed.seed, failed.violations, failed.kept) for failed in tally.failures]
    assert not said, "\n" + "\n".join(said)
    assert tally.struck["order confirmed"] > tally.seeds  # or nothing much was at stake


@pytest.mark.parametrize("place", sorted({*API_PLACES, *WORK_PLACES, *RECORD_PLACES}))
def test_a_process_can_be_killed_at_every_await(place: str) -> None:
    """Each place is there to be struck, before and after, and the invariants hold."""
    for seed in range(5, 400, 8):  # these trade in the simulated market, which has all places
        plan = plan_of(seed if place in RECORD_PLACES else seed + 1)
        kills = [Kill(number, place, 1, 100, 500) for number in range(len(plan.roles))]
        report = run_plan(
            type(plan)(plan.seed, plan.roles, plan.venues, plan.is_real, (*plan.items, *kills))
        )
        assert not report.violations
        if report.struck[f"kill: {place}"]:
            return
    pytest.fail(f"nothing passes {place}")


@pytest.mark.parametrize("seed", [1, 5, 7])
def test_a_seed_is_the_same_run_each_time(seed: int) -> None:
    """To the last event, here and in a process that hashes otherwise."""
    report = run_plan(plan_of(seed))
    assert run_plan(plan_of(seed)) == report
    said = subprocess.run(
        [sys.executable, "-m", "tests.chaos.virtual", "--seed", str(seed)],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert report.event_log_sha256 in said.stdout
