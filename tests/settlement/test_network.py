"""Check sending by paths, under strain, and telling a fate at each commitment."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.execution.ports import Landed, Lapsed, Outcome, Reverted
from orderengine.market.chain.blocks import BlockConfig
from orderengine.market.chain.commitment import ConsensusConfig
from orderengine.market.chain.congestion import CongestionConfig
from orderengine.market.chain.leaders import LeaderConfig
from orderengine.market.chain.paths import PathConfig, PathName, PathsConfig
from orderengine.market.config import LandingConfig, MarketConfig
from orderengine.market.draws import Draws, order_id_of
from orderengine.market.latency import LatencyConfig, latency_model
from orderengine.market.transactions import decode_transaction
from orderengine.market.world import World
from orderengine.model.order import Order, Priority
from orderengine.settlement.simulated import SimulatedSettlement
from tests.market.worlds import CPMM, DLMM, SLOT_NS, SOL, START_NS, USDC, market_of, world_of
from tests.settlement.test_simulated import FOREVER, MS, Clock, plan_of, run, sent, sign

AT_ONCE = LatencyConfig()
SURE = PathConfig(delay=AT_ONCE, drop_rate=0.0, exposure=1.0)
SURE_PATHS = PathsConfig(rpc=SURE, staked=SURE, bundle=replace(SURE, tip_lamports=10_000))
NETWORK = LandingConfig(model="network", paths=SURE_PATHS)
TOWER = ConsensusConfig(
    profile="towerbft",
    processed=LatencyConfig(median="100ms"),
    confirmed=LatencyConfig(median="600ms"),
)
ALPENGLOW = ConsensusConfig(profile="alpenglow", finality_low="125ms", finality_high="125ms")
WANTED = CongestionConfig(demand=2.0, sigma=0.0, burst_every="0s")


class Counting(Clock):
    """Count waits."""

    waits: int = 0

    async def sleep_until(self, at_ns: int) -> None:
        """Wait until a date."""
        self.waits += 1
        await super().sleep_until(at_ns)


def opened(
    landing: LandingConfig = NETWORK, *, seed: int = 1, **changes: object
) -> tuple[World, SimulatedSettlement, Counting]:
    """Return a world whose user holds plenty, its settlement, and the clock of both."""
    fields = {"landing": landing, "build_latency": AT_ONCE, **changes}
    config: MarketConfig = market_of(CPMM, DLMM, **fields)
    world = world_of(CPMM, DLMM, seed=seed, **fields)  # type: ignore[arg-type]
    world.ledger.issue("user", "SOL", 10_000 * SOL)
    world.ledger.issue("user", "USDC", 1_000_000 * USDC)

    def latency(described: LatencyConfig, concern: str) -> Callable[[int, int], int]:
        return latency_model(described, Draws(seed, concern))

    clock = Counting()
    settlement = SimulatedSettlement.of(
        config, world=world, clock=clock, seed=seed, latency=latency
    )
    return world, settlement, clock


TOLD = [
    pytest.param(ConsensusConfig(), "confirmed", SLOT_NS + 1_000 * MS, id="off"),
    pytest.param(TOWER, "processed", 2 * SLOT_NS + 100 * MS, id="processed"),
    pytest.param(TOWER, "confirmed", 2 * SLOT_NS + 600 * MS, id="confirmed"),
    pytest.param(TOWER, "finalized", SLOT_NS + 12_800 * MS, id="finalized"),
    pytest.param(ALPENGLOW, "confirmed", 2 * SLOT_NS + 125 * MS, id="alpenglow"),
    pytest.param(ALPENGLOW, "finalized", 2 * SLOT_NS + 125 * MS, id="alpenglow finalized"),
]


@pytest.mark.parametrize(("consensus", "level", "told_ns"), TOLD)
def test_a_landing_is_told_at_its_commitment(
    consensus: ConsensusConfig, level: str, told_ns: int
) -> None:
    """Sent in slot 0 it lands in slot 1, and is told at the instant, after two waits at most."""
    landing = replace(NETWORK, commitment=level, confirm=LatencyConfig(median="1s"))

    async def main() -> None:
        _, settlement, clock = opened(landing, consensus=consensus)
        signed = await sent(settlement, plan_of())
        before = clock.waits
        outcome = await settlement.outcome(signed, FOREVER)
        assert isinstance(outcome, Landed)
        assert outcome.landed_at_ns == START_NS + SLOT_NS
        assert virtualtime.now_ns() == told_ns
        assert clock.waits - before <= 2

    run(main)


@pytest.mark.parametrize("seed", range(5))
def test_finality_is_counted_in_blocks(seed: int) -> None:
    """With uneven slots, a third of them skipped, it is told as the 32nd block after it begins."""
    landing = replace(NETWORK, commitment="finalized")

    async def main() -> None:
        world, settlement, clock = opened(
            landing, seed=seed, consensus=TOWER, skip_rate=0.33, slot_jitter=0.2
        )
        signed = await sent(settlement, plan_of())
        before = clock.waits
        assert isinstance(await settlement.outcome(signed, FOREVER), Landed)
        execution = world.executions[signed.signature]
        assert world.height == execution.height + 32
        assert clock.now_ns() == world.slot_start_ns(world.slot)
        assert world.slot - execution.slot > 32
        # A skipped slot puts the end off, so a look that comes too early is one of few.
        assert clock.waits - before < 16

    run(main)


@pytest.mark.parametrize(("consensus", "blocks"), [(TOWER, 32), (ALPENGLOW, 2)])
def test_an_expiry_is_told_once_it_is_final(consensus: ConsensusConfig, blocks: int) -> None:
    """What was never sent is dead when so many more blocks than its limit are there."""
    landing = replace(NETWORK, blockhash_blocks=20)

    async def main() -> None:
        world, settlement, clock = opened(landing, consensus=consensus, slot_jitter=0.2)
        signed = await sign(settlement, plan_of())
        assert isinstance(await settlement.outcome(signed, FOREVER), Lapsed)
        assert world.height == signed.last_valid_height + blocks + 1
        assert clock.now_ns() == world.slot_start_ns(world.slot)

    run(main)


@pytest.mark.parametrize(
    ("priority", "path", "tip"),
    [(Priority.URGENT, "bundle", 10_000), (Priority.NORMAL, "staked", 0)],
)
def test_urgent_orders_take_their_own_path(priority: Priority, path: str, tip: int) -> None:
    """Path and tip stand in the signed bytes, and the tip in what it costs."""
    landing = replace(NETWORK, path="staked", urgent_path="bundle")
    order = Order(order_id=order_id_of(1, 0), sell="SOL", buy="USDC", amount=SOL, priority=priority)

    async def main() -> None:
        world, settlement, _ = opened(landing)
        signed = await sent(settlement, replace(plan_of(order=order), unit_price=1_000))
        transaction = decode_transaction(signed.payload)
        assert (transaction.path, transaction.tip, transaction.unit_price) == (path, tip, 1_000)
        assert signed.network_fee == 5_000 + 161 + tip
        outcome = await settlement.outcome(signed, FOREVER)
        assert isinstance(outcome, Landed)
        assert world.ledger.balance("validators", "SOL") == outcome.network_fee == 5_161 + tip

    run(main)


@pytest.mark.parametrize("model", ["slots", "network"])
def test_a_plans_own_price_is_signed(model: str) -> None:
    """A price of the plan takes the place of the priority's, also 0, and without one it stays."""
    landing = replace(NETWORK, model=model)

    async def main() -> None:
        _, settlement, _ = opened(landing)
        for price, fee in ((None, 49), (0, 0), (10**6, 161_000)):
            signed = await sign(settlement, replace(plan_of(), unit_price=price))
            assert signed.network_fee == 5_000 + fee

    run(main)


