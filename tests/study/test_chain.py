"""Check whole small studies with the network turned on: repeatable, honest, and as expected."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from statistics import fmean, median

import pytest

import orderengine as oe
from orderengine.errors import InvalidScenario
from orderengine.model.events import (
    Accepted,
    AttemptFailed,
    Confirmed,
    Event,
    Expired,
    Failed,
    Submitted,
)
from orderengine.model.order import Priority
from orderengine.study.assumptions.sentences import assumptions_of
from orderengine.study.result import Result
from orderengine.study.scenario import Scenario

NETWORK = oe.scenario("default").replace(
    {
        "orders": 400,
        "arrivals.rate_per_s": 40.0,
        "order.cancel_share": 0.0,
        "order.urgent_share": 0.3,
        "market.slot_jitter": 0.2,
        "market.skip_rate": 0.02,
        "market.leaders.count": 200,
        "market.leaders.poor_share": 0.1,
        "market.blocks.limits": True,
        "market.congestion.demand": 2.5,
        "market.congestion.ingress": 2.0,
        "market.congestion.account_demand": 1.2,
        "market.consensus.profile": "towerbft",
        "market.consensus.fork_rate": 0.02,
        "market.landing.model": "network",
    }
)
"""A congested network. Urgent orders bid the 75th percentile, normal ones the median."""


@cache
def study(**fields: object) -> Result:
    """Return a study of the network, or of one that differs."""
    return oe.simulate(NETWORK.replace(**fields), progress=False)


def priority_of(log: Sequence[Event]) -> Priority:
    """Return the priority of the order whose log this is."""
    first = log[0]
    assert isinstance(first, Accepted)
    return first.order.priority


def latencies(result: Result, priority: str = "") -> list[float]:
    """Return seconds from acceptance to confirmation, of orders of a priority or of all."""
    return [
        (log[-1].at_ns - log[0].at_ns) / 1e9
        for log in result.logs
        if isinstance(log[-1], Confirmed) and priority in ("", priority_of(log).value)
    ]


def test_a_congested_study_repeats() -> None:
    """The same seed gives the same log, another seed another."""
    again = oe.simulate(NETWORK, progress=False)
    assert again.event_log_sha256 == study().event_log_sha256
    assert oe.simulate(NETWORK, seed=2, progress=False).event_log_sha256 != again.event_log_sha256


def test_a_higher_bid_lands_sooner_under_congestion() -> None:
    """Urgent orders are through long before normal ones; in a calm network they are not."""
    urgent, normal = latencies(study(), "urgent"), latencies(study(), "normal")
    assert fmean(urgent) < fmean(normal) - 2
    expired = {priority_of(log) for log in study().logs if isinstance(log[-1], Expired)}
    assert expired == {Priority.BULK}  # which bids nothing
    calm = study(market__congestion__demand=0.0, market__congestion__account_demand=0.0)
    assert abs(fmean(latencies(calm, "urgent")) - fmean(latencies(calm, "normal"))) < 1


def test_normal_orders_with_an_urgent_bid_land_as_soon() -> None:
    """The bid does it, not the name of the lane: orders meet the same luck in both studies."""
    raised = study(market__fees__normal_micro_lamports=200_000)
    assert fmean(latencies(raised, "normal")) < fmean(latencies(study(), "normal")) - 2
    paid = [log[-1].network_fee for log in raised.logs if isinstance(log[-1], Confirmed)]
    assert max(paid) > 5_000 + 161_000 * 200_000 // 10**6


def test_paths_rank_as_described() -> None:
    """Under strain a staked path is faster than a public node, and a bundle faster than both."""
    fields = {
        "market__fees__normal_micro_lamports": 10**7,
        "market__fees__bulk_micro_lamports": 10**7,
    }
    middles = [
        median(latencies(study(market__landing__path=path, **fields)))
        for path in ("rpc", "staked", "bundle")
    ]
    assert middles == sorted(middles, reverse=True)
    assert middles[0] > middles[2] + 1


def test_commitments_and_profiles_are_waited_for() -> None:
    """Finality of TowerBFT adds most of 12.8 s; Alpenglow's is sooner than two thirds of votes."""
    confirmed = median(latencies(study(), "urgent"))
    finalized = median(latencies(study(market__landing__commitment="finalized"), "urgent"))
    assert 9 < finalized - confirmed < 15
    fields = {"market__consensus__profile": "alpenglow", "market__consensus__fork_rate": 0.0}
    alpenglow = study(market__landing__commitment="finalized", **fields)
    assert median(latencies(alpenglow, "urgent")) < confirmed


def test_a_landed_and_reverted_order_pays_its_fee() -> None:
    """Attempts that lost their limit say so, name the fee, and the fee is that of the signature."""
    result = study(order__slippage_bps=1, order__size_median="30SOL", engine__attempts_max=1)
    fees = {e.network_fee for log in result.logs for e in log if isinstance(e, Submitted)}
    reverted = [
        event
        for log in result.logs
        for event in log
        if isinstance(event, AttemptFailed | Failed) and event.code == "SLIPPAGE"
    ]
    assert len(reverted) > 10
    for event in reverted:
        assert event.network_fee in fees
        assert event.network_fee >= 5_000
        assert "asked" in event.reason or "allowed" in event.reason
    bundled = study(
        order__slippage_bps=1,
        order__size_median="30SOL",
        engine__attempts_max=1,
        market__landing__path="bundle",
    )
    codes = {log[-1].code for log in bundled.logs if isinstance(log[-1], Failed)}
    assert "SLIPPAGE" not in codes


def test_fields_of_the_network_round_trip() -> None:
    """All of them are written to TOML and read back, and a bad one is refused by its path."""
    changed = NETWORK.replace({"market.landing.paths.staked.drop_rate": 0.5, "market.bids.p50": 7})
    assert Scenario.from_toml(changed.to_toml()) == changed
    assert changed.market.landing.paths.staked.drop_rate == 0.5
    with pytest.raises(InvalidScenario, match=r"market\.landing\.paths\.rpc\.drop_rate"):
        NETWORK.replace({"market.landing.paths.rpc.drop_rate": 1.5})


def test_assumptions_say_what_is_on() -> None:
    """What is off is named as not modelled, as before; what is on is described."""
    plain = " ".join(assumptions_of(oe.scenario("default")))
    assert "leaders, forks and compute limits are not modelled" in plain
    assert "A slot lasts exactly 400ms" in plain
    said = " ".join(assumptions_of(NETWORK))
    assert "not modelled" not in said
    for words in (
        "lasts 400ms in the mean",
        "200 leaders",
        "60 million compute units",
        "2.5 times a block's space",
        "left behind",
        "(rpc)",
        "confirmed, and taken for final",
    ):
        assert words in said
    bundle = NETWORK.replace(market__landing__urgent_path="bundle")
    assert "Urgent orders are sent by the path bundle." in assumptions_of(bundle)
    assert any("bundle lands only if" in sentence for sentence in assumptions_of(bundle))


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_another_process_gives_the_same_log(hash_seed: str) -> None:
    """Neither the process nor its hash seed reaches an event of a congested study."""
    program = (
        "import sys; from orderengine import Scenario, simulate; "
        "print(simulate(Scenario.from_toml(sys.stdin.read()), progress=False).event_log_sha256)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=NETWORK.to_toml(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )
    assert done.stdout.strip() == study().event_log_sha256
