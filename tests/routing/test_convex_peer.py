"""Check splits against a convex solver's answers to 500 problems.

``python -m benchmarks.peers.convex_routes`` drew the problems and solved them (cvxpy 1.9.3, the
better answer of Clarabel 0.11.1 and ECOS 2.0.14); it states each pool by its program's formulas,
not by our price curves.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks.peers.convex_problems import PROBLEMS, drawn_problem
from orderengine.pools import (
    ClmmTickSpec,
    Direction,
    DlmmBinSpec,
    DlmmFeeParameters,
    DlmmVolatility,
    MeteoraDlmmPool,
    MeteoraDlmmSpec,
    Pool,
    RaydiumClmmPool,
    RaydiumClmmSpec,
)
from orderengine.routing.pair.split import split
from orderengine.routing.request import Request
from orderengine.routing.view import MarketView
from tests.routing.markets import cpmm

VECTORS = Path(__file__).parents[1] / "vectors" / "routing" / "convex.jsonl.gz"
_NO_VOLATILITY_FEE = {
    "variable_fee_control": 0,
    "max_volatility_accumulator": 0,
    "filter_period": 30,
    "decay_period": 600,
    "reduction_factor": 5_000,
    "protocol_share": 0,
}


class Solved(NamedTuple):
    """Hold a problem and what the solver found, in real numbers and in integers."""

    request: Request
    output: float
    shares: dict[str, int]
    is_plain: bool
    """Whether all pools are constant products, so that only one answer is best."""

    @property
    def direction(self) -> Direction:
        """The way in which each pool trades."""
        return Direction.A_TO_B if self.request.sell == "SOL" else Direction.B_TO_A


def pool_of(address: str, held: dict[str, Any]) -> Pool:
    """Return the pool that a problem describes."""
    if held["kind"] == "product":
        return cpmm(address, held["reserve_a"], held["reserve_b"], held["fee_ppm"])
    common: dict[str, Any] = {"address": address, "token_a": "SOL", "token_b": "USDC"}
    if held["kind"] == "ranges":
        ticks = [ClmmTickSpec(tick=tick, liquidity_net=net) for tick, net in held["nets"]]
        return RaydiumClmmPool.from_spec(
            RaydiumClmmSpec(
                tick_spacing=60,
                trade_fee_rate=held["fee_ppm"],
                tick_current=held["tick"],
                sqrt_price_x64=held["sqrt_price_x64"],
                liquidity=held["liquidity"],
                ticks=tuple(ticks),
                **common,
            )
        )
    bins = [DlmmBinSpec(id=at, amount_a=of_a, amount_b=of_b) for at, of_a, of_b in held["held"]]
    return MeteoraDlmmPool.from_spec(
        MeteoraDlmmSpec(
            bin_step=held["bin_step"],
            active_id=held["active"],
            parameters=DlmmFeeParameters(base_factor=held["base_factor"], **_NO_VOLATILITY_FEE),
            volatility=DlmmVolatility(index_reference=held["active"]),
            bins=tuple(bins),
            **common,
        )
    )


def rows() -> Iterator[dict[str, Any]]:
    """Yield the file's lines."""
    with gzip.open(VECTORS, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


@cache
def solved() -> tuple[Solved, ...]:
    """Return every problem with its answer."""
    found = []
    for row in rows():
        pools = [pool_of(f"p{at}", held) for at, held in enumerate(row["pools"])]
        sell, buy = ("SOL", "USDC") if row["sells_a"] else ("USDC", "SOL")
        request = Request(view=MarketView(pools), sell=sell, buy=buy, amount=row["amount"])
        shares = {f"p{at}": share for at, share in enumerate(row["shares"]) if share}
        is_plain = all(held["kind"] == "product" for held in row["pools"])
        found.append(Solved(request, row["output"], shares, is_plain))
    return tuple(found)


def test_the_file_holds_the_problems_that_are_drawn() -> None:
    """The solver was asked what the generator draws today."""
    held = list(rows())
    assert len(held) == PROBLEMS
    for number, row in enumerate(held):
        answer = {"output": row["output"], "shares": row["shares"]}
        drawn = drawn_problem(number).stored() | answer
        assert row == json.loads(json.dumps(drawn))


def test_no_answer_of_the_solver_beats_the_book() -> None:
    """The solver's output is what a feasible split pays; ours is that or more.

    It is at most 2 * 10^-9 more: the solver stops at its tolerance. Half of the problems agree to
    13 digits.
    """
    more = []
    for request, output, _, _ in solved():
        book = request.view.book(request.sell, request.buy)
        more.append(book.output_of(float(request.amount)) / output - 1)
    assert min(more) >= -1e-14
    assert max(more) <= 2e-9
    assert sorted(more)[len(more) // 2] <= 1e-13


def test_shares_are_the_solvers_where_only_one_answer_is_best() -> None:
    """At an optimum the output barely depends on the shares: half as many digits agree."""
    checked = 0
    for request, _, shares, is_plain in solved():
        if not is_plain:
            continue
        book = request.view.book(request.sell, request.buy)
        ours, _ = book.share_input(float(request.amount))
        assert sum(ours) == pytest.approx(request.amount, rel=1e-12)
        for ladder, share in zip(book.ladders, ours, strict=True):
            theirs = shares.get(ladder.pool.address, 0)
            assert share == pytest.approx(theirs, abs=1e-5 * request.amount)
            checked += 1
    assert checked > 1_500


def test_exact_pools_pay_the_solver_no_more_than_the_route() -> None:
    """The solver's shares, executed as integers, gain at most rounding on ours, and no bound falls.

    Rounding: a unit of the coarser token for each leg and each tick or bin crossed.
    """
    executed = 0
    for question in solved():
        request = question.request
        route = split(request)
        assert route.bound is not None
        paid = legs = 0
        for address, share in question.shares.items():
            pool = request.view.pools[address]
            swap = pool.swap_exact_in(question.direction, share, request.view.now_s)
            paid += swap.amount_out
            legs += 1 + swap.crossed
        executed += legs
        book = request.view.book(request.sell, request.buy)
        unit = max(1.0, book.share_input(float(request.amount))[1] ** -2)
        assert paid <= route.bound
        assert paid - route.amount_out <= legs * unit
    assert executed > 1_500
