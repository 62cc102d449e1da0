"""Turn a run's record into figures: how fast, how long until all went on, what clients met."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.chaos.evidence import Evidence
from tests.chaos.record import FaultSeen, Record

__all__ = ["fault_figures", "figures", "percentiles_ms"]

_AFTERMATH_S = 5.0


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50, p95, p99 and the greatest in milliseconds; nothing of nothing."""
    found = sorted(seconds)
    if not found:
        return {}
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    at = {
        name: found[min(int(share * len(found)), len(found) - 1)] for name, share in shares.items()
    }
    return {name: round(value * 1e3, 1) for name, value in (at | {"max": found[-1]}).items()}


def figures(evidence: Evidence) -> dict[str, Any]:
    """Return the whole run's figures."""
    record = evidence.record
    posts = [tried for tried in record.tried if tried.verb == "POST"]
    answered = [tried.took_s for tried in posts if tried.http == 202]
    ends = [
        record.ended_s[order_id] - at_s
        for order_id, at_s in record.accepted_s.items()
        if order_id in record.ended_s
    ]
    first_s = min(record.accepted_s.values(), default=0.0)
    taking_s = max(max(record.ended_s.values(), default=0.0) - first_s, 1e-3)
    closed = Counter(
        "refused" if stream.http != 101 else str(int(stream.code)) for stream in record.streams
    )
    return {
        "orders": len(evidence.orders),
        "ended": dict(Counter(row.status for row in evidence.orders.values())),
        "orders_per_s": round(len(record.ended_s) / taking_s, 1),
        "seconds": round(taking_s, 1),
        "accepted_ms": percentiles_ms(answered),
        "accepted_to_ended_ms": percentiles_ms(ends),
        "answers": dict(
            Counter(
                f"{tried.verb} {tried.http or 'none'} {tried.code}".strip()
                for tried in record.tried
            )
        ),
        "tries_beyond_the_first": len(posts) - len({(tried.user, tried.key) for tried in posts}),
        "sockets": len(record.streams),
        "sockets_closed": dict(closed),
        "messages": sum(len(stream.said) for stream in record.streams),
        "takeovers": sum(row.takeovers for row in evidence.orders.values()),
        "leases": sum(row.fence for row in evidence.orders.values()),
        "transactions": len(evidence.chain),
        "deliveries_repeated": sum(fault.deliveries for fault in record.faults),
        "stale_writes": sum(len(fault.stale) for fault in record.faults),
        "processes": len(record.vitals),
        "starts_that_failed": record.failed_starts,
        "rss_mb_max": max((found.rss_mb_max for found in record.vitals), default=0.0),
        "files_max": max((found.files_max for found in record.vitals), default=0),
    }


def fault_figures(record: Record) -> list[dict[str, Any]]:
    """Return for each fault when it came, how long it lasted, and how long nothing went on.

    ``again_ms`` runs from the end of the fault to the next order that ends; ``pause_ms`` is the
    longest time in which none ended, from its beginning to some seconds after it. Faults overlap,
    so one may show another's.
    """
    ends = sorted(record.ended_s.values())
    start_s = min(record.accepted_s.values(), default=0.0)
    return [_of_fault(fault, record, ends, start_s) for fault in record.faults]


def _of_fault(
    fault: FaultSeen, record: Record, ends: Sequence[float], start_s: float
) -> dict[str, Any]:
    healed_s = fault.healed_s or record.over_s
    after = bisect_left(ends, healed_s)
    again_ms = round((ends[after] - healed_s) * 1e3) if after < len(ends) else None
    first = max(bisect_left(ends, fault.began_s) - 1, 0)
    last = bisect_left(ends, healed_s + _AFTERMATH_S)
    around = ends[first : last + 1]
    gaps = [later - earlier for earlier, later in itertools.pairwise(around)]
    unanswered = sum(
        tried.http in (0, 429, 503) and fault.began_s <= tried.at_s <= healed_s
        for tried in record.tried
    )
    return {
        "number": fault.number,
        "kind": fault.kind,
        "target": fault.target,
        "began_s": round(fault.began_s - start_s, 2),
        "lasted_ms": round((healed_s - fault.began_s) * 1e3),
        "again_ms": again_ms,
        "pause_ms": round(max(gaps, default=0.0) * 1e3),
        "open_orders": fault.open_orders,
        "asked_again": unanswered,
    }
