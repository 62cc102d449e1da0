"""Check that quotes are what the pools pay, at the end of the latency, and cost what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.execution.ports import Reading
from orderengine.market.config import FeeConfig, FlowConfig
from orderengine.market.draws import Draws, key_of, order_id_of
from orderengine.market.fees import Fees
from orderengine.market.latency import LatencyConfig, latency_model
from orderengine.market.transactions import SwapLeg
from orderengine.market.world import World
from orderengine.model.order import Declined, Mode, Order, Priority, Quote
from orderengine.pools import direction_of
from orderengine.routing.request import Terms
from orderengine.venues.simulated import (
    SimulatedPrices,
    SimulatedVenue,
    one_pool_an_order,
    simulated_terms,
)
from tests.market.worlds import (
    CPMM,
    DLMM,
    PRICE_X64,
    SLOT_NS,
    SOL,
    START_NS,
    USDC,
    deliver,
    go_to,
    sell_sol,
    world_of,
)

MS = 1_000_000
SELL = Order(order_id="sale", sell="SOL", buy="USDC", amount=SOL)


def ask(
    world: World,
    order: Order,
    *,
    attempt: int = 1,
    pools: Sequence[str] = ("cpmm", "dlmm"),
    latency: LatencyConfig | None = None,
    fee: int = 0,
    only: Callable[[int], str] | None = None,
    within_ns: int = 3_600_000 * MS,
) -> tuple[Sequence[Quote | Declined], int]:
    """Return a venue's answers, none if it was late, and the virtual time that they took."""

    async def main() -> tuple[Sequence[Quote | Declined], int]:
        venue = SimulatedVenue(
            "venue",
            pools,
            world=world,
            clock=virtualtime.VirtualClock(START_NS),
            latency=latency_model(latency or LatencyConfig(), Draws(1, "quote")),
            network_fees=dict.fromkeys(Priority, fee),
            only=only,
        )
        assert venue.name == "venue"
        answers = await venue.quote(order, attempt, START_NS + within_ns)
        assert answers is None or answers or only is not None
        return answers or (), virtualtime.now_ns()

    return virtualtime.run(main)


def quotes_of(world: World, order: Order, fee: int = 0) -> list[Quote]:
    """Return the answers of a venue that declines nothing."""
    answers, _ = ask(world, order, fee=fee)
    quotes = [answer for answer in answers if isinstance(answer, Quote)]
    assert len(quotes) == len(answers)
    return quotes


orders = st.builds(
    Order,
    order_id=st.just("o"),
    sell=st.just("SOL"),
    buy=st.just("USDC"),
    amount=st.integers(1, 10**11),  # below either pool's depth
    mode=st.sampled_from(Mode),
) | st.builds(
    Order,
    order_id=st.just("o"),
    sell=st.just("USDC"),
    buy=st.just("SOL"),
    amount=st.integers(1, 10**11),
    mode=st.sampled_from(Mode),
)


@given(orders)
def test_quote_is_what_the_pool_pays(order: Order) -> None:
    """A transaction that lands in the state quoted gets the quoted amounts to the unit."""
    world = world_of(CPMM, DLMM)
    for quote in quotes_of(world, order):
        swapped = world_of(CPMM, DLMM)
        swapped.ledger.issue("user", order.sell, 2**64)
        exact_in = order.mode is Mode.EXACT_IN
        direction = direction_of(world.pools[quote.pool], order.sell, order.buy)
        leg = SwapLeg(quote.pool, direction, exact_in, order.amount)
        transaction = replace(
            sell_sol("s", 1),
            legs=(leg,),
            amount_in_max=quote.amount_in,
            amount_out_min=quote.amount_out,
        )
        deliver(swapped, transaction, 1)
        go_to(swapped, 1)
        found = swapped.executions["s"]
        assert found.code == ""
        assert (found.amount_in, found.amount_out) == (quote.amount_in, quote.amount_out)
        assert (found.fee_in, found.fee_out) == (quote.fee_in, quote.fee_out)
        fixed = quote.amount_in if exact_in else quote.amount_out
        assert fixed == order.amount


