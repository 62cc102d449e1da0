r"""Measure what an order cost against the price at which it was accepted, in basis points.

Implementation shortfall compares the real trade with a trade on paper at the price of the moment of
decision (A. F. Perold, "The implementation shortfall: paper versus reality", Journal of Portfolio
Management 14(3), 1988, pp. 4-9). Positive is a cost. With P_a, P_l and P_e the reference price
(base units of ``buy`` for one of ``sell``) when the order was accepted, landed and ended, P_1 and
P_n that when it was routed for the first and the last time, N the network fee of the landed
transaction and M those of earlier ones that landed and failed:

Filled, exact_in (all in ``buy``), benchmark B = amount_in · P_a::

    total        = (B - (amount_out - N - M)) / B
    delay        = ((P_a - P_1) + (P_n - P_l)) / P_a
    fees         = (fee_in · P_l + fee_out + N) / B
    failure      = M / B + (P_1 - P_n) / P_a
    price_impact = ((amount_in - fee_in) · P_l - (amount_out + fee_out)) / B

Filled, exact_out (all in ``sell``), benchmark B = amount_out / P_a::

    total        = (amount_in + N + M - B) / B
    delay        = P_a · ((1 / P_1 - 1 / P_a) + (1 / P_l - 1 / P_n))
    fees         = (fee_in + fee_out / P_l + N) / B
    failure      = M / B + P_a · (1 / P_n - 1 / P_1)
    price_impact = ((amount_in - fee_in) - (amount_out + fee_out) / P_l) / B

Price impact is the rest: what the curves of the pools, and their distance from the reference price,
cost. Failure is what the order paid for attempts that came to nothing: their fees, and the move of
the price from the first route to the last one; delay is the rest of the move until landing. An
order filled at its first route has P_1 = P_n, and so no failure.

Not filled: failure = (P_a - P_e) / P_a for exact_in and P_a / P_e - 1 for exact_out, plus M / B
with B from the order's amount; the other parts are 0. So a price that ran away is a cost, one that
came closer a gain.

Network fees are lamports. They are valued, at P_l or P_e, only where ``sell`` or ``buy`` is SOL;
elsewhere they count as 0, because the log holds no price of SOL. The parts add up to the total up
to float rounding (about 1e-11 bps). Costs are null for an order that has not ended, or whose
reference price is 0.
"""

from __future__ import annotations

from typing import TypedDict

import polars as pl

from orderengine.analysis.latency import nearest_rank
from orderengine.model.tokens import SOL

__all__ = [
    "PARTS",
    "PART_WORDS",
    "Shortfall",
    "completed_mean",
    "cost_columns",
    "counted",
    "shortfall_summary",
]

PARTS = ("price_impact", "fees", "delay", "failure")
"""The parts that add up to the shortfall."""

PART_WORDS = {
    "price_impact": "price impact in the pools",
    "fees": "pool and network fees",
    "delay": "price moves until landing",
    "failure": "failed attempts and orders",
}
"""What each part is called for people."""

_BPS = 10_000.0


class Shortfall(TypedDict):
    """Hold mean, nearest-rank percentiles and mean parts, in bps; None where no order counts."""

    mean: float | None
    p50: float | None
    p95: float | None
    parts: dict[str, float | None]


def _float(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64)


