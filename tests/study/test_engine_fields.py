"""Check the engine under study: each field does what it says, in whole small studies."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import pytest

import orderengine as oe
from orderengine.errors import InvalidAmount, InvalidScenario
from orderengine.execution.priority_fee import FeeView
from orderengine.market.world import World
from orderengine.model.events import Accepted, Confirmed, Event, Routed, Submitted
from orderengine.model.order import Mode, Order, Priority
from orderengine.pools.footprint import COMPUTE_UNITS
from orderengine.study.result import Result
from orderengine.study.run import scenario
from orderengine.study.scenario import Scenario
from tests.study.busy import events_of

CROWD = scenario("default").replace(
    {
        "orders": 120,
        "arrivals.model": "burst",
        "order.cancel_share": 0.0,
        "order.urgent_share": 0.3,
        "order.bulk_share": 0.3,
        "order.deadline": "0s",
        "engine.workers": 5,
    }
)
"""All orders at once, and few workers: who goes first is what the discipline says."""


def run(study: Scenario, **changes: object) -> Result:
    """Return a study's result."""
    return oe.simulate(study.replace(**changes), progress=False)


def claimed(result: Result) -> list[Order]:
    """Return the orders as workers took them, but those that found idle workers."""
    logs = sorted(result.logs, key=lambda log: (log[1].at_ns, log[1].order_id))
    first = [log[0] for log in logs if log[1].at_ns > log[0].at_ns]
    return [event.order for event in first if isinstance(event, Accepted)]


def by_size(order: Order) -> int:
    """Return a key by which the smallest amount goes first."""
    return order.amount


def test_strict_priority_takes_every_urgent_order_first() -> None:
    """Then the normal ones, then bulk; lanes mix them."""
    strict = [order.priority for order in claimed(run(CROWD, engine__discipline="priority"))]
    assert strict == sorted(strict, key=list(Priority).index)
    lanes = [order.priority for order in claimed(run(CROWD))]
    assert lanes != sorted(lanes, key=list(Priority).index)


def test_a_function_of_an_order_decides() -> None:
    """The smallest first; the scenario records the function."""
    study = CROWD.replace(engine__discipline=by_size)
    amounts = [order.amount for order in claimed(run(study))]
    assert amounts == sorted(amounts)
    assert study.to_dict()["engine"]["discipline"]["name"] == "by_size"


def test_fifo_and_lifo_are_mirror_images() -> None:
    """By number, for all orders came at one instant."""
    study = CROWD.replace({"order.urgent_share": 0.0, "order.bulk_share": 0.0})
    accepted = [log[0].order_id for log in run(study).logs]
    for name, expected in (("fifo", accepted[5:]), ("lifo", accepted[:-5][::-1])):
        order = [order.order_id for order in claimed(run(study, engine__discipline=name))]
        assert sorted(order) == sorted(expected)
        places = [expected.index(order_id) for order_id in order]
        # Those whom workers take at one instant stand by id, not by place.
        assert all(abs(place - at) < 5 for at, place in enumerate(places))


def test_the_earliest_deadline_is_kept_where_first_come_is_not() -> None:
    """Where work is enough for all but not in any sequence, ``edf`` expires fewer."""
    study = CROWD.replace(
        {
            "arrivals.model": "bursts",
            "arrivals.rate_per_s": 10.0,
            "order.deadline": "20s",
            "engine.workers": 20,
        }
    )
    last_first = run(study, engine__discipline="lifo").figures()["expired"]
    by_deadline = run(study, engine__discipline="edf").figures()["expired"]
    assert by_deadline < last_first


def test_disciplines_leave_the_mean_wait() -> None:
    """Work-conserving, blind to service times: the mean wait is nearly the same, its spread not."""
    waits = {
        name: [log[1].at_ns - log[0].at_ns for log in run(CROWD, engine__discipline=name).logs]
        for name in ("fifo", "lifo", "lanes")
    }
    means = [fmean(found) for found in waits.values()]
    assert max(means) < 1.15 * min(means)


# What an attempt pays.


def rising(self: World, percentile: int) -> int:
    """Stand in for a fee market: more in each slot, so that asking twice gives two answers."""
    return 10_000 * percentile + self.slot


