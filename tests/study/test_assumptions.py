"""Check that a scenario's words say what it really has."""

from __future__ import annotations

import pytest

from orderengine.study.assumptions.sentences import assumptions_of
from orderengine.study.run import scenario


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "independently of each other, 5000 a second"),
        ({"arrivals.model": "hawkes", "arrivals.branching": 0.7}, "brings 0.7 more by itself"),
        ({"arrivals.model": "bursts", "arrivals.burst_size": 9}, "in groups of 9"),
        ({"arrivals.model": "diurnal", "arrivals.period": "2h"}, "waves of 2h"),
        ({"arrivals.model": "closed", "arrivals.users": 7}, "7 users have one order each"),
        ({"engine.discipline": "edf"}, "chosen by edf"),
        ({"engine.queue_capacity": 50}, "At most 50 orders wait in each lane"),
        ({"engine.slippage": "volatility", "engine.slippage_sigmas": 2.5}, "2.5 standard dev"),
        ({"engine.priority_fee": "escalate"}, "set by escalate, once an attempt"),
        (
            {"market.quote_latency": {"model": "gamma", "mean": "80ms", "offset": "20ms"}},
            "20ms and 80ms (mean; gamma, shape 1)",
        ),
        ({"market.build_latency.slow_share": 0.25}, "5 times as long in 25% of the periods of 2s"),
    ],
    ids=str,
)
def test_what_is_set_is_said(changes: dict[str, object], said: str) -> None:
    """The value stands in the words, and in the default's words only if it is the default's."""
    text = "\n".join(assumptions_of(scenario("default").replace(changes)))
    assert said in text
    assert (said in "\n".join(assumptions_of(scenario("default")))) is (not changes)
