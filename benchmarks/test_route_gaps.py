"""Say how far routes are from the best there is: ours by their proof, the heuristics beside them.

Cases are those of the tests, further on: markets of 2 to 10 drawn pools of all venues, both
directions and modes, sizes from dust to nearly all that the pools hold. A gap is counted in units
of the coarser token at the price of the last unit, for each leg and each tick or bin crossed: what
rounding may cost.
"""

from __future__ import annotations

from collections import Counter
from statistics import median, quantiles

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from orderengine.errors import Rejected
from orderengine.model.order import Route
from orderengine.routing.pair.split import split
from orderengine.routing.request import Request
from orderengine.routing.strategies import STRATEGIES
from tests.routing.markets import drawn_requests
from tests.routing.pair.test_split import executed, unit_of

MARKETS = 1_000
ORDERS_A_MARKET = 10
SLOW_EVERY = 10
"""One case in so many is given to the heuristics too."""
_FIRST = 10_000
_HEURISTICS = ("greedy1", "greedy5", "grid", "best")
_GOAL_BPS = 1e-6


def _gap(request: Request, route: Route, bound: int) -> float:
    """Return what a route leaves of a bound, in units of the token that varies."""
    return bound - route.amount_out if request.is_exact_in else route.amount_in - bound


def _spread(values: list[float]) -> dict[str, float]:
    cuts = quantiles(values, n=100)
    found = {"median": median(values), "p90": cuts[89], "p99": cuts[98], "max": max(values)}
    return {name: float(f"{value:.3g}") for name, value in found.items()}


@pytest.mark.benchmark(group="routing, gaps")
def test_gaps_and_what_heuristics_leave(benchmark: BenchmarkFixture) -> None:
    """Say how good routes are: 10,000 orders against their bounds, 1,000 by heuristics too."""
    units: list[float] = []
    bps: list[float] = []
    left: dict[str, list[float]] = {name: [] for name in ("split", *_HEURISTICS)}
    found: Counter[str] = Counter()

    def run() -> None:
        for number, request in enumerate(drawn_requests(MARKETS, ORDERS_A_MARKET, first=_FIRST)):
            route = split(request)
            _, _, crossed = executed(request, route)
            bound = route.bound
            assert bound is not None
            gap, steps = _gap(request, route, bound), len(route.legs) + crossed
            units.append(gap / (steps * unit_of(request)))
            bps.append(1e4 * gap / bound)
            found["within_one_unit"] += units[-1] <= 1
            found["within_two_units"] += units[-1] <= 2
            found["within_goal"] += units[-1] <= 1 or bps[-1] <= _GOAL_BPS
            found["below_zero"] += gap < 0
            if number % SLOW_EVERY:
                continue
            left["split"].append(bps[-1])
            for name in _HEURISTICS:
                try:
                    other = STRATEGIES[name].route(request)
                except Rejected:
                    found[f"{name}_refused"] += 1
                    continue
                left[name].append(1e4 * _gap(request, other, bound) / bound)
                found[f"{name}_better"] += _gap(request, other, bound) < gap

    benchmark.pedantic(run, rounds=1, iterations=1)  # type: ignore[no-untyped-call]
    benchmark.extra_info.update(
        {
            "orders": len(units),
            "gap_units_a_leg_and_crossing": _spread(units),
            "gap_bps": _spread(bps),
            "leave_bps_in_the_same_orders": {
                name: _spread(values) for name, values in left.items()
            },
            "counts": dict(sorted(found.items())),
        }
    )
