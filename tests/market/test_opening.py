"""Check markets that open with a snapshot's pools: whichever token comes first in them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.errors import InvalidScenario
from orderengine.market.config import FlowConfig, MarketConfig
from orderengine.market.connected import price_of_x64
from orderengine.market.opening import open_market, opening_of
from orderengine.market.pools import PoolConfig
from orderengine.market.prices import PriceConfig
from orderengine.market.world import World
from orderengine.model.tokens import token
from orderengine.pools import Pool, RaydiumCpmmPool
from orderengine.pools.snapshot import Snapshot
from tests.market.worlds import PRICE_X64, START_NS, Steps, go_to, market_of, price_of

SOL, USDC = token("SOL").mint, token("USDC").mint
FLOW = FlowConfig(trades_per_slot=5.0)


def cpmm(
    name: str = "pool",
    sol: int = 10_000,
    usdc: int = 800_000,
    *,
    mirrored: bool = False,
    tokens: tuple[str, str] = (SOL, USDC),
) -> RaydiumCpmmPool:
    """Return a pool that holds so much; mirrored, USDC is its token A."""
    order = -1 if mirrored else 1
    token_a, token_b = tokens[::order]
    reserve_a, reserve_b = (sol * 10**9, usdc * 10**6)[::order]
    return RaydiumCpmmPool(
        address=name,
        token_a=token_a,
        token_b=token_b,
        reserve_a=reserve_a,
        reserve_b=reserve_b,
        trade_fee_rate=2_500,
        protocol_fee_rate=120_000,
        fund_fee_rate=40_000,
    )


def snapshot_of(*pools: Pool) -> Snapshot:
    """Return a snapshot."""
    return Snapshot(slot=1, time_s=1_783_355_400, pools=pools)


MARKET = MarketConfig(snapshot="s.json")


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_deepest_pool_gives_the_price(mirrored: bool) -> None:
    """Of those that trade the pair, whichever token is their first; tokens get their symbols."""
    deep = cpmm("deep", mirrored=mirrored)
    strange = cpmm("strange", 10**6, 10**6, tokens=(SOL, "unknown"))
    held = snapshot_of(cpmm("shallow", 10, 900), deep, strange)
    opening = opening_of(MARKET, held)
    assert abs(opening.price_x64 - price_of("80")) <= 2
    assert opening.start_s == held.time_s
    assert "starts at 80, that of the deepest, raydium_cpmm deep" in opening.said
    opened = open_market(MARKET, opening, opening.price_x64)
    assert [pool.address for pool in opened] == ["shallow", "deep"]
    assert {pool.token_a for pool in opened} | {pool.token_b for pool in opened} == {"SOL", "USDC"}
    assert price_of_x64(opened[1], "SOL") == opening.price_x64


def test_a_price_that_is_given_counts() -> None:
    """Any but the default, which stands for that of the deepest pool."""
    market = replace(MARKET, price=PriceConfig(start="81.8"))
    opening = opening_of(market, snapshot_of(cpmm()))
    assert opening.price_x64 == price_of("81.8")
    assert "starts at 81.8, as given" in opening.said
    trace = replace(MARKET, price=PriceConfig(model="trace", file="p.csv"))
    assert "the price is that of p.csv" in opening_of(trace, snapshot_of(cpmm())).said


def test_a_snapshot_of_other_pairs_is_refused() -> None:
    """And one whose pools have no price."""
    with pytest.raises(InvalidScenario, match=r"a file with a pool of SOL/USDC, found 's.json'"):
        opening_of(MARKET, snapshot_of(cpmm(tokens=(SOL, "x"))))
    with pytest.raises(InvalidScenario, match="pools with a price"):
        opening_of(MARKET, snapshot_of(cpmm(sol=0, usdc=0)))
    usdt = MarketConfig(snapshot="s.json", quote="USDT")  # the described pools do not matter
    assert usdt.quote == "USDT"


def test_without_a_snapshot_all_is_as_described() -> None:
    """The price of the scenario, and its pools at it."""
    opening = opening_of(MarketConfig(), None)
    assert (opening.price_x64, opening.said) == (price_of("81.80"), "")
    names = [pool.address for pool in open_market(MarketConfig(), opening, opening.price_x64)]
    assert names == [pool.name for pool in MarketConfig().pools]


def world_of(pool: Pool, *prices_x64: int, **changes: object) -> World:
    """Return a world of one pool."""
    return World(market_of(**changes), 1, [pool], Steps(prices_x64 or (PRICE_X64,)), START_NS)


def named(mirrored: bool) -> RaydiumCpmmPool:
    """Return a pool of symbols."""
    return cpmm(mirrored=mirrored, tokens=("SOL", "USDC"))


def test_flow_trades_a_mirrored_pool_alike() -> None:
    """Buying and selling mean the base token, not token A: the same trades, to the unit."""
    worlds = [world_of(named(mirrored), flow=FLOW) for mirrored in (False, True)]
    for world in worlds:
        go_to(world, 40)
        world.require_conserved()
    (plain,), (mirrored,) = (world.pools.values() for world in worlds)
    assert (plain.vault_a, plain.vault_b) == (mirrored.vault_b, mirrored.vault_a)
    assert plain.vault_a != named(False).vault_a


@pytest.mark.parametrize("mirrored", [False, True])
@given(ratio=st.fractions(Fraction(1, 4), 4, max_denominator=100))
def test_arbitrage_brings_either_kind_to_the_outside_price(mirrored: bool, ratio: Fraction) -> None:
    """To within its fee, from above and from below, whichever token is first."""
    outside = int(PRICE_X64 * ratio)
    world = world_of(named(mirrored), PRICE_X64, outside, arbitrage=True)
    go_to(world, 1)
    world.require_conserved()
    (pool,) = world.pools.values()
    reached = Fraction(price_of_x64(pool, "SOL"), outside)
    assert Fraction(9_974, 10_000) < reached < Fraction(10_026, 10_000)
    if abs(ratio - 1) > Fraction(1, 100):
        assert world.ledger.balance("arbitrageur", "SOL") != 2**100


USDT, JUP = token("USDT").mint, token("JUP").mint


def test_pools_of_other_pairs_are_taken_where_they_connect_the_two() -> None:
    """Dead ends and unknown tokens are not; a token's price is that of its deepest pool."""
    pools = (
        cpmm("pair"),
        cpmm("sol-usdt", tokens=(SOL, USDT)),  # 9 and 6 decimals, as USDC
        cpmm("usdt-usdc", 1, 1_000, tokens=(USDT, USDC)),  # 10^9 base units of each
        cpmm("shallow", 1, 2_000, tokens=(USDT, USDC)),
        cpmm("dead-end", tokens=(SOL, JUP)),
        cpmm("unknown", tokens=(SOL, "x")),
    )
    market = replace(MARKET, hops=True)
    opening = opening_of(market, snapshot_of(*pools))
    names = [pool.address for pool in opening.snapshot_pools]
    assert names == ["pair", "sol-usdt", "usdt-usdc", "shallow"]
    assert {name for pool in opening.snapshot_pools for name in (pool.token_a, pool.token_b)} == {
        "SOL",
        "USDC",
        "USDT",
    }
    # The deepest, by worth, is the one with SOL: 80 USDT for one, as in USDC.
    assert opening.constant_prices_x64.keys() == {"USDT"}
    assert abs(opening.constant_prices_x64["USDT"] / 2**64 - 1) < 1e-9
    assert "3 that connect the two by way of USDT" in opening.said
    assert opening_of(MARKET, snapshot_of(*pools)).constant_prices_x64 == {}
    given = opening_of(replace(market, prices={"USDT": "1.5"}), snapshot_of(*pools))
    assert given.constant_prices_x64["USDT"] == 3 << 63


