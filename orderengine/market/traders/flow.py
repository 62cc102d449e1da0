"""Let others trade: most of them at random, some who know where the price goes.

How many trade in a slot is Poisson; with ``clustering`` its mean is that of a Hawkes process, in
which each trade draws further ones (A. G. Hawkes, "Spectra of some self-exciting and mutually
exciting point processes", Biometrika 58, 1971, pp. 83-90), here in steps of a slot. With r the mean
rate, η the clustering, a = 2^(-slot / half-life) and N_n the trades of slot n:

    rate_n = r · (1 - η) + S_n        S_(n+1) = a · S_n + η · (1 - a) · N_n

S begins at its long mean, r · η. So each trade draws η others in the mean, and the mean is r from
the first slot on. Where the rate would pass 100 r, or 10,000 a slot, it stays there.

Informed traders know the outside price some slots ahead and trade in its direction (L. R. Glosten
and P. R. Milgrom, "Bid, ask and transaction prices in a specialist market with heterogeneously
informed traders", Journal of Financial Economics 14, 1985, pp. 71-100). They do not ask whether
pool fees leave them a gain.

Assumption: all figures; none is measured. Where it misleads: the outside price does not react to
flow, so informed trades move pools early and never the price itself.
"""

from __future__ import annotations

from bisect import bisect_right
from copy import deepcopy
from itertools import accumulate

from msgspec import Struct

from orderengine.market.draws import Draws
from orderengine.market.fields import Duration, TokenAmount, check, duration_ns
from orderengine.market.prices.path import PricePath
from orderengine.market.traders.floor import Floor
from orderengine.pools import Direction, Pool, tokens_of

__all__ = ["TAKERS", "Flow", "FlowConfig"]

TAKERS = "flow"
"""Their account in the ledger."""

_RATE_MAX = 10_000.0
_BURST_MAX = 100
_LARGEST = 10_000.0


class FlowConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe trades of others: a Poisson number a slot, lognormal sizes, fair-coin directions.

    Assumption: independent of the price, but for the informed share.
    """

    trades_per_slot: float = 2.0
    """Over all pools, on average. Assumption."""
    size_median: TokenAmount = "2SOL"
    size_sigma: float = 1.0
    informed_share: float = 0.0
    """Share of trades that go in the direction in which the outside price will have moved."""
    informed_slots: int = 5
    """How many slots ahead informed traders know the price. Assumption."""
    clustering: float = 0.0
    """How many trades each trade draws in the mean, below 1; 0 for independent trades."""
    clustering_half_life: Duration = "4s"
    """After which half of those have come. Assumption."""
    large_share: float = 0.0
    """Share of trades whose size is multiplied by a Pareto number of at least 1, at most 10,000."""
    large_alpha: float = 1.5
    """Its exponent: the chance to pass x is x^-alpha. Assumption."""
    weights: dict[str, float] = {}
    """By a pool's name or a program's: how often it is chosen against the others' 1. A pool's own
    name goes before its program's. Empty: all pools alike."""

    def __post_init__(self) -> None:
        rate = self.trades_per_slot
        check("trades_per_slot", rate, 0 <= rate <= 1_000, "from 0 to 1000")
        check("size_sigma", self.size_sigma, 0 <= self.size_sigma <= 5, "from 0 to 5")
        for name in ("informed_share", "large_share"):
            share = getattr(self, name)
            check(name, share, 0 <= share <= 1, "from 0 to 1")
        ahead = self.informed_slots
        check("informed_slots", ahead, 1 <= ahead <= 1_000, "from 1 to 1000")
        check("clustering", self.clustering, 0 <= self.clustering <= 0.99, "from 0 to 0.99")
        half_life_ns = duration_ns("clustering_half_life", self.clustering_half_life)
        check("clustering_half_life", self.clustering_half_life, half_life_ns > 0, "above 0")
        check("large_alpha", self.large_alpha, 0.5 <= self.large_alpha <= 10, "from 0.5 to 10")
        for name, weight in self.weights.items():
            check(f"weights.{name}", weight, 0 <= weight <= 1e6, "from 0 to 10^6")


