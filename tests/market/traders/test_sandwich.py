"""Check the sandwich attacker: exact for the victim, worth it for itself, and nothing made."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine.errors import (
    InsufficientLiquidity,
    InvalidAmount,
    InvalidScenario,
    InvariantViolated,
    Rejected,
)
from orderengine.market.config import FlowConfig, LandingConfig
from orderengine.market.drawn import DrawnPools, draw_pools
from orderengine.market.draws import Draws
from orderengine.market.pools import DEFAULT_POOLS, PoolConfig
from orderengine.market.traders.front import best_front
from orderengine.market.traders.sandwich import Attack, SandwichConfig
from orderengine.market.transactions import SwapLeg, Transaction, run_legs
from orderengine.market.world import Execution, World
from orderengine.pools import Direction, Pool
from orderengine.pools.fixed_point import Q64
from tests.market.worlds import (
    A_TO_B,
    B_TO_A,
    CPMM,
    DLMM,
    PRICE_X64,
    SOL,
    START_NS,
    deliver,
    go_to,
    sell_sol,
    world_of,
)

SEEN = SandwichConfig(seen_share=1.0)
NOW_S = START_NS // 10**9 + 1
CONCENTRATED = tuple(pool for pool in DEFAULT_POOLS if pool.venue != "raydium_cpmm")


@st.composite
def victims(draw: st.DrawFn) -> tuple[PoolConfig, Direction, bool, float, float]:
    """Draw a pool, a direction, which amount is fixed, a size and a slippage."""
    return (
        draw(st.sampled_from([CPMM, *CONCENTRATED])),
        draw(st.sampled_from([A_TO_B, B_TO_A])),
        draw(st.booleans()),
        draw(st.floats(0.0001, 0.05)),
        draw(st.floats(0.0, 0.03)),
    )


def transaction_of(
    pool: Pool, direction: Direction, exact_in: bool, share: float, slippage: float
) -> Transaction:
    """Return a trade of a share of the pool's vault, with limits that leave its slippage."""
    a_to_b = direction is A_TO_B
    vaults = (pool.vault_a, pool.vault_b)
    vault_in, vault_out = vaults if a_to_b else vaults[::-1]
    amount = max(round((vault_in if exact_in else vault_out) * share), 1)
    do = pool.swap_exact_in if exact_in else pool.swap_exact_out
    try:
        swap = do(direction, amount, NOW_S)
    except InsufficientLiquidity:
        assume(False)
    least = round(swap.amount_out * (1 - slippage)) if exact_in else swap.amount_out
    most = swap.amount_in if exact_in else round(swap.amount_in * (1 + slippage))
    return Transaction(
        unit_price=0,
        memo="s",
        user="user",
        legs=(SwapLeg(pool.address, direction, exact_in, amount),),
        amount_in_max=most,
        amount_out_min=least,
        network_fee=0,
        last_valid_height=150,
    )


def landed(
    described: PoolConfig, transaction: Transaction, sandwich: SandwichConfig
) -> tuple[World, Execution, Attack | None]:
    """Land a transaction in the first block, whose supply is counted."""
    world = world_of(described, sandwich=sandwich)
    for token in ("SOL", "USDC"):
        world.ledger.issue("user", token, 2**80)
    supply = world.require_conserved()
    deliver(world, transaction, 1)
    go_to(world, 1)
    assert world.require_conserved() == supply
    return world, world.executions["s"], world.attacks.get("s")


def worth_lamports(attack: Attack) -> int:
    """Return an attack's gain in lamports at the outside price, rounded down."""
    worth = attack.gain * (PRICE_X64 if attack.sold == "SOL" else Q64)
    return worth // PRICE_X64


