"""Give out the space of a block: the highest bids first, within the limits of block and accounts.

Source of the limits: 60 M cost units a block (mainnet block 361774429 holds 59,998,391, of which
3,547,980 are votes) and 12 M on each account that is written (solana-cost-model,
MAX_WRITABLE_ACCOUNT_UNITS). A transaction counts in full on each account it writes.

Assumptions: a transaction counts with the compute-unit limit it asks for, as for its fee; of the
accounts only pools are counted; others' demand is a fluid with the quantiles of ``chain.bids``,
and the described trades of others and arbitrageurs are part of it. Where it misleads: leaders
also weigh locks and bytes, give back what was asked for and not used, and fill a block while it
runs, so that a high bid which comes late finds less room; here a slot's bids are all there when it
begins.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from orderengine.market.chain.bids import Bids
from orderengine.market.fields import check

__all__ = ["BlockConfig", "BlockRecord", "BlockSpace"]


class BlockConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe a block's limits, in compute units."""

    limits: bool = False
    """Whether blocks are limited at all; where not, all that reaches a leader gets in."""
    units: int = 60_000_000
    """Of the whole block."""
    account_units: int = 12_000_000
    """On each pool's account."""
    vote_units: int = 3_548_000
    """What votes take of the block."""

    def __post_init__(self) -> None:
        check("units", self.units, 1_000_000 <= self.units <= 10**12, "from 10^6 to 10^12")
        least = 1_000_000
        check("account_units", self.account_units, least <= self.account_units, f"at least {least}")
        most = self.units - least
        check("vote_units", self.vote_units, 0 <= self.vote_units <= most, f"from 0 to {most}")


class BlockRecord(Struct, frozen=True, gc=False):
    """Hold what a block was like."""

    slot: int
    demand: float
    """Of others, as a multiple of the space besides votes."""
    own_units: int
    """What our transactions took."""
    other_units: int
    """What others took besides."""


class BlockSpace:
    """Hold the space of one block; whoever asks first must have bid most.

    Args:
        config: the limits.
        bids: of others.
        demand: of others for the block, as a multiple of the space besides votes.
        account_demand: of others for each account, as a multiple of its limit.
    """

    def __init__(
        self, config: BlockConfig, bids: Bids, demand: float, account_demand: float
    ) -> None:
        self._space = config.units - config.vote_units
        self._account_space = config.account_units
        self._wanted = demand * self._space
        self._account_wanted = account_demand * self._account_space
        self._demand = demand
        self._bids = bids
        self._bid, self._above = -1, 1.0
        self._taken = 0
        self._account_taken: dict[str, int] = {}

    def take(self, bid: int, units: int, accounts: Sequence[str]) -> bool:
        """Take room for a transaction behind all that bid more; return whether there was some.

        Others who bid the same come after it, as they do among our own: first come, first served.

        Args:
            bid: micro-lamports a unit, at most that of whoever asked before.
            units: what it asks for, counted in full on each account.
            accounts: those it writes, without repetition.
        """
        above = self._share_above(bid)
        if self._taken + int(self._wanted * above) + units > self._space:
            return False
        ahead, taken = int(self._account_wanted * above) + units, self._account_taken
        if any(taken.get(name, 0) + ahead > self._account_space for name in accounts):
            return False
        self._taken += units
        for name in accounts:
            taken[name] = taken.get(name, 0) + units
        return True

    def is_closed_to(self, bid: int) -> bool:
        """Return whether not even one unit is left behind all that bid more."""
        return self._taken + int(self._wanted * self._share_above(bid)) >= self._space

    def _share_above(self, bid: int) -> float:
        if bid != self._bid:  # of thousands who wait, many bid the same
            self._bid, self._above = bid, self._bids.share_above(bid)
        return self._above

    def record(self, slot: int) -> BlockRecord:
        """Return what the block is like once all have asked; others fill what is left."""
        others = min(int(self._wanted), self._space - self._taken)
        return BlockRecord(slot, self._demand, self._taken, others)
