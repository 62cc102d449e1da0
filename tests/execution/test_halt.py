"""Check what a pause holds up, and what goes on all the same, in virtual time."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.execution.executor import Executor
from orderengine.execution.halt import TradingHalt
from orderengine.execution.punctual import PunctualSettlement, PunctualVenue
from orderengine.execution.reconciler import Reconciler
from orderengine.model.events import Claimed, Requoting, Routed, Status, Submitted
from orderengine.model.order import Leg, Route
from tests.execution.fakes import (
    LEASE_NS,
    MS,
    ORDER,
    ROUTE_BEST,
    SECOND,
    START_NS,
    Cluster,
    Desk,
    Prices,
    Script,
    ScriptedVenue,
    quote,
)


def paused_desk(*venues: ScriptedVenue, **options: Any) -> tuple[Desk, TradingHalt]:
    """Return a desk whose workers and executor look at a halt; nothing is paused yet."""
    desk, halt = Desk(*venues, **options), TradingHalt()
    desk.executor = Executor(
        clock=desk.clock,
        venues=[PunctualVenue(venue, desk.clock) for venue in desk.venues],
        settlement=PunctualSettlement(desk.cluster, desk.clock),
        prices=Prices(),
        store=desk.store,
        journal=desk.journal,
        policy=ROUTE_BEST,
        halt=halt,
    )
    desk.workers = desk.hire("worker", halt=halt, renew_s=1.0)
    return desk, halt


async def _run(desk: Desk, group: anyio.abc.TaskGroup) -> None:
    group.start_soon(desk.workers.run)
    group.start_soon(desk.deadlines.run)
    group.start_soon(Reconciler(desk.store, desk.queue).run)


def test_nothing_is_claimed_while_work_is_paused() -> None:
    """Orders that come meanwhile wait, and end once it goes on."""
    desk, halt = paused_desk(count=2)

    async def main() -> None:
        halt.set(is_paused=True)
        async with anyio.create_task_group() as group:
            await _run(desk, group)
            for number in range(5):
                await desk.engine.submit(replace(ORDER, order_id=f"o-{number}"))
            await anyio.sleep(20)
            assert {desk.state(f"o-{n}").status for n in range(5)} == {Status.PENDING}
            assert (desk.workers.claimed, desk.workers.at_hand) == (0, 0)
            assert halt.set(is_paused=False)
            await anyio.sleep(10)
            group.cancel_scope.cancel()

    virtualtime.run(main)
    assert all(isinstance(log[1], Claimed) for log in desk.store.logs)
    assert desk.workers.ended == 5
    desk.require_sound()


@pytest.mark.parametrize("paused_ms", [50, 150, 199, 201, 250, 299])
def test_no_attempt_begins_while_work_is_paused(paused_ms: int) -> None:
    """Whatever the order at hand is about to do; its lease stays with it."""
    desk, halt = paused_desk(
        ScriptedVenue("raydium", latency_ns=200 * MS), cluster=Cluster(sign_ns=100 * MS)
    )

    async def main() -> int:
        async with anyio.create_task_group() as group:
            await _run(desk, group)
            await desk.engine.submit(ORDER)
            await anyio.sleep(paused_ms / 1e3)
            halt.set(is_paused=True)
            asked, signed = len(desk.venues[0].asked), len(desk.cluster.signed)  # type: ignore[attr-defined]
            is_signing = paused_ms > 200
            await anyio.sleep(3 * LEASE_NS / 1e9)
            assert len(desk.venues[0].asked) == asked  # type: ignore[attr-defined]
            assert len(desk.cluster.signed) == signed + is_signing
            assert await desk.store.claim(ORDER.order_id, "other") is None or is_signing
            halt.set(is_paused=False)
            await anyio.sleep(20)
            group.cancel_scope.cancel()
        return sum(isinstance(event, Claimed) for event in desk.observed)

    assert virtualtime.run(main) == 1
    assert desk.state().status is Status.CONFIRMED
    desk.require_sound()


def test_what_is_out_is_settled_during_a_pause() -> None:
    """Its fate is proven and written; if it fails, the next attempt waits."""
    script = Script(after_ns=SECOND)
    desk, halt = paused_desk(cluster=Cluster(script))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            await _run(desk, group)
            await desk.engine.submit(ORDER)
            await anyio.sleep(0.5)
            assert isinstance(desk.log()[-1], Submitted)
            halt.set(is_paused=True)
            await anyio.sleep(5)
            assert desk.state().status is Status.CONFIRMED
            group.cancel_scope.cancel()

    virtualtime.run(main)
    desk.require_sound()


@pytest.mark.parametrize("at_hand", [False, True])
def test_cancellations_and_deadlines_hold_during_a_pause(at_hand: bool) -> None:
    """For orders that wait in a lane and for those that a worker holds."""
    desk, halt = paused_desk(ScriptedVenue("raydium", latency_ns=SECOND), count=4)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            if not at_hand:
                halt.set(is_paused=True)
            await _run(desk, group)
            due = START_NS + 3 * SECOND
            await desk.engine.submit(replace(ORDER, order_id="dated", deadline_ns=due))
            await desk.engine.submit(replace(ORDER, order_id="unwanted"))
            await anyio.sleep(0.5)
            halt.set(is_paused=True)
            await anyio.sleep(1)
            assert (await desk.engine.cancel("unwanted")).status is Status.CANCELLED
            await anyio.sleep(5)
            last = desk.log("dated")[-1]
            assert (last.status, last.at_ns) == (Status.EXPIRED, due)
            halt.set(is_paused=False)
            await anyio.sleep(5)
            assert desk.workers.at_hand == 0
            group.cancel_scope.cancel()

    virtualtime.run(main)
    assert desk.cluster.signed == []
    desk.require_sound()


def test_a_drain_does_not_wait_for_the_end_of_a_pause() -> None:
    """Workers that hold nothing leave at once."""
    desk, halt = paused_desk(count=3)

    async def main() -> float:
        halt.set(is_paused=True)
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            for number in range(2):
                await desk.engine.submit(replace(ORDER, order_id=f"o-{number}"))
            await anyio.sleep(1)
            began = anyio.current_time()
            await desk.workers.drain(grace_s=60)
        return anyio.current_time() - began

    assert virtualtime.run(main) == 0
    assert desk.workers.claimed == 0


def test_told_to_stop_no_order_is_claimed_any_more() -> None:
    """Those at hand go on to their end."""
    desk, _ = paused_desk(ScriptedVenue("raydium", latency_ns=SECOND), count=1)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await desk.engine.submit(replace(ORDER, order_id="first"))
            await anyio.sleep(0.5)
            desk.workers.stop_claiming()
            await desk.engine.submit(replace(ORDER, order_id="second"))
            await anyio.sleep(30)
            group.cancel_scope.cancel()

    virtualtime.run(main)
    assert desk.state("first").status is Status.CONFIRMED
    assert desk.tags("second") == ["accepted"]


def test_a_paused_venue_is_not_asked_and_says_why() -> None:
    """The order is filled elsewhere, and its log tells of the pause."""
    good, better = ScriptedVenue("orca", (quote("orca"),)), ScriptedVenue("raydium")
    desk, halt = paused_desk(good, better)

    async def main() -> None:
        halt.set(is_paused=False, venues=["raydium"])
        await desk.engine.submit(ORDER)
        with anyio.move_on_after(10):
            await desk.workers.run()

    virtualtime.run(main)
    assert better.asked == []
    (routed,) = [event for event in desk.log() if isinstance(event, Routed)]
    assert [(said.venue, said.code) for said in routed.declined] == [("raydium", "PAUSED")]
    assert desk.state().status is Status.CONFIRMED


def test_with_every_venue_paused_orders_wait() -> None:
    """Nobody could be asked, so no attempt is spent; with one venue back they go on."""
    desk, halt = paused_desk(ScriptedVenue("raydium"), ScriptedVenue("orca"))

    async def main() -> None:
        halt.set(is_paused=False, venues=["raydium", "orca"])
        async with anyio.create_task_group() as group:
            await _run(desk, group)
            await desk.engine.submit(ORDER)
            await anyio.sleep(60)
            state = desk.state(ORDER.order_id)
            assert (state.status, state.attempts) == (Status.ROUTING, 0)
            halt.set(is_paused=False, venues=["raydium"])
            await anyio.sleep(20)
            group.cancel_scope.cancel()

    virtualtime.run(main)
    assert desk.state(ORDER.order_id).status is Status.CONFIRMED


def test_a_route_over_a_venue_that_is_paused_meanwhile_is_not_signed() -> None:
    """It is made anew without it."""
    desk, halt = paused_desk(
        ScriptedVenue("orca", (quote("orca", 100_000_000),)),
        ScriptedVenue("raydium", (quote("raydium", 150_000_000),)),
    )

    async def main() -> None:
        async with anyio.create_task_group() as group:
            await desk.engine.submit(ORDER)
            halt.set(is_paused=False)
            lease = await desk.store.claim(ORDER.order_id, "first")
            assert lease is not None
            state = await desk.journal.record(
                desk.state(),
                Claimed(order_id=ORDER.order_id, seq=2, at_ns=START_NS, worker="first"),
                fence=lease.fence,
            )
            leg = Leg(pool="p", venue="raydium", sell="SOL", buy="USDC", amount_in=1, amount_out=1)
            routed = Routed(
                order_id=ORDER.order_id,
                seq=3,
                at_ns=START_NS,
                attempt=1,
                route=Route(legs=(leg,), amount_in=1, amount_out=1),
                quotes=(),
                declined=(),
                reference_price_x64=1,
            )
            await desk.journal.record(state, routed, fence=lease.fence)
            halt.set(is_paused=False, venues=["raydium"])
            await desk.store.release(ORDER.order_id, lease.fence)
            group.start_soon(desk.workers.run)
            await anyio.sleep(10)
            group.cancel_scope.cancel()

    virtualtime.run(main)
    assert [type(event) for event in desk.log()[3:]][:2] == [Requoting, Routed]
    last_route = [event for event in desk.log() if isinstance(event, Routed)][-1].route
    assert [leg.venue for leg in last_route.legs] == ["orca"]
    assert desk.state().status is Status.CONFIRMED


def test_a_change_wakes_and_no_change_does_not() -> None:
    """Whoever waits hears of the next change only."""
    halt = TradingHalt()

    async def main() -> float:
        async with anyio.create_task_group() as group:

            async def act() -> None:
                await anyio.sleep(1)
                assert not halt.set(is_paused=False)
                await anyio.sleep(1)
                assert halt.set(is_paused=False, venues=["orca"])

            group.start_soon(act)
            await halt.wait()
        return anyio.current_time()

    assert virtualtime.run(main) == 2
    assert halt.paused_venues == {"orca"}