@settings(max_examples=150)
@given(victims(), st.integers(0, 10**9), st.floats(0, 1))
def test_victim_gets_its_limit_and_the_attacker_its_cost(
    drawn: tuple[PoolConfig, Direction, bool, float, float], cost: int, tip_share: float
) -> None:
    """An attacked order is filled within its limits; the attack gains more than cost and tip."""
    described, direction, exact_in, share, slippage = drawn
    (pool,) = world_of(described).pools.values()
    transaction = transaction_of(pool, direction, exact_in, share, slippage)
    _, bare, _ = landed(described, transaction, SandwichConfig())
    config = SandwichConfig(seen_share=1.0, cost_lamports=cost, tip_share=tip_share)
    world, found, attack = landed(described, transaction, config)
    assert found.code == bare.code == ""
    assert found.amount_out >= transaction.amount_out_min
    assert found.amount_in <= transaction.amount_in_max
    held = [world.ledger.balance("attacker", token) - 2**100 for token in ("SOL", "USDC")]
    if attack is None:
        assert (found, held) == (bare, [0, 0])
        return
    # What the victim lost is what it would have had.
    assert attack.lost_out == bare.amount_out - found.amount_out >= 0
    assert attack.lost_in == found.amount_in - bare.amount_in >= 0
    assert cost <= attack.tip_lamports <= worth_lamports(attack)
    expected = [-attack.tip_lamports, 0]
    expected[("SOL", "USDC").index(attack.sold)] += attack.gain
    assert held == expected
    assert world.ledger.balance("validators", "SOL") == attack.tip_lamports


