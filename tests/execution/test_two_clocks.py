"""Lay the logs of the same orders side by side: executed on asyncio, and in virtual time.

The engine is one; only the event loop under it differs. So where timing cannot differ, neither may
the logs. Where asyncio's clock jumps as the virtual one does, its own scheduler, tasks and time
limits are compared to the nanosecond, with many orders at once as well. On asyncio as it is, times
are those of the machine and are left out of the comparison.

All waits are whole ticks, which a float holds exactly: asyncio's clock is a float, ours an integer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from msgspec import Struct, to_builtins
from msgspec.structs import replace

from benchmarks.peers import asyncio_jump
from orderengine import virtualtime
from orderengine.errors import Rejected, Unavailable
from orderengine.model.events import AttemptFailed, Claimed, Event, Routed, Submitted
from orderengine.model.lifecycle import OrderState
from tests.execution import fakes
from tests.execution.fakes import (
    ORDER,
    PRICE_X64,
    ROUTE_BEST,
    SECOND,
    START_NS,
    Answer,
    Cluster,
    Desk,
    Fate,
    Script,
    ScriptedVenue,
    quote,
)
from tests.strategies import tag_of

Runner = Callable[[Callable[[], Awaitable[None]]], None]


TICK = SECOND // 512


def retry(state: OrderState, code: str) -> int | None:
    """Try three times, a few ticks apart."""
    assert code
    return 3 * TICK if state.attempts < 2 else None


def on_asyncio(main: Callable[[], Awaitable[None]]) -> None:
    """Run on asyncio as the service does."""
    anyio.run(main, backend="asyncio")


# One order at a time


LANDS, LOST = Script(after_ns=4 * TICK), Script(fate=Fate.LAPSES)
REVERTS = Script(fate=Fate.REVERTS, after_ns=TICK)
SLOW = Script(after_ns=50 * TICK)
HARD_OF_HEARING = Script(after_ns=0, is_heard_after=2, send_errors=1, outcome_errors=1)
DOWN, REFUSED = Unavailable("the node did not answer"), Rejected("the pool is paused")


class Life(Struct, frozen=True):
    """Say what an order meets, and which events that makes after ``accepted``."""

    tags: str
    scripts: tuple[Script, ...] = (LANDS,)
    answers: tuple[Answer, ...] = ()
    sign_errors: tuple[Exception, ...] = ()
    cancel_at: type[Event] | None = None
    due_ns: int | None = None


TRY = "claimed routed submitted"
AGAIN = "attempt_failed routed submitted"
LIVES = {
    "lands": Life(f"{TRY} confirmed"),
    "venue errs, then refuses": Life(
        "claimed attempt_failed attempt_failed routed submitted confirmed",
        answers=(DOWN, REFUSED, [quote("raydium")]),
    ),
    "not signed, then lands": Life(
        "claimed routed attempt_failed routed submitted confirmed", sign_errors=(DOWN,)
    ),
    "node errs": Life(f"{TRY} confirmed", scripts=(HARD_OF_HEARING,)),
    "lost, then lands": Life(f"{TRY} {AGAIN} confirmed", scripts=(LOST, LANDS)),
    "reverts, then lands": Life(f"{TRY} {AGAIN} confirmed", scripts=(REVERTS, LANDS)),
    "always reverts": Life(f"{TRY} {AGAIN} {AGAIN} failed", scripts=(REVERTS,)),
    "cancelled while quoted": Life("claimed cancelled", cancel_at=Claimed),
    "cancelled before signing": Life("claimed routed cancelled", cancel_at=Routed),
    "cancelled between tries": Life(
        f"{TRY} attempt_failed cancelled", scripts=(REVERTS,), cancel_at=AttemptFailed
    ),
    "cancelled too late": Life(f"{TRY} cancel_requested confirmed", cancel_at=Submitted),
    "cancelled while out": Life(
        f"{TRY} cancel_requested attempt_failed cancelled", scripts=(LOST,), cancel_at=Submitted
    ),
    "expires at once": Life("expired", due_ns=0),
    "expires when lost": Life(f"{TRY} attempt_failed expired", scripts=(LOST,), due_ns=20 * TICK),
}


def lived(life: Life, run: Runner) -> Desk:
    """Let an order live, beside a venue that never answers, and return the desk it lived on."""
    desk = Desk(
        ScriptedVenue("silent", latency_ns=3_600 * SECOND),
        ScriptedVenue("raydium", *life.answers),
        cluster=Cluster(*life.scripts, sign_errors=life.sign_errors, sign_ns=TICK),
        policy=replace(ROUTE_BEST, retry=retry, quote_deadline_ns=12 * TICK, resend_ns=7 * TICK),
    )
    due_ns = None if life.due_ns is None else START_NS + life.due_ns
    order = replace(ORDER, deadline_ns=due_ns)

    async def main() -> None:
        await desk.journal.open(order, PRICE_X64)
        async with anyio.create_task_group() as group:
            group.start_soon(desk.execute)
            async for event in desk.engine.subscribe(ORDER.order_id):
                if type(event) is life.cancel_at:
                    await desk.engine.cancel(ORDER.order_id)

    run(main)
    desk.require_sound()
    return desk


NEVER_RACES = {name: life for name, life in LIVES.items() if not life.due_ns}
"""In these a machine that stands still for a moment changes no event: no deadline runs."""


@pytest.fixture
def short_lived(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let signatures die soon: on asyncio as it is, the test waits for that."""
    monkeypatch.setattr(fakes, "VALID_NS", 16 * TICK)


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)
@pytest.mark.usefixtures("short_lived")
def test_a_life_is_the_same_to_the_nanosecond_where_asyncio_jumps(life: Life) -> None:
    """Event for event, times included, and so is what was sent, and when."""
    virtual, jumping = lived(life, virtualtime.run), lived(life, asyncio_jump.run)
    assert virtual.tags() == ["accepted", *life.tags.split()]
    assert jumping.log() == virtual.log()
    assert jumping.cluster.sent == virtual.cluster.sent


