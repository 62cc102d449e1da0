"""Check slots, leaders, limits, forks and bundles together, in worlds that hold them all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.market.chain.blocks import BlockConfig
from orderengine.market.chain.commitment import ConsensusConfig
from orderengine.market.chain.congestion import CongestionConfig
from orderengine.market.chain.leaders import LeaderConfig
from orderengine.market.config import FlowConfig
from orderengine.market.transactions import (
    Transaction,
    bid_of,
    decode_transaction,
    encode_transaction,
)
from orderengine.market.world import World
from tests.market.worlds import (
    CPMM,
    DLMM,
    SLOT_NS,
    SOL,
    START_NS,
    deliver,
    go_to,
    sell_sol,
    state_of,
    world_of,
)

LIMITED = BlockConfig(limits=True)
WANTED = CongestionConfig(demand=1.6, account_demand=0.8, burst_every="8s", burst_length="2s")
TOWER = ConsensusConfig(profile="towerbft", fork_rate=0.2)
SWAP = 161_000
ROOM = 12_000_000 // SWAP
"""Swaps on one CPMM pool in a block."""


def funded(world: World, *users: str) -> World:
    """Give users plenty of both tokens."""
    for user in users or ("user",):
        world.ledger.issue(user, "SOL", 10**6 * SOL)
        world.ledger.issue(user, "USDC", 10**15)
    return world


def network(seed: int = 1, **changes: object) -> World:
    """Return a world with all of the network turned on."""
    fields: dict[str, object] = {
        "slot_jitter": 0.2,
        "skip_rate": 0.1,
        "leaders": LeaderConfig(count=50, poor_skips=0.3),
        "blocks": LIMITED,
        "congestion": WANTED,
        "consensus": TOWER,
        "arbitrage": True,
        "flow": FlowConfig(trades_per_slot=2.0),
    }
    world = world_of(CPMM, DLMM, seed=seed, **fields | changes)  # type: ignore[arg-type]
    return funded(world, "user", "ann")


def landed_by_slot(world: World) -> dict[int, list[str]]:
    """Return signatures by the slot in which they executed, in their order."""
    found: dict[int, list[str]] = {}
    for signature, execution in world.executions.items():
        found.setdefault(execution.slot, []).append(signature)
    return found


def test_bytes_without_tip_and_path_are_as_before() -> None:
    """What a plain transaction signs has eight fields, so its hash did not change."""
    plain = sell_sol("s", SOL, unit_price=7)
    assert encode_transaction(plain)[0] == 0x98  # a MessagePack array of 8
    sent = replace(plain, tip=10_000, path="bundle")
    for transaction in (plain, sent):
        assert decode_transaction(encode_transaction(transaction)) == transaction
        assert bid_of(encode_transaction(transaction)) == 7


def test_an_account_is_full_after_its_limit() -> None:
    """Of 100 swaps on one pool 74 fit a block, the highest bids; the others wait for the next."""
    world = funded(world_of(CPMM, blocks=LIMITED))
    for number in range(100):
        deliver(world, sell_sol(f"s{number}", SOL, unit_price=number % 10), 3)
    go_to(world, 5)
    blocks = landed_by_slot(world)
    assert [len(blocks[slot]) for slot in (3, 4)] == [ROOM, 100 - ROOM] == [74, 26]
    by_bid = sorted(range(100), key=lambda number: -(number % 10))
    assert blocks[3] == [f"s{number}" for number in by_bid[:ROOM]]
    assert blocks[4] == [f"s{number}" for number in by_bid[ROOM:]]
    assert [block.own_units for block in world.production.fees.blocks] == [
        0, 0, ROOM * SWAP, (100 - ROOM) * SWAP, 0
    ]  # fmt: skip


def test_copies_take_no_room() -> None:
    """A transaction that was sent many times counts once, in the block and among those who wait."""
    world = funded(world_of(CPMM, blocks=LIMITED))
    for number in range(ROOM + 1):
        for _ in range(5):
            deliver(world, sell_sol(f"s{number}", SOL), 1)
    deliver(world, sell_sol("s0", SOL), 2)
    go_to(world, 4)
    assert [len(entries) for entries in landed_by_slot(world).values()] == [ROOM, 1]
    assert [block.own_units for block in world.production.fees.blocks] == [
        ROOM * SWAP, SWAP, 0, 0
    ]  # fmt: skip


def test_who_waits_too_long_expires() -> None:
    """A bid of nothing never fits while all space is wanted; it is dead in block height."""
    congestion = CongestionConfig(demand=5.0, sigma=0.0, burst_every="0s")
    world = funded(world_of(CPMM, blocks=LIMITED, congestion=congestion, skip_rate=0.3))
    assert world.production.bids.clearing_price(5.0) > 300
    deliver(world, sell_sol("poor", SOL, last_valid_height=20), 1)
    deliver(world, sell_sol("rich", SOL, unit_price=10**7, last_valid_height=20), 1)
    go_to(world, 10)
    assert list(world.executions) == ["rich"]
    while world.height <= 20:
        assert world._due
        go_to(world, world.slot + 1)
    go_to(world, world.slot + 2)
    assert not world._due
    assert list(world.executions) == ["rich"]


def test_congestion_ends_and_lets_the_waiting_in() -> None:
    """What bursts keep out lands when they are over, in the first block that has room."""
    world = funded(
        world_of(
            CPMM,
            blocks=LIMITED,
            congestion=CongestionConfig(
                demand=0.8, sigma=0.0, burst_factor=5.0, burst_every="8s", burst_length="4s"
            ),
        )
    )
    production = world.production
    while not production.congestion.is_burst:
        go_to(world, world.slot + 1)
    slot = world.slot
    deliver(world, sell_sol("s", SOL, unit_price=100, last_valid_height=10**6), slot + 1)
    waited = 0
    while "s" not in world.executions:
        go_to(world, world.slot + 1)
        assert production.congestion.is_burst == ("s" not in world.executions)
        waited += 1
    assert waited > 1


@pytest.mark.parametrize("tip", [0, 10_000])
def test_a_bundle_lands_only_if_it_succeeds(tip: int) -> None:
    """One that would miss its limit leaves no trace; without a tip it lands and pays its fee."""
    world = funded(world_of(CPMM))
    sale = sell_sol("s", SOL, amount_out_min=10**12, network_fee=5_000 + tip)
    deliver(world, replace(sale, tip=tip), 1)
    before = state_of(world)[3:]
    go_to(world, 1)
    assert (state_of(world)[3:] == before) is (tip > 0)
    assert ("s" in world.executions) is (tip == 0)
    deliver(world, replace(sale, memo="t", tip=tip, amount_out_min=1), 2)
    go_to(world, 2)
    assert world.executions["t"].code == ""


def test_a_tip_counts_in_the_bid() -> None:
    """10,000 lamports over 161,000 units are 62,111 micro-lamports a unit."""
    world = funded(world_of(CPMM))
    deliver(world, sell_sol("below", SOL, unit_price=62_110), 1)
    deliver(world, replace(sell_sol("tipped", SOL), tip=10_000, network_fee=10_000), 1)
    deliver(world, sell_sol("above", SOL, unit_price=62_112), 1)
    go_to(world, 1)
    assert list(world.executions) == ["above", "tipped", "below"]


def test_bundles_wait_for_a_leader_that_takes_them() -> None:
    """Bundles land in its slots only, the others at once."""
    world = funded(world_of(CPMM, leaders=LeaderConfig(count=20, bundle_share=0.3)))
    leaders = world.production.leaders
    for slot in range(1, 200):
        deliver(world, replace(sell_sol(f"b{slot}", SOL, last_valid_height=999), tip=1), slot)
        deliver(world, sell_sol(f"s{slot}", SOL, last_valid_height=999), slot)
    go_to(world, 300)
    assert len(world.executions) == 2 * 199
    delays = []
    for signature, execution in world.executions.items():
        sent = int(signature[1:])
        if signature[0] == "s":
            assert execution.slot == sent
        else:
            assert leaders.takes_bundles(execution.slot)
            assert not any(leaders.takes_bundles(slot) for slot in range(sent, execution.slot))
            delays.append(execution.slot - sent)
    assert max(delays) >= 4


def test_a_lost_block_leaves_nothing_but_its_record() -> None:
    """Pools, accounts, height and executions are as if the slot had been skipped."""
    forked = funded(world_of(CPMM, consensus=replace(TOWER, fork_rate=0.9, fork_relands=0.0)))
    skipped = funded(world_of(CPMM))
    assert forked.production.loses(1)
    deliver(forked, sell_sol("s", SOL, network_fee=5_000), 1)
    before = state_of(skipped)[1:]
    go_to(forked, 1)
    assert state_of(forked)[1:] == before
    assert forked.executions == {}
    (gone,) = forked.vanished
    assert (gone.signature, gone.execution.slot, gone.execution.height) == ("s", 1, 1)
    deliver(skipped, sell_sol("s", SOL, network_fee=5_000), 1)
    go_to(skipped, 1)
    assert gone.execution == skipped.executions["s"]
    forked.require_conserved()


@pytest.mark.parametrize("relands", [0.0, 0.5, 1.0])
def test_what_a_fork_undid_lands_again_or_not(relands: float) -> None:
    """The share that comes into the next block is as configured, and none executes twice."""
    world = funded(world_of(CPMM, consensus=replace(TOWER, fork_rate=0.5, fork_relands=relands)))
    for number in range(400):
        deliver(world, sell_sol(f"s{number}", SOL // 100, last_valid_height=10**6), 1 + number)
    go_to(world, 450)
    vanished = [gone.signature for gone in world.vanished]
    assert 100 < len(set(vanished)) < 300
    if relands == 1.0:
        assert len(world.executions) == 400
    elif relands == 0.0:
        assert len(world.executions) == 400 - len(vanished)
        assert not set(vanished) & set(world.executions)
    else:
        # Of each time it vanished, half: so of s that vanish n times in all, n/2 are lost.
        assert 400 - len(world.executions) == pytest.approx(len(vanished) / 2, abs=0.2 * 400)
        assert 0 < 400 - len(world.executions) < len(vanished)


def test_what_a_fork_undid_lands_again_whatever_its_bytes() -> None:
    """Luck is of order and attempt: transactions of other bytes meet the same."""
    found = []
    for amount in (SOL // 100, SOL // 50):
        world = funded(world_of(CPMM, consensus=replace(TOWER, fork_rate=0.5, fork_relands=0.5)))
        for number in range(200):
            sale = sell_sol(f"order{number}:1", amount, last_valid_height=10**6)
            world.deliver(f"{sale.memo} {amount}", encode_transaction(sale), 1 + number)
        go_to(world, 250)
        found.append([signature.split()[0] for signature in world.executions])
    assert found[0] == found[1]
    assert 100 < len(found[0]) < 200


sales = st.builds(
    lambda number, size, price, limit, user, pool, tip: replace(
        sell_sol(
            f"s{number}", size, pool, user=user, network_fee=5_000 + tip, unit_price=price,
            amount_out_min=size // 14, last_valid_height=limit,
        ),
        tip=tip,
    ),
    st.integers(0, 60),
    st.integers(1, 100 * SOL),
    st.sampled_from([0, 300, 200_000, 10**7]),
    st.integers(0, 60),
    st.sampled_from(["user", "ann"]),
    st.sampled_from(["cpmm", "dlmm"]),
    st.sampled_from([0, 0, 10_000]),
)  # fmt: skip


@settings(max_examples=30)
@given(
    st.integers(0, 2**40),
    st.lists(st.tuples(st.integers(1, 40), sales), max_size=30),
    st.lists(st.integers(1, 3 * SLOT_NS), max_size=15),
)
def test_one_jump_equals_many_steps_and_nothing_is_lost(
    seed: int, sendings: list[tuple[int, Transaction]], steps_ns: list[int]
) -> None:
    """With all of it on, looking at the world does not change it, and tokens are conserved."""
    jumped, stepped = network(seed), network(seed)
    supply = jumped.require_conserved()
    for world in (jumped, stepped):
        for slot, sale in sendings:
            deliver(world, sale, slot)
    now_ns = START_NS
    for step_ns in steps_ns:
        now_ns += step_ns
        stepped.advance(now_ns)
    end_ns = max(now_ns, START_NS + 50 * SLOT_NS)
    jumped.advance(end_ns)
    stepped.advance(end_ns)
    assert state_of(jumped) == state_of(stepped)
    assert jumped.executions == stepped.executions
    assert list(jumped.vanished) == list(stepped.vanished)
    assert jumped.require_conserved() == stepped.require_conserved() == supply
    limits: dict[str, list[int]] = {sale.memo: [] for _, sale in sendings}
    for _, sale in sendings:
        limits[sale.memo].append(sale.last_valid_height)
    for signature, execution in jumped.executions.items():
        assert execution.height <= max(limits[signature])


def test_two_policies_meet_the_same_network() -> None:
    """Neither our bids nor our number change slots, leaders, demand, forks or what blocks cost."""
    busy, idle = network(3), network(3)
    for number in range(300):
        deliver(busy, sell_sol(f"s{number}", SOL, unit_price=10**7), 1 + number % 100)
    met: list[list[object]] = [[], []]
    for slot in range(1, 150):
        for world, seen in zip((busy, idle), met, strict=True):
            go_to(world, slot)
            congestion = world.production.congestion
            seen.append((world.slot_start_ns(slot), world.height, congestion.demand))
            seen.append((world.price_x64, world.recent_unit_price(75)))
    assert met[0] == met[1]
    assert len(busy.executions) > 100


def test_no_view_of_fees_without_a_market_for_them() -> None:
    """Where nobody else wants space, recent blocks were paid nothing."""
    world = world_of(CPMM)
    go_to(world, 10)
    assert world.recent_unit_price(90) == 0
    limited = world_of(CPMM, blocks=LIMITED)
    go_to(limited, 10)
    assert limited.recent_unit_price(90) == 0
    wanted = world_of(CPMM, blocks=LIMITED, congestion=replace(WANTED, sigma=0.0))
    go_to(wanted, 10)
    prices = [wanted.recent_unit_price(percentile) for percentile in (0, 50, 90)]
    assert prices == sorted(prices)
    assert prices[0] > 0  # 1.6 times the space is wanted, so the lowest bids stay out
