"""Say what every event store must do, whatever it keeps its events in.

A store joins by subclassing ``EventStoreContract`` in a test module of its own and implementing
``run``. Leases are dated by the store's own clock, so the tests wait with ``anyio.sleep`` and never
move a clock: with a clock that jumps this costs nothing, with a database it costs ``lease_ns``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace

from orderengine.errors import DuplicateOrder, KeyReused, LeaseLost, SequenceConflict, UnknownOrder
from orderengine.execution.ports import EventStore, IdempotencyKey, Lease, Signed
from orderengine.model.events import (
    Accepted,
    AttemptFailed,
    Cancelled,
    CancelRequested,
    Claimed,
    Confirmed,
    Event,
    Routed,
    Status,
    Submitted,
)
from orderengine.model.order import Leg, Order, Priority, Route
from orderengine.model.wire import decode_event

StoreTest = Callable[[EventStore], Awaitable[None]]


def accepted(
    order_id: str = "o-1",
    *,
    priority: Priority = Priority.NORMAL,
    user: str = "user",
    deadline_ns: int | None = None,
) -> Accepted:
    """Return an order's first event."""
    return Accepted(
        order_id=order_id,
        seq=1,
        status=Status.PENDING,
        at_ns=1,
        order=Order(
            order_id=order_id,
            sell="SOL",
            buy="USDC",
            amount=1_000,
            priority=priority,
            user=user,
            deadline_ns=deadline_ns,
        ),
        reference_price_x64=2**64,
    )


def key(name: str = "k-1", *, user: str = "user", request: str = "a") -> IdempotencyKey:
    """Return what a client sends along so that its request is done once."""
    return IdempotencyKey(user=user, key=name, request_sha256=request)


def claimed(seq: int = 2, order_id: str = "o-1", worker: str = "w") -> Claimed:
    """Return a worker's first event."""
    return Claimed(order_id=order_id, seq=seq, status=Status.ROUTING, at_ns=seq, worker=worker)


def cancelled(seq: int, order_id: str = "o-1") -> Cancelled:
    """Return a user's last word."""
    return Cancelled(
        order_id=order_id,
        seq=seq,
        status=Status.CANCELLED,
        at_ns=seq,
        reference_price_x64=2**64,
    )


def routed(seq: int) -> Routed:
    """Return a route over one pool."""
    leg = Leg(pool="p", venue="v", sell="SOL", buy="USDC", amount_in=1_000, amount_out=150)
    return Routed(
        order_id="o-1",
        seq=seq,
        status=Status.BUILDING,
        at_ns=seq,
        attempt=1,
        route=Route(legs=(leg,), amount_in=1_000, amount_out=150),
        quotes=(),
        declined=(),
        reference_price_x64=2**64,
    )


def submitted(seq: int, number: int = 1) -> tuple[Submitted, Signed]:
    """Return the event that announces a transaction, and the transaction."""
    event = Submitted(
        order_id="o-1",
        seq=seq,
        status=Status.SUBMITTED,
        at_ns=seq,
        attempt=number,
        signature=f"sig-{number}",
        last_valid_height=150,
        amount_in_max=1_000,
        amount_out_min=149,
        network_fee=5_000,
    )
    signed = Signed(
        order_id="o-1",
        attempt=number,
        signature=f"sig-{number}",
        payload=bytes([number, 0, 255, 10]),
        last_valid_height=150,
        network_fee=5_000,
    )
    return event, signed


def attempt_failed(seq: int) -> AttemptFailed:
    """Return the end of a first attempt."""
    return AttemptFailed(
        order_id="o-1",
        seq=seq,
        status=Status.ROUTING,
        at_ns=seq,
        attempt=1,
        code="SLIPPAGE",
        reason="r",
        retry_at_ns=seq,
    )


