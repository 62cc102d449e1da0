"""Split the life of a filled order into stages that add up to its total, and rank them.

The stages follow one another without gap or overlap, so that for every filled order, in integer
nanoseconds, exactly::

    queue + retries + quote + build + landing + confirm = total

====== ============================ ==========================================================
stage  from                         to
====== ============================ ==========================================================
queue  accepted                     claimed (the wait for a trigger is part of it)
retries claimed                     start of the last attempt; 0 if nothing was tried before
quote  start of the last attempt    routed
build  routed                       submitted
landing submitted                   the landing slot took effect
confirm landing slot took effect    confirmed
total  accepted                     confirmed, failed, cancelled or expired
====== ============================ ==========================================================

The last attempt starts when the order is claimed; after a failed attempt at that event or at its
``retry_at`` if that is later; after a requoting event not before that event.

An order that a full queue refuses ends at the instant it came. It has a ``total`` of 0, but no
latency: it is left out of the percentiles, for an engine that refuses half would else look fast.
"""

from __future__ import annotations

import polars as pl

__all__ = [
    "PERCENTILES",
    "REFUSED",
    "STAGES",
    "STAGE_WORDS",
    "durations_of",
    "latency_percentiles",
    "nearest_rank",
    "stage_columns",
]

STAGES = ("queue", "retries", "quote", "build", "landing", "confirm")
"""The stages of a filled order, in the order they happen."""

STAGE_WORDS = {
    "queue": "waiting for a worker",
    "retries": "earlier attempts",
    "quote": "asking for quotes",
    "build": "building the transaction",
    "landing": "landing in a slot",
    "confirm": "waiting for confirmation",
    "total": "accepted to the end",
}
"""What each stage, and the total, is called for people."""

REFUSED = "QUEUE_FULL"
"""The code of an order that was never let in."""

PERCENTILES = {"p50": 50, "p95": 95, "p99": 99}

_BOUNDS = {
    "queue": ("accepted_at", "claimed_at"),
    "retries": ("claimed_at", "started_at"),
    "quote": ("started_at", "routed_at"),
    "build": ("routed_at", "submitted_at"),
    "landing": ("submitted_at", "landed_at"),
    "confirm": ("landed_at", "ended_at"),
}


def stage_columns() -> list[pl.Expr]:
    """Return the columns ``queue_ns`` … ``confirm_ns`` (filled orders, else null) and ``total_ns``.

    They are Int64 nanoseconds from the instants of the order table; ``total_ns`` is null only for
    an order that has not ended, and for one that was refused: nothing was done for it, and as a
    latency of 0 it would make an engine that refuses many look fast.
    """
    filled = pl.col("status") == "confirmed"
    total = (pl.col("ended_at") - pl.col("accepted_at")).dt.total_nanoseconds()
    return [
        *(
            pl.when(filled)
            .then((pl.col(end) - pl.col(begin)).dt.total_nanoseconds())
            .alias(f"{stage}_ns")
            for stage, (begin, end) in _BOUNDS.items()
        ),
        pl.when(pl.col("code").ne_missing(REFUSED)).then(total).alias("total_ns"),
    ]


def latency_percentiles(table: pl.DataFrame) -> dict[str, dict[str, float | None]]:
    """Return p50, p95 and p99 in milliseconds for each stage and for ``total``.

    Stages are ranked over the filled orders, ``total`` over all orders that ended, whatever their
    status, but those that a full queue refused. A percentile is a nearest rank, so it is always one
    of the observed durations, and is None where no order counts. Milliseconds are the integer
    nanoseconds divided by 10^6 as a float.
    """
    found: dict[str, dict[str, float | None]] = {}
    for stage in (*STAGES, "total"):
        durations_ns = durations_of(table, stage).sort()
        ranked = {name: nearest_rank(durations_ns, p) for name, p in PERCENTILES.items()}
        found[stage] = {name: None if ns is None else ns / 1e6 for name, ns in ranked.items()}
    return found


def durations_of(table: pl.DataFrame, stage: str) -> pl.Series:
    """Return how long a stage took, in ns, of each order that counts in its percentiles."""
    return table[f"{stage}_ns"].drop_nulls()


def nearest_rank(ordered: pl.Series, percent: int) -> float | None:
    """Return the value at rank ceil(percent · n / 100) of n ascending values; None if n is 0.

    The rank is computed in integers and is at least 1 (Hyndman and Fan 1996, definition 1).
    """
    if ordered.is_empty():
        return None
    rank = max(1, -(-percent * len(ordered) // 100))
    value: float = ordered[rank - 1]
    return value
