"""The judge can fail: mistakes are found, and their plans made small."""

from __future__ import annotations

import pytest

from tests.chaos.virtual.items import Place
from tests.chaos.virtual.plan import plan_of
from tests.chaos.virtual.sabotage import SABOTAGES, Sabotage
from tests.chaos.virtual.shrink import broken_invariants, shrink
from tests.chaos.virtual.soak import explain, run_seeds, violations_of

SEEDS_MAX = 1_000


def found_by(sabotage: Sabotage) -> int:
    """Return the first seed that breaks what the sabotage should break."""
    for seed in range(SEEDS_MAX):
        if broken_invariants(violations_of(plan_of(seed))) & sabotage.breaks:
            return seed
    return pytest.fail(f"{SEEDS_MAX} seeds find nothing")


@pytest.mark.parametrize("sabotage", SABOTAGES.values(), ids=SABOTAGES)
def test_a_mistake_is_found(sabotage: Sabotage) -> None:
    """Some seed breaks an invariant that it should, and none without the mistake."""
    with sabotage.done():
        seed = found_by(sabotage)
    assert violations_of(plan_of(seed)) == ()


@pytest.mark.parametrize(
    "name",
    [
        "signed anew while nothing is known",
        "lost wake-ups are not looked for",
        "height and status come from two nodes",
        "keys are forgotten",
    ],
)
def test_a_failing_plan_becomes_small(name: str) -> None:
    """A few items are left, each of them needed, and they fail again by themselves."""
    with SABOTAGES[name].done():
        seed = found_by(SABOTAGES[name])
        plan = plan_of(seed)
        kept = shrink(plan, violations_of)
        assert kept == shrink(plan, violations_of)
        assert 1 <= len(kept) <= 8
        assert 2 * len(kept) < len(plan.items)
        assert any(isinstance(plan.items[number], Place) for number in kept)
        wanted = broken_invariants(violations_of(plan))
        assert wanted & broken_invariants(violations_of(plan.kept(kept)))
        for number in kept:
            fewer = [other for other in kept if other != number]
            assert not wanted & broken_invariants(violations_of(plan.kept(fewer)))


def test_a_plan_that_holds_cannot_be_shrunk() -> None:
    """There is nothing to look for."""
    with pytest.raises(ValueError, match="does not fail"):
        shrink(plan_of(0), violations_of)


def test_a_batch_tells_how_to_see_a_failure_again() -> None:
    """The seed, what it broke, the items and the command."""
    with SABOTAGES["signed anew while nothing is known"].done():
        tally = run_seeds(0, 4)
    failed = tally.failures[0]
    said = explain(failed.seed, failed.violations, failed.kept)
    keep = ",".join(map(str, failed.kept))
    assert said.endswith(f"--seed {failed.seed} --keep {keep}")
    assert "I6" in said
    assert tally.summary()["failed"] == len(tally.failures)
