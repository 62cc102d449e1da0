"""Open simulated pools at the outside price, with depth as people state it."""

from __future__ import annotations

import math
from typing import Literal

from msgspec import Struct

from orderengine.errors import InvalidData
from orderengine.market.fields import FieldError, TokenAmount, amount_of, check
from orderengine.model.amounts import U64_MAX
from orderengine.model.tokens import Token
from orderengine.pools import (
    DlmmBinSpec,
    DlmmFeeParameters,
    DlmmVolatility,
    MeteoraDlmmPool,
    MeteoraDlmmSpec,
    Pool,
    RaydiumCpmmPool,
)
from orderengine.pools.meteora_dlmm_price import bin_price_x64

__all__ = ["DEFAULT_POOLS", "PoolConfig", "open_pool"]


class PoolConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe one pool of the market's pair."""

    name: str
    venue: Literal["raydium_cpmm", "meteora_dlmm"]
    depth: TokenAmount
    """What the pool holds of the quote token; of the base token it holds the same value. Of
    ``meteora_dlmm``: on each side of the active bin, which holds half a bin's share of both."""
    trade_fee_rate: int = 2500
    """Of ``raydium_cpmm``: parts per million of the input. 12 % of the fee goes to the protocol
    and 4 % to the fund, Raydium's standard shares."""
    bin_step: int = 4
    """Of ``meteora_dlmm``: the price ratio of neighbouring bins less one, in basis points."""
    base_factor: int = 10_000
    """Of ``meteora_dlmm``: the base fee is base_factor · bin_step · 10 parts per 10^9."""
    bins: int = 400
    """Of ``meteora_dlmm``: bins on each side of the active one, all equally deep in value."""

    def __post_init__(self) -> None:
        check("name", self.name, bool(self.name), "a name")
        rate, step, bins = self.trade_fee_rate, self.bin_step, self.bins
        check("trade_fee_rate", rate, 0 <= rate < 1_000_000, "from 0 to 999999 parts per million")
        check("bin_step", step, 1 <= step <= 400, "from 1 to 400 bps")
        check("base_factor", self.base_factor, 0 <= self.base_factor <= 65_535, "from 0 to 65535")
        check("bins", bins, 1 <= bins <= 5_000, "from 1 to 5000 bins a side")


DEFAULT_POOLS = (
    PoolConfig(name="raydium-25bps", venue="raydium_cpmm", depth="6000000USDC"),
    PoolConfig(name="raydium-4bps", venue="raydium_cpmm", depth="3000000USDC", trade_fee_rate=400),
    PoolConfig(name="meteora-4bps", venue="meteora_dlmm", depth="1160000USDC"),
    PoolConfig(name="meteora-10bps", venue="meteora_dlmm", depth="2400000USDC", bin_step=10),
)
"""Four SOL/USDC pools. The bins of meteora-4bps are as deep as those around the active bin of
5rCf1DM8… on 2026-06-07 (about 2,900 USDC each); the other depths are assumptions."""

_DLMM_FEES = {
    "variable_fee_control": 120_000,
    "max_volatility_accumulator": 300_000,
    "filter_period": 30,
    "decay_period": 600,
    "reduction_factor": 5_000,
    "protocol_share": 1_000,
}
"""The fee settings of the SOL/USDC pool 5rCf1DM8LjKTw4YqhnoLcngyZYeNnQqztScTogYHAS6 on mainnet,
read from its account at slot 431198953 (2026-07-06)."""


def open_pool(config: PoolConfig, price_x64: int, base: Token, quote: Token) -> Pool:
    """Return a pool at ``price_x64`` (quote base units a base unit), to within a bin or a unit.

    Token A is the base token, token B the quote token.

    Raises:
        FieldError: at this price the pool would be too shallow, too deep or too wide.
    """
    held_quote = amount_of("depth", config.depth, quote.symbol)
    held_base = (held_quote << 64) // price_x64
    check(
        "depth",
        config.depth,
        1 <= held_base <= U64_MAX,
        f"a depth whose worth in {base.symbol} is from 1 to 2^64 - 1 base units",
    )
    if config.venue == "raydium_cpmm":
        return RaydiumCpmmPool(
            address=config.name,
            token_a=base.symbol,
            token_b=quote.symbol,
            reserve_a=held_base,
            reserve_b=held_quote,
            trade_fee_rate=config.trade_fee_rate,
            protocol_fee_rate=120_000,
            fund_fee_rate=40_000,
        )
    return _open_dlmm(config, price_x64, base, quote)


def _open_dlmm(config: PoolConfig, price_x64: int, base: Token, quote: Token) -> Pool:
    """Spread the depth evenly over the bins: quote below the price, base above, half each in it."""
    log_step = math.log1p(config.bin_step / 10_000)
    active_id = math.floor(math.log(price_x64 / 2**64) / log_step)
    while bin_price_x64(active_id + 1, config.bin_step) <= price_x64:
        active_id += 1
    while bin_price_x64(active_id, config.bin_step) > price_x64:
        active_id -= 1
    bin_quote = amount_of("depth", config.depth, quote.symbol) // config.bins
    check("depth", config.depth, bin_quote >= 2, f"at least 2 base units a bin of {config.bins}")
    try:
        for last_id in (active_id - config.bins, active_id + config.bins):
            bin_price_x64(last_id, config.bin_step)
    except InvalidData as error:
        expected = f"fewer bins, all with a price from 2^-64 to 2^64 - 1 ({config.bin_step} bps)"
        raise FieldError("bins", config.bins, expected) from error
    bins = []
    for bin_id in range(active_id - config.bins, active_id + config.bins + 1):
        bin_base = (bin_quote << 64) // bin_price_x64(bin_id, config.bin_step)
        share_base = (bin_id > active_id) + (bin_id >= active_id)  # halves
        bins.append(
            DlmmBinSpec(
                id=bin_id,
                amount_a=bin_base * share_base // 2,
                amount_b=bin_quote * (2 - share_base) // 2,
            )
        )
    return MeteoraDlmmPool.from_spec(
        MeteoraDlmmSpec(
            address=config.name,
            token_a=base.symbol,
            token_b=quote.symbol,
            bin_step=config.bin_step,
            active_id=active_id,
            parameters=DlmmFeeParameters(base_factor=config.base_factor, **_DLMM_FEES),
            volatility=DlmmVolatility(index_reference=active_id),
            bins=tuple(bins),
        )
    )
