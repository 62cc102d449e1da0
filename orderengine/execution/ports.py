"""What the executor needs from outside, as small protocols.

Adapters raise ``Unavailable`` where trying again may help and ``Rejected`` where this try is over;
whatever library they use, its own errors end at the adapter.

Every question carries the instant by which it must be answered, ``until_ns``: the adapter keeps it,
because it alone knows whether that takes a timer. ``execution.punctual`` keeps it for one that
cannot.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from orderengine.model.events import Accepted, Event
from orderengine.model.order import Declined, Order, Priority, Quote, Route
from orderengine.pools import Pool

__all__ = [
    "Clock",
    "EventStore",
    "FeeFeed",
    "History",
    "IdempotencyKey",
    "Landed",
    "Lapsed",
    "Lease",
    "OpenOrder",
    "Outcome",
    "Position",
    "PriceFeed",
    "Reading",
    "Reverted",
    "Settlement",
    "Signed",
    "StoredEvent",
    "SwapPlan",
    "Venue",
    "WorkQueue",
]


class SwapPlan(Struct, frozen=True, kw_only=True, gc=False):
    """Hold what is to be signed: the route and the worst amounts that may still execute."""

    order: Order
    route: Route
    attempt: int
    amount_in_max: int
    amount_out_min: int
    unit_price: int | None = None
    """Micro-lamports a compute unit; None for the settlement's own."""


class Signed(Struct, frozen=True, kw_only=True, gc=False):
    """Hold a signed transaction. It is stored before it is sent, and resent byte for byte."""

    order_id: str
    attempt: int
    signature: str
    payload: bytes
    last_valid_height: int
    network_fee: int
    """Lamports charged if it lands."""


class Landed(Struct, frozen=True, kw_only=True, gc=False, tag=True):
    """Say that the transaction is final and the swap happened."""

    slot: int
    landed_at_ns: int
    amount_in: int
    amount_out: int
    fee_in: int
    fee_out: int
    network_fee: int
    reference_price_x64: int


class Reverted(Struct, frozen=True, kw_only=True, gc=False, tag=True):
    """Say that the transaction is final and the swap did not happen; its fee is paid."""

    code: str
    reason: str
    network_fee: int


class Lapsed(Struct, frozen=True, kw_only=True, gc=False, tag=True):
    """Say that the transaction did not land and is proven never to land."""

    code: str
    reason: str


Outcome = Landed | Reverted | Lapsed


class Clock(Protocol):
    """Tell the date and wait for one, on the wall or in virtual time."""

    def now_ns(self) -> int:
        """Return nanoseconds since the Unix epoch."""

    def sleep_until(self, at_ns: int) -> Awaitable[None]:
        """Wait until a date; if it has come, only let others run."""


class PriceFeed(Protocol):
    """Tell the outside price, against which execution is measured."""

    def reference_price_x64(self, sell: str, buy: str) -> int:
        """Return base units of ``buy`` for one of ``sell``, times 2^64, rounded down."""


class FeeFeed(Protocol):
    """Tell what others paid for a place in a block."""

    def recent_unit_price(self, percentile: int) -> int:
        """Return a percentile (0 to 100) of micro-lamports a compute unit over recent blocks.

        0 where nobody pays.
        """


class Reading(Struct, frozen=True, gc=False):
    """Hold pools of one program as they were at one slot, for a strategy to route over.

    A pool that has not changed since an earlier reading should be the same object: what was worked
    out of it is then not worked out again.
    """

    pools: tuple[Pool, ...]
    slot: int


class Venue(Protocol):
    """Quote an order on every pool of one program, or hand out the pools themselves."""

    @property
    def name(self) -> str:
        """The program's name."""

    @property
    def is_immediate(self) -> bool:
        """Whether it answers from what it holds: such venues are asked in turn, without tasks."""

    async def quote(
        self, order: Order, attempt: int, until_ns: int
    ) -> Sequence[Quote | Declined] | None:
        """Return one answer a pool, in a fixed order, or None at ``until_ns``.

        Raises ``Unavailable`` or ``Rejected``.
        """

    async def read(self, order: Order, attempt: int, until_ns: int) -> Reading | None:
        """Return the pools that would be asked for quotes, in a fixed order, or None at the time.

        It takes as long as ``quote`` would, and raises as that does.
        """


class Settlement(Protocol):
    """Make a swap final."""

    async def sign(self, plan: SwapPlan, until_ns: int) -> Signed | None:
        """Build and sign, or return None at ``until_ns``; nothing is sent.

        Raises ``Unavailable`` or ``Rejected``.
        """

    async def send(self, signed: Signed, until_ns: int) -> None:
        """Send the bytes, again if they were sent before; give up at ``until_ns``.

        Neither an error nor giving up says anything of their fate.
        """

    async def outcome(self, signed: Signed, until_ns: int) -> Outcome | None:
        """Wait until the transaction's fate is proven, or return None at ``until_ns``.

        A node that does not answer has said nothing: that is None too, not an error.
        """


class IdempotencyKey(Struct, frozen=True, kw_only=True, gc=False):
    """Name a request that may be sent again and must make one order only."""

    user: str
    key: str
    """What the client chose."""
    request_sha256: str
    """Of what was asked, so that another request under the same key is noticed."""


class OpenOrder(Struct, frozen=True, kw_only=True, gc=False):
    """Name an order that nobody works on."""

    order_id: str
    priority: Priority


