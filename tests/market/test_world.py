"""Check the world: its slots, its blocks, and that nothing is made or lost in it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.errors import InvariantViolated
from orderengine.market.config import FlowConfig
from orderengine.market.draws import Draws
from orderengine.market.pools import PoolConfig
from orderengine.market.prices import Gbm
from orderengine.market.transactions import SwapLeg, Transaction
from orderengine.market.world import World
from orderengine.pools import Direction
from tests.market.worlds import (
    A_TO_B,
    B_TO_A,
    CPMM,
    DLMM,
    PRICE_X64,
    QUIET,
    SLOT_NS,
    SOL,
    START_NS,
    USDC,
    deliver,
    go_to,
    price_of,
    sell_sol,
    state_of,
    world_of,
)

MILLION = 1_000_000


def funded(world: World, *users: str, sol: int = 1_000_000 * SOL) -> World:
    """Give each user tokens of both kinds."""
    for user in users or ("user",):
        world.ledger.issue(user, "SOL", sol)
        world.ledger.issue(user, "USDC", 1_000_000_000 * USDC)
    return world


# Slots


@given(st.integers(0, 10**9), st.integers(0, SLOT_NS - 1))
def test_slots_are_exact_in_nanoseconds(slot: int, inside_ns: int) -> None:
    """Every instant of a slot belongs to it, to the nanosecond, however long the world has run."""
    world = world_of()
    begins_ns = world.slot_start_ns(slot)
    assert begins_ns == START_NS + slot * SLOT_NS
    assert world.slot_at(begins_ns + inside_ns) == slot
    assert world.slot_at(begins_ns - 1) == slot - 1


def test_slot_begins_at_its_instant_and_not_before() -> None:
    """One nanosecond earlier the world is still in the slot before."""
    world = world_of(slot="333333333ns")
    for slot in (1, 2, 3, 1_000):
        begins_ns = START_NS + slot * 333_333_333
        world.advance(begins_ns - 1)
        assert world.slot == slot - 1
        world.advance(begins_ns)
        assert world.slot == slot


def test_time_never_goes_back() -> None:
    """Asking for an earlier instant leaves the world where it is."""
    world = world_of()
    go_to(world, 5)
    before = state_of(world)
    world.advance(world.slot_start_ns(3))
    assert state_of(world) == before


def test_price_is_that_of_the_slot() -> None:
    """The path is asked once a slot, in order."""
    world = world_of(prices_x64=[PRICE_X64, PRICE_X64 + 1, PRICE_X64 + 2])
    seen = []
    for slot in range(4):
        go_to(world, slot)
        seen.append(world.price_x64 - PRICE_X64)
    assert seen == [0, 1, 2, 2]


def test_reference_price_is_of_what_is_sold() -> None:
    """A seller of the quote token sees the inverse, rounded down."""
    world = world_of()
    assert world.reference_price_x64("SOL", "USDC") == PRICE_X64
    assert world.reference_price_x64("USDC", "SOL") == 2**128 // PRICE_X64


def test_skipped_slots_have_no_block() -> None:
    """A skipped slot leaves height and pools as they were; the price goes on."""
    flow = FlowConfig(trades_per_slot=3.0)
    world = world_of(skip_rate=0.5, flow=flow, prices_x64=range(PRICE_X64, PRICE_X64 + 300))
    skipped = 0
    for slot in range(1, 200):
        height, pools = world.height, dict(world.pools)
        go_to(world, slot)
        assert world.height - height in {0, 1}
        assert world.price_x64 == PRICE_X64 + slot
        if world.height == height:
            skipped += 1
            assert world.pools == pools
    assert 60 < skipped < 140
    assert world.height == 199 - skipped


def test_without_skipping_height_counts_slots() -> None:
    """Every slot has a block."""
    world = world_of(skip_rate=0.0)
    go_to(world, 500)
    assert world.height == world.slot == 500


def test_skipped_slot_delays_a_landing() -> None:
    """What was due in skipped slots lands in the next block, and none is lost."""
    world = funded(world_of(skip_rate=0.6))
    for slot in range(1, 60):
        deliver(world, sell_sol(f"s{slot}", SOL), slot)
    blocks = set()
    for slot in range(1, 80):
        height = world.height
        go_to(world, slot)
        if world.height > height:
            blocks.add(slot)
    for slot in range(1, 60):
        due = min(block for block in blocks if block >= slot)
        assert world.executions[f"s{slot}"].slot == due
        assert world.executions[f"s{slot}"].landed_at_ns == world.slot_start_ns(due)
    assert any(execution.slot != int(name[1:]) for name, execution in world.executions.items())


def test_delivery_waits_for_a_later_slot() -> None:
    """Nothing lands in the slot that has begun, nor in one that has passed."""
    world = funded(world_of())
    go_to(world, 10)
    deliver(world, sell_sol("now", SOL), 10)
    deliver(world, sell_sol("past", SOL), 3)
    deliver(world, sell_sol("later", SOL), 13)
    assert world.executions == {}
    go_to(world, 12)
    assert {name: found.slot for name, found in world.executions.items()} == {"now": 11, "past": 11}
    go_to(world, 13)
    assert world.executions["later"].slot == 13


# Blocks


def test_block_is_ordered_by_unit_price_then_by_sending() -> None:
    """Who pays more trades first, at the better price; among equals the earlier sent."""
    world = funded(world_of())
    sent = [("a", 5), ("b", 900), ("c", 5), ("d", 0), ("e", 900)]
    for name, unit_price in sent:
        deliver(world, sell_sol(name, 100 * SOL, unit_price=unit_price), 1)
    go_to(world, 1)
    best_first = sorted(sent, key=lambda entry: -world.executions[entry[0]].amount_out)
    assert [name for name, _ in best_first] == ["b", "e", "a", "c", "d"]
    assert list(world.executions) == ["b", "e", "a", "c", "d"]


def test_order_of_sending_holds_over_skipped_slots() -> None:
    """What waited is not behind what came later at the same price."""
    world = funded(world_of(skip_rate=0.9))
    for slot in range(1, 30):
        deliver(world, sell_sol(f"s{slot:02}", SOL), slot)
    go_to(world, 400)
    assert list(world.executions) == sorted(world.executions)
    assert len(world.executions) == 29


@given(st.lists(st.integers(1, 12), min_size=1, max_size=8))
def test_signature_executes_once(slots: list[int]) -> None:
    """However often and whenever the same bytes arrive, the swap happens once, at the earliest."""
    world = funded(world_of(), sol=5 * SOL)
    for slot in slots:
        deliver(world, sell_sol("s", SOL, network_fee=5_000), slot)
    go_to(world, 20)
    assert world.executions["s"].slot == min(slots)
    assert world.ledger.balance("user", "SOL") == 4 * SOL - 5_000
    assert world.ledger.balance("validators", "SOL") == 5_000
    deliver(world, sell_sol("s", SOL, network_fee=5_000), 21)
    go_to(world, 25)
    assert world.ledger.balance("user", "SOL") == 4 * SOL - 5_000


@given(st.integers(1, 40), st.integers(0, 30), st.sampled_from([0.0, 0.5]))
def test_expired_transaction_never_lands(slot: int, limit: int, skip_rate: float) -> None:
    """It lands up to the block of its limit and in none after, whatever was skipped."""
    world = funded(world_of(skip_rate=skip_rate))
    deliver(world, sell_sol("s", SOL, last_valid_height=limit), slot)
    while world.slot < 120:
        was_expired = world.is_expired(limit)
        known = set(world.executions)
        go_to(world, world.slot + 1)
        if was_expired:
            assert set(world.executions) == known
        if "s" in world.executions and "s" not in known:
            assert world.height <= limit
            assert not was_expired
    if skip_rate == 0:
        assert ("s" in world.executions) == (slot <= limit)


@given(st.integers(0, 30), st.integers(0, 60))
def test_expiry_slot_is_the_first_that_can_pass_the_limit(slot: int, limit: int) -> None:
    """Without skipped slots it is the first expired slot; now, if it has passed."""
    world = world_of()
    go_to(world, slot)
    expected = max(limit + 1, slot)
    assert world.expiry_slot(limit) == expected
    if expected > slot:
        go_to(world, expected - 1)
        assert not world.is_expired(limit)
        go_to(world, expected)
    assert world.is_expired(limit)


# Executions


def test_landed_swap_moves_what_it_says() -> None:
    """User, pool and validators change by the amounts of the execution."""
    world = funded(world_of(), sol=10 * SOL)
    before = world.pools["cpmm"]
    deliver(world, sell_sol("s", SOL, network_fee=7_000), 1)
    go_to(world, 1)
    found, after = world.executions["s"], world.pools["cpmm"]
    expected = before.swap_exact_in(A_TO_B, SOL, START_NS // 10**9)
    assert (found.code, found.amount_in, found.amount_out) == ("", SOL, expected.amount_out)
    assert (found.fee_in, found.fee_out) == (expected.fee_in, expected.fee_out)
    assert (found.slot, found.reference_price_x64) == (1, PRICE_X64)
    assert (after.vault_a - before.vault_a, before.vault_b - after.vault_b) == (
        SOL,
        expected.amount_out,
    )
    assert world.ledger.balance("user", "SOL") == 9 * SOL - 7_000
    assert world.ledger.balance("user", "USDC") == 10**15 + expected.amount_out
    assert world.ledger.balance("validators", "SOL") == 7_000


REVERTED = [
    pytest.param(
        sell_sol("s", SOL, amount_out_min=81 * USDC, network_fee=5_000), "SLIPPAGE", id="too little"
    ),
    pytest.param(
        replace(sell_sol("s", SOL, network_fee=5_000), amount_in_max=SOL - 1),
        "SLIPPAGE",
        id="too dear",
    ),
    pytest.param(
        replace(
            sell_sol("s", SOL, network_fee=5_000),
            legs=(SwapLeg("cpmm", A_TO_B, exact_in=False, amount=2 * MILLION * USDC),),
        ),
        "INSUFFICIENT_LIQUIDITY",
        id="more than the pool holds",
    ),
    pytest.param(
        sell_sol("s", 11 * SOL, network_fee=5_000),
        "INSUFFICIENT_FUNDS",
        id="more than the user has",
    ),
    pytest.param(
        sell_sol("s", 10 * SOL - 4_999, network_fee=5_000),
        "INSUFFICIENT_FUNDS",
        id="a lamport short of swap and fee",
    ),
]


@pytest.mark.parametrize(("transaction", "code"), REVERTED)
def test_reverted_transaction_moves_nothing_but_its_fee(
    transaction: Transaction, code: str
) -> None:
    """It lands, costs its fee, and leaves pools and the rest of the balance alone."""
    world = funded(world_of(), sol=10 * SOL)
    pools = dict(world.pools)
    deliver(world, transaction, 1)
    go_to(world, 1)
    found = world.executions["s"]
    assert (found.code, found.amount_in, found.amount_out) == (code, 0, 0)
    assert found.reason
    assert world.pools == pools
    assert world.ledger.balance("user", "SOL") == 10 * SOL - 5_000
    assert world.ledger.balance("user", "USDC") == 10**15
    assert world.ledger.balance("validators", "SOL") == 5_000


def test_exactly_enough_is_enough() -> None:
    """A user may sell all but the fee, and a limit may be met to the unit."""
    world = funded(world_of(), sol=10 * SOL)
    least = world.pools["cpmm"].swap_exact_in(A_TO_B, 10 * SOL - 5_000, 0).amount_out
    deliver(world, sell_sol("s", 10 * SOL - 5_000, amount_out_min=least, network_fee=5_000), 1)
    go_to(world, 1)
    assert world.executions["s"].code == ""
    assert world.ledger.balance("user", "SOL") == 0


def test_who_cannot_pay_the_fee_does_not_land() -> None:
    """No leader takes a transaction that it cannot charge for; it expires."""
    world = funded(world_of(), "rich")
    world.ledger.issue("user", "USDC", USDC)
    world.ledger.issue("user", "SOL", 4_999)
    before = state_of(world)[3:]
    deliver(world, sell_sol("s", 1, network_fee=5_000), 1)
    go_to(world, 200)
    assert world.executions == {}
    assert state_of(world)[3:] == before


def test_legs_execute_whole_or_not_at_all() -> None:
    """If the second pool cannot pay, the first pool has not moved either."""
    small = replace(CPMM, name="small", depth="10USDC")
    world = funded(world_of(CPMM, small))
    legs = (
        SwapLeg("cpmm", A_TO_B, exact_in=False, amount=50 * USDC),
        SwapLeg("small", A_TO_B, exact_in=False, amount=50 * USDC),
    )
    pools = dict(world.pools)
    transaction = replace(sell_sol("s", SOL), legs=legs, amount_in_max=100 * SOL)
    deliver(world, transaction, 1)
    deliver(world, replace(transaction, memo="t", legs=legs[:1]), 2)
    go_to(world, 1)
    assert world.executions["s"].code == "INSUFFICIENT_LIQUIDITY"
    assert world.pools == pools
    go_to(world, 2)
    assert world.executions["t"].code == ""
    assert world.pools["cpmm"] != pools["cpmm"]


def test_amounts_are_summed_over_legs() -> None:
    """A split order's limits hold for its sum, not for each leg."""
    world = funded(world_of(CPMM, DLMM))
    parts = [world.pools[name].swap_exact_in(A_TO_B, SOL, 0) for name in ("cpmm", "dlmm")]
    total = sum(part.amount_out for part in parts)
    deliver(world, sell_sol("s", SOL, "cpmm", "dlmm", amount_out_min=total), 1)
    deliver(world, sell_sol("t", SOL, "cpmm", "dlmm", amount_out_min=total + 1), 2)
    go_to(world, 2)
    found = world.executions["s"]
    assert (found.code, found.amount_in, found.amount_out) == ("", 2 * SOL, total)
    assert found.fee_in == sum(part.fee_in for part in parts)
    assert world.executions["t"].code == "SLIPPAGE"


