"""Route by the dual problem, as CFMMRouter does: scipy's L-BFGS-B over the prices of tokens.

For prices nu, with that of the token bought 1, every pool trades what profits it most, in closed
form, and nu_sell * amount + all profits bounds what any route pays. The prices where the bound is
least are those at which the pools' trades fit together.

Source: T. Diamandis, M. Resnick, T. Chitra and G. Angeris, "An Efficient Algorithm for Optimal
Routing Through Constant Function Market Makers" (2023). Prices are searched in logarithm: that took
fewer steps here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize

from benchmarks.peers.arcs import Arc, Routed

__all__ = ["DualRouter"]

_LINE = 1e300
"""Stands for the room of an arc whose price stands still: its curve is a line to every digit."""
_PRICES = 20.0
"""No price moves by more than a factor of e to this power from its worth before the order."""


class DualRouter:
    """Hold arcs as arrays, to be asked for any number of amounts.

    Args:
        arcs: the market.
        tokens: how many tokens there are.
        sell: the token that the order fixes.
        buy: the token whose amount is maximised.
        worths: of each token in ``buy``: where the search begins.
    """

    def __init__(
        self, arcs: Sequence[Arc], tokens: int, sell: int, buy: int, worths: Sequence[float]
    ) -> None:
        columns = np.array(arcs, dtype=float)
        self._tails, self._heads = columns[:, 0].astype(int), columns[:, 1].astype(int)
        self._price = columns[:, 2]
        self._room = np.minimum(columns[:, 3], _LINE)
        self._is_line = columns[:, 3] > _LINE
        self._most = columns[:, 4]
        self._worths = np.array(worths)
        self._tokens, self._sell, self._buy = tokens, sell, buy
        self._free = np.array([token for token in range(tokens) if token != buy])

    def solve(self, amount: float) -> Routed:
        """Return the least bound found, and what each arc trades at its prices.

        Over curves without end the bound is the optimum. Where a price stands still the trades at
        it are not decided by prices: the bound holds, the inputs leave those arcs out.
        """
        unit = amount * self._worths[self._sell]

        def bound(logs: Any) -> tuple[float, Any]:  # noqa: ANN401  (an array)
            prices = self._worths.copy()
            prices[self._free] *= np.exp(logs)
            taken, paid = self._trades(prices)
            net = np.bincount(self._heads, paid, self._tokens)
            net -= np.bincount(self._tails, taken, self._tokens)
            net[self._sell] += amount
            # A price weighs what is left of its token, so that is the slope.
            return float(prices @ net) / unit, (prices * net)[self._free] / unit

        limits = [(-_PRICES, _PRICES)] * len(self._free)
        options = {"maxiter": 1_000, "ftol": 1e-15, "gtol": 1e-10}
        found = minimize(
            bound,
            np.zeros(len(self._free)),
            jac=True,
            method="L-BFGS-B",
            bounds=limits,
            options=options,
        )
        prices = self._worths.copy()
        prices[self._free] *= np.exp(found.x)
        return Routed(float(found.fun) * unit, self._trades(prices)[0].tolist())

    def _trades(self, prices: Any) -> tuple[Any, Any]:  # noqa: ANN401  (arrays)
        """Return what each arc takes and pays where its last unit trades at the tokens' prices."""
        ratio = self._price * prices[self._heads] / prices[self._tails]
        wanted = self._room * (np.sqrt(ratio) - 1)
        wanted[self._is_line & (ratio > 1)] = np.inf
        taken = np.minimum(np.maximum(wanted, 0.0), self._most)
        return taken, self._price * taken * (self._room / (self._room + taken))
