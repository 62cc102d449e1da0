"""Look at an order from the inside, and try one again, for an operator."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from uuid import uuid4

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from orderengine.errors import InvalidRequest, UnknownOrder
from orderengine.execution.journal import Journal
from orderengine.execution.ports import Clock, IdempotencyKey, PriceFeed, Signed, StoredEvent
from orderengine.model.events import Status, Submitted
from orderengine.model.lifecycle import fold
from orderengine.storage.database import Database, OrderQuery, OrderRow

__all__ = ["Inspection", "Retried", "codes_of", "inspect", "retry"]


class Inspection(Struct, frozen=True, kw_only=True):
    """Hold all that is stored of one order."""

    row: OrderRow
    log: Sequence[StoredEvent]
    signed: Sequence[Signed]
    """Transactions that may be out; none once the order has ended."""


class Retried(Struct, frozen=True, kw_only=True):
    """Say what was done with an order that an operator wants tried again."""

    order_id: str
    """The order that is open now: the same one, or a new one in its place."""
    is_freed: bool
    """Whether it was open, and workers may take it up at once."""
    is_new: bool = False
    """Whether this call made it; else an earlier one did."""
    deadline_ns: int | None = None


async def inspect(database: Database, order_id: str) -> Inspection:
    """Return all that is stored of an order. Raises ``UnknownOrder``."""
    found = await database.operations.find(OrderQuery(order_id=order_id, limit=1))
    if not found:
        raise UnknownOrder(order_id)
    log = await database.orders.raw(order_id)
    signed: list[Signed] = []
    for event in await database.orders.events(order_id):
        if isinstance(event, Submitted):
            try:
                signed.append(await database.orders.signed(order_id, event.signature))
            except UnknownOrder:
                continue  # its bytes went when the order ended
    return Inspection(row=found[0], log=log, signed=signed)


async def codes_of(database: Database, rows: Sequence[OrderRow]) -> dict[str, str]:
    """Return why orders failed, by id, as the last event of each says."""
    codes: dict[str, str] = {}
    for row in rows:
        with suppress(UnknownOrder):  # pruned meanwhile
            for event in await database.orders.raw(row.order_id, row.seq):
                codes[row.order_id] = str(msgspec.json.decode(event.body).get("code", ""))
    return codes


async def retry(database: Database, clock: Clock, prices: PriceFeed, order_id: str) -> Retried:
    """Free an open order, or place one that ended without a fill once more, for the same user.

    A second call places no second order. A deadline that has passed is set anew, as far ahead as
    the user's was.

    Raises:
        UnknownOrder: there is no such order.
        InvalidRequest: it was filled.
    """
    state = fold(await database.orders.events(order_id))
    if not state.is_terminal:
        if await database.operations.free(order_id):
            return Retried(order_id=order_id, is_freed=True)
        state = fold(await database.orders.events(order_id))  # it has ended meanwhile
    if state.status is Status.CONFIRMED:
        raise InvalidRequest(f"order {order_id} was confirmed: it cannot be tried again")
    old, now_ns = state.order, clock.now_ns()
    deadline_ns = old.deadline_ns
    if deadline_ns is not None and deadline_ns <= now_ns:
        deadline_ns = now_ns + max(deadline_ns - state.accepted_at_ns, 0)
    new = replace(old, order_id=uuid4().hex, deadline_ns=deadline_ns)
    key = IdempotencyKey(
        user=old.user,
        key=f"retry {order_id}",  # with a space, which no client's key has
        request_sha256=sha256(order_id.encode()).hexdigest(),
    )
    price = prices.reference_price_x64(new.sell, new.buy)
    made = await Journal(database.orders, clock).open(new, price, key)
    return Retried(
        order_id=made.order_id,
        is_freed=False,
        is_new=made.order_id == new.order_id,
        deadline_ns=made.order.deadline_ns,
    )
