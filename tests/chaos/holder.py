"""Be a worker that stopped beyond its leases and goes on: every write of it must be refused.

It speaks to the database through the package's own store, as workers do.
"""

from __future__ import annotations

import asyncio
from time import monotonic

from orderengine.errors import LeaseLost, SequenceConflict
from orderengine.execution.ports import Lease
from orderengine.model.events import Requoting
from orderengine.storage.database import OrderStore
from tests.chaos.record import StaleWrite

__all__ = ["STALE_REASON", "hold"]

STALE_REASON = "a write of an old holder"
"""Marks what must be in no log."""
_HELD = 5
_TAKE_S_MAX = 5.0


async def hold(store: OrderStore, for_s: float) -> list[StaleWrite]:
    """Claim orders, wait, let another claim them, and write; return what became of each write.

    Raises ``Unavailable``.
    """
    held = await _take(store)
    await asyncio.sleep(for_s)
    newer = await asyncio.gather(*(_take_over(store, order_id) for order_id in held))
    return [
        await _write(store, order_id, lease, newest)
        for (order_id, lease), newest in zip(held.items(), newer, strict=True)
    ]


async def _take(store: OrderStore) -> dict[str, Lease]:
    """Claim some open orders before any worker does."""
    held: dict[str, Lease] = {}
    until_s = monotonic() + _TAKE_S_MAX
    while len(held) < _HELD and monotonic() < until_s:
        for order in await store.claimable(_HELD):
            lease = await store.claim(order.order_id, "holder")
            if lease is not None:
                held[order.order_id] = lease
        await asyncio.sleep(0.002)
    return held


async def _take_over(store: OrderStore, order_id: str) -> Lease | None:
    """Claim an order as soon as its lease has run out; None if it has ended, or a worker did."""
    until_s = monotonic() + _TAKE_S_MAX
    while monotonic() < until_s:
        lease = await store.claim(order_id, "heir")
        if lease is not None:
            return lease
        if (await store.events(order_id))[-1].status.is_terminal:
            return None
        await asyncio.sleep(0.005)
    return None


async def _write(store: OrderStore, order_id: str, lease: Lease, newer: Lease | None) -> StaleWrite:
    """Renew, give back and append under the old fence, then give the newer lease back."""
    log = await store.events(order_id)
    event = Requoting(
        order_id=order_id, seq=log[-1].seq + 1, at_ns=log[-1].at_ns, reason=STALE_REASON
    )
    said = ""
    try:
        await store.renew({order_id: lease.fence})
        await store.release(order_id, lease.fence)
        await store.append(event, fence=lease.fence)
    except (LeaseLost, SequenceConflict) as error:
        said = error.code
    if newer is not None:
        await store.release(order_id, newer.fence)
    return StaleWrite(order_id, lease.fence, 0 if newer is None else newer.fence, said)
