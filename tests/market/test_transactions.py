"""Check what legs of several hops do: shares, reverts, fees, and that no unit is ever lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.market.pools import PoolConfig
from orderengine.market.transactions import SwapLeg, Transaction, run_legs
from orderengine.market.world import World
from orderengine.pools import Pool, tokens_of
from tests.market.worlds import (
    A_TO_B,
    B_TO_A,
    CPMM,
    PRICE_X64,
    SOL,
    USDC,
    connected_world,
    deliver,
    go_to,
    sell_sol,
)

NOW_S = 1_783_355_400
SIDE = PoolConfig(name="side", pair="SOL/USDT", venue="raydium_cpmm", depth="500000USDT")
LAST = PoolConfig(name="last", pair="USDT/USDC", venue="raydium_cpmm", depth="300000USDC")
OTHER = PoolConfig(name="other", pair="USDC/USDT", venue="meteora_dlmm", depth="200000USDT")
THROUGH = (SIDE, LAST)


def world_of_hops(*, arbitrage: bool = False) -> World:
    """Return a world with pools by way of USDT, whose user holds SOL and USDC."""
    world = connected_world(CPMM, *THROUGH, OTHER, arbitrage=arbitrage)
    for name, amount in (("SOL", 10_000 * SOL), ("USDC", 10**6 * USDC), ("USDT", 77)):
        world.ledger.issue("user", name, amount)
    return world


def exact_in(pool: str, amount: int, *, reverse: bool = False) -> SwapLeg:
    """Return a leg that fixes its input."""
    return SwapLeg(pool, B_TO_A if reverse else A_TO_B, exact_in=True, amount=amount)


def exact_out(pool: str, amount: int, *, reverse: bool = False) -> SwapLeg:
    """Return a leg that fixes its output."""
    return SwapLeg(pool, B_TO_A if reverse else A_TO_B, exact_in=False, amount=amount)


def two_hops(world: World, amount: int) -> tuple[SwapLeg, SwapLeg]:
    """Return legs SOL, USDT, USDC as quoted on the pools as they are."""
    first = world.pools["side"].swap_exact_in(A_TO_B, amount, NOW_S)
    return exact_in("side", amount), exact_in("last", first.amount_out)


def transaction_of(*legs: SwapLeg, amount_in_max: int, amount_out_min: int = 1) -> Transaction:
    """Return a transaction without a fee."""
    return replace(
        sell_sol("s", 1), legs=legs, amount_in_max=amount_in_max, amount_out_min=amount_out_min
    )


def test_hops_pay_what_the_pools_pay_one_after_the_other() -> None:
    """The user pays SOL, gets USDC, and holds as much USDT as before; every unit is accounted."""
    world = world_of_hops()
    legs = two_hops(world, 10 * SOL)
    first = world.pools["side"].swap_exact_in(A_TO_B, 10 * SOL, NOW_S)
    second = world.pools["last"].swap_exact_in(A_TO_B, first.amount_out, NOW_S)
    deliver(world, transaction_of(*legs, amount_in_max=10 * SOL), 1)
    go_to(world, 1)
    found = world.executions["s"]
    assert (found.code, found.amount_in, found.amount_out) == ("", 10 * SOL, second.amount_out)
    assert world.ledger.balance("user", "USDT") == 77
    assert world.ledger.balance("user", "USDC") == 10**12 + second.amount_out
    assert (world.pools["side"], world.pools["last"]) == (first.pool, second.pool)
    world.require_conserved()


def test_fees_of_later_hops_count_at_the_price_of_the_earlier() -> None:
    """Both pools keep 25 bps, the second of what the first one's customer paid for it."""
    world = world_of_hops()
    settled = run_legs(two_hops(world, SOL), world.pools, NOW_S)
    assert settled.fee_out == 0
    assert abs(settled.fee_in - SOL // 200) <= 20
    parallel = run_legs((exact_in("cpmm", SOL),), world.pools, NOW_S)
    assert parallel.fee_in == world.pools["cpmm"].swap_exact_in(A_TO_B, SOL, NOW_S).fee_in


@pytest.mark.parametrize("moved", ["up", "down"])
def test_what_the_first_hop_brings_is_spent_whatever_the_price_is_by_then(moved: str) -> None:
    """Later legs share it as planned, the last one takes the rest: no dust, and no revert."""
    world = world_of_hops()
    brought = world.pools["side"].swap_exact_in(A_TO_B, 10 * SOL, NOW_S).amount_out
    parts = (brought // 3, brought - brought // 3)
    legs = (
        exact_in("side", 10 * SOL),
        exact_in("last", parts[0]),
        exact_in("other", parts[1], reverse=True),
    )
    trade = (B_TO_A, 20_000 * USDC) if moved == "up" else (A_TO_B, 250 * SOL)
    world.trade("flow", world.pools["side"], *trade, NOW_S)
    first = world.pools["side"].swap_exact_in(A_TO_B, 10 * SOL, NOW_S)
    assert (first.amount_out > brought) == (moved == "up")
    settled = run_legs(legs, world.pools, NOW_S)
    assert settled.uncovered == ""
    assert settled.changes["USDT"] == 0
    share = first.amount_out * parts[0] // brought
    second = world.pools["last"].swap_exact_in(A_TO_B, share, NOW_S)
    third = world.pools["other"].swap_exact_in(B_TO_A, first.amount_out - share, NOW_S)
    assert settled.changes["USDC"] == second.amount_out + third.amount_out


def test_an_exact_output_pulls_what_it_needs_through_the_earlier_hop() -> None:
    """From the last leg back: the output is met to the unit, and nothing is left in between."""
    world = world_of_hops()
    bought = 800 * USDC
    planned = world.pools["last"].swap_exact_out(A_TO_B, bought, NOW_S).amount_in
    world.trade("flow", world.pools["last"], A_TO_B, 2_000 * USDC, NOW_S)  # dearer than planned
    second = world.pools["last"].swap_exact_out(A_TO_B, bought, NOW_S)
    first = world.pools["side"].swap_exact_out(A_TO_B, second.amount_in, NOW_S)
    assert second.amount_in > planned
    legs = (exact_out("side", planned), exact_out("last", bought))
    settled = run_legs(legs, world.pools, NOW_S)
    assert settled.changes == {"SOL": -first.amount_in, "USDC": bought, "USDT": 0}
    deliver(world, transaction_of(*legs, amount_in_max=first.amount_in, amount_out_min=bought), 1)
    dear = transaction_of(*legs, amount_in_max=first.amount_in - 1, amount_out_min=bought)
    deliver(world, replace(dear, memo="t", unit_price=1), 1)
    go_to(world, 1)
    assert (world.executions["s"].code, world.executions["t"].code) == ("", "SLIPPAGE")
    world.require_conserved()


@pytest.mark.parametrize(
    "legs",
    [
        pytest.param(
            (exact_in("cpmm", SOL), exact_in("last", 50 * USDC)), id="nobody brought the token"
        ),
        pytest.param(
            (exact_in("side", SOL), exact_in("last", 50 * USDC, reverse=True), exact_in("last", 1)),
            id="the token bought is spent before it is there",
        ),
    ],
)
def test_what_no_leg_brings_cannot_be_spent(legs: tuple[SwapLeg, ...]) -> None:
    """Not even where the user holds some of it: all reverts, and the code invites another quote."""
    world = world_of_hops()
    pools = dict(world.pools)
    deliver(world, transaction_of(*legs, amount_in_max=2**60), 1)
    go_to(world, 1)
    found = world.executions["s"]
    assert found.code == "SLIPPAGE"
    assert world.pools == pools
    assert world.ledger.balance("user", "USDT") == 77


def test_the_limit_holds_on_what_comes_out_in_the_end() -> None:
    """To the unit, after all hops."""
    world = world_of_hops()
    legs = two_hops(world, SOL)
    pays = run_legs(legs, world.pools, NOW_S).changes["USDC"]
    deliver(world, transaction_of(*legs, amount_in_max=SOL, amount_out_min=pays + 1), 1)
    go_to(world, 1)
    assert world.executions["s"].code == "SLIPPAGE"
    deliver(
        world,
        replace(transaction_of(*legs, amount_in_max=SOL, amount_out_min=pays), memo="t"),
        2,
    )
    go_to(world, 2)
    assert world.executions["t"].code == ""


leg_amounts = st.integers(1, 100) | st.integers(1, 10**9) | st.integers(1, 10**14)
some_legs = st.lists(
    st.builds(
        SwapLeg,
        st.sampled_from(["cpmm", "side", "last", "other"]),
        st.sampled_from([A_TO_B, B_TO_A]),
        exact_in=st.booleans(),
        amount=leg_amounts,
    ),
    min_size=1,
    max_size=5,
).map(tuple)


def is_of_the_pair(legs: tuple[SwapLeg, ...], pools: dict[str, Pool]) -> bool:
    """Return whether the ends of the legs are the market's two tokens: others are not signed."""
    sold, _ = tokens_of(pools[legs[0].pool], legs[0].direction)
    _, bought = tokens_of(pools[legs[-1].pool], legs[-1].direction)
    return {sold, bought} == {"SOL", "USDC"}


@given(st.lists(some_legs, max_size=4), st.booleans())
def test_no_unit_is_lost_whatever_the_legs_are(
    sendings: list[tuple[SwapLeg, ...]], moves: bool
) -> None:
    """Of any token; and whoever reverts moves nothing of the user's."""
    world = world_of_hops(arbitrage=moves)
    supply = world.require_conserved()
    for number, legs in enumerate(sendings):
        if not is_of_the_pair(legs, world.pools):
            continue
        sent = replace(transaction_of(*legs, amount_in_max=2**62), memo=f"s{number}")
        before = {name: world.ledger.balance("user", name) for name in ("SOL", "USDC", "USDT")}
        slot = world.slot + 1
        deliver(world, sent, slot)
        go_to(world, slot)
        found = world.executions[f"s{number}"]
        after = {name: world.ledger.balance("user", name) for name in before}
        assert world.require_conserved() == supply
        assert after["USDT"] >= before["USDT"]
        assert (after == before) == bool(found.code)
        if not found.code:
            sold, _ = tokens_of(world.pools[legs[0].pool], legs[0].direction)
            assert before[sold] - after[sold] == found.amount_in


@given(st.integers(10**6, 100 * SOL), st.integers(0, 100), st.integers(-100, 100))
def test_shares_follow_the_plan_at_any_size(amount: int, percent: int, moved: int) -> None:
    """All that the first hop brings is spent, and a part of nothing is left out."""
    world = world_of_hops()
    brought = world.pools["side"].swap_exact_in(A_TO_B, amount, NOW_S).amount_out
    if moved:
        direction = A_TO_B if moved < 0 else B_TO_A
        size = abs(moved) * (SOL if moved < 0 else 80 * USDC)
        world.trade("flow", world.pools["side"], direction, size, NOW_S)
    part = brought * percent // 100
    seconds = [(part, "last", False), (brought - part, "other", True)]
    legs = (
        exact_in("side", amount),
        *(exact_in(pool, size, reverse=reverse) for size, pool, reverse in seconds if size),
    )
    settled = run_legs(legs, world.pools, NOW_S)
    assert settled.uncovered == ""
    assert settled.changes["USDT"] == 0
    assert settled.changes["SOL"] == -amount


def test_constant_prices_hold_the_other_pairs() -> None:
    """Arbitrage trades pools of every pair back to the outside prices, one from the other."""
    world = connected_world(
        CPMM, *THROUGH, OTHER, arbitrage=True, prices_x64=(PRICE_X64, PRICE_X64 * 11 // 10)
    )
    go_to(world, 3)
    usdt = world.worth_x64("USDT")
    for name, first, second in (("side", PRICE_X64 * 11 // 10, usdt), ("last", usdt, 2**64)):
        outside = (first << 64) // second
        assert abs(world.pools[name].price_x64 / outside - 1) < 0.003
    world.require_conserved()
