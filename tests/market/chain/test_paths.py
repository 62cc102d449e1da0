"""Check what paths lose and how long they take under strain, and what commitments wait for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.errors import InvalidScenario
from orderengine.market.chain.commitment import Commitment, CommitmentLevel, ConsensusConfig
from orderengine.market.chain.paths import PathsConfig, drop_chance, stretch
from orderengine.market.config import FeeConfig, LandingConfig, MarketConfig
from orderengine.market.latency import LatencyConfig
from tests.market.worlds import SLOT_NS, market_of

PATHS = PathsConfig()
CONFIRM = LatencyConfig(median="1s")


@pytest.mark.parametrize("path", [PATHS.rpc, PATHS.staked, PATHS.bundle])
def test_without_strain_a_path_is_as_described(path: object) -> None:
    """Strain 1 neither delays nor loses."""
    assert stretch(path, 1.0) == 1.0  # type: ignore[arg-type]
    assert drop_chance(path, 1.0) == pytest.approx(path.drop_rate)  # type: ignore[arg-type,attr-defined]


@given(st.floats(1.0, 100.0))
def test_a_full_leader_takes_its_share(strain: float) -> None:
    """With exposure 1, of what would have arrived one in ``strain`` does; with 0, all."""
    assert 1 - drop_chance(PATHS.rpc, strain) == pytest.approx(0.9 / strain)
    assert stretch(PATHS.rpc, strain) == pytest.approx(strain)
    assert drop_chance(PATHS.bundle, strain) == pytest.approx(PATHS.bundle.drop_rate)
    assert drop_chance(PATHS.staked, strain) <= drop_chance(PATHS.rpc, strain)
    assert 0 <= drop_chance(replace(PATHS.rpc, exposure=5.0), strain) < 1


TOWER, ALPENGLOW = ConsensusConfig(profile="towerbft"), ConsensusConfig(profile="alpenglow")
LEVELS: list[tuple[ConsensusConfig, CommitmentLevel, LatencyConfig, int, int]] = [
    (ConsensusConfig(), "finalized", CONFIRM, 0, 0),
    (TOWER, "processed", TOWER.processed, 0, 32),
    (TOWER, "confirmed", TOWER.confirmed, 0, 32),
    (TOWER, "finalized", LatencyConfig(), 32, 32),
    (ALPENGLOW, "confirmed", LatencyConfig(model="uniform", low="100ms", high="150ms"), 0, 2),
    (ALPENGLOW, "finalized", LatencyConfig(model="uniform", low="100ms", high="150ms"), 0, 2),
]


@pytest.mark.parametrize(("consensus", "level", "latency", "landed", "lapsed"), LEVELS)
def test_what_a_commitment_waits_for(
    consensus: ConsensusConfig,
    level: CommitmentLevel,
    latency: LatencyConfig,
    landed: int,
    lapsed: int,
) -> None:
    """A landing waits for its level; an expiry always for finality."""
    found = Commitment.of(consensus, level, CONFIRM, SLOT_NS)
    assert (found.latency, found.landed_blocks, found.lapsed_blocks) == (latency, landed, lapsed)
    assert found.from_end == (consensus.profile != "off")


def test_short_slots_need_more_of_them_for_finality() -> None:
    """150 ms after a block's end are 8 slots of 20 ms after it."""
    found = Commitment.of(ALPENGLOW, "confirmed", CONFIRM, 20_000_000)
    assert found.lapsed_blocks == 9


def test_processed_may_not_be_undone() -> None:
    """What is reported as landed is final, so forks and the commitment processed exclude it."""
    forks = replace(TOWER, fork_rate=0.05)
    with pytest.raises(InvalidScenario, match=r"fork_rate.*processed"):
        MarketConfig(consensus=forks, landing=LandingConfig(commitment="processed"))
    MarketConfig(consensus=forks, landing=LandingConfig(commitment="confirmed"))
    with pytest.raises(InvalidScenario, match="towerbft"):
        replace(ALPENGLOW, fork_rate=0.05)


def test_tips_need_a_token_to_pay_them() -> None:
    """A pair without SOL cannot send bundles with a tip, even where fees are 0."""
    free = FeeConfig(
        signature_lamports=0,
        urgent_micro_lamports=0,
        normal_micro_lamports=0,
        bulk_micro_lamports=0,
    )
    pool = replace(market_of().pools[0])
    fields = {"base": "USDT", "fees": free, "pools": (pool,)}
    flow = replace(MarketConfig().flow, size_median="1USDT")
    landing = LandingConfig(model="network", urgent_path="bundle")
    with pytest.raises(InvalidScenario, match="fees"):
        MarketConfig(landing=landing, flow=flow, **fields)  # type: ignore[arg-type]
    MarketConfig(landing=LandingConfig(model="network"), flow=flow, **fields)  # type: ignore[arg-type]