def confirmed(seq: int) -> Confirmed:
    """Return a fill."""
    return Confirmed(
        order_id="o-1",
        seq=seq,
        status=Status.CONFIRMED,
        at_ns=seq,
        attempt=1,
        signature="sig-1",
        slot=3,
        landed_at_ns=3,
        amount_in=1_000,
        amount_out=150,
        fee_in=1,
        fee_out=0,
        network_fee=5_000,
        reference_price_x64=2**64,
    )


async def _claim(store: EventStore, worker: str = "w", order_id: str = "o-1") -> int:
    lease = await store.claim(order_id, worker)
    assert lease is not None
    return lease.fence


async def _log(store: EventStore, order_id: str = "o-1") -> list[Event]:
    return list(await store.events(order_id))


def _nothing() -> None:
    return


def bare(lease: Lease | None) -> Lease | None:
    """Return the lease without the log that some stores tell with it."""
    return None if lease is None else Lease(lease.fence, lease.takeovers)


async def _claimable(store: EventStore, limit: int = 100) -> list[str]:
    return [order.order_id for order in await store.claimable(limit)]


class EventStoreContract(ABC):
    """Hold the tests; subclass it."""

    lease_ns = 50_000_000

    @abstractmethod
    def run(self, test: StoreTest) -> None:
        """Open an empty store whose leases last ``lease_ns``, run the test with it, close it."""

    async def lapse(self) -> None:
        """Wait until a lease that was taken before has run out."""
        await anyio.sleep(1.2 * self.lease_ns / 1e9)

    def test_a_created_order_is_readable(self) -> None:
        """Its log holds the first event."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            assert await _log(store) == [accepted()]

        self.run(test)

    def test_an_id_is_taken_once(self) -> None:
        """A second order under an id is refused, and the first stays."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            await store.append(claimed(), fence=await _claim(store))
            with pytest.raises(DuplicateOrder) as refused:
                await store.create(accepted())
            assert refused.value.order_id == "o-1"
            assert await _log(store) == [accepted(), claimed()]

        self.run(test)

    def test_orders_do_not_mix(self) -> None:
        """Each order has its own log, numbers and lease."""

        async def test(store: EventStore) -> None:
            await store.create(accepted("o-1"))
            await store.create(accepted("o-2"))
            await store.append(claimed(order_id="o-2"), fence=await _claim(store, order_id="o-2"))
            assert await _log(store) == [accepted("o-1")]
            assert await _log(store, "o-2") == [accepted("o-2"), claimed(order_id="o-2")]
            assert await store.claim("o-1", "w") is not None

        self.run(test)

    @pytest.mark.parametrize("seq", [1, 2, 4, 9], ids=["first", "repeat", "gap", "far"])
    def test_a_wrong_number_is_refused(self, seq: int) -> None:
        """Only the next number is written, with a fence and without."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            fence = await _claim(store)
            await store.append(claimed(), fence=fence)
            for given in (fence, None):
                with pytest.raises(SequenceConflict) as refused:
                    await store.append(cancelled(seq), fence=given)
                assert (refused.value.expected_seq, refused.value.actual_seq) == (seq - 1, 2)
            assert await _log(store) == [accepted(), claimed()]

        self.run(test)

    def test_nothing_follows_the_end(self) -> None:
        """After a terminal event every write conflicts, the last holder's too."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            fence = await _claim(store)
            await store.append(cancelled(2))
            for seq in (2, 3):
                with pytest.raises(SequenceConflict):
                    await store.append(claimed(seq), fence=fence)
                with pytest.raises(SequenceConflict):
                    await store.append(cancelled(seq))
            assert await _log(store) == [accepted(), cancelled(2)]

        self.run(test)

    @pytest.mark.parametrize("from_seq", [-1, 0, 1, 2, 3, 4, 9])
    def test_a_log_is_read_from_a_number_on(self, from_seq: int) -> None:
        """Inclusive; a number below 1 is 1; one past the end gives nothing."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            fence = await _claim(store)
            log: list[Event] = [accepted(), claimed(), routed(3)]
            for event in log[1:]:
                await store.append(event, fence=fence)
            expected = log[max(from_seq, 1) - 1 :]
            assert list(await store.events("o-1", from_seq)) == expected

        self.run(test)

    def test_what_was_read_does_not_change(self) -> None:
        """A log in a reader's hand is not the store's own."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            read = await store.events("o-1")
            await store.append(claimed(), fence=await _claim(store))
            assert list(read) == [accepted()]

        self.run(test)

    @pytest.mark.parametrize("call", ["append", "events", "claim", "signed"])
    def test_an_unknown_order_is_named(self, call: str) -> None:
        """Everything that needs an order says which one is missing."""

        async def test(store: EventStore) -> None:
            calls: dict[str, Callable[[], Awaitable[Any]]] = {
                "append": lambda: store.append(claimed(order_id="o-9")),
                "events": lambda: store.events("o-9"),
                "claim": lambda: store.claim("o-9", "w"),
                "signed": lambda: store.signed("o-9", "sig-1"),
            }
            with pytest.raises(UnknownOrder, match="o-9"):
                await calls[call]()

        self.run(test)

    def test_a_held_order_is_not_claimed_again(self) -> None:
        """Nor by its own holder: a wake-up that comes twice executes once."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            await _claim(store, "a")
            assert await store.claim("o-1", "b") is None
            assert await store.claim("o-1", "a") is None

        self.run(test)

    def test_an_expired_lease_is_taken_over_under_a_higher_fence(self) -> None:
        """Fences rise; the old one is refused with both numbers."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            old = await _claim(store, "a")
            await self.lapse()
            new = await _claim(store, "b")
            assert new > old
            with pytest.raises(LeaseLost) as refused:
                await store.append(claimed(), fence=old)
            assert (refused.value.fence, refused.value.newest_fence) == (old, new)
            assert await _log(store) == [accepted()]
            await store.append(claimed(), fence=new)

        self.run(test)

    def test_an_old_fence_can_write_nothing(self) -> None:
        """Not even an event that would be the right next one, nor a transaction."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            old = await _claim(store, "a")
            await store.append(claimed(), fence=old)
            await store.append(routed(3), fence=old)
            await self.lapse()
            await _claim(store, "b")
            event, signed = submitted(4)
            for late in (event, cancelled(4)):
                with pytest.raises(LeaseLost):
                    await store.append(late, fence=old, signed=signed)
            with pytest.raises(UnknownOrder):
                await store.signed("o-1", "sig-1")
            assert await _log(store) == [accepted(), claimed(), routed(3)]

        self.run(test)

    def test_a_lease_that_ran_out_counts_one_given_back_does_not(self) -> None:
        """So that an order that kills its workers is told from one that was handed on."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            assert bare(await store.claim("o-1", "a")) == Lease(1, 0)
            await store.release("o-1", 1)
            assert bare(await store.claim("o-1", "b")) == Lease(2, 0)
            await self.lapse()
            assert bare(await store.claim("o-1", "c")) == Lease(3, 1)
            await store.release("o-1", 3)
            assert bare(await store.claim("o-1", "d")) == Lease(4, 1)
            await self.lapse()
            assert bare(await store.claim("o-1", "e")) == Lease(5, 2)

        self.run(test)

    def test_a_fence_that_was_never_given_is_refused(self) -> None:
        """Whether or not anybody holds the order."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            with pytest.raises(LeaseLost):
                await store.append(claimed(), fence=1)
            with pytest.raises(LeaseLost):
                await store.append(claimed(), fence=0)
            with pytest.raises(LeaseLost):
                await store.append(claimed(), fence=await _claim(store) + 1)
            assert await _log(store) == [accepted()]

        self.run(test)

    def test_an_expired_lease_still_writes_until_it_is_taken_over(self) -> None:
        """The fence decides, not the time: nobody else can have written."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            fence = await _claim(store)
            await self.lapse()
            await store.append(claimed(), fence=fence)
            assert await _log(store) == [accepted(), claimed()]

        self.run(test)

    def test_a_user_writes_without_a_lease(self) -> None:
        """A cancellation needs the right number only, whoever holds the order."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            await _claim(store)
            await store.append(cancelled(2))
            assert await _log(store) == [accepted(), cancelled(2)]

        self.run(test)

    def test_a_released_order_is_claimed_at_once(self) -> None:
        """Under a higher fence; the one who gave it back can write no more after that."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            first = await _claim(store, "a")
            await store.release("o-1", first)
            second = await _claim(store, "b")
            assert second > first
            with pytest.raises(LeaseLost):
                await store.append(claimed(), fence=first)

        self.run(test)

    def test_release_under_another_fence_does_nothing(self) -> None:
        """Neither an old fence nor one never given frees the order; twice is once."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            first = await _claim(store, "a")
            await store.release("o-1", first)
            await store.release("o-1", first)
            second = await _claim(store, "b")
            await store.release("o-1", first)
            await store.release("o-1", second + 1)
            assert await store.claim("o-1", "c") is None
            await store.append(claimed(), fence=second)

        self.run(test)

    def test_release_of_an_order_that_is_over_or_unknown_does_nothing(self) -> None:
        """A worker releases whatever became of its order."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            fence = await _claim(store)
            await store.append(cancelled(2), fence=fence)
            await store.release("o-1", fence)
            await store.release("o-9", 1)
            assert await store.claim("o-1", "w") is None

        self.run(test)

    def test_an_order_that_ended_is_not_claimed(self) -> None:
        """Not even when its lease has run out."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            await store.append(cancelled(2), fence=await _claim(store))
            assert await store.claim("o-1", "w") is None
            await self.lapse()
            assert await store.claim("o-1", "w") is None

        self.run(test)

    def test_signed_bytes_are_kept_with_their_event(self) -> None:
        """Byte for byte, each attempt's under its signature."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            fence = await _claim(store)
            await store.append(claimed(), fence=fence)
            await store.append(routed(3), fence=fence)
            event, signed = submitted(4)
            await store.append(event, fence=fence, signed=signed)
            assert await store.signed("o-1", "sig-1") == signed
            with pytest.raises(UnknownOrder):
                await store.signed("o-1", "sig-2")
            await store.append(attempt_failed(5), fence=fence)
            await store.append(routed(6), fence=fence)
            second, resigned = submitted(7, 2)
            await store.append(second, fence=fence, signed=resigned)
            assert await store.signed("o-1", "sig-2") == resigned
            assert await store.signed("o-1", "sig-1") == signed

        self.run(test)

    def test_refused_bytes_are_not_kept(self) -> None:
        """An event and its transaction are stored together or not at all."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            fence = await _claim(store)
            await store.append(claimed(), fence=fence)
            event, signed = submitted(4)
            with pytest.raises(SequenceConflict):
                await store.append(event, fence=fence, signed=signed)
            with pytest.raises(UnknownOrder):
                await store.signed("o-1", "sig-1")

        self.run(test)

    def test_the_next_holder_reads_the_bytes(self) -> None:
        """A take-over finds the transaction that is out."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            old = await _claim(store, "a")
            await store.append(claimed(), fence=old)
            await store.append(routed(3), fence=old)
            event, signed = submitted(4)
            await store.append(event, fence=old, signed=signed)
            await self.lapse()
            new = await _claim(store, "b")
            requested = CancelRequested(order_id="o-1", seq=5, status=Status.SUBMITTED, at_ns=5)
            await store.append(requested)
            assert await store.signed("o-1", "sig-1") == signed
            await store.append(confirmed(6), fence=new)

        self.run(test)

    def test_a_lease_tells_the_log_as_it_is_stored(self) -> None:
        """Where it tells it at all; the holder then need not ask."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            fence = await _claim(store, "a")
            await store.append(claimed(), fence=fence)
            await self.lapse()
            lease = await store.claim("o-1", "b")
            assert lease is not None
            if lease.log:
                assert [decode_event(body) for body in lease.log] == [accepted(), claimed()]

        self.run(test)

    def test_what_is_not_waited_for_is_stored_in_turn(self) -> None:
        """What comes after it is stored after it, and each is told of once, in turn."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            fence = await _claim(store)
            told: list[int] = []
            first = await store.note(claimed(), fence=fence, stored=lambda: told.append(2))
            second = await store.note(
                routed(3), fence=fence, stored=lambda: told.append(3), after=first
            )
            event, signed = submitted(4)
            await store.append(event, fence=fence, signed=signed, after=second)
            assert told == [2, 3]
            assert await _log(store) == [accepted(), claimed(), routed(3), event]
            assert await store.signed("o-1", "sig-1") == signed

        self.run(test)

    @pytest.mark.parametrize("pause_s", [0.0, 0.02], ids=["at once", "later"])
    def test_what_rests_on_a_refused_event_is_refused(self, pause_s: float) -> None:
        """A user was first: nothing of what the worker wrote without waiting is stored."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            fence = await _claim(store)
            await store.append(CancelRequested(order_id="o-1", seq=2, at_ns=2), fence=None)
            told: list[int] = []
            event, signed = submitted(4)

            async def write() -> None:
                first = await store.note(claimed(), fence=fence, stored=lambda: told.append(2))
                await anyio.sleep(pause_s)
                # Its number is the next one, and still it must not be stored.
                second = await store.note(
                    routed(3), fence=fence, stored=lambda: told.append(3), after=first
                )
                await anyio.sleep(pause_s)
                await store.append(event, fence=fence, signed=signed, after=second)

            with pytest.raises(SequenceConflict):
                await write()
            assert told == []
            assert len(await _log(store)) == 2

        self.run(test)

    def test_a_run_of_events_and_a_user_who_cancels(self) -> None:
        """Whichever is first, the log has one event of each number, and no bytes without theirs."""

        async def test(store: EventStore) -> None:
            ids = [f"o-{number}" for number in range(40)]
            won: list[str] = []

            async def work(order_id: str, fence: int) -> None:
                event, signed = submitted(4)
                ours = replace(event, order_id=order_id)
                with suppress(SequenceConflict):
                    first = claimed(order_id=order_id)
                    after = await store.note(first, fence=fence, stored=_nothing)
                    await anyio.lowlevel.checkpoint()
                    second = replace(routed(3), order_id=order_id)
                    after = await store.note(second, fence=fence, stored=_nothing, after=after)
                    signed = replace(signed, order_id=order_id)
                    await store.append(ours, fence=fence, signed=signed, after=after)
                    won.append(order_id)

            async def cancel(order_id: str) -> None:
                with suppress(SequenceConflict):
                    await store.append(cancelled(2, order_id))

            fences = {}
            for order_id in ids:
                await store.create(accepted(order_id))
                fences[order_id] = await _claim(store, order_id=order_id)
            async with anyio.create_task_group() as group:
                for number, order_id in enumerate(ids):
                    if number % 2:
                        group.start_soon(cancel, order_id)
                    group.start_soon(work, order_id, fences[order_id])
                    if not number % 2:
                        group.start_soon(cancel, order_id)
            for order_id in ids:
                log = await _log(store, order_id)
                assert [event.seq for event in log] == list(range(1, len(log) + 1))
                assert len(log) == (4 if order_id in won else 2), log
                if order_id not in won:
                    assert isinstance(log[-1], Cancelled)
                    with pytest.raises(UnknownOrder):
                        await store.signed(order_id, "sig-1")

        self.run(test)

    def test_of_many_claims_at_once_one_wins(self) -> None:
        """A claim is atomic."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            leases: list[Lease | None] = []

            async def claim(worker: str) -> None:
                leases.append(await store.claim("o-1", worker))

            async with anyio.create_task_group() as group:
                for number in range(10):
                    group.start_soon(claim, f"w-{number}")
            assert [bare(lease) for lease in leases if lease is not None] == [Lease(1, 0)]

        self.run(test)

    def test_of_many_writers_at_once_one_wins(self) -> None:
        """An append is atomic: one event of a number, the others conflict."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            fence = await _claim(store)
            results: list[str] = []

            async def write(event: Event, given: int | None) -> None:
                try:
                    await store.append(event, fence=given)
                    results.append("written")
                except SequenceConflict:
                    results.append("refused")

            async with anyio.create_task_group() as group:
                group.start_soon(write, claimed(), fence)
                for _ in range(5):
                    group.start_soon(write, cancelled(2), None)
            assert sorted(results) == ["refused"] * 5 + ["written"]
            assert len(await _log(store)) == 2

        self.run(test)

    def test_of_many_creators_at_once_one_wins(self) -> None:
        """An id is taken once, however many try."""

        async def test(store: EventStore) -> None:
            results: list[str] = []

            async def create() -> None:
                try:
                    await store.create(accepted())
                    results.append("created")
                except DuplicateOrder:
                    results.append("refused")

            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(create)
            assert sorted(results) == ["created"] + ["refused"] * 4

        self.run(test)

    def test_a_key_makes_one_order(self) -> None:
        """The same request under it returns that order's id, whatever became of the order."""

        async def test(store: EventStore) -> None:
            assert await store.create(accepted("o-1"), key()) == "o-1"
            assert await store.create(accepted("o-2"), key()) == "o-1"
            await store.append(cancelled(2))
            assert await store.create(accepted("o-3"), key()) == "o-1"
            assert await store.create(accepted("o-1"), key()) == "o-1"
            for never in ("o-2", "o-3"):
                with pytest.raises(UnknownOrder):
                    await store.events(never)
            assert await _claimable(store) == []

        self.run(test)

    def test_what_a_key_made_can_be_asked(self) -> None:
        """Nothing before, the order afterwards; not another user's, not for another request."""

        async def test(store: EventStore) -> None:
            assert await store.made_by(key()) is None
            await store.create(accepted("o-1"), key())
            assert await store.made_by(key()) == "o-1"
            assert await store.made_by(key(user="other")) is None
            with pytest.raises(KeyReused, match="k-1"):
                await store.made_by(key(request="b"))

        self.run(test)

    def test_a_key_names_one_request(self) -> None:
        """Another request under it is refused and stores nothing."""

        async def test(store: EventStore) -> None:
            await store.create(accepted("o-1"), key())
            with pytest.raises(KeyReused, match="k-1"):
                await store.create(accepted("o-2"), key(request="b"))
            assert await _claimable(store) == ["o-1"]
            assert await store.create(accepted("o-2"), key()) == "o-1"

        self.run(test)

    def test_a_key_belongs_to_its_user(self) -> None:
        """Two users who chose the same key have an order each."""

        async def test(store: EventStore) -> None:
            assert await store.create(accepted("o-1"), key(user="ann")) == "o-1"
            assert await store.create(accepted("o-2"), key(user="bob", request="b")) == "o-2"
            assert await store.create(accepted("o-3"), key("k-2", user="ann")) == "o-3"
            assert await store.create(accepted("o-4"), key(user="bob", request="b")) == "o-2"

        self.run(test)

    def test_a_key_is_kept_with_its_order_or_not_at_all(self) -> None:
        """Where the order is refused, the key stays free for the next try."""

        async def test(store: EventStore) -> None:
            await store.create(accepted("o-1"))
            with pytest.raises(DuplicateOrder):
                await store.create(accepted("o-1"), key())
            assert await store.create(accepted("o-2"), key(request="b")) == "o-2"

        self.run(test)

    def test_of_many_requests_under_a_key_one_makes_an_order(self) -> None:
        """All are told the same id."""

        async def test(store: EventStore) -> None:
            made: list[str] = []

            async def create(number: int) -> None:
                made.append(await store.create(accepted(f"o-{number}"), key()))

            async with anyio.create_task_group() as group:
                for number in range(1_000):
                    group.start_soon(create, number)
            assert len(made) == 1_000
            assert set(made) == set(await _claimable(store))
            assert len(set(made)) == 1

        self.run(test)

    def test_a_renewed_lease_holds_on(self) -> None:
        """From the renewal for as long as a new one, for every order named."""

        async def test(store: EventStore) -> None:
            ids = ("o-1", "o-2")
            for order_id in ids:
                await store.create(accepted(order_id))
            fences = {order_id: await _claim(store, order_id=order_id) for order_id in ids}
            for _ in range(4):
                await anyio.sleep(0.4 * self.lease_ns / 1e9)
                await store.renew(fences)
            assert await store.claim("o-1", "b") is None
            assert await _claimable(store) == []
            await self.lapse()
            assert await _claimable(store) == ["o-1", "o-2"]

        self.run(test)

    def test_an_expired_lease_is_renewed_until_it_is_taken_over(self) -> None:
        """As it can still write: nobody else has come."""

        async def test(store: EventStore) -> None:
            await store.create(accepted())
            fence = await _claim(store)
            await self.lapse()
            await store.renew({"o-1": fence})
            assert await store.claim("o-1", "b") is None

        self.run(test)

    def test_another_fence_renews_nothing(self) -> None:
        """Neither an old one nor one never given; the others named with it are renewed."""

        async def test(store: EventStore) -> None:
            for order_id in ("o-1", "o-2"):
                await store.create(accepted(order_id))
            old = await _claim(store)
            await self.lapse()
            new, other = await _claim(store, "b"), await _claim(store, order_id="o-2")
            await self.lapse()
            for stale in (old, new + 1, 0):
                await store.renew({"o-1": stale, "o-9": 1, "o-2": other})
            assert await _claimable(store) == ["o-1"]
            assert await _claim(store, "c") > new

        self.run(test)

    def test_what_was_given_back_or_ended_is_not_renewed(self) -> None:
        """A renewal that comes late takes no order from the next worker."""

        async def test(store: EventStore) -> None:
            ids = ("o-1", "o-2")
            for order_id in ids:
                await store.create(accepted(order_id))
            fences = {order_id: await _claim(store, order_id=order_id) for order_id in ids}
            await store.release("o-1", fences["o-1"])
            await store.append(cancelled(2, "o-2"), fence=fences["o-2"])
            await store.renew(fences)
            assert await _claimable(store) == ["o-1"]
            assert await store.claim("o-2", "b") is None
            assert await _claim(store, "b") > fences["o-1"]

        self.run(test)

    def test_urgent_orders_are_claimable_first(self) -> None:
        """Then in the order of acceptance; no more than asked for."""

        async def test(store: EventStore) -> None:
            lanes = {"b-1": Priority.BULK, "n-2": Priority.NORMAL, "u-2": Priority.URGENT}
            lanes |= {"n-1": Priority.NORMAL, "u-1": Priority.URGENT, "b-0": Priority.BULK}
            for order_id, priority in lanes.items():
                await store.create(accepted(order_id, priority=priority))
            expected = ["u-2", "u-1", "n-2", "n-1", "b-1", "b-0"]
            found = await store.claimable(100)
            assert [order.order_id for order in found] == expected
            assert all(order.priority is lanes[order.order_id] for order in found)
            for limit in (0, 1, 3, 6):
                assert await _claimable(store, limit) == expected[:limit]

        self.run(test)

    def test_what_is_held_or_ended_is_not_claimable(self) -> None:
        """It is again once its lease has run out or was given back."""

        async def test(store: EventStore) -> None:
            for order_id in ("o-1", "o-2", "o-3", "o-4"):
                await store.create(accepted(order_id))
            fence = await _claim(store, order_id="o-1")
            await _claim(store, order_id="o-2")
            await store.append(cancelled(2, "o-3"))
            assert await _claimable(store) == ["o-4"]
            await store.release("o-1", fence)
            assert await _claimable(store) == ["o-1", "o-4"]
            await self.lapse()
            assert await _claimable(store) == ["o-1", "o-2", "o-4"]

        self.run(test)