def fates(
    path: PathName, count: int = 150, *, paths: PathsConfig | None = None, **changes: object
) -> list[tuple[Outcome, int]]:
    """Send each of many transactions once; return what became of it and when that was told."""
    landing = LandingConfig(
        model="network", path=path, paths=paths or PathsConfig(), blockhash_blocks=60
    )
    found: list[tuple[Outcome, int]] = []

    async def follow(settlement: SimulatedSettlement, number: int) -> None:
        plan = replace(plan_of(number), unit_price=10**6)
        outcome = await settlement.outcome(await sent(settlement, plan), FOREVER)
        assert outcome is not None
        found.append((outcome, virtualtime.now_ns()))

    async def main() -> None:
        _, settlement, _ = opened(landing, **changes)  # type: ignore[arg-type]  # fields of the market
        async with anyio.create_task_group() as group:
            for number in range(count):
                group.start_soon(follow, settlement, number)

    run(main)
    return found


def test_strain_delays_and_drops_what_is_exposed() -> None:
    """Twice what leaders take in: public sendings land half as often and twice as late."""
    calm, strained = fates("rpc"), fates("rpc", congestion=WANTED)
    landed = [[told for outcome, told in each if isinstance(outcome, Landed)] for each in
              (calm, strained)]  # fmt: skip
    assert 120 < len(landed[0]) < 148  # 0.9 of 150
    assert 45 < len(landed[1]) < 92  # 0.45 of 150
    middle = [sorted(each)[len(each) // 2] for each in landed]
    # About 2 s of delay become 4; the second of confirmation stays.
    assert 1_400 * MS < middle[1] - middle[0] < 2_800 * MS
    for path in ("staked", "bundle"):
        better = [o for o, _ in fates(path, congestion=WANTED) if isinstance(o, Landed)]
        assert len(better) > 110


def test_paths_share_their_luck() -> None:
    """With one description, all paths meet the same drops and delays."""
    one = PathsConfig().rpc
    same = PathsConfig(rpc=one, staked=one, bundle=one)
    told = [fates(path, 60, paths=same, congestion=WANTED) for path in ("rpc", "staked", "bundle")]
    assert told[0] == told[1] == told[2]


def test_a_bundle_that_cannot_succeed_costs_time_not_money() -> None:
    """By a public path it reverts and pays; as a bundle it is dead only once it has expired."""

    async def main(path: PathName) -> tuple[Outcome | None, int, int]:
        world, settlement, _ = opened(replace(NETWORK, path=path, blockhash_blocks=30))
        signed = await sent(settlement, plan_of(amount_out_min=90 * USDC))
        outcome = await settlement.outcome(signed, FOREVER)
        return outcome, world.slot, 10_000 * SOL - world.ledger.balance("user", "SOL")

    reverted, slot, paid = virtualtime.run(main, "rpc")
    assert isinstance(reverted, Reverted)
    assert (reverted.code, reverted.network_fee, slot < 6) == ("SLIPPAGE", paid, True)
    assert paid == 5_049
    lapsed, slot, paid = virtualtime.run(main, "bundle")
    assert isinstance(lapsed, Lapsed)
    assert (lapsed.code, slot, paid) == ("BLOCKHASH_EXPIRED", 31, 0)


@settings(max_examples=40)
@given(
    st.integers(0, 2**40),
    st.sampled_from(["rpc", "staked", "bundle"]),
    st.sampled_from(["confirmed", "finalized"]),
    st.sampled_from([0.3, 1.7]),
    st.sampled_from([0, 400, 10**6]),
)
def test_a_fate_stands_whatever_the_network_does(
    seed: int, path: PathName, level: str, resend_s: float, price: int
) -> None:
    """With forks, strain, limits and skips: what lapsed never lands, what landed never goes."""
    landing = LandingConfig(
        model="network", path=path, commitment=level, blockhash_blocks=12,  # type: ignore[arg-type]
    )  # fmt: skip
    world, settlement, clock = opened(
        landing,
        seed=seed,
        slot_jitter=0.3,
        skip_rate=0.1,
        leaders=LeaderConfig(count=20, bundle_share=0.8, poor_skips=0.3),
        blocks=BlockConfig(limits=True),
        congestion=replace(WANTED, sigma=0.5, account_demand=1.5),
        consensus=replace(TOWER, fork_rate=0.3),
    )
    told: dict[str, Outcome] = {}

    async def follow(number: int) -> None:
        signed = await sent(settlement, replace(plan_of(number), unit_price=price))
        outcome = None
        while outcome is None:
            outcome = await settlement.outcome(signed, clock.now_ns() + round(resend_s * 1e9))
            await settlement.send(signed, FOREVER)
        told[signed.signature] = outcome
        assert (signed.signature in world.executions) == isinstance(outcome, Landed)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(follow, number)

    run(main)
    world.advance(START_NS + 2_000 * SLOT_NS)
    landed = {name: each for name, each in told.items() if isinstance(each, Landed)}
    assert set(world.executions) == set(landed)
    for name, outcome in landed.items():
        execution = world.executions[name]
        assert (execution.slot, execution.amount_out) == (outcome.slot, outcome.amount_out)
    world.require_conserved()


def test_losses_come_in_bursts() -> None:
    """In calm 10 % of public sendings are lost, in bursts of four times the load 77.5 %."""
    bursts = CongestionConfig(
        demand=1.0, sigma=0.0, burst_factor=4.0, burst_every="20s", burst_length="20s"
    )
    lost: dict[bool, list[bool]] = {False: [], True: []}

    async def main() -> None:
        landing = LandingConfig(model="network")
        world, settlement, clock = opened(landing, congestion=bursts)
        arrived: list[str] = []
        world.deliver = lambda signature, signed, slot: arrived.append(signature)  # type: ignore[method-assign]
        for number in range(4_000):
            signed = await sent(settlement, plan_of(number))
            is_burst = world.production.congestion.is_burst
            lost[is_burst].append(signed.signature not in arrived[-1:])
            await clock.sleep_until(world.slot_start_ns(world.slot + 1))

    run(main)
    for is_burst, chance in ((False, 0.1), (True, 0.775)):
        found = lost[is_burst]
        assert len(found) > 1_000
        error = (chance * (1 - chance) / len(found)) ** 0.5
        assert sum(found) / len(found) == pytest.approx(chance, abs=5 * error)
