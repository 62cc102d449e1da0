"""Use the engine's public face at random, and compare what it does with a simple model.

Each rule is done at once, in one run that stands between them, so what comes next may depend on
what was answered. The model knows of each order what was asked and what was promised; it does not
know when anything happens, so it names the states that are possible, not the one that must be.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)
from msgspec import Struct
from msgspec.structs import replace

from orderengine.errors import DuplicateOrder, InvalidRequest, KeyReused, UnknownOrder
from orderengine.execution.ports import IdempotencyKey
from orderengine.execution.queue import MemoryQueue
from orderengine.execution.reconciler import Reconciler
from orderengine.model.events import Confirmed, Event, Status
from orderengine.model.lifecycle import TRANSITIONS, OrderState, fold
from orderengine.model.order import Order, Priority
from orderengine.service.operations.orders import Retried, retry
from tests.execution.fakes import Prices
from tests.execution.machine.chain import End, Fate
from tests.execution.machine.house import House
from tests.execution.machine.openings import Opening
from tests.execution.machine.worlds import World

__all__ = ["EngineMachine"]

ATTEMPTS_MAX = 3
T = TypeVar("T")


def _closure() -> dict[Status, frozenset[Status]]:
    """Return the statuses that can follow each, itself among them, as the table says."""
    after: dict[Status, set[Status]] = {status: {status} for status in Status}
    for _ in Status:
        for (before, _), to in TRANSITIONS.items():
            if before is not None:
                after[before] |= after[to]
    return {status: frozenset(found) for status, found in after.items()}


REACHABLE = _closure()


class Known(Struct):
    """Say what is known of an order."""

    order: Order
    fates: tuple[Fate, ...]
    log: tuple[Event, ...] = ()
    """As it was seen last."""
    is_cancel_asked: bool = False

    @property
    def possible_ends(self) -> set[Status]:
        """What may become of it, from what was asked and what its signatures do."""
        ends = [self.fates[min(n, len(self.fates) - 1)] for n in range(ATTEMPTS_MAX)]
        lands = [fate for fate in ends if fate.end is End.LANDS]
        found = {Status.CONFIRMED} if lands else set[Status]()
        # One whose sendings are lost may lapse before anybody sends it again.
        if all(fate.sends_lost for fate in lands):
            found.add(Status.FAILED)
        if self.is_cancel_asked:
            found.add(Status.CANCELLED)
        if self.order.deadline_ns is not None:
            found.add(Status.EXPIRED)
        return found


fates = st.lists(
    st.builds(
        Fate,
        end=st.sampled_from(End),
        after_units=st.integers(0, 3),
        sends_lost=st.integers(0, 2),
    ),
    min_size=1,
    max_size=3,
).map(tuple)


class EngineMachine(RuleBasedStateMachine):
    """Hold the rules; a subclass says where the engine stands."""

    order_ids: Bundle[str] = Bundle("order_ids")
    retried_ids: Bundle[str] = Bundle("retried_ids")

    def __init__(self, world: World, opening: Opening, *, has_history: bool) -> None:
        super().__init__()
        self.world = world
        self.house = House(opening, world.unit_ns, has_history=has_history)
        self.orders: dict[str, Known] = {}
        self.keys: dict[tuple[str, str], tuple[str, str]] = {}
        self.retries: dict[str, str] = {}
        self.count = 0
        self.world.start(self.house.stand)
        self.world.call(self.house.until_it_stands)

    def do(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Do something with the engine; what runs beside it must be well."""
        result = self.world.call(function, *arguments)
        self.house.require_well()
        return result

    # What users do

    def _order(self, user: str, amount: int, deadline_units: int | None = None) -> Order:
        self.count += 1
        return Order(
            order_id=f"o-{self.count}",
            sell="SOL",
            buy="USDC",
            amount=amount,
            slippage_bps=100,
            deadline_ns=None if deadline_units is None else self._in(deadline_units),
            user=user,
        )

    def _in(self, units: int) -> int:
        async def now_ns() -> int:
            return self.house.clock.now_ns()

        return int(self.do(now_ns)) + units * self.world.unit_ns

    async def _submit(
        self, order: Order, ends: tuple[Fate, ...], key: IdempotencyKey | None = None
    ) -> OrderState:
        self.house.chain.fates[order.order_id] = ends
        return await self.house.process.engine.submit(order, key)

    def _note(self, order: Order, ends: tuple[Fate, ...], state: OrderState) -> str:
        assert (state.order, state.status, state.seq) == (order, Status.PENDING, 1)
        self.orders[order.order_id] = Known(order, ends)
        return order.order_id

    @rule(
        target=order_ids,
        user=st.sampled_from(["ann", "bob"]),
        priority=st.sampled_from(Priority),
        deadline=st.none() | st.integers(0, 8),
        ends=fates,
    )
    def submit(
        self, user: str, priority: Priority, deadline: int | None, ends: tuple[Fate, ...]
    ) -> str:
        """Submit a new order."""
        order = replace(self._order(user, 1_000, deadline), priority=priority)
        return self._note(order, ends, self.do(self._submit, order, ends))

    @rule(
        target=order_ids,
        user=st.sampled_from(["ann", "bob"]),
        name=st.sampled_from(["k-1", "k-2"]),
        amount=st.sampled_from([1_000, 2_000]),
        ends=fates,
        at_once=st.sampled_from([1, 1, 5]),
    )
    def submit_under_a_key(
        self, user: str, name: str, amount: int, ends: tuple[Fate, ...], at_once: int
    ) -> Any:
        """Send a request under a key, new or used before, once or many at once."""
        said = sha256(str(amount).encode()).hexdigest()
        key = IdempotencyKey(user=user, key=name, request_sha256=said)
        tries = [self._order(user, amount) for _ in range(at_once)]
        made = self.keys.get((user, name))
        if made is not None and made[1] != said:
            for order in tries:
                with pytest.raises(KeyReused):
                    self.do(self._submit, order, ends, key)
            self._require_unknown(tries)
            return multiple()
        ids = {state.order_id for state in self.do(self._submit_all, tries, ends, key)}
        assert len(ids) == 1, "one key made several orders"
        (order_id,) = ids
        self._require_unknown([order for order in tries if order.order_id != order_id])
        if made is not None:
            assert order_id == made[0]
            return multiple()
        (order,) = (order for order in tries if order.order_id == order_id)
        self.keys[user, name] = order_id, said
        self.orders[order_id] = Known(order, ends)
        return order_id

    async def _submit_all(
        self, tries: list[Order], ends: tuple[Fate, ...], key: IdempotencyKey
    ) -> list[OrderState]:
        states: list[OrderState] = []

        async def submit(order: Order) -> None:
            states.append(await self._submit(order, ends, key))

        async with anyio.create_task_group() as group:
            for order in tries:
                group.start_soon(submit, order)
        return states

    def _require_unknown(self, refused: list[Order]) -> None:
        for order in refused:
            with pytest.raises(UnknownOrder):
                self.do(self.house.process.engine.status, order.order_id)

    @rule(order_id=order_ids, key=st.none() | st.just("k-fresh"))
    def submit_a_taken_id(self, order_id: str, key: str | None) -> None:
        """Submit other contents under an id that is taken; a key that comes with it stays free."""
        order = replace(self._order("ann", 77), order_id=order_id)
        fresh = key and IdempotencyKey(user="ann", key=key, request_sha256=f"for {order_id}")
        ends = self.orders[order_id].fates
        with pytest.raises(DuplicateOrder):
            self.do(self._submit, order, ends, fresh or None)
        if fresh:
            assert self.do(self.house.process.engine.answered, fresh) is None

    @rule(order_id=order_ids)
    def cancel(self, order_id: str) -> None:
        """Cancel, and once more at once: the answer is the same, and it is true."""
        before = self._log(order_id)
        answer: OrderState = self.do(self.house.process.engine.cancel, order_id)
        again: OrderState = self.do(self.house.process.engine.cancel, order_id)
        if before[-1].status.is_terminal:
            assert answer == again == fold(before), "a cancellation changed an order that was over"
            return
        self.orders[order_id].is_cancel_asked = True
        assert answer.is_terminal or answer.cancel_requested
        assert again.is_terminal or again.cancel_requested
        has_moved_on = not answer.is_terminal and again.seq > answer.seq
        assert again == answer or has_moved_on, "the answer changed"

    @rule(order_id=order_ids)
    def ask_how_it_stands(self, order_id: str) -> None:
        """Ask for the state: it is the fold of what was stored then."""
        state: OrderState = self.do(self.house.process.engine.status, order_id)
        assert state == fold(self._log(order_id)[: state.seq])

    @rule()
    def ask_of_an_unknown_order(self) -> None:
        """Cancel it, ask how it stands, read it: there is none."""
        engine = self.house.process.engine
        for call in (engine.cancel, engine.status, self._read_first):
            with pytest.raises(UnknownOrder):
                self.do(call, "o-unknown")

    async def _read_first(self, order_id: str) -> None:
        async for _ in self.house.process.engine.subscribe(order_id):
            return

    @rule(order_id=order_ids, from_seq=st.integers(0, 9))
    def follow(self, order_id: str, from_seq: int) -> None:
        """Read the events from a number on, to the end."""
        self.do(self._follow, order_id, from_seq)

    async def _follow(self, order_id: str, from_seq: int) -> None:
        self.house.follow(order_id, from_seq)

    # What operators do

    @rule(target=retried_ids, order_id=order_ids)
    def retry(self, order_id: str) -> Any:
        """Try an order again: an open one is freed, one without a fill is placed once more."""
        was_over = self._log(order_id)[-1].status.is_terminal
        try:
            done: Retried = self.do(
                retry, self.house.database, self.house.clock, Prices(), order_id
            )
        except InvalidRequest:
            assert fold(self._log(order_id)).status is Status.CONFIRMED
            return multiple()
        if done.is_freed:
            assert done.order_id == order_id
            assert not was_over
            return multiple()
        assert fold(self._log(order_id)).status not in (Status.CONFIRMED, Status.PENDING)
        assert done.is_new == (order_id not in self.retries)
        if not done.is_new:
            assert done.order_id == self.retries[order_id]
            return multiple()
        self.retries[order_id] = done.order_id
        old = self.orders[order_id].order
        new = replace(old, order_id=done.order_id, deadline_ns=done.deadline_ns)
        self.orders[done.order_id] = Known(new, (Fate(),))
        return done.order_id

    @rule(target=order_ids, order_id=consumes(retried_ids))
    def use_what_was_retried(self, order_id: str) -> str:
        """Let the other rules meet it too."""
        return order_id

    @rule(
        how=st.sampled_from(["stop", "stop at once", "kill", "freeze"]),
        units=st.integers(0, 2),
    )
    def replace_the_process(self, how: str, units: int) -> None:
        """End the process or let it hang, some time into its work; another takes its place."""
        self.pass_time(units)
        self.do(self.house.replace, how)

    @precondition(lambda self: self.house.frozen)
    @rule()
    def thaw(self) -> None:
        """Let processes that hung go on beside the present one."""
        self.do(self._thaw)

    async def _thaw(self) -> None:
        self.house.thaw()

    @rule()
    def wipe_the_queue(self) -> None:
        """Lose the wake-ups that wait."""
        self.do(self.house.wipe)

    @rule(order_id=order_ids | st.just("o-unknown"), times=st.integers(1, 3))
    def wake_again(self, order_id: str, times: int) -> None:
        """Deliver a wake-up that was delivered before, or is for an order that is not there."""
        self.do(self._wake, order_id, times)

    async def _wake(self, order_id: str, times: int) -> None:
        for _ in range(times):
            await self.house.process.queue.put(Priority.NORMAL, order_id)
            await anyio.lowlevel.checkpoint()

    @rule(times=st.integers(2, 4))
    def reconcile_again(self, times: int) -> None:
        """Start-up reconciliation adds nothing after the first time (I31)."""
        self.do(self._reconcile, times)

    async def _reconcile(self, times: int) -> None:
        queue = MemoryQueue(1_000)
        reconciler = Reconciler(self.house.store, queue)
        is_open = {name for name, known in self.orders.items() if not _is_over(known.log)}
        depths: list[int] = []
        for _ in range(times):
            await reconciler.once()
            depths.append(sum(queue.depth(lane) for lane in Priority))
        found = [await queue.get() for _ in range(depths[-1])]
        assert len(set(found)) == len(found), "an order was woken twice"
        assert set(found) <= is_open, "an order was woken that is over, or not known"
        if self.world.is_exact:
            assert depths == depths[:1] * times

    @rule(units=st.integers(0, 6))
    def pass_time(self, units: int) -> None:
        """Let time pass."""
        self.do(anyio.sleep, units * self.world.unit_ns / 1e9)

    @precondition(lambda self: self.house.has_history)
    @rule(target=order_ids, user=st.sampled_from(["ann", "bob"]), size=st.integers(1, 3))
    def page(self, user: str, size: int) -> Any:
        """Read a user's orders page by page while one comes in: each stands there once (I28)."""
        mine = {name for name, known in self.orders.items() if known.order.user == user}
        new: list[str] = []
        found: list[str] = []
        before: int | None = None
        while True:
            page = self.do(self._page, user, before, size)
            found += [order_id for _, order_id in page]
            if not new:
                order = self._order(user, 1_000)
                new.append(self._note(order, (Fate(),), self.do(self._submit, order, (Fate(),))))
            if len(page) < size:
                break
            before = page[-1][0]
        assert len(set(found)) == len(found), "an order stands on two pages"
        assert set(found) - set(new) == mine
        return new[0]

    async def _page(self, user: str, before: int | None, size: int) -> Any:
        history: Any = self.house.store
        return await history.orders(user, before=before, limit=size)

    # What must hold

    def _log(self, order_id: str) -> tuple[Event, ...]:
        known = self.orders[order_id]
        known.log = tuple(self.do(self.house.store.events, order_id))
        return known.log

    @invariant()
    def hold(self) -> None:
        """See that logs only grow, as the table says, and that an end is one (I3, I4, I13, I16)."""
        for order_id, known in self.orders.items():
            before = known.log
            log = self._log(order_id)
            assert log[: len(before)] == before, "a log was changed"
            assert [event.seq for event in log] == list(range(1, len(log) + 1))
            state = fold(log)
            assert state.order == known.order
            if before:
                assert state.status in REACHABLE[before[-1].status]
            if _is_over(before):
                assert log == before, "something followed the end"
            if state.is_terminal:
                self._require_true_end(known, state)
        for stream in self.house.streams:
            log = self._log(stream.order_id)
            first = max(stream.from_seq, 1)
            seen = tuple(stream.seen)
            assert seen == log[first - 1 :][: len(seen)], "a stream is not the log"

    def _require_true_end(self, known: Known, state: OrderState) -> None:
        """Check the end against the chain: settled if and only if landed, one fill (I12, I13)."""
        order_id = known.order.order_id
        assert state.status in known.possible_ends
        landed = self.house.chain.landed.get(order_id, [])
        confirmed = [event for event in known.log if isinstance(event, Confirmed)]
        assert [event.signature for event in confirmed] == landed, "settled if and only if landed"
        for event in confirmed:
            fill = self.house.chain.fills[event.signature]
            assert (event.amount_in, event.amount_out) == (fill.amount_in, fill.amount_out)
            assert event.amount_in <= known.order.amount, "more was filled than was asked"
        if state.status is Status.EXPIRED:
            deadline_ns = known.order.deadline_ns
            assert deadline_ns is not None
            assert known.log[-1].at_ns >= deadline_ns

    def teardown(self) -> None:
        """Let every order end, then look at everything once more."""
        try:
            self.do(self._thaw)
            self.do(self._until_all_is_over)
            self.hold()
            for stream in self.house.streams:
                log = self.orders[stream.order_id].log
                if stream.is_whole:
                    assert tuple(stream.seen) == log[max(stream.from_seq, 1) - 1 :]
        finally:
            self.world.call(self.house.end)
            self.world.close()

    async def _until_all_is_over(self) -> None:
        # Two workers; an order may have three signatures that lapse, and a lease that runs out.
        units = 40 * (1 + len(self.orders))
        with anyio.fail_after(units * self.world.unit_ns / 1e9 + 10):
            for order_id in self.orders:
                while not (await self.house.store.events(order_id))[-1].status.is_terminal:
                    self.house.require_well()
                    await anyio.sleep(self.world.unit_ns / 1e9)


def _is_over(log: tuple[Event, ...]) -> bool:
    return bool(log) and log[-1].status.is_terminal
