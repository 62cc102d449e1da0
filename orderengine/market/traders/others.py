"""Let all the others take their turn in a block, in one order.

When a slot begins: everybody sees the outside price, also where there is no block. When a block
begins: liquidity moves, flow trades, then the ideal arbitrageur, if it is the only one. Competing
arbitrageurs have their places among the block's transactions, and the attacker comes around each
transaction that it attacks.
"""

from __future__ import annotations

from collections.abc import Sequence

from orderengine.market.config import MarketConfig
from orderengine.market.fields import amount_of, duration_ns
from orderengine.market.prices.path import PricePath
from orderengine.market.prices.spread import Spread
from orderengine.market.traders.arbitrage import ARBITRAGEUR, arbitrage
from orderengine.market.traders.competition import Claim, Competition
from orderengine.market.traders.floor import Floor
from orderengine.market.traders.flow import TAKERS, Flow
from orderengine.market.traders.liquidity import PROVIDERS, Liquidity
from orderengine.market.traders.sandwich import ATTACKER, Attacker
from orderengine.pools import Pool

__all__ = ["Others"]


class Others:
    """Hold the traders that a market's description asks for.

    Args:
        config: the description.
        seed: what their draws derive from.
        path: the outside price, not asked yet.
        pools: the pools as they open.
        first_slot: the slot in which the world opens.
        start_ns: the instant at which that slot begins.
    """

    def __init__(
        self,
        config: MarketConfig,
        seed: int,
        path: PricePath,
        pools: Sequence[Pool],
        first_slot: int,
        start_ns: int,
    ) -> None:
        slot_ns, base = duration_ns("slot", config.slot), config.base
        spread, rivals = config.price.spread, config.arbitrageurs
        self._spread = Spread(spread, slot_ns, seed, pools) if spread.bps > 0 else None
        self._is_arbitraged = config.arbitrage and not rivals.count
        self._flow: Flow | None = None
        if config.flow.trades_per_slot > 0:
            self._flow = Flow(
                config.flow,
                size_median=amount_of("flow.size_median", config.flow.size_median, base),
                slot_ns=slot_ns,
                seed=seed,
                path=path,
                first_slot=first_slot,
                slot_start_ns=start_ns,
            )
        self._competition: Competition | None = None
        if rivals.count:
            capital = amount_of("capital", rivals.capital, base) if rivals.capital else 0
            self._competition = Competition(rivals, capital, seed, self._spread)
        self._liquidity: Liquidity | None = None
        if config.liquidity.is_on:
            described = {} if config.snapshot else {pool.name: pool for pool in config.pools}
            self._liquidity = Liquidity(config.liquidity, described, slot_ns, seed, pools)
        self.attacker: Attacker | None = None
        if config.sandwich.seen_share > 0:
            self.attacker = Attacker(config.sandwich, seed)

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts that trade, each of which needs a treasury."""
        named = [ARBITRAGEUR, TAKERS]
        if self._competition is not None:
            named += self._competition.traders
        if self._liquidity is not None:
            named.append(PROVIDERS)
        if self.attacker is not None:
            named.append(ATTACKER)
        return tuple(named)

    def observe(self, slot: int, now_ns: int, price_x64: int) -> None:
        """See a slot begin at its price, also one that is skipped."""
        if self._spread is not None:
            self._spread.move(slot)
        if self._flow is not None:
            self._flow.observe(slot, now_ns)
        if self._competition is not None:
            self._competition.observe(price_x64)
        if self._liquidity is not None:
            self._liquidity.observe(slot, price_x64)

    def open_block(self, floor: Floor, now_s: int) -> list[Claim]:
        """Act before all transactions; return the places that arbitrageurs bid for, best first."""
        if self._liquidity is not None:
            self._liquidity.move(floor)
        if self._flow is not None:
            self._flow.trade(floor, now_s)
        if self._is_arbitraged:
            for pool in list(floor.pools.values()):
                arbitrage(floor, self._spread, pool, now_s)
        return self._competition.claims(floor, now_s) if self._competition is not None else []

    def act(self, floor: Floor, claims: list[Claim], least_unit_price: int, now_s: int) -> None:
        """Let arbitrageurs trade whose bid is above a transaction's, and take them off the list."""
        while claims and claims[0].unit_price > least_unit_price:
            if self._competition is not None:
                self._competition.act(floor, claims.pop(0), now_s)
