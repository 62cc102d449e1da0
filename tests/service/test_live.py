"""Check that a fate counts once it is recorded, and that two processes cannot disagree."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.errors import InvalidScenario
from orderengine.execution.ports import Landed, Lapsed, Outcome, Reverted, Signed, SwapPlan
from orderengine.market.chain.commitment import ConsensusConfig
from orderengine.market.profiles import PROFILES
from orderengine.model.order import Leg, Order, Route
from orderengine.pools.snapshot import Snapshot, encode_snapshot
from orderengine.service.live import LiveMarket
from tests.market.test_opening import cpmm

START_NS = 1_800_000_000_000_000_000
FOREVER = 2**62
ORDER = Order(order_id="o-1", sell="SOL", buy="USDC", amount=1_000_000_000)
LEG = Leg(
    pool="raydium",
    venue="raydium_cpmm",
    sell="SOL",
    buy="USDC",
    amount_in=ORDER.amount,
    amount_out=80_000_000,
)
ROUTE = Route(legs=(LEG,), amount_in=ORDER.amount, amount_out=80_000_000)
PLAN = SwapPlan(order=ORDER, route=ROUTE, attempt=1, amount_in_max=ORDER.amount, amount_out_min=1)


class Record:
    """Implement the chain's record in memory, as one table that all processes share."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    async def execution(self, signature: str) -> bytes | None:
        """Return what stands."""
        return self.bodies.get(signature)

    async def record_execution(self, signature: str, order_id: str, body: bytes) -> bytes:
        """Take the first word as the last."""
        del order_id
        return self.bodies.setdefault(signature, body)


def market_of(record: Record, profile: str = "original", fail_rate: float = 0.0) -> LiveMarket:
    """Return a world of its own over the shared record, as each process has."""
    clock = virtualtime.VirtualClock(START_NS)
    return LiveMarket.open(
        PROFILES[profile], seed=1, fail_rate=fail_rate, clock=clock, record=record
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"slot_jitter": 0.2}, "slot_jitter"),
        ({"skip_rate": 0.01}, "skip_rate"),
        ({"consensus": ConsensusConfig(profile="towerbft", fork_rate=0.1)}, "fork_rate"),
    ],
)
def test_a_world_that_the_clock_does_not_tell_is_refused(
    changes: dict[str, Any], field: str
) -> None:
    """Processes count slots and heights from the clock; what is drawn by slot they would miss."""
    config = replace(PROFILES["solana"], **changes)

    async def main() -> None:
        clock = virtualtime.VirtualClock(START_NS)
        with pytest.raises(InvalidScenario, match=field):
            LiveMarket.open(config, seed=1, fail_rate=0.0, clock=clock, record=Record())

    run(main)


def run(function: Callable[[], Awaitable[Any]]) -> Any:
    """Run in virtual time."""
    return virtualtime.run(function)


async def signed_in(market: LiveMarket) -> Signed:
    """Sign the plan."""
    signed = await market.settlement.sign(PLAN, FOREVER)
    assert signed is not None
    return signed


async def fate_in(market: LiveMarket, signed: Signed) -> Outcome:
    """Send and wait for the end."""
    await market.settlement.send(signed, FOREVER)
    outcome = await market.settlement.outcome(signed, FOREVER)
    assert outcome is not None
    return outcome


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_trades(profile: str) -> None:
    """Quotes come, transactions land, and nobody had to be funded before."""

    async def main() -> None:
        market = market_of(Record(), profile)
        async with anyio.create_task_group() as group:
            group.start_soon(market.run, virtualtime.VirtualClock(START_NS))
            answers = [
                answer
                for venue in market.venues
                for answer in await venue.quote(ORDER, 1, FOREVER) or ()
            ]
            assert len(answers) == len(PROFILES[profile].pools)
            if profile in {"original", "instant"}:
                assert isinstance(await fate_in(market, await signed_in(market)), Landed)
            group.cancel_scope.cancel()

    run(main)


def test_a_snapshots_pools_are_traded(tmp_path: Path) -> None:
    """In place of the profile's, and whichever of the two tokens they name first."""
    pools = (cpmm("plain"), cpmm("mirrored", mirrored=True))
    file = tmp_path / "pools.json"
    file.write_bytes(encode_snapshot(Snapshot(slot=1, time_s=1_783_355_400, pools=pools)))

    async def main() -> None:
        market = LiveMarket.open(
            replace(PROFILES["instant"], snapshot=str(file)),
            seed=1,
            fail_rate=0.0,
            clock=virtualtime.VirtualClock(START_NS),
            record=Record(),
        )
        (venue,) = market.venues
        answers = await venue.quote(ORDER, 1, FOREVER) or ()
        assert [answer.pool for answer in answers] == ["mirrored", "plain"]
        plan = replace(PLAN, route=replace(ROUTE, legs=(replace(LEG, pool="mirrored"),)))
        signed = await market.settlement.sign(plan, FOREVER)
        assert signed is not None
        assert isinstance(await fate_in(market, signed), Landed)
        market.world.require_conserved()

    run(main)


