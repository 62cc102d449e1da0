"""Lay event logs out as tables: one row an order, or one row an event.

``logs`` is one list of events an order, in the order of their numbers, each from its accepted event
on. One pass over the events gathers plain columns; durations, prices and costs are then computed
column by column, so a hundred thousand orders take a few seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from orderengine.analysis.costs import cost_columns
from orderengine.analysis.latency import stage_columns
from orderengine.analysis.markets import market_of, shown_columns
from orderengine.errors import InvalidData
from orderengine.model.events import (
    Accepted,
    AttemptFailed,
    Cancelled,
    Claimed,
    Confirmed,
    Event,
    Expired,
    Failed,
    Requoting,
    Routed,
    Submitted,
)
from orderengine.model.order import Mode, Route
from orderengine.model.tokens import token

__all__ = ["event_table", "order_row", "order_table", "table_of_rows"]

_INSTANT = pl.Datetime("ns", "UTC")
_X64 = 2**64
_Ending = (Confirmed, Failed, Cancelled, Expired)

_TEXT, _COUNT, _UNITS = pl.String, pl.Int64, pl.UInt64
_GATHERED: dict[str, pl.DataType | type[pl.DataType]] = {
    "number": _COUNT,
    "order_id": _TEXT,
    "status": _TEXT,
    "code": _TEXT,
    "sell": _TEXT,
    "buy": _TEXT,
    "market": _TEXT,
    "side": _TEXT,
    "mode": _TEXT,
    "priority": _TEXT,
    "user": _TEXT,
    "slippage_bps": _COUNT,
    "amount": _UNITS,
    "amount_in": _UNITS,
    "amount_out": _UNITS,
    "fee_in": _UNITS,
    "fee_out": _UNITS,
    "network_fee": _UNITS,
    "network_fee_failed": _UNITS,
    "attempts": _COUNT,
    "venue": _TEXT,
    "pool": _TEXT,
    "legs": _COUNT,
    "slot": _COUNT,
    "accepted_at": _COUNT,
    "claimed_at": _COUNT,
    "started_at": _COUNT,
    "routed_at": _COUNT,
    "submitted_at": _COUNT,
    "landed_at": _COUNT,
    "ended_at": _COUNT,
    "price_base_accept": pl.Float64,
    "price_base_end": pl.Float64,
    "price_base_routed_first": pl.Float64,
    "price_base_routed_last": pl.Float64,
    "pair_decimals": _COUNT,
    "amount_decimals": _COUNT,
}
_ONLY_TO_COMPUTE = (
    "price_base_accept",
    "price_base_end",
    "price_base_routed_first",
    "price_base_routed_last",
    "pair_decimals",
    "amount_decimals",
)


def order_table(logs: Sequence[Sequence[Event]]) -> pl.DataFrame:
    """Return one row an order, in the order of ``logs``; ``number`` counts them from 0.

    - ``amount`` … ``fee_out``: base units (UInt64, exact); the fill's are null where none happened.
    - ``network_fee``: lamports paid in all; ``network_fee_failed``: of those, for transactions that
      landed and failed. ``attempts``: attempts that are over, as in ``OrderState.attempts``.
    - ``venue``: of a filled order, the venues of its legs, each once, sorted, joined by ``+``;
      ``pool``: its pools in the order of the legs. ``code``: why a failed order failed.
    - ``…_at``: UTC, ns; ``claimed_at`` to ``submitted_at`` the last of each kind; ``started_at``
      when the last attempt could begin.
    - ``market``, ``side``: base/quote, and whether the order sells or buys the base token (the
      quote token is USDC, else USDT, else SOL). ``size``: the order's amount in shown quote tokens
      at the price of its acceptance. ``price_accept``, ``price_end``, ``price_fill``: shown quote
      tokens for one base token; the last is what the fill paid or got, pool fees included.
    - ``…_ns``: durations (``analysis.latency``). ``…_bps``: costs (``analysis.costs``).

    Raises:
        InvalidData: a log does not begin with an accepted event.
    """
    return table_of_rows([order_row(number, log) for number, log in enumerate(logs)])


def table_of_rows(rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    """Return the table of ``order_table`` for rows that ``order_row`` made."""
    columns = zip(*rows, strict=True) if rows else ([] for _ in _GATHERED)
    gathered = pl.DataFrame(
        [
            pl.Series(name, values, dtype=dtype, strict=True)
            for (name, dtype), values in zip(_GATHERED.items(), columns, strict=True)
        ]
    )
    table = gathered.with_columns(pl.col("^.*_at$").cast(_INSTANT))
    table = table.with_columns(*shown_columns(), *stage_columns(), *cost_columns())
    return table.drop(_ONLY_TO_COMPUTE)


def event_table(logs: Sequence[Sequence[Event]]) -> pl.DataFrame:
    """Return one row an event: number, order_id, seq, type, status, at (UTC, ns)."""
    numbers: list[int] = []
    ids: list[str] = []
    seqs: list[int] = []
    types: list[str] = []
    statuses: list[str] = []
    dates: list[int] = []
    for number, log in enumerate(logs):  # once: logs may be read from disk as they are asked for
        numbers += [number] * len(log)
        ids += [log[0].order_id] * len(log) if log else []
        seqs += [event.seq for event in log]
        types += [str(type(event).__struct_config__.tag) for event in log]
        statuses += [event.status for event in log]
        dates += [event.at_ns for event in log]
    columns = {
        "number": pl.Series(numbers, dtype=pl.Int64),
        "order_id": pl.Series(ids, dtype=pl.String),
        "seq": pl.Series(seqs, dtype=pl.Int64),
        "type": pl.Series(types, dtype=pl.String),
        "status": pl.Series(statuses, dtype=pl.String),
        "at": pl.Series(dates, dtype=pl.Int64).cast(_INSTANT),
    }
    return pl.DataFrame(columns)


def order_row(number: int, log: Sequence[Event]) -> tuple[Any, ...]:
    """Return what the table is computed from for one order: the values of ``_GATHERED``.

    Raises:
        InvalidData: the log does not begin with an accepted event.
    """
    accepted = log[0] if log else None
    if not isinstance(accepted, Accepted):
        found = "no event" if accepted is None else type(accepted).__name__
        raise InvalidData(f"the log of order {number}", found, "an accepted event first")
    order, last = accepted.order, log[-1]
    sell, buy = token(order.sell), token(order.buy)
    base, quote, side = market_of(order.sell, order.buy)
    claimed_at, started_at, routed_at, submitted_at = None, None, None, None
    route: Route | None = None
    routed_first_x64: int | None = None
    routed_last_x64: int | None = None
    attempts = fees_failed = 0
    for event in log:
        if type(event) is Routed:
            routed_at, route = event.at_ns, event.route
            routed_last_x64 = event.reference_price_x64
            routed_first_x64 = routed_last_x64 if routed_first_x64 is None else routed_first_x64
        elif type(event) is Submitted:
            submitted_at = event.at_ns
        elif type(event) is Claimed:
            claimed_at = started_at = event.at_ns
        elif type(event) is AttemptFailed:
            attempts += 1
            fees_failed += event.network_fee
            started_at = max(event.at_ns, event.retry_at_ns)
        elif type(event) is Requoting:
            started_at = max(event.at_ns, started_at or 0)
    if routed_at is not None and type(last) is Confirmed:
        started_at = min(started_at or 0, routed_at)
    if type(last) is Failed:
        fees_failed += last.network_fee
    return (
        number,
        order.order_id,
        last.status,
        last.code if type(last) is Failed else None,
        sell.symbol,
        buy.symbol,
        f"{base}/{quote}",
        side,
        order.mode,
        order.priority,
        order.user,
        order.slippage_bps,
        order.amount,
        *_fill(last, route, fees_failed, attempts),
        accepted.at_ns,
        claimed_at,
        started_at,
        routed_at,
        submitted_at,
        last.landed_at_ns if type(last) is Confirmed else None,
        last.at_ns if isinstance(last, _Ending) else None,
        accepted.reference_price_x64 / _X64,
        last.reference_price_x64 / _X64 if isinstance(last, _Ending) else None,
        None if routed_first_x64 is None else routed_first_x64 / _X64,
        None if routed_last_x64 is None else routed_last_x64 / _X64,
        sell.decimals - buy.decimals,
        sell.decimals if order.mode is Mode.EXACT_IN else buy.decimals,
    )


def _fill(last: Event, route: Route | None, fees_failed: int, attempts: int) -> tuple[Any, ...]:
    """Return amounts, network fees, attempts, venue, pool, legs and slot."""
    if type(last) is not Confirmed:
        over = attempts + (type(last) is Failed)
        return (None, None, None, None, fees_failed, fees_failed, over, None, None, None, None)
    legs = () if route is None else route.legs
    return (
        last.amount_in,
        last.amount_out,
        last.fee_in,
        last.fee_out,
        last.network_fee + fees_failed,
        fees_failed,
        attempts + 1,
        legs[0].venue if len(legs) == 1 else "+".join(sorted({leg.venue for leg in legs})),
        legs[0].pool if len(legs) == 1 else "+".join([leg.pool for leg in legs]),
        len(legs),
        last.slot,
    )
