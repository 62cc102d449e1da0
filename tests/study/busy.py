"""Give a study with every kind of trouble in it, run once for all tests that look at it."""

from __future__ import annotations

from functools import cache
from typing import Any

import orderengine as oe
from orderengine.model.events import Event
from orderengine.study.result import Result
from orderengine.study.run import scenario

BUSY = scenario("default").replace(
    {
        "name": "busy",
        "orders": 400,
        "seed": 5,
        "arrivals.rate_per_s": 100.0,
        "order.deadline": "14s",
        "order.cancel_share": 0.25,
        "order.slippage_bps": 2,
        "order.size_sigma": 2.0,
        "engine.workers": 300,
        "engine.quote_deadline": "700ms",
        "engine.resend": "900ms",
        "market.skip_rate": 0.1,
        "market.landing.drop_rate": 0.4,
        "market.landing.blockhash_blocks": 10,
        "market.price.volatility": 4.0,
    }
)
"""Cancellations, expiries, time-outs, retries, reverts and lost transactions, all in one study."""


@cache
def busy() -> Result:
    """Return one run of the busy study."""
    return oe.simulate(BUSY, progress=False)


def events_of(result: Result, kind: type[Event]) -> list[Any]:
    """Return all events of a kind."""
    return [event for log in result.logs for event in log if isinstance(event, kind)]