@pytest.mark.parametrize(
    ("profile", "least_s", "most_s"), [("instant", 0, 0), ("original", 2.2, 3.2)]
)
def test_delays_are_those_of_the_profile(profile: str, least_s: float, most_s: float) -> None:
    """None at all, or 200 ms for quotes and 2 to 3 s to execute."""

    async def main() -> None:
        market = market_of(Record(), profile)
        await market.venues[0].quote(ORDER, 1, FOREVER)
        await fate_in(market, await signed_in(market))
        assert least_s <= virtualtime.now_ns() / 1e9 <= most_s

    run(main)


def test_a_buyer_s_fate_is_kept_too() -> None:
    """Its price is longer than 64 bits."""
    order = Order(order_id="o-2", sell="USDC", buy="SOL", amount=80_000_000)
    leg = replace(LEG, sell="USDC", buy="SOL", amount_in=order.amount, amount_out=10**9)
    route = Route(legs=(leg,), amount_in=order.amount, amount_out=10**9)
    plan = replace(PLAN, order=order, route=route, amount_in_max=order.amount)

    async def main() -> None:
        record = Record()
        market = market_of(record)
        signed = await market.settlement.sign(plan, FOREVER)
        assert signed is not None
        outcome = await fate_in(market, signed)
        assert isinstance(outcome, Landed)
        assert outcome.reference_price_x64 > 2**64
        assert await fate_in(market_of(record), signed) == outcome

    run(main)


def test_a_second_process_is_told_the_fate_that_was() -> None:
    """It neither waits nor executes again, and its own world is not touched."""

    async def main() -> None:
        record = Record()
        first = market_of(record)
        signed = await signed_in(first)
        outcome = await fate_in(first, signed)
        second = market_of(record)
        at_ns, pools = virtualtime.now_ns(), dict(second.world.pools)
        assert await fate_in(second, signed) == outcome
        assert virtualtime.now_ns() == at_ns
        assert second.world.executions == {}
        assert second.world.pools == pools

    run(main)


def test_what_was_sent_before_a_crash_lands_after_it() -> None:
    """Nothing was recorded, so nothing had happened: the same bytes are sent again."""

    async def main() -> None:
        record = Record()
        first = market_of(record)
        signed = await signed_in(first)
        await first.settlement.send(signed, FOREVER)
        second = market_of(record)
        assert isinstance(await fate_in(second, signed), Landed)
        assert list(record.bodies) == [signed.signature]

    run(main)


def test_a_stopped_process_cannot_land_what_was_given_up() -> None:
    """The lapse that another process recorded is the last word, whatever its own world did."""

    async def main() -> None:
        record = Record()
        stopped, other = market_of(record), market_of(record)
        signed = await signed_in(stopped)
        await stopped.settlement.send(signed, FOREVER)
        lapsed = await other.settlement.outcome(signed, FOREVER)  # it was never sent there
        assert isinstance(lapsed, Lapsed)
        assert await stopped.settlement.outcome(signed, FOREVER) == lapsed
        assert len(record.bodies) == 1

    run(main)


def test_heights_only_rise_from_process_to_process() -> None:
    """A world opens at the slot that the clock says, so a limit passed stays passed."""

    async def main() -> None:
        first = market_of(Record())
        first.world.advance(START_NS + 10**9)
        await anyio.sleep(1)
        second = market_of(Record())
        assert second.world.height == first.world.height == second.world.slot

    run(main)


def test_told_to_fail_it_fails() -> None:
    """All of them; the fee is paid all the same."""

    async def main() -> None:
        market = market_of(Record(), "instant", fail_rate=1.0)
        outcome = await fate_in(market, await signed_in(market))
        assert isinstance(outcome, Reverted)
        assert (outcome.code, outcome.network_fee) == ("SIMULATED_FAILURE", 5_000)

    run(main)


def test_what_can_land_no_more_is_forgotten() -> None:
    """Memory stays bounded; the record keeps it."""

    async def main() -> None:
        record = Record()
        market = market_of(record, "instant")
        signed = await signed_in(market)
        outcome = await fate_in(market, signed)
        async with anyio.create_task_group() as group:
            group.start_soon(market.run, virtualtime.VirtualClock(START_NS))
            await anyio.sleep(30)
            assert list(market.world.executions) == [signed.signature]
            await anyio.sleep(120)
            assert market.world.executions == {}
            group.cancel_scope.cancel()
        assert await fate_in(market, signed) == outcome

    run(main)


def test_bytes_that_came_back_from_the_store_are_looked_up() -> None:
    """Another process took the order over, sent them and died: this one had signed them."""

    async def main() -> None:
        record = Record()
        here, there = market_of(record), market_of(record)
        signed = await signed_in(here)
        fate = await fate_in(there, signed)
        swaps = len(here.world.executions)
        stored = replace(signed)
        await here.settlement.send(stored, FOREVER)
        began_ns = virtualtime.now_ns()
        assert await here.settlement.outcome(stored, FOREVER) == fate
        assert virtualtime.now_ns() == began_ns, "it was known"
        assert len(here.world.executions) == swaps, "it was executed again"

    run(main)
