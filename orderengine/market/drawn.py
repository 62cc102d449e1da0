"""Draw pools at random: markets of any size to try routing on, the same ones for the same seed.

Assumption: prices scatter normally around one price and depths log-uniformly between two, apart
from one another. Real pools of a pair agree better, and the deep ones best.
"""

from __future__ import annotations

from msgspec import Struct

from orderengine.market.described import open_pool
from orderengine.market.draws import Draws
from orderengine.market.pools import PoolConfig, Venue
from orderengine.model.tokens import token
from orderengine.pools import Pool

__all__ = ["VENUES", "DrawnPools", "draw_pools"]

VENUES: tuple[Venue, ...] = (
    "raydium_amm_v4",
    "raydium_cpmm",
    "raydium_clmm",
    "meteora_damm_v2",
    "meteora_dlmm",
    "orca_whirlpool",
)

_DRAWS_A_POOL = 16


class DrawnPools(Struct, frozen=True, kw_only=True):
    """Say what pools of one pair are drawn from."""

    base: str = "SOL"
    quote: str = "USDC"
    price: float = 81.5
    """Shown units of the quote token for a shown unit of the base token."""
    spread_bps: float = 5.0
    """Standard deviation of the pools' prices."""
    depth_min: int = 10_000
    """As ``depth`` of the described pools, in whole quote tokens."""
    depth_max: int = 10_000_000
    venues: tuple[Venue, ...] = VENUES
    bins: tuple[int, ...] = (20, 70)
    """Bins a side, of pools that have them."""
    ranges: tuple[int, ...] = (15, 60)
    """Tick ranges a side, of pools that have them."""


def draw_pools(described: DrawnPools, count: int, draws: Draws, number: int = 0) -> list[Pool]:
    """Return ``count`` pools, the ones of this number under these draws."""
    base, quote = token(described.base), token(described.quote)
    pools: list[Pool] = []
    for index in range(count):
        k = index * _DRAWS_A_POOL

        def pick(at: int, among: tuple[int, ...], k: int = k) -> int:
            return among[draws.u64(number, k + at) % len(among)]

        venue = described.venues[draws.u64(number, k) % len(described.venues)]
        price = described.price * (1 + described.spread_bps / 1e4 * draws.normal(number, k + 1))
        share = draws.uniform(number, k + 2)
        depth = described.depth_min * (described.depth_max / described.depth_min) ** share
        spacing = pick(3, (1, 4, 10))
        config = PoolConfig(
            name=f"{described.base}-{described.quote}-{index}",
            venue=venue,
            depth=f"{depth:.0f}{quote.symbol}",
            trade_fee_rate=pick(4, (100, 400, 500, 2_500, 3_000)),
            bin_step=pick(5, (1, 4, 10, 20)),
            base_factor=pick(6, (5_000, 10_000)),
            bins=pick(7, described.bins),
            tick_spacing=spacing,
            halves_at=600,
            width=pick(8, described.ranges) * spacing,
        )
        shift = 10.0 ** (quote.decimals - base.decimals)
        pools.append(open_pool(config, int(price * shift * 2.0**64), base, quote))
    return pools
