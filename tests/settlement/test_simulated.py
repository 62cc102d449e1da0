"""Check how transactions are signed, sent, lost, landed and reported in the simulated world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.errors import InvalidAmount, InvalidRequest, WrongPair
from orderengine.execution.ports import Landed, Lapsed, Outcome, Reverted, Signed, SwapPlan
from orderengine.market.config import FeeConfig, LandingConfig
from orderengine.market.draws import Draws, order_id_of
from orderengine.market.fees import Fees
from orderengine.market.latency import LatencyConfig, latency_model
from orderengine.market.pools import PoolConfig
from orderengine.market.transactions import bid_of
from orderengine.market.world import World
from orderengine.model.order import Leg, Mode, Order, Route
from orderengine.pools import direction_of
from orderengine.settlement.simulated import SimulatedSettlement
from tests.market.worlds import (
    CPMM,
    DLMM,
    PRICE_X64,
    SLOT_NS,
    SOL,
    START_NS,
    USDC,
    connected_world,
    world_of,
)

T = TypeVar("T")

MS = 1_000_000
AT_ONCE = LatencyConfig()
SURE = LandingConfig(
    model="slots", slots_p=1.0, drop_rate=0.0, confirm=LatencyConfig(median="800ms")
)
"""Lands in the next slot, known 800 ms later."""

FOREVER = 2**62


class Clock(Struct):
    """Tell virtual time after the world's start."""

    def now_ns(self) -> int:
        """Return the date."""
        return START_NS + virtualtime.now_ns()

    async def sleep_until(self, at_ns: int) -> None:
        """Wait until a date."""
        await anyio.sleep(max(at_ns - self.now_ns(), 0) / 1e9)


def settlement_of(
    world: World, landing: LandingConfig = SURE, *, seed: int = 1, build: LatencyConfig = AT_ONCE
) -> SimulatedSettlement:
    """Return an adapter over a world."""

    def model(config: LatencyConfig, concern: str) -> Callable[[int, int], int]:
        return latency_model(config, Draws(seed, concern))

    return SimulatedSettlement(
        world=world,
        clock=Clock(),
        seed=seed,
        landing=landing,
        fees=Fees(FeeConfig()),
        build=model(build, "build"),
        delay=model(landing.delay, "landing"),
        confirm=model(landing.confirm, "confirm"),
    )


def funded_world(**changes: object) -> World:
    """Return a world whose user holds enough of everything."""
    world = world_of(CPMM, DLMM, **changes)  # type: ignore[arg-type]  # fields of the market
    world.ledger.issue("user", "SOL", 10_000 * SOL)
    world.ledger.issue("user", "USDC", 1_000_000 * USDC)
    return world


def plan_of(
    number: int = 0,
    *,
    attempt: int = 1,
    pools: tuple[str, ...] = ("cpmm",),
    amount_out_min: int = 0,
    order: Order | None = None,
) -> SwapPlan:
    """Return a plan to sell 1 SOL a pool."""
    order = order or Order(
        order_id=order_id_of(1, number), sell="SOL", buy="USDC", amount=SOL * len(pools)
    )
    legs = tuple(
        Leg(
            pool=pool,
            venue="raydium_cpmm" if pool == "cpmm" else "meteora_dlmm",
            sell=order.sell,
            buy=order.buy,
            amount_in=SOL,
            amount_out=79 * USDC,
        )
        for pool in pools
    )
    route = Route(legs=legs, amount_in=SOL * len(legs), amount_out=79 * USDC * len(legs))
    return SwapPlan(
        order=order,
        route=route,
        attempt=attempt,
        amount_in_max=route.amount_in,
        amount_out_min=amount_out_min,
    )


def run(function: Callable[[], Awaitable[T]]) -> T:
    """Run in virtual time."""
    return virtualtime.run(function)


async def sign(settlement: SimulatedSettlement, plan: SwapPlan) -> Signed:
    """Sign, however long it takes."""
    signed = await settlement.sign(plan, FOREVER)
    assert signed is not None
    return signed


