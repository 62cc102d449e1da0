"""Check flow: how often, where, how large and in which direction others trade."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
from msgspec.structs import replace

from orderengine.errors import InvalidScenario
from orderengine.market.config import FlowConfig
from orderengine.market.described import open_pool
from orderengine.market.prices import Trace
from orderengine.market.world import World
from orderengine.model.tokens import token
from orderengine.pools import Direction, Pool
from tests.market.statistics import mean_of, require_mean, variance_of
from tests.market.worlds import (
    A_TO_B,
    CPMM,
    DLMM,
    PRICE_X64,
    SLOT_NS,
    SOL,
    START_NS,
    go_to,
    market_of,
    world_of,
)

Trade = tuple[int, str, Direction, int]
"""Slot, pool, direction, amount in."""

DEEP = replace(CPMM, depth="1000000000USDC")
SMALL = FlowConfig(trades_per_slot=3.0, size_median="0.01SOL")


class Watched(World):
    """Note what flow does."""

    trades: list[Trade]

    def trade(
        self, trader: str, pool: Pool, direction: Direction, amount_in: int, now_s: int
    ) -> None:
        """Note a trade and make it."""
        if trader == "flow":
            self.trades.append((self.slot, pool.address, direction, amount_in))
        super().trade(trader, pool, direction, amount_in, now_s)


def watched(
    config: FlowConfig, slots: int, prices_x64: Sequence[int] = (PRICE_X64,), seed: int = 1
) -> list[Trade]:
    """Return the trades of a world of two deep pools."""
    world = world_of(DEEP, replace(DLMM, bins=2_000), prices_x64=prices_x64, seed=seed, flow=config)
    world.__class__ = Watched
    assert isinstance(world, Watched)
    world.trades = []
    go_to(world, slots)
    world.require_conserved()
    return world.trades


def counts(trades: Sequence[Trade], slots: int) -> list[int]:
    """Return the number of trades of each slot."""
    found = [0] * slots
    for slot, _, _, _ in trades:
        found[slot - 1] += 1
    return found


def test_counts_are_poisson() -> None:
    """Without clustering the variance is the mean, and neighbouring slots are independent."""
    slots = 3_000
    found = counts(watched(SMALL, slots), slots)
    require_mean(mean_of(found), 3.0, math.sqrt(3 / slots))
    require_mean(variance_of(found, 3.0), 3.0, math.sqrt((3 + 2 * 9) / slots))
    lagged = [(before - 3) * (after - 3) for before, after in pairwise(found)]
    require_mean(mean_of(lagged), 0.0, 3 / math.sqrt(slots))


def test_clustered_counts_have_the_moments_of_their_process() -> None:
    """Mean r, and variance and covariance as the linear recursion gives them.

    With b = η (1 - a) and φ = a + b the excited rate S has the variance b² r / (1 - φ²); a count's
    is r more, and the covariance of neighbours φ var(S) + b r. The mean's error grows by 1 / (1 -
    η); those of second moments are bounded by ten times that of independent counts.
    """
    slots, rate, clustering = 12_000, 3.0, 0.6
    config = replace(SMALL, clustering=clustering, clustering_half_life="800ms")
    found = counts(watched(config, slots), slots)
    decay = 2.0**-0.5
    drawn = clustering * (1 - decay)
    phi = decay + drawn
    excited = drawn**2 * rate / (1 - phi**2)
    require_mean(mean_of(found), rate, math.sqrt(rate / slots) / (1 - clustering))
    variance = rate + excited
    assert variance_of(found, rate) == pytest.approx(variance, abs=0.35)
    lagged = mean_of([(before - rate) * (after - rate) for before, after in pairwise(found)])
    assert lagged == pytest.approx(phi * excited + drawn * rate, abs=0.35)
    assert phi * excited + drawn * rate > 0.7  # so that no clustering at all would show


def test_clustered_flow_has_its_mean_from_the_start() -> None:
    """Over 400 seeds the first ten slots have r trades each, as all later ones.

    With clustering 0.9 and a half-life of ten slots a process that began without excitement would
    have an eighth of them. A count's variance is at most the long-run one, and neighbours share
    much, so the mean of ten counts is taken to vary as one.
    """
    config = replace(SMALL, clustering=0.9)
    decay = 2.0 ** (-SLOT_NS / 4e9)
    kick = 0.9 * (1 - decay)
    variance = 3.0 + kick**2 * 3.0 / (1 - (decay + kick) ** 2)
    means = [len(watched(config, 10, seed=seed)) / 10 for seed in range(400)]
    assert abs(sum(means) / 400 - 3.0) < 4.9 * math.sqrt(variance / 400)


def test_bursts_have_a_ceiling() -> None:
    """A process near its limit does not run away."""
    config = replace(SMALL, trades_per_slot=0.5, clustering=0.99, clustering_half_life="400ms")
    assert max(counts(watched(config, 2_000), 2_000)) < 100


def test_informed_trade_with_the_price() -> None:
    """They buy before it rises and sell before it falls, as far ahead as they see."""
    rise_at = 40
    prices = [PRICE_X64] * rise_at + [PRICE_X64 * 101 // 100]
    config = replace(SMALL, informed_share=1.0, informed_slots=5)
    trades = watched(config, 60, prices)
    before = [way for slot, _, way, _ in trades if rise_at - 5 <= slot < rise_at]
    assert before
    assert set(before) == {Direction.B_TO_A}
    assert {way for slot, _, way, _ in trades if slot < rise_at - 5} == set(Direction)
    falling = watched(config, 60, [PRICE_X64 * (100 - min(slot, 50)) // 100 for slot in range(90)])
    assert {way for slot, _, way, _ in falling if slot < 45} == {A_TO_B}


def test_informed_read_a_recorded_price_ahead_of_time() -> None:
    """They look at the recording as many slots ahead, not at the present."""
    rise_ns = START_NS + 40 * SLOT_NS
    last_ns = rise_ns + 4 * SLOT_NS
    trace = Trace([START_NS, rise_ns, last_ns], [PRICE_X64, PRICE_X64, 2 * PRICE_X64])
    config = replace(SMALL, informed_share=1.0, informed_slots=5)
    market = market_of(DEEP, flow=config)
    pools = [open_pool(DEEP, PRICE_X64, token("SOL"), token("USDC"))]
    world = Watched(market, 1, pools, trace, START_NS)
    world.trades = []
    go_to(world, 44)
    ways = {slot: way for slot, _, way, _ in world.trades}
    assert {way for slot, way in ways.items() if 36 <= slot < 44} == {Direction.B_TO_A}
    assert {way for slot, way in ways.items() if slot < 36} == set(Direction)


def test_share_is_informed() -> None:
    """Of trades before a rise that many go up: the informed, and half of the others."""
    prices = [PRICE_X64 + slot * PRICE_X64 // 10**6 for slot in range(1_100)]
    trades = watched(replace(SMALL, informed_share=0.4), 1_000, prices)
    bought = [way is Direction.B_TO_A for _, _, way, _ in trades]
    require_mean(mean_of(bought), 0.7, math.sqrt(0.7 * 0.3 / len(bought)))


def test_models_leave_other_draws_alone() -> None:
    """Informing or enlarging some trades changes no trade's slot, pool or place."""
    plain = watched(SMALL, 200)
    informed = watched(replace(SMALL, informed_share=0.5), 200)
    large = watched(replace(SMALL, large_share=0.5), 200)
    assert [trade[:2] for trade in plain] == [trade[:2] for trade in informed]
    assert [trade[:3] for trade in plain] == [trade[:3] for trade in large]
    grown = [after[3] > before[3] for before, after in zip(plain, large, strict=True)]
    require_mean(mean_of(grown), 0.5, 0.5 / math.sqrt(len(grown)))


