"""Check the workers: one execution an order, no more at once than allowed, and a clean way out."""

from __future__ import annotations

from collections.abc import Mapping

import anyio
import pytest
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.errors import LeaseLost, Unavailable
from orderengine.execution.ports import Lease
from orderengine.execution.reconciler import Reconciler
from orderengine.execution.workers import Workers
from orderengine.model.events import Claimed, Failed, Status
from orderengine.model.order import Order, Priority
from tests.execution.fakes import (
    LEASE_NS,
    MS,
    ORDER,
    PRICE_X64,
    SECOND,
    Cluster,
    Desk,
    Script,
    ScriptedVenue,
    quote,
    soon,
)

NORMAL = Priority.NORMAL


def orders(number: int) -> list[Order]:
    """Return orders that differ by their id."""
    return [replace(ORDER, order_id=f"o-{index}") for index in range(number)]


async def _submit_all(desk: Desk, number: int) -> None:
    for order in orders(number):
        await desk.engine.submit(order)


def test_every_order_that_was_submitted_ends() -> None:
    """A few workers carry many orders, one after the other."""
    desk = Desk(count=3)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await _submit_all(desk, 20)
            await anyio.sleep(10)
            await desk.workers.drain(grace_s=0)

    virtualtime.run(main)
    assert len(desk.store.logs) == 20
    desk.require_sound()


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_orders_are_at_hand_than_workers(workers: int) -> None:
    """Each order takes a second and a half; n workers take n at once."""
    desk = Desk(
        ScriptedVenue("raydium", latency_ns=SECOND),
        cluster=Cluster(Script(after_ns=500 * MS)),
        count=workers,
    )

    async def main() -> list[int]:
        at_hand = []
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await _submit_all(desk, 6)
            for _ in range(30):
                await anyio.sleep(0.4)
                states = [desk.state(log[0].order_id) for log in desk.store.logs]
                at_hand.append(
                    sum(
                        not state.is_terminal and state.status is not Status.PENDING
                        for state in states
                    )
                )
            await desk.workers.drain(grace_s=0)
        return at_hand

    at_hand = virtualtime.run(main)
    assert max(at_hand) == workers
    assert at_hand[-1] == 0
    desk.require_sound()


def test_urgent_orders_go_first() -> None:
    """With one worker, the lane decides."""
    desk = Desk(count=1)

    async def main() -> None:
        for order in orders(3):
            await desk.engine.submit(replace(order, priority=Priority.BULK))
        await desk.engine.submit(replace(ORDER, order_id="o-now", priority=Priority.URGENT))
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await anyio.sleep(10)
            await desk.workers.drain(grace_s=0)

    virtualtime.run(main)
    claims = [event.order_id for event in desk.observed if isinstance(event, Claimed)]
    assert claims == ["o-now", "o-0", "o-1", "o-2"]


def test_a_duplicate_wake_up_executes_once() -> None:
    """Before, while and after the order is executed, by one worker or several."""
    venue = ScriptedVenue("raydium", latency_ns=100 * MS)
    desk = Desk(venue, count=4)

    async def main() -> None:
        await desk.engine.submit(ORDER)
        await desk.queue.put(NORMAL, ORDER.order_id)
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            for _ in range(20):
                await anyio.sleep(0.05)
                await desk.queue.put(NORMAL, ORDER.order_id)
            await anyio.sleep(5)
            await desk.workers.drain(grace_s=0)

    virtualtime.run(main)
    assert desk.tags() == ["accepted", "claimed", "routed", "submitted", "confirmed"]
    assert venue.asked == [1]
    assert len(desk.cluster.sent) == 1


def test_a_wake_up_of_an_unknown_order_is_dropped() -> None:
    """One that comes after the order was pruned stops nobody."""
    desk = Desk(count=1)

    async def main() -> None:
        await desk.queue.put(NORMAL, "o-gone")
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await desk.engine.submit(ORDER)
            await anyio.sleep(5)
            await desk.workers.drain(grace_s=0)

    virtualtime.run(main)
    desk.require_sound()


def test_workers_sign_with_their_names() -> None:
    """The log tells who took an order up."""
    desk = Desk(ScriptedVenue("raydium", latency_ns=SECOND), count=2)
    team = desk.hire("east")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(team.run)
            await _submit_all(desk, 2)
            await anyio.sleep(5)
            await team.drain(grace_s=0)

    virtualtime.run(main)
    names = [event.worker for event in desk.observed if isinstance(event, Claimed)]
    assert sorted(names) == ["east-0", "east-1"]


