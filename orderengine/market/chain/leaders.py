"""Say who leads a slot: skipped slots come in runs, because a leader has several slots in a row.

Source: a leader builds the blocks of 4 consecutive slots (Syndica, September 2025). Assumptions:
leaders are equal in stake, and each window's is drawn on its own; a few of them are poorly run and
skip most of the slots that are skipped, each slot on its own; some do not take bundles. Where it
misleads: real stake is uneven, so a few leaders have many windows, and a leader that is down skips
all four of its slots at once.
"""

from __future__ import annotations

from msgspec import Struct

from orderengine.market.draws import Draws
from orderengine.market.fields import FieldError, check

__all__ = ["LeaderConfig", "Leaders"]


class LeaderConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describe the leaders; the share of slots that are skipped stays ``market.skip_rate``."""

    count: int = 0
    """How many take turns; 0 for none: each slot is then skipped on its own, and takes bundles."""
    window: int = 4
    """Slots in a row of one leader (Syndica, September 2025)."""
    poor_share: float = 0.05
    """Share of leaders that are poorly run, rounded to whole ones. Assumption."""
    poor_skips: float = 0.8
    """Share of all skipped slots that are theirs. Assumption."""
    bundle_share: float = 0.95
    """Share of leaders that take bundles, rounded to whole ones. Assumption: most of the stake runs
    a client that does."""

    def __post_init__(self) -> None:
        check("count", self.count, 0 <= self.count <= 100_000, "from 0 to 100000")
        check("window", self.window, 1 <= self.window <= 1_000, "from 1 to 1000 slots")
        for name in ("poor_share", "poor_skips", "bundle_share"):
            check(name, getattr(self, name), 0 <= getattr(self, name) <= 1, "from 0 to 1")
        taking = round(self.bundle_share * self.count)
        enough = self.count == 0 or taking >= 1
        check("bundle_share", self.bundle_share, enough, "enough for one leader that takes bundles")


class Leaders:
    """Hold the schedule: each window's leader is drawn by the window's number.

    The first leaders are the poorly run ones, the last ones those that take no bundles.

    Args:
        config: the leaders.
        skip_rate: the mean chance that a slot is skipped.
        draws: drawn by window.

    Raises:
        FieldError: the poorly run leaders would have to skip more slots than they have.
    """

    def __init__(self, config: LeaderConfig, skip_rate: float, draws: Draws) -> None:
        self._count = config.count
        self._window = config.window
        self._draws = draws
        self._poor = round(config.poor_share * config.count)
        self._taking = round(config.bundle_share * config.count)
        self._poor_rate = self._good_rate = skip_rate
        if 0 < self._poor < self._count:
            share = self._poor / self._count
            self._poor_rate = skip_rate * config.poor_skips / share
            self._good_rate = skip_rate * (1 - config.poor_skips) / (1 - share)
        for rate in (self._poor_rate, self._good_rate):
            if rate > 1:
                said = "poor_skips such that nobody skips more slots than he has"
                raise FieldError("leaders.poor_skips", config.poor_skips, said)

    def leader_of(self, slot: int) -> int:
        """Return the number of a slot's leader, from 0; 0 if there are none."""
        if self._count == 0:
            return 0
        return self._draws.u64(slot // self._window) % self._count

    def skip_rate_of(self, slot: int) -> float:
        """Return the chance that a slot's leader skips it."""
        if self._poor_rate == self._good_rate:
            return self._good_rate
        return self._poor_rate if self.leader_of(slot) < self._poor else self._good_rate

    def takes_bundles(self, slot: int) -> bool:
        """Return whether a slot's leader takes bundles."""
        return self._taking == self._count or self.leader_of(slot) < self._taking
