"""Check whole studies with all the others in them: repeatable, conserved, and said in words."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import pytest

import orderengine as oe
from orderengine.model.events import AttemptFailed, Confirmed, Failed
from orderengine.study.assumptions.sentences import assumptions_of
from orderengine.study.run import simulate
from orderengine.study.scenario import Scenario
from tests.study.busy import events_of

EVERYTHING = Scenario().replace(
    {
        "orders": 150,
        "order.size_median": "300SOL",
        "market.price.jumps.per_hour": 300.0,
        "market.price.regimes.wild_volatility": 3.0,
        "market.price.spread.bps": 8.0,
        "market.flow": {
            "informed_share": 0.3,
            "clustering": 0.5,
            "large_share": 0.1,
            "weights": {"orca_whirlpool": 3.0},
        },
        "market.arbitrageurs": {"count": 3, "capital": "5000SOL"},
        "market.sandwich.seen_share": 0.7,
        "market.liquidity": {"sigma": 0.4, "every": "2s", "flee_bps": 2.0, "recentre": "5s"},
    }
)
FATES = {"", "SIMULATED_FAILURE"}
PROGRAM = """
import sys
from orderengine import Scenario, simulate
print(simulate(Scenario.from_toml(sys.stdin.read()), progress=False).event_log_sha256)
"""


@cache
def everything() -> oe.Result:
    """Run the study once; ``simulate`` itself checks that every token is there at the end."""
    return simulate(EVERYTHING, progress=False)


def test_everything_survives_toml() -> None:
    """Tables, the dict of weights included, read back as they were written."""
    assert Scenario.from_toml(EVERYTHING.to_toml()) == EVERYTHING


def test_everything_repeats_in_another_process() -> None:
    """With another hash seed, too: no set's order reaches an event."""
    for hash_seed in ("1", "77"):
        found = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            input=EVERYTHING.to_toml(),
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert found.stdout.strip() == everything().event_log_sha256


def test_attacked_orders_receive_less() -> None:
    """Against the same study without the attacker, and never less than they asked for."""
    alone = {
        "orders": 60,
        "order.size_median": "300SOL",
        "order.size_sigma": 0.0,
        "order.buy_share": 0.0,
        "order.exact_out_share": 0.0,
        "order.cancel_share": 0.0,
        "arrivals.rate_per_s": 2.0,
        "market.pools": [{"name": "p", "venue": "raydium_cpmm", "depth": "3000000USDC"}],
    }
    received = []
    for share in (0.0, 1.0):
        study = Scenario().replace({**alone, "market.sandwich.seen_share": share})
        filled = events_of(simulate(study, progress=False), Confirmed)
        received.append({event.order_id: event.amount_out for event in filled})
    both = [order for order in received[0] if order in received[1]]
    assert len(both) > 50
    assert sum(received[1][order] for order in both) < sum(received[0][order] for order in both)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"market.price.jumps.per_hour": 2.0}, "jumps 2 times an hour"),
        ({"market.price.regimes.wild_volatility": 4.0}, "400% a year"),
        ({"market.price.spread.bps": 3.0}, "off by 3 bps"),
        ({"market.flow.informed_share": 0.2}, "20% know where the price will be 5 slots on"),
        ({"market.flow.clustering": 0.4}, "draws 0.4 further ones"),
        ({"market.flow.large_share": 0.1}, "Pareto factor of exponent 1.5"),
        ({"market.arbitrageurs.count": 4}, "4 arbitrageurs with unlimited tokens"),
        ({"market.sandwich.seen_share": 0.3}, "sees 30% of attempts"),
        ({"market.liquidity.sigma": 0.3}, "lognormal with sigma 0.3"),
        ({"market.liquidity.flee_bps": 30.0}, "withdraw 50%"),
        ({"market.liquidity.recentre": "1min"}, "Every 1min described pools"),
    ],
)
def test_what_is_on_is_said(changes: dict[str, object], word: str) -> None:
    """Each model that is turned on stands among the assumptions, and no other study says so."""
    assert word in " ".join(assumptions_of(Scenario().replace(changes)))
    assert word not in " ".join(assumptions_of(Scenario()))


def test_whether_an_attempt_fails_does_not_hang_on_its_bytes() -> None:
    """Two tolerances sign other bytes, and the same first attempts of orders are told to fail."""
    found = []
    for bps in (50, 60):
        study = Scenario().replace(
            {"orders": 300, "order.slippage_bps": bps, "market.landing.fail_rate": 0.3}
        )
        firsts = {}
        for log in simulate(study, progress=False).logs:
            for event in log:
                if isinstance(event, Confirmed | AttemptFailed | Failed):
                    firsts[event.order_id] = getattr(event, "code", "")
                    break
        found.append(firsts)
    landed = [order for order in found[0] if {found[0][order], found[1][order]} <= FATES]
    assert len(landed) > 250
    assert all(found[0][order] == found[1][order] for order in landed)
