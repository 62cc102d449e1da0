"""Trade inside one Meteora DLMM bin, where every unit has the same price.

Theory. A bin sells up to three lots, each rounded by itself and in this order: its own liquidity,
the rest of limit orders that trading has reached already ("processed"), and orders still untouched
("open"). Orders of a bin sell one token only, so they serve one direction.

    cost of a lot = ceil(lot * 2^64 / price)  A to B        ceil(lot * price / 2^64)  B to A
    output of a   = floor(a * price / 2^64)   A to B        floor(a * 2^64 / price)   B to A

The bin gains both remainders. An input that just pays for all that the bin sells is consumed whole;
with more, the bin's cost is grossed up by the fee, ceiled, and the rest goes on to the next bin.

Source: @meteora-ag/dlmm 1.9.14 (observed results), and MeteoraAg/dlmm-sdk commons/src/quote.rs at
fb02e51.
"""

from __future__ import annotations

from msgspec import Struct

from orderengine.pools.fixed_point import Q64, U128_MAX, mul_div_ceil, mul_div_floor
from orderengine.pools.meteora_dlmm_fee import FEE_RATE_ONE

__all__ = ["BinFill", "BinTerms", "DlmmBin", "fill_exact_in", "fill_exact_out", "fill_whole"]


class DlmmBin(Struct, frozen=True, gc=False):
    """Hold what one bin can sell: its liquidity of both tokens and the limit orders in it.

    Order amounts are of token A if ``orders_sell_a``, else of token B.
    """

    amount_a: int
    amount_b: int
    processed_order_amount: int = 0
    open_order_amount: int = 0
    orders_sell_a: bool = False

    def reserve_out(self, a_to_b: bool) -> int:
        """Return all that the bin sells in this direction, in the token that goes out."""
        pool_amount = self.amount_b if a_to_b else self.amount_a
        if self.orders_sell_a == a_to_b:
            return pool_amount
        return pool_amount + self.processed_order_amount + self.open_order_amount

    def after(self, fill: BinFill, a_to_b: bool) -> DlmmBin:
        """Return the bin after a fill.

        What orders earn leaves the bin: it waits for the order's owner. Once the open orders are
        reached they all count as processed, sharing the fill, and orders placed later queue behind;
        the SDK never shows this step, it is read from the program's account (``order_age``,
        ``total_processing_order_amount``).
        """
        processed = self.processed_order_amount - fill.processed_out
        open_amount = self.open_order_amount
        if fill.open_out:
            processed, open_amount = open_amount - fill.open_out, 0
        if a_to_b:
            amount_a, amount_b = self.amount_a + fill.pool_in, self.amount_b - fill.pool_out
        else:
            amount_a, amount_b = self.amount_a - fill.pool_out, self.amount_b + fill.pool_in
        return DlmmBin(amount_a, amount_b, processed, open_amount, self.orders_sell_a)


class BinTerms(Struct, frozen=True, gc=False):
    """Hold the terms of a trade in one bin: price, fee rate (per 10^9) and who pays it where."""

    price_x64: int
    fee_rate: int
    a_to_b: bool
    fee_on_input: bool

    def cost(self, lot: int) -> int:
        """Return the input that buys ``lot``, without fee, rounded up."""
        if self.a_to_b:
            return mul_div_ceil(lot, Q64, self.price_x64)
        return mul_div_ceil(lot, self.price_x64, Q64)

    def output(self, net_in: int) -> int:
        """Return what ``net_in`` buys, without fee, rounded down."""
        if self.a_to_b:
            return mul_div_floor(net_in, self.price_x64, Q64)
        return mul_div_floor(net_in, Q64, self.price_x64)

    def fee_on(self, amount: int) -> int:
        """Return the fee contained in ``amount``, rounded up."""
        return mul_div_ceil(amount, self.fee_rate, FEE_RATE_ONE)

    def gross_up(self, net: int) -> int:
        """Return the amount that leaves ``net`` after the fee, rounded up."""
        return mul_div_ceil(net, FEE_RATE_ONE, FEE_RATE_ONE - self.fee_rate)


class BinFill(Struct, frozen=True, gc=False):
    """Hold what one bin took and gave.

    ``amount_in`` and ``amount_out`` are the trader's. ``pool_in`` and ``order_in`` are the input
    without fee; ``pool_out``, ``processed_out`` and ``open_out`` the output before fee and surplus.
    ``surplus`` (output token) is what exact_out takes from the bin but does not pay out, since one
    unit of input buys several of output.
    """

    amount_in: int
    amount_out: int
    fee: int
    pool_in: int
    order_in: int
    pool_out: int
    processed_out: int
    open_out: int
    surplus: int = 0


def fill_exact_in(held: DlmmBin, terms: BinTerms, amount_in: int) -> BinFill:
    """Trade up to ``amount_in`` in a bin; what it took is ``amount_in`` of the result."""
    a_to_b = terms.a_to_b
    net_in = amount_in - terms.fee_on(amount_in) if terms.fee_on_input else amount_in
    pool_in, pool_out = _take(held.amount_b if a_to_b else held.amount_a, terms, net_in)
    left = net_in - pool_in
    processed_out = open_out = 0
    if left and held.orders_sell_a != a_to_b:
        taken, processed_out = _take(held.processed_order_amount, terms, left)
        left -= taken
        if left:
            taken, open_out = _take(held.open_order_amount, terms, left)
            left -= taken
    used = net_in - left
    amount_out = pool_out + processed_out + open_out
    if terms.fee_on_input:
        charged = terms.gross_up(used) if left else amount_in
        fee = charged - used
    else:
        charged = used
        fee = terms.fee_on(amount_out)
        amount_out -= fee
    return BinFill(
        charged, amount_out, fee, pool_in, used - pool_in, pool_out, processed_out, open_out
    )


def fill_whole(held: DlmmBin, terms: BinTerms) -> BinFill:
    """Buy all that a bin sells; the input may exceed u64, which the caller must check."""
    # Far above any cost (a lot below 2^66 times a price below 2^64), so that input is left over.
    return fill_exact_in(held, terms, U128_MAX << 64)


def fill_exact_out(held: DlmmBin, terms: BinTerms, amount_out: int) -> BinFill:
    """Buy up to ``amount_out`` from a bin; what it gave is ``amount_out`` of the result.

    The cost is ceiled lot by lot, then traded as an exact input, whose fee and output stand. That
    output may be more than was wanted: the difference is the fill's ``surplus``.
    """
    wanted = amount_out if terms.fee_on_input else terms.gross_up(amount_out)
    if wanted >= held.reserve_out(terms.a_to_b):
        return fill_whole(held, terms)
    pool_lot = min(wanted, held.amount_b if terms.a_to_b else held.amount_a)
    processed_lot = min(wanted - pool_lot, held.processed_order_amount)
    open_lot = wanted - pool_lot - processed_lot
    net_in = terms.cost(pool_lot) + terms.cost(processed_lot) + terms.cost(open_lot)
    fill = fill_exact_in(held, terms, terms.gross_up(net_in) if terms.fee_on_input else net_in)
    return BinFill(
        fill.amount_in,
        amount_out,
        fill.fee,
        fill.pool_in,
        fill.order_in,
        fill.pool_out,
        fill.processed_out,
        fill.open_out,
        fill.amount_out - amount_out,
    )


def _take(lot: int, terms: BinTerms, net_in: int) -> tuple[int, int]:
    """Return (input used, output) of trading ``net_in`` against one lot."""
    if not lot:
        return 0, 0
    cost = terms.cost(lot)
    if net_in >= cost:
        return cost, lot
    return net_in, terms.output(net_in)
