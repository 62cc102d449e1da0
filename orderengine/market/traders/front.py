"""Find the front-run that gains most from one victim on one pool, by trying exact trades.

How much the victim is left with falls as the front-run grows, so the largest one that it survives
is found by steps of four times and by halving. If no size on the way gains anything, nor does more
of it lose less, there is no attack. Else the gain is looked for on an even grid, for bins and ticks
make it uneven, then by golden section between the sizes next to the best one.

Searches end within a part in 1,024 of the largest front-run, and a gain between two points is not
seen; so the gain is the best to about as much, not to the unit. That the victim survives and what
everybody gets is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from orderengine.errors import InvalidAmount, Rejected
from orderengine.market.transactions import Settled, require_room
from orderengine.model.amounts import U64_MAX
from orderengine.pools import Direction, Pool, Swap

__all__ = ["Front", "best_front"]

_GRID = 16
_FINE_BITS = 10
_STEPS = 12
"""Golden sections: what lies between two sizes shrinks to 0.3 % of itself."""
_GOLDEN = 0.6180339887498949

Trial = Callable[[Mapping[str, Pool]], Settled | None]
"""Run the victim on pools; None if it fails there."""


class Front(Struct, frozen=True, gc=False):
    """Hold a front-run and what follows from it."""

    pool: str
    direction: Direction
    front: Swap
    settled: Settled
    """What the victim does behind it."""
    after_victim: Pool
    """The attacked pool as the victim leaves it."""
    back: Swap
    """Sells what the front-run bought, on that pool."""

    @property
    def gain(self) -> int:
        """What is left of the token that the front-run spends; below 0 a loss."""
        return self.back.amount_out - self.front.amount_in


def best_front(
    trial: Trial, pools: Mapping[str, Pool], address: str, direction: Direction, now_s: int
) -> Front | None:
    """Return the front-run of the highest gain, None if none gains anything.

    Args:
        trial: the victim; called with ``pools``, one of them moved on.
        pools: those that the victim trades on, as they are.
        address: the pool to attack.
        direction: the victim's on it.
        now_s: Unix seconds.
    """
    search = _Search(trial, pools, address, direction, now_s)
    low, high = search.bracket()
    if search.best() is None and not search.is_rising():
        return None
    largest = search.largest(low, high)
    search.gain(largest)
    if search.best() is None:
        return None
    for step in range(1, _GRID + 1):
        search.gain(largest * step // _GRID)
    low, high = search.around_best()
    for _ in range(_STEPS):
        if high - low < 3:
            break
        cut = round((high - low) * (1 - _GOLDEN))
        left, right = low + cut, high - cut
        if search.gain(left) < search.gain(right):
            low = left
        else:
            high = right
    return search.best()


class _Search:
    """Try sizes, each once, and keep the best."""

    def __init__(
        self,
        trial: Trial,
        pools: Mapping[str, Pool],
        address: str,
        direction: Direction,
        now_s: int,
    ) -> None:
        self._trial = trial
        self._pools = pools
        self._pool = pools[address]
        self._direction = direction
        self._opposite = Direction.B_TO_A if direction is Direction.A_TO_B else Direction.A_TO_B
        self._now_s = now_s
        self._survived: dict[int, tuple[Swap, Settled] | None] = {}
        self._gains: dict[int, int] = {}
        self._best: Front | None = None

    def bracket(self) -> tuple[int, int]:
        """Return a size that the victim survives and a larger one that it does not; 0 if none is.

        The second is at most 1.75 times the first, or both are u64's maximum. The gain of each size
        on the way is kept, so that ``best`` knows whether a finer search is worth it.
        """
        a_to_b = self._direction is Direction.A_TO_B
        low = max((self._pool.vault_a if a_to_b else self._pool.vault_b) >> 10, 1)
        while low and self._victim(low) is None:
            low >>= 2
        if not low:
            return 0, 0
        self.gain(low >> 4)
        self.gain(low)
        high = min(low << 2, U64_MAX)
        while high > low and self._victim(high) is not None:
            self.gain(high)
            low, high = high, min(high << 2, U64_MAX)
        for _ in range(2):
            low, high = self._halved(low, high)
            self.gain(low)
        return low, high

    def largest(self, low: int, high: int) -> int:
        """Return the largest size that the victim survives, to a part in 1,024."""
        while high - low > max(low >> _FINE_BITS, 1):
            low, high = self._halved(low, high)
        return low

    def _halved(self, low: int, high: int) -> tuple[int, int]:
        middle = (low + high) // 2
        return (low, middle) if self._victim(middle) is None else (middle, high)

    def gain(self, size: int) -> int:
        """Return the gain of a size, a loss of all of it where it cannot be done."""
        if size not in self._gains:
            front = self._front(size)
            self._gains[size] = -size if front is None else front.gain
            if front is not None and front.gain > (0 if self._best is None else self._best.gain):
                self._best = front
        return self._gains[size]

    def is_rising(self) -> bool:
        """Return whether the largest size of those tried gains more than the one before it.

        So it is where liquidity thins out ahead; where it does not, losses only grow with size.
        """
        sizes = [size for size in sorted(self._gains) if self._victim(size) is not None]
        return len(sizes) > 1 and self._gains[sizes[-1]] > self._gains[sizes[-2]]

    def around_best(self) -> tuple[int, int]:
        """Return the sizes next to the best one among those that were tried."""
        sizes = sorted(self._gains)
        at = max(range(len(sizes)), key=lambda place: self._gains[sizes[place]])
        return sizes[max(at - 1, 0)], sizes[min(at + 1, len(sizes) - 1)]

    def best(self) -> Front | None:
        """Return the best of all that were tried, if it gains anything."""
        return self._best

    def _front(self, size: int) -> Front | None:
        survived = self._victim(size) if size else None
        if survived is None:
            return None
        front, settled = survived
        pool = settled.pools.get(self._pool.address, front.pool)
        try:
            back = pool.swap_exact_in(self._opposite, front.amount_out, self._now_s)
            require_room(pool, self._opposite, front.amount_out)
        except (Rejected, InvalidAmount):
            return None
        return Front(self._pool.address, self._direction, front, settled, pool, back)

    def _victim(self, size: int) -> tuple[Swap, Settled] | None:
        """Return the front-run and what the victim does behind it; None if either fails."""
        if size not in self._survived:
            self._survived[size] = self._run(size)
        return self._survived[size]

    def _run(self, size: int) -> tuple[Swap, Settled] | None:
        pool = self._pool
        try:
            front = pool.swap_exact_in(self._direction, size, self._now_s)
            require_room(pool, self._direction, size)
        except (Rejected, InvalidAmount):
            return None
        settled = self._trial({**self._pools, pool.address: front.pool})
        return None if settled is None else (front, settled)
