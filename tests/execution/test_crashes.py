"""Kill or stop an executor at every await, go on with another, and count what became of the order.

A kill is a cancellation at the k-th place where the executor waits for anything: before and after
each read and write of the store, each question to a venue, each signing, sending and asking. A stop
is a pause there that outlasts the lease, so that the old worker wakes up beside the new one.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.errors import LeaseLost, Unavailable
from orderengine.model.events import Status, Submitted
from orderengine.model.lifecycle import OrderState
from orderengine.model.order import Order
from tests.execution.fakes import (
    LEASE_NS,
    MS,
    ORDER,
    SECOND,
    START_NS,
    Cluster,
    Desk,
    Fate,
    Point,
    Script,
    ScriptedVenue,
)

BUILDS: dict[str, Callable[[], Desk]] = {
    "lands": lambda: _desk(Script()),
    "lands at once": lambda: _desk(Script(after_ns=0)),
    "is heard late": lambda: _desk(Script(is_heard_after=3, send_errors=2, outcome_errors=1)),
    "lapses, then lands": lambda: _desk(Script(Fate.LAPSES), Script()),
    "reverts, then lands": lambda: _desk(Script(Fate.REVERTS), Script()),
    "reverts until it fails": lambda: _desk(Script(Fate.REVERTS)),
    "is signed at the second try": lambda: Desk(
        cluster=Cluster(sign_ns=50 * MS, sign_errors=[Unavailable("no blockhash")])
    ),
}


def _desk(*scripts: Script) -> Desk:
    venues = [ScriptedVenue(name, latency_ns=100 * MS) for name in ("raydium", "orca")]
    return Desk(*venues, cluster=Cluster(*scripts, sign_ns=50 * MS))


def _at_every_await(desk: Desk, point: Point) -> None:
    """Let the point stand before and after everything that is awaited."""
    desk.store.point = desk.cluster.point = point
    for venue in desk.venues:
        assert isinstance(venue, ScriptedVenue)
        venue.point = point


class Killer:
    """Cancel the run at the k-th place it passes; 0 counts the places and kills nobody."""

    def __init__(self, k: int) -> None:
        self._k = k
        self.passed = 0
        self.scope = anyio.CancelScope()

    async def point(self) -> None:
        """Pass, or end here."""
        self.passed += 1
        if self.passed == self._k:
            self.scope.cancel()
            await checkpoint()


async def _no_point() -> None:
    return


async def _execute_until_killed(desk: Desk, k: int, order: Order, worker: str) -> int:
    """Execute; return how many places were passed."""
    if not desk.log():
        await desk.journal.open(order, 1)
    killer = Killer(k)
    _at_every_await(desk, killer.point)
    with killer.scope:
        await desk.execute(order, worker)
    _at_every_await(desk, _no_point)
    assert killer.scope.cancelled_caught == (0 < k <= killer.passed)
    return killer.passed


async def _go_on(desk: Desk, order: Order, worker: str = "second") -> OrderState:
    """Take the order over as soon as its lease has run out, unless it has ended."""
    await anyio.sleep(LEASE_NS / 1e9)
    if desk.state().is_terminal:
        return desk.state()
    return await desk.execute(order, worker)


def _require_one_life(desk: Desk) -> None:
    """Check the log, and that what was sent is what was stored, in one piece and in turn."""
    desk.require_sound()
    stored = [event.signature for event in desk.log() if isinstance(event, Submitted)]
    sent = list(dict.fromkeys(signed.signature for _, signed in desk.cluster.sent))
    assert sent == [signature for signature in stored if signature in sent]
    for signature in sent:
        payloads = {s.payload for _, s in desk.cluster.sent if s.signature == signature}
        assert len(payloads) == 1


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_killed_at_every_await_and_taken_over(build: Callable[[], Desk]) -> None:
    """Wherever it dies, the next worker brings the order to the same end."""
    whole = build()
    places = virtualtime.run(_execute_until_killed, whole, 0, ORDER, "first")
    assert places >= 17

    for k in range(1, places + 1):
        desk = build()

        async def main(desk: Desk = desk, k: int = k) -> None:
            await _execute_until_killed(desk, k, ORDER, "first")
            await _go_on(desk, ORDER)

        virtualtime.run(main)
        _require_one_life(desk)
        assert desk.state().status is whole.state().status, f"killed at place {k}"
        assert desk.state().network_fees == whole.state().network_fees, f"killed at place {k}"


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_killed_at_every_await_and_cancelled(build: Callable[[], Desk]) -> None:
    """A user who cancels between the crash and the take-over is answered with the truth."""
    for k in count(1):
        desk = build()

        async def main(desk: Desk = desk, k: int = k) -> tuple[int, OrderState, OrderState]:
            places = await _execute_until_killed(desk, k, ORDER, "first")
            answer = await desk.engine.cancel(ORDER.order_id)
            return places, answer, await _go_on(desk, ORDER)

        places, answer, end = virtualtime.run(main)
        _require_one_life(desk)
        if answer.is_terminal:
            assert end == answer
        else:
            assert answer.cancel_requested
            assert end.status in (Status.CONFIRMED, Status.CANCELLED)
        if places < k:
            return


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_killed_at_every_await_and_too_late(build: Callable[[], Desk]) -> None:
    """A deadline that passes between the crash and the take-over starts nothing new."""
    order = replace(ORDER, deadline_ns=START_NS + 2 * SECOND)
    for k in count(1):
        desk = build()

        async def main(desk: Desk = desk, k: int = k) -> int:
            places = await _execute_until_killed(desk, k, order, "first")
            await _go_on(desk, order)
            return places

        places = virtualtime.run(main)
        _require_one_life(desk)
        begun = [e.at_ns for e in desk.log() if isinstance(e, Submitted)]
        assert all(at_ns < START_NS + 2 * SECOND for at_ns in begun)
        if places < k:
            return


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_stopped_at_every_await_and_taken_over(build: Callable[[], Desk]) -> None:
    """A worker that wakes up beside its successor writes nothing and sends only stored bytes."""
    whole = build()
    places = virtualtime.run(_execute_until_killed, whole, 0, ORDER, "first")
    for k in range(1, places + 1):
        desk = build()

        async def main(desk: Desk = desk, k: int = k) -> None:
            await desk.journal.open(ORDER, 1)
            passed = 0

            async def stop() -> None:
                nonlocal passed
                passed += 1
                if passed == k:
                    _at_every_await(desk, _no_point)
                    await anyio.sleep(10)

            async def first() -> None:
                try:
                    await desk.execute(worker="first")
                except LeaseLost as lost:
                    assert lost.fence < lost.newest_fence  # noqa: PT017  (it may also end in time)

            async def second() -> None:
                while not desk.state().is_terminal:
                    lease = await desk.store.claim(ORDER.order_id, "second")
                    if lease is not None:
                        await desk.executor.execute(ORDER.order_id, "second", lease.fence)
                    await anyio.sleep(0.5)

            _at_every_await(desk, stop)
            async with anyio.create_task_group() as group:
                group.start_soon(first)
                await anyio.sleep(LEASE_NS / 1e9)
                group.start_soon(second)

        virtualtime.run(main)
        _require_one_life(desk)
        assert desk.state().status is whole.state().status, f"stopped at place {k}"


@given(
    scripts=st.lists(
        st.builds(
            Script,
            fate=st.sampled_from(Fate),
            after_ns=st.integers(0, 70 * SECOND),
            is_heard_after=st.integers(1, 3),
            send_errors=st.integers(0, 2),
            outcome_errors=st.integers(0, 2),
        ),
        min_size=1,
        max_size=3,
    ),
    kills=st.lists(st.integers(1, 25), max_size=8),
    cancel_after=st.none() | st.integers(0, 8),
)
def test_killed_again_and_again(
    scripts: list[Script], kills: list[int], cancel_after: int | None
) -> None:
    """A row of workers that all die leaves an order that the last one ends, once."""
    desk = _desk(*scripts)

    async def main() -> None:
        for number, k in enumerate(kills):
            if cancel_after == number and desk.log():
                await desk.engine.cancel(ORDER.order_id)
            if desk.log() and desk.state().is_terminal:
                break
            await _execute_until_killed(desk, k, ORDER, f"w-{number}")
            await anyio.sleep(LEASE_NS / 1e9)
        if not desk.log():
            await desk.journal.open(ORDER, 1)
        await _go_on(desk, ORDER, "last")

    virtualtime.run(main)
    _require_one_life(desk)
