"""Keep event logs and leases in memory: for studies, and as the fake that tests run against.

It passes the same contract tests as the stores on SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from orderengine.errors import (
    DuplicateOrder,
    InvariantViolated,
    KeyReused,
    LeaseLost,
    SequenceConflict,
    UnknownOrder,
)
from orderengine.execution.ports import Clock, IdempotencyKey, Lease, OpenOrder, Signed
from orderengine.model.events import Accepted, Event
from orderengine.model.order import Order, Priority

__all__ = ["MemoryEventStore"]


_URGENCY = (Priority.URGENT, Priority.NORMAL, Priority.BULK)


class _Entry:
    """Hold all that is kept of one order."""

    __slots__ = ("fence", "has_ended", "leased_until_ns", "log", "order", "signed", "takeovers")

    def __init__(self, accepted: Accepted) -> None:
        self.order = accepted.order
        self.log: list[Event] = [accepted]
        self.has_ended = False
        self.fence = 0
        self.leased_until_ns = 0
        """0 where the lease was given back, or never taken."""
        self.takeovers = 0
        self.signed: tuple[Signed, ...] = ()


class MemoryEventStore:
    """Implement the ``EventStore`` port.

    Args:
        clock: dates the leases.
        lease_ns: how long a claim holds; None for ever, as in a study, where no worker dies.
    """

    def __init__(self, clock: Clock, lease_ns: int | None = None) -> None:
        self._clock = clock
        self._lease_ns = lease_ns
        self._entries: dict[str, _Entry] = {}
        self._keys: dict[tuple[str, str], tuple[str, str]] = {}

    @property
    def logs(self) -> list[list[Event]]:
        """The log of every order that was not forgotten, in the order of acceptance."""
        return [entry.log for entry in self._entries.values()]

    def order(self, order_id: str) -> Order:
        """Return an order as it was accepted. Raises ``UnknownOrder``."""
        return self._entry(order_id).order

    def forget(self, order_id: str) -> list[Event]:
        """Drop an order that has ended, and return its log; from now on it is unknown here.

        Raises:
            UnknownOrder: no order has this id.
            InvariantViolated: it has not ended.
        """
        entry = self._entry(order_id)
        if not entry.has_ended:
            raise InvariantViolated(f"order {order_id} has not ended and cannot be forgotten")
        del self._entries[order_id]
        return entry.log

    async def create(self, accepted: Accepted, key: IdempotencyKey | None = None) -> str:
        """Store a new order with its first event, or return the id that the key made before."""
        if key is not None:
            made = await self.made_by(key)
            if made is not None:
                return made
        if accepted.order_id in self._entries:
            raise DuplicateOrder(accepted.order_id)
        self._entries[accepted.order_id] = _Entry(accepted)
        if key is not None:
            self._keys[key.user, key.key] = (key.request_sha256, accepted.order_id)
        return accepted.order_id

    async def made_by(self, key: IdempotencyKey) -> str | None:
        """Return the id of the order that a key made, or None. Raises ``KeyReused``."""
        made = self._keys.get((key.user, key.key))
        if made is None:
            return None
        if made[0] != key.request_sha256:
            raise KeyReused(key.key)
        return made[1]

    async def append(
        self,
        event: Event,
        *,
        fence: int | None = None,
        signed: Signed | None = None,
        after: object = None,
    ) -> None:
        """Append the order's next event and the transaction it announces."""
        del after  # had that one been refused, its writer would have been told at once
        entry = self._entries.get(event.order_id)
        if entry is None:
            raise UnknownOrder(event.order_id)
        log = entry.log
        if entry.has_ended:  # then no lease is left to compare the fence with
            raise SequenceConflict(event.order_id, event.seq - 1, len(log))
        if fence is not None and (fence != entry.fence or fence == 0):
            raise LeaseLost(event.order_id, fence, entry.fence)
        if event.seq != len(log) + 1:
            raise SequenceConflict(event.order_id, event.seq - 1, len(log))
        log.append(event)
        if event.status.is_terminal:
            entry.has_ended = True
            entry.signed = ()
        elif signed is not None:
            entry.signed += (signed,)

    async def note(
        self, event: Event, *, fence: int, stored: Callable[[], None], after: object = None
    ) -> object:
        """Append the order's next event."""
        await self.append(event, fence=fence, after=after)
        stored()
        return None

    async def events(self, order_id: str, from_seq: int = 1) -> Sequence[Event]:
        """Return the log from ``from_seq`` on, inclusive. Raises ``UnknownOrder``."""
        log = self._entry(order_id).log
        return log[from_seq - 1 :] if from_seq > 1 else tuple(log)

    async def claim(self, order_id: str, worker: str) -> Lease | None:
        """Take the order's lease, or return None if it is held or the order ended."""
        del worker  # who it is shows in the log; the fence alone decides
        entry, now_ns = self._entry(order_id), self._clock.now_ns()
        if entry.has_ended or entry.leased_until_ns > now_ns:
            return None
        entry.fence += 1
        entry.takeovers += entry.leased_until_ns > 0
        entry.leased_until_ns = self._until_ns()
        return Lease(entry.fence, entry.takeovers)

    def _until_ns(self) -> int:
        return 2**63 if self._lease_ns is None else self._clock.now_ns() + self._lease_ns

    async def renew(self, fences: Mapping[str, int]) -> None:
        """Prolong leases; one that is not held under its fence is left alone."""
        until_ns = self._until_ns()
        for order_id, fence in fences.items():
            entry = self._entries.get(order_id)
            if entry is not None and entry.fence == fence and entry.leased_until_ns > 0:
                entry.leased_until_ns = until_ns

    async def release(self, order_id: str, fence: int) -> None:
        """Give the lease back; does nothing if it is not held under this fence."""
        entry = self._entries.get(order_id)
        if entry is not None and entry.fence == fence:
            entry.leased_until_ns = 0

    async def claimable(self, limit: int) -> Sequence[OpenOrder]:
        """Return open orders that nobody holds, urgent ones first, then as they were accepted."""
        now_ns = self._clock.now_ns()
        found = [
            OpenOrder(order_id=entry.order.order_id, priority=entry.order.priority)
            for entry in self._entries.values()
            if entry.leased_until_ns <= now_ns and not entry.has_ended
        ]
        return sorted(found, key=lambda order: _URGENCY.index(order.priority))[:limit]

    async def signed(self, order_id: str, signature: str) -> Signed:
        """Return the stored transaction. Raises ``UnknownOrder``."""
        for signed in self._entry(order_id).signed:
            if signed.signature == signature:
                return signed
        raise UnknownOrder(order_id)

    def _entry(self, order_id: str) -> _Entry:
        try:
            return self._entries[order_id]
        except KeyError:
            raise UnknownOrder(order_id) from None
