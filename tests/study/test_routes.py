"""Check ``oe.route``: whatever holds the pools, one route comes out, and bad input is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

import orderengine as oe
from orderengine.errors import InvalidAmount, InvalidData, InvalidRequest, NoRoute, UnknownToken
from orderengine.model.tokens import token
from orderengine.pools.snapshot import Snapshot, encode_snapshot
from orderengine.routing.view import MarketView
from tests.routing.markets import cpmm

MINTS = (token("SOL").mint, token("USDC").mint)
POOLS = (
    cpmm("a", 10**13, 10**12, tokens=MINTS),
    cpmm("b", 2 * 10**13, 2 * 10**12, fee=3_000, tokens=MINTS),
    cpmm("odd", 10**12, 10**12, tokens=("X", "Y")),
)
HELD = Snapshot(slot=9, time_s=1_783_355_400, pools=POOLS)


def test_pools_may_come_in_any_form(tmp_path: Path) -> None:
    """A list, a snapshot, its file, a view: the same legs."""
    file = tmp_path / "pools.json"
    file.write_bytes(encode_snapshot(HELD))
    markets = (list(POOLS), HELD, str(file), file, MarketView(POOLS))
    routes = [oe.route(market, "SOL", "USDC", 10**12) for market in markets]
    assert len({route.legs for route in routes}) == 1
    assert [route.slot for route in routes] == [0, 9, 9, 9, 0]
    assert isinstance(routes[0], oe.Route)
    assert {leg.sell for leg in routes[0].legs} == {"SOL"}
    assert oe.route(HELD, MINTS[0], MINTS[1], 10**12) == routes[1]


def test_amounts_are_base_units_or_what_people_write() -> None:
    """Of the token that is fixed, symbol or not."""
    assert oe.route(HELD, "SOL", "USDC", "1.5SOL").amount_in == 1_500_000_000
    assert oe.route(HELD, "SOL", "USDC", "20USDC", exact_out=True).amount_out == 20_000_000
    assert oe.route(HELD, "X", "Y", "1000").amount_in == 1_000
    with pytest.raises(InvalidAmount, match="not built in"):
        oe.route(HELD, "X", "Y", "1.5")
    with pytest.raises(InvalidAmount):
        oe.route(HELD, "SOL", "USDC", "1USDC")


def test_a_route_can_be_held_to_some_pools_and_few_legs() -> None:
    """What is not allowed is not used; the bound stays that of what was asked."""
    free = oe.route(HELD, "SOL", "USDC", "1000SOL")
    assert {leg.pool for leg in free.legs} == {"a", "b"}
    assert [leg.pool for leg in oe.route(HELD, "SOL", "USDC", "1000SOL", pools=["b"]).legs] == ["b"]
    single = oe.route(HELD, "SOL", "USDC", "1000SOL", max_legs=1)
    assert len(single.legs) == 1
    assert single.bound == free.bound
    assert single.amount_out < free.amount_out


def test_a_fee_decides_how_many_legs_pay() -> None:
    """Small orders keep to one leg where each costs; SOL's price comes from the pools."""
    small = oe.route(HELD, "SOL", "USDC", "100SOL")
    dear = oe.route(HELD, "SOL", "USDC", "100SOL", unit_price=10_000_000_000)
    assert (len(small.legs), len(dear.legs)) == (2, 1)
    assert dear.network_cost is not None
    price = 0.1  # USDC base units a lamport in these pools
    assert dear.network_cost == pytest.approx((5_000 + 161_000 * 10_000) * price, rel=0.01)
    bought = oe.route(HELD, "USDC", "SOL", "10USDC", unit_price=0)
    assert bought.network_cost == 5_000


def test_what_is_wrong_is_said() -> None:
    """In one line each, with the names that would do."""
    with pytest.raises(InvalidRequest, match="one of best, split"):
        oe.route(HELD, "SOL", "USDC", 1, strategy="luck")
    with pytest.raises(InvalidRequest, match="no pool nowhere, it has a, b, odd"):
        oe.route(HELD, "SOL", "USDC", 1, pools=["nowhere"])
    with pytest.raises(UnknownToken, match="SOL, USDC, X, Y"):
        oe.route(HELD, "SOL", "DOGE", 1)
    with pytest.raises(NoRoute):
        oe.route(HELD, "SOL", "X", 10**6)
    for wrong in (-1, 1.5):
        with pytest.raises(InvalidRequest, match="unit_price"):
            oe.route(HELD, "SOL", "USDC", 10**9, unit_price=wrong)  # type: ignore[arg-type]
    for when in (-1, 1.5, "now"):
        with pytest.raises(InvalidRequest, match="at_s"):
            oe.route(HELD, "SOL", "USDC", 10**9, at_s=when)  # type: ignore[arg-type]
    with pytest.raises(NoRoute, match="no pools"):
        oe.route([], "SOL", "USDC", 10**9)
    with pytest.raises(InvalidRequest, match="what SOL is worth in Y"):
        oe.route(HELD, "X", "Y", 10**6, unit_price=1)
    with pytest.raises(InvalidData):
        oe.route("/nowhere.json", "SOL", "USDC", 1)
    with pytest.raises(InvalidAmount):
        oe.route(HELD, "SOL", "USDC", 1.5)  # type: ignore[arg-type]