def test_a_lost_lease_stops_nobody() -> None:
    """The worker that was overtaken goes on with the next order."""
    desk = Desk(cluster=Cluster(sign_ns=10 * SECOND), count=1)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await desk.engine.submit(ORDER)
            await anyio.sleep(5)
            lease = await desk.store.claim(ORDER.order_id, "other")
            assert lease is not None
            await desk.engine.submit(replace(ORDER, order_id="o-2"))
            await anyio.sleep(7)  # the first worker has lost the order by now
            assert desk.state().status is Status.BUILDING
            desk.cluster._sign_ns = 0
            await desk.executor.execute(ORDER.order_id, "other", lease.fence)
            await anyio.sleep(20)
            await desk.workers.drain(grace_s=0)

    virtualtime.run(main)
    assert {log[-1].status for log in desk.store.logs} == {Status.CONFIRMED}
    desk.require_sound()


def test_a_bug_stops_the_workers_and_frees_the_order() -> None:
    """Our own mistake is heard at once; the order is not held until its lease runs out."""
    desk = Desk(ScriptedVenue("broken", ZeroDivisionError()), lease_ns=None)

    async def main() -> None:
        await desk.engine.submit(ORDER)
        with pytest.raises(ExceptionGroup) as stopped:
            await desk.workers.run()
        assert stopped.group_contains(ZeroDivisionError)
        assert await desk.store.claim(ORDER.order_id, "next") is not None

    virtualtime.run(main)


async def _slow_team(desk: Desk, group: anyio.abc.TaskGroup) -> Workers:
    """Start workers on two of four orders that take a second each."""
    group.start_soon(desk.workers.run)
    await _submit_all(desk, 4)
    await soon()
    await anyio.sleep(0.1)
    return desk.workers


def _slow_desk() -> Desk:
    return Desk(ScriptedVenue("raydium", latency_ns=SECOND), count=2, lease_ns=None)


def test_drain_lets_orders_at_hand_end() -> None:
    """Within the grace they end; those not taken stay open, for another to find."""
    desk = _slow_desk()

    async def main() -> int:
        async with anyio.create_task_group() as group:
            workers = await _slow_team(desk, group)
            await workers.drain(grace_s=30)
        return virtualtime.now_ns()

    ended_at_ns = virtualtime.run(main)
    assert [log[-1].status for log in desk.store.logs] == [
        Status.CONFIRMED,
        Status.CONFIRMED,
        Status.PENDING,
        Status.PENDING,
    ]
    assert ended_at_ns == 1_400 * MS
    desk.require_sound(is_over=False)


def test_drain_hands_back_what_does_not_end_in_time() -> None:
    """After the grace the lease is released at once, and the next worker goes on from the log."""
    desk = _slow_desk()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            workers = await _slow_team(desk, group)
            await workers.drain(grace_s=0.3)
        assert virtualtime.now_ns() == 400 * MS
        statuses = [log[-1].status for log in desk.store.logs]
        assert statuses == [Status.ROUTING, Status.ROUTING, Status.PENDING, Status.PENDING]
        for order in orders(4):
            lease = await desk.store.claim(order.order_id, "next")
            assert lease is not None
            await desk.executor.execute(order.order_id, "next", lease.fence)

    virtualtime.run(main)
    assert desk.tags("o-0")[:3] == ["accepted", "claimed", "routed"]
    desk.require_sound()


def test_drain_hands_back_a_live_signature() -> None:
    """Work that is submitted is settled by the next worker: never a second signature."""
    desk = Desk(cluster=Cluster(Script(after_ns=5 * SECOND)), lease_ns=None)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await desk.engine.submit(ORDER)
            await anyio.sleep(1)
            await desk.workers.drain(grace_s=1)
        assert desk.state().status is Status.SUBMITTED
        await desk.execute(worker="next")

    virtualtime.run(main)
    assert len(desk.cluster.signed) == 1
    desk.require_sound()


def test_idle_workers_drain_at_once() -> None:
    """Nothing at hand, nothing to wait for."""
    desk = Desk()

    async def main() -> int:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await soon()
            await desk.workers.drain(grace_s=100)
        return virtualtime.now_ns()

    assert virtualtime.run(main) == 0


def test_workers_that_never_ran_drain_at_once() -> None:
    """And when they run after all they take nothing."""
    desk = Desk()

    async def main() -> None:
        await desk.engine.submit(ORDER)
        await desk.workers.drain(grace_s=100)
        await desk.workers.run()

    virtualtime.run(main)
    assert desk.tags() == ["accepted"]


def test_draining_twice_is_draining_once() -> None:
    """A second signal changes nothing."""
    desk = _slow_desk()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            workers = await _slow_team(desk, group)
            group.start_soon(workers.drain, 10)
            await soon()
            await workers.drain(grace_s=10)
            await workers.drain(grace_s=10)

    virtualtime.run(main)
    assert [log[-1].status.is_terminal for log in desk.store.logs] == [True, True, False, False]


