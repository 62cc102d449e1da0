"""Say what every database must do for operators, and for the simulated chain."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.errors import KeyReused, LeaseLost, OrderEngineError, UnknownOrder
from orderengine.execution.ports import EventStore, Lease
from orderengine.model.events import Event
from orderengine.model.lifecycle import fold
from orderengine.model.order import Priority
from orderengine.storage.database import Database, Lane, Pause
from tests.execution.store_contract import accepted, bare, cancelled, claimed, key, submitted
from tests.storage.databases import DatabaseTest, in_every_database
from tests.strategies import logs

_EMPTY = Lane(waiting=0, oldest_ns=None, held=0)


async def _store(store: EventStore, log: list[Event], order_id: str) -> str:
    """Store a log; return the status after it."""
    first = accepted(order_id)
    await store.create(first)
    for event in log[1:]:
        await store.append(_of(event, order_id))
    return fold(await store.events(order_id)).status.value


def _of(event: Event, order_id: str) -> Event:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return type(event)(**fields | {"order_id": order_id})


class OperationsContract(ABC):
    """Hold the tests; subclass it."""

    lease_ns = 250_000_000

    @abstractmethod
    def run(self, test: DatabaseTest) -> None:
        """Run a test with an empty database whose leases last ``lease_ns``."""

    async def lapse(self) -> None:
        """Wait until a lease that was taken before has run out."""
        await anyio.sleep(1.2 * self.lease_ns / 1e9)

    def test_heartbeats_are_told_with_their_age(self) -> None:
        """The last one of each process, until it is withdrawn."""

        async def test(database: Database) -> None:
            operations = database.operations
            assert list(await operations.beats()) == []
            await operations.beat("b", b"one")
            await operations.beat("a", b"\x00two")
            await operations.beat("b", b"three")
            beats = await operations.beats()
            assert [(beat.process, beat.body) for beat in beats] == [
                ("a", b"\x00two"),
                ("b", b"three"),
            ]
            assert all(0 <= beat.age_ms < 60_000 for beat in beats)
            await operations.unbeat("b")
            await operations.unbeat("never")
            assert [beat.process for beat in await operations.beats()] == ["a"]

        self.run(test)

    def test_a_pause_keeps_its_first_date(self) -> None:
        """Until it is resumed, which a second time says so."""

        async def test(database: Database) -> None:
            operations = database.operations
            first = Pause(name="raydium", since_ns=5, reason="their outage")
            everything = Pause(name="all", since_ns=7, reason="")
            await operations.pause(first)
            await operations.pause(Pause(name="raydium", since_ns=9, reason="again"))
            await operations.pause(everything)
            assert list(await operations.pauses()) == [everything, first]
            assert await operations.resume("all")
            assert not await operations.resume("all")
            assert list(await operations.pauses()) == [first]

        self.run(test)

    @in_every_database
    @given(log=logs(longest=5), copies=st.integers(1, 3))
    def test_orders_are_counted_by_their_status(self, log: list[Event], copies: int) -> None:
        """At a position after which nothing that was counted is told again."""

        async def test(database: Database) -> None:
            assert (await database.operations.counts()).by_status == {}
            expected: dict[str, int] = {}
            for number in range(copies):
                status = await _store(database.orders, log, f"o-{number}")
                expected[status] = expected.get(status, 0) + 1
            counts = await database.operations.counts()
            assert counts.by_status == expected
            assert counts.takeovers == 0
            await database.orders.create(accepted("after"))
            found, _ = await database.orders.since(counts.position, 99)
            assert [stored.order_id for stored in found] == ["after"]

        self.run(test)

    def test_lanes_are_told(self) -> None:
        """What waits, since when, and what is held; nothing that has ended."""

        async def test(database: Database) -> None:
            store = database.orders
            lanes: Mapping[Priority, Lane] = await database.operations.lanes()
            assert lanes == dict.fromkeys(Priority, _EMPTY)
            for name, lane in (
                ("u", Priority.URGENT),
                ("b-1", Priority.BULK),
                ("b-2", Priority.BULK),
            ):
                await store.create(accepted(name, priority=lane))
            await store.create(accepted("gone", priority=Priority.NORMAL))
            await store.append(cancelled(2, "gone"))
            await store.claim("b-1", "w")
            lanes = await database.operations.lanes()
            assert lanes[Priority.URGENT] == Lane(waiting=1, oldest_ns=1, held=0)
            assert lanes[Priority.NORMAL] == _EMPTY
            assert lanes[Priority.BULK] == Lane(waiting=1, oldest_ns=1, held=1)
            await self.lapse()
            lanes = await database.operations.lanes()
            assert lanes[Priority.BULK] == Lane(waiting=2, oldest_ns=1, held=0)

        self.run(test)

    def test_open_orders_of_a_user_are_counted(self) -> None:
        """Only theirs, and only what has not ended."""

        async def test(database: Database) -> None:
            for order_id, user in (("o-1", "ann"), ("o-2", "ann"), ("o-3", "bob")):
                await database.orders.create(accepted(order_id, user=user))
            await database.orders.append(cancelled(2, "o-1"))
            counts = [await database.operations.open_orders(user) for user in ("ann", "bob", "eve")]
            assert counts == [1, 1, 0]

        self.run(test)

    def test_a_freed_order_is_worked_on_at_once(self) -> None:
        """Its old holder can write nothing more, and its takeovers count for the past only."""

        async def test(database: Database) -> None:
            store, operations = database.orders, database.operations
            await store.create(accepted())
            await store.claim("o-1", "a")
            await self.lapse()
            assert bare(await store.claim("o-1", "b")) == Lease(2, 1)
            assert await operations.free("o-1")
            with pytest.raises(LeaseLost):
                await store.append(claimed(), fence=2)
            assert bare(await store.claim("o-1", "c")) == Lease(4, 0)
            assert (await operations.counts()).takeovers == 1
            await store.append(cancelled(2), fence=4)
            assert not await operations.free("o-1")
            with pytest.raises(UnknownOrder):
                await operations.free("o-9")

        self.run(test)

    def test_pruning_deletes_what_ended_before(self) -> None:
        """The oldest first, so many at most; open orders and the counts stay."""

        async def test(database: Database) -> None:
            store, operations = database.orders, database.operations
            for number in range(1, 6):
                order_id = f"o-{number}"
                await store.create(accepted(order_id), key(order_id))
                await store.record_execution(f"sig-{number}", order_id, b"landed")
                if number < 5:
                    await store.append(cancelled(2, order_id))
            before = await operations.counts()
            position = await store.position()
            assert await operations.prune(2, 10) == 0, "they ended at 2, not before"
            assert [await operations.prune(3, 3) for _ in range(3)] == [3, 1, 0]
            assert await store.logs([f"o-{number}" for number in range(1, 5)]) == {}
            assert list(await store.events("o-5")) == [accepted("o-5")]
            after = await operations.counts()
            assert (after.by_status, after.takeovers) == (before.by_status, before.takeovers)
            assert await store.execution("sig-1") is None
            assert await store.execution("sig-5") == b"landed"
            with pytest.raises(KeyReused):
                await store.create(accepted("o-6"), key("o-5", request="b"))
            assert await store.create(accepted("o-1"), key("o-1", request="b")) == "o-1"
            found, _ = await store.since(position, 9)
            assert [stored.order_id for stored in found] == ["o-1"]

        self.run(test)

    def test_the_schema_has_a_version_and_a_size(self) -> None:
        """It is opened, so it is at least the first, and takes some room."""

        async def test(database: Database) -> None:
            assert await database.operations.schema_version() >= 1
            assert await database.operations.size_bytes() > 4_096

        self.run(test)


class StorageContract(ABC):
    """Hold what all databases do beside the ports; subclass it."""

    @abstractmethod
    def run(self, test: DatabaseTest) -> None:
        """Run a test with an empty database."""

    def test_an_execution_is_recorded_once(self) -> None:
        """Who comes second is told what stands."""

        async def test(database: Database) -> None:
            store = database.orders
            assert await store.execution("sig-1") is None
            assert await store.record_execution("sig-1", "o-1", b"\x00landed") == b"\x00landed"
            assert await store.record_execution("sig-1", "o-1", b"reverted") == b"\x00landed"
            assert await store.execution("sig-1") == b"\x00landed"
            assert await store.execution("sig-2") is None

        self.run(test)

    def test_of_many_records_at_once_one_stands(self) -> None:
        """All are told the same."""

        async def test(database: Database) -> None:
            told: list[bytes] = []

            async def record(number: int) -> None:
                body = str(number).encode()
                told.append(await database.orders.record_execution("sig", "o-1", body))

            async with anyio.create_task_group() as group:
                for number in range(20):
                    group.start_soon(record, number)
            assert len(told) == 20
            assert set(told) == {await database.orders.execution("sig")}

        self.run(test)

    @pytest.mark.parametrize("field", ["last_valid_height", "network_fee"])
    @pytest.mark.parametrize("value", [2**63, 2**64, -(2**63) - 1])
    def test_a_number_that_does_not_fit_is_refused(self, field: str, value: int) -> None:
        """It alone: what is stored at the same time stays, and the next fits again."""

        async def test(database: Database) -> None:
            store = database.orders
            await store.create(accepted())
            event, signed = submitted(2)
            fields = {name: getattr(signed, name) for name in signed.__struct_fields__}
            refused: list[OrderEngineError] = []

            async def append() -> None:
                try:
                    await store.append(event, signed=type(signed)(**fields | {field: value}))
                except OrderEngineError as error:
                    refused.append(error)

            async with anyio.create_task_group() as group:
                group.start_soon(append)
                group.start_soon(store.create, accepted("o-2"))
            assert len(refused) == 1
            assert list(await store.events("o-1")) == [accepted()]
            assert list(await store.events("o-2")) == [accepted("o-2")]
            await store.append(event, signed=signed)

        self.run(test)

    @pytest.mark.parametrize("name", ["o\x00", "", "ö" * 1_000, "o'; --", "%"])
    def test_an_odd_name_is_unknown(self, name: str) -> None:
        """Whatever a client writes in a path is no error of the database."""

        async def test(database: Database) -> None:
            await database.orders.create(accepted())
            for call in (database.orders.events, database.orders.raw, database.operations.free):
                with pytest.raises(UnknownOrder):
                    await call(name)
            with pytest.raises(UnknownOrder):
                await database.orders.claim(name, "w")
            with pytest.raises(UnknownOrder):
                await database.orders.signed(name, name)
            assert list(await database.orders.orders(name)) == []
            assert await database.operations.open_orders(name) == 0
            assert await database.orders.logs([name]) == {}

        self.run(test)
