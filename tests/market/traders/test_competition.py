"""Check competing arbitrageurs: when they trade, for how much, and before or after whom."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.errors import InvalidAmount, InvalidScenario, Rejected
from orderengine.market.config import FlowConfig
from orderengine.market.pools import DEFAULT_POOLS
from orderengine.market.traders.competition import ArbitrageursConfig
from orderengine.market.world import World
from orderengine.pools import Direction, Pool
from orderengine.pools.fixed_point import Q64
from tests.market.worlds import CPMM, PRICE_X64, SOL, deliver, go_to, sell_sol, world_of

PROMPT = ArbitrageursConfig(count=2, acts_share=1.0, delay_slots=0)
UP, DOWN = PRICE_X64 * 102 // 100, PRICE_X64 * 98 // 100
NOW_S = 1_783_355_400


def best_gain(world: World, pool: Pool, price_x64: int) -> int:
    """Return the most that one trade on a pool gains at a price, in lamports: by trying sizes."""
    best = 0
    for direction in Direction:
        for exponent in range(120):
            amount = round(1_000 * 1.3**exponent)
            try:
                swap = pool.swap_exact_in(direction, amount, NOW_S)
            except (Rejected, InvalidAmount):  # what a pool refuses gains nothing
                break
            if direction is Direction.A_TO_B:
                worth = swap.amount_out * Q64 - amount * price_x64
            else:
                worth = swap.amount_out * price_x64 - amount * Q64
            best = max(best, worth // price_x64)
    return best


@settings(max_examples=25)
@given(
    st.sampled_from(DEFAULT_POOLS),
    st.integers(PRICE_X64 * 97 // 100, PRICE_X64 * 103 // 100),
    st.integers(0, 10**8),
)
def test_nothing_beyond_the_cost_is_left(described: object, price_x64: int, cost: int) -> None:
    """After a block in which all act at once, no trade of any size gains more than the cost.

    But for less than a unit of the quote token, some 13 lamports: gains are counted in whole ones.
    """
    rivals = replace(PROMPT, cost_lamports=cost)
    world = world_of(
        described,  # type: ignore[arg-type]  # a pool's description
        prices_x64=[PRICE_X64, price_x64],
        arbitrageurs=rivals,
    )
    go_to(world, 1)
    (pool,) = world.pools.values()
    assert best_gain(world, pool, price_x64) <= cost + Q64 // price_x64 + 1
    world.require_conserved()


def test_cost_keeps_them_away() -> None:
    """What gains less than it costs is left alone; what gains more is taken, and paid for."""
    open_price = [PRICE_X64, UP]
    gain = best_gain(world_of(), world_of().pools["cpmm"], UP)
    for cost, trades in ((gain * 21 // 20, False), (gain * 19 // 20, True)):
        rivals = replace(PROMPT, cost_lamports=cost)
        world = world_of(prices_x64=open_price, arbitrageurs=rivals)
        opened = world.pools["cpmm"]
        go_to(world, 1)
        assert (world.pools["cpmm"] != opened) == trades
        paid = world.ledger.balance("validators", "SOL")
        assert cost <= paid <= gain if trades else paid == 0


def test_late_ones_trade_at_an_old_price() -> None:
    """With a delay of three slots the pool moves three slots after the price."""
    for delay in (0, 1, 3):
        world = world_of(
            prices_x64=[PRICE_X64, PRICE_X64, UP],
            arbitrageurs=replace(PROMPT, delay_slots=delay),
        )
        opened = world.pools["cpmm"]
        go_to(world, 1 + delay)
        assert world.pools["cpmm"] == opened
        go_to(world, 2 + delay)
        assert world.pools["cpmm"] != opened


def test_the_ideal_one_is_out_of_it() -> None:
    """Competitors take its place, whatever the field says of it."""
    world = world_of(prices_x64=[PRICE_X64, UP], arbitrage=True, arbitrageurs=PROMPT)
    before = world.ledger.balance("arbitrageur", "SOL")
    go_to(world, 1)
    assert world.pools["cpmm"] != world_of().pools["cpmm"]
    assert world.ledger.balance("arbitrageur", "SOL") == before


@pytest.mark.parametrize(("unit_price", "is_first"), [(10**12, True), (0, False)])
def test_orders_and_arbitrageurs_bid_for_the_front(unit_price: int, is_first: bool) -> None:
    """An order that bids more trades before the pool has moved against it, else after."""
    world = world_of(prices_x64=[PRICE_X64, DOWN], arbitrageurs=PROMPT)
    world.ledger.issue("user", "SOL", 10 * SOL)
    stale = world.pools["cpmm"].swap_exact_in(Direction.A_TO_B, SOL, NOW_S).amount_out
    deliver(world, sell_sol("s", SOL, unit_price=unit_price), 1)
    go_to(world, 1)
    found = world.executions["s"].amount_out
    if is_first:
        assert found == stale
    else:
        assert found < stale * 99 // 100
    world.require_conserved()


def test_only_some_act_in_a_block() -> None:
    """With one rival that acts in half of the blocks, half of the jumps are met at once."""
    prices = [PRICE_X64 * (100 + 2 * (slot // 20 % 2)) // 100 for slot in range(8_000)]
    rivals = ArbitrageursConfig(count=1, acts_share=0.5, delay_slots=0)
    world = world_of(prices_x64=prices, arbitrageurs=rivals)
    met = 0
    for slot in range(20, 8_000, 20):
        go_to(world, slot - 1)
        before = world.pools["cpmm"]
        go_to(world, slot)
        met += world.pools["cpmm"] != before
    assert 150 < met < 250  # of 399: five standard deviations


def test_capital_limits_a_trade() -> None:
    """Each puts at most so much into a trade, in either token; the next one goes on."""
    for price_x64, token, most in ((DOWN, "SOL", SOL), (UP, "USDC", SOL * UP // Q64)):
        rivals = replace(PROMPT, count=3, capital="1SOL")
        world = world_of(prices_x64=[PRICE_X64, price_x64], arbitrageurs=rivals)
        vault = {"SOL": "vault_a", "USDC": "vault_b"}[token]
        before = getattr(world.pools["cpmm"], vault)
        go_to(world, 1)
        assert getattr(world.pools["cpmm"], vault) - before == 3 * most


@settings(max_examples=20)
@given(st.integers(0, 2**63 - 1), st.integers(0, 3), st.floats(0.1, 1))
def test_tokens_are_conserved_and_nobody_pays_to_trade(
    seed: int, delay: int, acts_share: float
) -> None:
    """Over many blocks the ledger holds, and who knows today's price never loses by it."""
    rivals = ArbitrageursConfig(count=3, acts_share=acts_share, delay_slots=delay)
    flow = FlowConfig(trades_per_slot=2.0, size_median="200SOL", size_sigma=1.0)
    world = world_of(CPMM, seed=seed, arbitrageurs=rivals, flow=flow)
    names = [f"arbitrageur-{number}" for number in (1, 2, 3)]

    def worth(name: str) -> int:
        sol, usdc = (world.ledger.balance(name, token) for token in ("SOL", "USDC"))
        return sol * PRICE_X64 + usdc * Q64

    held = {name: worth(name) for name in names}
    for slot in range(1, 40):
        go_to(world, slot)
        now = {name: worth(name) for name in names}
        assert all(now[name] >= held[name] for name in names)
        held = now
    world.require_conserved()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"count": -1}, "count"),
        ({"acts_share": 0.0}, "acts_share"),
        ({"delay_slots": -1}, "delay_slots"),
        ({"bid_share_max": 1.5}, "bid_share_max"),
        ({"cost_lamports": -1}, "cost_lamports"),
    ],
)
def test_bad_field_is_named(changes: dict[str, object], field: str) -> None:
    """The error holds the field."""
    with pytest.raises(InvalidScenario) as caught:
        ArbitrageursConfig(**changes)  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.field == field


def test_costs_in_lamports_need_a_price_of_sol() -> None:
    """A market without SOL has no way to weigh a gain against lamports."""
    flow = FlowConfig(trades_per_slot=0.0, size_median="1USDT")
    with pytest.raises(InvalidScenario) as caught:
        world_of(base="USDT", quote="USDC", flow=flow, arbitrageurs=PROMPT)
    assert caught.value.field == "arbitrageurs.count"
    with pytest.raises(InvalidScenario) as caught:
        world_of(arbitrageurs=replace(PROMPT, capital="5USDC"))
    assert caught.value.field == "arbitrageurs.capital"
