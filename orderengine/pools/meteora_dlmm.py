"""Swap on Meteora's dynamic liquidity market maker (DLMM).

Theory. Liquidity lies in bins of one price each. Bins above the active one hold token A, bins
below hold token B, the active bin may hold both. A swap sells A downwards or buys A upwards, one
bin after the other, from the active bin; bins that sell nothing cost nothing. The fee rate is set
anew at each bin that trades, and is charged in the input token or always in token B. The last bin
that traded is the next active one, also when it was just emptied.

``meteora_dlmm_price`` gives bins their prices, ``meteora_dlmm_fee`` the fee rates, and
``meteora_dlmm_bin`` trades inside one bin; here is the walk over bins and the pool's next state.

Source: swapQuote and swapQuoteExactOut of @meteora-ag/dlmm 1.9.14 (observed results), and
MeteoraAg/dlmm-sdk commons/src/quote.rs at fb02e51. Unlike that Rust quote, a walk does not stop
after three bin arrays, as the TypeScript one does not. Unlike the TypeScript one, exact_out also
charges for a bin whose output is eaten by the fee.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from msgspec import Struct

from orderengine.errors import InsufficientLiquidity, InvalidAmount, InvalidData
from orderengine.pools.base import Direction, Segment
from orderengine.pools.fixed_point import (
    Q64,
    U64_MAX,
    require_u64_amount,
    require_u64_result,
)
from orderengine.pools.meteora_dlmm_bin import (
    BinTerms,
    DlmmBin,
    fill_exact_in,
    fill_exact_out,
    fill_whole,
)
from orderengine.pools.meteora_dlmm_fee import (
    FEE_RATE_ONE,
    DlmmFeeParameters,
    DlmmVolatility,
    accumulator_at,
    base_fee_rate,
    split_fee,
    total_fee_rate,
)
from orderengine.pools.meteora_dlmm_price import bin_price_x64
from orderengine.pools.meteora_dlmm_spec import MeteoraDlmmSpec
from orderengine.pools.segments import bin_segment

__all__ = ["MeteoraDlmmPool", "MeteoraDlmmSwap"]


class MeteoraDlmmSwap(Struct, frozen=True, kw_only=True, gc=False):
    """Hold a swap, the program's split of its fee and the end of its walk.

    The fee is charged in the input token if ``fee_on_input``. exact_out may buy more than it pays
    out, where a unit of input is worth several of output: that surplus is a fee in the output
    token. ``lp_fee`` (limit order placers included) and ``protocol_fee`` are the program's split
    of ``fee_in + fee_out``. It leaves out a fee that ate all of a bin's input, and a surplus of one
    unit in a bin: those stay in the vault as nobody's.
    """

    amount_in: int
    amount_out: int
    fee_in: int
    fee_out: int
    crossed: int
    end_price_x64: int
    lp_fee: int
    protocol_fee: int
    fee_on_input: bool
    end_bin_id: int
    bins_touched: int
    pool: MeteoraDlmmPool


class MeteoraDlmmPool(Struct, frozen=True, kw_only=True, gc=False):
    """Hold one pool; build it with ``from_spec``.

    ``bin_ids`` (ascending), ``bin_prices_x64`` and ``bins`` run in parallel. A swap replaces
    ``bins`` and shares the rest: it never makes a bin that was not there, as it puts tokens only
    where it takes some. ``vault_a`` and ``vault_b`` are all that the bins, their orders,
    ``accrued_fee_*`` and ``order_proceeds_*`` hold of a token.
    """

    address: str
    token_a: str
    token_b: str
    bin_step: int
    active_id: int
    parameters: DlmmFeeParameters
    volatility: DlmmVolatility
    fee_always_in_b: bool
    bin_ids: tuple[int, ...]
    bin_prices_x64: tuple[int, ...]
    bins: tuple[DlmmBin, ...]
    vault_a: int
    vault_b: int
    accrued_fee_a: int = 0
    accrued_fee_b: int = 0
    order_proceeds_a: int = 0
    order_proceeds_b: int = 0

    @classmethod
    def from_spec(cls, spec: MeteoraDlmmSpec) -> MeteoraDlmmPool:
        """Build a pool, computing the price of every bin.

        Raises:
            InvalidData: a bin is given twice, an amount or a fee setting is out of range, or the
                price of a bin does not fit Q64.64.
        """
        source = f"pool {spec.address}"
        if spec.collect_fee_mode not in {0, 1}:
            raise InvalidData(source, f"collect_fee_mode {spec.collect_fee_mode}", "0 or 1")
        spec.parameters.require_valid(source)
        bin_price_x64(spec.active_id, spec.bin_step)
        described = sorted(spec.bins, key=lambda bin_spec: bin_spec.id)
        bin_ids = tuple(bin_spec.id for bin_spec in described)
        if len(set(bin_ids)) != len(bin_ids):
            raise InvalidData(source, f"bin ids {bin_ids}", "each bin at most once")
        bins = tuple(bin_spec.held(spec.supports_limit_order) for bin_spec in described)
        held_a = spec.accrued_fee_a + spec.order_proceeds_a
        held_b = spec.accrued_fee_b + spec.order_proceeds_b
        for bin_id, held in zip(bin_ids, bins, strict=True):
            processed, open_amount = held.processed_order_amount, held.open_order_amount
            if min(held.amount_a, held.amount_b, processed, open_amount) < 0:
                raise InvalidData(source, f"bin {bin_id} with {held}", "amounts of 0 or more")
            orders = processed + open_amount
            held_a += held.amount_a + (orders if held.orders_sell_a else 0)
            held_b += held.amount_b + (0 if held.orders_sell_a else orders)
        return cls(
            address=spec.address,
            token_a=spec.token_a,
            token_b=spec.token_b,
            bin_step=spec.bin_step,
            active_id=spec.active_id,
            parameters=spec.parameters,
            volatility=spec.volatility,
            fee_always_in_b=spec.collect_fee_mode == 1,
            bin_ids=bin_ids,
            bin_prices_x64=tuple(bin_price_x64(bin_id, spec.bin_step) for bin_id in bin_ids),
            bins=bins,
            vault_a=held_a,
            vault_b=held_b,
            accrued_fee_a=spec.accrued_fee_a,
            accrued_fee_b=spec.accrued_fee_b,
            order_proceeds_a=spec.order_proceeds_a,
            order_proceeds_b=spec.order_proceeds_b,
        )

    @property
    def venue(self) -> str:
        """Name the program."""
        return "meteora_dlmm"

    @property
    def price_x64(self) -> int:
        """Return the price of the active bin, B per A in Q64.64."""
        return bin_price_x64(self.active_id, self.bin_step)

    def swap_exact_in(
        self, direction: Direction, amount_in: int, now_s: int, *, partial_fill: bool = False
    ) -> MeteoraDlmmSwap:
        """Swap all of ``amount_in``, or with ``partial_fill`` as much of it as the bins take.

        Raises:
            InvalidAmount: ``amount_in`` is below 1 or above u64.
            InsufficientLiquidity: the bins take less (its amounts are of the input token).
            AmountOverflow: the output would be above u64.
        """
        require_u64_amount("amount_in", amount_in)
        return self._swap(direction, amount_in, now_s, exact_in=True, partial_fill=partial_fill)

    def swap_exact_out(
        self, direction: Direction, amount_out: int, now_s: int, *, partial_fill: bool = False
    ) -> MeteoraDlmmSwap:
        """Swap as little as pays for ``amount_out``, or for all there is with ``partial_fill``.

        Raises:
            InvalidAmount: ``amount_out`` is below 1 or above u64.
            InsufficientLiquidity: the bins give less.
            AmountOverflow: the input would be above u64.
        """
        require_u64_amount("amount_out", amount_out)
        return self._swap(direction, amount_out, now_s, exact_in=False, partial_fill=partial_fill)

    def amount_in_to_price(self, direction: Direction, limit_price_x64: int, now_s: int) -> int:
        """Return the input that takes every bin up to the first that is worse than the limit.

        A bin has one price and, in one swap, one fee rate, so it is taken whole or not at all. The
        comparison is exact: price * (1 - rate) >= limit for A, price / (1 - rate) <= limit for B.
        While the fee falls from bin to bin (the swap moves towards the volatility's reference) a
        bin beyond may be within the limit again; it is left alone.

        Raises:
            InvalidAmount: ``limit_price_x64`` is negative.
        """
        if limit_price_x64 < 0:
            raise InvalidAmount("limit_price_x64", limit_price_x64, "at least 0")
        a_to_b = direction == Direction.A_TO_B
        fee_on_input = not (a_to_b and self.fee_always_in_b)
        amount_in = 0
        for index, fee_rate, _ in self._walk(a_to_b, now_s):
            price_x64 = self.bin_prices_x64[index]
            kept = FEE_RATE_ONE - fee_rate
            if a_to_b:
                is_worse = price_x64 * kept < limit_price_x64 * FEE_RATE_ONE
            else:
                is_worse = price_x64 * FEE_RATE_ONE > limit_price_x64 * kept
            if is_worse:
                break
            terms = BinTerms(price_x64, fee_rate, a_to_b, fee_on_input)
            amount_in += fill_whole(self.bins[index], terms).amount_in
            if amount_in >= U64_MAX:
                return U64_MAX
        return amount_in

    def segments(self, direction: Direction, now_s: int) -> Iterator[Segment]:
        """Yield a piece for each bin that pays, orders in it included, at the bin's own fee."""
        a_to_b = direction == Direction.A_TO_B
        fee_on_input = not (a_to_b and self.fee_always_in_b)
        for index, fee_rate, _ in self._walk(a_to_b, now_s):
            kept = 1 - fee_rate / FEE_RATE_ONE
            price = self.bin_prices_x64[index] / Q64
            if not a_to_b:
                price = 1 / price
            sold = self.bins[index].reserve_out(a_to_b)
            cost = sold / price
            if fee_on_input:
                yield bin_segment(price * kept, cost / kept, sold)
            else:
                yield bin_segment(price * kept, cost, sold * kept)

    def _walk(self, a_to_b: bool, now_s: int) -> Iterator[tuple[int, int, int]]:
        """Yield (index, fee rate, volatility accumulator) of each bin that can pay, in order."""
        parameters, bin_ids, bins, bin_step = (
            self.parameters,
            self.bin_ids,
            self.bins,
            self.bin_step,
        )
        volatility_reference, index_reference = self.volatility.references_at(
            parameters, self.active_id, now_s
        )
        base_rate = base_fee_rate(parameters, bin_step)
        if a_to_b:
            indices = range(bisect_right(bin_ids, self.active_id) - 1, -1, -1)
        else:
            indices = range(bisect_left(bin_ids, self.active_id), len(bin_ids))
        for index in indices:
            if bins[index].reserve_out(a_to_b):
                accumulator = accumulator_at(
                    bin_ids[index],
                    volatility_reference,
                    index_reference,
                    parameters.max_volatility_accumulator,
                )
                rate = total_fee_rate(
                    base_rate, parameters.variable_fee_control, accumulator, bin_step
                )
                yield index, rate, accumulator

    def _swap(
        self, direction: Direction, amount: int, now_s: int, *, exact_in: bool, partial_fill: bool
    ) -> MeteoraDlmmSwap:
        """Trade bin after bin until ``amount`` is used up or paid out."""
        a_to_b = direction == Direction.A_TO_B
        fee_on_input = not (a_to_b and self.fee_always_in_b)
        fill_bin = fill_exact_in if exact_in else fill_exact_out
        protocol_share = self.parameters.protocol_share
        total = _Total()
        bins = list(self.bins)
        remaining = amount
        for index, fee_rate, accumulator in self._walk(a_to_b, now_s):
            held = self.bins[index]
            terms = BinTerms(self.bin_prices_x64[index], fee_rate, a_to_b, fee_on_input)
            fill = fill_bin(held, terms, remaining)
            bins[index] = held.after(fill, a_to_b)
            total.amount_in += fill.amount_in
            total.amount_out += fill.amount_out
            total.fee += fill.fee
            lp_fee, protocol_fee = split_fee(fill.fee, protocol_share, fill.pool_in, fill.order_in)
            total.lp_fee += lp_fee
            total.protocol_fee += protocol_fee
            # The program books a surplus as the protocol's fee, but not one of a single unit.
            if fill.surplus > 1:
                total.protocol_fee += fill.surplus
            total.surplus += fill.surplus
            total.order_in += fill.order_in
            total.bins_touched += 1
            total.end_index = index
            total.accumulator = accumulator
            remaining -= fill.amount_in if exact_in else fill.amount_out
            if not remaining:
                break
        if remaining and not partial_fill:
            raise InsufficientLiquidity(self.address, amount, amount - remaining)
        require_u64_result("amount_in", total.amount_in)
        require_u64_result("amount_out", total.amount_out)
        pool = self._after(total, tuple(bins), a_to_b, now_s)
        return MeteoraDlmmSwap(
            amount_in=total.amount_in,
            amount_out=total.amount_out,
            fee_in=total.fee if fee_on_input else 0,
            fee_out=total.surplus + (0 if fee_on_input else total.fee),
            crossed=max(total.bins_touched - 1, 0),
            end_price_x64=pool.price_x64,
            pool=pool,
            lp_fee=total.lp_fee,
            protocol_fee=total.protocol_fee,
            fee_on_input=fee_on_input,
            end_bin_id=pool.active_id,
            bins_touched=total.bins_touched,
        )

    def _after(
        self, total: _Total, bins: tuple[DlmmBin, ...], a_to_b: bool, now_s: int
    ) -> MeteoraDlmmPool:
        """Return the pool that a swap leaves; all that enters or leaves a vault is booked here."""
        active_id, volatility = self.active_id, self.volatility
        if total.bins_touched:
            volatility_reference, index_reference = volatility.references_at(
                self.parameters, active_id, now_s
            )
            volatility = DlmmVolatility(
                volatility_accumulator=total.accumulator,
                volatility_reference=volatility_reference,
                index_reference=index_reference,
                last_update_timestamp=now_s,
            )
            active_id = self.bin_ids[total.end_index]
        fee_in, fee_out = total.fee, total.surplus
        if a_to_b and self.fee_always_in_b:
            fee_in, fee_out = 0, total.fee + total.surplus
        if a_to_b:
            added_a, added_b = total.amount_in, -total.amount_out
            fee_a, fee_b = fee_in, fee_out
            proceeds_a, proceeds_b = total.order_in, 0
        else:
            added_a, added_b = -total.amount_out, total.amount_in
            fee_a, fee_b = fee_out, fee_in
            proceeds_a, proceeds_b = 0, total.order_in
        return MeteoraDlmmPool(
            address=self.address,
            token_a=self.token_a,
            token_b=self.token_b,
            bin_step=self.bin_step,
            active_id=active_id,
            parameters=self.parameters,
            volatility=volatility,
            fee_always_in_b=self.fee_always_in_b,
            bin_ids=self.bin_ids,
            bin_prices_x64=self.bin_prices_x64,
            bins=bins,
            vault_a=self.vault_a + added_a,
            vault_b=self.vault_b + added_b,
            accrued_fee_a=self.accrued_fee_a + fee_a,
            accrued_fee_b=self.accrued_fee_b + fee_b,
            order_proceeds_a=self.order_proceeds_a + proceeds_a,
            order_proceeds_b=self.order_proceeds_b + proceeds_b,
        )


class _Total(Struct, gc=False):
    """Sum what the bins of one swap took and gave, as ``BinFill`` names it."""

    amount_in: int = 0
    amount_out: int = 0
    fee: int = 0
    lp_fee: int = 0
    protocol_fee: int = 0
    surplus: int = 0
    order_in: int = 0
    bins_touched: int = 0
    end_index: int = 0
    accumulator: int = 0
