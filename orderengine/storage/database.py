"""Say what the service needs of a database, whichever it is.

``orders`` holds the truth about orders; ``keys`` who may ask; ``operations`` what operators decide
and what processes say of themselves. Every method may raise ``Unavailable``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from orderengine.execution.ports import EventStore, History, Position
from orderengine.model.api_key import ApiKey
from orderengine.model.order import Priority

__all__ = [
    "ChainRecord",
    "Database",
    "DatabaseServer",
    "Heartbeat",
    "Keys",
    "Lane",
    "Operations",
    "OrderCounts",
    "OrderQuery",
    "OrderRow",
    "OrderStore",
    "Pause",
]


class ChainRecord(Protocol):
    """Keep what became of transactions on the simulated chain, for all processes, durably."""

    async def execution(self, signature: str) -> bytes | None:
        """Return what was recorded, or None."""

    async def record_execution(self, signature: str, order_id: str, body: bytes) -> bytes:
        """Record what became of a transaction, unless that stands already; return what stands."""


class OrderStore(EventStore, History, ChainRecord, Protocol):
    """Keep orders: their logs, leases, keys of requests, and the simulated chain's record."""


class Keys(Protocol):
    """Keep API keys by the SHA-256 of their secrets, and tickets that stand for them briefly."""

    async def add(self, key: ApiKey, secret_sha256: str) -> bool:
        """Add a key; return False, and change nothing, if its id or its secret is there."""

    async def find(self, secret_sha256: str) -> ApiKey | None:
        """Return the key of a secret, dead or not; None if there is none."""

    async def all(self) -> Sequence[ApiKey]:
        """Return every key, in the order of creation."""

    async def revoke(self, key_id: str, at_ns: int) -> bool:
        """Revoke a key; a second time changes nothing. Return False if there is no such key."""

    async def dead(self, key_ids: Collection[str], now_ns: int) -> frozenset[str]:
        """Return those of some keys that are revoked, have expired, or are not known."""

    async def add_ticket(self, ticket_sha256: str, key_id: str, expires_at_ns: int) -> None:
        """Add a ticket for a key, and forget those that have expired."""

    async def take_ticket(self, ticket_sha256: str, now_ns: int) -> ApiKey | None:
        """Return the key of a ticket, once; None if it was taken, has expired, or never was."""


class Heartbeat(Struct, frozen=True, kw_only=True):
    """Hold what a process said of itself last."""

    process: str
    age_ms: int
    """On the database's clock."""
    body: bytes


class Lane(Struct, frozen=True, kw_only=True):
    """Hold how a lane stands: open orders that no worker holds."""

    waiting: int
    oldest_ns: int | None
    """When the oldest of them was accepted."""
    held: int
    """Open orders under a lease that has not run out."""


class OrderCounts(Struct, frozen=True, kw_only=True):
    """Count all orders that ever were, pruned ones too, at one position of the log."""

    position: Position
    by_status: Mapping[str, int]
    """By the status after the last event."""
    takeovers: int
    """Leases that ran out under their holders."""


class Pause(Struct, frozen=True, kw_only=True):
    """Say that something rests until an operator resumes it."""

    name: str
    """A venue's name, or ``all``."""
    since_ns: int
    reason: str


class OrderQuery(Struct, frozen=True, kw_only=True):
    """Say which orders are looked for; what is None does not matter."""

    order_id: str | None = None
    user: str | None = None
    is_open: bool | None = None
    statuses: Collection[str] = ()
    """Any of these; all if empty."""
    accepted_before_ns: int | None = None
    is_oldest_first: bool = False
    limit: int = 50


class OrderRow(Struct, frozen=True, kw_only=True):
    """Hold what the database keeps of an order beside its log."""

    order_id: str
    user: str
    priority: Priority
    status: str
    seq: int
    accepted_at_ns: int
    ended_at_ns: int | None
    deadline_ns: int | None
    fence: int
    takeovers: int
    lease_ms: int
    """How long its lease holds yet, on the database's clock; 0 without one."""


class DatabaseServer(Struct, frozen=True, kw_only=True):
    """Hold what is asked of a database before it is relied upon."""

    version: str
    """Its name and version."""
    clock_ns: int
    """Nanoseconds since the Unix epoch on its own clock."""
    connections_max: int | None = None
    """None where connections are not limited."""
    connections_used: int | None = None
    connections_a_process: int | None = None
    """How many a process of ours opens at most."""


class Operations(Protocol):
    """Keep what operators decide, and what processes say of themselves."""

    async def schema_version(self) -> int:
        """Return the version of the schema."""

    async def size_bytes(self) -> int:
        """Return how much room the database takes, its indexes and free pages too."""

    async def beat(self, process: str, body: bytes) -> None:
        """Store what a process says of itself now, and forget those silent for an hour."""

    async def beats(self) -> Sequence[Heartbeat]:
        """Return what every process said last."""

    async def unbeat(self, process: str) -> None:
        """Forget a process that ends."""

    async def pauses(self) -> Sequence[Pause]:
        """Return what rests."""

    async def pause(self, pause: Pause) -> None:
        """Let something rest; what rests already keeps its first date."""

    async def resume(self, name: str) -> bool:
        """Let it go on; return False if it did not rest."""

    async def counts(self) -> OrderCounts:
        """Count all orders. Reads every order's row: ask once, then follow the log."""

    async def lanes(self) -> Mapping[Priority, Lane]:
        """Return how each lane stands."""

    async def find(self, query: OrderQuery) -> Sequence[OrderRow]:
        """Return orders, in the order of acceptance or the newest first. May read every row."""

    async def takeovers(self) -> int:
        """Return how many leases ran out under their holders, as ``counts`` does, but quickly."""

    async def server(self) -> DatabaseServer:
        """Return what the database says of itself."""

    async def open_orders(self, user: str) -> int:
        """Return how many orders of a user are open."""

    async def free(self, order_id: str) -> bool:
        """Drop an open order's lease and its count of takeovers, so that it is worked on at once.

        Return False if it has ended. Its old holder can write nothing more. Raises
        ``UnknownOrder``.
        """

    async def prune(self, ended_before_ns: int, limit: int) -> int:
        """Delete up to ``limit`` orders that ended before, with all that belongs to them.

        Return how many. They stay in ``counts``.
        """


class Database(Struct, frozen=True):
    """Hold the parts of one open database."""

    orders: OrderStore
    keys: Keys
    operations: Operations
    description: str
    """Where it is, without a secret."""
