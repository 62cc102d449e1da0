"""Find the bins that a Meteora DLMM swap empties, and the one that it ends in.

Theory. A swap moves from the active bin in one direction. What it takes to leave a bin does not
depend on the amount, only on the bin, its fee rate and the bins before it. So the walk is a table
of sums over emptied bins, and a swap is a binary search in it plus a trade in one more bin:

    exact in    leaves a bin if floor(rest * kept / 10^9) > cost, so if
                rest >= ceil((cost + 1) * 10^9 / kept), and pays ceil(cost * 10^9 / kept) there
    exact out   leaves a bin if ceil(rest * 10^9 / kept) >= sold, so if
                rest >= floor((sold - 1) * kept / 10^9) + 1, and gets floor(sold * kept / 10^9)

with kept = 10^9 - rate where the fee is charged on that side, and 10^9 where it is not. These
bounds, added to the sums before them, never fall from bin to bin, which a binary search needs.

The table holds no answers, only the curve. It grows as far as swaps have come, so a pool that is
quoted once pays for about as many bins as it meets.
"""

from __future__ import annotations

from msgspec import Struct

from orderengine.pools.fixed_point import Q64
from orderengine.pools.meteora_dlmm_bin import BinFill, BinTerms, DlmmBin, fill_whole
from orderengine.pools.meteora_dlmm_fee import (
    FEE_RATE_ONE,
    DlmmFeeParameters,
    accumulator_at,
    base_fee_rate,
    total_fee_rate,
)

__all__ = ["DlmmStep", "DlmmTable", "DlmmWalk"]

DlmmStep = tuple[int, int, int, int, int, bool, int]
"""Index of the bin, its price (Q64.64), what the fee leaves of 10^9, the cost of all that it sells
without fee, that amount, whether it is in one lot (no orders), the volatility accumulator."""


class DlmmTable(Struct, frozen=True, eq=False, gc=False):
    """Hold the first bins of a walk that sell something, in order.

    ``steps``, ``leave_in`` and ``leave_out`` have one entry a bin; the latter two say from which
    amount on a swap (exact in, exact out) leaves it behind. ``taken``, ``paid`` and ``fees`` have
    one more: what the trader pays, gets and is charged for the first i bins, emptied.
    """

    steps: list[DlmmStep]
    leave_in: list[int]
    leave_out: list[int]
    taken: list[int]
    paid: list[int]
    fees: list[int]
    next_index: int
    """Of the first bin not looked at yet."""


