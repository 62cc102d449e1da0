"""Deadlines hold for orders that other processes accepted, found in the store they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import anyio
import pytest
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.errors import InvalidData, InvariantViolated, Unavailable
from orderengine.execution.deadlines import Deadlines
from orderengine.execution.memory_store import MemoryEventStore
from orderengine.execution.ports import History
from orderengine.model.events import (
    AttemptFailed,
    CancelRequested,
    Claimed,
    Event,
    Routed,
    Status,
    Submitted,
)
from orderengine.model.lifecycle import apply, fold
from orderengine.model.order import route_of
from tests.execution.fakes import (
    MS,
    ORDER,
    PRICE_X64,
    SECOND,
    START_NS,
    Cluster,
    Desk,
    Fate,
    Prices,
    Script,
    next_event,
    quote,
)

ROUTE = route_of(ORDER, quote("raydium"))
PRICED = {"reference_price_x64": PRICE_X64}
SUBMITTED = {
    "attempt": 1,
    "signature": "sig-0",
    "last_valid_height": 100,
    "amount_in_max": ORDER.amount,
    "amount_out_min": 1,
    "network_fee": 5_000,
}


class _Deadlines:
    """Be the part of a history that is asked for deadlines, over a desk's store."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.failures = 0
        self.looks = 0

    async def due(self, before_ns: int, limit: int) -> Sequence[tuple[int, str]]:
        """Return deadlines before an instant, the first first."""
        self.looks += 1
        if self.failures:
            self.failures -= 1
            raise Unavailable("the database is away")
        found = [
            (log[0].order.deadline_ns, log[0].order_id)  # type: ignore[attr-defined]
            for log in self._desk.store.logs
            if not log[-1].status.is_terminal and log[0].order.deadline_ns is not None  # type: ignore[attr-defined]
        ]
        return sorted(pair for pair in found if pair[0] < before_ns)[:limit]


def shared(desk: Desk, **options: Any) -> tuple[Deadlines, _Deadlines]:
    """Return the watch of another process than the one that accepted the orders."""
    history = _Deadlines(desk)
    watch = Deadlines(
        journal=desk.journal,
        clock=desk.clock,
        prices=Prices(),
        history=cast("History", history),
        **options,
    )
    return watch, history


async def accept(desk: Desk, order_id: str, after_ms: int) -> None:
    """Accept an order as a process does that dies at once."""
    due = START_NS + after_ms * MS
    await desk.journal.open(replace(ORDER, order_id=order_id, deadline_ns=due), PRICE_X64)


async def _watch(watch: Deadlines, for_s: float) -> None:
    with anyio.move_on_after(for_s):
        await watch.run()


def test_orders_of_a_process_that_is_gone_expire_on_time() -> None:
    """Near and far deadlines, and one that passed while nobody was there."""
    desk = Desk()
    after_ms = {"past": -500, "now": 0, "soon": 700, "next": 2_100, "far": 60_000}
    watch, _ = shared(desk)

    async def main() -> None:
        for order_id, after in after_ms.items():
            await accept(desk, order_id, after)
        await _watch(watch, 90)

    virtualtime.run(main)
    for order_id, after in after_ms.items():
        last = desk.log(order_id)[-1]
        assert last.status is Status.EXPIRED
        late_ns = last.at_ns - START_NS - max(after, 0) * MS
        assert 0 <= late_ns <= 50 * MS, order_id


def test_an_order_that_this_process_accepts_expires_at_its_deadline() -> None:
    """Not a moment later: whoever accepted it comes first."""
    desk = Desk()
    watch, _ = shared(desk)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(watch.run)
            await anyio.sleep(0.3)
            order = replace(ORDER, deadline_ns=START_NS + 1_100 * MS)
            await desk.journal.open(order, PRICE_X64)
            watch.watch(order)
            await anyio.sleep(5)
            group.cancel_scope.cancel()

    virtualtime.run(main)
    assert desk.log()[-1].at_ns == START_NS + 1_100 * MS


def test_far_deadlines_cost_no_memory() -> None:
    """They are left to a look that comes later."""
    desk = Desk()
    watch, _ = shared(desk)

    async def main() -> None:
        for number in range(100):
            watch.watch(replace(ORDER, order_id=f"o-{number}", deadline_ns=START_NS + 60 * SECOND))

    virtualtime.run(main)
    assert watch._heap == []


