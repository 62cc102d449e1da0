"""Describe an Orca Whirlpool as its accounts do, to build one from a file or accounts."""

from __future__ import annotations

from msgspec import Struct

from orderengine.pools.orca_whirlpool_fee import WhirlpoolAdaptiveFee

__all__ = ["OrcaWhirlpoolSpec", "WhirlpoolTick"]


class WhirlpoolTick(Struct, frozen=True, gc=False):
    """Hold an initialised tick; ``liquidity_net`` is what is added when the price rises past it."""

    tick: int
    liquidity_net: int
    liquidity_gross: int = 0


class OrcaWhirlpoolSpec(Struct, frozen=True, kw_only=True):
    """Describe a pool; ticks may come in any order, only initialised ones are given.

    ``fee_rate`` is in parts per million, ``protocol_fee_rate`` a share of the fee in basis points,
    ``sqrt_price_x64`` in Q64.64. ``known_ticks`` is the first and the last tick whose state is
    known, both inclusive; absent it is every tick there is. ``accrued_fee_a`` and ``_b`` are the
    protocol's fees that lie in the vaults. Vaults hold all base units; absent, they are what the
    known liquidity and the accrued fees come to, rounded up.
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
    ticks: tuple[WhirlpoolTick, ...]
    known_ticks: tuple[int, int] | None = None
    adaptive_fee: WhirlpoolAdaptiveFee | None = None
    accrued_fee_a: int = 0
    accrued_fee_b: int = 0
    vault_a: int | None = None
    vault_b: int | None = None
