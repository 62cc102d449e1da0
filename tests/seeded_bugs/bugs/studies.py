"""Mistakes in what a study measures: waits, refusals, prices that are asked twice."""

from __future__ import annotations

from tests.seeded_bugs.bug import Bug

__all__ = ["STUDIES"]

_PLACING = "tests/study/test_placing.py"
_FIELDS = "tests/study/test_engine_fields.py"

STUDIES: tuple[Bug, ...] = (
    Bug(
        name="coordinated-omission",
        says="Each order puts off those after it by what placing it is thought to take.",
        breaks="latency from the intended start",
        file="orderengine/study/placing.py",
        old="            at_ns = start_ns + after_ns\n",
        new="            at_ns = start_ns + after_ns\n            start_ns += 1_000_000\n",
        caught_by=(f"{_PLACING}::test_latency_counts_from_the_intended_start",),
    ),
    Bug(
        name="refused-and-forgotten",
        says="An order that finds no room is counted as if it had never come.",
        breaks="every order ends once",
        file="orderengine/study/placing.py",
        old="            await self._refuse(order, error)\n",
        new="            del error\n",
        caught_by=(f"{_PLACING}::test_a_refused_order_fails_at_once",),
    ),
    Bug(
        name="price-asked-twice",
        says="The fee policy is asked at each step of an attempt, so a quote counts another price.",
        breaks="one price an attempt",
        file="orderengine/execution/priority_fee.py",
        old="        if kept is not None and kept[0] == attempt:\n",
        new="        if kept is not None and kept[0] == attempt and attempt < 0:\n",
        caught_by=("tests/execution/test_priority_fee.py::test_an_attempt_has_one_price",),
    ),
    Bug(
        name="latest-price-weighs-all",
        says="The estimate of volatility forgets to divide by the weight seen so far.",
        breaks="slippage by volatility",
        file="orderengine/execution/volatility.py",
        old="math.sqrt(self._mean / self._weight)",
        new="math.sqrt(self._mean)",
        caught_by=("tests/execution/test_volatility.py::test_the_estimate_is_the_weighted_mean",),
    ),
    Bug(
        name="ties-by-name",
        says="Orders with equal keys go by their id, not as they came.",
        breaks="the discipline",
        file="orderengine/execution/ordered_queue.py",
        old="heappush(self._heap, (key, next(self._turns), order_id))",
        new="heappush(self._heap, (key, hash(order_id) % 97, order_id))",
        caught_by=(
            "tests/execution/test_ordered_queue.py::test_orders_leave_as_the_discipline_says",
        ),
    ),
    Bug(
        name="cold-hawkes",
        says="The exciting part begins at nothing, so a study begins with a quiet hour.",
        breaks="the stated mean rate",
        file="orderengine/market/arrivals.py",
        old="excited, exact_ns = config.rate_per_s * config.branching, 0.0",
        new="excited, exact_ns = 0.0, 0.0",
        caught_by=(
            "tests/market/test_arrivals.py::test_hawkes_gaps_are_those_of_its_intensity",
            "tests/market/test_arrivals.py::test_a_new_hawkes_process_has_its_mean_rate",
        ),
    ),
    Bug(
        name="slow-alone",
        says="Each draw of a slow period is slow by its own chance.",
        breaks="slow periods",
        file="orderengine/market/latency.py",
        old="draws.happens(share, now_ns() // period_ns, _SLOW)",
        new="draws.happens(share, order, k + 7)",
        caught_by=(
            "tests/market/test_latency.py::test_slow_periods_hit_all_draws_of_a_period",
            f"{_FIELDS}::test_slow_periods_slow_whole_stretches",
        ),
    ),
)
