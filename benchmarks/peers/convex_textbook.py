"""Route by cvxpy as the paper's own examples are written: a geometric mean for each pool.

Each pool takes and gives both of its tokens, keeps the geometric mean of its reserves, and the
problem is built anew for an order. Only units are chosen, or the solver does not get there.

Source: G. Angeris, A. Evans, T. Chitra and S. Boyd, "Optimal Routing for Constant Function Market
Makers" (2022), section 4 and its examples.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import cvxpy as cp
import numpy as np

from orderengine.pools import RaydiumCpmmPool

__all__ = ["textbook_output"]


def textbook_output(
    pools: Sequence[RaydiumCpmmPool],
    tokens: Sequence[str],
    ends: tuple[str, str],
    amount: float,
    worths: Sequence[float],
) -> float:
    """Return the most that constant products pay for an order, from ``ends[0]`` to ``ends[1]``."""
    at = {name: index for index, name in enumerate(tokens)}
    sell, buy = at[ends[0]], at[ends[1]]
    scale = np.array(worths) / (amount * worths[sell])
    flow: list[cp.Expression] = [cp.Constant(0.0)] * len(tokens)
    flow[sell] = cp.Constant(1.0)
    limits = []
    for pool in pools:
        a, b = at[pool.token_a], at[pool.token_b]
        held = np.array([pool.reserve_a * scale[a], pool.reserve_b * scale[b]])
        tendered = cp.Variable(2, nonneg=True)
        received = cp.Variable(2, nonneg=True)
        keep = 1 - pool.trade_fee_rate / 1e6
        after = held + keep * tendered - received
        limits.append(cp.geo_mean(after) >= np.sqrt(held.prod()))
        flow[a] = flow[a] + received[0] - tendered[0]
        flow[b] = flow[b] + received[1] - tendered[1]
    limits += [flow[token] >= 0 for token in range(len(tokens)) if token != buy]
    problem = cp.Problem(cp.Maximize(flow[buy]), limits)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Solution may be inaccurate")
        problem.solve(solver="CLARABEL")
    return float(problem.value / scale[buy])
