"""Check liquidity that moves: how much there is when, and whose the tokens are."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from orderengine.errors import InvalidScenario
from orderengine.market.config import FlowConfig
from orderengine.market.pools import DEFAULT_POOLS
from orderengine.market.traders.floor import TREASURY
from orderengine.market.traders.liquidity import Liquidity, LiquidityConfig
from orderengine.market.world import World
from tests.market.statistics import mean_of, require_mean, variance_of
from tests.market.worlds import (
    CPMM,
    DLMM,
    PRICE_X64,
    SLOT_NS,
    SOL,
    deliver,
    go_to,
    sell_sol,
    world_of,
)

MOVING = LiquidityConfig(sigma=0.3, half_life="4s", every="800ms")
OTHER = replace(CPMM, name="cpmm-2")


def liquidity_of(world: World) -> Liquidity:
    """Return what moves a world's liquidity."""
    found = world._others._liquidity
    assert found is not None
    return found


def test_levels_are_an_ornstein_uhlenbeck_process() -> None:
    """Of many pools after twelve half-lives: mean 0, the described deviation, independence."""
    pools = [replace(CPMM, name=f"cpmm-{number}") for number in range(400)]
    world = world_of(*pools, liquidity=replace(MOVING, every="8s"))
    liquidity, found = liquidity_of(world), []
    for step in range(1, 7):
        go_to(world, 20 * step)
    found = [liquidity.level(pool.name) for pool in pools]
    # After n steps of two half-lives the variance has grown to 1 - 16^-n of its limit.
    variance = 0.3**2 * (1 - 16.0**-6)
    require_mean(mean_of(found), 0.0, math.sqrt(variance / 400))
    require_mean(variance_of(found), variance, variance * math.sqrt(2 / 400))


def test_pools_have_the_depth_of_their_level() -> None:
    """Reserves are those described times the level, and move only every other slot."""
    world = world_of(CPMM, OTHER, liquidity=MOVING)
    opened, liquidity = world.pools["cpmm"], liquidity_of(world)
    seen = []
    for slot in range(1, 41):
        go_to(world, slot)
        for name in ("cpmm", "cpmm-2"):
            expected = opened.vault_a * math.exp(liquidity.level(name))
            assert world.pools[name].vault_a == pytest.approx(expected, rel=1e-8)
            assert world.pools[name].price_x64 == pytest.approx(PRICE_X64, rel=1e-6)
        seen.append(world.pools["cpmm"].vault_a)
    assert len(set(seen)) == 21
    assert world.pools["cpmm"].vault_a != world.pools["cpmm-2"].vault_a


def test_providers_bring_and_take_the_difference() -> None:
    """What a pool has more the account of the providers has less, to the unit."""
    world = world_of(*DEFAULT_POOLS, liquidity=MOVING)
    opened = dict(world.pools)
    go_to(world, 30)
    for token, vault in (("SOL", "vault_a"), ("USDC", "vault_b")):
        more = sum(
            getattr(world.pools[name], vault) - getattr(opened[name], vault) for name in opened
        )
        assert world.ledger.balance("lp", token) == TREASURY - more
    world.require_conserved()


def test_providers_flee_from_a_fast_price_and_come_back() -> None:
    """Half of the depth leaves at the jump, at once; of its logarithm half is back a minute on."""
    jump = PRICE_X64 * 1_006 // 1_000
    prices = [PRICE_X64] * 10 + [PRICE_X64 * 1_004 // 1_000] * 10 + [jump * 1_004 // 1_000] * 400
    config = LiquidityConfig(flee_bps=50.0, flee_share=0.5, every="400ms")
    world = world_of(CPMM, prices_x64=prices, liquidity=config)
    opened = world.pools["cpmm"].vault_a
    go_to(world, 19)
    assert world.pools["cpmm"].vault_a == opened  # 40 bps are no reason
    go_to(world, 20)
    assert world.pools["cpmm"].vault_a == pytest.approx(opened / 2, rel=1e-8)
    go_to(world, 170)
    assert world.pools["cpmm"].vault_a == pytest.approx(opened * 0.5**0.5, rel=1e-8)


def test_ranges_are_laid_anew_around_the_price() -> None:
    """After a long fall a pool of bins can still be sold to; without recentring it is empty."""
    for recentre, is_deep in (("0ms", False), ("4s", True)):
        narrow = replace(DLMM, bins=30)
        prices = [PRICE_X64 * (1_000 - min(slot, 40)) // 1_000 for slot in range(60)]
        config = LiquidityConfig(recentre=recentre)
        world = world_of(narrow, prices_x64=prices, arbitrage=True, liquidity=config)
        world.ledger.issue("user", "SOL", 100 * SOL)
        go_to(world, 50)
        deliver(world, sell_sol("s", 100 * SOL, "dlmm"), 51)
        go_to(world, 51)
        assert (world.executions["s"].code == "") == is_deep
        world.require_conserved()


def test_everything_is_conserved_under_trades() -> None:
    """Over a thousand slots of flow, arbitrage, moves and flights every unit stays."""
    prices = [PRICE_X64 * (1_000 + slot * 37 % 23) // 1_000 for slot in range(400)]
    config = replace(MOVING, flee_bps=60.0, recentre="10s", return_half_life="8s")
    world = world_of(
        *DEFAULT_POOLS,
        prices_x64=prices,
        arbitrage=True,
        flow=FlowConfig(trades_per_slot=3.0, size_median="50SOL"),
        liquidity=config,
    )
    supply = world.require_conserved()
    for slot in range(20, 400, 20):
        go_to(world, slot)
        assert world.require_conserved() == supply
        assert all(min(pool.vault_a, pool.vault_b) >= 0 for pool in world.pools.values())


def test_nothing_moves_by_default() -> None:
    """Without a description of it the pools stay as deep as they are, and nobody has an account."""
    world = world_of(*DEFAULT_POOLS)
    opened = dict(world.pools)
    go_to(world, 100)
    assert world.pools == opened
    assert world.ledger.balance("lp", "SOL") == 0
    assert not LiquidityConfig().is_on


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sigma": 2.5}, "sigma"),
        ({"half_life": "0s"}, "half_life"),
        ({"every": "0s"}, "every"),
        ({"flee_bps": -1.0}, "flee_bps"),
        ({"flee_share": 1.0}, "flee_share"),
        ({"return_half_life": "0s"}, "return_half_life"),
    ],
)
def test_bad_field_is_named(changes: dict[str, object], field: str) -> None:
    """The error holds the field."""
    with pytest.raises(InvalidScenario) as caught:
        LiquidityConfig(**changes)  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.field == field


def test_levels_repeat_under_their_seed() -> None:
    """The same seed moves pools alike, another one otherwise."""
    levels = []
    for seed in (1, 1, 2):
        world = world_of(CPMM, seed=seed, liquidity=MOVING)
        go_to(world, 20)
        levels.append(liquidity_of(world).level("cpmm"))
    assert levels[0] == levels[1] != levels[2]
    assert SLOT_NS * 2 == 800_000_000  # a step is two slots
