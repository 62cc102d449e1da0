"""Route by convex optimisation, as the literature does: cvxpy over cone solvers.

The problem is that of G. Angeris, A. Evans, T. Chitra and S. Boyd, "Optimal Routing for Constant
Function Market Makers" (2022): maximise what arrives, each pool keeping its product. There the
product is a geometric mean a pool; here the same set is one second-order cone a pool,

    d^2 <= u * (1 + d / room),    out = price * (d - u / room),

for all pools at once, which cvxpy handles sooner and solvers solve more exactly: no reserve is
subtracted from another, and deep pools are no large numbers. Ranges between ticks are products that
are cut off, bins are lines.

``python -m benchmarks.peers.convex_routes > tests/vectors/routing/convex.jsonl.gz`` writes the
problems of ``convex_problems`` with the answers found here.
"""

from __future__ import annotations

import gzip
import json
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from math import inf

import cvxpy as cp
import numpy as np
import scipy.sparse as sp

from benchmarks.peers.arcs import Arc, Routed, output_of, worths_of
from benchmarks.peers.convex_problems import PROBLEMS, Problem, drawn_problem

__all__ = ["ConvexRouter"]

_TIGHT = {
    "CLARABEL": {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11},
    "ECOS": {"abstol": 1e-11, "reltol": 1e-11, "feastol": 1e-11},
}
"""Tighter than the defaults: a solver that cannot get there fails, and the other may not."""
_ENOUGH = 2.0
"""No arc needs room for more than the order; twice that keeps the limit from binding by chance."""


class ConvexRouter:
    """Hold a compiled problem over arcs whose prices, depths and amounts are parameters.

    Args:
        arcs: only which tokens they join, and which are curves, counts here.
        tokens: how many there are.
        sell: the token that the order fixes.
        buy: the token whose amount is maximised.
    """

    def __init__(self, arcs: Sequence[Arc], tokens: int, sell: int, buy: int) -> None:
        self.arcs, self.tokens, self.sell, self.buy = arcs, tokens, sell, buy
        count = len(arcs)
        curves = [at for at, arc in enumerate(arcs) if arc.room < inf]
        self._curves = curves
        self._inputs = cp.Variable(count, nonneg=True)
        lost = cp.Variable(max(len(curves), 1))
        self._price = cp.Parameter(count, nonneg=True)
        self._most = cp.Parameter(count, nonneg=True)
        self._shrink = cp.Parameter(max(len(curves), 1), nonneg=True)
        self._bend = cp.Parameter(max(len(curves), 1), nonneg=True)
        paid = cp.multiply(self._price, self._inputs)
        limits = [self._inputs <= self._most]
        if curves:
            taken = self._inputs[curves]
            rest = 1 + cp.multiply(self._shrink, taken)
            sides = cp.vstack([2 * taken, lost - rest])
            limits.append(cp.SOC(lost + rest, sides, axis=0))
            spread = sp.csr_array(
                (np.ones(len(curves)), (curves, range(len(curves)))), shape=(count, len(curves))
            )
            paid -= spread @ cp.multiply(self._bend, lost)
        into = _incidence([arc.head for arc in arcs], tokens)
        out_of = _incidence([arc.tail for arc in arcs], tokens)
        flow = into @ paid - out_of @ self._inputs
        held = np.zeros(tokens)
        held[sell] = 1.0
        others = [token for token in range(tokens) if token != buy]
        limits.append(flow[others] >= -held[others])
        self._problem = cp.Problem(cp.Maximize(flow[buy]), limits)
        assert self._problem.is_dcp(dpp=True)

    @property
    def solver_s(self) -> float:
        """Wall seconds that the solver itself took last, without cvxpy around it."""
        return float(self._problem.solver_stats.solve_time)

    def solve(
        self,
        arcs: Sequence[Arc],
        amount: float,
        worths: Sequence[float],
        solver: str = "CLARABEL",
        **settings: float,
    ) -> Routed:
        """Return the optimum for arcs that join the same tokens in the same order.

        Amounts are scaled by the order's, and tokens by their worth, so that the solver's numbers
        are near 1.
        """
        unit = amount * worths[self.sell]
        scale = np.array(worths) / unit
        self._price.value = np.array([arc.price for arc in arcs]) * np.array(
            [worths[arc.head] / worths[arc.tail] for arc in arcs]
        )
        tails = scale[[arc.tail for arc in arcs]]
        most = np.array([arc.most for arc in arcs]) * tails
        self._most.value = np.minimum(most, _ENOUGH)
        if self._curves:
            room = np.array([arcs[at].room for at in self._curves]) * tails[self._curves]
            self._shrink.value = 1 / room
            self._bend.value = self._price.value[self._curves] / room
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Solution may be inaccurate")
            self._problem.solve(solver=solver, **settings)
        assert self._problem.status in {"optimal", "optimal_inaccurate"}, self._problem.status
        inputs = np.maximum(self._inputs.value, 0.0) / tails
        return Routed(float(self._problem.value / scale[self.buy]), inputs.tolist())


def _incidence(ends: Sequence[int], tokens: int) -> sp.csr_array:
    return sp.csr_array((np.ones(len(ends)), (ends, range(len(ends)))), shape=(tokens, len(ends)))


def answered(problem: Problem) -> dict[str, object]:
    """Return a problem as it is stored, with the better solver's output and each pool's input.

    Inputs are made feasible first: cut to what an arc takes, integers a pool, and what is then left
    of the amount goes to the first pool, a constant product. The output is theirs, in real numbers,
    as the curves pay it.
    """
    arcs = [arc for pool in problem.arcs for arc in pool]
    router = ConvexRouter(arcs, 2, 0, 1)
    worths = worths_of(arcs, 2, 1)
    best = -1.0, [0]
    for solver, tight in _TIGHT.items():
        with suppress(cp.SolverError):
            found = router.solve(arcs, float(problem.amount), worths, solver, **tight)
            best = max(best, _feasible(problem, found))
    return problem.stored() | {"output": float(f"{best[0]:.15g}"), "shares": best[1]}


def _feasible(problem: Problem, found: Routed) -> tuple[float, list[int]]:
    left = iter(found.inputs)
    shares = [int(sum(min(next(left), arc.most) for arc in pool)) for pool in problem.arcs]
    shares[0] += problem.amount - sum(shares)
    output = 0.0
    for pool, share in zip(problem.arcs, shares, strict=True):
        rest = float(share)
        for arc in pool:
            output += output_of(arc, min(rest, arc.most))
            rest -= min(rest, arc.most)
    return output, shares


def main() -> None:
    """Write every problem and its answer to standard output, packed the same way each time."""
    lines = [
        json.dumps(answered(drawn_problem(number)), separators=(",", ":"))
        for number in range(PROBLEMS)
    ]
    packed = gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0)
    sys.stdout.buffer.write(packed)


if __name__ == "__main__":
    main()