def cost_columns() -> list[pl.Expr]:
    """Return the columns ``shortfall_bps`` and ``price_impact_bps`` … ``failure_bps``, Float64.

    They read ``price_base_accept``, ``price_base_end``, ``price_base_routed_first`` and
    ``price_base_routed_last`` (base units of ``buy`` for one of ``sell``, Float64),
    ``network_fee`` and ``network_fee_failed`` (lamports), and the order's and the fill's amounts.
    The formulas stand in the module docstring.
    """
    p_accept, p_end = pl.col("price_base_accept"), pl.col("price_base_end")
    p_first, p_last = pl.col("price_base_routed_first"), pl.col("price_base_routed_last")
    exact_in, filled = pl.col("mode") == "exact_in", pl.col("status") == "confirmed"
    amount_in, amount_out = _float("amount_in"), _float("amount_out")
    fee_in, fee_out = _float("fee_in"), _float("fee_out")

    def by_mode(of_exact_in: pl.Expr, of_exact_out: pl.Expr) -> pl.Expr:
        return pl.when(exact_in).then(of_exact_in).otherwise(of_exact_out)

    sells_sol, buys_sol = pl.col("sell") == SOL.symbol, pl.col("buy") == SOL.symbol
    lamport = by_mode(
        pl.when(buys_sol).then(1.0).when(sells_sol).then(p_end).otherwise(0.0),
        pl.when(sells_sol).then(1.0).when(buys_sol).then(1.0 / p_end).otherwise(0.0),
    )
    failed_fees = _float("network_fee_failed") * lamport
    landed_fee = (_float("network_fee") - _float("network_fee_failed")) * lamport
    benchmark = by_mode(
        pl.coalesce(amount_in, _float("amount")) * p_accept,
        pl.coalesce(amount_out, _float("amount")) / p_accept,
    )
    move = (p_accept - p_end) / by_mode(p_accept, p_end)
    retried = (
        pl.when((p_first > 0) & (p_last > 0))
        .then(by_mode((p_first - p_last) / p_accept, p_accept / p_last - p_accept / p_first))
        .otherwise(0.0)
    )
    total = by_mode(
        benchmark - (amount_out - landed_fee - failed_fees),
        amount_in + landed_fee + failed_fees - benchmark,
    )
    fees = by_mode(fee_in * p_end + fee_out, fee_in + fee_out / p_end) + landed_fee
    impact = by_mode(
        (amount_in - fee_in) * p_end - (amount_out + fee_out),
        (amount_in - fee_in) - (amount_out + fee_out) / p_end,
    )
    unfilled = move + failed_fees / benchmark
    known = pl.col("ended_at").is_not_null() & (p_accept > 0) & (p_end > 0)

    def bps(name: str, if_filled: pl.Expr, if_not: pl.Expr) -> pl.Expr:
        value = pl.when(filled).then(if_filled).otherwise(if_not)
        return pl.when(known).then(value * _BPS).alias(f"{name}_bps")

    zero = pl.lit(0.0)
    return [
        bps("shortfall", total / benchmark, unfilled),
        bps("price_impact", impact / benchmark, zero),
        bps("fees", fees / benchmark, zero),
        bps("delay", move - retried, zero),
        bps("failure", failed_fees / benchmark + retried, unfilled),
    ]


def counted(table: pl.DataFrame) -> pl.DataFrame:
    """Return the orders whose cost counts: ended, not cancelled, with a reference price.

    Cancelled orders are left out because their user chose not to trade.
    """
    return table.filter(
        pl.col("status").is_in(["confirmed", "failed", "expired"])
        & pl.col("shortfall_bps").is_not_null()
    )


def shortfall_summary(table: pl.DataFrame) -> Shortfall:
    """Return the shortfall over all orders that ended, without the cancelled ones, in bps.

    Each order weighs the same, whatever its size. Means are float means, percentiles nearest ranks
    of the order's total. A cancelled order is left out because its user chose not to trade; one
    that failed or expired is not, because leaving it out would make giving up look cheap.
    """
    orders = counted(table)
    totals = orders["shortfall_bps"].sort()
    return Shortfall(
        mean=_mean(totals),
        p50=nearest_rank(totals, 50),
        p95=nearest_rank(totals, 95),
        parts={part: _mean(orders[f"{part}_bps"]) for part in PARTS},
    )


def completed_mean(table: pl.DataFrame) -> float | None:
    """Return the mean cost in bps if each unfilled order were traded after all, at its end.

    An unfilled order then pays, on top of the move of the price until its end, the fees and the
    price impact that filled orders of the table paid in the mean. The shortfall alone charges it
    the move only, so a rule that gives up often looks cheap; this figure does not reward that.

    Assumption: unfilled orders could trade at once and like the others. Where it misleads: orders
    that failed because they are large, or because the market ran, would pay more. None if no order
    was filled.
    """
    orders = counted(table)
    filled = orders.filter(pl.col("status") == "confirmed")
    if filled.is_empty():
        return None
    trading = (filled["fees_bps"] + filled["price_impact_bps"]).sum() / len(filled)
    unfilled = len(orders) - len(filled)
    return (float(orders["shortfall_bps"].sum()) + unfilled * float(trading)) / len(orders)


def _mean(values: pl.Series) -> float | None:
    return None if values.is_empty() else float(values.sum()) / len(values)
