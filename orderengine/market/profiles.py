"""Name the worlds that a live service can trade in when it trades in a simulated one."""

from __future__ import annotations

from msgspec.structs import replace

from orderengine.market.config import FeeConfig, FlowConfig, LandingConfig, MarketConfig
from orderengine.market.latency import LatencyConfig
from orderengine.market.pools import PoolConfig

__all__ = ["PROFILES"]

_FREE = FeeConfig(
    signature_lamports=5_000,
    urgent_micro_lamports=0,
    normal_micro_lamports=0,
    bulk_micro_lamports=0,
)

_ORIGINAL = MarketConfig(
    slot="10ms",
    skip_rate=0.0,
    quote_latency=LatencyConfig(median="200ms"),
    build_latency=LatencyConfig(median="0ms"),
    # A thousand orders at once, or thousands within a slot, must not move the price beyond each
    # other's limits: these profiles are for trying out and measuring the service, not the market.
    pools=(
        PoolConfig(name="raydium", venue="raydium_cpmm", depth="5000000000USDC"),
        PoolConfig(name="meteora", venue="meteora_dlmm", depth="2000000000USDC", bin_step=20),
    ),
    flow=FlowConfig(trades_per_slot=0.05),
    landing=LandingConfig(
        delay=LatencyConfig(model="uniform", low="2000ms", high="2990ms"),
        drop_rate=0.0,
        blockhash_blocks=6_000,  # 60 s of 10 ms slots
        confirm=LatencyConfig(median="0ms"),
    ),
    fees=_FREE,
)

_INSTANT = replace(
    _ORIGINAL,
    slot="400ms",
    quote_latency=LatencyConfig(median="0ms"),
    flow=FlowConfig(trades_per_slot=2.0),
    landing=LandingConfig(
        model="instant", drop_rate=0.0, confirm=LatencyConfig(median="0ms"), blockhash_blocks=150
    ),
)

_SOLANA = MarketConfig(skip_rate=0.0)
"""The default study's world. No slot is skipped, so that a process which starts later counts the
same block heights from the clock alone."""


PROFILES: dict[str, MarketConfig] = {
    "original": _ORIGINAL,
    "instant": _INSTANT,
    "solana": _SOLANA,
    "solana-fast": replace(
        _SOLANA,
        slot="20ms",
        quote_latency=LatencyConfig(model="lognormal", median="24.6ms", sigma=0.531),
        build_latency=LatencyConfig(model="lognormal", median="1.5ms", sigma=0.3),
        landing=LandingConfig(
            delay=LatencyConfig(model="lognormal", median="100ms", sigma=0.42),
            confirm=LatencyConfig(model="lognormal", median="50ms", sigma=0.2),
        ),
    ),
}
"""``original``: quotes after 200 ms, execution after 2 to 3 s, nothing lost; ``instant``: no delay.
Both have pools so deep that a service under load measures itself. ``solana``: slots, landing,
drops, as in the default study; ``solana-fast``: the same, 20 times as fast."""
