"""Search the merged curve of several pools and share an amount among them: the inner loops.

Every function here is plain Python over sequences of numbers, and is compiled as it stands where
the extra ``fast`` is asked for (``orderengine.routing.fast``). Only +, -, *, / and comparisons are
used, in a fixed order, so both give the same doubles.

Arguments shared by all: ``starts``, ``liquidity`` and ``sums`` are the merged curve's (``sums`` of
inputs or of outputs); those named ``pool_...`` are the pools' own, one pool after another, pool i
from ``offsets[i]`` to ``offsets[i + 1]``. ``pool_sums`` has one entry more for each pool, so pool
i's begin at ``offsets[i] + i``.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence

__all__ = ["share", "share_many"]

BEYOND = 1e150
"""An s that no pool reaches."""

_Floats = Sequence[float]
_Ints = Sequence[int]


def piece_at(sums: _Floats, count: int, amount: float) -> int:
    """Return the last piece that begins below an amount; the first one of amount 0."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if sums[middle] < amount:
            low = middle + 1
        else:
            high = middle
    return low - 1 if low > 0 else 0


def piece_before(starts: _Floats, first: int, end: int, s: float) -> int:
    """Return the last piece from ``first`` on that begins before s; ``first - 1`` if none does."""
    low, high = first, end
    while low < high:
        middle = (low + high) // 2
        if starts[middle] < s:
            low = middle + 1
        else:
            high = middle
    return low - 1


def share(  # noqa: PLR0913, PLR0917  (flat, for a compiled call takes longest to open tuples)
    starts: _Floats,
    liquidity: _Floats,
    sums: _Floats,
    pool_starts: _Floats,
    pool_ends: _Floats,
    pool_liquidity: _Floats,
    pool_sums: _Floats,
    offsets: _Ints,
    amount: float,
    is_output: bool,
    shares: MutableSequence[float],
) -> float:
    """Share an input, or an output, among pools so that all end at one price; return s there.

    Writes each pool's part to ``shares``. The amount must be above 0 and at most the total.
    """
    k = piece_at(sums, len(starts), amount)
    s = starts[k]
    if liquidity[k] > 0.0:
        if is_output:
            # out = L * d / (s0 * (s0 + d)), solved for d; all of it, where the last digits decide.
            rest = (amount - sums[k]) * s
            s = s + rest * s / (liquidity[k] - rest) if rest < liquidity[k] else BEYOND
        else:
            s += (amount - sums[k]) / liquidity[k]
    rest = amount
    for i in range(len(offsets) - 1):
        first, end = offsets[i], offsets[i + 1]
        j = piece_before(pool_starts, first, end, s)
        part = 0.0
        if j >= first:
            if s >= pool_ends[j]:
                part = pool_sums[j + i + 1]
            else:
                start = pool_starts[j]
                part = pool_liquidity[j] * (s - start)
                if is_output:
                    part /= s * start
                part += pool_sums[j + i]
        shares[i] = part
        rest -= part
    if liquidity[k] == 0.0:
        share_step(pool_starts, pool_liquidity, pool_sums, offsets, s, rest, shares)
    return s


def share_step(  # noqa: PLR0913, PLR0917  (as above)
    pool_starts: _Floats,
    pool_liquidity: _Floats,
    pool_sums: _Floats,
    offsets: _Ints,
    s: float,
    rest: float,
    shares: MutableSequence[float],
) -> None:
    """Give what is left to the bins that stand at the very price, in the pools' order."""
    for i in range(len(offsets) - 1):
        end = offsets[i + 1]
        j = piece_before(pool_starts, offsets[i], end, s) + 1
        while rest > 0.0 and j < end and pool_starts[j] == s and pool_liquidity[j] == 0.0:
            part = min(rest, pool_sums[j + i + 1] - pool_sums[j + i])
            shares[i] += part
            rest -= part
            j += 1


def share_many(  # noqa: PLR0913, PLR0917  (as above)
    starts: _Floats,
    liquidity: _Floats,
    sums: _Floats,
    pool_starts: _Floats,
    pool_ends: _Floats,
    pool_liquidity: _Floats,
    pool_sums: _Floats,
    offsets: _Ints,
    others: _Floats,
    amounts: _Floats,
    is_output: bool,
    shares: Sequence[MutableSequence[float]],
    made: MutableSequence[float],
) -> None:
    """Share many amounts, each as if it came alone.

    ``others`` is the merged curve's other column of sums: of it, what is paid for each input, or
    what each output takes, is written to ``made``.
    """
    for order in range(len(amounts)):
        amount = amounts[order]
        share(
            starts,
            liquidity,
            sums,
            pool_starts,
            pool_ends,
            pool_liquidity,
            pool_sums,
            offsets,
            amount,
            is_output,
            shares[order],
        )
        k = piece_at(sums, len(starts), amount)
        s, rest = starts[k], amount - sums[k]
        if is_output:
            rest *= s
            if liquidity[k] == 0.0:
                made[order] = others[k] + rest * s
            elif rest < liquidity[k]:
                made[order] = others[k] + liquidity[k] * rest * s / (liquidity[k] - rest)
            else:
                made[order] = others[k + 1]
        elif liquidity[k] > 0.0:
            made[order] = others[k] + rest / (s * (s + rest / liquidity[k]))
        else:
            made[order] = others[k] + rest / (s * s)
