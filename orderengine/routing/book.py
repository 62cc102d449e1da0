"""Merge the pools of a pair into one sorted book and share an order among them, exactly.

The optimum of a split is where all pools that are used trade at one price, and those that are not
used have a worse one. On the merged curve (``orderengine.routing.ladder``) that price is found by
one binary search, and each pool's share by one more: no iteration, nothing to converge.

Source: the optimality condition is that of G. Angeris, A. Evans, T. Chitra and S. Boyd, "Optimal
Routing for Constant Function Market Makers" (2022), for pools that share two tokens.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from orderengine.routing import kernels
from orderengine.routing.fast import compiled
from orderengine.routing.ladder import Ladder
from orderengine.routing.sweep import Columns, merge

__all__ = ["Book"]


class Book:
    """Hold the merged price curve of several pools, to be asked any number of times.

    Args:
        ladders: one a pool, all in the direction of the order; those that trade nothing are left
            out.
        is_compiled: share amounts with compiled kernels (the extra ``fast``): the same doubles,
            sooner.
    """

    __slots__ = ("_by_input", "_by_output", "_kernels", "_new_shares", "columns", "ladders")

    def __init__(self, ladders: Sequence[Ladder], *, is_compiled: bool = False) -> None:
        self.ladders = tuple(ladder for ladder in ladders if ladder.columns.starts)
        curves = [ladder.columns for ladder in self.ladders]
        self.columns: Columns = merge(curves)
        offsets = [0]
        for columns in curves:
            offsets.append(offsets[-1] + len(columns.starts))
        as_sequence: Any = list
        self._kernels: Any = kernels
        count = len(curves)
        self._new_shares: Any = lambda: [0.0] * count
        if is_compiled:
            import numpy as np  # noqa: PLC0415  (of the extra)

            self._kernels = compiled(kernels.__name__)
            self._new_shares = lambda: np.empty(count)
            as_sequence = np.array
        whole = [as_sequence(column) for column in self.columns]
        pools = [
            as_sequence([number for columns in curves for number in columns[at]]) for at in range(5)
        ]
        rest = (pools[0], pools[1], pools[2])
        self._by_input = (whole[0], whole[2], whole[3], *rest, pools[3], as_sequence(offsets))
        self._by_output = (whole[0], whole[2], whole[4], *rest, pools[4], as_sequence(offsets))

    @property
    def amount_in_max(self) -> float:
        """All that the pools take together; infinite if one's curve never ends."""
        return self.columns.inputs[-1]

    @property
    def amount_out_max(self) -> float:
        """All that the pools pay together."""
        return self.columns.outputs[-1]

    def share_input(self, amount_in: float) -> tuple[Sequence[float], float]:
        """Return each pool's part of an input, in the ladders' order, and s of the last unit.

        The amount, in base units, must be above 0 and at most ``amount_in_max``.
        """
        shares: Sequence[float] = self._new_shares()
        s: float = self._kernels.share_input(*self._by_input, amount_in, shares)
        return shares, s

    def share_output(self, amount_out: float) -> tuple[Sequence[float], float]:
        """Return each pool's part of an output, and s; above 0 and at most ``amount_out_max``."""
        shares: Sequence[float] = self._new_shares()
        s: float = self._kernels.share_output(*self._by_output, amount_out, shares)
        return shares, s

    def output_of(self, amount_in: float) -> float:
        """Return the most that the pools pay together for an input: no split pays more."""
        starts, _, liquidity, inputs, outputs = self.columns
        if amount_in >= inputs[-1]:
            return outputs[-1]
        k = max(bisect_left(inputs, amount_in) - 1, 0)
        rest, s = amount_in - inputs[k], starts[k]
        if not liquidity[k]:
            return outputs[k] + rest / (s * s)
        return outputs[k] + rest / (s * (s + rest / liquidity[k]))

    def input_of(self, amount_out: float) -> float:
        """Return the least that the pools together take for an output below ``amount_out_max``."""
        starts, _, liquidity, inputs, outputs = self.columns
        k = max(bisect_left(outputs, amount_out) - 1, 0)
        rest, s = amount_out - outputs[k], starts[k]
        if not liquidity[k]:
            return inputs[k] + rest * s * s
        rest *= s
        return inputs[k] + liquidity[k] * rest * s / (liquidity[k] - rest)
