"""Check the event store in memory against the contract, and what it adds."""

from __future__ import annotations

import anyio
import pytest

from orderengine import virtualtime
from orderengine.errors import InvariantViolated, UnknownOrder
from orderengine.execution.memory_store import MemoryEventStore
from orderengine.execution.ports import Lease
from tests.execution.fakes import VirtualClock
from tests.execution.store_contract import (
    EventStoreContract,
    StoreTest,
    accepted,
    cancelled,
    claimed,
)


class TestMemoryEventStore(EventStoreContract):
    """Hold the memory store to the contract, in virtual time."""

    def run(self, test: StoreTest) -> None:
        """Open a store on the virtual clock."""

        async def main() -> None:
            await test(MemoryEventStore(VirtualClock(), self.lease_ns))

        virtualtime.run(main)


def test_a_lease_without_end_is_held_for_ever() -> None:
    """In a study no worker dies, so nothing expires; releasing still frees."""

    async def main() -> None:
        store = MemoryEventStore(VirtualClock())
        await store.create(accepted())
        lease = await store.claim("o-1", "a")
        assert lease is not None
        await anyio.sleep(40 * 86_400)
        assert await store.claim("o-1", "b") is None
        await store.release("o-1", lease.fence)
        assert await store.claim("o-1", "b") == Lease(lease.fence + 1, 0)

    virtualtime.run(main)


def test_logs_stand_in_the_order_of_acceptance() -> None:
    """Whatever happens to the orders later."""

    async def main() -> None:
        store = MemoryEventStore(VirtualClock())
        for order_id in ("b", "a", "c"):
            await store.create(accepted(order_id))
        await store.append(cancelled(2, "a"))
        lease = await store.claim("c", "w")
        assert lease is not None
        await store.append(claimed(order_id="c"), fence=lease.fence)
        assert [[event.seq for event in log] for log in store.logs] == [[1], [1, 2], [1, 2]]
        assert [log[0].order_id for log in store.logs] == ["b", "a", "c"]

    virtualtime.run(main)


def test_what_is_forgotten_is_unknown() -> None:
    """An ended order is dropped with its lease; one that is open is not dropped."""

    async def main() -> None:
        store = MemoryEventStore(VirtualClock())
        for order_id in ("a", "b"):
            await store.create(accepted(order_id))
        await store.append(cancelled(2, "a"))
        assert [event.seq for event in store.forget("a")] == [1, 2]
        with pytest.raises(InvariantViolated, match="b has not ended"):
            store.forget("b")
        with pytest.raises(UnknownOrder):
            await store.claim("a", "w")
        with pytest.raises(UnknownOrder):
            await store.append(cancelled(3, "a"))
        await store.release("a", 1)
        assert [log[0].order_id for log in store.logs] == ["b"]

    virtualtime.run(main)
