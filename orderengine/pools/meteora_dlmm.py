"""Swap on Meteora's dynamic liquidity market maker (DLMM).

Theory. Liquidity lies in bins of one price each. Bins above the active one hold token A, bins
below hold token B, the active bin may hold both. A swap sells A downwards or buys A upwards, one
bin after the other, from the active bin; bins that sell nothing cost nothing. The fee rate is set
anew at each bin that trades, and is charged in the input token or always in token B. The last bin
that traded is the next active one, also when it was just emptied.

``meteora_dlmm_price`` gives bins their prices, ``meteora_dlmm_fee`` the fee rates,
``meteora_dlmm_bin`` trades inside one bin, ``meteora_dlmm_walk`` finds the bins that a swap
empties, and ``meteora_dlmm_swap`` has its fees and the pool's next state.

Source: swapQuote and swapQuoteExactOut of @meteora-ag/dlmm 1.9.14 (observed results), and
MeteoraAg/dlmm-sdk commons/src/quote.rs at fb02e51. Unlike that Rust quote, a walk does not stop
after three bin arrays, as the TypeScript one does not. Unlike the TypeScript one, exact_out also
charges for a bin whose output is eaten by the fee.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import cached_property

from msgspec import Struct

from orderengine.errors import InsufficientLiquidity, InvalidAmount, InvalidData
from orderengine.pools.base import Direction, Segment
from orderengine.pools.fixed_point import Q64, U64_MAX, require_u64_amount, require_u64_result
from orderengine.pools.meteora_dlmm_bin import DlmmBin, fill_exact_in, fill_exact_out
from orderengine.pools.meteora_dlmm_fee import FEE_RATE_ONE, DlmmFeeParameters, DlmmVolatility
from orderengine.pools.meteora_dlmm_price import BIN_ID_MAX, bin_price_x64
from orderengine.pools.meteora_dlmm_spec import DlmmBinSpec, MeteoraDlmmSpec
from orderengine.pools.meteora_dlmm_swap import MeteoraDlmmSwap
from orderengine.pools.meteora_dlmm_walk import DlmmTable, DlmmWalk
from orderengine.pools.segments import bin_segment

__all__ = ["MeteoraDlmmPool", "MeteoraDlmmSwap"]


class MeteoraDlmmPool(Struct, frozen=True, kw_only=True, dict=True):
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
    known_bin_ids: tuple[int, int] | None = None

    @classmethod
    def from_spec(cls, spec: MeteoraDlmmSpec) -> MeteoraDlmmPool:
        """Build a pool, computing the price of every bin.

        Raises:
            InvalidData: a bin is given twice or lies outside the known ones, an amount or a fee
                setting is out of range, or the price of a bin does not fit Q64.64.
        """
        source = f"pool {spec.address}"
        spec.require_valid()
        bin_price_x64(spec.active_id, spec.bin_step)
        described = sorted(spec.bins, key=lambda bin_spec: bin_spec.id)
        bin_ids = tuple(bin_spec.id for bin_spec in described)
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
            known_bin_ids=spec.known_bin_ids,
        )

    def to_spec(self) -> MeteoraDlmmSpec:
        """Describe the pool: ``from_spec`` makes the same of it again."""
        return MeteoraDlmmSpec(
            address=self.address,
            token_a=self.token_a,
            token_b=self.token_b,
            bin_step=self.bin_step,
            active_id=self.active_id,
            parameters=self.parameters,
            volatility=self.volatility,
            collect_fee_mode=int(self.fee_always_in_b),
            supports_limit_order=True,
            bins=tuple(map(DlmmBinSpec.of, self.bin_ids, self.bins)),
            accrued_fee_a=self.accrued_fee_a,
            accrued_fee_b=self.accrued_fee_b,
            order_proceeds_a=self.order_proceeds_a,
            order_proceeds_b=self.order_proceeds_b,
            known_bin_ids=self.known_bin_ids,
        )

    @property
    def venue(self) -> str:
        """Name the program."""
        return "meteora_dlmm"

    @property
    def price_x64(self) -> int:
        """Return the price of the active bin, B per A in Q64.64."""
        return bin_price_x64(self.active_id, self.bin_step)

    @property
    def has_fixed_fee(self) -> bool:
        """Whether the fee does not move with the price."""
        return not self.parameters.variable_fee_control

    def swap_exact_in(
        self, direction: Direction, amount_in: int, now_s: int, *, partial_fill: bool = False
    ) -> MeteoraDlmmSwap:
        """Swap all of ``amount_in``, or with ``partial_fill`` as much of it as the bins take.

        Raises:
            InvalidAmount: ``amount_in`` is below 1 or above u64.
            InsufficientLiquidity: the bins take less (its amounts are of the input token), or the
                swap goes on beyond the known bins, which ``partial_fill`` does not allow either.
            AmountOverflow: the output would be above u64.
        """
        if type(amount_in) is not int or not 0 < amount_in <= U64_MAX:
            require_u64_amount("amount_in", amount_in)
        a_to_b = direction == Direction.A_TO_B
        walk = self.walk(a_to_b, now_s)
        table = walk.table
        emptied = bisect_right(table.leave_in, amount_in)
        if emptied == len(table.leave_in):
            table = walk.table_beyond_input(amount_in)
            emptied = bisect_right(table.leave_in, amount_in)
        rest, amount_out = amount_in - table.taken[emptied], table.paid[emptied]
        if emptied == len(table.steps):
            self._require_allowed(a_to_b, amount_in, amount_in - rest, partial_fill)
            amount_in, rest = amount_in - rest, 0
        else:
            step = table.steps[emptied]
            index, price_x64, kept, cost, sold, is_one_lot, _ = step
            if is_one_lot:
                if walk.fee_on_input:
                    net_in = rest * kept // FEE_RATE_ONE  # floored, as the fee is ceiled
                    kept = FEE_RATE_ONE
                else:
                    net_in = rest
                if net_in >= cost:
                    output = sold
                elif a_to_b:
                    output = net_in * price_x64 >> 64  # floored
                else:
                    output = (net_in << 64) // price_x64  # floored
                amount_out += output * kept // FEE_RATE_ONE  # floored, as the fee is ceiled
            else:
                amount_out += fill_exact_in(self.bins[index], walk.terms(step), rest).amount_out
        if amount_out > U64_MAX:
            require_u64_result("amount_out", amount_out)
        return MeteoraDlmmSwap(self, a_to_b, True, now_s, emptied, rest, amount_in, amount_out)

    def swap_exact_out(
        self, direction: Direction, amount_out: int, now_s: int, *, partial_fill: bool = False
    ) -> MeteoraDlmmSwap:
        """Swap as little as pays for ``amount_out``, or for all there is with ``partial_fill``.

        Raises:
            InvalidAmount: ``amount_out`` is below 1 or above u64.
            InsufficientLiquidity: the bins give less, or the swap goes on beyond the known bins.
            AmountOverflow: the input would be above u64.
        """
        if type(amount_out) is not int or not 0 < amount_out <= U64_MAX:
            require_u64_amount("amount_out", amount_out)
        a_to_b = direction == Direction.A_TO_B
        walk = self.walk(a_to_b, now_s)
        table = walk.table
        emptied = bisect_right(table.leave_out, amount_out)
        if emptied == len(table.leave_out):
            table = walk.table_beyond_output(amount_out)
            emptied = bisect_right(table.leave_out, amount_out)
        amount_in, rest = table.taken[emptied], amount_out - table.paid[emptied]
        if rest and emptied == len(table.steps):
            self._require_allowed(a_to_b, amount_out, amount_out - rest, partial_fill)
            amount_out, rest = amount_out - rest, 0
        elif rest:
            step = table.steps[emptied]
            index, price_x64, kept, _, _, is_one_lot, _ = step
            if is_one_lot:
                lot = rest if walk.fee_on_input else -(-rest * FEE_RATE_ONE // kept)  # ceiled
                # Ceiled, either way.
                charge = -((-lot << 64) // price_x64) if a_to_b else -(-lot * price_x64 >> 64)
                if walk.fee_on_input:
                    charge = -(-charge * FEE_RATE_ONE // kept)  # ceiled
                amount_in += charge
            else:
                amount_in += fill_exact_out(self.bins[index], walk.terms(step), rest).amount_in
        if amount_in > U64_MAX:
            require_u64_result("amount_in", amount_in)
        return MeteoraDlmmSwap(self, a_to_b, False, now_s, emptied, rest, amount_in, amount_out)

    def amount_in_to_price(self, direction: Direction, limit_price_x64: int, now_s: int) -> int:
        """Return the input that takes every known bin up to the first that is worse than the limit.

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
        walk = self.walk(a_to_b, now_s)
        number, table = 0, walk.table_of_step(0)
        while number < len(table.steps) and table.taken[number] < U64_MAX:
            _, price_x64, kept, _, _, _, _ = table.steps[number]
            if a_to_b:
                is_worse = price_x64 * kept < limit_price_x64 * FEE_RATE_ONE
            else:
                is_worse = price_x64 * FEE_RATE_ONE > limit_price_x64 * kept
            if is_worse:
                break
            number += 1
            table = walk.table_of_step(number)
        return min(table.taken[number], U64_MAX)

    def segments(self, direction: Direction, now_s: int) -> Iterator[Segment]:
        """Yield a piece for each known bin that pays, orders in it included, at its own fee."""
        a_to_b = direction == Direction.A_TO_B
        walk = self.walk(a_to_b, now_s)
        number = 0
        while number < len(steps := walk.table_of_step(number).steps):
            _, price_x64, kept_of_one, _, sold, _, _ = steps[number]
            number += 1
            kept = kept_of_one / FEE_RATE_ONE
            price = price_x64 / Q64
            if not a_to_b:
                price = 1 / price
            cost = sold / price
            if walk.fee_on_input:
                yield bin_segment(price * kept, cost / kept, sold)
            else:
                yield bin_segment(price * kept, cost, sold * kept)

    def walk(self, a_to_b: bool, now_s: int) -> DlmmWalk:
        """Return the bins that a swap at ``now_s`` meets, for ``MeteoraDlmmSwap``."""
        calm_until, at_rest_from, walks = self._walks
        state = 0 if now_s < calm_until else 2 if now_s >= at_rest_from else 1
        walk = walks[state + 3 if a_to_b else state]
        if walk is None:
            search = bisect_right if a_to_b else bisect_left
            first = search(self.bin_ids, self.active_id) - a_to_b
            walk = walks[state + 3 if a_to_b else state] = DlmmWalk(
                bin_ids=self.bin_ids,
                bin_prices_x64=self.bin_prices_x64,
                bins=self.bins,
                bin_step=self.bin_step,
                parameters=self.parameters,
                references=self.volatility.references_at(self.parameters, self.active_id, now_s),
                a_to_b=a_to_b,
                fee_on_input=not (a_to_b and self.fee_always_in_b),
                table=DlmmTable([], [], [], [0], [0], [0], first),
            )
        return walk

    @cached_property
    def _walks(self) -> tuple[int, int, list[DlmmWalk | None]]:
        """Hold when the fee's references change and, once needed, the walks of both directions.

        In each direction there are three: within the filter period, while the volatility decays,
        and at rest. So a walk does not depend on the time, and it serves all swaps of its state.
        """
        updated, parameters = self.volatility.last_update_timestamp, self.parameters
        calm_until = updated + parameters.filter_period
        return calm_until, updated + parameters.decay_period, [None] * 6

    def _require_allowed(
        self, a_to_b: bool, required: int, available: int, partial_fill: bool
    ) -> None:
        """Refuse what the known bins cannot serve, but for a partial fill of all there is."""
        unknown, known = "", self.known_bin_ids
        if known and a_to_b and known[0] > -BIN_ID_MAX:
            unknown = f"bins below {known[0]} are unknown"
        elif known and not a_to_b and known[1] < BIN_ID_MAX:
            unknown = f"bins above {known[1]} are unknown"
        if unknown or not partial_fill:
            raise InsufficientLiquidity(self.address, required, available, unknown)
