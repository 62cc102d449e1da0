"""Check what the benchmark of the service makes of its rounds: medians, ratios, goals, faults."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from benchmarks.service.cases import CASES, COMPARED, ORIGINAL, SCALE, SCALING
from benchmarks.service.report import Goal, faults_of, goals, medians, ratios, table
from benchmarks.service.rounds import Measured, steps


def measured(target: str, number: int, case: str = "e2e-200", **figures: float) -> Measured:
    """Return one measurement."""
    return Measured(
        round=number,
        part=case,
        target=target,
        workers=1,
        case=case,
        orders=1_000,
        figures=figures,
        cpu_ms_an_order={"api": 0.25},
        memory_mb={"api": 50.0},
        faults={},
        facts={},
    )


def rounds_of(target: str, *rates: float) -> list[Measured]:
    """Return a measurement a rate."""
    return [measured(target, number, orders_per_s=rate) for number, rate in enumerate(rates, 1)]


def test_medians_are_taken_over_rounds_and_not_over_targets() -> None:
    """One slow round of a target moves neither its median nor another's."""
    found = medians([*rounds_of("peer", 100, 1, 102), *rounds_of("postgres", 300, 290, 9_000)])
    assert [(one.target, one.figures["orders_per_s"], one.rounds) for one in found] == [
        ("peer", 100, 3),
        ("postgres", 300, 3),
    ]


def test_ratios_are_of_medians() -> None:
    """They are ours over the peer's, so that more is faster and, for a time, slower."""
    found = medians([*rounds_of("peer", 100, 100), *rounds_of("sqlite", 150, 170)])
    assert ratios(found) == {"e2e-200": {"sqlite": {"orders_per_s": 1.6}}}


def test_without_the_peer_nothing_is_met_and_nothing_missed() -> None:
    """What was not measured is said to be so."""
    found = medians(rounds_of("postgres", 5_000))
    told = goals(found, 0)
    assert [goal.is_met for goal in told[:-1]] == [None] * (len(told) - 1)
    assert "not measured" in str(told[0])


@pytest.mark.parametrize(("rate", "is_met"), [(149.9, False), (150, True)])
def test_a_goal_is_met_from_its_bound_on(rate: float, is_met: bool) -> None:
    """The first goal asks for half as much again as the peer does."""
    found = medians([*rounds_of("peer", 100), *rounds_of("postgres", rate)])
    assert goals(found, 0)[0].is_met is is_met
    assert ("MISSED" in str(goals(found, 0)[0])) is not is_met


def test_a_goal_may_have_an_upper_bound() -> None:
    """As those of time, CPU and faults have."""
    assert Goal(words="s", at_most=4.0, found=4.0).is_met
    assert not Goal(words="s", at_most=4.0, found=4.01).is_met


@pytest.mark.parametrize(("slowest_ms", "is_met"), [(4_000, True), (4_001, False)])
def test_the_original_delays_are_judged_by_the_slowest_order(
    slowest_ms: float, is_met: bool
) -> None:
    """The median is over rounds; within a round the last order counts."""
    found = medians([measured("postgres", 1, ORIGINAL.name, after_reply_max_ms=slowest_ms)])
    assert [goal.is_met for goal in goals(found, 0) if goal.is_met is not None] == [is_met, True]


def test_one_fault_in_any_round_misses_the_last_goal() -> None:
    """A median would hide it."""
    found = medians(rounds_of("postgres", 1, 2, 3))
    assert goals(found, 0)[-1].is_met
    assert not goals(found, 1)[-1].is_met


def test_a_fault_is_told_with_its_round() -> None:
    """So that its log can be looked for."""
    one = rounds_of("postgres", 10)[0]
    bad = replace(one, faults={"lost": 2})
    assert faults_of([one, bad]) == ["round 1, e2e-200, postgres: 2 lost"]


def test_targets_take_turns_within_a_case() -> None:
    """Whatever else the machine does then hits all of them alike."""
    plan = steps(["e2e-200", "post-50"], ["peer", "postgres", "sqlite"], 2)
    turns = ["peer", "postgres", "sqlite"]
    assert [step.target for step in plan] == turns * 4
    assert [(step.round, step.part) for step in plan[::3]] == [
        (1, "e2e-200"),
        (1, "post-50"),
        (2, "e2e-200"),
        (2, "post-50"),
    ]


def test_the_other_parts_need_no_peer() -> None:
    """Ours on PostgreSQL alone runs at the original's delays, and with more workers."""
    plan = steps([ORIGINAL.name, SCALE], ["peer", "postgres"], 1)
    assert {step.target for step in plan} == {"postgres"}
    assert [step.workers for step in plan if step.part == SCALE] == [1, 2, 3]
    assert steps([ORIGINAL.name, SCALE], ["peer", "sqlite"], 1) == []


def test_every_case_has_a_table() -> None:
    """What is measured is shown."""
    both = [*COMPARED, ORIGINAL]
    shown = "\n".join(
        table(medians([measured("postgres", 1, case.name, orders_per_s=77) for case in both]))
    )
    assert [case.name for case in both if f"{case.name}: " not in shown] == []
    assert set(CASES) == {case.name for case in both} | {SCALE}
    assert len({case.name for case in SCALING}) == len(SCALING)
