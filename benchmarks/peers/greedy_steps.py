"""Place an order in equal steps on real price curves: the heuristic of steps at its fastest.

Plain Python over flat columns, so that ``orderengine.routing.fast`` compiles it as it stands. Only
the pool that was chosen is asked anew at each step. Columns are those of the router's own ladders.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence

__all__ = ["share_in_steps"]


def paid_for(  # noqa: PLR0913, PLR0917  (flat columns: what compiles to a loop)
    starts: Sequence[float],
    liquidity: Sequence[float],
    inputs: Sequence[float],
    outputs: Sequence[float],
    offsets: Sequence[int],
    pool: int,
    amount: float,
) -> float:
    """Return what a pool pays for an input; what it cannot take pays nothing."""
    low, high = offsets[pool], offsets[pool + 1]
    if amount >= inputs[high + pool]:
        return outputs[high + pool]
    while high - low > 1:
        middle = (low + high) // 2
        if inputs[middle + pool] <= amount:
            low = middle
        else:
            high = middle
    rest, s = amount - inputs[low + pool], starts[low]
    if liquidity[low] > 0.0:
        return outputs[low + pool] + rest / (s * (s + rest / liquidity[low]))
    return outputs[low + pool] + rest / (s * s)


def share_in_steps(  # noqa: PLR0913, PLR0917  (as above)
    starts: Sequence[float],
    liquidity: Sequence[float],
    inputs: Sequence[float],
    outputs: Sequence[float],
    offsets: Sequence[int],
    amount: float,
    steps: int,
    shares: MutableSequence[float],
    paid: MutableSequence[float],
    gains: MutableSequence[float],
) -> float:
    """Write each pool's part of an input to ``shares``; return what they pay.

    ``shares``, ``paid`` and ``gains`` have an entry a pool and are written over.
    """
    part = amount / steps
    for pool in range(len(shares)):
        shares[pool] = paid[pool] = 0.0
        gains[pool] = paid_for(starts, liquidity, inputs, outputs, offsets, pool, part)
    total = 0.0
    for _ in range(steps):
        best = 0
        for pool in range(1, len(shares)):
            if gains[pool] > gains[best]:
                best = pool
        shares[best] += part
        paid[best] += gains[best]
        total += gains[best]
        after = paid_for(starts, liquidity, inputs, outputs, offsets, best, shares[best] + part)
        gains[best] = after - paid[best]
    return total