class Lease(Struct, frozen=True, gc=False):
    """Hold the right to carry an order on."""

    fence: int
    """Every write of the holder carries it; a newer lease has a greater one."""
    takeovers: int
    """How often a lease of this order has run out under its holder, who then had died or hung."""
    log: Sequence[str] = ()
    """The order's events when it was claimed, as they are stored; empty where the store does not
    know them for sure. To ask for them would take as long as the claim."""


class Position(Struct, frozen=True, gc=False):
    """Say up to where the log of all orders was read. Only ``History`` makes and reads one."""

    number: int
    """Of the newest event that was told."""
    missing: tuple[tuple[int, int], ...] = ()
    """Lower numbers that were given out and not seen committed, each with what tells the database
    when it counts as given back."""


class StoredEvent(Struct, frozen=True, gc=False):
    """Hold one event as it lies in the log, with what is asked of it without decoding it."""

    order_id: str
    user: str
    seq: int
    type: str
    body: str
    """Canonical JSON: what a socket sends."""


class EventStore(Protocol):
    """Keep the logs. The truth about an order is here and nowhere else."""

    async def create(self, accepted: Accepted, key: IdempotencyKey | None = None) -> str:
        """Store a new order with its first event, and the key, atomically; return the order's id.

        Where the key made an order before, nothing is stored and that order's id is returned.

        Raises:
            DuplicateOrder: an order with this id exists.
            KeyReused: the key was used for another request.
        """

    async def made_by(self, key: IdempotencyKey) -> str | None:
        """Return the id of the order that a key made, or None if it made none.

        Raises:
            KeyReused: the key was used for another request.
        """

    async def append(
        self,
        event: Event,
        *,
        fence: int | None = None,
        signed: Signed | None = None,
        after: object = None,
    ) -> None:
        """Append the order's next event, with the transaction that it announces, atomically.

        Args:
            event: the next one.
            fence: the writer's lease; None for a user's own write, guarded by ``seq`` alone.
            signed: the transaction.
            after: what ``note`` returned for the event before, if nothing was appended since: if
                that one was refused, so is this.

        Raises:
            UnknownOrder: the order was never created.
            SequenceConflict: ``event.seq`` is not one more than the last one stored, or the order
                has ended.
            LeaseLost: a newer lease exists, or the fence was never given.
        """

    async def note(
        self, event: Event, *, fence: int, stored: Callable[[], None], after: object = None
    ) -> object:
        """Append the order's next event, one that promises nothing, perhaps without waiting.

        What is appended next with ``after`` is stored after it, or is refused because this was.

        Args:
            event: the next one.
            fence: the writer's lease.
            stored: called once the event is stored.
            after: as for ``append``.

        Returns what the next event of the same writer is to be appended after. Raises as ``append``
        does, where the error is known at once.
        """

    async def events(self, order_id: str, from_seq: int = 1) -> Sequence[Event]:
        """Return the log from ``from_seq`` on, inclusive. Raises ``UnknownOrder``."""

    async def claim(self, order_id: str, worker: str) -> Lease | None:
        """Take the order's lease, or return None if it is held or the order ended."""

    async def renew(self, fences: Mapping[str, int]) -> None:
        """Prolong leases, all at once; one that is not held under its fence is left alone."""

    async def release(self, order_id: str, fence: int) -> None:
        """Give the lease back; does nothing if it is not held under this fence."""

    async def claimable(self, limit: int) -> Sequence[OpenOrder]:
        """Return open orders that nobody holds, urgent ones first, then as they were accepted."""

    async def signed(self, order_id: str, signature: str) -> Signed:
        """Return the stored transaction. Raises ``UnknownOrder``."""


class History(Protocol):
    """Read across orders: what a user has, and what happened last."""

    async def orders(
        self, user: str, *, before: int | None = None, limit: int = 50, is_open: bool | None = None
    ) -> Sequence[tuple[int, str]]:
        """Return numbers and ids of a user's orders, the newest first.

        Args:
            user: whose.
            before: only orders with a lower number, the last one of the page before.
            limit: how many at most.
            is_open: only open ones, or only ended ones; None for both.
        """

    async def logs(self, order_ids: Sequence[str]) -> Mapping[str, Sequence[Event]]:
        """Return the logs of several orders; those that are not known are left out."""

    async def raw(self, order_id: str, from_seq: int = 1) -> Sequence[StoredEvent]:
        """Return an order's log from ``from_seq`` on, as it is stored. Raises ``UnknownOrder``."""

    async def position(self) -> Position:
        """Return where the log of all orders ends now."""

    async def since(self, position: Position, limit: int) -> tuple[Sequence[StoredEvent], Position]:
        """Return what was stored after a position, and the position after that.

        Each event is told once, and an order's events in the order of ``seq``; those of different
        orders may change places where they were written at the same time.
        """

    async def due(self, before_ns: int, limit: int) -> Sequence[tuple[int, str]]:
        """Return deadlines before an instant, with the ids of the open orders, the first first."""


class WorkQueue(Protocol):
    """Wake workers. A wake-up carries an order's id, never the order; losing one loses no order."""

    def require_room(self, priority: Priority) -> None:
        """Raise ``QueueFull`` if the lane holds its capacity."""

    async def put(self, priority: Priority, order_id: str) -> None:
        """Add a wake-up, waiting for room; drops one that waits already, and all once closed."""

    async def get(self) -> str | None:
        """Return the next order id, waiting for one; None once the queue is closed."""

    def close(self) -> None:
        """Let every ``get`` return None from now on."""