def test_quotes_and_transactions_have_one_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the quote counted as network cost is what was signed, though blocks went by."""
    monkeypatch.setattr(World, "recent_unit_price", rising)
    study = CROWD.replace({"orders": 40, "engine.priority_fee": "percentile", "order.buy_share": 1})
    seen = 0
    for log in run(study).logs:
        accepted = log[0]
        assert isinstance(accepted, Accepted)
        for routed, submitted in itertools.pairwise(log):
            if not (isinstance(routed, Routed) and isinstance(submitted, Submitted)):
                continue
            (leg,) = routed.route.legs
            price, left = divmod(
                (submitted.network_fee - 5_000) * 1_000_000, COMPUTE_UNITS[leg.venue]
            )
            assert 750_000 <= price + (left > 0) <= 751_000
            if accepted.order.mode is Mode.EXACT_IN:  # what varies is SOL: no price in between
                (quote,) = [quote for quote in routed.quotes if quote.pool == leg.pool]
                assert quote.network_cost == submitted.network_fee
                seen += 1
    assert seen > 20


def test_a_strategy_weighs_the_price_that_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a dear transaction ``split`` takes fewer legs than with a free one."""
    monkeypatch.setattr(World, "recent_unit_price", rising)
    study = CROWD.replace({"orders": 30, "engine.router": "split", "order.size_median": "200SOL"})
    legs = {}
    for floor in (0, 1_000_000_000):
        result = run(
            study,
            engine__priority_fee="escalate",
            engine__fee_floor=floor,
            engine__fee_cap=10**10,
        )
        legs[floor] = fmean(len(event.route.legs) for event in events_of(result, Routed))
    assert legs[1_000_000_000] < legs[0]


def test_each_attempt_pays_more() -> None:
    """``escalate`` begins with the fixed price, as ``market.fees`` says it, and doubles it."""
    study = CROWD.replace(
        {
            "engine.priority_fee": "escalate",
            "order.urgent_share": 1.0,
            "order.bulk_share": 0.0,
            "order.slippage_bps": 0,
            "order.size_sigma": 0.0,
            "market.price.volatility": 5.0,
        }
    )
    fees: dict[int, set[int]] = {}
    for log in run(study).logs:
        for routed, submitted in itertools.pairwise(log):
            if isinstance(routed, Routed) and isinstance(submitted, Submitted):
                units = COMPUTE_UNITS[routed.route.legs[0].venue]
                price = (submitted.network_fee - 5_000) * 1_000_000 / units
                fees.setdefault(submitted.attempt, set()).add(round(price, -2))  # type: ignore[arg-type]
    assert fees == {1: {200_000}, 2: {400_000}, 3: {800_000}}


def dear(order: Order, attempt: int, view: FeeView) -> int:
    """Return twice what the settlement would pay by itself."""
    del attempt
    return 2 * view.fixed(order.priority) + view.recent(50)


def test_a_function_sets_the_price() -> None:
    """It sees the order, the attempt, the fixed price, and what others paid."""
    plain = events_of(run(CROWD), Submitted)
    paid = events_of(run(CROWD, engine__priority_fee=dear), Submitted)
    assert {event.network_fee for event in plain} < {0} | set(range(5_000, 60_000))
    assert max(event.network_fee for event in paid) > 1.5 * max(e.network_fee for e in plain)


def test_fees_need_sol() -> None:
    """A pair without SOL has no price for a lamport, so only no fees at all can be paid."""
    with pytest.raises(InvalidScenario, match=r"engine\.priority_fee"):
        scenario("simpy_twin").replace(engine__priority_fee="percentile")


# How much slippage is allowed.


def tolerance_bps(log: Sequence[Event]) -> list[float]:
    """Return the slippage that each signed transaction of an order allows."""
    accepted, found = log[0], []
    assert isinstance(accepted, Accepted)
    for routed, submitted in itertools.pairwise(log):
        if isinstance(routed, Routed) and isinstance(submitted, Submitted):
            given = submitted.amount_out_min / routed.route.amount_out
            most = submitted.amount_in_max / routed.route.amount_in
            found.append((most - given) * 1e4)
    return found


@pytest.mark.parametrize("volatility", [0.2, 2.0])
def test_slippage_follows_volatility(volatility: float) -> None:
    """Once it has learnt, the tolerance is the floor and 3 sigma sqrt(4 s)."""
    study = CROWD.replace(
        {
            "orders": 300,
            "arrivals.model": "even",
            "arrivals.rate_per_s": 4.0,
            "engine.workers": 300,
            "engine.slippage": "volatility",
            "market.price.volatility": volatility,
        }
    )
    allowed = [bps for log in run(study).logs[150:] for bps in tolerance_bps(log)]
    year_s = 365.25 * 86_400
    expected = 5 + 3 * volatility * (4 / year_s) ** 0.5 * 1e4
    assert fmean(allowed) == pytest.approx(expected, rel=0.2)


