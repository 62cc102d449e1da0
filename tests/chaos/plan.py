"""Say which faults come when: a pure function of a seed, so that a run can be had again.

A fault is due once so many orders have been accepted, not after so many seconds: on a slow machine
the same faults meet the same orders.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from orderengine.market.draws import Draws

__all__ = ["APIS", "KINDS", "WORKERS", "Fault", "Kind", "plan"]

APIS = ("api-1", "api-2")
WORKERS = ("work-1", "work-2")
_ALL = (*APIS, *WORKERS)
_FIRST, _LAST = 0.03, 0.97
"""The share of orders before the first fault, and before the last one at the latest."""


class Kind(Struct, frozen=True):
    """Describe one kind of fault."""

    targets: tuple[str, ...]
    """One of these is drawn."""
    ms_min: int
    ms_max: int
    says: str


KINDS: dict[str, Kind] = {
    "kill9_api": Kind(APIS, 0, 1_000, "an API is killed, and started again after this time"),
    "kill9_worker": Kind(WORKERS, 0, 1_500, "a worker is killed, and started again"),
    "kill9_workers": Kind(("workers",), 0, 1_000, "both workers are killed at once"),
    "stop_api": Kind(APIS, 500, 3_000, "an API is stopped (SIGSTOP) and goes on"),
    "stop_worker": Kind(WORKERS, 3_300, 5_000, "a worker is stopped beyond its leases, goes on"),
    "sigterm_api": Kind(APIS, 0, 200, "an API is told to end, and started again"),
    "sigterm_worker": Kind(WORKERS, 0, 200, "a worker is told to end, and started again"),
    "redis_flushall": Kind(("redis",), 0, 0, "Redis loses all it holds"),
    "redis_restart": Kind(("redis",), 0, 100, "Redis ends and starts, empty"),
    "redis_outage": Kind(("redis",), 1_000, 3_000, "Redis is away"),
    "redis_freeze": Kind(("redis",), 500, 3_000, "Redis answers nobody, connections stay open"),
    "postgres_crash": Kind(("postgres",), 0, 700, "PostgreSQL ends as in a crash, and starts"),
    "postgres_terminate": Kind(
        ("postgres",), 0, 0, "every connection to PostgreSQL is ended there"
    ),
    "postgres_freeze": Kind(("postgres",), 500, 6_000, "PostgreSQL answers nobody"),
    "duplicate_delivery": Kind(("redis",), 0, 0, "ids of open, ended and unknown orders come anew"),
    "sockets_cut": Kind(APIS, 0, 0, "every connection of clients to an API is cut"),
    "frozen_reader": Kind(APIS, 3_000, 10_000, "sockets that are not read while others go on"),
    "proxy_delay": Kind(_ALL, 1_500, 4_000, "a process's way to Redis and PostgreSQL is slow"),
    "proxy_cut": Kind(_ALL, 0, 0, "a process's connections to Redis and PostgreSQL are cut"),
    "proxy_blackhole": Kind(_ALL, 800, 7_000, "what a process sends to PostgreSQL comes late"),
    "proxy_partition": Kind(
        _ALL, 800, 4_000, "a process's way is silent, then cut: bytes are lost"
    ),
    "clients_delay": Kind(APIS, 1_000, 3_000, "the way from clients to an API is slow"),
    "pause_resume": Kind(("operator",), 500, 1_500, "an operator pauses all work, and resumes it"),
    "flood": Kind(("greedy",), 0, 0, "a user sends more orders at once than one may have open"),
    "stale_holder": Kind(("holder",), 2_700, 2_900, "who lost its leases tries to write"),
}


class Fault(Struct, frozen=True):
    """Hold one fault of a plan."""

    number: int
    kind: str
    at_orders: int
    """It begins when so many orders have been accepted."""
    target: str
    for_ms: int

    def __str__(self) -> str:
        lasts = f" for {self.for_ms} ms" if self.for_ms else ""
        return f"{self.number}. at {self.at_orders} orders: {self.kind} of {self.target}{lasts}"


def plan(
    seed: int, faults: int, orders: int, kinds: Sequence[str] = tuple(KINDS)
) -> tuple[Fault, ...]:
    """Return the faults of a seed: each of some kinds once before any comes again."""
    draws = Draws(seed, "chaos/plan")
    turns = -(-faults // len(kinds))
    drawn = [
        (turn, draws.u64(turn, k), name) for turn in range(turns) for k, name in enumerate(kinds)
    ]
    names = [name for _, _, name in sorted(drawn)]
    found = []
    for number in range(faults):
        kind = KINDS[names[number]]
        share = (number + draws.uniform(number, 1_001)) / faults
        span_ms = kind.ms_max - kind.ms_min
        found.append(
            Fault(
                number=number + 1,
                kind=names[number],
                at_orders=max(int(orders * (_FIRST + (_LAST - _FIRST) * share)), 1),
                target=kind.targets[draws.u64(number, 1_002) % len(kind.targets)],
                for_ms=kind.ms_min + draws.u64(number, 1_003) % (span_ms + 1),
            )
        )
    return tuple(found)
