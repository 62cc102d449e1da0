"""Swap on Orca's Whirlpool program (concentrated liquidity, constant or adaptive fee).

Theory. Between two initialised ticks the pool is a constant product of virtual reserves with
liquidity L and sqrt price p. A swap moves p down (A comes in) or up (B comes in), range after
range, and crossing a tick adds or takes its net liquidity. The fee is charged in the input token,
at a constant rate or at one that rises with the movement (``orca_whirlpool_fee``).

``orca_whirlpool_ticks`` has the tick table, ``orca_whirlpool_step`` the trade inside one stretch,
``orca_whirlpool_map`` the layout of the liquidity, ``orca_whirlpool_quote`` the short way and
``orca_whirlpool_walk`` the program's way through it; here is the pool and its next state.

Source: swapQuoteByInputToken and swapQuoteByOutputToken of @orca-so/whirlpools-core 3.1.0 (observed
results), and orca-so/whirlpools programs/whirlpool/src/ at 630c0e0. Unlike the program, a swap is
not confined to three tick arrays; unlike the SDK, a swap without a limit is filled or refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy

from msgspec import Struct
from msgspec.structs import force_setattr

from orderengine.errors import InvalidAmount, InvalidData
from orderengine.pools.base import Direction, Segment
from orderengine.pools.fixed_point import U64_MAX, U128_MAX, require_u64_amount
from orderengine.pools.orca_whirlpool_curve import amount_in_to_price, curve_pieces
from orderengine.pools.orca_whirlpool_fee import WhirlpoolAdaptiveFee
from orderengine.pools.orca_whirlpool_map import (
    PROTOCOL_SHARE_ONE,
    LiquidityMap,
    Way,
    map_liquidity,
)
from orderengine.pools.orca_whirlpool_quote import quote_exact_in, quote_exact_out
from orderengine.pools.orca_whirlpool_spec import OrcaWhirlpoolSpec
from orderengine.pools.orca_whirlpool_step import FEE_RATE_ONE, amount_a_ceil, amount_b_ceil
from orderengine.pools.orca_whirlpool_swap import OrcaWhirlpoolSwap
from orderengine.pools.orca_whirlpool_ticks import (
    SQRT_PRICE_MAX_X64,
    SQRT_PRICE_MIN_X64,
    sqrt_price_at_tick,
    tick_at_sqrt_price,
)
from orderengine.pools.orca_whirlpool_walk import walk

__all__ = ["OrcaWhirlpoolPool", "OrcaWhirlpoolSwap"]


class OrcaWhirlpoolPool(Struct, frozen=True, kw_only=True, gc=False):
    """Hold one pool; build it with ``from_spec``, whose fields these are.

    A swap replaces price, tick, liquidity, vaults, accrued fees and what the oracle remembers, and
    shares the rest. ``next_down`` and ``next_up`` are the boundaries that the map has next.
    """

    address: str
    token_a: str
    token_b: str
    tick_spacing: int
    fee_rate: int
    protocol_fee_rate: int
    tick_current: int
    sqrt_price_x64: int
    liquidity: int
    vault_a: int
    vault_b: int
    accrued_fee_a: int
    accrued_fee_b: int
    adaptive_fee: WhirlpoolAdaptiveFee | None
    liquidity_map: LiquidityMap
    next_down: int
    next_up: int

    @classmethod
    def from_spec(cls, spec: OrcaWhirlpoolSpec) -> OrcaWhirlpoolPool:
        """Build a pool, computing the sqrt price of every tick and what every range holds.

        Raises:
            InvalidData: a field is out of its range, tick and price do not belong together, or as
                ``map_liquidity`` does.
        """
        source = f"pool {spec.address}"
        for name, least, most in (
            ("tick_spacing", 1, 0xFFFF),
            ("fee_rate", 0, FEE_RATE_ONE - 1),
            ("protocol_fee_rate", 0, PROTOCOL_SHARE_ONE),
            ("liquidity", 0, U128_MAX),
            ("sqrt_price_x64", SQRT_PRICE_MIN_X64, SQRT_PRICE_MAX_X64),
            ("accrued_fee_a", 0, U64_MAX),
            ("accrued_fee_b", 0, U64_MAX),
        ):
            value = getattr(spec, name)
            if not least <= value <= most:
                raise InvalidData(source, f"{name} {value}", f"from {least} to {most}")
        price, tick = spec.sqrt_price_x64, spec.tick_current
        here = tick_at_sqrt_price(price)
        # A swap down that ends on a tick leaves the pool one tick below it.
        if tick != here and not (tick == here - 1 and price == sqrt_price_at_tick(here)):
            raise InvalidData(source, f"tick_current {tick}", f"{here}, the tick of sqrt_price_x64")
        if spec.adaptive_fee is not None:
            spec.adaptive_fee.require_valid(source, spec.tick_spacing)
        laid_out = map_liquidity(spec)
        next_down, next_up = laid_out.next_down(tick), laid_out.next_up(tick)
        vault_a, vault_b = spec.vault_a, spec.vault_b
        if vault_a is None:
            vault_a = _held(laid_out.up, next_up, spec, amount_a_ceil) + spec.accrued_fee_a
        if vault_b is None:
            vault_b = _held(laid_out.down, next_down, spec, amount_b_ceil) + spec.accrued_fee_b
        if vault_a < spec.accrued_fee_a or vault_b < spec.accrued_fee_b:
            found = f"vaults of {vault_a} and {vault_b}"
            raise InvalidData(source, found, "no less than the accrued fees in them")
        return cls(
            address=spec.address,
            token_a=spec.token_a,
            token_b=spec.token_b,
            tick_spacing=spec.tick_spacing,
            fee_rate=spec.fee_rate,
            protocol_fee_rate=spec.protocol_fee_rate,
            tick_current=tick,
            sqrt_price_x64=price,
            liquidity=spec.liquidity,
            vault_a=vault_a,
            vault_b=vault_b,
            accrued_fee_a=spec.accrued_fee_a,
            accrued_fee_b=spec.accrued_fee_b,
            adaptive_fee=spec.adaptive_fee,
            liquidity_map=laid_out,
            next_down=next_down,
            next_up=next_up,
        )

    def to_spec(self) -> OrcaWhirlpoolSpec:
        """Return the spec that builds this very pool."""
        return OrcaWhirlpoolSpec(
            address=self.address,
            token_a=self.token_a,
            token_b=self.token_b,
            tick_spacing=self.tick_spacing,
            fee_rate=self.fee_rate,
            protocol_fee_rate=self.protocol_fee_rate,
            tick_current=self.tick_current,
            sqrt_price_x64=self.sqrt_price_x64,
            liquidity=self.liquidity,
            ticks=self.liquidity_map.ticks,
            known_ticks=(self.liquidity_map.first_tick, self.liquidity_map.last_tick),
            adaptive_fee=self.adaptive_fee,
            accrued_fee_a=self.accrued_fee_a,
            accrued_fee_b=self.accrued_fee_b,
            vault_a=self.vault_a,
            vault_b=self.vault_b,
        )

    @property
    def venue(self) -> str:
        """Name the program."""
        return "orca_whirlpool"

    @property
    def price_x64(self) -> int:
        """Return the square of the sqrt price, B per A in Q64.64, rounded down."""
        return self.sqrt_price_x64 * self.sqrt_price_x64 >> 64

    @property
    def has_fixed_fee(self) -> bool:
        """Whether the fee does not move with the price."""
        return self.adaptive_fee is None

    def swap_exact_in(
        self,
        direction: Direction,
        amount_in: int,
        now_s: int,
        *,
        sqrt_price_limit_x64: int | None = None,
    ) -> OrcaWhirlpoolSwap:
        """Swap all of ``amount_in``, or with a limit as much of it as the price allows.

        The program treats a swap without a limit as one with its lowest or highest sqrt price and
        fills it in part there; give that as the limit to have the same. Without a limit a swap that
        comes so far is refused here, as all pools do.

        Raises:
            InvalidAmount: ``amount_in`` is below 1 or above u64, or the limit is outside the
                program's bounds or not ahead of the price.
            InsufficientLiquidity: the pool takes less (its amounts are of the input token), the
                ticks beyond are not known, or the vault holds less than the output.
            AmountOverflow: the program's integers cannot hold a result.
        """
        require_u64_amount("amount_in", amount_in)
        a_to_b = direction is Direction.A_TO_B
        if sqrt_price_limit_x64 is not None:
            self._require_ahead(a_to_b, sqrt_price_limit_x64)
        elif self.liquidity_map.is_summed:
            return quote_exact_in(self, a_to_b, amount_in)
        return walk(self, a_to_b, amount_in, now_s, sqrt_price_limit_x64, exact_in=True)

    def swap_exact_out(
        self,
        direction: Direction,
        amount_out: int,
        now_s: int,
        *,
        sqrt_price_limit_x64: int | None = None,
    ) -> OrcaWhirlpoolSwap:
        """Swap as little as pays for ``amount_out``, or for what the price limit allows.

        Raises:
            InvalidAmount: ``amount_out`` is below 1 or above u64, or the limit as above.
            InsufficientLiquidity: the pool pays less, or the ticks beyond are not known.
            AmountOverflow: the program's integers cannot hold a result.
        """
        require_u64_amount("amount_out", amount_out)
        a_to_b = direction is Direction.A_TO_B
        if sqrt_price_limit_x64 is not None:
            self._require_ahead(a_to_b, sqrt_price_limit_x64)
        elif self.liquidity_map.is_summed:
            return quote_exact_out(self, a_to_b, amount_out)
        return walk(self, a_to_b, amount_out, now_s, sqrt_price_limit_x64, exact_in=False)

    def amount_in_to_price(self, direction: Direction, limit_price_x64: int, now_s: int) -> int:
        """Return the largest input whose last unit still trades at the limit or better.

        Up to the ticks that are known. Where an adaptive fee falls from group to group, a group
        beyond may be within the limit again; it is left alone.

        Raises:
            InvalidAmount: ``limit_price_x64`` is negative.
        """
        if limit_price_x64 < 0:
            raise InvalidAmount("limit_price_x64", limit_price_x64, "at least 0")
        return amount_in_to_price(self, direction is Direction.A_TO_B, limit_price_x64, now_s)

    def segments(self, direction: Direction, now_s: int) -> Iterator[Segment]:
        """Yield a piece for each range of liquidity, cut where the adaptive fee changes."""
        return curve_pieces(self, direction is Direction.A_TO_B, now_s)

    def ahead(self, a_to_b: bool) -> tuple[Way, int]:
        """Return the boundaries in a direction, and the index of the first one ahead."""
        if a_to_b:
            return self.liquidity_map.down, self.next_down
        return self.liquidity_map.up, self.next_up

    def after(self, swap: OrcaWhirlpoolSwap) -> OrcaWhirlpoolPool:
        """Return the pool that a swap on this one leaves; ``swap.pool`` is the same."""
        pool, tick = copy(self), swap.end_tick
        force_setattr(pool, "tick_current", tick)
        force_setattr(pool, "sqrt_price_x64", swap.end_sqrt_price_x64)
        force_setattr(pool, "liquidity", swap.end_liquidity)
        force_setattr(pool, "next_down", self.liquidity_map.next_down(tick))
        force_setattr(pool, "next_up", self.liquidity_map.next_up(tick))
        if swap.adaptive_fee_after is not None:
            force_setattr(pool, "adaptive_fee", swap.adaptive_fee_after)
        if swap.a_to_b:
            force_setattr(pool, "vault_a", self.vault_a + swap.amount_in)
            force_setattr(pool, "vault_b", self.vault_b - swap.amount_out)
            force_setattr(pool, "accrued_fee_a", self.accrued_fee_a + swap.protocol_fee)
        else:
            force_setattr(pool, "vault_a", self.vault_a - swap.amount_out)
            force_setattr(pool, "vault_b", self.vault_b + swap.amount_in)
            force_setattr(pool, "accrued_fee_b", self.accrued_fee_b + swap.protocol_fee)
        return pool

    def _require_ahead(self, a_to_b: bool, limit_x64: int) -> None:
        """Refuse a price limit that the program refuses."""
        if a_to_b:
            least, most = SQRT_PRICE_MIN_X64, self.sqrt_price_x64 - 1
        else:
            least, most = self.sqrt_price_x64 + 1, SQRT_PRICE_MAX_X64
        if type(limit_x64) is not int or not least <= limit_x64 <= most:
            expected = f"a sqrt price in Q64.64 from {least} to {most}"
            raise InvalidAmount("sqrt_price_limit_x64", limit_x64, expected)


def _held(
    way: Way, next_index: int, spec: OrcaWhirlpoolSpec, amount_of: Callable[[int, int, int], int]
) -> int:
    """Return what the liquidity ahead of the price holds of the token it sells, rounded up."""
    total, price, liquidity = 0, spec.sqrt_price_x64, spec.liquidity
    for at in range(next_index, len(way.keys)):
        end = way.prices_x64[at]
        total += amount_of(liquidity, min(price, end), max(price, end))
        price, liquidity = end, way.liquidities[at]
    return total
