"""Let several arbitrageurs compete for a pool that is off, late and at a cost.

In each block some of them act: each knows the outside price of some slots ago, sizes its trade on
the pool as it finds it, and trades only if the gain at that price is above what it pays. Who acts
bids a drawn share of the gain that it counts on, on top of its fixed cost; the highest bid trades
first, and those behind it find what it left. A bid is a claim to a place in the block like that of
any transaction, lamports for the compute units of a swap: orders that bid more come before it.

Assumption: which of them acts and what it bids is drawn, independently; a trade that is no longer
worth its cost is left out and costs nothing, as in an auction of bundles; what they hold is not
counted from trade to trade but limited for each. No figure is measured. Where it misleads: real
searchers learn from each other, so bids come near to the whole gain, and many of their transactions
fail in the block and use up its space.
"""

from __future__ import annotations

from collections import deque

from msgspec import Struct

from orderengine.errors import InvalidAmount, Rejected
from orderengine.market.draws import Draws
from orderengine.market.fields import check
from orderengine.market.prices.spread import Spread
from orderengine.market.traders.arbitrage import ARBITRAGEUR, seen_worth_x64
from orderengine.market.traders.floor import Floor, lamports_of
from orderengine.market.transactions import require_room
from orderengine.model.amounts import U64_MAX
from orderengine.pools import Direction, Pool, Swap
from orderengine.pools.fixed_point import Q64
from orderengine.pools.footprint import COMPUTE_UNITS

__all__ = ["ArbitrageursConfig", "Claim", "Competition"]


class ArbitrageursConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe competing arbitrageurs, who take the place of the ideal one if there are any."""

    count: int = 0
    """How many; 0 for the ideal one alone, if ``market.arbitrage`` is on."""
    acts_share: float = 0.5
    """Chance that one acts on a pool in a block. Assumption."""
    delay_slots: int = 1
    """How many slots old the outside price is that they know. Assumption."""
    cost_lamports: int = 15_000
    """What a trade must at least bring: 5,000 for a signature, and a tip of 10,000 (assumption)."""
    bid_share_max: float = 0.9
    """Most of the gain above the cost that one bids; the share is uniform from 0. Assumption."""
    capital: str = ""
    """Most that one may put into a trade, an amount of the base token or its worth; empty for no
    limit."""

    def __post_init__(self) -> None:
        check("count", self.count, 0 <= self.count <= 100, "from 0 to 100")
        check("acts_share", self.acts_share, 0 < self.acts_share <= 1, "above 0 and at most 1")
        delay = self.delay_slots
        check("delay_slots", delay, 0 <= delay <= 1_000, "from 0 to 1000")
        cost = self.cost_lamports
        check("cost_lamports", cost, 0 <= cost <= 10**12, "from 0 to 10^12")
        share = self.bid_share_max
        check("bid_share_max", share, 0 <= share <= 1, "from 0 to 1")


class Claim(Struct, frozen=True, gc=False):
    """Hold the place in a block that an arbitrageur pays for."""

    unit_price: int
    """Micro-lamports a compute unit, rounded down."""
    trader: str
    pool: str
    tip_lamports: int


class _Gain(Struct, frozen=True, gc=False):
    direction: Direction
    swap: Swap
    worth: int
    """In base units of the quote token, rounded down."""


class Competition:
    """Hold what the arbitrageurs know, and trade for ``arbitrageur-1`` and so on.

    Args:
        config: the description.
        capital: most base units of the base token a trade; 0 for no limit.
        seed: what the draws derive from.
        spread: how far off the price is at each pool.
    """

    def __init__(
        self, config: ArbitrageursConfig, capital: int, seed: int, spread: Spread | None
    ) -> None:
        self.traders = [f"{ARBITRAGEUR}-{number + 1}" for number in range(config.count)]
        self._config = config
        self._capital = capital
        self._spread = spread
        self._seen: deque[int] = deque(maxlen=config.delay_slots + 1)
        self._draw_acts = Draws(seed, "arbitrage/acts")
        self._draw_bid = Draws(seed, "arbitrage/bid")

    def observe(self, price_x64: int) -> None:
        """See the outside price of a slot."""
        self._seen.append(price_x64)

    def claims(self, floor: Floor, now_s: int) -> list[Claim]:
        """Return what is bid for this block, the highest first, of equals the first drawn."""
        found = []
        count, share = self._config.count, self._config.acts_share
        for number, pool in enumerate(floor.pools.values()):
            gain = self._gain(floor, pool, now_s)
            if gain is None:
                continue
            spare = lamports_of(floor, gain.worth) - self._config.cost_lamports
            if spare <= 0:
                continue
            units = COMPUTE_UNITS[pool.venue]
            for at, trader in enumerate(self.traders, number * count):
                if not self._draw_acts.happens(share, floor.slot, at):
                    continue
                bid = self._config.bid_share_max * self._draw_bid.uniform(floor.slot, at)
                tip = self._config.cost_lamports + int(bid * spare)
                found.append(Claim(tip * 1_000_000 // units, trader, pool.address, tip))
        return sorted(found, key=lambda claim: -claim.unit_price)

    def act(self, floor: Floor, claim: Claim, now_s: int) -> None:
        """Trade at the claim's turn, if that is still worth its tip."""
        pool = floor.pools[claim.pool]
        gain = self._gain(floor, pool, now_s)
        if gain is None or lamports_of(floor, gain.worth) < claim.tip_lamports:
            return
        floor.book(claim.trader, pool, gain.direction, gain.swap)
        if claim.tip_lamports:
            floor.ledger.pay(claim.trader, "validators", "SOL", claim.tip_lamports)

    def _gain(self, floor: Floor, pool: Pool, now_s: int) -> _Gain | None:
        """Return the trade that brings the pool to the known price, None if none brings a gain."""
        known_x64 = self._seen[0]
        worth_a = seen_worth_x64(floor, self._spread, pool, pool.token_a, known_x64)
        worth_b = seen_worth_x64(floor, self._spread, pool, pool.token_b, known_x64)
        price_x64 = (worth_a << 64) // worth_b
        for direction in (Direction.A_TO_B, Direction.B_TO_A):
            amount = pool.amount_in_to_price(direction, price_x64, now_s)
            if amount < 1:
                continue
            sold_x64, bought_x64 = worth_a, worth_b
            if direction is Direction.B_TO_A:
                sold_x64, bought_x64 = worth_b, worth_a
            if self._capital:
                amount = min(amount, self._capital * known_x64 // sold_x64)
            try:
                swap = pool.swap_exact_in(direction, min(amount, U64_MAX), now_s)
                require_room(pool, direction, swap.amount_in)
            except (Rejected, InvalidAmount):
                return None
            worth = (swap.amount_out * bought_x64 - swap.amount_in * sold_x64) // Q64
            return _Gain(direction, swap, worth) if worth > 0 else None
        return None
