"""Count what became of each attempt, above all the transactions that landed and failed.

A transaction that reverts is in a block, does nothing and costs its fee. One that never lands costs
nothing but time. Both are rows of the attempt table; ``revert_table`` gives their shares.

An attempt landed if it was filled, or if its failure cost a fee. Where the scenario's transactions
cost nothing, it landed if it was submitted and its code is not one of a transaction that was lost
or ran out (``BLOCKHASH_EXPIRED``, ``DROPPED``, ``STALE_ROUTE``).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from orderengine.analysis.estimates import Statistic, Tables, as_tables, estimate_table, estimated
from orderengine.analysis.intervals import Estimate, share_of
from orderengine.model.events import (
    AttemptFailed,
    Claimed,
    Confirmed,
    Event,
    Failed,
    Requoting,
    Routed,
    Submitted,
)

__all__ = ["NOT_LANDED", "attempt_table", "revert_table"]

NOT_LANDED = ("BLOCKHASH_EXPIRED", "DROPPED", "STALE_ROUTE")
"""Codes of attempts whose transaction, if there was one, is in no block."""

_ATTEMPTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "number": pl.Int64,
    "order_id": pl.String,
    "attempt": pl.Int64,
    "outcome": pl.String,
    "code": pl.String,
    "submitted": pl.Boolean,
    "landed": pl.Boolean,
    "network_fee": pl.UInt64,
    "routed_at": pl.Int64,
    "submitted_at": pl.Int64,
    "ended_at": pl.Int64,
}


def attempt_table(logs: Sequence[Sequence[Event]]) -> pl.DataFrame:
    """Return one row an attempt that is over, in the order of ``logs`` and then of time.

    Columns: ``number`` and ``order_id`` as in the order table, ``attempt`` from 1, ``outcome``
    (``filled``, ``reverted``: landed and failed, ``lost``: submitted and never landed,
    ``unsent``: given up before), ``code`` (null for a fill), ``submitted``, ``landed``,
    ``network_fee`` (lamports paid for this attempt), ``routed_at``, ``submitted_at`` and
    ``ended_at`` (UTC, ns; null where it did not happen).
    """
    rows = [row for number, log in enumerate(logs) for row in _attempts(number, log)]
    table = pl.DataFrame(rows, schema=_ATTEMPTS, orient="row")
    return table.with_columns(pl.col("^.*_at$").cast(pl.Datetime("ns", "UTC")))


def _attempts(number: int, log: Sequence[Event]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    routed_at: int | None = None
    submitted: Submitted | None = None
    for event in log:
        match event:
            case Routed():
                routed_at = event.at_ns
            case Submitted():
                submitted = event
            case Claimed() | Requoting():
                routed_at = submitted = None
            case Confirmed() | AttemptFailed() | Failed():
                code = None if isinstance(event, Confirmed) else event.code
                outcome = _outcome(code, event.network_fee, submitted)
                rows.append(
                    (
                        number,
                        event.order_id,
                        len(rows) + 1,
                        outcome,
                        code,
                        submitted is not None,
                        outcome in {"filled", "reverted"},
                        event.network_fee,
                        routed_at,
                        None if submitted is None else submitted.at_ns,
                        event.at_ns,
                    )
                )
                routed_at = submitted = None
            case _:
                pass
    return rows


def _outcome(code: str | None, network_fee: int, submitted: Submitted | None) -> str:
    if code is None:
        return "filled"
    if submitted is None:
        return "unsent"
    is_free = submitted.network_fee == 0
    return "reverted" if network_fee or (is_free and code not in NOT_LANDED) else "lost"


def revert_table(attempts: Tables, confidence: float = 0.95) -> pl.DataFrame:
    """Return how many attempts came to nothing, by why, and what they cost.

    ``attempts`` is one attempt table, or one a run. Columns: ``metric``, ``code`` (null for all
    codes together), and the six of ``analysis.estimates``. The metrics:

    - ``revert_rate``: of the transactions that landed, the share that failed with this code;
    - ``lost_rate``: of those submitted, the share that never landed, with this code;
    - ``unsent_rate``: of all attempts, the share given up before a transaction was sent;
    - ``fee_per_fill``: lamports paid for reverted transactions of this code, for each fill.

    Codes stand by how often they occur over all runs, then by name. One run's spans are of attempts
    in the order of their orders' arrival. Where no attempt is such a one, or all are, neither spans
    nor runs show a spread: the interval is then Wilson's, for independent attempts of all runs.
    """
    tables = as_tables(attempts)
    rows = []
    for metric, outcome, of in (
        ("revert_rate", "reverted", pl.col("landed")),
        ("lost_rate", "lost", pl.col("submitted")),
        ("unsent_rate", "unsent", pl.col("number").is_not_null()),
        ("fee_per_fill", "reverted", pl.col("outcome") == "filled"),
    ):
        for code in (None, *_codes(tables, outcome)):
            hit = pl.col("outcome") == outcome
            hit = hit if code is None else hit & (pl.col("code") == code)
            if metric == "fee_per_fill":
                found = estimated(tables, _share(pl.when(hit).then("network_fee"), of), confidence)
            else:
                found = _rate(tables, hit, of, confidence)
            rows.append(({"metric": metric, "code": code}, found))
    return estimate_table(rows, {"metric": pl.String, "code": pl.String})


def _rate(tables: list[pl.DataFrame], hit: pl.Expr, of: pl.Expr, confidence: float) -> Estimate:
    """Return a share; with Wilson's interval where all runs together have none or all of them."""
    counted = [table.filter(of) for table in tables]
    found = estimated(counted, _share(pl.when(hit).then(1), of), confidence)
    if found.value not in {0.0, 1.0}:
        return found
    total = sum(map(len, counted))
    return share_of(round(found.value * total), total, confidence)


def _share(worth: pl.Expr, of: pl.Expr) -> Statistic:
    def share(table: pl.DataFrame) -> float | None:
        above, below = table.select(
            above=worth.sum().cast(pl.Float64), below=of.sum().cast(pl.Float64)
        ).row(0)
        return above / below if below else None

    return share


def _codes(tables: list[pl.DataFrame], outcome: str) -> list[str]:
    every = pl.concat([t.filter(pl.col("outcome") == outcome)["code"] for t in tables])
    counts = every.drop_nulls().value_counts(name="n").sort("n", "code", descending=[True, False])
    return counts["code"].to_list()
