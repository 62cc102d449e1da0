"""Keep event logs and leases in memory: for studies, and as the fake that tests run against.

It passes the same contract tests as the stores on SQL.
"""

from __future__ import annotations

from collections.abc import Sequence

from orderengine.errors import DuplicateOrder, LeaseLost, SequenceConflict, UnknownOrder
from orderengine.execution.ports import Clock, Signed
from orderengine.model.events import Event

__all__ = ["MemoryEventStore"]


class _Lease:
    __slots__ = ("fence", "until_ns")

    def __init__(self) -> None:
        self.fence = 0
        self.until_ns = 0


class MemoryEventStore:
    """Implement the ``EventStore`` port.

    Args:
        clock: dates the leases.
        lease_ns: how long a claim holds; None for ever, as in a study, where no worker dies.
    """

    def __init__(self, clock: Clock, lease_ns: int | None = None) -> None:
        self._clock = clock
        self._lease_ns = lease_ns
        self._logs: dict[str, list[Event]] = {}
        self._leases: dict[str, _Lease] = {}
        self._signed: dict[str, list[Signed]] = {}

    @property
    def logs(self) -> list[list[Event]]:
        """Every order's log, in the order of acceptance."""
        return list(self._logs.values())

    async def create(self, accepted: Event) -> None:
        """Store a new order with its first event. Raises ``DuplicateOrder``."""
        if accepted.order_id in self._logs:
            raise DuplicateOrder(accepted.order_id)
        self._logs[accepted.order_id] = [accepted]

    async def append(
        self, event: Event, *, fence: int | None = None, signed: Signed | None = None
    ) -> None:
        """Append the order's next event and the transaction it announces."""
        log = self._log(event.order_id)
        is_over = log[-1].status.is_terminal  # then no lease is left to compare the fence with
        if fence is not None and not is_over:
            lease = self._leases.get(event.order_id)
            if lease is None or fence != lease.fence:
                raise LeaseLost(event.order_id, fence, 0 if lease is None else lease.fence)
        if is_over or event.seq != len(log) + 1:
            raise SequenceConflict(event.order_id, event.seq - 1, len(log))
        log.append(event)
        if signed is not None:
            self._signed.setdefault(event.order_id, []).append(signed)
        if event.status.is_terminal:
            self._leases.pop(event.order_id, None)
            self._signed.pop(event.order_id, None)

    async def events(self, order_id: str, from_seq: int = 1) -> Sequence[Event]:
        """Return the log from ``from_seq`` on, inclusive. Raises ``UnknownOrder``."""
        log = self._log(order_id)
        return log[from_seq - 1 :] if from_seq > 1 else tuple(log)

    async def claim(self, order_id: str, worker: str) -> int | None:
        """Take the order's lease, or return None if it is held or the order ended."""
        del worker  # who it is shows in the log; the fence alone decides
        if self._log(order_id)[-1].status.is_terminal:
            return None
        lease = self._leases.setdefault(order_id, _Lease())
        now_ns = self._clock.now_ns()
        if lease.until_ns > now_ns:
            return None
        lease.fence += 1
        lease.until_ns = 2**63 if self._lease_ns is None else now_ns + self._lease_ns
        return lease.fence

    async def release(self, order_id: str, fence: int) -> None:
        """Give the lease back; does nothing if it is not held under this fence."""
        lease = self._leases.get(order_id)
        if lease is not None and lease.fence == fence:
            lease.until_ns = 0

    async def signed(self, order_id: str, signature: str) -> Signed:
        """Return the stored transaction. Raises ``UnknownOrder``."""
        for signed in self._signed.get(order_id, ()):
            if signed.signature == signature:
                return signed
        raise UnknownOrder(order_id)

    def _log(self, order_id: str) -> list[Event]:
        try:
            return self._logs[order_id]
        except KeyError:
            raise UnknownOrder(order_id) from None
