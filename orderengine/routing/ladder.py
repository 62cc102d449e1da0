"""Lay a pool's price curve out as columns to search: the form in which all routing asks of pools.

Theory. Let p be a pool's price in the direction of the swap, units of output for one of input after
all fees, and s = 1 / sqrt(p), which rises as the pool is traded. With the liquidity L of a piece
(``orderengine.pools.segments``) that begins at s0:

- on a curve    in(s) = L * (s - s0)    and    out(s) = L * (s - s0) / (s * s0);
- in a bin s stands still while its whole amount trades: a step.

So of every pool what it takes until its price has fallen to 1 / s^2 is piecewise linear in s, and
the same holds for the sum over pools. Numbers are doubles, for searching; what a route states is
computed by the pools themselves, in integers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from math import inf, sqrt

from msgspec import Struct, field

from orderengine.pools import Direction, Pool, Segment
from orderengine.pools.fixed_point import U64_MAX
from orderengine.routing.sweep import Columns, merge

__all__ = ["Ladder", "ladder_of"]

_ROUNDING = 1e-12
"""Two ends of neighbouring pieces that differ by less are one: they were computed apart."""


class Ladder(Struct, frozen=True, eq=False):
    """Hold what one pool trades in one direction, best price first; pieces do not overlap."""

    pool: Pool
    direction: Direction
    columns: Columns
    is_whole: bool = True
    """Whether this is all of the curve; else its beginning, as far as it was asked for."""
    most: dict[object, int] = field(default_factory=dict)
    """The most units that the pool does in integers, by what was asked of it; found when it first
    refused more (``orderengine.routing.polish``)."""

    @property
    def start(self) -> float:
        """1 / sqrt(price) of its first unit; infinite if nothing trades."""
        starts = self.columns.starts
        return starts[0] if starts else inf

    @property
    def amount_in_max(self) -> float:
        """All that it takes before it has no more to pay, or its vault can hold no more."""
        return self.columns.inputs[-1]

    @property
    def amount_out_max(self) -> float:
        """All that it pays."""
        return self.columns.outputs[-1]

    def covers(self, amount_in: float, amount_out: float) -> bool:
        """Return whether more of the curve cannot matter to a trade of this input, or output."""
        columns = self.columns
        return self.is_whole or columns.inputs[-1] >= amount_in or columns.outputs[-1] >= amount_out


def ladder_of(
    pool: Pool,
    direction: Direction,
    now_s: int,
    *,
    amount_in: float = inf,
    amount_out: float = inf,
) -> Ladder:
    """Return a pool's ladder, up to where it takes or pays as much alone.

    Where a pool's fee falls while it is traded, its price may rise from one piece to a later one.
    Then the pieces are merged by price as if they were several pools': that pays at least as much
    at every amount, so a bound that is computed from it holds. Of such a pool all is laid out.

    It ends where the vault of what comes in would hold 2^64, which no token account can.
    """
    vault = pool.vault_a if direction is Direction.A_TO_B else pool.vault_b
    if not pool.has_fixed_fee:
        amount_in = amount_out = inf
    columns, is_whole = _columns(pool.segments(direction, now_s), amount_in, amount_out)
    return Ladder(pool, direction, _within(columns, float(U64_MAX - vault)), is_whole)


def _columns(
    segments: Iterable[Segment], amount_in: float, amount_out: float
) -> tuple[Columns, bool]:
    """Return the columns, and whether they are those of all segments."""
    starts: list[float] = []
    ends: list[float] = []
    liquidity: list[float] = []
    inputs, outputs = [0.0], [0.0]
    total_in = total_out = end = 0.0
    is_falling = True
    for piece in segments:
        if total_in >= amount_in or total_out >= amount_out:
            return Columns(starts, ends, liquidity, inputs, outputs), False
        start = 1 / sqrt(piece.price_start)
        if start < end:
            if start < end * (1 - _ROUNDING):
                is_falling = False
            else:
                start = end
        end = 1 / sqrt(piece.price_end) if piece.price_end else inf
        # A curve so short that doubles tell no end from its start is a bin.
        is_bin = not piece.liquidity or end <= start
        end = start if is_bin else end
        starts.append(start)
        ends.append(end)
        liquidity.append(0.0 if is_bin else piece.liquidity)
        total_in += piece.amount_in
        total_out += piece.amount_out
        inputs.append(total_in)
        outputs.append(total_out)
    columns = Columns(starts, ends, liquidity, inputs, outputs)
    if not is_falling:
        columns = merge([_alone(columns, k) for k in range(len(starts))])
    return columns, True


def _alone(columns: Columns, k: int) -> Columns:
    return Columns(
        columns.starts[k : k + 1],
        columns.ends[k : k + 1],
        columns.liquidity[k : k + 1],
        [0.0, columns.inputs[k + 1] - columns.inputs[k]],
        [0.0, columns.outputs[k + 1] - columns.outputs[k]],
    )


def _within(columns: Columns, room: float) -> Columns:
    """Return the pieces up to an input of ``room``, the last one cut."""
    starts, ends, liquidity, inputs, outputs = columns
    if inputs[-1] <= room:
        return columns
    k = bisect_left(inputs, room) - 1
    if k < 0:
        return Columns([], [], [], [0.0], [0.0])
    rest, start = room - inputs[k], starts[k]
    end = start + rest / liquidity[k] if liquidity[k] else start
    return Columns(
        starts[: k + 1],
        [*ends[:k], end],
        [*liquidity[:k], liquidity[k] if end > start else 0.0],
        [*inputs[: k + 1], room],
        [*outputs[: k + 1], outputs[k] + rest / (start * end)],
    )
