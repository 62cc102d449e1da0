"""Move liquidity: providers add, withdraw, flee from fast prices, and lay their ranges anew.

Each pool's depth is the described one times exp(X + Y). X is an Ornstein-Uhlenbeck process of the
pool's own. Y is common to all: it falls by -log(1 - flee_share) whenever the outside price moves by
more than ``flee_bps`` from one slot to the next, and returns to zero. Ticks and bins of described
pools are laid anew around the pool's price every ``recentre``.

Pools move in steps, and exactly (``scaled``): what providers bring and take changes hands with the
account ``lp``.

Assumption: all figures, none is measured; that depth is lognormal and providers act without cost.
Where it misleads: real providers act one by one and where their ranges are, so depth changes near
the price first; nobody here adds liquidity just before a large trade to earn its fee.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct

from orderengine.errors import InvalidRequest
from orderengine.market.draws import Draws
from orderengine.market.fields import Duration, check, duration_ns
from orderengine.market.pools import PoolConfig
from orderengine.market.traders.floor import Floor
from orderengine.market.traders.scaled import recentred, scaled
from orderengine.model.amounts import U64_MAX
from orderengine.pools import Pool

__all__ = ["PROVIDERS", "Liquidity", "LiquidityConfig"]

PROVIDERS = "lp"
"""Their account in the ledger."""
_ONE = 1 << 32
_LOG_MAX = math.log(16)
"""Depth stays within a 16th and 16 times the described one."""


class LiquidityConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe how the pools' depth moves."""

    sigma: float = 0.0
    """Long-run standard deviation of the logarithm of a pool's depth; 0 for none."""
    half_life: Duration = "10min"
    """After which half of a deviation is left. Assumption."""
    every: Duration = "10s"
    """Between two steps. Assumption."""
    flee_bps: float = 0.0
    """A move of the outside price from slot to slot that makes providers flee; 0 for none."""
    flee_share: float = 0.5
    """Share of the liquidity that is withdrawn then. Assumption."""
    return_half_life: Duration = "1min"
    """After which half of that has come back, in logarithms. Assumption."""
    recentre: Duration = "0ms"
    """Between two times at which described pools of ticks or bins lie around their price again; 0
    for never."""

    def __post_init__(self) -> None:
        check("sigma", self.sigma, 0 <= self.sigma <= 2, "from 0 to 2")
        check("flee_bps", self.flee_bps, 0 <= self.flee_bps <= 10_000, "from 0 to 10000 bps")
        check("flee_share", self.flee_share, 0 <= self.flee_share <= 0.9, "from 0 to 0.9")
        for name in ("half_life", "every", "return_half_life"):
            value = getattr(self, name)
            check(name, value, duration_ns(name, value) > 0, "above 0")
        duration_ns("recentre", self.recentre)

    @property
    def is_on(self) -> bool:
        """Whether anything moves."""
        return self.sigma > 0 or self.flee_bps > 0 or duration_ns("recentre", self.recentre) > 0


class Liquidity:
    """Hold each pool's level and bring pools to it.

    Args:
        config: the description.
        described: the pools' descriptions by address; those of a snapshot have none and are only
            scaled.
        slot_ns: a slot's length.
        seed: what the draws derive from.
        pools: the pools as they open.
    """

    def __init__(
        self,
        config: LiquidityConfig,
        described: Mapping[str, PoolConfig],
        slot_ns: int,
        seed: int,
        pools: Sequence[Pool],
    ) -> None:
        self._config = config
        self._described = described
        step_ns = duration_ns("every", config.every)
        self._every = max(step_ns // slot_ns, 1)
        self._recentre = -(-duration_ns("recentre", config.recentre) // slot_ns)
        self._decay = 2.0 ** (-self._every * slot_ns / duration_ns("half_life", config.half_life))
        self._kick = config.sigma * math.sqrt(1 - self._decay * self._decay)
        self._return = 2.0 ** (-slot_ns / duration_ns("return_half_life", config.return_half_life))
        self._draws = {pool.address: Draws(seed, f"liquidity/{pool.address}") for pool in pools}
        self._levels = dict.fromkeys(self._draws, 0.0)
        """X of each pool."""
        self._shares = dict.fromkeys(self._draws, _ONE)
        """What each pool was brought to, in 2^-32 of the described depth."""
        self._fled = 0.0
        self._flees = False
        self._next_step = self._next_recentre = -1
        self._last_x64 = 0

    def observe(self, slot: int, price_x64: int) -> None:
        """See the outside price of a slot."""
        if self._last_x64 and self._config.flee_bps:
            self._fled *= self._return
            moved = abs(price_x64 - self._last_x64) * 10_000
            if moved > self._config.flee_bps * self._last_x64:
                self._fled += math.log1p(-self._config.flee_share)
                self._flees = True
        if not self._last_x64:
            self._next_step, self._next_recentre = slot + self._every, slot + self._recentre
        self._last_x64 = price_x64

    def move(self, floor: Floor) -> None:
        """Bring the pools to their levels, if it is time, before anybody trades in a block."""
        is_recentred = self._recentre > 0 and floor.slot >= self._next_recentre
        if floor.slot >= self._next_step:
            self._next_step = floor.slot + self._every
            for address, draws in self._draws.items():
                kicked = self._kick * draws.normal(floor.slot) if self._kick else 0.0
                self._levels[address] = self._decay * self._levels[address] + kicked
        elif not (self._flees or is_recentred):
            return
        if is_recentred:
            self._next_recentre = floor.slot + self._recentre
        self._flees = False
        for address in self._draws:
            self._bring(floor, floor.pools[address], is_recentred)

    def level(self, address: str) -> float:
        """Return the logarithm of a pool's depth over the described one."""
        return min(max(self._levels[address] + self._fled, -_LOG_MAX), _LOG_MAX)

    def _bring(self, floor: Floor, pool: Pool, is_recentred: bool) -> None:
        """Scale a pool to its level, or lay it anew; leave it if its program cannot hold that."""
        address = pool.address
        share, before = round(math.exp(self.level(address)) * _ONE), self._shares[address]
        described = self._described.get(address)
        try:
            after = pool
            if is_recentred and described is not None:
                after = recentred(pool, described, share, _ONE)
            if after is pool and share != before:
                after = scaled(pool, share, before)
        except InvalidRequest:
            return
        if after is pool or max(after.vault_a, after.vault_b) > U64_MAX:
            return
        self._shares[address] = share
        for name, held, kept in (
            (pool.token_a, pool.vault_a, after.vault_a),
            (pool.token_b, pool.vault_b, after.vault_b),
        ):
            floor.ledger.settle(PROVIDERS, {name: held - kept})
        floor.pools[address] = after
