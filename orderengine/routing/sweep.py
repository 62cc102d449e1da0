"""Merge price curves: the curve of several pools that are traded together, at one price.

Sweep s = 1 / sqrt(price) upwards over the beginnings and ends of all pieces. Between two of them
the liquidities add up to that of one piece of the merged curve; a bin is a step of its own.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import inf
from typing import NamedTuple

__all__ = ["Columns", "input_of", "merge", "output_of"]


class Columns(NamedTuple):
    """Hold pieces of a price curve, column by column, best price first.

    ``inputs`` and ``outputs`` are sums up to a piece's beginning, with the total as one entry more.
    """

    starts: list[float]
    """s at the first unit of each piece."""
    ends: list[float]
    """s at its last unit: the start in a bin, infinite on a curve that never ends."""
    liquidity: list[float]
    """Of a curve; 0 in a bin."""
    inputs: list[float]
    outputs: list[float]


def merge(curves: Sequence[Columns]) -> Columns:
    """Return the sum of curves. Of bins at one price the earlier curve's stands first.

    Cost: one sort of all ends, then a step for each with the sum of the curves' liquidities.
    """
    events: list[tuple[float, int, int]] = []
    for at, (starts, ends, liquidity, *_) in enumerate(curves):
        following = [*starts[1:], inf]
        for k, start in enumerate(starts):
            events.append((start, at, k))
            if liquidity[k] and ends[k] < following[k]:
                events.append((ends[k], at, -1))
    events.sort()
    starts, ends, sums, inputs, outputs = [], [], [], [0.0], [0.0]
    live = [0.0] * len(curves)
    total = total_in = total_out = s = 0.0
    for upto, at, k in events:
        if total and upto > s:
            starts.append(s)
            ends.append(upto)
            sums.append(total)
            taken = total * (upto - s)
            total_in += taken
            total_out += taken / (upto * s)
            inputs.append(total_in)
            outputs.append(total_out)
        s = upto
        if k < 0:
            live[at] = 0.0
        else:
            curve = curves[at]
            live[at] = curve.liquidity[k]
            if not live[at]:
                starts.append(s)
                ends.append(s)
                sums.append(0.0)
                total_in += curve.inputs[k + 1] - curve.inputs[k]
                total_out += curve.outputs[k + 1] - curve.outputs[k]
                inputs.append(total_in)
                outputs.append(total_out)
        total = sum(live)
    if total:
        starts.append(s)
        ends.append(inf)
        sums.append(total)
        inputs.append(inf)
        outputs.append(total_out + total / s)
    return Columns(starts, ends, sums, inputs, outputs)


def output_of(columns: Columns, amount_in: float) -> float:
    """Return what a curve pays for an input; all that it holds, for more than it takes."""
    starts, _, liquidity, inputs, outputs = columns
    if amount_in >= inputs[-1]:
        return outputs[-1]
    k = max(bisect_left(inputs, amount_in) - 1, 0)
    rest, s = amount_in - inputs[k], starts[k]
    if not liquidity[k]:
        return outputs[k] + rest / (s * s)
    return outputs[k] + rest / (s * (s + rest / liquidity[k]))


def input_of(columns: Columns, amount_out: float) -> float:
    """Return what a curve takes for an output that it can pay."""
    starts, _, liquidity, inputs, outputs = columns
    k = max(bisect_left(outputs, amount_out) - 1, 0)
    rest, s = amount_out - outputs[k], starts[k]
    if not liquidity[k]:
        return inputs[k] + rest * s * s
    rest *= s
    if rest >= liquidity[k]:
        return inputs[k + 1]  # all of it, where the last digits decide
    return inputs[k] + liquidity[k] * rest * s / (liquidity[k] - rest)