def test_large_trades_have_the_tail_of_their_exponent() -> None:
    """Of sizes that are all Pareto, 2^-alpha pass twice the least."""
    config = replace(SMALL, size_sigma=0.0, large_share=1.0, large_alpha=1.2)
    sizes = [size for _, _, way, size in watched(config, 1_500) if way is A_TO_B]
    least = SOL // 100
    assert min(sizes) >= least
    for factor in (2, 8):
        share = factor**-1.2
        passed = mean_of([size > factor * least for size in sizes])
        require_mean(passed, share, math.sqrt(share * (1 - share) / len(sizes)))


@pytest.mark.parametrize(
    ("weights", "share"),
    [
        ({"raydium_cpmm": 3.0}, 0.75),
        ({"cpmm": 0.0}, 0.0),
        ({"cpmm": 1.0, "raydium_cpmm": 50.0, "dlmm": 4.0}, 0.2),
    ],
)
def test_pools_are_chosen_by_weight(weights: dict[str, float], share: float) -> None:
    """By a program's name or a pool's own, which goes first; others weigh 1."""
    trades = watched(replace(SMALL, weights=weights), 1_000)
    chosen = [pool == "cpmm" for _, pool, _, _ in trades]
    if share == 0:
        assert not any(chosen)
    else:
        require_mean(mean_of(chosen), share, math.sqrt(share * (1 - share) / len(chosen)))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"informed_share": 1.1}, "informed_share"),
        ({"informed_slots": 0}, "informed_slots"),
        ({"clustering": 1.0}, "clustering"),
        ({"clustering_half_life": "0s"}, "clustering_half_life"),
        ({"large_alpha": 0.1}, "large_alpha"),
        ({"weights": {"cpmm": -1.0}}, "weights.cpmm"),
    ],
)
def test_bad_field_is_named(changes: dict[str, object], field: str) -> None:
    """The error holds the field."""
    with pytest.raises(InvalidScenario) as caught:
        FlowConfig(**changes)  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.field == field
