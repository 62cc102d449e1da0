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

from orderengine.routing.fast import kernels_of
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

    __slots__ = ("_columns", "_kernels", "columns", "curves", "is_compiled", "ladders")

    def __init__(self, ladders: Sequence[Ladder], *, is_compiled: bool = False) -> None:
        self.ladders = tuple(ladder for ladder in ladders if ladder.columns.starts)
        self.is_compiled = is_compiled
        curves = [ladder.columns for ladder in self.ladders]
        self.columns: Columns = merge(curves)
        self._kernels = kernels_of(kernels, is_compiled=is_compiled)
        self.curves: Any = self._kernels.flat(curves)
        """The pools' columns one after another, and where each pool's begin: for kernels."""
        starts, _, liquidity, *sums = [self._kernels.floats(column) for column in self.columns]
        *pools, inputs, outputs, offsets = self.curves
        self._columns: Any = [
            (starts, liquidity, whole, *pools, parts, offsets)
            for whole, parts in zip(sums, (inputs, outputs), strict=True)
        ]
        """What kernels take to share an input, and an output."""

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
        return self._share(amount_in, is_output=False)

    def share_output(self, amount_out: float) -> tuple[Sequence[float], float]:
        """Return each pool's part of an output, and s; above 0 and at most ``amount_out_max``."""
        return self._share(amount_out, is_output=True)

    def share_inputs(self, amounts_in: Any) -> tuple[Any, Any]:  # noqa: ANN401  (rows or arrays)
        """Share many inputs, each as if it came alone.

        Args:
            amounts_in: n doubles; an array where the book is compiled.

        Returns:
            Shares, n rows with a number a ladder; and what is paid for each, n numbers.
        """
        return self._share_many(amounts_in, is_output=False)

    def share_outputs(self, amounts_out: Any) -> tuple[Any, Any]:  # noqa: ANN401  (as above)
        """Share many outputs, as ``share_inputs``; the second result is what each takes."""
        return self._share_many(amounts_out, is_output=True)

    def _share(self, amount: float, *, is_output: bool) -> tuple[Sequence[float], float]:
        shares = self._kernels.zeros(len(self.ladders))
        s: float = self._kernels.functions.share(
            *self._columns[is_output], amount, is_output, shares
        )
        return shares, s

    def _share_many(self, amounts: Any, *, is_output: bool) -> tuple[Any, Any]:  # noqa: ANN401
        shares = self._kernels.zeros((len(amounts), len(self.ladders)))
        made = self._kernels.zeros(len(amounts))
        others = self._columns[not is_output][2]
        self._kernels.functions.share_many(
            *self._columns[is_output], others, amounts, is_output, shares, made
        )
        return shares, made

    def output_of(self, amount_in: float) -> float:
        """Return the most that the pools pay together for an input: no split pays more."""
        return output_of(self.columns, amount_in)

    def input_of(self, amount_out: float) -> float:
        """Return the least that the pools together take for an output they can pay."""
        return input_of(self.columns, amount_out)
