"""Count the orders that are open at once, by status, as a step series over time."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from orderengine.analysis.tables import event_table
from orderengine.model.events import Event

__all__ = ["OPEN_STATUSES", "in_flight", "in_flight_max"]

OPEN_STATUSES = ("waiting", "pending", "routing", "building", "submitted")
"""The statuses of an order that has not ended."""


def in_flight(logs: Sequence[Sequence[Event]]) -> pl.DataFrame:
    """Return one row an instant at which a count changed: ``at``, one column a status, ``open``.

    A row holds the counts after all events of that instant, and they stay until the next row.
    ``at`` is UTC in ns; ``open`` is the sum of the other columns.
    """
    events = event_table(logs).select("number", "at", "status")
    left = pl.col("status").shift(1).over("number")
    steps = events.with_columns(left=left)
    changes = [
        (pl.col("status") == status).cast(pl.Int64)
        - (pl.col("left") == status).fill_null(value=False).cast(pl.Int64)
        for status in OPEN_STATUSES
    ]
    return (
        steps.select(
            "at", *(change.alias(s) for change, s in zip(changes, OPEN_STATUSES, strict=True))
        )
        .group_by("at")
        .agg(pl.all().sum())
        .sort("at")
        .with_columns(pl.exclude("at").cum_sum())
        .with_columns(open=pl.sum_horizontal(OPEN_STATUSES))
    )


def in_flight_max(table: pl.DataFrame) -> int:
    """Return the largest number of orders open at once, from the order table.

    Orders that end and are accepted at the same instant are not open together; an order that has
    not ended stays open.
    """
    accepted = table.select(at="accepted_at", change=pl.lit(1, dtype=pl.Int64))
    ended = table.select(at="ended_at", change=pl.lit(-1, dtype=pl.Int64)).drop_nulls("at")
    changes = pl.concat([accepted, ended]).group_by("at").agg(pl.col("change").sum()).sort("at")
    most = changes["change"].cum_sum().max()
    return most if isinstance(most, int) else 0