@settings(max_examples=60)
@given(victims())
def test_no_other_size_gains_much_more(
    drawn: tuple[PoolConfig, Direction, bool, float, float],
) -> None:
    """Three hundred sizes tried one by one gain at most 3 % of the victim's slack more."""
    described, direction, exact_in, share, slippage = drawn
    (pool,) = world_of(described).pools.values()
    transaction = transaction_of(pool, direction, exact_in, share, slippage)
    opposite = B_TO_A if direction is A_TO_B else A_TO_B

    def gain_of(size: int) -> int:
        """Return the gain of a size by hand; the loss of nothing where the victim fails."""
        try:
            front = pool.swap_exact_in(direction, size, NOW_S)
            settled = run_legs(transaction.legs, {pool.address: front.pool}, NOW_S)
            ends = sorted(settled.changes.values())
            if -ends[0] > transaction.amount_in_max or ends[1] < transaction.amount_out_min:
                return 0
            behind = settled.pools[pool.address]
            return behind.swap_exact_in(opposite, front.amount_out, NOW_S).amount_out - size
        except (Rejected, InvalidAmount):  # what a pool refuses gains nothing
            return 0

    vault = pool.vault_a if direction is A_TO_B else pool.vault_b
    best = max(gain_of(max(round(vault * 1.05**-step), 1)) for step in range(300))
    _, _, attack = landed(described, transaction, replace(SEEN, cost_lamports=0))
    found = attack.gain if attack else 0
    fixed = transaction.amount_in_max
    slack = round(fixed * slippage)
    assert best - found <= max(3 * slack // 100, 10)


def test_front_run_takes_what_the_limit_leaves() -> None:
    """In a constant product the best size is the largest: the victim ends just above its limit."""
    for size, bps in ((1_000, 50), (1_000, 200), (300, 100)):
        pool = world_of(CPMM).pools["cpmm"]
        quoted = pool.swap_exact_in(A_TO_B, size * SOL, NOW_S).amount_out
        least = quoted * (10_000 - bps) // 10_000
        sale = sell_sol("s", size * SOL, amount_out_min=least)
        _, found, attack = landed(CPMM, sale, SEEN)
        assert attack is not None
        assert least <= found.amount_out < least + (quoted - least) // 100


def test_no_limit_ends_where_the_fees_eat_the_gain() -> None:
    """Without a limit the best size is where one more unit earns what it pays in fees.

    With x reserves of what is sold, v the victim and f the fee rate, both small, and u = 1 + y / x
    for a front-run of y: the curve gives v (1 - 1 / u^2). Both fees stay in the pool, of which the
    attacker then holds all but 1 / u; so they cost 2 f y / u = 2 f x (1 - 1 / u). The difference is
    highest at u = v / (x f), and the victim is left with 1 / u^2.
    """
    described = next(pool for pool in DEFAULT_POOLS if pool.venue == "raydium_amm_v4")
    (pool,) = world_of(described).pools.values()
    size = pool.vault_a // 200
    sale = sell_sol("s", size, pool.address)
    _, bare, _ = landed(described, sale, SandwichConfig())
    _, found, attack = landed(described, sale, SEEN)
    assert attack is not None
    grown = 1 / 200 / 0.0025
    assert 1 + attack.front_in / pool.vault_a == pytest.approx(grown, rel=0.02)
    assert found.amount_out / bare.amount_out == pytest.approx(grown**-2, rel=0.04)


@pytest.mark.parametrize(
    ("config", "landing"),
    [
        pytest.param(replace(SEEN, cost_lamports=10**12), LandingConfig(), id="too dear"),
        pytest.param(SandwichConfig(), LandingConfig(), id="no attacker"),
        pytest.param(SEEN, LandingConfig(fail_rate=1.0), id="fails anyway"),
    ],
)
def test_no_attack_leaves_no_trace(config: SandwichConfig, landing: LandingConfig) -> None:
    """Where it is not worth it, or the victim fails, the attacker does nothing."""
    world = world_of(CPMM, sandwich=config, landing=landing)
    world.ledger.issue("user", "SOL", 1_000 * SOL)
    pools = dict(world.pools)
    deliver(world, sell_sol("s", 1_000 * SOL, amount_out_min=1), 1)
    go_to(world, 1)
    assert world.attacks == {}
    if landing.fail_rate:
        assert world.pools == pools


@pytest.mark.parametrize(
    ("path", "tip", "is_hidden"),
    [("", 0, False), ("rpc", 0, False), ("rpc", 10_000, True), ("bundle", 10_000, True)],
)
def test_what_is_hidden_is_not_attacked(path: str, tip: int, is_hidden: bool) -> None:
    """A bundle, which is what has a tip, is let alone; the same in the open is attacked."""
    world = world_of(CPMM, sandwich=SEEN)
    world.ledger.issue("user", "SOL", 1_001 * SOL)
    sale = replace(
        sell_sol("s", 1_000 * SOL, amount_out_min=1, network_fee=tip), path=path, tip=tip
    )
    deliver(world, sale, 1)
    go_to(world, 1)
    assert not world.executions["s"].code
    assert ("s" not in world.attacks) == is_hidden


def test_a_failing_victim_is_let_alone() -> None:
    """What its limits or its balance forbid is no victim; the pools stay as they are."""
    quoted = world_of(CPMM).pools["cpmm"].swap_exact_in(A_TO_B, SOL, NOW_S).amount_out
    for sale in (sell_sol("s", SOL, amount_out_min=quoted + 1), sell_sol("s", 2**62)):
        world = world_of(CPMM, sandwich=SEEN)
        world.ledger.issue("user", "SOL", SOL)
        deliver(world, sale, 1)
        go_to(world, 1)
        assert world.executions["s"].code
        assert world.attacks == {}


def test_the_pool_that_gains_most_is_attacked() -> None:
    """Of a split order's pools the shallow one, on which the order moves the price most."""
    shallow = replace(CPMM, name="shallow", depth="100000USDC")
    world = world_of(CPMM, shallow, DLMM, sandwich=SEEN)
    world.ledger.issue("user", "SOL", 1_000 * SOL)
    legs = tuple(SwapLeg(name, A_TO_B, True, 20 * SOL) for name in ("cpmm", "shallow", "dlmm"))
    sale = replace(sell_sol("s", SOL), legs=legs, amount_in_max=60 * SOL, amount_out_min=1)
    deliver(world, sale, 1)
    go_to(world, 1)
    assert world.executions["s"].code == ""
    assert world.attacks["s"].pool in {"cpmm", "shallow"}
    gains = {}
    fresh = world_of(CPMM, shallow, DLMM)
    fresh.ledger.issue("user", "SOL", 1_000 * SOL)
    pools = dict(fresh.pools)
    for name in ("cpmm", "shallow", "dlmm"):
        front = best_front(
            lambda tried: fresh.trial(sale, tried, NOW_S), pools, name, A_TO_B, NOW_S
        )
        gains[name] = front.gain if front else 0
    assert world.attacks["s"].pool == max(gains, key=lambda name: gains[name])


@settings(max_examples=20)
@given(st.integers(0, 2**63 - 1), st.integers(2, 4))
def test_drawn_markets_are_attacked_exactly(seed: int, count: int) -> None:
    """Orders split over any pools keep their limits, and every token is there afterwards."""
    world = world_of(CPMM, sandwich=replace(SEEN, cost_lamports=0))
    pools = draw_pools(DrawnPools(price=80.0, depth_max=300_000), count, Draws(seed, "pools"))
    for pool in pools:
        world.pools[pool.address] = pool
        world.ledger.issue_to_pool(pool)
    world.ledger.issue("user", "SOL", 10_000 * SOL)
    legs = tuple(SwapLeg(pool.address, A_TO_B, True, 3 * SOL) for pool in pools)
    bare = run_legs(legs, world.pools, NOW_S).changes["USDC"]
    sale = replace(
        sell_sol("s", SOL),
        legs=legs,
        amount_in_max=3 * SOL * count,
        amount_out_min=bare * 97 // 100,
    )
    deliver(world, sale, 1)
    go_to(world, 1)
    found, attack = world.executions["s"], world.attacks.get("s")
    assert found.code == ""
    assert found.amount_out >= sale.amount_out_min
    assert bare - found.amount_out == (attack.lost_out if attack else 0)
    world.require_conserved()


class Watched(World):
    """Note what others trade."""

    noted: list[tuple[object, ...]]

    def trade(
        self, trader: str, pool: Pool, direction: Direction, amount_in: int, now_s: int
    ) -> None:
        """Note a trade and make it."""
        self.noted.append((self.slot, trader, pool.address, direction, amount_in))
        super().trade(trader, pool, direction, amount_in, now_s)


def test_other_draws_stay_as_they_are() -> None:
    """With and without the attacker, others trade the same sizes in the same slots."""
    flow, noted = FlowConfig(trades_per_slot=3.0), []
    for sandwich in (SandwichConfig(), SEEN):
        world = world_of(CPMM, DLMM, flow=flow, sandwich=sandwich, skip_rate=0.2, seed=9)
        world.ledger.issue("user", "SOL", 10**6 * SOL)
        world.__class__ = Watched
        assert isinstance(world, Watched)
        world.noted = []
        for slot in range(1, 60):
            deliver(world, sell_sol(f"s{slot}", 500 * SOL, amount_out_min=1), slot)
        go_to(world, 60)
        noted.append(world.noted)
        assert bool(world.attacks) == (sandwich is SEEN)
    assert noted[0] == noted[1]


def test_share_of_attempts_is_seen() -> None:
    """Three in ten of worthwhile victims are attacked, named by order and attempt."""
    world = world_of(replace(CPMM, depth="100000000USDC"), sandwich=replace(SEEN, seen_share=0.3))
    world.ledger.issue("user", "SOL", 10**9 * SOL)
    for slot in range(1, 301):
        deliver(world, sell_sol(f"order:{slot}", 30_000 * SOL, last_valid_height=400), slot)
        world.pools["cpmm"] = world_of(replace(CPMM, depth="100000000USDC")).pools["cpmm"]
        go_to(world, slot)
    assert 90 - 39 < len(world.attacks) < 90 + 39  # 4.9 standard deviations


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"seen_share": 1.1}, "seen_share"),
        ({"tip_share": -0.1}, "tip_share"),
        ({"cost_lamports": -1}, "cost_lamports"),
    ],
)
def test_bad_field_is_named(changes: dict[str, object], field: str) -> None:
    """The error holds the field."""
    with pytest.raises(InvalidScenario) as caught:
        SandwichConfig(**changes)  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.field == field


def test_victim_that_does_something_else_is_noticed() -> None:
    """The back-run rests on what the victim was seen to do; anything else is our own bug."""
    world = world_of(CPMM, sandwich=SEEN)
    world.ledger.issue("user", "SOL", 1_000 * SOL)
    attacker = world._others.attacker
    assert attacker is not None
    bundle = attacker.before(world, "s", sell_sol("s", 1_000 * SOL), NOW_S)
    assert bundle is not None
    with pytest.raises(InvariantViolated, match="otherwise than it was tried"):
        attacker.after(world, bundle)


def test_attacks_are_forgotten_with_their_executions() -> None:
    """A world that runs for ever keeps no record for ever."""
    world = world_of(CPMM, sandwich=SEEN)
    world.ledger.issue("user", "SOL", 1_000 * SOL)
    deliver(world, sell_sol("s", 1_000 * SOL), 1)
    go_to(world, 10)
    assert list(world.attacks) == ["s"]
    world.forget(5)
    assert world.attacks == {}
