"""Describe simulated pools as people state them: a depth, a fee, a spacing."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from orderengine.market.fields import TokenAmount, check

__all__ = ["DEFAULT_POOLS", "PoolConfig", "Venue"]

Venue = Literal[
    "raydium_amm_v4",
    "raydium_cpmm",
    "raydium_clmm",
    "meteora_damm_v2",
    "meteora_dlmm",
    "orca_whirlpool",
]
"""The programs whose pools can be described."""


class PoolConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe one pool, of the market's pair unless it names another."""

    name: str
    pair: str = ""
    """Both tokens, such as "SOL/USDT": in what follows the first is the base, the second the quote
    token. Empty for the market's own. A pair that holds another token connects the market's two by
    way of it."""
    venue: Venue
    depth: TokenAmount
    """How much of the quote token, and of the base token the same value. Of ``raydium_amm_v4`` and
    ``raydium_cpmm``: what the pool holds. Of ``meteora_damm_v2``: what it would hold if its range
    were all prices. Of ``meteora_dlmm``: on each side of the active bin, which holds half a bin's
    share of both. Of ``raydium_clmm`` and ``orca_whirlpool``: from the price to 1 % below it."""
    trade_fee_rate: int = 2500
    """Parts per million; of all but ``meteora_dlmm``. The shares that go to protocol and fund are
    each program's usual ones."""
    bin_step: int = 4
    """Of ``meteora_dlmm``: the price ratio of neighbouring bins less one, in basis points."""
    base_factor: int = 10_000
    """Of ``meteora_dlmm``: the base fee is base_factor · bin_step · 10 parts per 10^9."""
    bins: int = 400
    """Of ``meteora_dlmm``: bins on each side of the active one, all equally deep in value."""
    tick_spacing: int = 4
    """Of ``raydium_clmm`` and ``orca_whirlpool``: ticks between two that may hold liquidity."""
    halves_at: int = 600
    """Of the same: ticks from the price at which liquidity is half of that at the price."""
    width: int = 1_000
    """Of the same: ticks from the price beyond which there is no liquidity."""

    def __post_init__(self) -> None:
        check("name", self.name, bool(self.name), "a name")
        rate, step, bins = self.trade_fee_rate, self.bin_step, self.bins
        check("trade_fee_rate", rate, 0 <= rate < 1_000_000, "from 0 to 999999 parts per million")
        most = _FEE_RATE_MAX.get(self.venue, rate)
        check("trade_fee_rate", rate, rate <= most, f"at most {most} parts per million")
        check("bin_step", step, 1 <= step <= 400, "from 1 to 400 bps")
        check("base_factor", self.base_factor, 0 <= self.base_factor <= 65_535, "from 0 to 65535")
        check("bins", bins, 1 <= bins <= 5_000, "from 1 to 5000 bins a side")
        spacing, halves_at, width = self.tick_spacing, self.halves_at, self.width
        check("tick_spacing", spacing, 1 <= spacing <= 1_000, "from 1 to 1000 ticks")
        check("halves_at", halves_at, 1 <= halves_at <= 100_000, "from 1 to 100000 ticks")
        check("width", width, spacing <= width <= 100_000, "from one spacing to 100000 ticks")
        check("width", width, width <= 5_000 * spacing, "at most 5000 spacings a side")


_FEE_RATE_MAX = {"raydium_clmm": 100_000, "meteora_damm_v2": 500_000, "orca_whirlpool": 60_000}
"""The highest rate that the program takes, in parts per million, where it is below all."""

DEFAULT_POOLS = (
    PoolConfig(name="raydium-amm-25bps", venue="raydium_amm_v4", depth="5433911USDC"),
    PoolConfig(name="raydium-cpmm-25bps", venue="raydium_cpmm", depth="3000000USDC"),
    PoolConfig(
        name="raydium-clmm-4bps",
        venue="raydium_clmm",
        depth="157119USDC",
        trade_fee_rate=400,
        tick_spacing=1,
        halves_at=5_000,
        width=500,
    ),
    PoolConfig(
        name="meteora-damm-4bps",
        venue="meteora_damm_v2",
        depth="1981474USDC",
        trade_fee_rate=400,
    ),
    PoolConfig(name="meteora-dlmm-4bps", venue="meteora_dlmm", depth="1574000USDC", bins=70),
    PoolConfig(
        name="orca-4bps",
        venue="orca_whirlpool",
        depth="1055920USDC",
        trade_fee_rate=400,
        tick_spacing=4,
        halves_at=600,
        width=1_000,
    ),
)
"""One SOL/USDC pool a program, with depth, fee and spacing of those recorded on mainnet from
2026-07-03 to 07-06, but for the CPMM pool, which then held 145 USDC: its depth is an assumption.
docs/study/default-scenario.md has the figures."""
