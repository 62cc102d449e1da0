"""Check deviations against the Ornstein-Uhlenbeck process, and what pools make of them."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from msgspec.structs import replace

from orderengine.errors import InvalidScenario
from orderengine.market.prices import PriceConfig, Spread, SpreadConfig
from orderengine.market.world import World
from tests.market.statistics import mean_of, require_mean, variance_of
from tests.market.worlds import CPMM, DLMM, PRICE_X64, SLOT_NS, go_to, world_of

CONFIG = SpreadConfig(bps=20.0, half_life="4s")
SLOTS = 20_000
DECAY = 2.0**-0.1  # ten slots are a half-life
SIGMA = 0.002
OTHER = replace(CPMM, name="cpmm-2")


def world_with(config: SpreadConfig) -> World:
    """Return a world of three pools, two of them of one program, that arbitrage follows."""
    return world_of(CPMM, OTHER, DLMM, price=PriceConfig(spread=config), arbitrage=True)


def deviations(seed: int = 3) -> list[float]:
    """Return a pool's deviation slot by slot."""
    pool = world_of(CPMM).pools["cpmm"]
    spread = Spread(CONFIG, SLOT_NS, seed, [pool])
    found = []
    for slot in range(SLOTS):
        spread.move(slot)
        found.append(spread.deviation(pool))
    return found


def test_deviation_returns_by_half_in_a_half_life() -> None:
    """What each slot adds to the decayed deviation is white noise of the right size."""
    found = deviations()
    kick = SIGMA * math.sqrt(1 - DECAY**2)
    rest = [after - DECAY * before for before, after in pairwise(found)]
    require_mean(mean_of(rest), 0.0, kick / math.sqrt(len(rest)))
    require_mean(variance_of(rest), kick**2, kick**2 * math.sqrt(2 / len(rest)))
    lagged = mean_of([before * after for before, after in pairwise(rest)])
    require_mean(lagged, 0.0, kick**2 / math.sqrt(len(rest)))


def test_deviation_has_its_long_run_law() -> None:
    """Mean 0, the standard deviation of the description, and half the correlation after 10 slots.

    Standard errors are those of an autoregressive series.
    """
    found = deviations()
    grown = (1 + DECAY**2) / (1 - DECAY**2)
    require_mean(mean_of(found), 0.0, SIGMA * math.sqrt((1 + DECAY) / (1 - DECAY) / SLOTS))
    require_mean(variance_of(found), SIGMA**2, SIGMA**2 * math.sqrt(2 * grown / SLOTS))
    pairs = list(zip(found, found[10:], strict=False))
    correlated = mean_of([before * after for before, after in pairs])
    require_mean(correlated, SIGMA**2 / 2, SIGMA**2 * math.sqrt(2 * grown / SLOTS))


def test_first_deviation_has_that_law_too() -> None:
    """A study need not wait until deviations have built up."""
    pool = world_of(CPMM).pools["cpmm"]
    first = []
    for seed in range(4_000):
        spread = Spread(CONFIG, SLOT_NS, seed, [pool])
        spread.move(0)
        first.append(spread.deviation(pool))
    require_mean(variance_of(first), SIGMA**2, SIGMA**2 * math.sqrt(2 / len(first)))


@pytest.mark.parametrize(("by", "distinct"), [("venue", 2), ("pool", 3)])
def test_deviations_are_by_venue_or_by_pool(by: str, distinct: int) -> None:
    """Pools of one program share one, or each has its own."""
    pools = list(world_with(CONFIG).pools.values())
    spread = Spread(replace(CONFIG, by=by), SLOT_NS, 1, pools)
    spread.move(0)
    assert len({spread.deviation(pool) for pool in pools}) == distinct
    for pool in pools:
        exact = PRICE_X64 * math.exp(spread.deviation(pool))
        assert spread.seen_x64(pool, PRICE_X64) == pytest.approx(exact, rel=1e-15)


def test_pools_follow_the_price_that_is_seen_there() -> None:
    """After each block a pool is within its fee of its own price; that is not the outside one."""
    config = SpreadConfig(bps=100.0, half_life="2s", by="pool")
    world = world_with(config)
    pools = list(world.pools.values())
    spread = Spread(config, SLOT_NS, 1, pools)
    spread.move(0)
    apart = []
    for slot in range(1, 60):
        go_to(world, slot)
        spread.move(slot)
        assert world.price_x64 == PRICE_X64
        for name in ("cpmm", "cpmm-2"):
            pool = world.pools[name]
            seen = PRICE_X64 * math.exp(spread.deviation(pool))
            assert 0.9974 < pool.price_x64 / seen < 1.0026
        apart.append(abs(world.pools["cpmm"].price_x64 / world.pools["cpmm-2"].price_x64 - 1))
    assert max(apart) > 2 * 0.0025  # beyond both fees
    world.require_conserved()


def test_no_deviation_is_the_world_of_old() -> None:
    """A spread of 0 is none at all."""
    plain, off = world_of(CPMM, arbitrage=True), world_with(SpreadConfig())
    go_to(plain, 50)
    go_to(off, 50)
    assert plain.pools["cpmm"] == off.pools["cpmm"]


def test_deviation_without_return_is_refused() -> None:
    """A half-life of 0 is refused by name."""
    with pytest.raises(InvalidScenario) as caught:
        SpreadConfig(half_life="0s")
    assert caught.value.field == "half_life"
