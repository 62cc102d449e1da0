"""Check studies whose orders strategies route: repeatable, whole, and worth it where they can."""

from __future__ import annotations

from functools import cache

import pytest

import orderengine as oe
from orderengine.errors import InvalidRequest
from orderengine.market.config import MarketConfig
from orderengine.market.pools import DEFAULT_POOLS, PoolConfig
from orderengine.model.events import Accepted, Confirmed, Routed, Status
from orderengine.model.order import Leg, Mode, Route
from orderengine.model.wire import decode_event, encode
from orderengine.routing.request import Request, Strategy
from orderengine.routing.strategies import STRATEGIES
from orderengine.study.result import Result
from tests.study import sources

STABLE = (
    PoolConfig(name="usdt-1", pair="SOL/USDT", venue="raydium_cpmm", depth="3000000USDT"),
    PoolConfig(name="usdt-2", pair="USDT/USDC", venue="meteora_dlmm", depth="900000USDC", bins=50),
)
CONNECTED = MarketConfig(pools=(*DEFAULT_POOLS, *STABLE), prices={"USDT": "1.0002"})


@cache
def ran(router: str | Strategy, orders: int = 150, **changes: object) -> Result:
    """Return a study of the default scenario under a strategy."""
    study = oe.scenario("default").replace(orders=orders, engine__router=router, **changes)
    return oe.simulate(study, progress=False)


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_same_seed_repeats(name: str) -> None:
    """What is kept between orders changes no byte of the log."""
    again = ran.__wrapped__(name)
    assert again.event_log_sha256 == ran(name).event_log_sha256
    assert again.logs == ran(name).logs


def test_strategies_meet_the_same_luck_as_quotes() -> None:
    """Orders arrive, are cancelled and hear from venues at the same instants."""
    quoted, split = ran("best"), ran("split")
    for one, other in zip(quoted.logs, split.logs, strict=True):
        assert one[0] == other[0]
        routed = [[e.at_ns for e in log if isinstance(e, Routed)][:1] for log in (one, other)]
        assert routed[0] == routed[1]


def test_a_split_promises_at_least_what_its_best_pool_pays() -> None:
    """But for what rounding costs: the first orders of both studies read the same pools."""
    checked = 0
    for one, other in zip(ran("best").logs, ran("split").logs, strict=True):
        found = [next((e for e in log if isinstance(e, Routed)), None) for log in (one, other)]
        quoted, split = found
        accepted = one[0]
        if quoted is None or split is None or quoted.route.slot > 4:
            continue
        assert isinstance(accepted, Accepted)
        checked += 1
        if accepted.order.mode is Mode.EXACT_IN:
            assert split.route.amount_out >= quoted.route.amount_out * (1 - 1e-6) - 2
        else:
            assert split.route.amount_in <= quoted.route.amount_in * (1 + 1e-6) + 2
        assert split.route.bound is not None
        assert split.quotes == ()
        pools = {leg.pool for leg in split.route.legs} | {said.pool for said in split.declined}
        assert pools >= {leg.pool for leg in quoted.route.legs}
    assert checked > 50


def test_splitting_large_orders_costs_less() -> None:
    """Of 1,000 SOL each, one after another, by more than a basis point: impact is what they pay.

    Small orders gain nothing, and many at once lose: all of them see, and move, the same pools.
    """
    calm = {"order__size_median": "1000SOL", "arrivals__rate_per_s": 1.0}
    best, split = (ran(name, 100, **calm).summary().shortfall_bps for name in ("best", "split"))
    assert best["mean"] is not None
    assert split["mean"] is not None
    assert split["mean"] < best["mean"] - 1


def test_orders_are_filled_by_way_of_another_token() -> None:
    """One transaction, both hops, in a world where arbitrage and flow trade all pairs."""
    strategy = Strategy("by way", sources.by_way)
    study = oe.scenario("default").replace(
        {"market": CONNECTED, "engine.router": strategy, "order.exact_out_share": 0.0}, orders=100
    )
    result, again = (oe.simulate(study, progress=False) for _ in range(2))
    assert result.event_log_sha256 == again.event_log_sha256
    filled = [log for log in result.logs if log[-1].status is Status.CONFIRMED]
    assert len(filled) > 60
    for log in filled:
        last = log[-1]
        routed = [event for event in log if isinstance(event, Routed)][-1]
        assert [leg.pool for leg in routed.route.legs][::-1] in (
            ["usdt-1", "usdt-2"],
            ["usdt-2", "usdt-1"],
        )
        assert isinstance(last, Confirmed)
        assert last.amount_out > 0
        assert last.fee_in > 0
    assert set(result.supply) == {"SOL", "USDC", "USDT"}
    assert "by way of USDT" in str(result.timeline(filled[0][0].order_id))


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_fills_orders_in_a_market_of_three_pairs(name: str) -> None:
    """Whether or not it looks at the pools of other pairs."""
    study = oe.scenario("default").replace({"market": CONNECTED, "engine.router": name}, orders=60)
    result = oe.simulate(study, progress=False)
    assert result.summary().confirmed > 50
    assert set(result.supply) == {"SOL", "USDC", "USDT"}


def test_connected_markets_are_written_and_read_back() -> None:
    """Pairs and prices are part of a scenario; prices may be written as numbers."""
    study = oe.scenario("default").replace(market=CONNECTED)
    assert oe.Scenario.from_toml(study.to_toml()) == study
    changed = study.replace({"market.prices.USDT": 0.99})
    assert changed.market.prices == {"USDT": "0.99"}
    assert study.market.prices == {"USDT": "1.0002"}


@pytest.mark.parametrize("name", ["split", "network", "greedy5"])
@pytest.mark.parametrize("size", ["0.000001SOL", "100SOL"])
def test_every_event_of_a_strategy_is_read_back(name: str, size: str) -> None:
    """Also where the network's fee is more than an order is worth."""
    result = ran(name, 30, order__size_median=size, order__exact_out_share=0.3)
    events = [event for log in result.logs for event in log]
    assert any(isinstance(event, Routed) for event in events)
    for event in events:
        assert decode_event(encode(event)) == event


def test_the_engine_executes_no_cycles() -> None:
    """A strategy that trades in circles is told so, and the study stops."""

    def round_trip(request: Request) -> Route:
        pool, direction = request.view.between(request.sell, request.buy)[0]
        there = pool.swap_exact_in(direction, request.amount, request.view.now_s)
        legs = [
            Leg(
                pool=pool.address,
                venue=pool.venue,
                sell=pair[0],
                buy=pair[1],
                amount_in=amounts[0],
                amount_out=amounts[1],
            )
            for pair, amounts in (
                ((request.sell, request.buy), (there.amount_in, there.amount_out)),
                ((request.buy, request.sell), (2, 1)),
            )
        ]
        return Route(
            legs=tuple(legs), amount_in=there.amount_in - 1, amount_out=there.amount_out - 2
        )

    with pytest.raises(InvalidRequest, match="no cycles"):
        ran.__wrapped__(Strategy("round", round_trip), 5, order__exact_out_share=0.0)
