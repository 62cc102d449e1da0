"""Merge the pools of a pair into one sorted book and share an order among them, exactly.

The optimum of a split is where all pools that are used trade at one price, and those that are not
used have a worse one. On the merged curve (``orderengine.routing.ladder``) that price is found by
one binary search, and each pool's share by one more: no iteration, nothing to converge.

Source: the optimality condition is that of G. Angeris, A. Evans, T. Chitra and S. Boyd, "Optimal
Routing for Constant Function Market Makers" (2022), for pools that share two tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orderengine.routing.fast import compiled
from orderengine.routing.ladder import Ladder
from orderengine.routing.pair import kernels
from orderengine.routing.sweep import Columns, input_of, merge, output_of

__all__ = ["Book"]


class Book:
    """Hold the merged price curve of several pools, to be asked any number of times.

    Args:
        ladders: one a pool, all in the direction of the order; those that trade nothing are left
            out.
        is_compiled: share amounts with compiled kernels (the extra ``fast``): the same doubles,
            sooner.
    """

    __slots__ = ("_columns", "_kernels", "_new", "columns", "curves", "is_compiled", "ladders")

    def __init__(self, ladders: Sequence[Ladder], *, is_compiled: bool = False) -> None:
        self.ladders = tuple(ladder for ladder in ladders if ladder.columns.starts)
        self.is_compiled = is_compiled
        curves = [ladder.columns for ladder in self.ladders]
        self.columns: Columns = merge(curves)
        offsets = [0]
        for columns in curves:
            offsets.append(offsets[-1] + len(columns.starts))
        as_sequence: Any = list
        self._kernels: Any = kernels
        self._new: Any = _zeros
        if is_compiled:
            import numpy as np  # noqa: PLC0415  (of the extra)

            self._kernels, self._new, as_sequence = compiled(kernels.__name__), np.zeros, np.array
        self._columns = [as_sequence(column) for column in self.columns]
        pools = [
            as_sequence([number for columns in curves for number in columns[at]])
            for at in range(len(self.columns))
        ]
        self.curves = (*pools, as_sequence(offsets))
        """The pools' columns one after another, and where each pool's begin: for kernels."""

    @property
    def amount_in_max(self) -> float:
        """All that the pools take together."""
        return self.columns.inputs[-1]

    @property
    def amount_out_max(self) -> float:
        """All that the pools pay together."""
        return self.columns.outputs[-1]

    def covers(self, amount_in: float, amount_out: float) -> bool:
        """Return whether no more of any pool can matter to a trade of this input, or output."""
        return all(ladder.covers(amount_in, amount_out) for ladder in self.ladders)

    def share_input(self, amount_in: float) -> tuple[Sequence[float], float]:
        """Return each pool's part of an input, in the ladders' order, and s of the last unit.

        The amount, in base units, must be above 0 and at most ``amount_in_max``.
        """
        starts, _, liquidity, inputs, _ = self._columns
        pool_starts, pool_ends, pool_liquidity, pool_inputs, _, offsets = self.curves
        shares = self._new(len(self.ladders))
        s = self._kernels.share_input(
            starts,
            liquidity,
            inputs,
            pool_starts,
            pool_ends,
            pool_liquidity,
            pool_inputs,
            offsets,
            amount_in,
            shares,
        )
        return shares, s

    def share_output(self, amount_out: float) -> tuple[Sequence[float], float]:
        """Return each pool's part of an output, and s; above 0 and at most ``amount_out_max``."""
        starts, _, liquidity, _, outputs = self._columns
        pool_starts, pool_ends, pool_liquidity, _, pool_outputs, offsets = self.curves
        shares = self._new(len(self.ladders))
        s = self._kernels.share_output(
            starts,
            liquidity,
            outputs,
            pool_starts,
            pool_ends,
            pool_liquidity,
            pool_outputs,
            offsets,
            amount_out,
            shares,
        )
        return shares, s

    def share_inputs(self, amounts_in: Any) -> tuple[Any, Any]:  # noqa: ANN401  (rows or arrays)
        """Share many inputs, each as if it came alone.

        Args:
            amounts_in: n doubles; an array where the book is compiled.

        Returns:
            Shares, n rows with a number a ladder; and what is paid for each, n numbers.
        """
        starts, _, liquidity, inputs, outputs = self._columns
        pool_starts, pool_ends, pool_liquidity, pool_inputs, _, offsets = self.curves
        shares = self._new((len(amounts_in), len(self.ladders)))
        paid = self._new(len(amounts_in))
        self._kernels.share_inputs(
            starts,
            liquidity,
            inputs,
            outputs,
            pool_starts,
            pool_ends,
            pool_liquidity,
            pool_inputs,
            offsets,
            amounts_in,
            shares,
            paid,
        )
        return shares, paid

    def share_outputs(self, amounts_out: Any) -> tuple[Any, Any]:  # noqa: ANN401  (as above)
        """Share many outputs, as ``share_inputs``; the second result is what each takes."""
        starts, _, liquidity, inputs, outputs = self._columns
        pool_starts, pool_ends, pool_liquidity, _, pool_outputs, offsets = self.curves
        shares = self._new((len(amounts_out), len(self.ladders)))
        taken = self._new(len(amounts_out))
        self._kernels.share_outputs(
            starts,
            liquidity,
            outputs,
            inputs,
            pool_starts,
            pool_ends,
            pool_liquidity,
            pool_outputs,
            offsets,
            amounts_out,
            shares,
            taken,
        )
        return shares, taken

    def output_of(self, amount_in: float) -> float:
        """Return the most that the pools pay together for an input: no split pays more."""
        return output_of(self.columns, amount_in)

    def input_of(self, amount_out: float) -> float:
        """Return the least that the pools together take for an output they can pay."""
        return input_of(self.columns, amount_out)


def _zeros(shape: int | tuple[int, int]) -> list[float] | list[list[float]]:
    """Return what numpy's function of the name does, as lists."""
    if isinstance(shape, int):
        return [0.0] * shape
    return [[0.0] * shape[1] for _ in range(shape[0])]