def test_cancelled_workers_free_their_orders() -> None:
    """However they are stopped, no lease stays behind."""
    desk = _slow_desk()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            await _slow_team(desk, group)
            group.cancel_scope.cancel()
        for order in orders(4):
            assert await desk.store.claim(order.order_id, "next") is not None

    virtualtime.run(main)


def test_an_order_that_another_engine_accepted_is_executed() -> None:
    """The log and a wake-up are enough."""
    desk = Desk()

    async def main() -> None:
        await desk.journal.open(ORDER, PRICE_X64)
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await desk.queue.put(NORMAL, ORDER.order_id)
            await anyio.sleep(5)
            await desk.workers.drain(grace_s=0)

    virtualtime.run(main)
    desk.require_sound()


async def _employ(desk: Desk, team: Workers, for_s: float) -> None:
    """Let a team and a reconciler run for a while."""
    async with anyio.create_task_group() as group:
        group.start_soon(team.run)
        group.start_soon(Reconciler(desk.store, desk.queue).run)
        await anyio.sleep(for_s)
        await team.drain(grace_s=0)
        group.cancel_scope.cancel()


def _claims(desk: Desk) -> int:
    """Return how often the order was claimed."""
    return desk.store._entry(ORDER.order_id).fence


def _watch_renewals(desk: Desk, fails: int = 0) -> list[dict[str, int]]:
    """Return the list that every renewal is noted in; the first ones find no store."""
    renewals: list[dict[str, int]] = []
    renew = desk.store.renew

    async def watched(fences: Mapping[str, int]) -> None:
        renewals.append(dict(fences))
        if len(renewals) <= fails:
            raise Unavailable("the database is away")
        await renew(fences)

    desk.store.renew = watched  # type: ignore[method-assign]
    return renewals


def test_leases_of_orders_at_hand_are_renewed_all_at_once() -> None:
    """Orders that outlast their leases many times are claimed once, and renewed together."""
    desk = Desk(cluster=Cluster(Script(after_ns=10 * SECOND)), count=3)
    renewals = _watch_renewals(desk)

    async def main() -> None:
        await _submit_all(desk, 3)
        await _employ(desk, desk.hire("w", renew_s=1.0), 15)

    virtualtime.run(main)
    assert renewals == [{"o-0": 1, "o-1": 1, "o-2": 1}] * 9
    assert sum(isinstance(event, Claimed) for event in desk.observed) == 3
    desk.require_sound()


def test_a_lease_that_is_not_renewed_is_lost() -> None:
    """What the renewal is good for: without it another worker takes the order over."""
    desk = Desk(cluster=Cluster(Script(after_ns=10 * SECOND)))

    async def main() -> Lease | None:
        await desk.engine.submit(ORDER)
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await anyio.sleep(5)
            lease = await desk.store.claim(ORDER.order_id, "other")
            group.cancel_scope.cancel()
        return lease

    assert virtualtime.run(main) == Lease(fence=2, takeovers=1)


def test_a_renewal_that_fails_is_left_to_the_next() -> None:
    """A store that is away for less than a lease costs nothing."""
    desk = Desk(cluster=Cluster(Script(after_ns=10 * SECOND)))
    renewals = _watch_renewals(desk, fails=2)

    async def main() -> None:
        await desk.engine.submit(ORDER)
        await _employ(desk, desk.hire("w", renew_s=0.9), 15)

    virtualtime.run(main)
    assert len(renewals) > 10
    assert {event.order_id for event in desk.observed if isinstance(event, Claimed)} == {"o-1"}
    assert _claims(desk) == 1
    desk.require_sound()


def test_a_duplicate_wake_up_does_not_end_the_renewal() -> None:
    """A second worker that finds the order leased leaves the first one's lease alone."""
    desk = Desk(cluster=Cluster(Script(after_ns=10 * SECOND)))

    async def main() -> None:
        await desk.engine.submit(ORDER)
        async with anyio.create_task_group() as group:
            group.start_soon(_employ, desk, desk.hire("w", renew_s=1.0), 15)
            await anyio.sleep(0.5)
            await desk.queue.put(NORMAL, ORDER.order_id)

    virtualtime.run(main)
    assert _claims(desk) == 1
    desk.require_sound()


def test_what_was_handed_back_is_not_renewed() -> None:
    """After a drain the orders are free at once and stay so."""
    desk = Desk(ScriptedVenue("raydium", latency_ns=SECOND), count=2)
    renewals = _watch_renewals(desk)

    async def main() -> None:
        await _submit_all(desk, 2)
        await _employ(desk, desk.hire("w", renew_s=0.4), 0.5)
        assert virtualtime.now_ns() == 500 * MS  # nothing keeps a drain waiting
        assert len(await desk.store.claimable(10)) == 2

    virtualtime.run(main)
    assert len(renewals) == 1


