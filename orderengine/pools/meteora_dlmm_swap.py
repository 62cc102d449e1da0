"""Hold a Meteora DLMM swap and, on demand, all that follows from it.

Most quotes are never looked at beyond their amounts, so fees and the next pool are computed from
the bins that were emptied and the one that was traded in last, when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from orderengine.pools.meteora_dlmm_bin import BinFill, fill_exact_in, fill_exact_out
from orderengine.pools.meteora_dlmm_fee import FEE_RATE_ONE, DlmmVolatility, split_fee

if TYPE_CHECKING:
    from orderengine.pools.meteora_dlmm import MeteoraDlmmPool

__all__ = ["MeteoraDlmmSwap"]


class _Books(Struct, frozen=True, gc=False):
    """Hold sums over the bins of a swap; ``fills`` has each bin's index and what it traded."""

    fills: tuple[tuple[int, BinFill], ...]
    fee: int
    lp_fee: int
    protocol_fee: int
    surplus: int
    order_in: int


class MeteoraDlmmSwap(Struct, frozen=True, gc=False):
    """Hold a swap, the program's split of its fee and the end of its walk.

    The fee is charged in the input token if ``fee_on_input``. exact_out may buy more than it pays
    out, where a unit of input is worth several of output: that surplus is a fee in the output
    token. ``lp_fee`` (limit order placers included) and ``protocol_fee`` are the program's split
    of ``fee_in + fee_out``. It leaves out a fee that ate all of a bin's input, and a surplus of one
    unit in a bin: those stay in the vault as nobody's.
    """

    before: MeteoraDlmmPool
    """The pool that was asked."""
    a_to_b: bool
    exact_in: bool
    now_s: int
    """Unix seconds."""
    bins_emptied: int
    """Bins left behind with nothing more to sell."""
    rest: int
    """Of the input (exact in) or output (exact out) asked for, what the bin after those trades."""
    amount_in: int
    amount_out: int

    @property
    def fee_on_input(self) -> bool:
        """Whether the fee is charged in the input token."""
        return not (self.a_to_b and self.before.fee_always_in_b)

    @property
    def bins_touched(self) -> int:
        """Bins that traded."""
        return self.bins_emptied + (self.rest > 0)

    @property
    def crossed(self) -> int:
        """Bins that traded before the last one."""
        return max(self.bins_touched - 1, 0)

    @property
    def end_bin_id(self) -> int:
        """The last bin that traded, the next active one."""
        touched, before = self.bins_touched, self.before
        if not touched:
            return before.active_id
        return before.bin_ids[before.walk(self.a_to_b, self.now_s).table.steps[touched - 1][0]]

    @property
    def end_price_x64(self) -> int:
        """The price of that bin, B per A in Q64.64."""
        touched, before = self.bins_touched, self.before
        if not touched:
            return before.price_x64
        return before.walk(self.a_to_b, self.now_s).table.steps[touched - 1][1]

    @property
    def fee_in(self) -> int:
        """The part of ``amount_in`` that is fees."""
        return self._fee_and_surplus()[0] if self.fee_on_input else 0

    @property
    def fee_out(self) -> int:
        """Fees and surplus of the token received, taken before ``amount_out``."""
        fee, surplus = self._fee_and_surplus()
        return surplus if self.fee_on_input else fee + surplus

    @property
    def lp_fee(self) -> int:
        """The liquidity providers' and order placers' part of the fees."""
        return self._books().lp_fee

    @property
    def protocol_fee(self) -> int:
        """The protocol's part of the fees, a surplus of more than one unit in a bin included."""
        return self._books().protocol_fee

    @property
    def pool(self) -> MeteoraDlmmPool:
        """The pool after the swap; all that enters or leaves a vault is booked here."""
        before, books, a_to_b = self.before, self._books(), self.a_to_b
        active_id, volatility, bins = before.active_id, before.volatility, before.bins
        if books.fills:
            walk = before.walk(a_to_b, self.now_s)
            step = walk.table.steps[len(books.fills) - 1]
            volatility_reference, index_reference = walk.references
            active_id = before.bin_ids[step[0]]
            volatility = DlmmVolatility(
                volatility_accumulator=step[6],
                volatility_reference=volatility_reference,
                index_reference=index_reference,
                last_update_timestamp=self.now_s,
            )
            changed = list(bins)
            for index, fill in books.fills:
                changed[index] = bins[index].after(fill, a_to_b)
            bins = tuple(changed)
        fee_in, fee_out = books.fee, books.surplus
        if not self.fee_on_input:
            fee_in, fee_out = 0, books.fee + books.surplus
        if a_to_b:
            added_a, added_b = self.amount_in, -self.amount_out
            fee_a, fee_b = fee_in, fee_out
            proceeds_a, proceeds_b = books.order_in, 0
        else:
            added_a, added_b = -self.amount_out, self.amount_in
            fee_a, fee_b = fee_out, fee_in
            proceeds_a, proceeds_b = 0, books.order_in
        return replace(
            before,
            active_id=active_id,
            volatility=volatility,
            bins=bins,
            vault_a=before.vault_a + added_a,
            vault_b=before.vault_b + added_b,
            accrued_fee_a=before.accrued_fee_a + fee_a,
            accrued_fee_b=before.accrued_fee_b + fee_b,
            order_proceeds_a=before.order_proceeds_a + proceeds_a,
            order_proceeds_b=before.order_proceeds_b + proceeds_b,
        )

    def _books(self) -> _Books:
        """Trade bin after bin once more, this time noting all that each took and gave."""
        before = self.before
        walk = before.walk(self.a_to_b, self.now_s)
        protocol_share = before.parameters.protocol_share
        fills = []
        fee = lp_fee = protocol_fee = surplus = order_in = 0
        for number in range(self.bins_touched):
            fill = walk.emptying(number) if number < self.bins_emptied else self._last_fill()
            fills.append((walk.table.steps[number][0], fill))
            parts = split_fee(fill.fee, protocol_share, fill.pool_in, fill.order_in)
            fee += fill.fee
            lp_fee += parts[0]
            protocol_fee += parts[1]
            # The program books a surplus as the protocol's fee, but not one of a single unit.
            if fill.surplus > 1:
                protocol_fee += fill.surplus
            surplus += fill.surplus
            order_in += fill.order_in
        return _Books(tuple(fills), fee, lp_fee, protocol_fee, surplus, order_in)

    def _fee_and_surplus(self) -> tuple[int, int]:
        walk = self.before.walk(self.a_to_b, self.now_s)
        fee, rest = walk.table.fees[self.bins_emptied], self.rest
        if not rest:
            return fee, 0
        step = walk.table.steps[self.bins_emptied]
        if self.exact_in and walk.fee_on_input and step[5]:
            # One lot: what is left of the rest after the fee, floored, all goes in.
            return fee + rest - rest * step[2] // FEE_RATE_ONE, 0
        last = self._last_fill()
        return fee + last.fee, last.surplus

    def _last_fill(self) -> BinFill:
        """Trade the rest in the bin that keeps something; only if there is a rest."""
        walk = self.before.walk(self.a_to_b, self.now_s)
        step = walk.table.steps[self.bins_emptied]
        fill = fill_exact_in if self.exact_in else fill_exact_out
        return fill(self.before.bins[step[0]], walk.terms(step), self.rest)
