"""Describe a Raydium CLMM pool as its accounts and the case files do."""

from __future__ import annotations

from msgspec import Struct

from orderengine.errors import InvalidData
from orderengine.pools.raydium_clmm_fee import FEE_RATE_ONE, ClmmDynamicFee
from orderengine.pools.raydium_clmm_ladder import ClmmLadder
from orderengine.pools.raydium_clmm_step import amounts_between
from orderengine.pools.raydium_clmm_ticks import (
    SQRT_PRICE_MAX,
    TICK_MAX,
    TICK_MIN,
    sqrt_price_at_tick,
)

__all__ = ["ClmmTickSpec", "RaydiumClmmSpec", "checked_nets", "vaults_of"]

_TICK_SPACING_MAX = 1_000
_ACCRUED = ("protocol_fee_a", "protocol_fee_b", "fund_fee_a", "fund_fee_b")


class ClmmTickSpec(Struct, frozen=True, kw_only=True, gc=False):
    """Describe one initialised tick: the liquidity that a price rising over it gains."""

    tick: int
    liquidity_net: int


class RaydiumClmmSpec(Struct, frozen=True, kw_only=True):
    """Describe a pool by what its accounts hold; ticks may come in any order.

    Rates are in parts per million, the protocol's and the fund's as shares of the trade fee.
    ``fee_on`` 0 charges fees in the input token, 1 always in token A, 2 always in token B.

    ``ticks`` are all initialised ticks from ``known_from`` up to but not including ``known_to``;
    None is no bound, so without both they are all ticks that there are. What lies beyond a bound
    is not known, and no swap may go there.

    ``vault_a`` and ``vault_b`` are all base units that the vaults hold. None derives them: what the
    known liquidity needs, ceiled in each range between two ticks, and the accrued fees below.
    Liquidity providers' own uncollected fees are then 0.
    """

    address: str
    token_a: str
    token_b: str
    tick_spacing: int
    trade_fee_rate: int
    protocol_fee_rate: int = 0
    fund_fee_rate: int = 0
    fee_on: int = 0
    tick_current: int
    sqrt_price_x64: int
    liquidity: int
    ticks: tuple[ClmmTickSpec, ...]
    dynamic_fee: ClmmDynamicFee | None = None
    known_from: int | None = None
    known_to: int | None = None
    vault_a: int | None = None
    vault_b: int | None = None
    protocol_fee_a: int = 0
    protocol_fee_b: int = 0
    fund_fee_a: int = 0
    fund_fee_b: int = 0


def checked_nets(spec: RaydiumClmmSpec) -> list[tuple[int, int]]:
    """Return (tick, liquidity net) in ascending order, after checking what a swap relies on.

    Raises:
        InvalidData: a number is outside what the program can hold, or the price does not belong to
            the current tick.
    """
    source = f"pool {spec.address}"
    _require_settings(spec, source)
    if not TICK_MIN <= spec.tick_current < TICK_MAX:
        expected = f"from {TICK_MIN} to {TICK_MAX - 1}"
        raise InvalidData(source, f"tick_current {spec.tick_current}", expected)
    # After a crossing downwards the tick is one lower than the price alone would say.
    least = sqrt_price_at_tick(spec.tick_current)
    most = min(sqrt_price_at_tick(spec.tick_current + 1), SQRT_PRICE_MAX - 1)
    if not least <= spec.sqrt_price_x64 <= most:
        found = f"sqrt_price_x64 {spec.sqrt_price_x64} at tick_current {spec.tick_current}"
        raise InvalidData(source, found, f"from {least} to {most}")
    nets = sorted((tick.tick, tick.liquidity_net) for tick in spec.ticks)
    known_from = TICK_MIN if spec.known_from is None else max(spec.known_from, TICK_MIN)
    known_to = TICK_MAX + 1 if spec.known_to is None else min(spec.known_to, TICK_MAX + 1)
    # One below the known ticks will do: the price has not passed that tick yet.
    if not known_from - 1 <= spec.tick_current < known_to:
        found = f"tick_current {spec.tick_current}"
        raise InvalidData(
            source, found, f"from {known_from - 1} to {known_to - 1}, near known ticks"
        )
    for number, (tick, _) in enumerate(nets):
        if not known_from <= tick < known_to or tick % spec.tick_spacing:
            expected = f"a multiple of {spec.tick_spacing} from {known_from} to {known_to - 1}"
            raise InvalidData(source, f"initialised tick {tick}", expected)
        if number and nets[number - 1][0] == tick:
            raise InvalidData(source, f"tick {tick} twice", "each tick at most once")
    return nets


def vaults_of(spec: RaydiumClmmSpec, ladder: ClmmLadder) -> tuple[int, int]:
    """Return the base units that the vaults hold, derived where they are not given."""
    held_a = spec.protocol_fee_a + spec.fund_fee_a
    held_b = spec.protocol_fee_b + spec.fund_fee_b
    here = spec.sqrt_price_x64
    for number in range(1, len(ladder.ticks)):
        liquidity, low, high = (
            ladder.liquidity[number],
            ladder.roots[number - 1],
            ladder.roots[number],
        )
        if high > here:
            held_a += amounts_between(liquidity, max(low, here), high, a_to_b=True)[0]
        if low < here:
            held_b += amounts_between(liquidity, low, min(high, here), a_to_b=False)[0]
    return (
        held_a if spec.vault_a is None else spec.vault_a,
        held_b if spec.vault_b is None else spec.vault_b,
    )


def _require_settings(spec: RaydiumClmmSpec, source: str) -> None:
    if not 1 <= spec.tick_spacing <= _TICK_SPACING_MAX:
        raise InvalidData(source, f"tick_spacing {spec.tick_spacing}", "from 1 to 1000")
    if spec.fee_on not in {0, 1, 2}:
        raise InvalidData(source, f"fee_on {spec.fee_on}", "0, 1 or 2")
    if not 0 <= spec.trade_fee_rate < FEE_RATE_ONE:
        raise InvalidData(source, f"trade_fee_rate {spec.trade_fee_rate}", "from 0 to 999999")
    shares = spec.protocol_fee_rate, spec.fund_fee_rate
    if min(shares) < 0 or sum(shares) > FEE_RATE_ONE:
        found = f"protocol_fee_rate {shares[0]}, fund_fee_rate {shares[1]}"
        raise InvalidData(source, found, "shares of 0 or more that sum to at most 1000000")
    if spec.dynamic_fee is not None:
        spec.dynamic_fee.require_valid(source)
    for name in ("vault_a", "vault_b", *_ACCRUED):
        value = getattr(spec, name)
        if value is not None and value < 0:
            raise InvalidData(source, f"{name} {value}", "0 or more")