def test_an_error_that_is_reported_stops_nobody() -> None:
    """The order is free again, and the worker takes the next."""
    desk = Desk(ScriptedVenue("shaky", ZeroDivisionError(), (quote("shaky"),)), count=1)
    errors: list[tuple[str, Exception]] = []

    async def main() -> None:
        await _submit_all(desk, 2)
        team = desk.hire("w", on_error=lambda *error: errors.append(error))
        await _employ(desk, team, 10)

    virtualtime.run(main)
    assert [(order_id, type(error)) for order_id, error in errors] == [("o-0", ZeroDivisionError)]
    assert {log[-1].status for log in desk.store.logs} == {Status.CONFIRMED}
    desk.require_sound()


def test_an_order_that_crashes_every_worker_is_given_up() -> None:
    """After so many leases that ran out it ends with a reason; the others go on."""
    desk = Desk(ScriptedVenue("broken", *[ZeroDivisionError()] * 4, (quote("broken"),)), count=1)
    errors: list[str] = []

    async def main() -> None:
        await desk.engine.submit(ORDER)
        team = desk.hire("w", on_error=lambda order_id, _: errors.append(order_id), takeovers_max=3)
        async with anyio.create_task_group() as group:
            group.start_soon(_employ, desk, team, 20)
            await anyio.sleep(10)
            await desk.engine.submit(replace(ORDER, order_id="o-2"))

    virtualtime.run(main)
    assert errors == ["o-1"] * 4
    end = desk.log()[-1]
    assert isinstance(end, Failed)
    assert (end.code, desk.state("o-2").status) == ("GIVEN_UP", Status.CONFIRMED)
    desk.require_sound()


def test_an_order_that_kills_its_process_before_any_event_is_given_up() -> None:
    """Nobody is left to write more than the claim: the store counts the leases that ran out."""
    desk = Desk()

    async def main() -> None:
        await desk.journal.open(ORDER, PRICE_X64)
        for number in range(3):
            assert await desk.store.claim(ORDER.order_id, "dead") == Lease(number + 1, number)
            await anyio.sleep(LEASE_NS / 1e9)
        await _employ(desk, desk.hire("w", takeovers_max=2), 5)

    virtualtime.run(main)
    assert desk.tags() == ["accepted", "failed"]
    desk.require_sound()


def test_an_order_whose_transaction_is_out_is_not_given_up() -> None:
    """However often it was claimed, what has been sent is settled."""
    desk = Desk(cluster=Cluster(Script(after_ns=5 * SECOND)))

    async def main() -> None:
        with anyio.move_on_after(1):
            await desk.execute(worker="dead")
        assert desk.state().status is Status.SUBMITTED
        await _employ(desk, desk.hire("w", takeovers_max=0, renew_s=1.0), 15)

    virtualtime.run(main)
    assert _claims(desk) == 2
    assert desk.state().status is Status.CONFIRMED
    desk.require_sound()


def test_giving_up_needs_the_lease() -> None:
    """A worker that was overtaken must not end what another carries."""
    desk = Desk()

    async def main() -> None:
        await desk.journal.open(ORDER, PRICE_X64)
        stale = await desk.store.claim(ORDER.order_id, "slow")
        await anyio.sleep(LEASE_NS / 1e9)
        await desk.store.claim(ORDER.order_id, "next")
        assert stale is not None
        with pytest.raises(LeaseLost):
            await desk.executor.give_up(ORDER.order_id, stale.fence)

    virtualtime.run(main)
    assert desk.tags() == ["accepted"]


def test_giving_up_yields_to_a_cancellation() -> None:
    """Whoever writes first wins, and an end is an end."""
    desk = Desk()

    async def main() -> None:
        await desk.journal.open(ORDER, PRICE_X64)
        lease = await desk.store.claim(ORDER.order_id, "w")
        assert lease is not None
        first_read = desk.store.events

        async def overtaken(order_id: str, from_seq: int = 1) -> object:
            events = await first_read(order_id, from_seq)
            desk.store.events = first_read  # type: ignore[method-assign]
            await desk.engine.cancel(order_id)
            return events

        desk.store.events = overtaken  # type: ignore[method-assign,assignment]
        state = await desk.executor.give_up(ORDER.order_id, lease.fence)
        assert state.status is Status.CANCELLED

    virtualtime.run(main)
    assert desk.tags() == ["accepted", "cancelled"]