@pytest.mark.parametrize("pool", [CPMM, DLMM], ids=lambda pool: pool.name)
def test_pool_used_twice_sees_its_own_effect(pool: PoolConfig) -> None:
    """The second leg trades on what the first one left."""
    world = funded(world_of(CPMM, DLMM))
    name = pool.name
    now_s = world.slot_start_ns(1) // 10**9
    first = world.pools[name].swap_exact_in(A_TO_B, 500 * SOL, now_s)
    second = first.pool.swap_exact_in(A_TO_B, 500 * SOL, now_s)
    deliver(world, sell_sol("s", 500 * SOL, name, name), 1)
    go_to(world, 1)
    assert second.amount_out < first.amount_out
    assert world.executions["s"].amount_out == first.amount_out + second.amount_out
    assert world.pools[name] == second.pool


# Other traders


@given(
    st.lists(st.integers(-300, 300), min_size=1, max_size=6),
    st.sampled_from([CPMM, DLMM, replace(CPMM, trade_fee_rate=0), replace(DLMM, bin_step=20)]),
)
def test_arbitrage_leaves_no_profit(steps: list[int], pool: PoolConfig) -> None:
    """Wherever the outside price went, no small trade with the pool beats it, either way.

    Steps are basis points; two base units of slack are what rounding within one swap can give.
    """
    prices = [PRICE_X64]
    for step in steps:
        prices.append(prices[-1] * (10_000 + step) // 10_000)
    world = world_of(pool, prices_x64=prices, arbitrage=True)
    for slot, outside in enumerate(prices[1:], start=1):
        go_to(world, slot)
        (left,) = world.pools.values()
        now_s = world.slot_start_ns(slot) // 10**9
        for size in (SOL // 100, SOL, 5 * SOL):
            sold = left.swap_exact_in(A_TO_B, size, now_s)
            assert (sold.amount_out - 2) << 64 <= sold.amount_in * outside
            value = size * outside >> 64
            bought = left.swap_exact_in(B_TO_A, value, now_s)
            assert (bought.amount_out - 2) * outside <= (bought.amount_in + 2) << 64
    world.require_conserved()


@pytest.mark.parametrize("pool", [CPMM, DLMM], ids=lambda pool: pool.name)
@pytest.mark.parametrize(("ui_price", "rises"), [("88", True), ("72", False)])
def test_arbitrage_follows_the_outside_price(pool: PoolConfig, ui_price: str, rises: bool) -> None:
    """A jump of the outside price pulls the pool to within its fee of it; without, it stays."""
    prices = [PRICE_X64, price_of(ui_price)]
    still = world_of(pool, prices_x64=prices)
    moved = world_of(pool, prices_x64=prices, arbitrage=True)
    for world in (still, moved):
        go_to(world, 1)
    (left,), (stood,) = moved.pools.values(), still.pools.values()
    assert (left.price_x64 > stood.price_x64) is rises
    assert left.price_x64 == pytest.approx(prices[1], rel=0.02)
    assert stood.price_x64 == pytest.approx(PRICE_X64, rel=0.001)


def test_arbitrage_comes_before_our_transactions() -> None:
    """A landing transaction meets pools that are already back at the outside price."""
    prices = [PRICE_X64, price_of("88")]
    world = funded(world_of(prices_x64=prices, arbitrage=True))
    deliver(world, sell_sol("s", SOL), 1)
    go_to(world, 1)
    assert world.executions["s"].amount_out > 87 * USDC


def test_flow_moves_pools_both_ways() -> None:
    """Others buy and sell; without them nothing moves."""
    busy = world_of(CPMM, DLMM, flow=FlowConfig(trades_per_slot=5.0))
    quiet = world_of(CPMM, DLMM, flow=QUIET)
    rises = falls = 0
    for slot in range(1, 60):
        before = busy.pools["cpmm"].price_x64
        go_to(busy, slot)
        rises += busy.pools["cpmm"].price_x64 > before
        falls += busy.pools["cpmm"].price_x64 < before
    go_to(quiet, 60)
    assert rises > 10
    assert falls > 10
    assert quiet.pools == world_of(CPMM, DLMM).pools


def test_extreme_flow_never_runs_out() -> None:
    """Other traders are never short of tokens, however large their trades are."""
    flow = FlowConfig(trades_per_slot=50.0, size_median="1000000000SOL", size_sigma=5.0)
    world = world_of(CPMM, flow=flow, arbitrage=True)
    go_to(world, 40)
    world.require_conserved()


# Conservation and repetition

legs = st.builds(
    SwapLeg,
    st.sampled_from(["cpmm", "dlmm"]),
    st.sampled_from(Direction),
    exact_in=st.booleans(),
    amount=st.integers(1, 100) | st.integers(1, 10**9) | st.integers(1, 10**13),
)


@st.composite
def transactions(draw: st.DrawFn) -> Transaction:
    """Draw a transaction that may fail in any way; its legs go one way."""
    first = draw(legs)
    more = draw(st.lists(legs, max_size=2))
    return Transaction(
        memo=f"s{draw(st.integers(0, 40))}",
        user=draw(st.sampled_from(["ann", "bob"])),
        legs=(first, *(replace_direction(leg, first.direction) for leg in more)),
        amount_in_max=draw(st.integers(0, 10**13)),
        amount_out_min=draw(st.integers(0, 10**11)),
        network_fee=draw(st.sampled_from([0, 5_000, 10**12])),
        unit_price=draw(st.integers(0, 5)),
        last_valid_height=draw(st.integers(0, 80)),
    )


def replace_direction(leg: SwapLeg, direction: Direction) -> SwapLeg:
    """Return the leg in another direction."""
    return SwapLeg(leg.pool, direction, leg.exact_in, leg.amount)


def drawn_world(seed: int) -> World:
    """Return a world in which everything moves."""
    world = world_of(
        CPMM,
        replace(DLMM, depth="200000USDC"),
        seed=seed,
        skip_rate=0.2,
        arbitrage=True,
        flow=FlowConfig(trades_per_slot=2.0, size_median="20SOL", size_sigma=2.0),
    )
    world._path = Gbm(PRICE_X64, 9.0, SLOT_NS, Draws(seed, "price"))
    return funded(world, "ann", "bob", sol=2_000 * SOL)


@settings(max_examples=40)
@given(st.integers(0, 2**63 - 1), st.lists(st.tuples(st.integers(0, 3), transactions())))
def test_tokens_are_conserved_whatever_lands(
    seed: int, sendings: list[tuple[int, Transaction]]
) -> None:
    """Each token's sum over users, pools, traders and validators never changes by a unit."""
    world = drawn_world(seed)
    supply = world.require_conserved()
    for gap, transaction in sendings:
        deliver(world, transaction, world.slot + gap)
        go_to(world, world.slot + gap)
        assert world.require_conserved() == supply
    go_to(world, world.slot + 5)
    assert world.require_conserved() == supply
    for found in world.executions.values():
        assert (found.code == "") == (found.amount_in > 0)


def test_tokens_are_conserved_over_thousands_of_slots() -> None:
    """A long run with a transaction a slot ends with every unit in its place."""
    world = drawn_world(11)
    draws = Draws(11, "test")
    supply = world.require_conserved()
    for slot in range(3_000):
        size = round(draws.lognormal(3 * SOL, 2.0, slot))
        pools = ("cpmm", "dlmm")[: 1 + draws.u64(slot, 1) % 2]
        sale = sell_sol(
            f"s{slot}",
            max(size, 1),
            *pools,
            user=("ann", "bob")[draws.u64(slot, 2) % 2],
            network_fee=5_000,
            amount_out_min=round(size * 0.08) if slot % 3 else 0,
            last_valid_height=world.height + 3,
        )
        deliver(world, sale, world.slot + 1 + draws.u64(slot, 3) % 5)
        go_to(world, slot + 1)
    assert world.require_conserved() == supply
    codes = {found.code for found in world.executions.values()}
    assert codes == {"", "SLIPPAGE", "INSUFFICIENT_FUNDS"}
    assert len(world.executions) < 3_000  # some expired


def test_loss_of_a_unit_is_noticed() -> None:
    """The check of conservation is a check: a pool that loses a unit fails it."""
    world = world_of()
    go_to(world, 3)
    world.ledger.issue("user", "SOL", 5)
    world.pools["cpmm"] = funded(world_of()).pools["cpmm"].swap_exact_in(A_TO_B, 1, 0).pool
    with pytest.raises(InvariantViolated, match="base units of SOL"):
        world.require_conserved()


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.integers(1, 3 * SLOT_NS), max_size=30),
    st.lists(st.tuples(st.integers(1, 40), transactions()), max_size=10),
)
def test_one_jump_equals_many_steps(
    seed: int, steps_ns: list[int], sendings: list[tuple[int, Transaction]]
) -> None:
    """How often somebody looks at the world does not change it."""
    jumped, stepped = drawn_world(seed), drawn_world(seed)
    for world in (jumped, stepped):
        for slot, transaction in sendings:
            deliver(world, transaction, slot)
    now_ns = START_NS
    for step_ns in steps_ns:
        now_ns += step_ns
        stepped.advance(now_ns)
    jumped.advance(now_ns)
    assert state_of(jumped) == state_of(stepped)
    assert jumped.executions == stepped.executions


def test_seeds_give_different_worlds() -> None:
    """Flow, skipped slots and path follow the seed."""
    worlds = [drawn_world(seed) for seed in (1, 1, 2)]
    for world in worlds:
        go_to(world, 50)
    assert state_of(worlds[0]) == state_of(worlds[1])
    assert state_of(worlds[0]) != state_of(worlds[2])


def test_a_vault_holds_no_more_than_a_token_account() -> None:
    """A swap that would fill it beyond u64 fails as a transaction does, and moves nothing."""
    world = world_of(CPMM)
    world.ledger.issue("user", "SOL", 2**66)
    for number, amount in enumerate((2**63, 2**63, 2**62)):
        deliver(world, sell_sol(f"s{number}", amount), number + 1)
    go_to(world, 4)
    codes = [world.executions[f"s{number}"].code for number in range(3)]
    assert codes == ["", "AMOUNT_OVERFLOW", ""]
    assert world.pools["cpmm"].vault_a < 2**64
    world.require_conserved()