def test_many_processes_end_an_order_once() -> None:
    """All of them look; one of them writes."""
    desk = Desk()
    watches = [shared(desk)[0] for _ in range(4)]

    async def main() -> None:
        for number in range(20):
            await accept(desk, f"o-{number}", 1_000)
        async with anyio.create_task_group() as group:
            for watch in watches:
                group.start_soon(watch.run)
            await anyio.sleep(10)
            group.cancel_scope.cancel()

    virtualtime.run(main)
    assert all(len(log) == 2 for log in desk.store.logs)


def test_a_database_that_is_away_delays_the_look_only() -> None:
    """The next one finds what is due."""
    desk = Desk()
    watch, history = shared(desk)
    history.failures = 3

    async def main() -> None:
        await accept(desk, "o", 500)
        await _watch(watch, 10)

    virtualtime.run(main)
    assert desk.log("o")[-1].at_ns == START_NS + 3 * SECOND


def test_a_live_signature_is_left_alone_and_not_asked_for_each_second() -> None:
    """It stays due for as long as it is out; that must not cost a look into its log each time."""
    desk = Desk(cluster=Cluster(Script(after_ns=30 * SECOND)))
    watch, history = shared(desk)
    reads = 0

    async def main() -> None:
        nonlocal reads
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await desk.engine.submit(replace(ORDER, deadline_ns=START_NS + SECOND))
            await anyio.sleep(0.5)

            async def count() -> None:
                nonlocal reads
                reads += 1

            desk.store.point = count
            group.start_soon(watch.run)
            await anyio.sleep(20)
            desk.store.point = _nothing
            group.cancel_scope.cancel()

    virtualtime.run(main)
    assert history.looks >= 20
    assert 1 <= reads <= 5
    assert desk.state().status is Status.SUBMITTED


def test_a_deadline_does_not_overtake_a_cancellation_that_was_noted() -> None:
    """The user asked first: with the transaction proven dead, the order ends as cancelled."""
    desk = Desk(cluster=Cluster(Script(fate=Fate.LAPSES)))
    watch, _ = shared(desk)

    async def main() -> None:
        order = replace(ORDER, deadline_ns=START_NS + SECOND)
        await desk.journal.open(order, PRICE_X64)
        state = fold(desk.log())
        for kind, fields in (
            (Claimed, {"worker": "w"}),
            (Routed, {"attempt": 1, "route": ROUTE, "quotes": (), "declined": (), **PRICED}),
            (Submitted, SUBMITTED),
            (CancelRequested, {}),
            (AttemptFailed, {"attempt": 1, "code": "DROPPED", "reason": "", "retry_at_ns": 0}),
        ):
            event = next_event(state, kind, **fields)
            await MemoryEventStore.append(desk.store, event)
            state = apply(state, event)
        await _watch(watch, 3)  # the worker died before it wrote the end

    virtualtime.run(main)
    assert desk.state().status is Status.CANCELLED


async def _nothing() -> None:
    return


def test_more_live_signatures_than_a_look_finds_hide_nobody() -> None:
    """Looks grow until they reach what is behind those that cannot be expired yet."""
    desk = Desk()
    watch, history = shared(desk)
    stuck = [(START_NS - SECOND, f"stuck-{number}") for number in range(5_000)]

    async def due(before_ns: int, limit: int) -> Sequence[tuple[int, str]]:
        mine = [(START_NS + SECOND, "o")] if not desk.log("o")[-1].status.is_terminal else []
        return [*stuck, *mine][:limit] if before_ns > START_NS + SECOND else []

    history.due = due  # type: ignore[method-assign]

    async def main() -> None:
        await accept(desk, "o", 1_000)
        await _watch(watch, 10)

    virtualtime.run(main)
    assert desk.log("o")[-1].status is Status.EXPIRED


@pytest.mark.parametrize("error", [InvalidData("event", "noise", "JSON"), InvariantViolated("gap")])
def test_an_order_that_cannot_be_read_is_reported_once_and_hinders_nobody(error: Exception) -> None:
    """However often it is found."""
    desk = Desk()
    said: list[str] = []
    watch, _ = shared(desk, on_error=lambda order_id, _: said.append(order_id))
    read = desk.store.events

    async def events(order_id: str, from_seq: int = 1) -> Sequence[Event]:
        if order_id == "broken":
            raise error
        return await read(order_id, from_seq)

    desk.store.events = events  # type: ignore[method-assign]

    async def main() -> None:
        await accept(desk, "broken", 500)
        await accept(desk, "whole", 500)
        await _watch(watch, 30)

    virtualtime.run(main)
    assert said == ["broken"]
    assert desk.log("whole")[-1].status is Status.EXPIRED
