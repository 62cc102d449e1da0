"""Say what recent blocks were paid: what a fee feed knows, and no more.

Source: ``getRecentPrioritizationFees`` keeps up to 150 blocks and reports each one's *lowest* price
(Solana docs); asked without accounts it answered 150 zeros on 2025-08-22, while half of a block's
transactions paid more. Feeds that take a percentile report that one a block. Assumption: the feed
is exact and up to the last block, and reports others' bids only. Where it misleads: real feeds lag
and disagree.
"""

from __future__ import annotations

from collections import deque

from orderengine.market.chain.bids import Bids
from orderengine.market.chain.blocks import BlockRecord

__all__ = ["FeeView"]

_BLOCKS = 150


class FeeView:
    """Remember recent blocks.

    Args:
        bids: of others.
    """

    def __init__(self, bids: Bids) -> None:
        self._bids = bids
        self.blocks: deque[BlockRecord] = deque(maxlen=_BLOCKS)
        """The last 150 blocks, the newest last."""
        self._median_demand: float | None = None

    def note(self, block: BlockRecord) -> None:
        """Add the newest block."""
        self.blocks.append(block)
        self._median_demand = None

    def unit_price(self, percentile: int) -> int:
        """Return the median, over recent blocks, of a percentile of what got in was paid.

        Micro-lamports a compute unit; 0 before the first block. Percentile 0 is the trap: the
        lowest price that got in, which in most blocks is nothing.
        """
        if not self.blocks:
            return 0
        if self._median_demand is None:
            # What is paid only rises with demand, so the median block is the one of median demand.
            demands = sorted([block.demand for block in self.blocks])
            self._median_demand = demands[(len(demands) - 1) // 2]
        return self._bids.paid(percentile, self._median_demand)