async def sent(settlement: SimulatedSettlement, plan: SwapPlan) -> Signed:
    """Sign and send once."""
    signed = await sign(settlement, plan)
    await settlement.send(signed, FOREVER)
    return signed


def test_a_plan_may_bring_its_own_price() -> None:
    """It is billed on the compute units of all legs, and is the bid for a place in the block."""
    settlement = settlement_of(funded_world())
    plan = replace(plan_of(pools=("cpmm", "dlmm")), unit_price=1_234_567)
    signed = run(lambda: sign(settlement, plan))
    assert signed.network_fee == 5_000 - (-(161_000 + 195_500) * 1_234_567 // 10**6)
    assert bid_of(signed.payload) == 1_234_567
    free = run(lambda: sign(settlement, replace(plan, unit_price=0)))
    assert (free.network_fee, bid_of(free.payload)) == (5_000, 0)


def test_sign_takes_its_latency_and_sends_nothing() -> None:
    """A signed transaction can land only after it is sent."""
    world = funded_world()

    async def main() -> None:
        settlement = settlement_of(world, build=LatencyConfig(median="30ms"))
        signed = await sign(settlement, plan_of())
        assert virtualtime.now_ns() == 30 * MS
        assert await settlement.outcome(signed, START_NS + 10 * SLOT_NS) is None
        assert virtualtime.now_ns() == 10 * SLOT_NS
        assert world.executions == {}

    run(main)


@pytest.mark.parametrize(("within_ms", "took_ms"), [(199, 199), (200, 200), (900, 200)])
def test_sign_keeps_its_deadline(within_ms: int, took_ms: int) -> None:
    """What would be signed after it is not signed, and the deadline is not slept over."""

    async def main() -> None:
        settlement = settlement_of(funded_world(), build=LatencyConfig(median="200ms"))
        signed = await settlement.sign(plan_of(), START_NS + within_ms * MS)
        assert (signed is not None) == (within_ms >= 200)
        assert virtualtime.now_ns() == took_ms * MS

    run(main)


def test_signature_is_of_order_and_attempt() -> None:
    """The same attempt signs alike; another attempt or order differs, and so do other bytes."""

    async def main() -> list[Signed]:
        settlement = settlement_of(funded_world())
        return [
            await sign(settlement, plan_of()),
            await sign(settlement, plan_of()),
            await sign(settlement, plan_of(attempt=2)),
            await sign(settlement, plan_of(1)),
            await sign(settlement, plan_of(amount_out_min=1)),
        ]

    first, again, *others = run(main)
    assert first == again
    assert len({signed.signature for signed in (first, *others)}) == 4
    assert all(signed.signature.startswith("sim") for signed in others)


def test_signed_says_limit_and_fee() -> None:
    """The limit is counted in blocks from the block of signing; the fee is the whole route's."""
    world = funded_world()

    async def main() -> Signed:
        await anyio.sleep(7 * 0.4)
        return await sign(settlement_of(world), plan_of(pools=("cpmm", "dlmm")))

    signed = run(main)
    assert world.height == 7
    assert signed.last_valid_height == 7 + 150
    assert signed.network_fee == 5_000 + -(-(161_000 + 195_500) * 300 // 10**6)
    assert (signed.order_id, signed.attempt) == (order_id_of(1, 0), 1)


def test_landing_is_known_after_the_confirm_latency() -> None:
    """Sent in slot 0, it lands when slot 1 begins and is known 800 ms after that."""
    world = funded_world()

    async def main() -> Outcome | None:
        settlement = settlement_of(world)
        outcome = await settlement.outcome(await sent(settlement, plan_of()), FOREVER)
        assert virtualtime.now_ns() == SLOT_NS + 800 * MS
        return outcome

    outcome = run(main)
    assert isinstance(outcome, Landed)
    assert (outcome.slot, outcome.landed_at_ns) == (1, START_NS + SLOT_NS)
    assert outcome.amount_in == SOL
    assert outcome.reference_price_x64 == PRICE_X64
    assert world.ledger.balance("user", "USDC") == 1_000_000 * USDC + outcome.amount_out
    assert world.ledger.balance("validators", "SOL") == outcome.network_fee > 0


def test_late_question_is_answered_at_once() -> None:
    """Who asks after the confirmation waits no more."""

    async def main() -> None:
        settlement = settlement_of(funded_world())
        signed = await sent(settlement, plan_of())
        await anyio.sleep(5)
        assert isinstance(await settlement.outcome(signed, FOREVER), Landed)
        assert virtualtime.now_ns() == 5_000 * MS

    run(main)


def test_outcome_of_a_buyer_is_priced_as_sold() -> None:
    """The reference price of an order that sells the quote token is the inverse."""
    order = Order(order_id="o", sell="USDC", buy="SOL", amount=SOL, mode=Mode.EXACT_OUT)
    world = funded_world()

    async def main() -> Outcome | None:
        settlement = settlement_of(world)
        plan = replace(plan_of(order=order), amount_in_max=90 * USDC)
        leg = replace(plan.route.legs[0], amount_in=81 * USDC, amount_out=SOL)
        route = Route(legs=(leg,), amount_in=81 * USDC, amount_out=SOL)
        return await settlement.outcome(await sent(settlement, replace(plan, route=route)), FOREVER)

    outcome = run(main)
    assert isinstance(outcome, Landed)
    assert outcome.amount_out == SOL
    assert outcome.amount_in < 81 * USDC
    assert outcome.reference_price_x64 == 2**128 // PRICE_X64


def test_reverted_transaction_says_why_and_costs_its_fee() -> None:
    """Landed and failed is an outcome of its own."""
    world = funded_world()

    async def main() -> Outcome | None:
        settlement = settlement_of(world)
        signed = await sent(settlement, plan_of(amount_out_min=81 * USDC))
        outcome = await settlement.outcome(signed, FOREVER)
        assert isinstance(outcome, Reverted)
        assert outcome.network_fee == signed.network_fee
        assert virtualtime.now_ns() == SLOT_NS + 800 * MS
        return outcome

    outcome = run(main)
    assert isinstance(outcome, Reverted)
    assert outcome.code == "SLIPPAGE"
    assert "81 USDC" in outcome.reason
    assert world.ledger.balance("user", "SOL") == 10_000 * SOL - outcome.network_fee


def test_outcome_is_none_while_the_fate_is_open() -> None:
    """The question ends at its instant, exactly, and can be asked again."""
    landing = replace(SURE, model="delay", delay=LatencyConfig(median="3s"))

    async def main() -> None:
        settlement = settlement_of(funded_world(), landing)
        signed = await sent(settlement, plan_of())
        for wait_ms in (500, 1_777, 2_900):
            assert await settlement.outcome(signed, START_NS + wait_ms * MS) is None
            assert virtualtime.now_ns() == wait_ms * MS
        assert isinstance(await settlement.outcome(signed, FOREVER), Landed)
        assert virtualtime.now_ns() == 3_200 * MS + 800 * MS  # the first slot after 3 s

    run(main)


@pytest.mark.parametrize("skip_rate", [0.0, 0.5])
def test_unsent_transaction_lapses_by_block_height(skip_rate: float) -> None:
    """It is dead in the block after its limit, however many slots that takes, and not before."""
    world = funded_world(skip_rate=skip_rate)

    async def main() -> Outcome | None:
        settlement = settlement_of(world, replace(SURE, blockhash_blocks=20))
        signed = await sign(settlement, plan_of())
        outcome = await settlement.outcome(signed, FOREVER)
        assert world.height == signed.last_valid_height + 1 == 21
        assert virtualtime.now_ns() == world.slot * SLOT_NS
        return outcome

    outcome = run(main)
    assert isinstance(outcome, Lapsed)
    assert outcome.code == "BLOCKHASH_EXPIRED"
    assert "20" in outcome.reason
    assert (world.slot > 21) == (skip_rate > 0)


def test_late_delivery_lapses() -> None:
    """What reaches the leader after its limit does not land."""
    landing = replace(SURE, model="delay", delay=LatencyConfig(median="20s"), blockhash_blocks=10)
    world = funded_world()

    async def main() -> Outcome | None:
        settlement = settlement_of(world, landing)
        return await settlement.outcome(await sent(settlement, plan_of()), FOREVER)

    assert isinstance(run(main), Lapsed)
    world.advance(START_NS + 100 * 10**9)
    assert world.executions == {}


LOSSY = LandingConfig(
    model="slots", slots_p=0.6, drop_rate=0.5, blockhash_blocks=12, confirm=AT_ONCE
)
ORDERS = 200


def fates(
    landing: LandingConfig, *, resend_s: float = 0.0, seed: int = 1
) -> tuple[list[Outcome | None], World]:
    """Send many transactions at once and return what became of each."""
    world = funded_world()
    outcomes: list[Outcome | None] = [None] * ORDERS

    async def follow(settlement: SimulatedSettlement, number: int) -> None:
        signed = await sent(settlement, plan_of(number))
        while outcomes[number] is None:
            until_ns = START_NS + virtualtime.now_ns() + round(resend_s * 1e9)
            outcomes[number] = await settlement.outcome(signed, until_ns if resend_s else FOREVER)
            if outcomes[number] is None:
                await settlement.send(signed, FOREVER)

    async def main() -> None:
        settlement = settlement_of(world, landing, seed=seed)
        async with anyio.create_task_group() as group:
            for number in range(ORDERS):
                group.start_soon(follow, settlement, number)

    run(main)
    return outcomes, world


def test_sendings_are_lost_at_their_rate() -> None:
    """Half of the transactions that are sent once never land."""
    outcomes, world = fates(LOSSY)
    landed = sum(isinstance(outcome, Landed) for outcome in outcomes)
    assert 70 < landed < 130
    assert len(world.executions) == landed
    assert {outcome.code for outcome in outcomes if isinstance(outcome, Lapsed)} == {
        "BLOCKHASH_EXPIRED"
    }


def test_resending_the_same_bytes_helps_and_executes_once() -> None:
    """Each sending has a draw of its own; nobody is filled twice."""
    outcomes, world = fates(LOSSY, resend_s=0.4)
    landed = sum(isinstance(outcome, Landed) for outcome in outcomes)
    assert landed > 190
    assert len(world.executions) == landed
    assert world.ledger.balance("user", "SOL") == 10_000 * SOL - sum(
        outcome.amount_in + outcome.network_fee
        for outcome in outcomes
        if isinstance(outcome, Landed)
    )


def test_drop_notice_ends_the_wait_early() -> None:
    """With a notice, a lost transaction is reported dead after that time, and stays dead."""
    landing = replace(LOSSY, drop_notice="1500ms", blockhash_blocks=150)
    world = funded_world()

    async def main() -> None:
        settlement = settlement_of(world, landing)
        signed = [await sent(settlement, plan_of(number)) for number in range(ORDERS)]
        await anyio.sleep(1.5)
        outcomes = [await settlement.outcome(each, FOREVER) for each in signed]
        assert virtualtime.now_ns() < 10 * 10**9
        dropped = [
            each
            for each, outcome in zip(signed, outcomes, strict=True)
            if isinstance(outcome, Lapsed)
        ]
        assert {outcome.code for outcome in outcomes if isinstance(outcome, Lapsed)} == {"DROPPED"}
        assert 70 < len(dropped) < 130
        for each in dropped * 3:
            await settlement.send(each, FOREVER)
        world.advance(START_NS + 1_000 * SLOT_NS)
        assert not {each.signature for each in dropped} & set(world.executions)

    run(main)


def test_drop_notice_comes_at_its_time() -> None:
    """Not earlier, and not at a slot's boundary."""
    landing = replace(LOSSY, drop_rate=0.999, drop_notice="1234567ns")

    async def main() -> None:
        settlement = settlement_of(funded_world(), landing)
        signed = await sent(settlement, plan_of())
        assert isinstance(await settlement.outcome(signed, FOREVER), Lapsed)
        assert virtualtime.now_ns() == 1_234_567

    run(main)


@given(
    st.integers(0, 2**40),
    st.sampled_from(["0ms", "700ms"]),
    st.sampled_from(["slots", "delay"]),
    st.sampled_from([0.0, 0.3, 1.7]),
)
def test_what_lapsed_never_lands(seed: int, notice: str, model: str, resend_s: float) -> None:
    """Once a transaction is reported dead, no copy of it lands in any later slot."""
    landing = LandingConfig(
        model=model,  # type: ignore[arg-type]  # one of its literals
        slots_p=0.2,
        delay=LatencyConfig(model="lognormal", median="2s", sigma=1.0),
        drop_rate=0.4,
        drop_notice=notice,
        blockhash_blocks=8,
        confirm=LatencyConfig(median="100ms"),
    )
    world = funded_world(skip_rate=0.3, seed=seed)
    lapsed: list[str] = []
    landed: list[str] = []

    async def follow(settlement: SimulatedSettlement, number: int) -> None:
        signed = await sent(settlement, plan_of(number))
        outcome = None
        while outcome is None:
            until_ns = START_NS + virtualtime.now_ns() + round(resend_s * 1e9)
            outcome = await settlement.outcome(signed, until_ns if resend_s else FOREVER)
            await settlement.send(signed, FOREVER)
        assert (signed.signature in world.executions) != isinstance(outcome, Lapsed)
        (lapsed if isinstance(outcome, Lapsed) else landed).append(signed.signature)

    async def main() -> None:
        settlement = settlement_of(world, landing, seed=seed)
        async with anyio.create_task_group() as group:
            for number in range(12):
                group.start_soon(follow, settlement, number)

    run(main)
    world.advance(START_NS + 2_000 * SLOT_NS)
    assert set(world.executions) == set(landed)
    assert len(landed) + len(lapsed) == 12


def test_new_adapter_goes_on_with_the_stored_bytes() -> None:
    """After a restart the payload alone is enough to send again and to learn the outcome."""
    world = funded_world()
    landing = replace(LOSSY, blockhash_blocks=150)

    async def main() -> None:
        before = settlement_of(world, landing)
        signed = [await sent(before, plan_of(number)) for number in range(20)]
        await anyio.sleep(4)
        world.advance(Clock().now_ns())
        assert 0 < len(world.executions) < 20
        after = settlement_of(world, landing, seed=2)
        for each in signed:
            outcome = None
            while outcome is None:
                await after.send(each, FOREVER)
                outcome = await after.outcome(each, START_NS + virtualtime.now_ns() + 10**9)
            assert isinstance(outcome, Landed)
        assert len(world.executions) == 20

    run(main)
    assert world.ledger.balance("user", "SOL") <= 9_980 * SOL
    world.require_conserved()


def test_new_adapter_sees_what_landed_before() -> None:
    """A transaction that landed while nobody watched is found by its signature, unsent."""
    world = funded_world()

    async def main() -> None:
        signed = await sent(settlement_of(world), plan_of())
        await anyio.sleep(10)
        assert isinstance(await settlement_of(world).outcome(signed, FOREVER), Landed)

    run(main)


BAD_LEGS = [
    pytest.param({"pool": "nowhere"}, InvalidRequest, "'nowhere'", id="unknown pool"),
    pytest.param({"amount_in": 0}, InvalidAmount, "was 0", id="nothing"),
    pytest.param({"amount_in": -5}, InvalidAmount, "was -5", id="negative"),
    pytest.param({"amount_in": 2**64}, InvalidAmount, "2\\^64 - 1", id="above u64"),
]


@pytest.mark.parametrize(("changes", "error", "match"), BAD_LEGS)
def test_impossible_leg_is_refused_when_signed(
    changes: dict[str, object], error: type[Exception], match: str
) -> None:
    """A route of a user's router that no pool can do ends the attempt, not the world."""
    world = funded_world()
    plan = plan_of()
    leg = replace(plan.route.legs[0], **changes)
    route = replace(plan.route, legs=(leg,))

    async def main() -> None:
        settlement = settlement_of(world)
        with pytest.raises(error, match=match):
            await sign(settlement, replace(plan, route=route))

    run(main)


def test_pool_of_another_pair_is_refused_when_signed() -> None:
    """An order is never signed for a pool that does not trade its tokens."""
    order = Order(order_id="o", sell="SOL", buy="USDT", amount=SOL)

    async def main() -> None:
        settlement = settlement_of(funded_world())
        with pytest.raises(InvalidRequest, match=r"cpmm .* SOL for USDT"):
            await sign(settlement, plan_of(order=order))

    run(main)


def test_compute_units_are_those_of_the_pool() -> None:
    """What a leg says of its venue does not change the fee: the pool's program decides."""
    plan = plan_of()
    leg = replace(plan.route.legs[0], venue="made up")
    route = replace(plan.route, legs=(leg,))

    async def main() -> tuple[Signed, Signed]:
        settlement = settlement_of(funded_world())
        return await sign(settlement, plan), await sign(settlement, replace(plan, route=route))

    honest, made_up = run(main)
    assert honest.network_fee == made_up.network_fee


def test_direction_is_taken_from_the_tokens() -> None:
    """A pool trades either way by the name of what goes in."""
    pool = funded_world().pools["cpmm"]
    both = (("SOL", "USDC"), ("USDC", "SOL"))
    assert [direction_of(pool, *pair).value for pair in both] == ["a_to_b", "b_to_a"]


SIDE = PoolConfig(name="side", pair="SOL/USDT", venue="raydium_cpmm", depth="500000USDT")
LAST = PoolConfig(name="last", pair="USDT/USDC", venue="meteora_dlmm", depth="300000USDC")


def hops(world: World, order: Order, *names: str) -> SwapPlan:
    """Return a plan over pools one after another, as the pools would pay now."""
    legs, token, amount = [], order.sell, order.amount
    for name in names:
        pool = world.pools[name]
        buy = pool.token_b if pool.token_a == token else pool.token_a
        paid = pool.swap_exact_in(direction_of(pool, token, buy), amount, 0).amount_out
        legs.append(
            Leg(pool=name, venue="", sell=token, buy=buy, amount_in=amount, amount_out=paid)
        )
        token, amount = buy, paid
    route = Route(legs=tuple(legs), amount_in=order.amount, amount_out=amount)
    return SwapPlan(
        order=order,
        route=route,
        attempt=1,
        amount_in_max=order.amount,
        amount_out_min=amount * 99 // 100,
    )


def test_a_route_of_two_hops_lands_as_one_transaction() -> None:
    """Its fee pays for both swaps; the outcome is of the order's two tokens."""
    world = connected_world(CPMM, SIDE, LAST)
    world.ledger.issue("user", "SOL", 100 * SOL)
    order = Order(order_id=order_id_of(1, 1), sell="SOL", buy="USDC", amount=10 * SOL)
    plan = hops(world, order, "side", "last")

    async def main() -> tuple[Signed, Outcome | None]:
        settlement = settlement_of(world)
        signed = await sent(settlement, plan)
        return signed, await settlement.outcome(signed, FOREVER)

    signed, outcome = run(main)
    assert isinstance(outcome, Landed)
    assert (outcome.amount_in, outcome.amount_out) == (10 * SOL, plan.route.amount_out)
    assert signed.network_fee == Fees(FeeConfig()).network_fee(order.priority, 161_000 + 195_500)
    assert world.ledger.balance("user", "USDC") == plan.route.amount_out
    assert world.ledger.balance("user", "USDT") == 0
    world.require_conserved()


@pytest.mark.parametrize("names", [("side",), ("side", "last", "cpmm")], ids=str)
def test_legs_that_do_not_lead_to_the_orders_token_are_refused(names: tuple[str, ...]) -> None:
    """Whatever a route says of itself: what it brings in the end must be what was ordered."""
    world = connected_world(CPMM, SIDE, LAST)
    order = Order(order_id=order_id_of(1, 1), sell="SOL", buy="USDC", amount=SOL)

    async def main() -> None:
        with pytest.raises(WrongPair, match="SOL for USDC"):
            await sign(settlement_of(world), hops(world, order, *names))

    run(main)
