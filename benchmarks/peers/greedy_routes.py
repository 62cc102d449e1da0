"""Split an order by steps of 1 % on real price curves: the heuristic at its fastest.

Beside ``orderengine.routing.pair.baselines.greedy``, which asks the exact pools at every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.peers import greedy_steps
from orderengine.routing.fast import compiled
from orderengine.routing.ladder import Ladder

__all__ = ["GreedyRouter"]

_STEPS = 100


class GreedyRouter:
    """Hold the pools' curves as flat columns, compiled or plain, for any number of orders."""

    def __init__(self, ladders: Sequence[Ladder], *, is_compiled: bool) -> None:
        as_sequence: Any = list
        self._steps: Any = greedy_steps.share_in_steps
        if is_compiled:
            import numpy as np  # noqa: PLC0415  (plain runs without)

            as_sequence, self._steps = np.array, compiled(greedy_steps.__name__).share_in_steps
        curves = [ladder.columns for ladder in ladders]
        offsets = [0]
        for curve in curves:
            offsets.append(offsets[-1] + len(curve.starts))
        columns = [
            [number for curve in curves for number in getattr(curve, name)]
            for name in ("starts", "liquidity", "inputs", "outputs")
        ]
        self._columns = [as_sequence(column) for column in (*columns, offsets)]
        self._written = [as_sequence([0.0] * len(curves)) for _ in range(3)]

    def output(self, amount: float) -> float:
        """Return what the steps' split pays for an input."""
        paid: float = self._steps(*self._columns, amount, _STEPS, *self._written)
        return paid