def test_tokens_are_priced_one_from_another() -> None:
    """Also those that no pool trades for base or quote: here JUP, by way of USDT and RAY."""
    ray = token("RAY").mint
    pools = (
        cpmm("pair"),
        cpmm("a", tokens=(SOL, USDT)),
        cpmm("b", 1, 2_000, tokens=(USDT, JUP)),  # 10^9 for 2 x 10^9: half a USDT a JUP
        cpmm("c", 1, 100, tokens=(JUP, ray)),
        cpmm("d", 1, 2_000, tokens=(ray, USDC)),
    )
    opening = opening_of(replace(MARKET, hops=True), snapshot_of(*pools))
    assert len(opening.snapshot_pools) == 5
    found = {name: price / 2**64 for name, price in opening.constant_prices_x64.items()}
    assert found.keys() == {"USDT", "JUP", "RAY"}
    assert abs(found["USDT"] - 1) < 1e-9
    assert abs(found["JUP"] - 0.5) < 1e-9
    world = World(
        market_of(flow=FLOW, arbitrage=True),
        1,
        opening.snapshot_pools,
        Steps((PRICE_X64,)),
        START_NS,
        constant_prices_x64=opening.constant_prices_x64,
    )
    go_to(world, 30)
    assert set(world.require_conserved()) == {"SOL", "USDC", "USDT", "JUP", "RAY"}


def test_a_pool_of_another_pair_opens_at_the_ratio_of_prices() -> None:
    """Whichever way its pair is written."""
    side = PoolConfig(name="side", pair="USDT/SOL", venue="raydium_cpmm", depth="1000SOL")
    market = MarketConfig(pools=(side,), prices={"USDT": "0.5"})
    opening = opening_of(market, None)
    (pool,) = open_market(market, opening, PRICE_X64)
    assert (pool.token_a, pool.token_b) == ("USDT", "SOL")
    assert pool.vault_b == 1_000 * 10**9
    assert abs(pool.vault_a - 160_000 * 10**6) <= 1
