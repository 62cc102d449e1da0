"""Describe how the outside price moves."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from orderengine.market.fields import check, price_of
from orderengine.market.prices.jumps import JumpConfig
from orderengine.market.prices.regimes import RegimeConfig
from orderengine.market.prices.spread import SpreadConfig

__all__ = ["PriceConfig"]


class PriceConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe the price path."""

    model: Literal["gbm", "trace"] = "gbm"
    start: str = "81.80"
    """Of ``gbm``: quote tokens for one base token at the start. The default is the SOL/USDC price
    of 2026-07-06 16:30 UTC (spot of the Meteora pool 5rCf1DM8… at slot 431198953). With a snapshot
    of pools, "81.80" stands for the price of the deepest of them; 81.8 does not."""
    volatility: float = 0.8
    """Of ``gbm``: standard deviation of the log price over a year. Assumption: 80 %."""
    file: str = ""
    """Of ``trace``: a CSV or Parquet file, plain or gzip, columns ``timestamp`` and ``price``."""
    jumps: JumpConfig = JumpConfig()
    """Of ``gbm``: jumps on top of it."""
    regimes: RegimeConfig = RegimeConfig()
    """Of ``gbm``: times in which another volatility holds."""
    spread: SpreadConfig = SpreadConfig()
    """How far the price that a venue sees is off, of either model."""

    def __post_init__(self) -> None:
        price_of("start", self.start)
        check("volatility", self.volatility, 0 <= self.volatility <= 10, "from 0 to 10 a year")
        if self.model == "trace":
            check("file", self.file, bool(self.file), "a file of prices")
            jumps, wild = self.jumps.per_hour, self.regimes.wild_volatility
            check("jumps.per_hour", jumps, jumps == 0, "0 with a recorded price, which has its own")
            expected = "0 with a recorded price, which has its own"
            check("regimes.wild_volatility", wild, wild == 0, expected)