def test_before_anything_moved_only_the_floor_is_allowed() -> None:
    """All orders come, and are routed, while the price is known of one instant or two."""
    study = CROWD.replace({"engine.slippage": "volatility", "market.price.volatility": 0.0})
    allowed = {round(bps, 3) for log in run(study).logs for bps in tolerance_bps(log)}
    assert max(allowed) == pytest.approx(5.0, abs=0.01)


def test_what_is_allowed_is_not_learnt_from_the_future(tmp_path: Path) -> None:
    """Two prices that part after 10 s give the same events up to then, and others later."""
    calm = [f"{81 + second % 3 / 100}" for second in range(40)]
    wild = calm[:11] + [f"{81 + 5 * (second % 2)}" for second in range(11, 40)]
    results = []
    for name, prices in (("calm", calm), ("wild", wild)):
        file = tmp_path / f"{name}.csv"
        rows = [f"{1_700_000_000 + second},{price}" for second, price in enumerate(prices)]
        file.write_text("timestamp,price\n" + "\n".join(rows))
        study = CROWD.replace(
            {
                "orders": 60,
                "arrivals.model": "even",
                "arrivals.rate_per_s": 4.0,
                "engine.slippage": "volatility",
                "engine.workers": 60,
                "market.price.model": "trace",
                "market.price.file": str(file),
            }
        )
        results.append(run(study))
    until_ns = (1_700_000_000 + 10) * 1_000_000_000
    before = [
        [event for log in result.logs for event in log if event.at_ns <= until_ns]
        for result in results
    ]
    assert before[0] == before[1]
    assert sum(isinstance(event, Submitted) for event in before[0]) > 20
    last = [tolerance_bps(result.logs[-1])[-1] for result in results]
    assert last[1] > 3 * last[0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("discipline", "random"),
        ("queue_capacity", -1),
        ("slippage", "none"),
        ("slippage_sigmas", -1.0),
        ("slippage_floor_bps", 400.0),
        ("slippage_landing", "0s"),
        ("slippage_half_life", "0s"),
        ("priority_fee", "high"),
        ("fee_percentile", 101),
        ("fee_growth", 0.5),
        ("fee_floor", 10**9),
        ("fee_cap", 10**13),
    ],
)
def test_bad_field_is_named(field: str, value: object) -> None:
    """The error holds the field's dotted path."""
    with pytest.raises(InvalidScenario, match=r"engine\."):
        CROWD.replace({f"engine.{field}": value})


def nothing(order: Order) -> None:
    """Return no key."""
    del order


def test_a_discipline_that_gives_no_key_ends_the_study() -> None:
    """With an error that names it."""
    with pytest.raises(InvalidAmount, match="discipline"):
        run(CROWD, engine__discipline=nothing)


def test_fields_round_trip() -> None:
    """Names are written and read back; a function is known by its name and the hash of its text."""
    study = CROWD.replace(
        engine__discipline="edf",
        engine__slippage="volatility",
        engine__priority_fee="percentile",
        engine__fee_percentile=90,
    )
    assert Scenario.from_toml(study.to_toml()) == study
    assert CROWD.replace(engine__priority_fee=dear).to_dict()["engine"]["priority_fee"].keys() == {
        "name",
        "source_sha256",
    }


def test_slow_periods_slow_whole_stretches() -> None:
    """Quotes of one period are slow together: their waits cluster, and studies repeat."""
    study = CROWD.replace(
        {
            "arrivals.model": "even",
            "arrivals.rate_per_s": 20.0,
            "engine.workers": 120,
            "engine.quote_deadline": "1h",
            "engine.route_age_max": "1h",
            "market.quote_pools": "one",
            "market.quote_latency": {
                "model": "constant",
                "median": "100ms",
                "slow_share": 0.4,
                "slow_period": "500ms",
            },
        }
    )
    result = run(study)
    took = Counter(log[2].at_ns - log[1].at_ns for log in result.logs)
    assert set(took) == {100_000_000, 500_000_000}
    assert result.event_log_sha256 == run(study).event_log_sha256
    assert events_of(result, Confirmed)
