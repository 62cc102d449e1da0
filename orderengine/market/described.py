"""Open a described pool at the outside price, with the depth that was stated.

Whatever the venue, token A is the base token and token B the quote token.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from math import isqrt

from orderengine.errors import InvalidData
from orderengine.market.fields import FieldError, amount_of, check
from orderengine.market.pools import PoolConfig
from orderengine.market.tick_profile import TickProfile, tick_profile
from orderengine.model.amounts import U64_MAX
from orderengine.model.tokens import Token
from orderengine.pools import (
    ClmmTickSpec,
    DammBaseFee,
    DlmmBinSpec,
    DlmmFeeParameters,
    DlmmVolatility,
    MeteoraDammV2Pool,
    MeteoraDammV2Spec,
    MeteoraDlmmPool,
    MeteoraDlmmSpec,
    OrcaWhirlpoolPool,
    OrcaWhirlpoolSpec,
    Pool,
    RaydiumAmmV4Pool,
    RaydiumClmmPool,
    RaydiumClmmSpec,
    RaydiumCpmmPool,
    WhirlpoolTick,
    orca_whirlpool_ticks,
    raydium_clmm_ticks,
)
from orderengine.pools.fixed_point import Q64
from orderengine.pools.meteora_dlmm_price import bin_price_x64

__all__ = ["open_pool"]

_DAMM_SQRT_MIN, _DAMM_SQRT_MAX = 4_295_048_016, 79_226_673_521_066_979_257_578_248_091
"""All prices that the program takes (its constants MIN_SQRT_PRICE and MAX_SQRT_PRICE)."""

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

    Raises:
        FieldError: at this price the pool would be too shallow, too deep or too wide.
    """
    depth = amount_of("depth", config.depth, quote.symbol)
    worth = (depth << 64) // price_x64
    expected = f"a depth whose worth in {base.symbol} is from 1 to 2^64 - 1 base units"
    check("depth", config.depth, 1 <= worth <= U64_MAX, expected)
    match config.venue:
        case "raydium_amm_v4":
            return RaydiumAmmV4Pool(
                address=config.name,
                token_a=base.symbol,
                token_b=quote.symbol,
                reserve_a=worth,
                reserve_b=depth,
                fee_numerator=config.trade_fee_rate,
                fee_denominator=1_000_000,
            )
        case "raydium_cpmm":
            return RaydiumCpmmPool(
                address=config.name,
                token_a=base.symbol,
                token_b=quote.symbol,
                reserve_a=worth,
                reserve_b=depth,
                trade_fee_rate=config.trade_fee_rate,
                protocol_fee_rate=120_000,
                fund_fee_rate=40_000,
            )
        case "meteora_dlmm":
            return _open_dlmm(config, depth, price_x64, base, quote)
    sqrt_price_x64 = isqrt(price_x64 * Q64)
    try:
        match config.venue:
            case "meteora_damm_v2":
                return _open_damm_v2(config, depth, sqrt_price_x64, base, quote)
            case "raydium_clmm":
                return _open_clmm(config, depth, sqrt_price_x64, base, quote)
            case "orca_whirlpool":
                return _open_whirlpool(config, depth, sqrt_price_x64, base, quote)
    except InvalidData as error:
        found = f"{config.depth} ({error.found})"
        raise FieldError("depth", found, f"what the program can hold: {error.expected}") from error


def _open_damm_v2(
    config: PoolConfig, depth: int, sqrt_price_x64: int, base: Token, quote: Token
) -> Pool:
    return MeteoraDammV2Pool.from_spec(
        MeteoraDammV2Spec(
            address=config.name,
            token_a=base.symbol,
            token_b=quote.symbol,
            sqrt_price=sqrt_price_x64,
            sqrt_min_price=_DAMM_SQRT_MIN,
            sqrt_max_price=_DAMM_SQRT_MAX,
            liquidity=(depth << 128) // sqrt_price_x64,
            base_fee=DammBaseFee(cliff_fee_numerator=config.trade_fee_rate * 1_000),
            protocol_fee_percent=20,
            referral_fee_percent=20,
        )
    )


def _profile(
    config: PoolConfig,
    depth: int,
    sqrt_price_x64: int,
    tick: int,
    sqrt_at: Callable[[int], int],
) -> TickProfile:
    return tick_profile(
        sqrt_at,
        sqrt_price_x64,
        depth,
        tick=tick,
        spacing=config.tick_spacing,
        halves_at=config.halves_at,
        width=config.width,
    )


def _open_clmm(
    config: PoolConfig, depth: int, sqrt_price_x64: int, base: Token, quote: Token
) -> Pool:
    tick = raydium_clmm_ticks.tick_at_sqrt_price(sqrt_price_x64)
    profile = _profile(config, depth, sqrt_price_x64, tick, raydium_clmm_ticks.sqrt_price_at_tick)
    return RaydiumClmmPool.from_spec(
        RaydiumClmmSpec(
            address=config.name,
            token_a=base.symbol,
            token_b=quote.symbol,
            tick_spacing=config.tick_spacing,
            trade_fee_rate=config.trade_fee_rate,
            protocol_fee_rate=120_000,
            fund_fee_rate=40_000,
            tick_current=tick,
            sqrt_price_x64=sqrt_price_x64,
            liquidity=profile.liquidity,
            ticks=tuple(ClmmTickSpec(tick=at, liquidity_net=net) for at, net in profile.ticks),
        )
    )


def _open_whirlpool(
    config: PoolConfig, depth: int, sqrt_price_x64: int, base: Token, quote: Token
) -> Pool:
    tick = orca_whirlpool_ticks.tick_at_sqrt_price(sqrt_price_x64)
    profile = _profile(config, depth, sqrt_price_x64, tick, orca_whirlpool_ticks.sqrt_price_at_tick)
    return OrcaWhirlpoolPool.from_spec(
        OrcaWhirlpoolSpec(
            address=config.name,
            token_a=base.symbol,
            token_b=quote.symbol,
            tick_spacing=config.tick_spacing,
            fee_rate=config.trade_fee_rate,
            protocol_fee_rate=1_300,
            tick_current=tick,
            sqrt_price_x64=sqrt_price_x64,
            liquidity=profile.liquidity,
            ticks=tuple(WhirlpoolTick(at, net) for at, net in profile.ticks),
        )
    )


def _open_dlmm(config: PoolConfig, depth: int, price_x64: int, base: Token, quote: Token) -> Pool:
    """Spread the depth evenly over the bins: quote below the price, base above, half each in it."""
    log_step = math.log1p(config.bin_step / 10_000)
    active_id = math.floor(math.log(price_x64 / 2**64) / log_step)
    while bin_price_x64(active_id + 1, config.bin_step) <= price_x64:
        active_id += 1
    while bin_price_x64(active_id, config.bin_step) > price_x64:
        active_id -= 1
    bin_quote = depth // config.bins
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