@pytest.mark.parametrize("life", NEVER_RACES.values(), ids=NEVER_RACES)
@pytest.mark.usefixtures("short_lived")
def test_a_life_is_the_same_on_asyncio_but_for_its_times(life: Life) -> None:
    """A machine's clock is never the same twice, so dates and the words that name a time go."""
    virtual, real = lived(life, virtualtime.run), lived(life, on_asyncio)
    assert real.tags() == ["accepted", *life.tags.split()]
    assert untimed(real.log()) == untimed(virtual.log())


def untimed(log: list[Event]) -> Any:
    """Return the events without dates, durations and reasons, whose codes stay."""
    return _untimed(to_builtins(log))


def _untimed(value: Any) -> Any:
    if isinstance(value, dict):
        timed = {name for name in value if name.endswith("_ns") or name == "reason"}
        return {name: _untimed(value[name]) for name in value.keys() - timed}
    return [_untimed(item) for item in value] if isinstance(value, list) else value


# Many at once


def crowd(run: Runner) -> Desk:
    """Place forty orders before five workers; cancel some, give some a deadline."""
    desk = Desk(
        ScriptedVenue("raydium", latency_ns=31 * TICK),
        ScriptedVenue("meteora", [quote("meteora", 140_000_000)], DOWN, latency_ns=43 * TICK),
        ScriptedVenue("orca", latency_ns=97 * TICK),
        cluster=Cluster(*(SLOW, REVERTS, LOST, HARD_OF_HEARING) * 15, sign_ns=11 * TICK),
        policy=replace(ROUTE_BEST, retry=retry, quote_deadline_ns=80 * TICK, resend_ns=7 * TICK),
        lease_ns=None,
        count=5,
    )

    async def cancel_later(order_id: str, wait_ns: int) -> None:
        await anyio.sleep(wait_ns / 1e9)
        await desk.engine.cancel(order_id)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            group.start_soon(desk.deadlines.run)
            for number in range(40):
                await anyio.sleep(7 * TICK / 1e9)
                due_ns = desk.clock.now_ns() + 301 * TICK if number % 5 == 0 else None
                order = replace(ORDER, order_id=f"o-{number}", deadline_ns=due_ns)
                await desk.engine.submit(order)
                if number % 3 == 1:
                    group.start_soon(cancel_later, order.order_id, (1 + 29 * number) * TICK)
            for number in range(40):
                async for _ in desk.engine.subscribe(f"o-{number}"):
                    pass
            await desk.workers.drain(grace_s=0)
            group.cancel_scope.cancel()

    run(main)
    desk.require_sound()
    return desk


@pytest.mark.usefixtures("short_lived")
def test_a_crowd_is_served_the_same_where_asyncio_jumps() -> None:
    """Every order's log, times included; who is first at one instant, no event loop promises."""
    virtual, jumping = crowd(virtualtime.run), crowd(asyncio_jump.run)
    assert jumping.store.logs == virtual.store.logs
    ends = {log[-1].status.value for log in virtual.store.logs}
    assert ends == {"confirmed", "cancelled", "expired", "failed"}
    tags = {tag_of(type(event)) for event in virtual.observed}
    assert {"attempt_failed", "cancel_requested"} <= tags
    mine = [event.order_id for event in virtual.observed]
    assert mine != sorted(mine, key=mine.index)  # they really were at work at once
