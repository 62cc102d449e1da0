"""Decide what each slot brings: a block or none, and which pending transactions get into it.

One object holds what the parts of this room say of the present slot, so that the world asks one.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from operator import itemgetter

from orderengine.market.chain.bids import Bids
from orderengine.market.chain.blocks import BlockSpace
from orderengine.market.chain.congestion import Congestion
from orderengine.market.chain.fee_view import FeeView
from orderengine.market.chain.leaders import Leaders
from orderengine.market.config import MarketConfig
from orderengine.market.draws import Draws, key_of
from orderengine.market.fields import duration_ns
from orderengine.market.transactions import Transaction
from orderengine.pools import Pool
from orderengine.pools.footprint import COMPUTE_UNITS

__all__ = ["BlockProduction", "Pending", "pending_of"]

Pending = tuple[int, str, Transaction]
"""Minus the bid, so that the highest sorts first; signature; transaction."""

_claim = itemgetter(0)


def pending_of(signature: str, transaction: Transaction, pools: Mapping[str, Pool]) -> Pending:
    """Return a transaction with its bid: its price a unit, and its tip over its units."""
    bid = transaction.unit_price
    if transaction.tip:
        bid += transaction.tip * 1_000_000 // _units_of(transaction, pools)
    return -bid, signature, transaction


def _units_of(transaction: Transaction, pools: Mapping[str, Pool]) -> int:
    return sum([COMPUTE_UNITS[pools[leg.pool].venue] for leg in transaction.legs])


def _gets_in(space: BlockSpace, entry: Pending, pools: Mapping[str, Pool]) -> bool:
    claim, _, transaction = entry
    if space.is_closed_to(-claim):
        return False
    accounts = tuple(dict.fromkeys([leg.pool for leg in transaction.legs]))
    return space.take(-claim, _units_of(transaction, pools), accounts)


class BlockProduction:
    """Hold the state of the network that follows no order of ours.

    Args:
        config: the market.
        seed: what the draws derive from.
    """

    def __init__(self, config: MarketConfig, seed: int) -> None:
        self.congestion = Congestion(
            config.congestion,
            duration_ns("slot", config.slot),
            level=Draws(seed, "congestion/level"),
            burst=Draws(seed, "congestion/burst"),
        )
        self.bids = Bids(config.bids)
        self.fees = FeeView(self.bids)
        self.leaders = Leaders(config.leaders, config.skip_rate, Draws(seed, "leader"))
        self._blocks = config.blocks
        self._is_full = config.blocks.limits
        self._is_open = not config.blocks.limits and config.leaders.count == 0
        self._draw_skip = Draws(seed, "slot/skip")
        self._fork_rate = config.consensus.fork_rate
        self._relands = config.consensus.fork_relands
        self._draw_fork = Draws(seed, "slot/fork")
        self._draw_reland = Draws(seed, "fork/reland")

    def skips(self, slot: int) -> bool:
        """Return whether the slot has no block."""
        return self._draw_skip.happens(self.leaders.skip_rate_of(slot), slot)

    def loses(self, slot: int) -> bool:
        """Return whether the majority leaves the slot's block behind."""
        return self._draw_fork.happens(self._fork_rate, slot)

    def relands(self, entry: Pending, slot: int) -> bool:
        """Return whether a transaction of a lost block comes into the next one."""
        _, signature, transaction = entry
        return self._draw_reland.happens(self._relands, key_of(transaction.memo or signature), slot)

    def choose(
        self,
        pending: Iterable[Pending],
        pools: Mapping[str, Pool],
        *,
        slot: int,
        height: int,
        executed: Container[str],
    ) -> tuple[list[Pending], list[Pending]]:
        """Return a block's transactions in their order, and those that wait for the next.

        The highest bid is first, and of equals the one sent first. Where not all get in, a copy of
        what has executed, stands in the block or waits is left out, and so is what has expired.

        Args:
            pending: in the order of sending.
            pools: by address.
            slot: the block's.
            height: the block's.
            executed: signatures.
        """
        ordered = sorted(pending, key=_claim)
        if self._is_open:
            return ordered, []
        congestion, taken, waiting = self.congestion, [], []
        space = BlockSpace(self._blocks, self.bids, congestion.demand, congestion.account_demand)
        takes_bundles = self.leaders.takes_bundles(slot)
        seen: set[str] = set()
        for entry in ordered:
            _, signature, transaction = entry
            is_late = height > transaction.last_valid_height
            if is_late or signature in seen or signature in executed:
                continue
            seen.add(signature)
            if transaction.tip and not takes_bundles:
                waiting.append(entry)
            elif not self._is_full or _gets_in(space, entry, pools):
                taken.append(entry)
            else:
                waiting.append(entry)
        if self._is_full:
            self.fees.note(space.record(slot))
        return taken, waiting
