"""Say what a transaction does on pools and accounts as they are: it swaps, or reverts, and why."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from orderengine.errors import InvalidAmount, Rejected
from orderengine.market.ledger import Ledger
from orderengine.market.transactions import Settled, Transaction, run_legs
from orderengine.model.amounts import format_amount
from orderengine.pools import Pool, tokens_of

__all__ = ["Tried", "ends_of", "tried"]


class Tried(Struct, frozen=True, gc=False):
    """Hold what a transaction would do; nothing of it has happened until it is kept."""

    settled: Settled | None = None
    """None if it reverts."""
    code: str = ""
    """Why it reverts; empty if it does not."""
    reason: str = ""


def ends_of(transaction: Transaction, pools: Mapping[str, Pool]) -> tuple[str, str]:
    """Return what is sold and bought: what the first leg spends and the last one brings."""
    first, last = transaction.legs[0], transaction.legs[-1]
    return (
        tokens_of(pools[first.pool], first.direction)[0],
        tokens_of(pools[last.pool], last.direction)[1],
    )


def tried(transaction: Transaction, pools: Mapping[str, Pool], ledger: Ledger, now_s: int) -> Tried:
    """Run the legs on copies of the pools' state, and look whether the limits hold."""
    sell, buy = ends_of(transaction, pools)
    try:
        settled = run_legs(transaction.legs, pools, now_s)
    except (Rejected, InvalidAmount) as error:
        return Tried(code=error.code, reason=str(error))
    if settled.uncovered:
        said = f"the legs spend more {settled.uncovered} than those before them bring"
        return Tried(code="SLIPPAGE", reason=said)
    amount_in, amount_out = -settled.changes[sell], settled.changes[buy]
    least, most = transaction.amount_out_min, transaction.amount_in_max
    if amount_out < least:
        paid, asked = format_amount(amount_out, buy), format_amount(least, buy)
        return Tried(code="SLIPPAGE", reason=f"would pay {paid}, at least {asked} was asked")
    if amount_in > most:
        cost, allowed = format_amount(amount_in, sell), format_amount(most, sell)
        return Tried(code="SLIPPAGE", reason=f"would cost {cost}, at most {allowed} was allowed")
    needed = amount_in + (transaction.network_fee if sell == "SOL" else 0)
    held = ledger.balance(transaction.user, sell)
    if held < needed:
        short = f"{format_amount(needed, sell)} is needed, {format_amount(held, sell)} is held"
        return Tried(code="INSUFFICIENT_FUNDS", reason=short)
    return Tried(settled)
