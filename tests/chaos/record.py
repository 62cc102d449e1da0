"""Hold what the clients and the doers of faults saw, for the judge to read afterwards."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct, field

__all__ = ["FaultSeen", "Heard", "Record", "StaleWrite", "Stream", "Tried", "Vitals"]


class Tried(Struct, frozen=True, kw_only=True):
    """Hold one request and its answer."""

    verb: str
    """``POST``, ``DELETE``, ``GET``, or ``SPY``: a GET of what is another user's."""
    user: str
    at_s: float
    """On the harness's monotonic clock, as all that ends in ``_s`` here."""
    took_s: float
    key: str = ""
    body: str = ""
    """Names what was asked for under the key."""
    asked: str = ""
    """The order that was asked for."""
    http: int = 0
    """The answer's status; 0 if there was none."""
    code: str = ""
    """Of a refusal."""
    order_id: str = ""
    status: str = ""
    seq: int = 0
    cancel_requested: bool = False
    has_retry_after: bool = False
    text: str = ""
    """The whole answer where it must equal another."""


class Heard(NamedTuple):
    """Hold one message of a socket."""

    order_id: str
    seq: int
    digest: bytes
    """Of the message as it came."""


class Stream(Struct, kw_only=True):
    """Hold what one WebSocket connection said, from its opening to its end."""

    user: str
    api: str
    order_id: str = ""
    """Empty for all orders of the user."""
    from_seq: int = 1
    http: int = 101
    """What the handshake was answered with."""
    said: list[Heard] = field(default_factory=list)
    code: int = 0
    """What it was closed with; 1006 where the connection broke, 0 while it is open."""
    reason: str = ""
    was_frozen: bool = False
    """Whether it was not read for a time, on purpose."""
    is_spying: bool = False
    """Whether the order is another user's, or nobody's."""


class StaleWrite(Struct, frozen=True):
    """Hold what became of a write under a lease that had gone to another."""

    order_id: str
    fence: int
    newest_fence: int
    """0 where the order had ended by then."""
    refused_with: str
    """The error; empty if it was written."""


class FaultSeen(Struct, kw_only=True):
    """Hold what a fault did, and when."""

    number: int
    kind: str
    target: str
    began_s: float
    healed_s: float = 0.0
    open_orders: int = 0
    """How many orders were open when it began."""
    exit_code: int | None = None
    """Of a process that was told to end."""
    ready: list[int] = field(default_factory=list)
    """What it said of its readiness from then on; 0 is no answer."""
    woken: dict[str, int] = field(default_factory=dict)
    """Ids that were delivered again: of ended orders, with their fences then."""
    deliveries: int = 0
    stale: list[StaleWrite] = field(default_factory=list)


class Vitals(Struct, frozen=True):
    """Hold what one process used, seen from outside."""

    process: str
    pid: int
    lived_s: float
    rss_mb_first: float
    rss_mb_last: float
    rss_mb_max: float
    files_max: int
    files_last: int


class Record(Struct, kw_only=True):
    """Hold all that was seen."""

    tried: list[Tried] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    faults: list[FaultSeen] = field(default_factory=list)
    vitals: list[Vitals] = field(default_factory=list)
    accepted_s: dict[str, float] = field(default_factory=dict)
    """When the first 202 of each order came."""
    ended_s: dict[str, float] = field(default_factory=dict)
    """When a client first heard of the end."""
    mishaps: list[str] = field(default_factory=list)
    """What nobody planned: a process that ended by itself, a traceback in a log."""
    failed_starts: int = 0
    """Processes that ended before they were up, as where the database was away; started again."""
    calm_s: float = 0.0
    """When the last fault was healed."""
    over_s: float = 0.0
    """When the last order was found ended, or waiting for it was given up."""