class DlmmWalk(Struct, kw_only=True, eq=False, gc=False):
    """Hold the bins that a swap in one direction meets at one state of the fee.

    Only ``table`` changes, by a longer one that begins with the same bins. So whoever took a table
    can go on with it, in another thread too.
    """

    bin_ids: tuple[int, ...]
    bin_prices_x64: tuple[int, ...]
    bins: tuple[DlmmBin, ...]
    bin_step: int
    parameters: DlmmFeeParameters
    references: tuple[int, int]
    """Volatility reference and index reference."""
    a_to_b: bool
    fee_on_input: bool
    table: DlmmTable

    def table_of_step(self, number: int) -> DlmmTable:
        """Return a table with the step of this number, counted from 0, or with all there are."""
        table = self.table
        while len(table.steps) <= number and not self._is_complete(table):
            table = self._extend(table)
        return table

    def table_beyond_input(self, amount_in: int) -> DlmmTable:
        """Return a table with a bin that an exact input does not leave behind, or with all bins."""
        table = self.table
        while not ((table.leave_in and table.leave_in[-1] > amount_in) or self._is_complete(table)):
            table = self._extend(table)
        return table

    def table_beyond_output(self, amount_out: int) -> DlmmTable:
        """Return a table with a bin that an exact output does not empty, or with all bins."""
        table = self.table
        while not (
            (table.leave_out and table.leave_out[-1] > amount_out) or self._is_complete(table)
        ):
            table = self._extend(table)
        return table

    def terms(self, step: DlmmStep) -> BinTerms:
        """Return the terms of a trade in the bin of a step."""
        return BinTerms(step[1], FEE_RATE_ONE - step[2], self.a_to_b, self.fee_on_input)

    def emptying(self, number: int) -> BinFill:
        """Return what emptying the bin of a step takes and gives."""
        table = self.table
        step = table.steps[number]
        index, _, _, cost, sold, is_one_lot, _ = step
        if not is_one_lot:
            return fill_whole(self.bins[index], self.terms(step))
        taken, paid, fees, after = table.taken, table.paid, table.fees, number + 1
        amount_in, amount_out = taken[after] - taken[number], paid[after] - paid[number]
        return BinFill(amount_in, amount_out, fees[after] - fees[number], cost, 0, sold, 0, 0)

    def _is_complete(self, table: DlmmTable) -> bool:
        return not 0 <= table.next_index < len(self.bins)

    def _extend(self, table: DlmmTable) -> DlmmTable:
        """Return a table of twice as many steps, and keep it."""
        steps, leave_in, leave_out = (
            table.steps.copy(),
            table.leave_in.copy(),
            table.leave_out.copy(),
        )
        taken, paid, fees = table.taken.copy(), table.paid.copy(), table.fees.copy()
        wanted = 2 * len(steps) or 1
        base_rate = base_fee_rate(self.parameters, self.bin_step)
        a_to_b, index = self.a_to_b, table.next_index
        direction = -1 if a_to_b else 1
        taken_before, paid_before, fees_before = taken[-1], paid[-1], fees[-1]
        while len(steps) < wanted and 0 <= index < len(self.bins):
            step = self._step(index, base_rate)
            index += direction
            if step is None:
                continue
            _, _, kept, cost, sold, _, _ = step
            steps.append(step)
            if self.fee_on_input:
                # The bound and the charge are ceiled.
                leave_in.append(taken_before - (-(cost + 1) * FEE_RATE_ONE // kept))
                leave_out.append(paid_before + sold)
                charge = -(-cost * FEE_RATE_ONE // kept)
                taken_before += charge
                paid_before += sold
                fees_before += charge - cost
            else:
                # The bound is floored, and so is the output, as its fee is ceiled.
                leave_in.append(taken_before + cost + 1)
                leave_out.append(paid_before + (sold - 1) * kept // FEE_RATE_ONE + 1)
                output = sold * kept // FEE_RATE_ONE
                taken_before += cost
                paid_before += output
                fees_before += sold - output
            taken.append(taken_before)
            paid.append(paid_before)
            fees.append(fees_before)
        self.table = table = DlmmTable(steps, leave_in, leave_out, taken, paid, fees, index)
        return table

    def _step(self, index: int, base_rate: int) -> DlmmStep | None:
        """Return the step of a bin, or None if it sells nothing."""
        held, a_to_b = self.bins[index], self.a_to_b
        sold = lot = held.amount_b if a_to_b else held.amount_a
        if held.orders_sell_a != a_to_b:
            sold += held.processed_order_amount + held.open_order_amount
        if not sold:
            return None
        parameters, price_x64 = self.parameters, self.bin_prices_x64[index]
        accumulator = accumulator_at(
            self.bin_ids[index], *self.references, parameters.max_volatility_accumulator
        )
        control = parameters.variable_fee_control
        kept = FEE_RATE_ONE - total_fee_rate(base_rate, control, accumulator, self.bin_step)
        if sold != lot:
            # Each lot's cost is ceiled by itself; without a fee the charge is their sum.
            cost = fill_whole(held, BinTerms(price_x64, 0, a_to_b, True)).amount_in
        elif a_to_b:
            cost = -(-sold * Q64 // price_x64)  # ceiled
        else:
            cost = -(-sold * price_x64 // Q64)  # ceiled
        return index, price_x64, kept, cost, sold, sold == lot, accumulator
