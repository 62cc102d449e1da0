"""Check the engine's public face: by cases, and against a simple model under random use."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from msgspec import Struct
from msgspec.structs import replace

from orderengine import virtualtime
from orderengine.errors import (
    DuplicateOrder,
    InvariantViolated,
    QueueFull,
    SequenceConflict,
    UnknownOrder,
)
from orderengine.execution.ports import Signed
from orderengine.execution.queue import MemoryQueue
from orderengine.model.events import Accepted, Cancelled, Event, Status
from orderengine.model.lifecycle import OrderState
from orderengine.model.order import Order, Priority
from tests.execution.fakes import (
    MS,
    ORDER,
    PRICE_X64,
    SECOND,
    START_NS,
    Cluster,
    Desk,
    Fate,
    Script,
    ScriptedVenue,
    WatchedStore,
    soon,
)


def test_submit_stores_then_wakes() -> None:
    """The state that is returned is the stored one, and the lane holds the id."""
    desk = Desk()
    order = replace(ORDER, priority=Priority.URGENT)

    async def main() -> None:
        await anyio.sleep(3)
        state = await desk.engine.submit(order)
        assert state == desk.state() == await desk.engine.status(order.order_id)
        assert (state.status, state.seq) == (Status.PENDING, 1)
        assert desk.queue.depth(Priority.URGENT) == 1
        assert await desk.queue.get() == order.order_id

    virtualtime.run(main)
    (event,) = desk.log()
    assert event == Accepted(
        order_id=order.order_id,
        seq=1,
        status=Status.PENDING,
        at_ns=START_NS + 3 * SECOND,
        order=order,
        reference_price_x64=PRICE_X64,
    )


def test_nobody_is_woken_for_what_is_not_stored() -> None:
    """A worker that is woken finds the order: storing comes first."""
    desk = Desk()
    found: list[Status] = []

    class Watched(MemoryQueue):
        async def put(self, priority: Priority, order_id: str) -> None:
            found.append(desk.state(order_id).status)
            await super().put(priority, order_id)

    desk.engine._queue = Watched()

    async def main() -> None:
        await desk.engine.submit(ORDER)
        with pytest.raises(DuplicateOrder):
            await desk.engine.submit(ORDER)

    virtualtime.run(main)
    assert found == [Status.PENDING]


def test_an_order_that_has_no_room_is_not_accepted() -> None:
    """Beyond capacity nothing is stored, and the other lanes are open."""
    desk = Desk(capacity=1)
    refused = replace(ORDER, order_id="o-2")

    async def main() -> None:
        await desk.engine.submit(ORDER)
        with pytest.raises(QueueFull, match="normal lane already holds 1 orders"):
            await desk.engine.submit(refused)
        with pytest.raises(UnknownOrder):
            await desk.engine.status(refused.order_id)
        await desk.engine.submit(replace(refused, priority=Priority.BULK))

    virtualtime.run(main)
    assert [event.seq for event in desk.observed] == [1, 1]


def test_an_id_is_accepted_once() -> None:
    """A second order under it is refused, wakes nobody, and changes nothing."""
    desk = Desk()

    async def main() -> None:
        await desk.engine.submit(ORDER)
        with pytest.raises(DuplicateOrder):
            await desk.engine.submit(replace(ORDER, amount=5))
        assert desk.queue.depth(Priority.NORMAL) == 1
        assert desk.state().order == ORDER

    virtualtime.run(main)


def test_a_submitter_who_leaves_after_the_store_loses_no_order() -> None:
    """Cancelled while waiting for the queue, the order is stored and open."""
    desk = Desk(capacity=2)

    class Greedy(type(desk.queue)):  # type: ignore[misc]
        """Take the room between the question and the wake-up, as other submitters would."""

        def require_room(self, priority: Priority) -> None:
            """Say there is room."""

    desk.queue = Greedy(1)
    desk.engine._queue = desk.queue

    async def main() -> None:
        await desk.engine.submit(ORDER)
        with anyio.move_on_after(1) as scope:
            await desk.engine.submit(replace(ORDER, order_id="o-2"))
        assert scope.cancelled_caught
        assert (await desk.engine.status("o-2")).status is Status.PENDING

    virtualtime.run(main)


@pytest.mark.parametrize("call", ["status", "cancel"])
def test_an_unknown_order_is_named(call: str) -> None:
    """Whatever is asked of it."""

    async def main() -> None:
        with pytest.raises(UnknownOrder, match="o-9"):
            await getattr(Desk().engine, call)("o-9")

    virtualtime.run(main)


def test_a_pending_order_is_cancelled_at_once() -> None:
    """And the workers leave it alone when its wake-up comes."""
    desk = Desk()

    async def main() -> None:
        await desk.engine.submit(ORDER)
        answer = await desk.engine.cancel(ORDER.order_id)
        assert (answer.status, answer.seq) == (Status.CANCELLED, 2)
        assert await desk.engine.cancel(ORDER.order_id) == answer
        async with anyio.create_task_group() as group:
            group.start_soon(desk.workers.run)
            await anyio.sleep(5)
            await desk.workers.drain(grace_s=0)

    virtualtime.run(main)
    cancelled = desk.log()[-1]
    assert isinstance(cancelled, Cancelled)
    assert cancelled.reference_price_x64 == PRICE_X64
    assert desk.tags() == ["accepted", "cancelled"]


class BusyStore(WatchedStore):
    """Let somebody else write first, a number of times."""

    conflicts = 0

    async def append(
        self,
        event: Event,
        *,
        fence: int | None = None,
        signed: Signed | None = None,
        after: object = None,
    ) -> None:
        """Conflict while any are left."""
        if isinstance(event, Cancelled) and self.conflicts > 0:
            self.conflicts -= 1
            raise SequenceConflict(event.order_id, event.seq - 1, event.seq)
        await super().append(event, fence=fence, signed=signed, after=after)


@pytest.mark.parametrize("conflicts", [0, 1, 99, 100])
def test_a_cancellation_that_is_overtaken_looks_again(conflicts: int) -> None:
    """As often as an order can move on, and not for ever."""
    desk = Desk()
    store = BusyStore(desk.clock, None, None)
    store.conflicts = conflicts
    desk.journal._store = store

    async def main() -> None:
        await desk.engine.submit(ORDER)
        if conflicts < 100:
            assert (await desk.engine.cancel(ORDER.order_id)).status is Status.CANCELLED
        else:
            with pytest.raises(InvariantViolated, match="moved on 100 times"):
                await desk.engine.cancel(ORDER.order_id)

    virtualtime.run(main)


def test_a_subscriber_sees_the_log() -> None:
    """From the number asked for, while it grows, to the end."""
    desk = Desk(ScriptedVenue("raydium", latency_ns=SECOND))

    async def main() -> tuple[list[Event], list[int]]:
        await desk.engine.submit(ORDER)
        seen: list[Event] = []
        late: list[int] = []

        async def subscribe() -> None:
            seen.extend([event async for event in desk.engine.subscribe(ORDER.order_id)])

        async with anyio.create_task_group() as group:
            group.start_soon(subscribe)
            group.start_soon(desk.workers.run)
            await anyio.sleep(5)
            late += [event.seq async for event in desk.engine.subscribe(ORDER.order_id, 3)]
            await desk.workers.drain(grace_s=0)
        return seen, late

    seen, late = virtualtime.run(main)
    assert seen == desk.log()
    assert late == [3, 4, 5]


class Submit(Struct, frozen=True):
    """Submit an order under a new or a taken id."""

    number: int
    priority: Priority
    deadline_ns: int | None


class Cancel(Struct, frozen=True):
    """Cancel an order, known or not."""

    number: int


class Wake(Struct, frozen=True):
    """Deliver a wake-up again, for an order known or not."""

    number: int


class Wait(Struct, frozen=True):
    """Let time pass."""

    wait_ns: int


class Restart(Struct, frozen=True):
    """Drain the workers, or kill them, and start others, who wake what is not over."""

    grace_s: float
    is_kill: bool


Deed = Submit | Cancel | Wake | Wait | Restart


class Player:
    """Play a history in virtual time and compare each answer with what was promised before."""

    def __init__(self, scripts: list[Script]) -> None:
        self.desk = Desk(
            ScriptedVenue("raydium", latency_ns=150 * MS),
            cluster=Cluster(*scripts, sign_ns=50 * MS),
            count=2,
            lease_ns=3 * SECOND,
        )
        self.orders: dict[str, Order] = {}
        self.ends: dict[str, OrderState] = {}
        self.wants_cancel: set[str] = set()
        self.streams: dict[str, list[Event]] = {}
        self.team = 0

    async def play(self, deeds: list[Deed]) -> None:
        """Do one deed after the other, then let every order end."""
        async with anyio.create_task_group() as self.group:
            await self._start_team()
            for deed in deeds:
                await self._do(deed)
                await soon()
                await self._look()
            await self._restart(Restart(grace_s=0, is_kill=False))
            # Two workers, and at worst three signatures an order that lapse after a minute each.
            await anyio.sleep(200 * (1 + len(self.orders)))
            await self._look()
            assert set(self.ends) == set(self.orders), "an accepted order did not end"
            await self.desk.workers.drain(grace_s=0)
        self.desk.require_sound()
        logs = {log[0].order_id: log for log in self.desk.store.logs}
        assert self.streams == logs, "a stream is not the log"

    async def _do(self, deed: Deed) -> None:
        match deed:
            case Submit():
                await self._submit(deed)
            case Cancel():
                await self._cancel(f"o-{deed.number}")
            case Wake():
                await self.desk.queue.put(Priority.NORMAL, f"o-{deed.number}")
            case Wait():
                await anyio.sleep(deed.wait_ns / 1e9)
            case Restart():
                await self._restart(deed)

    async def _submit(self, deed: Submit) -> None:
        order_id = f"o-{deed.number}"
        now_ns = self.desk.clock.now_ns()
        order = replace(
            ORDER,
            order_id=order_id,
            priority=deed.priority,
            deadline_ns=None if deed.deadline_ns is None else now_ns + deed.deadline_ns,
        )
        if order_id in self.orders:
            with pytest.raises(DuplicateOrder):
                await self.desk.engine.submit(order)
            return
        state = await self.desk.engine.submit(order)
        assert (state.order, state.status, state.seq) == (order, Status.PENDING, 1)
        self.orders[order_id] = order
        self.streams[order_id] = []
        self.group.start_soon(self._stream, order_id)

    async def _stream(self, order_id: str) -> None:
        async for event in self.desk.engine.subscribe(order_id):
            self.streams[order_id].append(event)

    async def _cancel(self, order_id: str) -> None:
        if order_id not in self.orders:
            with pytest.raises(UnknownOrder):
                await self.desk.engine.cancel(order_id)
            return
        answer = await self.desk.engine.cancel(order_id)
        assert answer == await self.desk.engine.cancel(order_id), "the answer changed"
        if order_id in self.ends:
            assert answer == self.ends[order_id]
        elif answer.status is Status.SUBMITTED:
            assert answer.cancel_requested
            self.wants_cancel.add(order_id)
        else:
            assert answer.is_terminal

    async def _look(self) -> None:
        for order_id, order in self.orders.items():
            state = await self.desk.engine.status(order_id)
            assert state.order == order
            if order_id in self.ends:
                assert state == self.ends[order_id], "an end changed"
            elif state.is_terminal:
                self.ends[order_id] = state
                self._check_end(state)

    def _check_end(self, state: OrderState) -> None:
        if state.order_id in self.wants_cancel:
            assert state.status in (Status.CONFIRMED, Status.CANCELLED)
        if state.status is Status.EXPIRED:
            deadline_ns = state.order.deadline_ns
            assert deadline_ns is not None
            assert self.desk.log(state.order_id)[-1].at_ns >= deadline_ns

    async def _start_team(self) -> None:
        """Start new workers, and wake every order that is not over, as a restart does."""
        self.desk.reopen_queue()
        self.team += 1
        self.desk.workers = self.desk.hire(f"team-{self.team}")
        self.scope = anyio.CancelScope()
        self.is_gone = anyio.Event()
        self.group.start_soon(self._run_team, self.scope, self.is_gone)
        for log in self.desk.store.logs:
            if not log[-1].status.is_terminal:
                await self.desk.queue.put(Priority.NORMAL, log[0].order_id)

    async def _run_team(self, scope: anyio.CancelScope, is_gone: anyio.Event) -> None:
        with scope:
            await self.desk.workers.run()
        is_gone.set()

    async def _restart(self, deed: Restart) -> None:
        await soon()
        if deed.is_kill:
            self.scope.cancel()
        else:
            await self.desk.workers.drain(deed.grace_s)
        await self.is_gone.wait()
        await self._start_team()


scripts = st.lists(
    st.builds(
        Script,
        fate=st.sampled_from(Fate),
        after_ns=st.integers(0, 5 * SECOND),
        is_heard_after=st.integers(1, 2),
        send_errors=st.integers(0, 1),
        outcome_errors=st.integers(0, 1),
    ),
    min_size=1,
    max_size=4,
)


class Face(RuleBasedStateMachine):
    """Write a history with rules; it is played when it is complete, in one run of virtual time."""

    def __init__(self) -> None:
        super().__init__()
        self.deeds: list[Deed] = []
        self.scripts: list[Script] = []
        self.known = 0

    @initialize(drawn=scripts)
    def decide_what_becomes_of_signatures(self, drawn: list[Script]) -> None:
        """Draw the cluster's script."""
        self.scripts = drawn

    @rule(
        priority=st.sampled_from(Priority),
        deadline_ns=st.none() | st.integers(0, 10 * SECOND),
    )
    def submit(self, priority: Priority, deadline_ns: int | None) -> None:
        """Submit a new order."""
        self.deeds.append(Submit(self.known, priority, deadline_ns))
        self.known += 1

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def submit_again(self, data: st.DataObject) -> None:
        """Submit under an id that is taken."""
        self.deeds.append(Submit(self._some(data), Priority.NORMAL, None))

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Cancel an order, whatever became of it."""
        self.deeds.append(Cancel(self._some(data)))

    @rule()
    def cancel_unknown(self) -> None:
        """Cancel an order that nobody submitted."""
        self.deeds.append(Cancel(99))

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def wake_again(self, data: st.DataObject) -> None:
        """Deliver a wake-up once more."""
        self.deeds.append(Wake(self._some(data)))

    @rule()
    def wake_unknown(self) -> None:
        """Deliver a wake-up for an order that is not there."""
        self.deeds.append(Wake(99))

    @rule(wait_ns=st.integers(1, 400 * MS) | st.integers(1, 70 * SECOND))
    def wait(self, wait_ns: int) -> None:
        """Let time pass."""
        self.deeds.append(Wait(wait_ns))

    @rule(grace_s=st.sampled_from([0, 0.1, 2]), is_kill=st.booleans())
    def restart(self, grace_s: float, *, is_kill: bool) -> None:
        """Exchange the workers."""
        self.deeds.append(Restart(grace_s, is_kill))

    def _some(self, data: st.DataObject) -> int:
        return data.draw(st.integers(0, self.known - 1))

    def teardown(self) -> None:
        """Play it."""
        player = Player(self.scripts)
        virtualtime.run(player.play, self.deeds)


Face.TestCase.settings = settings(stateful_step_count=25)
TestFace = Face.TestCase