class Flow:
    """Trade for ``flow``, the one account of all these takers.

    Args:
        config: the description.
        size_median: in base units of the base token.
        slot_ns: a slot's length.
        seed: what the draws derive from.
        path: the outside price, not asked yet; informed traders look ahead on a copy.
        first_slot: the slot in which the world opens.
        slot_start_ns: the instant at which that slot begins.
    """

    def __init__(  # noqa: PLR0913  (made in one place)
        self,
        config: FlowConfig,
        *,
        size_median: int,
        slot_ns: int,
        seed: int,
        path: PricePath,
        first_slot: int,
        slot_start_ns: int,
    ) -> None:
        self._config = config
        self._median = size_median
        self._slot_ns = slot_ns
        self._draw_count = Draws(seed, "flow/count")
        self._draw = Draws(seed, "flow")
        self._draw_informed = Draws(seed, "flow/informed")
        self._draw_large = Draws(seed, "flow/large")
        half_life_ns = duration_ns("clustering_half_life", config.clustering_half_life)
        self._decay = 2.0 ** (-slot_ns / half_life_ns)
        self._excited = config.trades_per_slot * config.clustering
        """S of the next block; it begins at its long mean, so the mean is r from the start."""
        self._rate_max = min(max(_BURST_MAX * config.trades_per_slot, 1.0), _RATE_MAX)
        self._bounds: tuple[float, ...] = ()
        self._ahead = deepcopy(path) if config.informed_share > 0 else None
        self._ahead_x64 = 0
        for step in range(config.informed_slots):
            self._look_ahead(first_slot + step - config.informed_slots, slot_start_ns)
            slot_start_ns += slot_ns

    def observe(self, slot: int, now_ns: int) -> None:
        """See a slot begin, also one without a block."""
        self._look_ahead(slot, now_ns + self._config.informed_slots * self._slot_ns)

    def _look_ahead(self, slot: int, at_ns: int) -> None:
        if self._ahead is not None:
            self._ahead_x64 = self._ahead.price_x64(slot + self._config.informed_slots, at_ns)

    @property
    def rate(self) -> float:
        """The mean of the next block's count."""
        config = self._config
        calm = config.trades_per_slot * (1 - config.clustering)
        return min(calm + self._excited, self._rate_max)

    def trade(self, floor: Floor, now_s: int) -> None:
        """Make the trades of a block."""
        count = self._draw_count.poisson(self.rate, floor.slot)
        clustering = self._config.clustering
        if clustering:
            decay = self._decay
            self._excited = decay * self._excited + clustering * (1 - decay) * count
        if count:
            addresses = list(floor.pools)
            for index in range(count):
                self._trade_one(floor, addresses, index, now_s)

    def _trade_one(self, floor: Floor, addresses: list[str], index: int, now_s: int) -> None:
        draws, slot, k, config = self._draw, floor.slot, 3 * index, self._config
        pool = floor.pools[self._pick(floor, addresses, draws.u64(slot, k))]
        size = draws.lognormal(self._median, config.size_sigma, slot, k + 1)
        if self._draw_large.happens(config.large_share, slot, 2 * index):
            drawn = self._draw_large.uniform(slot, 2 * index + 1)
            size *= min(drawn ** (-1 / config.large_alpha), _LARGEST)
        sells_lead = bool(draws.u64(slot, k + 2) & 1)
        if self._draw_informed.happens(config.informed_share, slot, index):
            move = self._ahead_x64 - floor.price_x64
            sells_lead = move < 0 if move else sells_lead
        # The lead is the base token, or token A of a pool that does not trade it.
        is_a_to_b = sells_lead == (pool.token_b != floor.base)
        direction = Direction.A_TO_B if is_a_to_b else Direction.B_TO_A
        sold, _ = tokens_of(pool, direction)
        amount = max(max(round(size), 1) * floor.price_x64 // floor.worth_x64(sold), 1)
        floor.trade(TAKERS, pool, direction, amount, now_s)

    def _pick(self, floor: Floor, addresses: list[str], drawn: int) -> str:
        if not self._config.weights:
            return addresses[drawn % len(addresses)]
        if not self._bounds:  # the pools of a world stay the same
            weights = [self._weight(floor.pools[address]) for address in addresses]
            self._bounds = tuple(accumulate(weights))
        place = bisect_right(self._bounds, drawn / 2**64 * self._bounds[-1])
        return addresses[min(place, len(addresses) - 1)]

    def _weight(self, pool: Pool) -> float:
        weights = self._config.weights
        return weights.get(pool.address, weights.get(pool.venue, 1.0))
