"""Move the outside price of the base token: drawn paths or a recorded one, the same for all pools.

A deviation of its own for each venue or pool may come on top (``spread``).
"""

from __future__ import annotations

from orderengine.market.prices.config import PriceConfig
from orderengine.market.prices.drawn import Gbm, JumpDiffusion, drawn_path
from orderengine.market.prices.jumps import JumpConfig, Jumps
from orderengine.market.prices.path import PricePath, to_x64
from orderengine.market.prices.regimes import RegimeConfig, Regimes
from orderengine.market.prices.spread import Spread, SpreadConfig
from orderengine.market.prices.trace import Trace

__all__ = [
    "Gbm",
    "JumpConfig",
    "JumpDiffusion",
    "Jumps",
    "PriceConfig",
    "PricePath",
    "RegimeConfig",
    "Regimes",
    "Spread",
    "SpreadConfig",
    "Trace",
    "drawn_path",
    "to_x64",
]
