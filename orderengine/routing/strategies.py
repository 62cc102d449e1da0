"""Name every strategy, so that a study, a request or the command line can choose one."""

from __future__ import annotations

from collections.abc import Mapping

from orderengine.routing.network.strategy import network
from orderengine.routing.pair.baselines import best, greedy, grid
from orderengine.routing.pair.split import split
from orderengine.routing.request import Strategy

__all__ = ["STRATEGIES"]

_ALL = (
    Strategy("best", best, said="one pool, the one that pays most"),
    Strategy("split", split, said="all pools of the pair, the exact optimum"),
    Strategy("network", network, said="all pools of all tokens on the way, by prices of tokens"),
    Strategy("greedy1", greedy(100), True, "steps of 1 %, each where it pays most just then"),
    Strategy("greedy5", greedy(20), True, "steps of 5 %, each where it pays most just then"),
    Strategy("grid", grid, True, "the best split into multiples of 5 %"),
)

STRATEGIES: Mapping[str, Strategy] = {strategy.name: strategy for strategy in _ALL}
"""By name."""
