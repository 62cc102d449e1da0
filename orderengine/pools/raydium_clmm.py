"""Swap on Raydium's concentrated liquidity market maker (CLMM).

Theory. Each liquidity provider serves a range of prices, so the pool is a constant product whose
liquidity changes at ticks. A swap moves the price from initialised tick to initialised tick, until
its amount is used up; each such step rounds for itself, its fee too. The fee is charged in the
input token or always in one token, and a dynamic fee raises it while the price moves.

``raydium_clmm_ticks`` turns ticks into prices, ``_ladder`` lays out the ranges between them,
``_step`` trades inside one, ``_fee`` sets the rate, ``_walk`` goes from step to step, ``_ranges``
does so faster where the rate stands still, ``_swap`` holds what came of it, ``_curve`` describes
the way ahead. Here is the pool.

Not covered: limit orders resting on ticks, which the program fills when a price reaches them, and
transfer fees of Token-2022 mints. The program refuses a swap whose output is 0; it is quoted as 0
here, as the client does.

Source: raydium-io/raydium-clmm programs/amm/src at 03b44b7, and swapInternal of
@raydium-io/raydium-sdk-v2 0.2.73-alpha (observed results).
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from orderengine.errors import InsufficientLiquidity, InvalidAmount
from orderengine.pools.base import Direction, Segment
from orderengine.pools.fixed_point import U64_MAX, require_u64_amount, require_u64_result
from orderengine.pools.raydium_clmm_curve import amount_in_to_price, pieces, segments_of
from orderengine.pools.raydium_clmm_fee import ClmmDynamicFee
from orderengine.pools.raydium_clmm_ladder import ClmmLadder, FeeTerms, ladder_of
from orderengine.pools.raydium_clmm_ranges import quote_exact_in, quote_exact_out
from orderengine.pools.raydium_clmm_spec import (
    ClmmTickSpec,
    RaydiumClmmSpec,
    checked_nets,
    vaults_of,
)
from orderengine.pools.raydium_clmm_swap import RaydiumClmmSwap
from orderengine.pools.raydium_clmm_ticks import SQRT_PRICE_MAX, SQRT_PRICE_MIN
from orderengine.pools.raydium_clmm_walk import GroupFee, WalkStart, default_limit, walk

__all__ = ["RaydiumClmmPool", "RaydiumClmmSwap"]


class RaydiumClmmPool(Struct, frozen=True, kw_only=True, gc=False):
    """Hold one pool; build it with ``from_spec``.

    ``ladder`` is what swaps leave as it is: ticks, liquidity between them, tables. A swap moves
    ``sqrt_price_x64`` (Q64.64), ``tick_current`` and ``current_range``, the vaults, what the
    protocol and the fund may collect from them, and the dynamic fee's memory.
    """

    address: str
    token_a: str
    token_b: str
    tick_spacing: int
    terms: FeeTerms
    ladder: ClmmLadder
    sqrt_price_x64: int
    tick_current: int
    current_range: int
    dynamic_fee: ClmmDynamicFee | None
    vault_a: int
    vault_b: int
    protocol_fee_a: int
    protocol_fee_b: int
    fund_fee_a: int
    fund_fee_b: int

    @classmethod
    def from_spec(cls, spec: RaydiumClmmSpec) -> RaydiumClmmPool:
        """Build a pool, computing the price of every tick and what each whole range trades.

        Raises:
            InvalidData: a number is outside what the program can hold, the price does not belong
                to the current tick, or the ticks do not fit the liquidity.
        """
        nets = checked_nets(spec)
        terms = FeeTerms(
            spec.trade_fee_rate, spec.protocol_fee_rate, spec.fund_fee_rate, spec.fee_on
        )
        ladder = ladder_of(
            nets,
            (spec.known_from, spec.known_to),
            (spec.tick_current, spec.liquidity),
            terms,
            has_whole_ranges=spec.dynamic_fee is None,
            source=f"pool {spec.address}",
        )
        vault_a, vault_b = vaults_of(spec, ladder)
        return cls(
            address=spec.address,
            token_a=spec.token_a,
            token_b=spec.token_b,
            tick_spacing=spec.tick_spacing,
            terms=terms,
            ladder=ladder,
            sqrt_price_x64=spec.sqrt_price_x64,
            tick_current=spec.tick_current,
            current_range=ladder.range_of(spec.tick_current),
            dynamic_fee=spec.dynamic_fee,
            vault_a=vault_a,
            vault_b=vault_b,
            protocol_fee_a=spec.protocol_fee_a,
            protocol_fee_b=spec.protocol_fee_b,
            fund_fee_a=spec.fund_fee_a,
            fund_fee_b=spec.fund_fee_b,
        )

    def to_spec(self) -> RaydiumClmmSpec:
        """Return the description that ``from_spec`` makes this pool of."""
        ladder, terms = self.ladder, self.terms
        stops = list(zip(ladder.ticks, ladder.nets, strict=True))
        known_from = known_to = None
        if ladder.is_low_bound:
            known_from = stops.pop(0)[0] + 1
        if ladder.is_high_bound:
            known_to = stops.pop()[0]
        return RaydiumClmmSpec(
            address=self.address,
            token_a=self.token_a,
            token_b=self.token_b,
            tick_spacing=self.tick_spacing,
            trade_fee_rate=terms.trade_rate,
            protocol_fee_rate=terms.protocol_share,
            fund_fee_rate=terms.fund_share,
            fee_on=terms.fee_on,
            tick_current=self.tick_current,
            sqrt_price_x64=self.sqrt_price_x64,
            liquidity=self.liquidity,
            ticks=tuple(ClmmTickSpec(tick=tick, liquidity_net=net) for tick, net in stops),
            dynamic_fee=self.dynamic_fee,
            known_from=known_from,
            known_to=known_to,
            vault_a=self.vault_a,
            vault_b=self.vault_b,
            protocol_fee_a=self.protocol_fee_a,
            protocol_fee_b=self.protocol_fee_b,
            fund_fee_a=self.fund_fee_a,
            fund_fee_b=self.fund_fee_b,
        )

    @property
    def venue(self) -> str:
        """Name the program."""
        return "raydium_clmm"

    @property
    def liquidity(self) -> int:
        """Return the liquidity in range."""
        return self.ladder.liquidity[self.current_range]

    @property
    def price_x64(self) -> int:
        """Return the price, B per A in Q64.64, rounded down."""
        return self.sqrt_price_x64 * self.sqrt_price_x64 >> 64

    @property
    def has_fixed_fee(self) -> bool:
        """Whether the fee does not move with the price."""
        return self.dynamic_fee is None

    def swap_exact_in(
        self,
        direction: Direction,
        amount_in: int,
        now_s: int,
        *,
        sqrt_price_limit_x64: int | None = None,
    ) -> RaydiumClmmSwap:
        """Swap all of ``amount_in``, or what the price limit leaves of it.

        Args:
            direction: which token goes in.
            amount_in: base units.
            now_s: Unix seconds; matters to a dynamic fee only.
            sqrt_price_limit_x64: a square root of a price, Q64.64, at which the swap stops.

        Raises:
            InvalidAmount: ``amount_in`` is below 1 or above u64, or the limit does not lie ahead.
            InsufficientLiquidity: the initialised ticks, or what is known of them, take less (its
                amounts are of the input token), where the program refuses also with a limit; or the
                vault holds less than the output.
            AmountOverflow: the output would be above u64.
        """
        if type(amount_in) is not int or not 0 < amount_in <= U64_MAX:
            require_u64_amount("amount_in", amount_in)
        a_to_b = direction == Direction.A_TO_B
        if sqrt_price_limit_x64 is None:
            swap = quote_exact_in(self, a_to_b, amount_in)
            if swap is not None:
                return self._held(swap, a_to_b)
        return self._held(self._walk(a_to_b, amount_in, now_s, True, sqrt_price_limit_x64), a_to_b)

    def swap_exact_out(
        self,
        direction: Direction,
        amount_out: int,
        now_s: int,
        *,
        sqrt_price_limit_x64: int | None = None,
    ) -> RaydiumClmmSwap:
        """Swap as little as pays for ``amount_out``, or for what the price limit leaves of it.

        Raises as ``swap_exact_in`` does; AmountOverflow if the input, or the output with its fee,
        would be above u64.
        """
        if type(amount_out) is not int or not 0 < amount_out <= U64_MAX:
            require_u64_amount("amount_out", amount_out)
        a_to_b = direction == Direction.A_TO_B
        if sqrt_price_limit_x64 is None:
            swap = quote_exact_out(self, a_to_b, amount_out)
            if swap is not None:
                return self._held(swap, a_to_b)
        return self._held(
            self._walk(a_to_b, amount_out, now_s, False, sqrt_price_limit_x64), a_to_b
        )

    def _held(self, swap: RaydiumClmmSwap, a_to_b: bool) -> RaydiumClmmSwap:
        """Return a swap that the vault can pay.

        Raises:
            InsufficientLiquidity: it holds less, whatever the ticks promise.
        """
        held = self.vault_b if a_to_b else self.vault_a
        if swap.amount_out > held:
            raise InsufficientLiquidity(self.address, swap.amount_out, held, "its vault is short")
        return swap

    def amount_in_to_price(self, direction: Direction, limit_price_x64: int, now_s: int) -> int:
        """Return the largest input whose last unit still trades at the limit or better.

        A range is taken whole, at its program's cost, where its end is within the limit after fees.
        In the last one the price p may move until p^2 * (1 - rate) is at the limit (for A; for B
        p^2 / (1 - rate)), found in integers. While a dynamic fee falls from group to group (the
        price moves towards its reference) a group beyond may be within the limit again; it is left
        alone. So is what lies beyond the known ticks.

        Raises:
            InvalidAmount: ``limit_price_x64`` is negative.
        """
        if limit_price_x64 < 0:
            raise InvalidAmount("limit_price_x64", limit_price_x64, "at least 0")
        a_to_b = direction == Direction.A_TO_B
        ahead = pieces(
            self.ladder, self._group_fee(a_to_b, now_s), self.sqrt_price_x64, self.tick_current
        )
        return amount_in_to_price(
            ahead, limit_price_x64, a_to_b, self.terms.way(a_to_b).fee_on_input
        )

    def segments(self, direction: Direction, now_s: int) -> Iterator[Segment]:
        """Yield a piece for each range that pays, cut where a dynamic fee changes the rate."""
        a_to_b = direction == Direction.A_TO_B
        ahead = pieces(
            self.ladder, self._group_fee(a_to_b, now_s), self.sqrt_price_x64, self.tick_current
        )
        return segments_of(ahead, a_to_b, self.terms.way(a_to_b).fee_on_input)

    def _group_fee(self, a_to_b: bool, now_s: int) -> GroupFee:
        return GroupFee(
            self.dynamic_fee,
            self.terms.trade_rate,
            self.tick_spacing,
            self.tick_current,
            now_s,
            a_to_b,
        )

    def _walk(
        self, a_to_b: bool, amount: int, now_s: int, exact_in: bool, limit: int | None
    ) -> RaydiumClmmSwap:
        """Swap step by step."""
        root, edge, terms = self.sqrt_price_x64, default_limit(a_to_b), self.terms
        if limit is not None:
            least, most = (SQRT_PRICE_MIN + 1, root - 1) if a_to_b else (root + 1, edge)
            if type(limit) is not int or not least <= limit <= most:
                expected = f"a square root of a price from {least} to {most}"
                raise InvalidAmount("sqrt_price_limit_x64", limit, expected)
            edge = limit
        elif root <= SQRT_PRICE_MIN + 1 if a_to_b else root >= SQRT_PRICE_MAX - 1:
            raise InsufficientLiquidity(self.address, amount, 0)
        start = WalkStart(
            root, self.tick_current, self.current_range, terms.way(a_to_b), amount, exact_in, edge
        )
        end = walk(self.address, self.ladder, terms, self._group_fee(a_to_b, now_s), start)
        if end.is_at_limit and limit is None:
            done = end.amount_in if exact_in else end.amount_out
            raise InsufficientLiquidity(self.address, amount, done)
        if end.amount_in > U64_MAX or end.amount_out > U64_MAX:
            require_u64_result("amount_in", end.amount_in)
            require_u64_result("amount_out", end.amount_out)
        return RaydiumClmmSwap(
            self, a_to_b, end.amount_in, end.amount_out, end.root, end.range, 0, 0, end
        )