def test_quoting_changes_nothing() -> None:
    """Asking is free: the pools are as before."""
    world = world_of(CPMM, DLMM)
    pools = dict(world.pools)
    quotes_of(world, SELL)
    assert world.pools == pools


def test_answers_stand_in_the_order_of_the_pools() -> None:
    """One answer a pool, named, in the order in which the venue lists them."""
    world = world_of(CPMM, DLMM)
    answers, _ = ask(world, SELL, pools=("dlmm", "cpmm"))
    assert [(answer.venue, answer.pool) for answer in answers] == [
        ("venue", "dlmm"),
        ("venue", "cpmm"),
    ]


def test_pools_are_read_at_the_end_of_the_latency() -> None:
    """The quote is of the slot in which the answer leaves, not of the one in which it is asked."""
    flow = FlowConfig(trades_per_slot=5.0)
    world, later = world_of(CPMM, DLMM, flow=flow), world_of(CPMM, DLMM, flow=flow)
    answers, took_ns = ask(world, SELL, latency=LatencyConfig(median="2s"))
    go_to(later, 5)
    assert took_ns == 5 * SLOT_NS
    for answer in answers:
        assert isinstance(answer, Quote)
        assert answer.slot == 5
        pool = later.pools[answer.pool]
        direction = direction_of(pool, "SOL", "USDC")
        expected = pool.swap_exact_in(direction, SOL, later.slot_start_ns(5) // 10**9)
        assert answer.amount_out == expected.amount_out


def test_latency_is_drawn_for_order_and_attempt() -> None:
    """Every order and every attempt has a wait of its own, the same each time."""
    latency = LatencyConfig(model="uniform", low="1ms", high="999ms")

    def took(number: int, attempt: int) -> int:
        order = replace(SELL, order_id=order_id_of(1, number))
        return ask(world_of(CPMM, DLMM), order, attempt=attempt, latency=latency)[1]

    names = [(number, attempt) for number in range(6) for attempt in (1, 2)]
    waits = [took(*name) for name in names]
    assert waits == [took(*name) for name in names]
    assert len(set(waits)) == len(waits)


def test_pool_that_cannot_pay_declines_with_its_reason() -> None:
    """One pool's refusal is an answer; the others still quote."""
    small = replace(CPMM, name="small", depth="10USDC")
    order = replace(SELL, amount=50 * USDC, mode=Mode.EXACT_OUT)
    answers, _ = ask(world_of(CPMM, small), order, pools=("cpmm", "small"))
    quote, declined = answers
    assert isinstance(quote, Quote)
    assert isinstance(declined, Declined)
    assert (declined.venue, declined.pool) == ("venue", "small")
    assert declined.code == "INSUFFICIENT_LIQUIDITY"
    assert "small must pay" in declined.reason


def test_largest_and_smallest_orders_are_answered() -> None:
    """Every amount that an order can have gets an answer from each pool, if only a refusal."""
    for sell, buy in (("SOL", "USDC"), ("USDC", "SOL")):
        for mode in Mode:
            for amount in (1, 2, 2**64 - 1):
                order = Order(order_id="o", sell=sell, buy=buy, amount=amount, mode=mode)
                answers, _ = ask(world_of(CPMM, DLMM), order)
                assert [answer.pool for answer in answers] == ["cpmm", "dlmm"]


@pytest.mark.parametrize(
    ("sell", "mode", "cost"),
    [
        pytest.param("SOL", Mode.EXACT_OUT, 12_345, id="varies in SOL: lamports"),
        pytest.param("USDC", Mode.EXACT_IN, 12_345, id="buys SOL: lamports"),
        pytest.param("SOL", Mode.EXACT_IN, 988, id="987.6 micro-USDC up"),
        pytest.param("USDC", Mode.EXACT_OUT, 988, id="987.6 micro-USDC up, paid"),
    ],
)
def test_network_cost_is_in_the_token_that_varies(sell: str, mode: Mode, cost: int) -> None:
    """12,345 lamports at 80 USDC a SOL are 987.6 micro-USDC, rounded up."""
    order = Order(
        order_id="o", sell=sell, buy="USDC" if sell == "SOL" else "SOL", amount=10**6, mode=mode
    )
    quotes = quotes_of(world_of(CPMM, DLMM), order, fee=12_345)
    assert {quote.network_cost for quote in quotes} == {cost}


@given(st.integers(0, 10**12), st.integers(2**40, 2**90))
def test_network_cost_is_the_least_that_covers_the_fee(fee: int, price_x64: int) -> None:
    """The cost is the exact worth of the fee, rounded up to a base unit."""
    world = world_of(CPMM, DLMM)
    world.price_x64 = price_x64
    (quote, _) = quotes_of(world, SELL, fee)
    cost = quote.network_cost
    assert cost << 64 >= fee * price_x64
    assert (cost - 1) << 64 < fee * price_x64 or cost == 0


def test_pair_without_sol_costs_nothing() -> None:
    """Where fees are 0 no price of SOL is asked for."""
    assert {quote.network_cost for quote in quotes_of(world_of(CPMM, DLMM), SELL, 0)} == {0}


def test_one_pool_an_order_offers_each_order_one_pool() -> None:
    """The draw picks every pool about as often, and always the same for one order."""
    names = ["a", "b", "c", "d"]
    only = one_pool_an_order(names, Draws(1, "quote/pool"))
    counts: Counter[str] = Counter()
    for number in range(2_000):
        key = key_of(order_id_of(1, number))
        assert only(key) == only(key)
        counts[only(key)] += 1
    assert all(400 < counts[name] < 600 for name in names)


def test_pool_that_is_not_offered_does_not_answer() -> None:
    """A venue asks only the pools offered; one that has none answers at once with nothing."""
    slow = LatencyConfig(median="2s")
    world = world_of(CPMM, DLMM)
    answers, took_ns = ask(world, SELL, only=lambda _: "dlmm", latency=slow)
    assert [answer.pool for answer in answers] == ["dlmm"]
    assert took_ns == 2_000 * MS
    answers, took_ns = ask(world, SELL, only=lambda _: "elsewhere", latency=slow)
    assert (list(answers), took_ns) == ([], 0)


@pytest.mark.parametrize(("within_ms", "took_ms"), [(1_999, 1_999), (2_000, 2_000), (9_000, 2_000)])
def test_deadline_is_kept(within_ms: int, took_ms: int) -> None:
    """An answer that comes in time is given, at the deadline itself too; a later one is None."""
    slow = LatencyConfig(median="2s")
    answers, took_ns = ask(world_of(CPMM, DLMM), SELL, latency=slow, within_ns=within_ms * MS)
    assert bool(answers) == (within_ms >= 2_000)
    assert took_ns == took_ms * MS


def test_reference_price_is_the_slots() -> None:
    """The feed brings the world to the present and gives the price for what is sold."""
    world = world_of(prices_x64=[PRICE_X64, 2 * PRICE_X64])

    async def main() -> list[int]:
        prices = SimulatedPrices(world, virtualtime.VirtualClock(START_NS))
        seen = [prices.reference_price_x64("SOL", "USDC")]
        await anyio.sleep(0.4)
        return [
            *seen,
            prices.reference_price_x64("SOL", "USDC"),
            prices.reference_price_x64("USDC", "SOL"),
        ]

    assert virtualtime.run(main) == [PRICE_X64, 2 * PRICE_X64, 2**128 // (2 * PRICE_X64)]


@pytest.mark.parametrize("within_ms", [10_000, 100])
@pytest.mark.parametrize("number", range(4))
def test_reading_meets_the_same_luck_as_quoting(number: int, within_ms: int) -> None:
    """The same wait, the same pools, at the same slot; late is late for both."""
    order = replace(SELL, order_id=order_id_of(1, number))
    latency = LatencyConfig(model="lognormal", median="400ms", sigma=0.5)

    async def main() -> tuple[Reading | None, int, Sequence[Quote | Declined] | None, int]:
        found: list[Any] = []
        for name in ("read", "quote"):
            began_ns = virtualtime.now_ns()
            world = world_of(CPMM, DLMM, arbitrage=True, flow=FlowConfig(trades_per_slot=5.0))
            world.start_ns += began_ns
            world._next_slot_ns += began_ns
            venue = SimulatedVenue(
                "venue",
                ("cpmm", "dlmm"),
                world=world,
                clock=virtualtime.VirtualClock(START_NS),
                latency=latency_model(latency, Draws(1, "quote")),
                network_fees=dict.fromkeys(Priority, 0),
            )
            until_ns = START_NS + began_ns + within_ms * MS
            found += [await getattr(venue, name)(order, 2, until_ns)]
            found += [virtualtime.now_ns() - began_ns]
            if name == "read" and found[0] is not None:
                assert found[0].pools == tuple(world.pools.values())
        return found[0], found[1], found[2], found[3]

    reading, read_ns, quotes, quoted_ns = virtualtime.run(main)
    assert read_ns == quoted_ns
    assert (reading is None) == (quotes is None)
    if reading is not None and quotes is not None:
        assert [pool.address for pool in reading.pools] == [quote.pool for quote in quotes]
        assert {quote.slot for quote in quotes if isinstance(quote, Quote)} == {reading.slot}


def test_one_pool_an_order_is_the_same_pool_to_read() -> None:
    """A venue that is not asked hands out nothing, at once."""
    world = world_of(CPMM, DLMM)
    only = one_pool_an_order(("cpmm", "dlmm"), Draws(1, "quote/pool"))

    async def main() -> None:
        for number in range(20):
            order = replace(SELL, order_id=order_id_of(1, number))
            for pool in ("cpmm", "dlmm"):
                venue = SimulatedVenue(
                    pool,
                    (pool,),
                    world=world,
                    clock=virtualtime.VirtualClock(START_NS),
                    latency=lambda order, k: 5 * MS,
                    network_fees=dict.fromkeys(Priority, 0),
                    only=only,
                )
                began_ns = virtualtime.now_ns()
                reading = await venue.read(order, 1, START_NS + 10**12)
                assert reading is not None
                is_asked = only(key_of(order.order_id)) == pool
                assert [found.address for found in reading.pools] == [pool] * is_asked
                assert virtualtime.now_ns() - began_ns == 5 * MS * is_asked

    virtualtime.run(main)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(("sell", "buy"), [("SOL", "USDC"), ("USDC", "SOL")])
def test_a_strategy_is_told_what_quotes_count(mode: Mode, sell: str, buy: str) -> None:
    """A transaction's fee under the terms is the network cost of a quote, to a unit."""
    world = world_of(CPMM)
    config = FeeConfig()
    order = replace(SELL, sell=sell, buy=buy, mode=mode, priority=Priority.URGENT)
    costs = simulated_terms(config, world)(order, 1).costs
    assert costs is not None
    assert simulated_terms(config, world)(order, 1).is_one_transaction
    lamports = costs.signature_lamports + 161_000 * costs.unit_price // 10**6
    fee = Fees(config).network_fee(Priority.URGENT, 161_000)
    (quote,) = [q for q in quotes_of(world_of(CPMM, DLMM), order, fee) if q.pool == "cpmm"]
    assert lamports == fee
    assert quote.network_cost == -(-lamports * costs.lamport_price_x64 // 2**64)


def test_terms_without_fees_weigh_nothing() -> None:
    """A pair that SOL is no part of has no price for a lamport, and needs none."""
    config = FeeConfig(
        signature_lamports=0,
        urgent_micro_lamports=0,
        normal_micro_lamports=0,
        bulk_micro_lamports=0,
    )
    assert simulated_terms(config, world_of(CPMM))(SELL, 1) == Terms(is_one_transaction=True)
